"""The table of tests/bench/run: each measure beside its floor and its target, and the scaling curves.

Prints one line a measure and writes bench.json into the build folder. The last line is
"bench: N targets, K met".
"""

from __future__ import annotations

import argparse
import json
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import rounds


@dataclass
class Measure:
    """What is measured (its id in README.md), the figure, the floor beside it, the ratio, the target."""

    id: str
    what: str
    berth: str
    floor: str
    ratio: str
    target: str
    met: bool


class Core:
    """core_bench of a build."""

    def __init__(self, build: Path) -> None:
        self.program = build / "tests/bench/core_bench"

    def cell(self, sessions: int, agents: int, shapes: int = 20, kernels: int = 1, slots: int = 3, fill: int = 0,
             plain: bool = False) -> dict[str, Any]:
        words = [str(n) for n in (sessions, agents, shapes, kernels, slots, fill)] + (["plain"] if plain else [])
        done = subprocess.run([self.program, "cell", *words], check=True, capture_output=True, text=True)
        return json.loads(done.stdout)


def core_measures(core: Core, quick: bool) -> list[Measure]:
    n = 10000 if quick else 100000
    small, big = core.cell(n, 10000), core.cell(n * 10, 100000)
    own = core.cell(n, 10000, shapes=0)
    gang = core.cell(1, 10000, kernels=512)
    cells = {"1,000 x 100": core.cell(1000, 100), "1,000 x 1,000": core.cell(1000, 1000),
             "2,000 x 1,000": core.cell(2000, 1000), "5,000 x 1,000, nothing fits": core.cell(5000, 1000, fill=100)}
    slowest = max(cells, key=lambda name: cells[name]["seconds"])
    return [
        Measure("P3", f"core, 20 shapes, {n:,} x 10,000", f"{small['rate'] / 1e6:.2f} M/s", "", "", ">= 1 M/s",
                small["rate"] >= 1e6),
        Measure("P3", f"core, 20 shapes, {n * 10:,} x 100,000", f"{big['rate'] / 1e6:.2f} M/s",
                f"{small['rate'] / 1e6:.2f} M/s", f"{small['rate'] / big['rate']:.2f}", "<= 2",
                small["rate"] / big["rate"] <= 2),
        Measure("P4", f"core, every session its own shape, {n:,} x 10,000", f"{own['rate'] / 1e6:.2f} M/s", "", "",
                ">= 0.1 M/s", own["rate"] >= 1e5),
        Measure("P8", "core, a session of 512 kernels on 10,000 agents", f"{gang['seconds'] * 1e3:.2f} ms", "", "",
                "<= 5 ms", gang["seconds"] <= 0.005),
        Measure("P14", f"core, the slowest of {len(cells)} small cells ({slowest})",
                f"{cells[slowest]['seconds'] * 1e3:.2f} ms", "", "", "<= 10 ms", cells[slowest]["seconds"] <= 0.010),
    ]


def round_measures(bench: rounds.Bench, quick: bool) -> list[Measure]:
    first = rounds.whole_round(bench, 10000, 1000, times=1 if quick else 3)
    idle = rounds.idle_round(bench, 10000, 1000)
    result = [
        Measure("P1", "round, 10,000 sessions on 1,000 agents", f"{first.round:.3f} s", f"{first.floor:.3f} s",
                f"{first.round / first.floor:.2f}", "<= 1.25", first.round <= 1.25 * first.floor),
        Measure("P5", "round, 10,000 wait, nothing fits, nothing changed", f"{idle:.3f} s", f"{first.round:.3f} s",
                f"{idle / first.round:.2f}", "<= 0.1", idle <= 0.1 * first.round),
    ]
    if quick:
        return result
    big = rounds.whole_round(bench, 100000, 10000, times=1)
    each = (big.round / 100000) / (first.round / 10000)
    result.append(Measure("P2", "round, 100,000 sessions on 10,000 agents", f"{big.round:.3f} s", f"{big.floor:.3f} s",
                          f"{big.round / big.floor:.2f}", "<= 1.25", big.round <= 1.25 * big.floor))
    result.append(Measure("P2", "time a session, against P1", "", "", f"{each:.2f}", "<= 1.1", each <= 1.1))
    start, read = rounds.restart(bench, 100000, 10000)
    result.append(Measure("P12", "restart to the first decision, 100,000 wait", f"{start:.3f} s", f"{read:.3f} s",
                          f"{start / read:.2f}", "<= 1.5", start <= 1.5 * read))
    return result


def show(measures: list[Measure]) -> None:
    print(f"{'':4} {'measure':52} {'floor':>12} {'Berth':>12} {'ratio':>6} {'target':>11}")
    for m in measures:
        print(f"{m.id:4} {m.what:52} {m.floor:>12} {m.berth:>12} {m.ratio:>6} {m.target:>11}  "
              f"{'met' if m.met else 'NOT MET'}")


def curves(core: Core) -> None:
    """How the time of the core grows: each line doubles one thing."""
    print("\ncore, seconds; a session's share in brackets")
    base = {"sessions": 20000, "agents": 2000, "shapes": 20, "slots": 3}
    for name in base:
        line = []
        for factor in (1, 2, 4):
            size = {**base, name: base[name] * factor}
            took = core.cell(**size)["seconds"]
            line.append(f"{size[name]:>7}: {took:.4f} ({took / size['sessions'] * 1e9:.0f} ns)")
        print(f"  {name:9} " + "   ".join(line))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    build = options.build.resolve()
    core = Core(build)
    measures = core_measures(core, options.quick)
    bench = rounds.Bench(build)
    try:
        measures += round_measures(bench, options.quick)
    finally:
        bench.close()
    print(f"PostgreSQL: {rounds.POSTGRES.replace(chr(10), ', ')}, fsync = off\n")
    show(measures)
    curves(core)
    (build / "bench.json").write_text(json.dumps([asdict(m) for m in measures], indent=1), "utf-8")
    targets = {m.id for m in measures}
    met = {i for i in targets if all(m.met for m in measures if m.id == i)}
    print(f"bench: {len(targets)} targets, {len(met)} met")


if __name__ == "__main__":
    main()
