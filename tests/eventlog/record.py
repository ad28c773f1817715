"""What one subscriber asked for and what it saw, and the comparison with the log in PostgreSQL.

A record is a file: its first line says what was asked for, every other line is one event as it came. The
log is the truth; a record is right when it has every event that was asked for, once, in order per group."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

Log = dict[str, list[tuple[Any, ...]]]  # by group: (sequence, type, session, from, to), in order


@dataclasses.dataclass
class Wish:
    """What was asked for. A start at NOW or at a cursor taken then lies somewhere between the log's ends
    before and after the call: `least` and `most` by group; from the beginning both are 0."""

    groups: list[str]
    sessions: list[str]
    types: list[int]
    least: dict[str, int]
    most: dict[str, int]

    def wants(self, group: str, event: tuple[Any, ...]) -> bool:
        return (not self.groups or group in self.groups) and (not self.types or event[1] in self.types) and (
            not self.sessions or event[2] in self.sessions)


@dataclasses.dataclass
class Faults:
    missing: int = 0
    duplicate: int = 0
    reordered: int = 0
    wrong: int = 0  # came, but the log says something else
    examples: list[str] = dataclasses.field(default_factory=list)

    def note(self, kind: str, text: str) -> None:
        setattr(self, kind, getattr(self, kind) + 1)
        if len(self.examples) < 10:
            self.examples.append(f"{kind}: {text}")

    @property
    def total(self) -> int:
        return self.missing + self.duplicate + self.reordered + self.wrong


def read(path: Path) -> tuple[Wish, Log] | None:
    """None: the subscriber has not begun. A last line that is not whole is not there yet."""
    text = path.read_text("utf-8") if path.exists() else ""
    lines = text[: text.rfind("\n") + 1].splitlines()
    if not lines:
        return None
    seen: Log = {}
    for line in lines[1:]:
        group, sequence, kind, session, before, after = json.loads(line)
        seen.setdefault(group, []).append((sequence, kind, session, before, after))
    return Wish(**json.loads(lines[0])), seen


def expected(wish: Wish, log: Log, seen: Log) -> Log:
    """The part of the log that this record has to be."""
    part: Log = {}
    for group, events in log.items():
        got = [event[0] for event in seen.get(group, ())]
        least, most = wish.least.get(group, 0), wish.most.get(group, 0)
        begin = most + 1
        if got and min(got) > least:
            begin = min(begin, min(got))
        part[group] = [event for event in events if event[0] >= begin and wish.wants(group, event)]
    return part


def compare(name: str, wish: Wish, log: Log, seen: Log, faults: Faults) -> int:
    """Counts what is wrong with a record; how many events it should have."""
    part = expected(wish, log, seen)
    for group in sorted(set(part) | set(seen)):
        want, got = part.get(group, []), seen.get(group, [])
        known, last = {event[0]: event for event in want}, 0
        met: set[int] = set()
        for event in got:
            where = f"{name} {group} {event[0]}"
            if event[0] in met:
                faults.note("duplicate", where)
                continue
            met.add(event[0])
            if event[0] < last:
                faults.note("reordered", f"{where} after {last}")
            last = max(last, event[0])
            if known.get(event[0]) != event:
                faults.note("wrong", f"{where}: {event} is {known.get(event[0])}")
        for sequence in sorted(set(known) - met):
            faults.note("missing", f"{name} {group} {sequence}")
    return sum(len(events) for events in part.values())


def plant(kind: str, seen: Log) -> bool:
    """Spoils a record; false: it has too little in it."""
    events = max(seen.values(), key=len, default=[])
    if len(events) < 5:
        return False
    at = len(events) // 2
    if kind == "missing":
        del events[at]
    elif kind == "duplicate":
        events.insert(at + 2, events[at])
    else:
        events[at], events[at + 1] = events[at + 1], events[at]
    return True


def blind_spots(records: list[tuple[str, Wish, Log]], log: Log) -> list[str]:
    """Each kind of fault is planted in a copy of the largest record: what is not noticed then."""
    name, wish, seen = max(records, key=lambda r: sum(map(len, r[2].values())))
    spots = []
    for kind in ("missing", "duplicate", "reordered"):
        copy = {group: list(events) for group, events in seen.items()}
        faults = Faults()
        if not plant(kind, copy):
            return ["no record is large enough to plant a fault in"]
        compare(name, wish, log, copy, faults)
        if getattr(faults, kind) != 1:
            spots.append(f"one that is {kind} was planted, and {faults} was found")
    return spots
