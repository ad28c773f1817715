"""The database away, Redis away, an empty database: clear errors, and back to work afterwards."""

from __future__ import annotations

import os
import resource
import socket
from typing import Any

from cancels import one
from check import await_true, check, equal
from rounds import schedule
from rows import check_consistency
from stubs import RpcFailure
from world import World


def failure_of(world: World, method: str, **fields: Any) -> RpcFailure | None:
    try:
        world.client.call(method, timeout=30, **fields)
        return None
    except RpcFailure as failure:
        return failure


def check_refusal(failure: RpcFailure | None, code: str, sentence: str) -> None:
    check(
        failure is not None
        and failure.code == code
        and failure.detail("ErrorInfo") is not None
        and failure.message,
        sentence,
        failure and f"{failure}\n{failure.details}",
    )


def check_database_away(world: World) -> None:
    session = world.session_id("never-fits-16-gpus")
    world.services.command("stop pg")
    for method, fields in (
        ("ScheduleScalingGroup", {"scaling_group": "gpu"}),
        ("PreviewAllocation", {"session_id": session}),
        ("CancelSession", {"session_id": session}),
        ("ListPendingSessions", {"scaling_group": "gpu"}),
        ("ListScalingGroups", {}),
    ):
        failure = failure_of(world, method, **fields)
        check_refusal(
            failure, "UNAVAILABLE", f"database away: {method}: UNAVAILABLE with its reason"
        )
    world.server.await_health("NOT_SERVING")
    check(True, "database away: the health service says NOT_SERVING")
    world.services.command("start pg")
    world.server.await_health("SERVING")
    check(True, "database back: the health service says SERVING again")
    check(
        schedule(world, "gpu").counts.scheduled > 0, "database back: rounds go on, nobody restarted"
    )


def check_redis_away(world: World) -> None:
    world.services.command("stop redis")
    # The lease only spares replicas work; the epoch in PostgreSQL is what keeps a round safe.
    check(schedule(world, "lab").counts.scheduled > 0, "Redis away: rounds go on without a lease")
    check_consistency(world, "after a round without Redis")
    log = world.server.log.read_text("utf-8")
    check("no lease without Redis" in log, "Redis away: the log says so", world.server.tail())
    answer = world.client.call("ListScalingGroups")
    equal(len(answer.scaling_groups), 2, "Redis away: groups are still listed")
    answer = world.client.call(
        "PreviewAllocation", session_id=world.session_id("never-fits-16-gpus")
    )
    check(answer.causes, "Redis away: previews still answer")
    equal(world.client.health(), "SERVING", "Redis away: the health service still says SERVING")
    world.services.command("start redis")
    session = one(world, "SCHEDULED")
    key = world.value(f"SELECT access_key FROM sessions WHERE id = '{session}'")
    world.client.call("CancelSession", session_id=session)
    mirror = world.redis("get", f"keypair.concurrency_used.{key}")
    live = world.value(
        f"""SELECT count(*) FROM sessions WHERE access_key = '{key}' AND session_type <> 'SYSTEM'
              AND status NOT IN ('PENDING', 'TERMINATED', 'CANCELLED', 'ERROR')"""
    )
    equal(
        mirror, str(live), "Redis back, empty: the next change of an access key mirrors its count"
    )


def check_redis_required(world: World) -> None:
    world.end()
    world.start_server("--schedule-without-redis", "false").await_health("SERVING")
    world.services.command("stop redis")
    failure = failure_of(world, "ScheduleScalingGroup", scaling_group="lab")
    check_refusal(
        failure, "UNAVAILABLE", "Redis away and required: a round is refused with the reason"
    )
    world.server.await_health("NOT_SERVING")
    check(True, "Redis away and required: the health service says NOT_SERVING")
    world.services.command("start redis")
    world.server.await_health("SERVING")
    check(
        failure_of(world, "ScheduleScalingGroup", scaling_group="lab") is None,
        "Redis back: rounds go on",
    )


def check_cut_connections(world: World) -> None:
    """The server's connections ended by an operator, between calls."""
    world.psql(
        "-c",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )

    def works() -> bool:
        return failure_of(world, "ListPendingSessions", scaling_group="gpu") is None

    await_true(works, 20, "calls to work again after all connections were cut")
    check(True, "connections cut by an operator: calls work again")


def is_greeted(port: int) -> bool:
    """A connection of its own: whether the server answers the greeting of HTTP/2."""
    try:
        with socket.create_connection(("127.0.0.1", port), 2) as connection:
            connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0)))
            connection.settimeout(2)
            return len(connection.recv(9)) == 9
    except OSError:
        return False


def check_no_descriptors(world: World) -> None:
    """As many connections as there are descriptors, and more; then they are gone."""
    world.end()
    server = world.start_server()
    server.await_health("SERVING")
    pid, kind = server.process.pid, resource.RLIMIT_NOFILE
    before = resource.prlimit(pid, kind)
    resource.prlimit(pid, kind, (len(os.listdir(f"/proc/{pid}/fd")) + 3, before[1]))
    strangers = [socket.create_connection(("127.0.0.1", server.port), 5) for _ in range(40)]
    await_true(
        lambda: "no descriptor is left" in server.log.read_text("utf-8")
        or "open files" in server.log.read_text("utf-8"),
        20,
        "the limit of descriptors to be reached",
    )
    equal(world.client.health(), "SERVING", "no descriptor is left: who is connected is served")
    resource.prlimit(pid, kind, before)
    for stranger in strangers:
        stranger.close()
    try:
        await_true(lambda: is_greeted(server.port), 20, "a new connection")
        check(True, "descriptors are free again: new connections are taken")
    except TimeoutError:
        check(False, "descriptors are free again: new connections are taken", server.tail())


def check_most_connections(world: World) -> None:
    """More connections than the setting allows: the rest is closed, those that are open are served."""
    most, others = 20, 64 + 5 * 2  # what server_listen.c leaves the process beside connections
    world.end()
    server = world.start_server("--max-connections", str(most), "--executors", "1", "--loop-rounds", "1")
    server.await_health("SERVING")
    strangers = [socket.create_connection(("127.0.0.1", server.port), 5) for _ in range(most + others + 30)]
    await_true(lambda: "max_connections are open" in server.log.read_text("utf-8"), 20, "a connection to be refused")
    opened = len(os.listdir(f"/proc/{server.process.pid}/fd"))
    check(most < opened <= most + others, f"max_connections bounds the descriptors: {opened} of {most} + {others}")
    equal(world.client.health(), "SERVING", "max_connections are open: who is connected is served")
    for stranger in strangers:
        stranger.close()
    await_true(lambda: is_greeted(server.port), 20, "a new connection when others have gone")


def check_empty_database(world: World) -> None:
    world.end()
    world.create_database("e2e_unmigrated")
    server = world.start_server()
    failure = failure_of(world, "ScheduleScalingGroup", scaling_group="gpu")
    check(
        failure is not None and failure.code in ("FAILED_PRECONDITION", "UNAVAILABLE"),
        "a database without Berth's tables: a round is refused with the reason",
        failure,
    )
    server.await_health("NOT_SERVING")
    check(
        "migrate" in server.log.read_text("utf-8"),
        "and the log says to run berthd migrate",
        server.tail(),
    )
    world.migrate()
    world.load_sample()
    server.await_health("SERVING")
    check(
        schedule(world, "gpu").counts.scheduled > 0, "after berthd migrate it serves, not restarted"
    )


def test(world: World) -> None:
    check_database_away(world)
    check_redis_away(world)
    check_redis_required(world)
    check_cut_connections(world)
    check_no_descriptors(world)
    check_most_connections(world)
    check_consistency(world, "after these faults")
    check_empty_database(world)
