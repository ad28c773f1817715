"""Mutants of the code that decides and commits, and the tests that have to kill them. See README.md."""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import breaks_c
import breaks_sql
from mutant import Mutant, digest, mutant_of
from workshop import Test, Workshop, run

HERE = Path(__file__).resolve().parent
PROPERTY = "tests/reference/property"
PROPERTY_ROUNDS = "--rounds 3000"
ONE_BY_ONE = 8  # tests; those that come after them are asked together, program by program


def unit(*names: str) -> list[str]:
    return [f"tests/unit/test_{name}" for name in names]


def repo(*names: str) -> list[str]:
    return [f"tests/repo/test_repo_{name}" for name in names]


class Part(NamedTuple):
    files: list[str]
    programs: list[str]  # whose tests are asked: those that come along at the mutant, the likeliest first


COMMIT = repo("bystanders", "plan_guard", "plan_commit", "plan_again", "plan_count", "plan_events", "plan_failure",
              "plan_owners", "plan_quiet", "history", "agent", "failure_record", "round_trip")
PARTS = {
    "validators": Part(["scheduler/validators/*.c"], unit("validators", "quotas", "round", "golden") + [PROPERTY]),
    "filters": Part(["scheduler/filters/*.c", "scheduler/closest.c"],
                    unit("closest", "placement", "session_groups", "round", "explain", "fit_index") + [PROPERTY]),
    "plan": Part(["repo/plan_*.c", "repo/plan_chunk.h", "repo/failure_record.c", "repo/history.c"], COMMIT + repo("request")),
    "rows": Part([f"repo/{noun}.c" for noun in ("agent", "kernel", "session", "session_row", "allocation", "owner_version",
                                                "owner_usage")],
                 COMMIT + repo("allocation", "kernel", "owner_usage", "owner_version", "session_row", "cancel_locks",
                               "session_cancel", "snapshot_load", "snapshot_owners", "snapshot_bad_rows", "repair", "warm")),
    "log": Part(["repo/event*.c", "repo/group_state.c", "repo/request.c"],
                repo("event", "event_json", "event_log", "group_state", "request", "text", "plan_commit", "plan_guard", "session_cancel",
                     "scaling_group", "repair")),
    "warm": Part(["repo/warm*.c", "repo/db_moment.c"],
                 repo("db_moment", "warm_kept", "warm", "warm_beside", "warm_history", "warm_restart", "warm_specs")),
    "txn": Part(["repo/txn.c", "repo/lease.c"], repo("txn", "lease", "txn_faults", "plan_commit")),
}


def mutants_of(part: str, source: Path) -> list[Mutant]:
    found = []
    for pattern in PARTS[part].files:
        for path in sorted(source.glob(pattern)):
            text = path.read_text("utf-8")
            found += [mutant_of(str(path.relative_to(source)), text, b)
                      for b in sorted(breaks_c.breaks(text) + breaks_sql.breaks(text))]
    return found


def equivalents() -> set[tuple[str, str, str]]:
    """Mutants that change nothing anybody could see: file, what it was, what it becomes; a reason each."""
    known = set()
    for line in (HERE / "equivalent.txt").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            file, before, after, _reason = (word.strip() for word in line.split(" | "))
            known.add((file, before, after))
    return known


def is_equivalent(m: Mutant, known: set[tuple[str, str, str]]) -> bool:
    return (m.file, m.before, m.after) in known


def lines_where_it_shows(m: Mutant, code: set[int]) -> set[int]:
    """Lines that a test must run to notice it; none: any line of the file."""
    if m.name:
        return lines_that_use(m.name, m.text.splitlines(), code)
    if m.line in code:
        return {m.line}
    above = [n for n in code if m.first <= n <= m.line]
    return {max(above)} if above else {n for n in code if m.first <= n <= m.last}


def lines_that_use(name: str, lines: list[str], code: set[int]) -> set[int]:
    """Where the statement of that name is run, also when it is a part of others."""
    wanted, seen, found = [name], {name}, set()
    while wanted:
        word = wanted.pop()
        owner = ""
        for number, line in enumerate(lines, 1):
            declared = re.match(r"#define (\w+)|static [^()=]*?\*?(\w+)(?:\[[^\]]*\])* =", line)
            if declared:
                owner = declared.group(1) or declared.group(2)
            elif line.startswith("}") or (line and line[0] not in ' "#/' and "(" in line):
                owner = ""
            if not re.search(rf"\b{word}\b", line) or (declared and owner == word):
                continue
            if number in code:
                found.add(number)
            elif owner and owner not in seen:
                seen.add(owner)
                wanted.append(owner)
    return found


class Memory:
    """Results of earlier runs, as long as neither the mutant nor the tests that told have changed."""

    def __init__(self, path: Path, fresh: bool) -> None:
        self.path = path
        self.lock = threading.Lock()
        self.known: dict[str, dict[str, str]] = {}
        if fresh:
            path.unlink(missing_ok=True)
        if path.exists():
            for line in path.read_text("utf-8").splitlines():
                told = json.loads(line)
                self.known[told["key"]] = told

    def add(self, **told: str) -> None:
        with self.lock:
            self.known[told["key"]] = told
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(told) + "\n")


class NoProgram(Exception):
    """The linker misses something in a mutant."""


class Hunt:
    """All mutants of some parts, tried by several workers."""

    def __init__(self, workshop: Workshop, memory: Memory, jobs: int, most: int) -> None:
        self.shop = workshop
        self.most = most  # tests a mutant; 0: all
        self.memory = memory
        self.jobs = jobs
        self.kills: Counter[tuple[str, str]] = Counter()
        self.lock = threading.Lock()
        self.free = list(range(jobs))

    def prepare(self, parts: list[str], source: Path) -> None:
        """Builds the tests and finds out where each comes along."""
        programs: dict[str, set[str]] = {}
        for part in parts:
            for program in PARTS[part].programs:
                for pattern in PARTS[part].files:
                    programs.setdefault(program, set()).update(str(p.relative_to(source)) for p in source.glob(pattern))
        self.shop.make(sorted(programs), self.jobs)
        served = [p for p in programs if p.startswith("tests/repo")]
        if served:  # the database that all others are copies of
            run([str(self.shop.build / served[0])], self.shop.folder, BERTH_ONLY=",,")
        with ThreadPoolExecutor(self.jobs) as pool:
            list(pool.map(lambda p: self.shop.tests_of(p, sorted(programs[p]), PROPERTY_ROUNDS if p == PROPERTY else ""), programs))

    def tests_for(self, part: str, m: Mutant) -> list[Test]:
        lines = lines_where_it_shows(m, self.shop.code.get(m.file, set()))
        programs = PARTS[part].programs
        tests = [t for p in programs for t in self.shop.coverage[p]
                 if t.lines.get(m.file, set()) & (lines or self.shop.code.get(m.file, set()))]
        killer = self.memory.known.get(m.key, {}).get("by")
        own = "test_repo_" + Path(m.file).stem  # the program that is named after the file
        with self.lock:
            tests.sort(key=lambda t: (str(t) != killer, -self.kills[m.original, str(t)],
                                      not t.program.endswith(own), -self.kills[m.file, str(t)], programs.index(t.program), t.seconds))
        if self.most == 0:
            return tests
        turns: Counter[str] = Counter()  # of a loop test the first ones: the others are much alike
        ordered = []
        for test in tests:
            loop = f"{test.program} {test.name.partition(':')[0]}"
            turns[loop] += 1
            ordered.append((turns[loop], test))
        return [test for _, test in sorted(ordered, key=lambda pair: pair[0])][:self.most]

    def tests_digest(self, part: str) -> str:
        return digest(str(self.most), *[self.shop.digest_of(p) for p in PARTS[part].programs])

    def remembered(self, part: str, m: Mutant) -> dict[str, str] | None:
        told = self.memory.known.get(m.key)
        if told is None or told["result"] in ("no C", "the same"):
            return told
        if told["result"] == "killed":
            same = told["program"] in PARTS[part].programs and self.shop.still_tells(told["program"], told["tests"])
        else:
            same = told["tests"] == self.tests_digest(part)
        return told if same else None

    def try_mutant(self, part: str, m: Mutant) -> dict[str, str]:
        told = self.remembered(part, m)
        if told is None:
            with self.lock:
                worker = self.free.pop()
            try:
                told = self.tried(part, m, self.shop.folder / f"worker{worker}")
            except NoProgram:
                told = {"result": "no C"}
            finally:
                with self.lock:
                    self.free.append(worker)
            self.memory.add(key=m.key, **told)
        return told

    def tried(self, part: str, m: Mutant, where: Path) -> dict[str, str]:
        shutil.rmtree(where, ignore_errors=True)
        (where / m.file).parent.mkdir(parents=True)
        (where / m.file).write_text(m.text, "utf-8")
        sources = self.shop.sources_of(m.file)
        objects = [o for o in (self.shop.compile(s, where, where) for s in sources) if o]
        if len(objects) < len(sources):
            return {"result": "no C"}
        tests = self.tests_for(part, m)
        first, more = tests[:ONE_BY_ONE], tests[ONE_BY_ONE:]
        linked: dict[str, Path] = {}
        for program in dict.fromkeys(t.program for t in tests):
            linked[program] = where / Path(program).name
        killer = next((t for t in first if self.fails([t], objects, linked)), None)
        if killer is None and self.same_program(sources, where):
            return {"result": "the same"}
        for program in linked if killer is None else []:
            together = [t for t in more if t.program == program]
            if together and self.fails(together, objects, linked):
                killer = next((t for t in together if self.fails([t], objects, linked)), None)
            if killer is not None:
                break
        if killer is None:
            return {"result": "survived", "by": "" if tests else "no test comes there", "tests": self.tests_digest(part)}
        with self.lock:
            self.kills[m.original, str(killer)] += 1
            self.kills[m.file, str(killer)] += 1
        return {"result": "killed", "by": str(killer), "program": killer.program, "tests": self.shop.digest_of(killer.program)}

    def fails(self, tests: list[Test], objects: list[Path], linked: dict[str, Path]) -> bool:
        """Whether one of these tests of one program notices; the program is linked when it is asked first."""
        program = tests[0].program
        if not linked[program].exists() and not self.shop.link(program, objects, linked[program]):
            raise NoProgram(program)
        return not self.shop.ask(tests, linked[program])

    def same_program(self, sources: list[str], where: Path) -> bool:
        """The compiler makes the same code of it: nobody can tell."""
        options = ["-O2", "-g0", "-fno-sanitize=all"]
        aside = where / "plain"  # not in place of the objects that are linked
        aside.mkdir()
        for source in sources:
            codes = []
            for overlay in (where, None):
                made = self.shop.compile(source, aside, overlay, *options)
                codes.append(made.read_bytes() if made else b"")
            if codes[0] != codes[1]:
                return False
        return True


def chosen(options: argparse.Namespace) -> list[tuple[str, Mutant]]:
    known = equivalents()
    parts = options.only or list(PARTS)
    found = [(part, m) for part in parts for m in mutants_of(part, options.source)
             if not is_equivalent(m, known) and (not options.file or m.file in options.file) and (m.name or not options.sql)]
    if options.sample:
        found = random.Random(options.seed).sample(found, min(options.sample, len(found)))
    shard, of = (int(n) for n in options.shard.split("/"))
    return [pair for i, pair in enumerate(found) if i % of == shard - 1]


def unused_equivalents(options: argparse.Namespace) -> list[str]:
    every = {(m.file, m.before, m.after) for part in PARTS for m in mutants_of(part, options.source)}
    return [" | ".join(known) for known in sorted(equivalents() - every)]


def hunt(options: argparse.Namespace, mutants: list[tuple[str, Mutant]]) -> int:
    if options.jobs == 1:  # tests that look at ids of transactions need no server of their own then
        os.environ["BERTH_TEST_ALONE"] = "yes"
    workshop = Workshop(options.source, options.folder)
    prey = Hunt(workshop, Memory(options.folder / "results.jsonl", options.fresh), options.jobs, options.most)
    begin = time.monotonic()
    prey.prepare(list(dict.fromkeys(part for part, _ in mutants)), options.source)
    print(f"built and looked where each test comes along: {time.monotonic() - begin:.0f} s", flush=True)
    counts: Counter[str] = Counter()
    survivors = []

    def attempt(pair: tuple[str, Mutant]) -> None:
        told = prey.try_mutant(*pair)
        counts[told["result"]] += 1
        if told["result"] == "survived":
            survivors.append(f"{pair[1]}{' (no test comes there)' if told['by'] else ''}")
        if options.verbose or told["result"] == "survived":
            print(f"{told['result']} {told.get('by', '')}: {pair[1]}", flush=True)

    with ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(attempt, mutants))
    for survivor in sorted(survivors):
        print(f"survivor  {survivor}")
    print(f"took {time.monotonic() - begin:.0f} s; {counts['no C']} did not compile, {counts['the same']} compile to the same code")
    made = counts["killed"] + counts["survived"]
    print(f"mutants: {made} made, {counts['killed']} killed, {counts['survived']} survived")
    return 1 if survivors else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests/mutate/run", description=__doc__)
    parser.add_argument("--source", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--only", choices=sorted(PARTS), action="append", help="this part; may be said again")
    parser.add_argument("--file", action="append", help="of this source file only, repo/agent.c")
    parser.add_argument("--sql", action="store_true", help="of statements in SQL only")
    parser.add_argument("--most", type=int, default=0, help="ask at most so many tests a mutant: a first look at the survivors")
    parser.add_argument("--sample", type=int, default=0, help="so many, chosen by the seed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--shard", default="1/1", help="I/N: the I-th of N equal shares")
    parser.add_argument("-j", "--jobs", type=int, default=2, help="so many at a time")
    parser.add_argument("--fresh", action="store_true", help="forget the results of earlier runs")
    parser.add_argument("--list", action="store_true", help="only say which there are")
    parser.add_argument("-v", "--verbose", action="store_true", help="say who kills each")
    options = parser.parse_args()
    mutants = chosen(options)
    if options.list:
        print("\n".join(str(m) for _, m in mutants))
        return 0
    unused = unused_equivalents(options)
    if unused:
        print("equivalent.txt speaks of mutants that there are not:", *unused, sep="\n    ")
        return 1
    return hunt(options, mutants)


if __name__ == "__main__":
    sys.exit(main())
