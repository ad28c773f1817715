"""Mutants of the code that decides and commits, and the tests that have to kill them."""

from __future__ import annotations

import argparse
import random
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
TEST_SECONDS = 300  # a mutant that hangs is killed by that, too

# What is mutated, and the tests that are asked, the quick ones first.
PARTS = {
    "validators": (["scheduler/validators/*.c"], ["unit_validators", "unit_quotas", "unit_round", "unit_golden"],
                   ["tests/reference/property", "--rounds", "3000"]),
    "filters": (["scheduler/filters/*.c"], ["unit_placement", "unit_session_groups", "unit_round", "unit_explain"],
                ["tests/reference/property", "--rounds", "3000"]),
    "commit": (["repo/plan_commit.c", "repo/plan_guard.c", "repo/plan_write.c", "repo/plan_record.c",
                "repo/group_state.c", "repo/session.c", "repo/failure_record.c"],
               ["repo_plan_guard", "repo_plan_commit", "repo_failure_record", "repo_session_cancel", "repo_round_trip",
                "repo_request", "repo_event", "rpc_schedule", "rpc_cancel"], []),
}

# Text on a line of code -> what it becomes. Each match on each line is one mutant.
SWAPS = [(r" < ", " <= "), (r" <= ", " < "), (r" > ", " >= "), (r" >= ", " > "), (r" == ", " != "), (r" != ", " == "),
         (r" && ", " || "), (r" \|\| ", " && "), (r"\breturn true;", "return false;"),
         (r"\breturn false;", "return true;"), (r" \+= ", " -= "), (r" \+ 1\b", " + 2")]
# A whole statement on a line: an assignment or a call.
STATEMENT = re.compile(r"^\s+(?!return|break|continue|goto|FAULT_POINT|const|static|struct|int|uint|bool|char|enum|CLEANUP|\(void\))"
                       r"[\w\->\.\[\]\*\(\)&]+(\s*[-+|]?=\s.*|\(.*\)|\+\+|--);$")


@dataclass
class Mutant:
    part: str
    file: str
    line: int
    before: str
    after: str

    def __str__(self) -> str:
        after = self.after.strip() or "(dropped)"
        return f"{self.file}:{self.line}: {self.before.strip()}  ->  {after}"


def code_lines(text: str) -> list[tuple[int, str]]:
    """The lines that are code: no comments, no preprocessor, no SQL or other texts, no assertions."""
    lines, comment = [], False
    for number, line in enumerate(text.splitlines()):
        stripped = line.strip()
        if stripped.startswith("/*"):
            comment = True
        if not comment and stripped and not stripped.startswith(("#", "//", "*", "assert(", '"')):
            lines.append((number, line))
        if "*/" in line:
            comment = False
    return lines


def mutants_of(part: str, source: Path) -> list[Mutant]:
    found = []
    for pattern in PARTS[part][0]:
        for path in sorted(source.glob(pattern)):
            file = str(path.relative_to(source))
            for number, line in code_lines(path.read_text("utf-8")):
                code = re.sub(r'"(\\.|[^"\\])*"', lambda m: " " * len(m.group()), line.split("/*")[0])
                for old, new in SWAPS:
                    for match in re.finditer(old, code):
                        after = line[:match.start()] + new + line[match.end():]
                        found.append(Mutant(part, file, number + 1, line, after))
                if STATEMENT.match(line):
                    found.append(Mutant(part, file, number + 1, line, ""))
    return found


def equivalents() -> set[tuple[str, str, str]]:
    """Mutants that change nothing anybody could see: file, line of code, what it becomes; a reason each."""
    known = set()
    for line in (HERE / "equivalent.txt").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            file, before, after, _reason = (word.strip() for word in line.split(" | "))
            known.add((file, before, after))
    return known


def copy_changed(source: str, target: str) -> str:
    """A file that is the same stays as it is: the build goes by times."""
    old = Path(target)
    if not old.exists() or old.read_bytes() != Path(source).read_bytes():
        shutil.copy(source, target)
    return target


class Workshop:
    """A copy of the sources that is broken and mended, and its build."""

    def __init__(self, source: Path, folder: Path) -> None:
        self.tree = folder / "source"
        self.build = folder / "build"
        for name in ("scheduler", "repo", "server", "proto", "tests", "deploy"):
            shutil.copytree(source / name, self.tree / name, copy_function=copy_changed, dirs_exist_ok=True)
        copy_changed(str(source / "CMakeLists.txt"), str(self.tree / "CMakeLists.txt"))
        self.run("cmake", "-S", self.tree, "-B", self.build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Debug",
                 "-DBERTH_SANITIZE=address", "-DCMAKE_C_FLAGS=-Wno-error")  # reads past an end are noticed

    def run(self, *command: object) -> None:
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{command[0]}: {done.stdout[-2000:]}{done.stderr[-2000:]}")

    def make(self, part: str) -> bool:
        tests = ["test_" + name.removeprefix("unit_") for name in PARTS[part][1]]
        extra = [Path(PARTS[part][2][0]).name] if PARTS[part][2] else []
        return subprocess.run(["cmake", "--build", self.build, "--target", *tests, *extra], capture_output=True,
                              check=False).returncode == 0

    def killed_by(self, part: str) -> str:
        """The first test that fails; empty: none does."""
        for name in PARTS[part][1]:
            done = subprocess.run(["ctest", "--test-dir", self.build, "-R", f"^{name}$", "--timeout", str(TEST_SECONDS)],
                                  capture_output=True, check=False)
            if done.returncode != 0:
                return name
        command = PARTS[part][2]
        if command:
            try:
                if subprocess.run([self.build / command[0], *command[1:]], capture_output=True, check=False,
                                  timeout=TEST_SECONDS).returncode != 0:
                    return command[0]
            except subprocess.TimeoutExpired:
                return command[0]
        return ""

    def check_sound(self, part: str) -> None:
        """A test that fails by itself kills every mutant."""
        if not self.make(part):
            raise RuntimeError(f"{part}: the sources do not build")
        failing = self.killed_by(part)
        if failing:
            raise RuntimeError(f"{part}: {failing} fails without any mutant")

    def try_mutant(self, mutant: Mutant) -> str | None:
        """Who kills it; empty: nobody; None: it does not compile."""
        path = self.tree / mutant.file
        original = path.read_text("utf-8")
        lines = original.splitlines(keepends=True)
        lines[mutant.line - 1] = mutant.after + "\n"
        path.write_text("".join(lines), "utf-8")
        try:
            return self.killed_by(mutant.part) if self.make(mutant.part) else None
        finally:
            path.write_text(original, "utf-8")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--only", choices=sorted(PARTS))
    parser.add_argument("--limit", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    parts = [options.only] if options.only else list(PARTS)
    known = equivalents()
    mutants = [m for part in parts for m in mutants_of(part, options.source)
               if (m.file, m.before.strip(), m.after.strip()) not in known]
    if options.limit:
        mutants = random.Random(options.seed).sample(mutants, min(options.limit, len(mutants)))
    if options.list:
        print("\n".join(str(m) for m in mutants))
        return 0
    workshop = Workshop(options.source, options.folder)
    for part in parts:
        workshop.check_sound(part)
    made = killed = 0
    survivors = []
    for mutant in mutants:
        killer = workshop.try_mutant(mutant)
        if killer is None:
            continue
        made += 1
        killed += killer != ""
        print(f"{'killed by ' + killer if killer else 'SURVIVED'}: {mutant}", flush=True)
        if not killer:
            survivors.append(mutant)
    for mutant in survivors:
        print(f"survivor  {mutant}")
    print(f"mutants: {made} made, {killed} killed, {len(survivors)} survived")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
