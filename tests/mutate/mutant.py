"""What a mutant is: a place in a file, and what stands there instead."""

from __future__ import annotations

import hashlib
from typing import NamedTuple


def digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:20]


class Break(NamedTuple):
    start: int
    end: int
    new: str
    more: tuple[tuple[int, int, str], ...] = ()  # further cuts, behind the first
    told_before: str = ""  # how a person reads it, where a line of the file does not say it
    told_after: str = ""

    def done(self, text: str) -> str:
        """The text with it. Lines stay where they are: asserts tell theirs."""
        for start, end, new in reversed(((self.start, self.end, self.new), *self.more)):
            text = text[:start] + new + "\n" * text.count("\n", start, end) + text[end:]
        return text


class Mutant(NamedTuple):
    file: str
    line: int
    before: str
    after: str
    text: str  # the whole file
    block: str  # the function or statement it is in, as it becomes: what the memory of results goes by
    original: str  # that block as it is
    first: int  # line of the block
    last: int
    name: str  # of the constant or macro, when it is one of SQL

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.before}  ->  {self.after}"

    @property
    def key(self) -> str:
        return digest(self.file, self.original, self.block)


def block_starts(lines: list[str]) -> list[int]:
    """Lines where something begins on the outermost level, after an empty line."""
    starts, depth = [0], 0
    for i, line in enumerate(lines):
        if i > 0 and depth == 0 and line.strip() and not lines[i - 1].strip():
            starts.append(i)
        depth += line.count("{") - line.count("}")
        if line.startswith("}"):
            depth = 0
    return starts


def mutant_of(file: str, text: str, b: Break) -> Mutant:
    after = b.done(text)
    line = text.count("\n", 0, b.start)
    old, new = text.splitlines(), after.splitlines()
    starts = block_starts(old)
    begin = max(s for s in starts if s <= line)
    end = min([s for s in starts if s > line] or [len(old)])
    told_before, told_after = b.told_before, b.told_after
    if not told_before:
        last = text.count("\n", 0, b.end)
        told_before = " ".join(part.strip() for part in old[line:last + 1])
        told_after = " ".join(part.strip() for part in new[line:last + 1]).strip() or "(dropped)"
    return Mutant(file, line + 1, told_before, told_after, after, "\n".join(new[begin:end]), "\n".join(old[begin:end]),
                  begin + 1, end, b.told_before.partition(": ")[0])
