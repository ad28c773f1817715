"""What a row of the table is, and the targets."""

from __future__ import annotations

from dataclasses import dataclass

# What each target is about; a row names its target by the id.
TARGETS = {
    "P1": "a round of 10,000 sessions on 1,000 agents",
    "P2": "a round of 100,000 sessions on 10,000 agents",
    "P3": "the core alone, 20 shapes",
    "P4": "the core alone, every session its own shape",
    "P5": "a round in which nothing changed",
    "P6": "previews, VERDICT",
    "P7": "previews, AGENTS",
    "P8": "a session of 512 kernels",
    "P9": "from commit to subscribers",
    "P10": "cancels beside rounds",
    "P11": "memory of a round",
    "P12": "from start to the first decision",
    "P13": "the openb trace",
    "P14": "the core alone, small cells",
}


@dataclass
class Measure:
    """What is measured (its target's id), the figure, the floor beside it, the ratio, the target; met is None for
    a figure without a target."""

    id: str
    what: str
    berth: str
    floor: str
    ratio: str
    target: str
    met: bool | None


def at_most(target: str, what: str, value: float, most: float, shown: str = "{:.2f}", floor: str = "") -> Measure:
    """A figure that must not be above a number."""
    return Measure(target, what, shown.format(value), floor, "", f"<= {shown.format(most)}", value <= most)


def at_least(target: str, what: str, value: float, least: float, shown: str = "{:.2f}") -> Measure:
    return Measure(target, what, shown.format(value), "", "", f">= {shown.format(least)}", value >= least)


def beside(target: str, what: str, value: float, floor: float, most: float, shown: str = "{:.3f} s") -> Measure:
    """A figure that must not be above `most` times the floor of the same run."""
    return Measure(target, what, shown.format(value), shown.format(floor), f"{value / floor:.2f}", f"<= {most}",
                   value <= most * floor)


def not_measured(target: str, why: str) -> Measure:
    return Measure(target, f"{TARGETS[target]}: not measured: {why}", "", "", "", "", False)


def is_met(target: str, measures: list[Measure]) -> bool:
    """All its rows are; a target without a row was not measured."""
    rows = [m.met for m in measures if m.id == target and m.met is not None]
    return bool(rows) and all(rows)
