"""A berthd with small limits, a full cluster with a long queue, callers with tokens; and somebody who watches the process."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "tests/e2e"))

from callers import Caller  # noqa: E402  pylint: disable=wrong-import-position
from world import Server, World  # noqa: E402  pylint: disable=wrong-import-position

BENCH = ROOT / "tests/bench"
AGENTS = 100
ADDED = 5  # sessions that come every half second, with room for them
WAITING = "SELECT id FROM sessions WHERE status = 'PENDING' ORDER BY created_at, id"
DESCRIPTORS = 8192
# A small server: what its limits are named by in the checks.
LIMITS = {"executors": "4", "executor-queue": "64", "max-in-flight": "160", "max-streams": "300", "max-connections": "3000", "caller-in-flight": "48",
          "caller-streams": "100", "caller-queue": "32", "max-message": "256k", "max-requests-memory": "16m",
          "request-timeout": "2s", "slow-reader": "2s", "stream-queue": "64", "snapshot-age": "1s"}
OTHERS = {"loop": "true", "loop-hint-interval": "500ms", "loop-interval": "2s", "log-format": "json",
          "credentials-interval": "1h"}


@dataclass
class Sample:
    """The process at one moment."""

    at: float
    rss: int  # bytes
    descriptors: int
    log: int  # bytes


@dataclass
class Watcher(threading.Thread):
    """Looks at a process until told to end."""

    server: Server
    samples: list[Sample] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)
        self.ends = threading.Event()

    def __hash__(self) -> int:
        return id(self)

    def look(self) -> Sample:
        folder = Path(f"/proc/{self.server.process.pid}")
        pages = int((folder / "statm").read_text("ascii").split()[1])
        return Sample(time.monotonic(), pages * os.sysconf("SC_PAGE_SIZE"), len(os.listdir(folder / "fd")),
                      self.server.log.stat().st_size)

    def run(self) -> None:
        while not self.ends.wait(0.1):
            self.samples.append(self.look())

    def between(self, begin: float, end: float) -> list[Sample]:
        return [s for s in self.samples if begin <= s.at <= end]


class Arrivals(threading.Thread):
    """Sessions that fit come all the time, so that rounds have something to commit."""

    def __init__(self, world: World) -> None:
        super().__init__(daemon=True)
        self.world = world
        self.ends = threading.Event()
        self.error = ""

    def run(self) -> None:
        while not self.ends.wait(0.5):
            try:
                self.world.psql("-v", f"added={ADDED}", "-f", str(BENCH / "arrivals.sql"))
            except RuntimeError as error:
                self.error = str(error)
                return


class Stage:
    """Everything a run needs."""

    def __init__(self, build: Path, folder: Path, sessions: int, names: list[str], planted: dict[str, str]) -> None:
        self.build = build
        self.folder = folder
        self.world = World(build, folder)
        self.callers_file = folder / "callers"
        self.callers_file.write_text("", "utf-8")
        self.tokens: dict[str, Path] = {}
        self.running: list[Caller] = []
        self.world.create_database("overload")
        self.world.migrate()
        size = {"sessions": sessions, "agents": AGENTS, "shapes": 20, "owners": 50, "kernels": 1, "fill": 1}
        variables = [word for key, value in size.items() for word in ("-v", f"{key}={value}")]
        self.world.psql(*variables, "-f", str(BENCH / "cluster.sql"))
        self.world.psql("-c", "ANALYZE")
        self.ids = self.world.psql("-c", WAITING).split()
        settings = {**LIMITS, **OTHERS, "callers-file": str(self.callers_file), **planted}
        flags = [f"--{name}={value}" for name, value in settings.items()]
        for name in names:
            self.token(name)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, hard))  # berthd inherits it
        try:
            self.server = self.world.start_server(*flags)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        self.server.await_health("SERVING")

    def token(self, name: str) -> None:
        """A new caller, and a file with its token."""
        made = subprocess.run([self.build / "server/berthd", "token", "new", name, "--role", "manager", "--groups", "*",
                               "--append", self.callers_file], capture_output=True, text=True, check=True)
        self.tokens[name] = self.folder / f"{name}.token"
        self.tokens[name].write_text(made.stdout, "utf-8")

    def take_ids(self, n: int) -> list[str]:
        taken, self.ids = self.ids[:n], self.ids[n:]
        return taken

    def start(self, name: str, *words: str, token: str = "", sessions: list[str] | None = None) -> Caller:
        command = [str(self.build / "tests/bench/load_bench"), self.server.target, *words]
        if token:
            command += ["--token", str(self.tokens[token])]
        if sessions:
            file = self.folder / f"{name}.sessions"
            file.write_text("\n".join(sessions) + "\n", "utf-8")
            command += ["--sessions", str(file)]
        caller = Caller(name, command, self.folder)
        self.running.append(caller)
        return caller

    def close(self) -> None:
        for caller in self.running:
            if caller.process.poll() is None:
                caller.process.kill()
                caller.process.wait()
        self.world.close()
