"""Where C can be broken: comparisons, connectives, conditions, constants, and statements that are dropped."""

from __future__ import annotations

import re
from typing import Iterator, NamedTuple

from mutant import Break

# What is looked for in the code (comments and texts are blanks there) -> what it becomes.
SWAPS = [(r" < ", " <= "), (r" <= ", " < "), (r" > ", " >= "), (r" >= ", " > "), (r" == ", " != "), (r" != ", " == "),
         (r" && ", " || "), (r" \|\| ", " && "), (r"\btrue\b", "false"), (r"\bfalse\b", "true"),
         (r" \+= ", " -= "), (r" -= ", " += "), (r" \+ (?!1\b)", " - "), (r" - (?!1\b)", " + "), (r" & ", " | "),
         (r"\bcontinue;", ";"), (r"\bbreak;", ";"),
         (r"(?<=[( ,])!(?=[A-Za-z_(])", ""),  # a negation less
         (r"(?<= )(?=[a-z_][\w.]*(?:->\w+|\[\w+\]|\.\w+)* \? )", "!")]  # the other arm of a ?:
NUMBER = re.compile(r"(?<![\w.\[])(\d{1,2})\b(?!\])")
GREATEST = 16  # a time of 1000 ms that becomes 1001 is nothing that a test could see
# Sizes of memory, and columns of answers, which are checked when they are asked for.
SIZES = re.compile(r"\b(arena_new|arena_alloc|char \w+\[|enum \{)\b|\brows_\w+\([^()]*$")
FAILURE = re.compile(r"\) <$")
NO_STATEMENT = re.compile(r"(?:return|break|continue|goto|if|else|for|while|do|switch|case|default|const|static|struct|enum|union|"
                          r"unsigned|FAULT_POINT|CLEANUP|DEFINE_CLEANUP)\b|\(void\)\w+;|\w+ +\**\w+|\w+:|[#}{.]")
FIELD = re.compile(r"(?<=[{\s,])\.\w+(?:\[\w+\])? = ")
CONDITION = re.compile(r"\bif \(")
OPERATOR = re.compile(r" (?:<|<=|>|>=|==|!=|&&|\|\|) ")


class Source(NamedTuple):
    text: str
    code: str  # of the same length: comments, texts, asserts and preprocessor lines are blanks


def blanked(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", match.group())


def read(text: str) -> Source:
    # What an assert says never happens: a weaker one nobody can tell.
    pattern = r'\b(?:_Static_)?assert\([^;]*;|/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|^#(?:[^\n]*\\\n)*[^\n]*'
    return Source(text, re.sub(pattern, blanked, text, flags=re.S | re.M))


def depths(code: str) -> list[int]:
    """How many braces are open at each character: 0 is outside of functions."""
    found, depth = [], 0
    for char in code:
        depth += char == "{"
        found.append(depth)
        depth -= char == "}"
    return found


def end_of(code: str, start: int, stops: str) -> int:
    """The first of these characters that is outside of brackets opened after the start; -1: none."""
    depth = 0
    for i in range(start, len(code)):
        char = code[i]
        if depth == 0 and char in stops:
            return i
        depth += char in "({["
        depth -= char in ")}]"
        if depth < 0:
            return -1
    return -1


def swaps(source: Source) -> Iterator[Break]:
    for old, new in SWAPS:
        for match in re.finditer(old, source.code):
            # "f() < 0": a success that becomes a failure breaks everything.
            if not (source.code[match.end():match.end() + 1] == "0" and FAILURE.search(source.code, 0, match.end() - 1)):
                yield Break(match.start(), match.end(), new)


def numbers(source: Source) -> Iterator[Break]:
    for match in NUMBER.finditer(source.code):
        line = source.code[source.code.rfind("\n", 0, match.start()) + 1:match.start()]
        number = int(match.group())
        # What is compared with 0, turned comparisons are for.
        compared = number == 0 and re.search(r"[<>=]=? $", line) and not re.search(r"[^=!<>]= $", line)
        if number <= GREATEST and not SIZES.search(line) and not compared and not line.endswith(("return ", "return -")):
            yield Break(match.start(), match.end(), str(number + 1))


def conditions(source: Source) -> Iterator[Break]:
    """Bare ones; what is compared or joined is turned by swaps()."""
    for match in CONDITION.finditer(source.code):
        end = end_of(source.code, match.end(), ")")
        inner = source.code[match.end():end]
        if end > 0 and not OPERATOR.search(inner) and not inner.startswith("!"):
            yield Break(match.end(), end, f"!({source.text[match.end():end]})")


def statements(source: Source) -> Iterator[Break]:
    for match in re.finditer(r"^[ \t]+(?=\S)", source.code, flags=re.M):
        before = source.code[:match.start()].rstrip()
        if not before.endswith((";", "{", "}", ":", ")", "else")) or NO_STATEMENT.match(source.code, match.end()):
            continue
        end = end_of(source.code, match.end(), ";")
        if end > 0 and source.text[match.end():end].count("\n") < 16:
            yield Break(match.end(), end + 1, ";")


def fields(source: Source) -> Iterator[Break]:
    """Members of initialisers: without it the member is zero."""
    for match in FIELD.finditer(source.code):
        end = end_of(source.code, match.end(), ",}")
        if end < 0:  # the last one: it ends where its braces do
            end = end_of("(" + source.code[match.end():], 1, ",}") + match.end() - 1
        if end > match.end() and not re.fullmatch(r"(0|NULL|false|\"\")", source.text[match.end():end].strip()):
            after = end + (source.code[end:end + 1] == ",")
            yield Break(match.start(), after, "")


def breaks(text: str) -> list[Break]:
    source = read(text)
    depth = depths(source.code)
    found: dict[str, Break] = {}
    for maker in (swaps, conditions, numbers, statements, fields):
        for b in maker(source):
            if depth[b.start] > 0:
                found.setdefault(b.done(text), b)
    return sorted(found.values())
