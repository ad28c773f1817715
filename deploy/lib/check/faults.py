"""What a check has found, and what it looked at."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

TOOL_SECONDS = 120


@dataclass
class Tools:
    """The programs a check needs."""

    berthd: Path
    kubectl: str
    schemas: Path  # schemas.mjs beside its node_modules


@dataclass
class Faults:
    """Sentences, each beginning with the file it is about."""

    found: list[str] = field(default_factory=list)
    objects: int = 0
    queries: int = 0

    def add(self, where: str, what: str) -> None:
        self.found.append(f"{where}: {what}")

    def expect(self, good: bool, where: str, what: str) -> None:
        if not good:
            self.add(where, what)


def run(command: list[str], text: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, input=text, capture_output=True, text=True, check=False, timeout=TOOL_SECONDS
    )


def read_yaml(path: Path, faults: Faults, where: str) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        faults.add(where, " ".join(str(error).split()))
        return None


# Whoever plants errors one at a time asks the same again and again.
_answers: dict[str, list[str]] = {}
_settings: dict[bytes, subprocess.CompletedProcess[str]] = {}


def ask_schemas(tools: Tools, requests: list[dict[str, Any]]) -> list[list[str]]:
    keys = [json.dumps(request, sort_keys=True, default=str) for request in requests]
    new = [key for key in keys if key not in _answers]
    if new:
        done = run(["node", str(tools.schemas)], f"[{','.join(new)}]")
        if done.returncode != 0:
            raise RuntimeError(f"schemas.mjs: {done.stderr.strip()[-500:]}")
        _answers.update(zip(new, json.loads(done.stdout)))
    return [_answers[key] for key in keys]


def seconds(text: str) -> float:
    """ "45s", "2m"."""
    units = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
    for unit, factor in units.items():
        if text.endswith(unit) and text[: -len(unit)].replace(".", "", 1).isdigit():
            return float(text[: -len(unit)]) * factor
    return float(text)


def settings(path: Path, tools: Tools, faults: Faults, where: str) -> dict[str, str]:
    """A settings file as berthd reads it; a fault when it refuses."""
    text = path.read_bytes()
    if text not in _settings:
        _settings[text] = run([str(tools.berthd), "--print-config", "--config", str(path)])
    done = _settings[text]
    if done.returncode != 0:
        faults.add(where, f"berthd refuses it: {done.stderr.strip()}")
        return {}
    pairs = (line.split("#")[0].partition("=") for line in done.stdout.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def version(root: Path) -> str:
    for line in (root / "CMakeLists.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("project(berth VERSION "):
            return line.split()[2]
    raise RuntimeError("CMakeLists.txt says no version")
