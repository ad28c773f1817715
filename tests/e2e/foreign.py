"""Clients from elsewhere that know nothing but the address: grpc-js and buf, through reflection."""

from __future__ import annotations

import base64
import json
import subprocess
from typing import Any

from check import check, equal
from stubs import message
from world import ROOT, World

SERVICES = [
    "berth.v1.SchedulerService",
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
]


def buf_curl(world: World, *arguments: str) -> tuple[int, str, str]:
    buf = world.node_modules / ".bin/buf"
    command = [buf, "curl", "--protocol", "grpc", "--http2-prior-knowledge", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def buf_call(world: World, method: str, **fields: Any) -> tuple[int, str, str]:
    url = f"http://{world.server.target}/berth.v1.SchedulerService/{method}"
    return buf_curl(world, "-d", json.dumps(fields), url)


def check_buf_lists(world: World) -> None:
    base = f"http://{world.server.target}"
    for protocol in ("grpc-v1", "grpc-v1alpha"):
        code, out, err = buf_curl(world, "--reflect-protocol", protocol, "--list-services", base)
        listed = sorted(set(out.split()) | set(SERVICES[2:]))  # buf leaves reflection itself out
        check(
            code == 0 and listed == SERVICES,
            f"buf curl lists the services by {protocol}",
            out + err,
        )
    code, out, err = buf_curl(world, "--list-methods", base)
    methods = {line.rpartition("/")[2] for line in out.split() if "SchedulerService" in line}
    check(
        {"ScheduleScalingGroup", "CancelSession", "PreviewAllocation", "WatchEvents"} <= methods,
        "buf curl lists the methods",
        out + err,
    )


def check_buf_calls(world: World) -> None:
    code, out, err = buf_call(world, "ListScalingGroups")
    names = [g["name"] for g in json.loads(out)["scalingGroups"]] if code == 0 else err
    equal(names, ["gpu", "lab"], "buf curl calls ListScalingGroups without any file")
    code, out, err = buf_call(world, "ListPendingSessions", scalingGroup="gpu", pageSize=2)
    check(
        code == 0 and len(json.loads(out)["sessions"]) == 2, "buf curl lists the queue", out + err
    )
    code, out, err = buf_call(world, "ScheduleScalingGroup", scalingGroup="gpu", validateOnly=True)
    check(
        code == 0 and json.loads(out)["counts"]["scheduled"] > 0,
        "buf curl runs a dry round",
        out + err,
    )
    session = world.session_id("over-quota-notebook")
    code, out, err = buf_call(world, "PreviewAllocation", sessionId=session)
    check(
        code == 0 and json.loads(out)["verdict"] == "PREVIEW_VERDICT_BLOCKED",
        "buf curl previews a session",
        out + err,
    )


def check_buf_errors(world: World) -> None:
    code, _, err = buf_call(world, "ScheduleScalingGroup", scalingGroup="nowhere")
    error = json.loads(err) if code else {}
    detail = next((d for d in error.get("details", []) if d["type"] == "google.rpc.ErrorInfo"), {})
    value = detail.get("value", "")
    info = message("google.rpc.ErrorInfo")
    info.ParseFromString(base64.b64decode(value + "=" * (-len(value) % 4)))
    equal(
        (error.get("code"), info.reason, dict(info.metadata)),
        ("not_found", "UNKNOWN_SCALING_GROUP", {"scaling_group": "nowhere"}),
        "buf curl shows the code and the details of an error",
    )


def check_node(world: World) -> None:
    """grpc-js: its script prints its own lines; each counts here."""
    script = ROOT / "tests/e2e/client.js"
    done = subprocess.run(
        ["node", script, world.server.target, world.session_id("shell-to-cancel")],
        env={"NODE_PATH": str(world.node_modules), "PATH": "/usr/local/bin:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    lines = done.stdout.splitlines()
    for line in lines:
        if line.startswith(("ok ", "not ok ")):
            check(
                line.startswith("ok "), line.removeprefix("not ").removeprefix("ok "), done.stdout
            )
    check(
        done.returncode == 0 and "end" in lines,
        "the grpc-js client runs to its end",
        done.stdout + done.stderr,
    )


def test(world: World) -> None:
    check(world.node_modules is not None, "grpc-js and buf are installed (--node-modules)")
    world.psql(
        "-c",
        "UPDATE sessions SET name = 'shell-to-cancel' WHERE id = (SELECT id FROM sessions"
        " WHERE status = 'PENDING' AND name LIKE 'shell-%' ORDER BY id LIMIT 1)",
    )
    check_buf_lists(world)
    check_buf_calls(world)
    check_buf_errors(world)
    check_node(world)
