"""The faults there are: each a function of a Hit, registered with what it is. How often each comes in a deck is
its weight. `table()` is the table of README.md."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

KINDS = ("process", "postgres", "redis", "network", "input", "facts")


@dataclass(frozen=True)
class Fault:
    """act(hit) answers how often it struck; None: once, 0: it missed."""

    name: str
    kind: str
    prose: str
    breaks: str
    weight: int
    replicas: int  # of these it has to itself so many
    takes: str  # one of `postgres`, `redis`, "": what else nobody else may touch meanwhile
    needs: str  # an ability of the campaign, or ""
    act: Callable[[Hit], int | None]


@dataclass
class Hit:
    """One time that a fault is done."""

    campaign: Any
    rng: random.Random
    replicas: list[Any]

    @property
    def replica(self) -> Any:
        return self.replicas[0]

    def any_replica(self) -> Any:
        return self.rng.choice(self.campaign.replicas)


ALL: dict[str, Fault] = {}


def fault(kind: str, breaks: str, weight: int = 1, replicas: int = 0, takes: str = "", needs: str = "") -> Any:
    """Registers a function by its name; the first sentence of its comment is what it does."""
    if kind not in KINDS:
        raise ValueError(kind)

    def register(act: Callable[[Hit], int | None]) -> Callable[[Hit], int | None]:
        prose = " ".join((act.__doc__ or "").split("\n\n")[0].split())
        add(act.__name__, kind, prose, breaks, act, weight, replicas, takes, needs)
        return act

    return register


def add(name: str, kind: str, prose: str, breaks: str, act: Callable[[Hit], int | None], weight: int = 1,
        replicas: int = 0, takes: str = "", needs: str = "") -> None:
    if name in ALL or not prose:
        raise ValueError(name)
    ALL[name] = Fault(name, kind, prose, breaks, weight, replicas, takes, needs, act)


def deck(rng: random.Random, names: list[str]) -> list[str]:
    """Every fault as often as its weight, shuffled."""
    cards = [name for name in names for _ in range(ALL[name].weight)]
    rng.shuffle(cards)
    return cards


def table() -> str:
    lines = ["| kind | fault | what is done | what it can break | in a deck |", "|---|---|---|---|---|"]
    for kind in KINDS:
        lines += [f"| {f.kind} | `{f.name}` | {f.prose} | {f.breaks} | {f.weight} |"
                  for f in ALL.values() if f.kind == kind]
    return "\n".join(lines)
