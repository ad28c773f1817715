"""Reads a Dockerfile and a .dockerignore, as far as deploy/Dockerfile needs them."""

from __future__ import annotations

import fnmatch
import json
import shlex
from dataclasses import dataclass, field
from pathlib import Path


class Refused(Exception):
    """Something that is wrong, or not understood, with its line."""


@dataclass
class Step:
    line: int
    word: str  # "RUN"
    flags: dict[str, str]  # {"from": "build"}
    text: str  # what follows, continuation lines joined

    def words(self) -> list[str]:
        """The arguments: a JSON list, or words as a shell splits them."""
        if self.text.startswith("["):
            try:
                words = json.loads(self.text)
            except json.JSONDecodeError as error:
                raise Refused(f"line {self.line}: {self.word}: not a list: {error}") from error
            return [str(word) for word in words]
        return shlex.split(self.text)


@dataclass
class Stage:
    base: str
    name: str  # "": has none
    line: int
    steps: list[Step] = field(default_factory=list)

    def last(self, word: str) -> Step | None:
        return next((step for step in reversed(self.steps) if step.word == word), None)


KNOWN = {
    "COPY", "RUN", "WORKDIR", "USER", "EXPOSE", "LABEL", "STOPSIGNAL", "ENTRYPOINT", "CMD", "ENV",
}  # fmt: skip


def logical_lines(text: str) -> list[tuple[int, str]]:
    """Lines with their numbers; comments left out, what "\\" continues joined."""
    lines: list[tuple[int, str]] = []
    begun, at = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("#") or (not line.strip() and not begun):
            continue
        at = at if begun else number
        begun += line.rstrip()
        if begun.endswith("\\"):
            begun = begun[:-1] + " "
        else:
            lines.append((at, begun.strip()))
            begun = ""
    if begun:
        raise Refused(f"line {at}: the file ends in a line that goes on")
    return lines


def parse_step(number: int, line: str) -> Step:
    word, _, text = line.partition(" ")
    flags: dict[str, str] = {}
    text = text.strip()
    while text.startswith("--"):
        flag, _, text = text.partition(" ")
        name, _, value = flag[2:].partition("=")
        flags[name] = value
        text = text.strip()
    return Step(number, word.upper(), flags, text)


def parse(text: str) -> list[Stage]:
    stages: list[Stage] = []
    for number, line in logical_lines(text):
        step = parse_step(number, line)
        if step.word == "FROM":
            words = step.words()
            if len(words) not in (1, 3) or (len(words) == 3 and words[1].upper() != "AS"):
                raise Refused(f"line {number}: FROM: expected BASE or BASE AS NAME")
            stages.append(Stage(words[0], words[2] if len(words) == 3 else "", number))
        elif step.word not in KNOWN:
            raise Refused(f"line {number}: {step.word} is not an instruction known here")
        elif not stages:
            raise Refused(f"line {number}: {step.word} before the first FROM")
        else:
            if not step.text:
                raise Refused(f"line {number}: {step.word} without an argument")
            stages[-1].steps.append(step)
    if not stages:
        raise Refused("there is no FROM")
    return stages


def is_ignored(path: str, patterns: list[str]) -> bool:
    """Whether .dockerignore leaves the path out: the last pattern that matches it, or a folder that
    it is in, decides."""
    parts = path.split("/")
    names = ["/".join(parts[: i + 1]) for i in range(len(parts))]
    ignored = False
    for pattern in patterns:
        wanted = pattern.removeprefix("!").strip("/")
        if any(fnmatch.fnmatchcase(name, wanted) for name in names):
            ignored = not pattern.startswith("!")
    return ignored


def context(root: Path) -> list[str]:
    """The files that a build sees, by their paths below the root."""
    lines = (root / ".dockerignore").read_text(encoding="utf-8").splitlines()
    patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    kept = {pattern[1:].strip("/").split("/")[0] for pattern in patterns if pattern[0] == "!"}
    found = []
    for top in sorted(kept):
        files = [root / top] if (root / top).is_file() else (root / top).rglob("*")
        found += [str(f.relative_to(root)) for f in files if f.is_file()]
    return sorted(path for path in found if not is_ignored(path, patterns))
