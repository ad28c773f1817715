"""The compose file, the systemd unit, and the Dockerfile."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from dockerfile import Refused, Stage, context, parse
from faults import Faults, Tools, ask_schemas, read_yaml, run, seconds, settings, version

EXPOSURE_TENTHS = 20  # systemd-analyze: at most 2.0 of 10


# --- compose


def check_service(
    name: str, service: dict[str, Any], whole: dict[str, Any], faults: Faults
) -> None:
    where = f"compose/compose.yaml: {name}"
    once = service.get("restart") == "no"
    faults.expect(once or "healthcheck" in service, where, "has no healthcheck")
    for other, how in dict(service.get("depends_on", {})).items():
        faults.expect(other in whole["services"], where, f"depends on {other}, which is not there")
        condition = how.get("condition")
        if condition == "service_healthy":
            there = "healthcheck" in whole["services"].get(other, {})
            faults.expect(
                there, where, f"waits for the health of {other}, which has no healthcheck"
            )
    for kind in ("secrets", "configs"):
        for used in service.get(kind, []):
            source = used["source"] if isinstance(used, dict) else used
            faults.expect(source in whole.get(kind, {}), where, f"there is no {kind[:-1]} {source}")


def check_compose(root: Path, tools: Tools, faults: Faults) -> None:
    folder, where = root / "deploy/compose", "compose/compose.yaml"
    whole = read_yaml(folder / "compose.yaml", faults, where)
    if not isinstance(whole, dict):
        return
    # The schema is of before compose files had a name.
    shown = {k: v for k, v in whole.items() if k != "name" and not k.startswith("x-")}
    for sentence in ask_schemas(tools, [{"kind": "compose", "value": shown}])[0]:
        faults.add(where, sentence)
    services = whole.get("services", {})
    faults.objects += len(services)
    for name, service in services.items():
        check_service(name, service, whole, faults)
    for name in ("berth", "migrate"):
        service = services.get(name, {})
        faults.expect(service.get("read_only") is True, f"{where}: {name}", "may write its root")
        faults.expect(
            service.get("image") == f"berth:{version(root)}",
            f"{where}: {name}",
            "has another version",
        )
    now = settings(folder / "berthd.yaml", tools, faults, "compose/berthd.yaml")
    stop = seconds(str(services.get("berth", {}).get("stop_grace_period", "10s")))
    faults.expect(
        stop > seconds(now.get("grace_period", "10s")),
        f"{where}: berth",
        "is killed before grace_period is over",
    )
    for port in services.get("berth", {}).get("ports", []):
        faults.expect(
            str(port).startswith("127.0.0.1:"), f"{where}: berth", f"port {port} is open to others"
        )


# --- systemd


def check_systemd(root: Path, tools: Tools, faults: Faults) -> None:
    where = "systemd/berthd.service"
    text = (root / "deploy" / where).read_text(encoding="utf-8")
    faults.objects += 1
    faults.expect(
        "ExecStart=/usr/bin/berthd serve " in text, where, "does not start /usr/bin/berthd serve"
    )
    with tempfile.TemporaryDirectory() as folder:
        # Where the program is not installed: the one that was built stands for it.
        unit = Path(folder) / "berthd.service"
        unit.write_text(
            text.replace("/usr/bin/berthd", os.path.abspath(tools.berthd)), encoding="utf-8"
        )
        done = run(["systemd-analyze", "verify", "--man=no", str(unit)])
        complaints = (done.stdout + done.stderr).strip()
        faults.expect(
            done.returncode == 0 and complaints == "", where, f"systemd-analyze: {complaints}"
        )
        done = run(
            ["systemd-analyze", "security", "--offline=yes", "--no-pager",
             f"--threshold={EXPOSURE_TENTHS}", str(unit)]
        )  # fmt: skip
        last = (done.stdout.strip().splitlines() or [done.stderr.strip()])[-1]
        faults.expect(done.returncode == 0, where, f"is exposed too much: {last}")
    limits = [
        line.partition("=")[2] for line in text.splitlines() if line.startswith("TimeoutStopSec=")
    ]
    now = settings(root / "deploy/compose/berthd.yaml", tools, faults, "compose/berthd.yaml")
    for line in ("Type=notify", "WatchdogSec="):
        faults.expect(f"\n{line}" in text, where, f"has no {line}")
    faults.expect(
        bool(limits) and seconds(limits[0]) > seconds(now.get("grace_period", "10s")), where,
        "TimeoutStopSec is not above grace_period",
    )  # fmt: skip
    lines = (root / "deploy/systemd/berth.sysusers").read_text(encoding="utf-8").splitlines()
    users = [line.split()[1] for line in lines if line.startswith("u ")]
    faults.expect(
        f"User={users[0] if users else '?'}\n" in text,
        where,
        "runs as a user that berth.sysusers does not make",
    )


# --- Dockerfile


def check_last_stage(stage: Stage, where: str, faults: Faults) -> None:
    user, entry = stage.last("USER"), stage.last("ENTRYPOINT")
    numeric = (
        user is not None and user.text.split(":")[0].isdigit() and int(user.text.split(":")[0]) > 0
    )
    faults.expect(numeric, where, "the image's USER is not a number above 0")
    faults.expect(
        entry is not None and entry.text.startswith("["),
        where,
        "ENTRYPOINT is not a list: a shell would get the signals",
    )
    faults.expect(
        stage.last("RUN") is None, where, "the last stage runs something: it has no shell"
    )


def check_image(root: Path, tools: Tools, faults: Faults) -> None:
    where = "Dockerfile"
    text = (root / "deploy/Dockerfile").read_text(encoding="utf-8")
    for sentence in ask_schemas(tools, [{"kind": "dockerfile", "text": text}])[0]:
        faults.add(where, sentence)
    try:
        stages = parse(text)
    except Refused as error:
        faults.add(where, str(error))
        return
    faults.objects += len(stages)
    for stage in stages:
        pinned = stage.base == "scratch" or (
            ":" in stage.base and not stage.base.endswith(":latest")
        )
        faults.expect(pinned, where, f"FROM {stage.base} names no version")
        for step in stage.steps:
            flags = set(step.flags) - {"from"}
            faults.expect(
                not flags,
                where,
                f"line {step.line}: deploy/image-check cannot do --{', --'.join(sorted(flags))}",
            )
    check_last_stage(stages[-1], where, faults)
    seen = context(root)
    faults.expect(
        "CMakeLists.txt" in seen and "server/main.c" in seen,
        ".dockerignore",
        "leaves out what is built",
    )
    strange = [f for f in seen if f.startswith(("tests/", "build", ".git"))]
    faults.expect(not strange, ".dockerignore", f"lets in {strange[:3]}")
