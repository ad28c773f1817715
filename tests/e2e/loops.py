"""The loop of two replicas: they share the groups, one that is killed is replaced by the other, and
what arrives is scheduled without being asked for."""

from __future__ import annotations

import signal
import time
import urllib.request

from check import await_true, check, empty, equal
from rows import check_consistency
from world import Server, World

HINT_SECONDS = 0.3
WAIT = 30
GROUPS = 2


def replica(world: World, name: str, *flags: str) -> Server:
    server = Server(
        world.build, world.conninfo, world.services.redis, world.folder, "--loop", "true",
        "--replica", name, "--loop-hint-interval", f"{int(HINT_SECONDS * 1000)}ms",
        "--lease-ttl", "1s", "--metrics-listen", "127.0.0.1:0", *flags,
    )
    server.await_health("SERVING")
    return server


def rounds_of(world: World, name: str, group: str | None = None) -> int:
    return world.value(
        f"""SELECT count(*) FROM berth.rounds r JOIN scaling_groups g ON g.id = r.scaling_group_id
             WHERE r.replica = '{name}' AND ('{group or ""}' IN ('', g.name))"""
    )


def status(world: World, name: str) -> str:
    return world.value(f"SELECT status FROM sessions WHERE name = '{name}'")


def newcomer(world: World, name: str) -> None:
    """A session that fits, as a user's request makes it: a cancelled one is wanted again."""
    session = world.value(
        """SELECT s.id FROM sessions s WHERE s.status = 'SCHEDULED' AND s.cluster_size = 1
            ORDER BY s.name LIMIT 1"""
    )
    world.server.client.call("CancelSession", session_id=session)
    world.psql(
        "-c",
        f"""UPDATE sessions SET status = 'PENDING', name = '{name}', terminated_at = NULL,
                   created_at = clock_timestamp(), agent_ids = NULL, result = 'UNDEFINED',
                   status_history = jsonb_build_object('PENDING', now()) WHERE id = '{session}';
            UPDATE kernels SET status = 'PENDING', agent = NULL, agent_addr = NULL,
                   terminated_at = NULL, occupied_slots = '{{}}' WHERE session_id = '{session}';
            UPDATE resource_allocations SET free_at = NULL, reserved = 0, prereserved = 0,
                   used = NULL, reserved_at = NULL, used_at = NULL
             WHERE kernel_id IN (SELECT id FROM kernels WHERE session_id = '{session}')""",
    )


def check_sharing(world: World) -> tuple[Server, Server]:
    # Long beside the interval of looks: that is how a replica hears of the other's rounds.
    first = replica(world, "one", "--loop-interval", "1500ms")
    second = replica(world, "two", "--loop-interval", "1500ms")
    await_true(
        lambda: rounds_of(world, "one") >= 1 and rounds_of(world, "two") >= 1, WAIT,
        "rounds of both replicas",
    )
    check(True, "two replicas: both run rounds")
    before = world.value("SELECT sum(epoch) FROM berth.group_state")
    begun = time.monotonic()
    await_true(
        lambda: world.value("SELECT sum(epoch) FROM berth.group_state") >= before + 16, WAIT, "16 rounds"
    )
    # Alone, one replica would need at least 7 intervals, less a tenth, for 16 rounds of 2 groups; that
    # each ran its own would take 3. A round that one was too late to hear of may come twice.
    check(time.monotonic() - begun > 5 * 1.35, "two replicas: together they run no more rounds than one",
          time.monotonic() - begun)
    return first, second


def check_take_over(world: World, first: Server, second: Server) -> None:
    newcomer(world, "before-the-kill")
    await_true(lambda: status(world, "before-the-kill") == "SCHEDULED", WAIT, "a round")
    first.stop(signal.SIGKILL)
    count = {name: rounds_of(world, "two", name) for name in ("gpu", "lab")}
    await_true(
        lambda: all(rounds_of(world, "two", name) > n + 1 for name, n in count.items()), WAIT,
        "rounds of every group on the replica that is left",
    )
    check(True, "one replica killed: the other runs the rounds of every group")
    newcomer(world, "after-the-kill")
    await_true(lambda: status(world, "after-the-kill") == "SCHEDULED", WAIT, "a round")
    check(True, "one replica killed: what arrives is scheduled")
    equal(second.stop(), 0, "the other one ends with exit code 0")


def check_hints(world: World) -> None:
    server = replica(world, "alone", "--loop-interval", "1h")
    await_true(lambda: rounds_of(world, "alone") >= GROUPS, WAIT, "the first rounds")
    slowest = 0.0
    for i in range(5):
        newcomer(world, f"hinted-{i}")
        begun = time.monotonic()
        await_true(lambda n=i: status(world, f"hinted-{n}") == "SCHEDULED", WAIT, "a round")
        slowest = max(slowest, time.monotonic() - begun)
    # A look after at most one interval, a round after at most one more; the rest is the machine.
    check(slowest < 2 * HINT_SECONDS + 2, "a session that comes is scheduled within the interval",
          f"{slowest:.2f} s")
    print(f"# slowest of 5: {slowest:.2f} s with a hint interval of {HINT_SECONDS} s")
    quiet = world.value("SELECT sum(epoch) FROM berth.group_state")
    looks = looked(server)
    await_true(lambda: looked(server) >= looks + 8, WAIT, "looks of the watch")
    after = world.value("SELECT sum(epoch) FROM berth.group_state")
    check(after - quiet <= 2 * GROUPS, "where nothing changes there are no rounds", after - quiet)
    equal(server.stop(), 0, "the replica ends with exit code 0")


def looked(server: Server) -> int:
    """Looks so far: the watch writes nothing, so only its metric tells."""
    with urllib.request.urlopen(f"http://127.0.0.1:{server.ports()[1]}/metrics", timeout=10) as page:
        for line in page.read().decode().splitlines():
            if line.startswith("berth_loop_look_seconds_count "):
                return int(float(line.split()[1]))
    return 0


def test(world: World) -> None:
    first, second = check_sharing(world)
    check_take_over(world, first, second)
    check_hints(world)
    check_consistency(world, "after rounds nobody asked for")
    empty(
        world.rows(
            """SELECT scaling_group_id FROM berth.events GROUP BY 1
                HAVING count(*) <> max(sequence)"""
        ),
        "events are numbered without gaps",
    )
