"""The build of the tests, and what is made of it for each mutant: one object, and the test programs it goes into."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from mutant import digest

HERE = Path(__file__).resolve().parent
BUILD_SECONDS = 1800
LEAST_SECONDS = 20.0  # a mutant that hangs is killed by that, too
PATIENCE = 20  # times what the test takes by itself


@dataclass
class Test:
    program: str  # path of the target in the build folder
    name: str  # "test:turn"; of a program that is no Check: its arguments
    seconds: float = 0.0
    lines: dict[str, set[int]] = field(default_factory=dict)  # by file: where it comes along

    def __str__(self) -> str:
        return f"{Path(self.program).name} {self.name}"


def run(command: list[str], where: Path, seconds: float = BUILD_SECONDS, **env: str) -> int:
    """The exit code, -1 after so many seconds. Output goes nowhere: what matters is whether it fails."""
    with subprocess.Popen(command, cwd=where, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
                          start_new_session=True, env={**os.environ, **env}) as process:
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.terminate()  # Check ends the test it runs, which is a group of its own
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                pass
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            return -1


class Workshop:
    def __init__(self, source: Path, folder: Path) -> None:
        self.source = source
        self.build = folder / "build"
        self.folder = folder
        self.lock = threading.Lock()
        self.coverage: dict[str, list[Test]] = {}
        self.digests: dict[str, str] = {}
        self.gained: dict[tuple[str, str], bool] = {}  # by digests of a program, now and then
        self.links: dict[str, list[str]] = {}
        self.compiles: dict[str, list[str]] = {}  # by source file
        self.code: dict[str, set[int]] = {}  # by file: lines that gcov knows

    def make(self, programs: list[str], jobs: int) -> None:
        launcher = ["-DCMAKE_C_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []
        # AddressSanitizer notices what a mutant reads past an end.
        self.checked(["cmake", "-S", str(self.source), "-B", str(self.build), "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Debug",
                      "-DBERTH_SANITIZE=address", *launcher])
        self.checked(["cmake", "--build", str(self.build), "-j", str(jobs), "--target", *[p.rsplit("/", 1)[1] for p in programs]])
        commands = json.loads((self.build / "compile_commands.json").read_text("utf-8"))
        self.compiles = {os.path.relpath(c["file"], self.source): shlex.split(c["command"]) for c in commands
                         if "CMakeFiles/berth_" in c["command"]}
        self.checked(["cc", "-c", "-g", "-o", str(self.folder / "only.o"), str(HERE / "only.c")])

    def checked(self, command: list[str]) -> str:
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=self.folder)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command[:3])}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout

    def sources_of(self, file: str) -> list[str]:
        """What is compiled again when it changes: itself; of a header, all that include it."""
        if file.endswith(".c"):
            return [file]
        written = [f for f in sorted(self.compiles) if f.startswith(("repo/", "scheduler/"))]
        return [f for f in written if f'#include "{file}"' in (self.source / f).read_text("utf-8")]

    def compile(self, source: str, where: Path, overlay: Path | None, *options: str) -> Path | None:
        """An object of a source, read from the overlay where that has it; None: it is no C any more."""
        command = [w for w in self.compiles[source] if w != "ccache" and not w.endswith("/ccache")]
        target = where / (source.replace("/", "_") + ".o")
        command[command.index("-o") + 1] = str(target)
        command[command.index("-c") + 1] = str(overlay / source if overlay and (overlay / source).exists()
                                               else self.source / source)
        if overlay is not None:
            command.insert(1, f"-I{overlay}")
        # Mutants have unused and unreachable code: no reason not to try them.
        return target if run(command + ["-w", *options], self.build) == 0 else None

    def link_command(self, program: str) -> list[str]:
        with self.lock:
            if program not in self.links:
                told = self.checked(["ninja", "-C", str(self.build), "-t", "commands", "-s", program]).splitlines()[-1]
                words = shlex.split(told)
                self.links[program] = words[words.index("&&") + 1:len(words) - 1 - words[::-1].index("&&")]
            return list(self.links[program])

    def link(self, program: str, objects: list[Path], target: Path, *options: str) -> bool:
        """The program with these objects in place of the archives' own."""
        words = self.link_command(program)
        words[words.index("-o") + 1] = str(target)
        first = next(i for i, word in enumerate(words) if word.endswith(".a"))
        only = [] if program.endswith("/property") else [str(self.folder / "only.o"), "-Wl,--wrap=_tcase_add_test"]
        return run(words[:first] + [str(o) for o in objects] + only + words[first:] + list(options), self.build) == 0

    def ask(self, tests: list[Test], program: Path, **env: str) -> bool:
        """Whether these tests of one program pass."""
        seconds = max(LEAST_SECONDS, PATIENCE * sum(test.seconds for test in tests))
        words = [str(program)]
        if program.name.startswith("property"):
            words += tests[0].name.split()
        else:
            env["BERTH_ONLY"] = f",{','.join(test.name for test in tests)},"
        return run(words, self.folder, seconds, CK_DEFAULT_TIMEOUT="60", CK_TIMEOUT_MULTIPLIER="0.25",
                   ASAN_OPTIONS="hard_rss_limit_mb=4000", **env) == 0

    # --- which test comes along where ---

    def digest_of(self, program: str) -> str:
        """Changes when the program's own tests change, or what they share."""
        if program not in self.digests:
            words = self.link_command(program)
            objects = [self.build / w for w in words if w.endswith(".o") or "support" in w]
            self.digests[program] = digest(*[str(hash_of(o)) for o in objects])
            kept = self.folder / "tests" / self.digests[program]
            kept.parent.mkdir(exist_ok=True)
            if not kept.exists():
                kept.write_text("\n".join(self.lines_of(program)), "utf-8")
        return self.digests[program]

    def lines_of(self, program: str) -> list[str]:
        """What the program's tests are written as: its own source, and what those of its folder share."""
        name = Path(program).name
        folder = self.source / Path(program).parent
        own = [p for p in folder.glob("*.c") if p.stem == name or p.stem == name.replace("test_repo_", "test_")]
        shared = sorted(p for p in folder.glob("*.[ch]") if not p.name.startswith("test_"))
        return [line for path in own + shared for line in path.read_text("utf-8").splitlines()]

    def still_tells(self, program: str, then: str) -> bool:
        """Whether a program whose digest was that tells what it told: it is the same, or has only gained lines."""
        now = self.digest_of(program)
        with self.lock:
            if now != then and (now, then) not in self.gained:
                kept = self.folder / "tests" / then
                lines = iter(self.lines_of(program))
                # `in` goes on in the iterator where it has found the line before
                self.gained[now, then] = kept.exists() and all(line in lines for line in kept.read_text("utf-8").splitlines())
        return now == then or self.gained[now, then]

    def tests_of(self, program: str, files: list[str], arguments: str) -> list[Test]:
        """Each test of the program with the lines of these files that it runs. Remembered, since it takes a while."""
        if program in self.coverage:
            return self.coverage[program]
        where = self.folder / "cover" / Path(program).name
        shutil.rmtree(where, ignore_errors=True)
        where.mkdir(parents=True)
        remembered = self.folder / "cover" / f"{Path(program).name}.json"
        key = digest(self.digest_of(program), *[(self.source / f).read_text("utf-8") for f in files])
        found = json.loads(remembered.read_text("utf-8")) if remembered.exists() else {"key": ""}
        if found["key"] != key:
            tests, code = self.cover(program, files, arguments, where)
            found = {"key": key, "code": sorted_lines(code),
                     "tests": [[t.program, t.name, t.seconds, sorted_lines(t.lines)] for t in tests]}
            remembered.write_text(json.dumps(found), "utf-8")
        shutil.rmtree(where, ignore_errors=True)
        self.coverage[program] = [Test(p, n, s, {f: set(lines) for f, lines in at.items()}) for p, n, s, at in found["tests"]]
        for file, lines in found["code"].items():
            self.code.setdefault(file, set()).update(lines)
        return self.coverage[program]

    def cover(self, program: str, files: list[str], arguments: str, where: Path) -> tuple[list[Test], dict[str, set[int]]]:
        sources = sorted({s for f in files for s in self.sources_of(f)})
        objects = [o for o in (self.compile(s, where, None, "--coverage") for s in sources) if o]
        target = where / Path(program).name
        if len(objects) < len(sources) or not self.link(program, objects, target, "--coverage"):
            raise RuntimeError(f"{program} does not build for coverage")
        if arguments:
            names = [arguments]
        else:
            listed = where / "tests"
            run([str(target)], where, BERTH_ONLY_LIST=str(listed))
            names = sorted(set(listed.read_text("utf-8").split()))
        tests: list[Test] = []
        code: dict[str, set[int]] = {}
        for i, name in enumerate(names):
            test = Test(program, name, seconds=30)
            counts = where / f"run{i}"
            begin = time.monotonic()
            if not self.ask([test], target, GCOV_PREFIX=str(counts)):
                raise RuntimeError(f"{test} fails without any mutant")
            test.seconds = time.monotonic() - begin
            test.lines = read_lines(counts, where, self.source, code)
            tests.append(test)
        return tests, code


def hash_of(path: Path) -> str:
    return digest(path.read_bytes().hex())


def sorted_lines(lines: dict[str, set[int]]) -> dict[str, list[int]]:
    return {file: sorted(numbers) for file, numbers in lines.items()}


def read_lines(counts: Path, notes: Path, source: Path, code: dict[str, set[int]]) -> dict[str, set[int]]:
    """The lines that one run ran, by file; and all that could have run into `code`."""
    found: dict[str, set[int]] = {}
    data = sorted(counts.rglob("*.gcda"))
    for file in data:
        note = notes / (file.stem + ".gcno")
        shutil.copy(note, file.with_suffix(".gcno"))
    if not data:
        return found
    done = subprocess.run(["gcov", "--json-format", "--stdout", *[str(d) for d in data]], capture_output=True, check=True,
                          cwd=counts)
    for line in done.stdout.splitlines():
        for told in json.loads(line)["files"]:
            name = os.path.relpath(told["file"], source)
            if not name.startswith(".."):
                found.setdefault(name, set()).update(n["line_number"] for n in told["lines"] if n["count"] > 0)
                code.setdefault(name, set()).update(n["line_number"] for n in told["lines"])
    return found
