"""Requests that no well-behaved client sends: each gets a clear error, and the server stays up."""

from __future__ import annotations

import socket
import uuid
from typing import Any

from check import check, equal
from rows import fingerprint
from stubs import SERVICE, RpcFailure, message
from world import World

UNKNOWN = str(uuid.UUID(int=1))
LONG = "x" * 65

# (sentence, method, fields, code, reason or None, field or None)
CASES: list[tuple[str, str, dict[str, Any], str, str | None, str | None]] = [
    ("an empty group", "ScheduleScalingGroup", {}, "INVALID_ARGUMENT", None, "scaling_group"),
    (
        "an unknown group",
        "ScheduleScalingGroup",
        {"scaling_group": "nowhere"},
        "NOT_FOUND",
        "UNKNOWN_SCALING_GROUP",
        None,
    ),
    (
        "a group's name of 65 letters",
        "ScheduleScalingGroup",
        {"scaling_group": LONG},
        "INVALID_ARGUMENT",
        None,
        "scaling_group",
    ),
    (
        "a request id of 129 letters",
        "ScheduleScalingGroup",
        {"scaling_group": "gpu", "request_id": "r" * 129},
        "INVALID_ARGUMENT",
        None,
        "request_id",
    ),
    (
        "four billion sessions",
        "ScheduleScalingGroup",
        {"scaling_group": "gpu", "max_sessions": 4294967295},
        "INVALID_ARGUMENT",
        None,
        "max_sessions",
    ),
    (
        "four billion decisions",
        "ScheduleScalingGroup",
        {"scaling_group": "gpu", "max_decisions": 4294967295},
        "INVALID_ARGUMENT",
        None,
        "max_decisions",
    ),
    (
        "an unknown view",
        "ScheduleScalingGroup",
        {"scaling_group": "gpu", "view": 99},
        "INVALID_ARGUMENT",
        None,
        "view",
    ),
    ("no session id", "CancelSession", {}, "INVALID_ARGUMENT", None, "session_id"),
    (
        "a malformed session id",
        "CancelSession",
        {"session_id": "not-a-uuid"},
        "INVALID_ARGUMENT",
        None,
        "session_id",
    ),
    (
        "an unknown session",
        "CancelSession",
        {"session_id": UNKNOWN},
        "NOT_FOUND",
        "UNKNOWN_SESSION",
        None,
    ),
    (
        "a reason of 257 letters",
        "CancelSession",
        {"session_id": UNKNOWN, "reason": "r" * 257},
        "INVALID_ARGUMENT",
        None,
        "reason",
    ),
    ("a preview of nothing", "PreviewAllocation", {}, "INVALID_ARGUMENT", None, "session_id"),
    (
        "a preview of an unknown session",
        "PreviewAllocation",
        {"session_id": UNKNOWN},
        "NOT_FOUND",
        "UNKNOWN_SESSION",
        None,
    ),
    (
        "a page of 1001 rows",
        "ListPendingSessions",
        {"scaling_group": "gpu", "page_size": 1001},
        "INVALID_ARGUMENT",
        None,
        "page_size",
    ),
    (
        "a page token of somebody's own making",
        "ListPendingSessions",
        {"scaling_group": "gpu", "page_token": "x"},
        "INVALID_ARGUMENT",
        None,
        "page_token",
    ),
    (
        "the queue of an unknown group",
        "ListPendingSessions",
        {"scaling_group": "nowhere"},
        "NOT_FOUND",
        "UNKNOWN_SCALING_GROUP",
        None,
    ),
    (
        "1001 groups",
        "ListScalingGroups",
        {"scaling_groups": ["x"] * 1001},
        "INVALID_ARGUMENT",
        None,
        "scaling_groups",
    ),
]

# (sentence, change to a good specification, field)
BAD_SPECS: list[tuple[str, dict[str, Any], str]] = [
    ("no kernels", {"kernels": []}, "spec.kernels"),
    ("no access key", {"access_key": ""}, "spec.access_key"),
    ("a malformed project", {"project_id": "x"}, "spec.project_id"),
    ("1025 kernels", {"amounts": ["1"] * 1025}, "spec.kernels"),
    ("a negative amount", {"amounts": ["1", "-1"]}, "spec.kernels[1].slots[0].amount"),
    ("NaN processors", {"amounts": ["NaN"]}, "spec.kernels[0].slots[0].amount"),
    ("a word for an amount", {"amounts": ["lots"]}, "spec.kernels[0].slots[0].amount"),
]


def refused(world: World, method: str, fields: dict[str, Any]) -> RpcFailure | None:
    try:
        world.client.call(method, **fields)
        return None
    except RpcFailure as failure:
        return failure


def check_cases(world: World) -> None:
    for sentence, method, fields, code, reason, field in CASES:
        failure = refused(world, method, fields)
        if not check(failure is not None, f"{method}: {sentence} is refused"):
            continue
        check(
            failure.code == code
            and failure.message
            and failure.detail("ErrorInfo") is not None
            and failure.detail("ErrorInfo").domain == "berth.v1"
            and (reason is None or failure.reason == reason)
            and (field is None or field in failure.fields),
            f"{method}: {sentence}: {code}" + (f", field {field}" if field else ""),
            f"{failure}\n{failure.details}",
        )


def spec(world: World, change: dict[str, Any]) -> Any:
    owner = world.rows("SELECT access_key, group_id FROM sessions ORDER BY id LIMIT 1")[0]
    amounts = change.pop("amounts", ["1"])
    kernels = [
        message("KernelSpec", slots=[message("SlotAmount", slot="cpu", amount=amount)])
        for amount in amounts
    ]
    fields = {
        "access_key": owner["access_key"],
        "project_id": owner["group_id"],
        "kernels": kernels,
    }
    return message("SessionSpec", **{**fields, **change})


def check_specs(world: World) -> None:
    for sentence, change, field in BAD_SPECS:
        fields = {"scaling_group": "gpu", "spec": spec(world, dict(change))}
        failure = refused(world, "PreviewAllocation", fields)
        check(
            failure is not None and failure.code == "INVALID_ARGUMENT" and field in failure.fields,
            f"a specification with {sentence} is refused: field {field}",
            failure and f"{failure}\n{failure.details}",
        )
    huge = spec(world, {"amounts": ["9" * 60]})
    answer = world.client.call("PreviewAllocation", scaling_group="gpu", spec=huge)
    check(
        not answer.allocations and answer.causes,
        "an absurd amount is infeasible, no overflow",
        answer,
    )


def send(world: World, method: str, request: bytes) -> str:
    """Bytes as they are; the code of the answer."""
    try:
        world.client.send(f"/{SERVICE}/{method}", request, f"berth.v1.{method}Response", timeout=20)
        return "OK"
    except RpcFailure as failure:
        return failure.code


def check_bytes(world: World) -> None:
    bad_utf8 = b"\x0a\x04gp\xff\xfe"
    cases = [
        ("invalid UTF-8", "ScheduleScalingGroup", bad_utf8, "INVALID_ARGUMENT"),
        ("a NUL in a name", "ScheduleScalingGroup", b"\x0a\x04gp\0u", "INVALID_ARGUMENT"),
        ("half a message", "ScheduleScalingGroup", b"\x0a\x40gpu", "INVALID_ARGUMENT"),
        ("noise", "CancelSession", bytes(range(256)), "INVALID_ARGUMENT"),
        (
            "five megabytes",
            "CancelSession",
            b"\x0a" + b"\xff\xff\xff\x02" + b"x" * (5 << 20),
            "RESOURCE_EXHAUSTED",
        ),
    ]
    for sentence, method, request, code in cases:
        equal(send(world, method, request), code, f"{method}: {sentence}: {code}")
    equal(
        [send_path(world, path) for path in (f"/{SERVICE}/NoSuchMethod", "/no.such.Service/Do")],
        ["UNIMPLEMENTED", "UNIMPLEMENTED"],
        "an unknown method and an unknown service: UNIMPLEMENTED",
    )


def send_path(world: World, path: str) -> str:
    try:
        world.client.send(path, b"", "berth.v1.CancelSessionResponse", timeout=20)
        return "OK"
    except RpcFailure as failure:
        return failure.code


def check_deadline(world: World) -> None:
    failure = None
    try:
        world.client.call(
            "ScheduleScalingGroup", timeout=0.001, scaling_group="gpu", validate_only=True
        )
    except RpcFailure as error:
        failure = error
    check(
        failure is not None and failure.code == "DEADLINE_EXCEEDED",
        "a deadline of a millisecond: DEADLINE_EXCEEDED",
        failure,
    )


def check_not_http2(world: World) -> None:
    """Somebody who does not speak gRPC at all."""
    for noise in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\0" * 1000, b""):
        with socket.create_connection(("127.0.0.1", world.server.port), timeout=5) as peer:
            peer.sendall(noise)
    equal(world.client.health(), "SERVING", "bytes that are not HTTP/2 do no harm")


def test(world: World) -> None:
    before = fingerprint(world)
    check_cases(world)
    check_specs(world)
    check_bytes(world)
    check_deadline(world)
    check_not_http2(world)
    equal(fingerprint(world), before, "none of this wrote anything")
    check(world.server.process.poll() is None, "the server is still up")
    answer = world.client.call("ScheduleScalingGroup", scaling_group="gpu")
    check(answer.counts.scheduled > 0, "and schedules")
