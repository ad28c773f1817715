"""What happens between berthd and the others: the database's connections, and clients that misbehave."""

from __future__ import annotations

import contextlib
import threading
import time
import uuid

from catalog import Hit, fault
from raw import Raw
from replica import PG, sleep

import stubs

SERVICE = "/berth.v1.SchedulerService"
METHODS = ("ScheduleScalingGroup", "CancelSession", "PreviewAllocation", "WatchEvents", "ListPendingSessions")
FINE_CODES = {"DEADLINE_EXCEEDED", "ABORTED", "UNAVAILABLE", "RESOURCE_EXHAUSTED", "INTERNAL", "CANCELLED",
              "FAILED_PRECONDITION", "NOT_FOUND", "ALREADY_EXISTS"}


@fault("network", "I2 I3 I9 I15", weight=3)
def cut_database(hit: Hit) -> int:
    """A replica's connections to the database are cut, in the middle of whatever they carry."""
    struck = 0
    for _ in range(hit.rng.randint(1, 5)):
        struck += hit.any_replica().hurt(PG, "cut")
        sleep(hit.rng, 0, 0.2)
    return struck


@fault("network", "I3 I9 I17", weight=2)
def half_open_database(hit: Hit) -> int:
    """A replica's connections to the database stay open and carry nothing any more."""
    return hit.any_replica().hurt(PG, "half_open")


@fault("network", "I3 I17", weight=2)
def silent_database(hit: Hit) -> None:
    """Nothing comes from and goes to the database for a second."""
    hit.any_replica().hurt(PG, f"pause {0.5 + hit.rng.random():.2f}")


@fault("network", "I5 I17", weight=2)
def slow_database(hit: Hit) -> None:
    """Everything from and to the database is a second late."""
    hit.any_replica().hurt(PG, f"delay 1 {1 + 2 * hit.rng.random():.2f}")


@fault("network", "I10 I18", weight=2)
def slow_readers(hit: Hit) -> int:
    """Clients watch everything from the beginning, and read nothing; they stay until the burst is over."""
    request = stubs.message("WatchEventsRequest", start=2).SerializeToString()
    n = hit.rng.randint(5, 30)
    for _ in range(n):
        client = Raw(hit.any_replica().server.target, receive=4096)
        hit.campaign.hostile.append(client)
        client.greet()
        client.headers(f"{SERVICE}/WatchEvents")
        client.message(request)
    return n


@fault("network", "I18", weight=2)
def headers_only(hit: Hit) -> int:
    """Clients send the headers of calls and nothing else; they stay until the burst is over."""
    n = hit.rng.randint(5, 30)
    for _ in range(n):
        client = Raw(hit.any_replica().server.target)
        hit.campaign.hostile.append(client)
        client.greet()
        for _ in range(hit.rng.randint(1, 10)):
            client.headers(f"{SERVICE}/{hit.rng.choice(METHODS)}")
    return n


@fault("network", "I18", weight=2)
def reconnects(hit: Hit) -> int:
    """Hundreds of clients connect and are gone: at once, after the greeting, in the middle of a call."""
    replica, struck = hit.any_replica(), 0
    for _ in range(hit.rng.randint(100, 500)):
        with contextlib.suppress(OSError):
            client = Raw(replica.server.target)
            struck += 1
            if hit.rng.random() < 0.6:
                client.greet()
            if hit.rng.random() < 0.5:
                client.headers(f"{SERVICE}/{hit.rng.choice(METHODS)}")
                client.message(b"", last=hit.rng.random() < 0.5)
            client.break_off()
    return struck


@fault("network", "I9 I15", weight=2)
def callers_vanish(hit: Hit) -> int:
    """Callers of rounds are gone before the answer."""
    struck = 0
    for _ in range(hit.rng.randint(5, 20)):
        request = stubs.message("ScheduleScalingGroupRequest", scaling_group=hit.rng.choice(hit.campaign.groups))
        with contextlib.suppress(OSError):
            client = Raw(hit.any_replica().server.target)
            client.greet()
            client.headers(f"{SERVICE}/ScheduleScalingGroup")
            client.message(request.SerializeToString())
            sleep(hit.rng, 0, 0.05)
            client.break_off()
            struck += 1
    return struck


@fault("input", "I3 I9 I15", weight=2)
def short_deadlines(hit: Hit) -> int:
    """Rounds and cancels have 1 to 50 ms."""
    c, struck = hit.campaign, 0
    sessions = [str(row[0]) for row in c.sql("SELECT id FROM sessions WHERE status = 'PENDING' LIMIT 20")]
    for _ in range(hit.rng.randint(10, 40)):
        client, seconds = hit.any_replica().client, hit.rng.choice((0.001, 0.005, 0.02, 0.05))
        try:
            if sessions and hit.rng.random() < 0.3:
                session = hit.rng.choice(sessions)
                answer = client.call("CancelSession", timeout=seconds, session_id=session)
                c.workload.note_cancel(session, answer.status)
            else:
                client.call("ScheduleScalingGroup", timeout=seconds, scaling_group=hit.rng.choice(c.groups))
        except stubs.RpcFailure as failure:
            struck += failure.code == "DEADLINE_EXCEEDED"
            if failure.code not in FINE_CODES:
                c.violation(f"I15 a call of {seconds} s was answered {failure}")
    return struck


@fault("input", "I15", weight=3)
def one_request_everywhere(hit: Hit) -> int:
    """One request id is sent to all replicas at once, again and again, until all have answered: one answer."""
    c, group = hit.campaign, hit.rng.choice(hit.campaign.groups)
    request_id = str(uuid.UUID(int=hit.rng.getrandbits(128)))
    answers: list[bytes] = []
    end = time.monotonic() + 6

    def ask(replica: object) -> None:
        while time.monotonic() < end:
            try:
                answer = replica.client.call("ScheduleScalingGroup", timeout=3, scaling_group=group,
                                             request_id=request_id)
                answers.append(answer.SerializeToString(deterministic=True))
                return
            except (stubs.RpcFailure, ValueError):
                time.sleep(0.05)

    askers = [threading.Thread(target=ask, args=(replica,)) for replica in c.replicas]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    if len(set(answers)) > 1:
        c.violation(f"I15 request {request_id} has {len(set(answers))} answers")
    if answers:
        other_body_is_refused(hit, request_id, group)
    return int(len(answers) > 1)


def other_body_is_refused(hit: Hit, request_id: str, group: str) -> None:
    with contextlib.suppress(ValueError):
        try:
            hit.any_replica().client.call("ScheduleScalingGroup", timeout=3, scaling_group=group, request_id=request_id,
                                          max_sessions=7)
            hit.campaign.violation(f"I15 request {request_id} was taken again with another body")
        except stubs.RpcFailure:
            pass  # ALREADY_EXISTS, or a fault was faster
