"""The callers of the storm: one load_bench each, with a token of its own, and what each did."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any


class Caller:
    """One process of the generator."""

    def __init__(self, name: str, command: list[str], folder: Path) -> None:
        self.name = name
        self.log = folder / f"{name}.cancels"
        self.errors = folder / f"{name}.stderr"
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(command + ["--json", "--log", str(self.log)], stdin=subprocess.DEVNULL,
                                            stdout=subprocess.PIPE, stderr=errors, text=True)

    def report(self, seconds: float) -> Report:
        """Waits for its end."""
        try:
            text, _ = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise RuntimeError(f"the caller {self.name} does not end") from None
        if self.process.returncode != 0:
            raise RuntimeError(f"the caller {self.name} ended with {self.process.returncode}: "
                               f"{self.errors.read_text('utf-8', errors='replace')[-500:]}")
        lines = self.log.read_text("utf-8").splitlines() if self.log.exists() else []
        return Report(self.name, json.loads(text), [line.split() for line in lines])


class Report:
    """What one caller met."""

    def __init__(self, name: str, said: dict[str, Any], cancels: list[list[str]]) -> None:
        self.name = name
        self.said = said
        self.cancels = cancels  # [session id, code of its last answer]

    def ends(self, *rpcs: str) -> list[dict[str, Any]]:
        """Of these RPCs, or of all: {code, reason, n, with_retry, least_retry_ms}."""
        return [{**end, "rpc": rpc} for rpc, tally in self.said["rpcs"].items() if not rpcs or rpc in rpcs
                for end in tally["ends"]]

    def count(self, code: str) -> int:
        return sum(end["n"] for end in self.ends() if end["code"] == code)

    def worst(self, figure: str, kind: str = "ok_ms", *rpcs: str) -> float:
        """The greatest of a figure (p50, p99, most) over its RPCs, in ms."""
        return max((tally[kind][figure] for rpc, tally in self.said["rpcs"].items()
                    if (not rpcs or rpc in rpcs) and tally[kind]["n"]), default=0.0)

    def summary(self) -> str:
        ends: Counter[str] = Counter()
        for end in self.ends():
            ends[" ".join(filter(None, (end["code"], end["reason"])))] += end["n"]
        words = ", ".join(f"{n} {what}" for what, n in sorted(ends.items()))
        said = self.said
        streams = f"; {said['streams']} streams open, {said['streams_opened']} opened" if said["streams_opened"] else ""
        return (f"{self.name}: {words or 'no call'}; OK p99 {self.worst('p99'):.0f} ms, most {self.worst('most'):.0f} ms; "
                f"{said['connections']} connections warmed{streams}; {said['cut']} cut off, {said['unsent']} late")
