"""Where SQL in C texts can be broken: a guard less, a lock less, an order less, a bound moved."""

from __future__ import annotations

import re
from typing import Iterator, NamedTuple

from mutant import Break

# A run of texts and macros that together are one statement: "..." MACRO "..." over any number of lines.
TEXT = r'"(?:\\.|[^"\\\n])*"'
RUN = re.compile(rf'(?:{TEXT}|\b(?:SQL|STATUS)_\w+(?:\([^()\n]*\))?)(?:[\s\\]*(?:{TEXT}|\b[a-z]\w*(?=[\s\\]*")|\b(?:SQL|STATUS)_\w+'
                 r'(?:\((?:[^()"\n]|"[^"\n]*")*\))?))*')
VERB = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE|FROM|WHERE|AND|RETURNING|CASE)\b")
MACRO = "\x01"  # stands for a macro between two texts
CLAUSE = re.compile(r" (?:AND|OR|ORDER BY|GROUP BY|RETURNING|FOR UPDATE|FOR NO KEY|FOR SHARE|LIMIT|ON CONFLICT|JOIN|LEFT|THEN|ELSE|END|"
                    r"UNION|DO|SET|WHERE|FROM|HAVING|AS)\b")
OPENER = re.compile(r"\b(?:WHERE|AND|OR|WHEN|ON)(?: NOT)? (?!CONFLICT|UPDATE)")
LOCK = re.compile(r" FOR (?:NO KEY )?(?:UPDATE|SHARE)(?: OF \w+)?(?: SKIP LOCKED| NOWAIT)?")
ORDER = re.compile(r" ORDER BY ")
SWAPS = [(r" <= ", " < "), (r" >= ", " > "), (r" < ", " <= "), (r" > ", " >= "), (r"\bIS NOT NULL\b", "IS NULL"),
         (r"\bIS NULL\b", "IS NOT NULL"), (r" \+ ", " - "), (r" - ", " + "), (r"\bmin\(", "max("), (r"\bmax\(", "min("),
         (r"\bDESC\b", "ASC"), (r"(?<= )1\b(?!\")", "2"), (r"\bbool_and\b", "bool_or"), (r"\bbool_or\b", "bool_and")]


class Statement(NamedTuple):
    flat: str
    at: list[tuple[int, int]]  # where each character of flat is in the file


def statement_of(text: str, start: int, end: int) -> Statement:
    flat, at = [], []
    for piece in re.finditer(rf"{TEXT}|[A-Za-z_]\w*(?:\((?:[^()\"\n]|\"[^\"\n]*\")*\))?", text[start:end]):
        begin, stop = start + piece.start(), start + piece.end()
        if text[begin] != '"':
            flat.append(MACRO)
            at.append((begin, stop))
            continue
        for i in range(begin + 1, stop - 1):
            flat.append(text[i])
            at.append((i, i + 1))
    return Statement("".join(flat), at)


def part_end(flat: str, start: int) -> int:
    """Where a condition ends: at the next clause or connective on its level, or the bracket around it."""
    depth, i, between = 0, start, False
    while i < len(flat):
        if depth == 0 and i > start:
            clause = CLAUSE.match(flat, i)
            if clause and clause.group() == " AND" and between:
                between = False
            elif clause and not re.search(r"IS (NOT )?DISTINCT$", flat[:i]):
                return i
        between = between or flat.startswith(" BETWEEN ", i)
        depth += flat[i] == "("
        depth -= flat[i] == ")"
        if depth < 0 or (depth == 0 and flat[i] in ",;"):
            return i
        i += 1
    return i


def conditions(s: Statement) -> Iterator[tuple[int, int, str]]:
    for match in OPENER.finditer(s.flat):
        end = part_end(s.flat, match.end())
        neutral = "FALSE" if match.group().startswith("OR") else "TRUE"
        if match.group().startswith("ON "):
            continue  # rows of a join without its condition multiply: nothing of a guard
        yield match.end(), end, neutral
        if s.flat[match.end():match.end() + 1] == "(":  # what is inside its brackets, too: its first part
            first = part_end(s.flat, match.end() + 1)
            if first < end - 1 and s.flat[first:first + 3] in (" AN", " OR"):
                yield match.end() + 1, first, "FALSE" if s.flat[first:first + 3] == " OR" else "TRUE"


def clauses(s: Statement) -> Iterator[tuple[int, int, str]]:
    for match in LOCK.finditer(s.flat):
        yield match.start(), match.end(), ""
    for match in ORDER.finditer(s.flat):
        end, depth = match.end(), 0
        while end < len(s.flat) and not (depth == 0 and re.match(r"\)| LIMIT| FOR | OFFSET| ON CONFLICT| RETURNING", s.flat[end:end + 12])):
            depth += s.flat[end] == "("
            depth -= s.flat[end] == ")"
            end += 1
        yield match.start(), end, ""


def assignments(s: Statement) -> Iterator[tuple[int, int, str]]:
    """One of several columns is not set."""
    for match in re.finditer(r"\bSET (?!LOCAL)", s.flat):
        start, parts = match.end(), []
        while True:
            depth, i = 0, start
            while i < len(s.flat):
                if depth == 0 and (s.flat[i] in ",)" or re.match(r" (?:FROM|WHERE|RETURNING)\b", s.flat[i:i + 11])):
                    break
                depth += s.flat[i] == "("
                depth -= s.flat[i] == ")"
                i += 1
            parts.append((start, i))
            if i >= len(s.flat) or s.flat[i] != ",":
                break
            start = i + 2
        if len(parts) < 2:
            continue
        for k, (start, end) in enumerate(parts):
            if k + 1 < len(parts):
                yield start, parts[k + 1][0], ""
            else:
                yield parts[k - 1][1], end, ""


def swaps(s: Statement) -> Iterator[tuple[int, int, str]]:
    for old, new in SWAPS:
        for match in re.finditer(old, s.flat):
            yield match.start(), match.end(), new


def spread(s: Statement, start: int, end: int, new: str) -> list[tuple[int, int, str]]:
    """The same on the file's text: a part that runs over several texts is cut out of each."""
    cuts: list[tuple[int, int, str]] = []
    for i in range(start, end):
        begin, stop = s.at[i]
        if cuts and cuts[-1][1] == begin:
            cuts[-1] = (cuts[-1][0], stop, "")
        else:
            cuts.append((begin, stop, ""))
    # The first cut says what stands there now; a macro cut away leaves a text in its place.
    first = cuts[0]
    new = f'"{new}"' if s.flat[start] == MACRO else new
    return [(first[0], first[1], new)] + cuts[1:]


def name_of(text: str, start: int) -> str:
    found = re.findall(r"^(?:static [\w *]*?(\w+)(?:\[[^\]]*\])? =|#define (\w+)|int (\w+)\(|static \w+ \*?(\w+)\()", text[:start],
                       flags=re.M)
    return next((name for name in found[-1] if name), "") if found else ""


def breaks(text: str) -> list[Break]:
    found: dict[str, Break] = {}
    for run in RUN.finditer(text):
        s = statement_of(text, run.start(), run.end())
        if not VERB.search(s.flat) or text.rfind("#include", 0, run.start()) > text.rfind("\n", 0, run.start()):
            continue
        name = name_of(text, run.start())
        for maker in (conditions, clauses, assignments, swaps):
            for start, end, new in maker(s):
                if end <= start or s.flat[start:end].strip() in ("TRUE", "FALSE", ""):
                    continue
                cuts = spread(s, start, end, new)
                b = Break(cuts[0][0], cuts[0][1], cuts[0][2], tuple(cuts[1:]),
                          f"{name}: {s.flat[start:end].strip().replace(MACRO, '...')}", new.strip() or "(dropped)")
                found.setdefault(b.done(text), b)
    return sorted(found.values())
