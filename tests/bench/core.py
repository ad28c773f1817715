"""The core alone: P3, P4, P8, P14, and how its time grows."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from measures import Measure, at_least, at_most

PROFILE_SECONDS = 300


class Core:
    """core_bench of a build."""

    def __init__(self, build: Path) -> None:
        self.program = build / "tests/bench/core_bench"

    def _run(self, *words: str) -> dict[str, Any]:
        done = subprocess.run([self.program, *words], check=True, capture_output=True, text=True)
        return json.loads(done.stdout)

    @staticmethod
    def _cell(sessions: int, agents: int, shapes: int = 20, kernels: int = 1, slots: int = 3,
              fill: int = 0) -> list[str]:
        return ["cell", *(str(n) for n in (sessions, agents, shapes, kernels, slots, fill))]

    def cell(self, sessions: int, agents: int, **size: int) -> dict[str, Any]:
        return self._run(*self._cell(sessions, agents, **size))

    def file(self, snapshot: Path, how: str = "") -> dict[str, Any]:
        return self._run("file", str(snapshot), *([how] if how else []))

    def instructions(self, sessions: int, agents: int, **size: int) -> float | None:
        """Of a decision, counted by valgrind; None where that is not installed."""
        if shutil.which("valgrind") is None:
            return None
        with tempfile.TemporaryDirectory(prefix="berth-bench-") as folder:
            command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out",
                       "--toggle-collect=round_run", str(self.program), *self._cell(sessions, agents, **size), "once"]
            subprocess.run(command, check=True, capture_output=True, timeout=PROFILE_SECONDS)
            words = [line.split() for line in Path(folder, "out").read_text("utf-8").splitlines()]
        return next(int(w[1]) for w in words if w[:1] in (["totals:"], ["summary:"])) / sessions


def core_measures(core: Core, quick: bool) -> list[Measure]:
    n = 10000 if quick else 100000
    small, big = core.cell(n, 10000), core.cell(n * 10, 100000)
    own = core.cell(n, 10000, shapes=0)
    gang = core.cell(1, 10000, kernels=512)
    cells = {"1,000 x 100": core.cell(1000, 100), "1,000 x 1,000": core.cell(1000, 1000),
             "2,000 x 1,000": core.cell(2000, 1000), "5,000 x 1,000, nothing fits": core.cell(5000, 1000, fill=100)}
    rows = [
        at_least("P3", f"core, 20 shapes, {n:,} x 10,000", small["rate"] / 1e6, 1, "{:.2f} M/s"),
        Measure("P3", f"core, 20 shapes, {n * 10:,} x 100,000", f"{big['rate'] / 1e6:.2f} M/s",
                f"{small['rate'] / 1e6:.2f} M/s", f"{small['rate'] / big['rate']:.2f}", "<= 2",
                small["rate"] / big["rate"] <= 2),
        at_least("P4", f"core, every session its own shape, {n:,} x 10,000", own["rate"] / 1e6, 0.1, "{:.2f} M/s"),
        at_most("P8", "core, a session of 512 kernels on 10,000 agents", gang["seconds"] * 1e3, 5, "{:.2f} ms"),
    ]
    return rows + [at_most("P14", f"core, {name}", cell["seconds"] * 1e3, 10, "{:.2f} ms")
                   for name, cell in cells.items()]


def curves(core: Core, count_instructions: bool) -> list[dict[str, Any]]:
    """How the time of the core grows: each curve doubles one thing, twice."""
    base = {"sessions": 20000, "agents": 2000, "shapes": 20, "slots": 3}
    result = []
    for name in base:
        points = []
        for factor in (1, 2, 4):
            size = {**base, name: base[name] * factor}
            cell = core.cell(**size)
            point = {name: size[name], "seconds": cell["seconds"],
                     "ns_a_session": cell["seconds"] / size["sessions"] * 1e9,
                     "bytes_a_session": cell["most_bytes"] / size["sessions"]}
            if count_instructions:
                point["instructions_a_session"] = core.instructions(**size)
            points.append(point)
        grown = points[-1]["seconds"] / points[0]["seconds"]
        least, most = base[name], base[name] * 4
        result.append({"of": name, "points": points, "exponent": math.log(grown, 4),
                       "n_log_n": grown <= 4 * math.log(most) / math.log(least)})
    return result


def show_curves(found: list[dict[str, Any]]) -> None:
    print("\ncore, seconds; of a session: nanoseconds, bytes of all at most, instructions; it grows as n^x")
    for curve in found:
        words = []
        for p in curve["points"]:
            counted = p.get("instructions_a_session")
            extra = f", {counted:.0f} i" if counted is not None else ""
            words.append(f"{p[curve['of']]:>6}: {p['seconds']:.4f} ({p['ns_a_session']:.0f} ns, "
                         f"{p['bytes_a_session']:.0f} B{extra})")
        bound = "" if curve["n_log_n"] else ", WORSE THAN n log n"
        print(f"  {curve['of']:8} " + "  ".join(words) + f"  n^{curve['exponent']:.2f}{bound}")
