"""The table of tests/bench/run: each measure beside its floor and its target, and the scaling curves.

Prints a line a measure and writes bench.json into the build folder. A target whose measure could not be taken is
not met, and says so. The last line is "bench: 14 targets, K met".
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import cancel_storm
import core
import rounds
import rpcs
import sizes
from measures import TARGETS, Measure, at_least, at_most, beside, is_met, not_measured


@dataclass
class Run:
    """What the parts share."""

    build: Path
    quick: bool
    trace: Path | None
    instructions: bool
    core: core.Core
    bench: rounds.Bench
    first: rounds.Whole | None = None  # P1's, which P2 and P5 stand beside


def first_round(run: Run) -> rounds.Whole:
    if run.first is None:
        run.first = rounds.whole_round(run.bench, 10000, 1000, times=1 if run.quick else 3)
    return run.first


def part_core(run: Run) -> list[Measure]:
    return core.core_measures(run.core, run.quick)


def part_round(run: Run) -> list[Measure]:
    first = first_round(run)
    return [beside("P1", "round, 10,000 sessions on 1,000 agents", first.round, first.floor, 1.25)]


def part_large_round(run: Run) -> list[Measure]:
    first, n = first_round(run), 30000 if run.quick else 100000
    large = rounds.whole_round(run.bench, n, n // 10, times=1 if run.quick else 3)
    each = (large.round / n) / (first.round / 10000)
    return [beside("P2", f"round, {n:,} sessions on {n // 10:,} agents", large.round, large.floor, 1.25),
            at_most("P2", "time a session, against P1's", each, 1.1)]


def part_idle_round(run: Run) -> list[Measure]:
    idle = rounds.idle_round(run.bench, 10000, 1000)
    first = first_round(run).round
    return [beside("P5", "round, 10,000 wait, nothing fits, nothing changed; floor: P1", idle.unchanged, first, 0.1),
            Measure("P5", "the same, 1 % of the sessions changed", f"{idle.touched:.3f} s", f"{first:.3f} s",
                    f"{idle.touched / first:.2f}", "", None)]


def part_gang(run: Run) -> list[Measure]:
    return sizes.gang(run.bench, 1 if run.quick else 3)


def part_previews(run: Run) -> list[Measure]:
    return rpcs.previews(run.build, run.quick)


def part_events(run: Run) -> list[Measure]:
    return rpcs.events(run.build, run.quick)


def part_memory(run: Run) -> list[Measure]:
    sessions = 50000 if run.quick else 1000000
    return [sizes.memory(run.bench, sessions, sessions // 10)]


def part_cancels(run: Run) -> list[Measure]:
    n = 2000 if run.quick else 10000
    storm = cancel_storm.storm(run.bench, n, 1000, times=1 if run.quick else 3)
    return [Measure("P10", f"{n:,} cancels from {cancel_storm.IN_FLIGHT} in flight beside rounds; floor: guarded updates",
                    f"{storm.rate:.0f}/s", f"{storm.floor:.0f}/s", f"{storm.rate / storm.floor:.2f}", ">= 0.5",
                    storm.rate >= 0.5 * storm.floor),
            at_least("P10", "rounds that committed beside them", storm.committed, 1, "{:.0f}"),
            at_most("P10", "rounds that failed beside them", storm.failed, 0, "{:.0f}")]


def part_restart(run: Run) -> list[Measure]:
    n = 20000 if run.quick else 100000
    start, read = rounds.restart(run.bench, n, n // 10, times=1 if run.quick else 3)
    return [beside("P12", f"restart to the first decision, {n:,} wait", start, read, 1.5)]


def part_openb(run: Run) -> list[Measure]:
    return sizes.openb(run.bench, run.core, run.trace)


# What is run, in this order, and the targets it has rows of.
PARTS: list[tuple[Callable[[Run], list[Measure]], tuple[str, ...]]] = [
    (part_core, ("P3", "P4", "P8", "P14")),
    (part_round, ("P1",)),
    (part_large_round, ("P2",)),
    (part_idle_round, ("P5",)),
    (part_gang, ("P8",)),
    (part_cancels, ("P10",)),
    (part_restart, ("P12",)),
    (part_openb, ("P13",)),
    (part_memory, ("P11",)),
    (part_events, ("P9",)),
    (part_previews, ("P6", "P7")),
]


def why(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        return f"{Path(str(error.cmd[0])).name} ended with {error.returncode}"
    return f"{type(error).__name__}: {error}".partition("\n")[0]


def measure(run: Run, only: set[str]) -> list[Measure]:
    result: list[Measure] = []
    for part, targets in PARTS:
        if only.isdisjoint(targets):
            continue
        begin = time.monotonic()
        try:
            result += part(run)
        except (RuntimeError, OSError, ValueError, LookupError, AssertionError, subprocess.SubprocessError,
                rounds.stubs.RpcFailure) as error:
            traceback.print_exc()
            result += [not_measured(target, why(error)) for target in targets]
        print(f"-- {part.__name__.removeprefix('part_')}: {time.monotonic() - begin:.0f} s", flush=True)
    measured = {m.id for m in result}
    result += [not_measured(t, "left out by --only" if t not in only else "nothing measures it")
               for t in TARGETS if t not in measured]
    return sorted(result, key=lambda m: list(TARGETS).index(m.id))


def show(measures: list[Measure]) -> None:
    words = {True: "met", False: "NOT MET", None: "-"}
    print(f"\n{'':4} {'measure':72} {'floor':>12} {'Berth':>12} {'ratio':>6} {'target':>12}")
    for m in measures:
        if not m.berth and not m.ratio:
            print(f"{m.id:4} {m.what}  {words[m.met]}")
            continue
        print(f"{m.id:4} {m.what:72} {m.floor:>12} {m.berth:>12} {m.ratio:>6} {m.target:>12}  {words[m.met]}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/bench/run", description="Measures Berth beside its floors.")
    parser.add_argument("--build", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--quick", action="store_true", help="smaller sizes, a minute and a half")
    parser.add_argument("--only", default=",".join(TARGETS), metavar="P1,P2", help="only what these targets need")
    parser.add_argument("--trace", type=Path, default=os.environ.get("BERTH_TRACE"), metavar="DIR",
                        help="the openb trace, for P13 (or the variable BERTH_TRACE)")
    parser.add_argument("--instructions", action="store_true", help="count them, too, with valgrind: minutes more")
    return parser.parse_args()


def main() -> None:
    options = parse()
    only = set(options.only.split(","))
    if not only <= set(TARGETS):
        sys.exit(f"tests/bench/run: --only {options.only}: the targets are {', '.join(TARGETS)}")
    build = options.build.resolve()
    alone = core.Core(build)
    bench = rounds.Bench(build)
    try:
        run = Run(build, options.quick, Path(options.trace) if options.trace else None, options.instructions, alone,
                  bench)
        measures = measure(run, only)
    finally:
        bench.close()
    curves = core.curves(alone, options.instructions)
    settings = rounds.POSTGRES.replace("\n", ", ") + ", fsync = off"
    core.show_curves(curves)
    print(f"\nPostgreSQL: {settings}; {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    show(measures)
    met = [t for t in TARGETS if is_met(t, measures)]
    everything = {"targets": {t: t in met for t in TARGETS}, "measures": [asdict(m) for m in measures],
                  "curves": curves, "postgres": settings, "quick": options.quick}
    (build / "bench.json").write_text(json.dumps(everything, indent=1), "utf-8")
    missed = [t for t in TARGETS if t not in met]
    if missed:
        print(f"not met: {', '.join(missed)}")
    print(f"bench: {len(TARGETS)} targets, {len(met)} met")


if __name__ == "__main__":
    main()
