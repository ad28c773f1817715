"""What happens to a berthd process."""

from __future__ import annotations

import os
import re
import resource
import signal
import threading
import time
from pathlib import Path

from catalog import Hit, fault
from replica import PG, sleep

import stubs
from world import Server

LEASE_SECONDS = 1.0
REACH_SECONDS = 4
COUNTED = -1  # kills are counted where they are done
LAST_WORDS = "berthd: aborted: "
POINTS = re.findall(r"^FAULT\((\w+),",
                    (Path(__file__).resolve().parent.parent.parent / "repo/fault.def").read_text("utf-8"), re.MULTILINE)
# A round's own: the lease and the epoch are held there.
HOLDING = ("epoch_taken", "loaded", "decided", "chunk_begun", "sessions_locked", "agents_locked", "numbered",
           "commit_due")
COMMITS = 3  # the first of a round is that of its epoch


@fault("process", "I1 I2 I3 I9 I15 I17", weight=6, replicas=1)
def kill(hit: Hit) -> int:
    """kill -9 at a random instant; a new process in its place."""
    hit.replica.kill()
    sleep(hit.rng, 0, hit.campaign.gentle)
    hit.replica.start()
    return COUNTED


@fault("process", "I1 I2 I3 I9 I15 I17", weight=6, replicas=1, needs="fault points")
def kill_at_point(hit: Hit) -> int:
    """kill -9 at a random point of `repo/fault.def`: of a round, a commit or a cancel."""
    hit.replica.start_to_fail(f"{hit.rng.choice(POINTS)}:crash:{hit.rng.randint(1, COMMITS)}")
    struck = hit.replica.await_grief(REACH_SECONDS)
    if not struck:
        hit.replica.kill()
    else:
        hit.replica.server.client.close()
        hit.replica.server.process.wait()
    hit.replica.start()
    return int(struck)


@fault("process", "I1 I2 I5 I9", weight=6, replicas=1, needs="fault points")
def pause_lease_holder(hit: Hit) -> int:
    """SIGSTOP in a round, with the lease and the epoch, until the lease is over and others went on; SIGCONT."""
    hit.replica.start_to_fail(f"{hit.rng.choice(HOLDING)}:stop:{hit.rng.randint(1, COMMITS)}")
    struck = hit.replica.await_grief(REACH_SECONDS)
    if struck:
        sleep(hit.rng, LEASE_SECONDS * 1.2, LEASE_SECONDS * 2)
    hit.replica.wake()
    return int(struck)


@fault("process", "I5 I10 I17", weight=3, replicas=1)
def pause(hit: Hit) -> None:
    """SIGSTOP at a random instant for longer than a lease lives, then SIGCONT."""
    os.kill(hit.replica.pid, signal.SIGSTOP)
    sleep(hit.rng, LEASE_SECONDS * 1.2, LEASE_SECONDS * 2.2)
    hit.replica.wake()


@fault("process", "I3 I9 I10", weight=3, replicas=1)
def terminate(hit: Hit) -> None:
    """SIGTERM in the middle of whatever it does; it drains and ends with 0."""
    hit.replica.end()
    hit.replica.start()


@fault("process", "I2 I5 I9", weight=2, replicas=2)
def two_at_once(hit: Hit) -> None:
    """Two replicas are killed and started at the same instant."""
    for replica in hit.replicas:
        replica.kill()
    starters = [threading.Thread(target=replica.start) for replica in hit.replicas]
    for starter in starters:
        starter.start()
    for starter in starters:
        starter.join()


@fault("process", "I2 I5 I9 I15", weight=1)
def twin(hit: Hit) -> int:
    """A second process with the name of a replica that runs, asked for rounds; then it is killed."""
    c, twin_of = hit.campaign, hit.any_replica()
    server = Server(c.build, twin_of.conninfo, f"unix:{twin_of.folder}/redis.sock", c.folder, *twin_of.flags())
    rounds, end = 0, time.monotonic() + 2
    try:
        while time.monotonic() < end:
            try:
                server.client.call("ScheduleScalingGroup", timeout=2, scaling_group=hit.rng.choice(c.groups), view=1)
                rounds += 1
            except stubs.RpcFailure:
                time.sleep(0.02)
    finally:
        server.stop(signal.SIGKILL)
    return int(rounds > 0)


@fault("process", "I8 I9 I15", weight=3, replicas=1, needs="another version")
def other_version(hit: Hit) -> None:
    """A replica is replaced by one of another version (`--beside`), until the next fault that starts it."""
    hit.replica.end()
    hit.replica.start(odd="another version", build=hit.campaign.beside)


@fault("process", "I1 I3 I9 I18", weight=3, replicas=1, needs="failing allocations")
def no_memory(hit: Hit) -> int:
    """Allocations fail, one at a time, in the middle of its work; it answers an error or aborts with last words."""
    c, replica = hit.campaign, hit.replica
    replica.kill()
    replica.start(odd="allocations fail", LD_PRELOAD=str(c.failing_library), BERTH_FAILING=str(replica.failing.path))
    replica.server.await_health("SERVING", 20)
    struck, end = 0, time.monotonic() + 3
    while time.monotonic() < end and replica.is_up:
        replica.failing.arm(hit.rng.randint(1, 3000))
        sleep(hit.rng, 0.05, 0.3)
        struck += replica.failing.failed
    replica.failing.arm(0)
    replica.server.stop(signal.SIGKILL)
    tail = replica.server.log.read_text("utf-8", errors="replace")
    code = replica.server.process.returncode
    if code not in (-signal.SIGKILL, -signal.SIGABRT) or (code == -signal.SIGABRT and LAST_WORDS not in tail):
        c.violation(f"I18 {replica.name} without memory ended with {code}: {tail[-600:]}")
    replica.start()
    return int(struck)


@fault("process", "I17 I18", weight=2, replicas=1)
def no_descriptors(hit: Hit) -> None:
    """The limit of open descriptors is reached, while connections break and are wanted anew."""
    replica = hit.replica
    before = resource.prlimit(replica.pid, resource.RLIMIT_NOFILE)
    try:
        resource.prlimit(replica.pid, resource.RLIMIT_NOFILE, (replica.descriptors() - 2, before[1]))
        replica.hurt(PG, "cut")
        sleep(hit.rng, 0.5, 2)
    finally:
        if replica.is_up:
            resource.prlimit(replica.pid, resource.RLIMIT_NOFILE, before)


@fault("facts", "I5 I11 I14 I17", weight=2, replicas=1, needs="a wrong clock")
def wrong_clock(hit: Hit) -> None:
    """A replica's host has a clock that is an hour or a day off, until the next fault that starts it."""
    replica = hit.replica
    replica.kill()
    replica.start(odd="a wrong clock", LD_PRELOAD=hit.campaign.clock_library, FAKETIME_DONT_FAKE_MONOTONIC="1",
                  FAKETIME=hit.rng.choice(("+1h", "-1h", "+1d", "-1d")))
