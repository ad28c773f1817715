"""Every RPC by every role and by nobody, in a group of the caller's and in another one."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import grpc
from callers import FOREIGN, OWN, Caller, Callers
from check import check, equal
from stubs import HEALTH, Client, RpcFailure, decode, enum_name, message
from world import World

OK, UNKNOWN, DENIED, MISSING = "OK", "UNAUTHENTICATED", "PERMISSION_DENIED", "NOT_FOUND"
NARROW = "OK, own groups"  # answered, with nothing of another group
NO_SESSION = "00000000-0000-4000-8000-000000000000"
REFLECTION = ("grpc.reflection.v1", "grpc.reflection.v1alpha")

# What is expected, written down apart from the server's table. "looker" may look, "doer" may also
# schedule and cancel; limited ones only in their own group.
#   row: nobody, looker limited, looker, doer limited, doer (admins included)
EXPECTED = {
    "ScheduleScalingGroup, own group": (UNKNOWN, DENIED, DENIED, OK, OK),
    "ScheduleScalingGroup, other group": (UNKNOWN, DENIED, DENIED, DENIED, OK),
    "ScheduleScalingGroup, no such group": (UNKNOWN, DENIED, DENIED, DENIED, MISSING),
    "CancelSession, own group": (UNKNOWN, DENIED, DENIED, OK, OK),
    "CancelSession, other group": (UNKNOWN, DENIED, DENIED, DENIED, OK),
    "CancelSession, no such session": (UNKNOWN, DENIED, DENIED, MISSING, MISSING),
    "PreviewAllocation, own group": (UNKNOWN, OK, OK, OK, OK),
    "PreviewAllocation, other group": (UNKNOWN, DENIED, OK, DENIED, OK),
    "PreviewAllocation of a spec, own group": (UNKNOWN, OK, OK, OK, OK),
    "PreviewAllocation of a spec, other group": (UNKNOWN, DENIED, OK, DENIED, OK),
    "WatchEvents, own group": (UNKNOWN, OK, OK, OK, OK),
    "WatchEvents, other group": (UNKNOWN, DENIED, OK, DENIED, OK),
    "WatchEvents, both groups": (UNKNOWN, DENIED, OK, DENIED, OK),
    "WatchEvents, no group named": (UNKNOWN, NARROW, OK, NARROW, OK),
    "ListPendingSessions, own group": (UNKNOWN, OK, OK, OK, OK),
    "ListPendingSessions, other group": (UNKNOWN, DENIED, OK, DENIED, OK),
    "ListScalingGroups, own group": (UNKNOWN, OK, OK, OK, OK),
    "ListScalingGroups, other group": (UNKNOWN, DENIED, OK, DENIED, OK),
    "ListScalingGroups, no group named": (UNKNOWN, NARROW, OK, NARROW, OK),
    "Health/Check": (OK, OK, OK, OK, OK),
    "Health/Watch": (OK, OK, OK, OK, OK),
    "ServerReflection v1": (UNKNOWN, OK, OK, OK, OK),
    "ServerReflection v1alpha": (UNKNOWN, OK, OK, OK, OK),
}


def column(caller: Caller) -> int:
    if caller.role == "nobody":
        return 0
    return (1 if caller.role == "viewer" else 3) + (0 if caller.limited else 1)


def narrow(groups: set[str]) -> str:
    return NARROW if groups == {OWN} else OK if {OWN, FOREIGN} <= groups else f"OK, {groups}"


def spec(world: World) -> Any:
    row = world.rows(
        "SELECT access_key, group_id::text AS project FROM sessions WHERE access_key IS NOT NULL LIMIT 1"
    )[0]
    slots = [message("SlotAmount", slot="cpu", amount="1")]
    kernels = [message("KernelSpec", slots=slots)]
    return message(
        "SessionSpec", access_key=row["access_key"], project_id=row["project"], kernels=kernels
    )


def pending(world: World, group: str, number: int) -> str:
    return world.rows(
        "SELECT s.id FROM sessions s JOIN scaling_groups g ON g.id = s.resource_group_id"
        f" WHERE g.name = '{group}' AND s.status = 'PENDING' ORDER BY s.created_at, s.id"
        f" OFFSET {number} LIMIT 1"
    )[0]["id"]


def watch(client: Client, *groups: str) -> str:
    """The groups whose events come from the beginning, up to the first heartbeat behind them."""
    stream = client.watch(
        timeout=20,
        scaling_groups=groups,
        start="WATCH_START_BEGINNING",
        heartbeat_interval={"seconds": 1},
    )
    seen: set[str] = set()
    beats = 0
    for answer in stream:
        seen |= {event.scaling_group for event in answer.events}
        beats += answer.heartbeat
        if beats > 1 or {OWN, FOREIGN} <= seen or (seen and len(groups) == 1):
            break
    stream.cancel()
    return OK if groups else narrow(seen)


def listed(client: Client, *groups: str) -> str:
    answer = client.call("ListScalingGroups", scaling_groups=groups)
    return OK if groups else narrow({group.name for group in answer.scaling_groups})


def health_watch(client: Client) -> str:
    stub = client.channel.unary_stream(f"/{HEALTH}/Watch")
    stream = stub(b"", timeout=20)
    next(stream)
    stream.cancel()
    return OK


def reflect(client: Client, package: str) -> str:
    stub = client.channel.stream_stream(f"/{package}.ServerReflection/ServerReflectionInfo")
    list_services = b"\x3a\x00"
    return OK if b"berth.v1" in next(stub(iter([list_services]), timeout=20)) else "no services"


def attempts(world: World) -> dict[str, Callable[[Client], str]]:
    """One a row of EXPECTED."""
    own, foreign = pending(world, OWN, 0), pending(world, FOREIGN, 0)
    seen_own, seen_foreign = pending(world, OWN, 1), pending(world, FOREIGN, 1)
    described = spec(world)

    def call(method: str, **fields: Any) -> Callable[[Client], str]:
        return lambda client: client.call(method, **fields) and OK

    def schedule(group: str) -> Callable[[Client], str]:
        return call("ScheduleScalingGroup", scaling_group=group, validate_only=True, max_sessions=1)

    def preview(group: str) -> Callable[[Client], str]:
        return call("PreviewAllocation", scaling_group=group, spec=described)

    rows: list[Callable[[Client], str]] = [
        schedule(OWN),
        schedule(FOREIGN),
        schedule("no-such-group"),
        call("CancelSession", session_id=own),
        call("CancelSession", session_id=foreign),
        call("CancelSession", session_id=NO_SESSION),
        call("PreviewAllocation", session_id=seen_own),
        call("PreviewAllocation", session_id=seen_foreign),
        preview(OWN),
        preview(FOREIGN),
        lambda c: watch(c, OWN),
        lambda c: watch(c, FOREIGN),
        lambda c: watch(c, OWN, FOREIGN),
        watch,
        call("ListPendingSessions", scaling_group=OWN),
        call("ListPendingSessions", scaling_group=FOREIGN),
        lambda c: listed(c, OWN),
        lambda c: listed(c, FOREIGN),
        listed,
        lambda c: OK if c.health() == "SERVING" else c.health(),
        health_watch,
        lambda c: reflect(c, REFLECTION[0]),
        lambda c: reflect(c, REFLECTION[1]),
    ]
    return dict(zip(EXPECTED, rows, strict=True))


def outcome(attempt: Callable[[Client], str], client: Client) -> str:
    try:
        return attempt(client)
    except RpcFailure as failure:
        return failure.code
    except grpc.RpcError as error:
        return decode(error).code


def judge(results: dict, expected: dict) -> list[str]:
    """One sentence for each cell that is not as expected."""
    return [
        f"{row}, {caller}: expected {expected[row][at]}, got {got}"
        for (row, caller, at), got in results.items()
        if got != expected[row][at]
    ]


def show(results: dict, callers: list[Caller]) -> None:
    short = {OK: "ok", NARROW: "own", UNKNOWN: "who?", DENIED: "no", MISSING: "none"}
    names = [caller.name for caller in callers]
    print(f"{'':42s}" + " ".join(f"{name:>12s}" for name in names))
    for row in EXPECTED:
        cells = [short.get(got, got) for (at, _, _), got in results.items() if at == row]
        print(f"{row:42s}" + " ".join(f"{cell:>12s}" for cell in cells))
    print(
        "ok: done; own: done, own groups only; no: denied; who?: unauthenticated; none: not found"
    )


def self_check(results: dict) -> None:
    """Each cell, expected otherwise, must be noticed: alone, and by its own sentence."""
    missed = []
    for row, caller, at in results:
        flipped = copy.deepcopy(EXPECTED)
        cells = list(flipped[row])
        cells[at] = DENIED if cells[at] != DENIED else OK
        flipped[row] = tuple(cells)
        if not any(f"{row}, {caller}:" in sentence for sentence in judge(results, flipped)):
            missed.append(f"{row}, {caller}")
    check(not missed, "a wrong expectation is noticed in each cell", "\n".join(missed))


def status_of(world: World, session: str) -> str:
    return world.value(f"SELECT status FROM sessions WHERE id = '{session}'")


def test(world: World) -> None:
    world.create_database("roles_matrix")
    world.migrate()
    world.load_sample()
    made = Callers(world)
    callers = [
        Caller("nobody", "nobody"),
        Caller("wrong-token", "nobody", token="no-such-token"),
        Caller("unknown-cert", "nobody", certificate="unknown"),
        made.add("viewer-gpu", "viewer", OWN),
        made.add("viewer", "viewer"),
        made.add_certificate("viewer-cert", "viewer", "ann", "uri:spiffe://berth/ann"),
        made.add("manager-gpu", "manager", OWN),
        made.add("manager", "manager"),
        made.add("admin", "admin"),
    ]
    server = made.serve(world.folder, callers[-1], "--loop=false", "--executors=2")
    for group in (OWN, FOREIGN):  # so that there are events
        server.client.call("ScheduleScalingGroup", scaling_group=group, max_sessions=2)
    rows = attempts(world)
    foreign = pending(world, FOREIGN, 0)
    results: dict[tuple[str, str, int], str] = {}
    for caller in callers:
        client = made.connect(server, caller)
        for row, attempt in rows.items():
            results[row, caller.name, column(caller)] = outcome(attempt, client)
        client.close()
        if caller.name == "manager-gpu":
            equal(status_of(world, foreign), "PENDING", "a refused cancel has no effect")
    show(results, callers)
    wrong = judge(results, EXPECTED)
    for row in EXPECTED:
        of_row = [sentence for sentence in wrong if sentence.startswith(f"{row}, ")]
        for caller in callers:
            check(
                not any(s.startswith(f"{row}, {caller.name}:") for s in of_row),
                f"{row}: {caller.name}",
                "\n".join(of_row),
            )
    self_check(results)
    audit(world, server)
    equal(world.end(), 0, "berthd ends with exit code 0")
    closed(made, callers, world)


def audit(world: World, server: Any) -> None:
    log = server.log.read_text("utf-8")
    changes = [line for line in log.splitlines() if "a caller changed something" in line]
    check(
        any('"caller":"manager-gpu"' in s and "CancelSession" in s for s in changes),
        "the log says who cancelled",
        "\n".join(changes),
    )
    check(
        any("call refused" in s and "viewer" in s for s in log.splitlines()),
        "the log says who was refused",
    )
    check("no-such-token" not in log, "the log has no token that was refused")


def closed(made: Callers, callers: list[Caller], world: World) -> None:
    """The other values of the settings for health and reflection."""
    server = made.serve(
        world.folder, callers[-1], "--loop=false", "--open-health=false", "--open-reflection=true"
    )
    client = made.connect(server, callers[0])
    equal(client.health(), UNKNOWN, "closed health: nobody is answered")
    equal(
        outcome(lambda c: reflect(c, REFLECTION[0]), client),
        OK,
        "open reflection: nobody is answered",
    )
    client.close()
    client = made.connect(server, callers[3])
    equal(client.health(), "SERVING", "closed health: a viewer is answered")
    client.close()
    equal(
        enum_name(
            server.client.send(f"/{HEALTH}/Check", b"", "grpc.health.v1.HealthCheckResponse"),
            "status",
        ),
        "SERVING",
        "closed health: an admin is answered",
    )
    equal(world.end(), 0, "berthd with other settings ends with exit code 0")
