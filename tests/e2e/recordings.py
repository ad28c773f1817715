"""Rounds that berthd recorded, decided again by berthctl without a server."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from check import check, equal
from rounds import schedule
from world import World


def replay(world: World, file: Path, *flags: str) -> tuple[int, dict[str, Any]]:
    """Exit code and answer of berthctl; no answer when it complained."""
    command = [world.build / "server/berthctl/berthctl", "replay", file, "--json", *flags]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, json.loads(done.stdout) if done.stdout else {}


def restart(world: World, *flags: str) -> None:
    code = world.end()
    check(code == 0, "berthd ends with exit code 0 when it is started anew", code)
    world.start_server(*flags).await_health("SERVING")


def file_of(folder: Path, answer: Any, ending: str) -> Path:
    done = answer.round
    return folder / f"{done.scaling_group}-{done.epoch}-{done.round_id}{ending}"


def check_rounds(world: World, folder: Path) -> None:
    answers = [schedule(world, group, view="ROUND_VIEW_COUNTS") for group in ("gpu", "lab", "gpu")]
    answers.append(schedule(world, "lab", view="ROUND_VIEW_COUNTS", max_sessions=3))
    schedule(world, "lab", validate_only=True)
    expected = {file_of(folder, a, end) for a in answers for end in (".snapshot", ".plan")}
    equal(set(folder.iterdir()), expected, "each round is two files, and a dry one is none")
    for answer in answers:
        code, said = replay(world, file_of(folder, answer, ".snapshot"))
        equal(
            (code, said.get("verdict"), said.get("planHash")),
            (0, "SAME", answer.round.plan_hash),
            f"the round of epoch {answer.round.epoch} over {answer.round.scaling_group} is decided"
            " again to the plan of the answer",
        )


def check_plugin(world: World, folder: Path) -> None:
    plugin = world.build / "tests/plugins/kernel_cap.so"
    options = "kernel_cap.max_kernels=1"
    restart(world, "--record", folder, "--plugins", plugin, "--plugin-options", options)
    file = file_of(folder, schedule(world, "gpu", view="ROUND_VIEW_COUNTS"), ".snapshot")
    code, said = replay(world, file, "--plugin", str(plugin))
    equal((code, said.get("verdict")), (0, "SAME"), "with the plugin it had, a round is the same")
    code, said = replay(world, file)
    check(
        (code, said.get("verdict")) == (1, "DIFFERENT") and "kernel_cap" in said["difference"],
        "without it, it is another one, and the difference names the plugin",
        said,
    )


def test(world: World) -> None:
    folder = world.folder / "rounds"
    restart(world, "--record", folder)
    check_rounds(world, folder)
    check_plugin(world, folder)
