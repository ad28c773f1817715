"""What the benches in C measure: P6, P7, P9. Their tables for people go to standard output as they run."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from measures import Measure, at_least, at_most, beside

BENCH_SECONDS = 600
PREVIEWS_A_SECOND = 5000


def run(build: Path, program: str, *words: object) -> dict[str, dict[str, Any]]:
    """The lines it wrote with --json, by their names."""
    out = build / f"{program}.json"
    subprocess.run([build / "tests/bench" / program, "--json", out, *(str(w) for w in words)], check=True,
                   timeout=BENCH_SECONDS)
    rows = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    return {row["name"]: row for row in rows}


def previews(build: Path, quick: bool) -> list[Measure]:
    rows = run(build, "preview_bench", 10000, 1000, 4000 if quick else 20000)
    verdict, described = rows["VERDICT, the setting's age"], rows["VERDICT, described"]
    agents, pending, both = rows["AGENTS, first page"], rows["ListPendingSessions, first page"], rows["round beside"]
    slower = both["beside_ms"] / both["alone_ms"]
    return [
        at_most("P6", "preview, VERDICT of a stored session, server CPU", verdict["cpu_us"], 200, "{:.0f} us"),
        at_most("P6", "preview, VERDICT of a described session, server CPU", described["cpu_us"], 200, "{:.0f} us"),
        at_least("P6", "preview, VERDICT, calls a second", verdict["rate"] / 1e3, PREVIEWS_A_SECOND / 1e3,
                 "{:.1f} k/s"),
        Measure("P6", f"round beside {both['rate']:,.0f} previews a second", f"{both['beside_ms']:.1f} ms",
                f"{both['alone_ms']:.1f} ms", f"{slower:.2f}", "<= 1.05", slower <= 1.05),
        at_most("P7", "preview, AGENTS, first page, p99", agents["p99_ms"], 15, "{:.2f} ms"),
        Measure("P7", "ListPendingSessions, first page, p99", f"{pending['p99_ms']:.2f} ms", "", "", "", None),
    ]


def events(build: Path, quick: bool) -> list[Measure]:
    rows = run(build, "event_bench", 1000, 100, 2 if quick else 5)
    floor, hub, other = (rows[f"{name}, paced"] for name in ("floor", "hub", "other replica"))
    lost = sum(row["lost"] for row in rows.values())
    result = [beside("P9", f"event lag, {where}, 1,000 subscribers, 100 k messages/s, p99", row["p99_ms"],
                     floor["p99_ms"], 1.5, "{:.2f} ms") for where, row in (("same replica", hub),
                                                                          ("another replica", other))]
    return result + [at_most("P9", "events lost", lost, 0, "{:.0f}")]
