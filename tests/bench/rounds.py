"""Whole rounds through the RPC beside what PostgreSQL charges for the same rows, on copies of one database."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "tests/e2e"))

import check  # noqa: E402  pylint: disable=wrong-import-position
import stubs  # noqa: E402  pylint: disable=wrong-import-position
from world import Server, Services  # noqa: E402  pylint: disable=wrong-import-position

GROUP = "bench"
# PostgreSQL as an operator would set it on a machine like this, so that neither side pays for small buffers.
POSTGRES = "shared_buffers = 2GB\nmax_wal_size = 8GB\ncheckpoint_timeout = 30min\nautovacuum = off"
RPC_SECONDS = 600
COUNTS = 1  # ROUND_VIEW_COUNTS


class Bench:
    """Services, and a database made from a template for each measurement."""

    def __init__(self, build: Path) -> None:
        self.build = build
        self.folder = Path(tempfile.mkdtemp(prefix="berth-bench-", dir="/tmp"))
        self.folder.chmod(0o711)
        stubs.generate(ROOT, self.folder / "stubs")
        os.environ["SERVICES_PG_SETTINGS"] = POSTGRES
        self.services = Services(self.folder / "services")
        self.copies = 0
        self.servers: list[Server] = []

    def conninfo(self, name: str) -> str:
        return f"{self.services.conninfo} dbname={name}"

    def psql(self, database: str, *arguments: str) -> str:
        done = subprocess.run(["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", self.conninfo(database), *arguments],
                              capture_output=True, text=True, timeout=RPC_SECONDS, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"psql: {done.stderr.strip()}")
        return done.stdout.strip()

    def create(self, name: str) -> None:
        """A database with nothing but the schema."""
        self.services.command(f"database {name}")
        subprocess.run([self.build / "server/berthd", "migrate", "--database", self.conninfo(name)], check=True,
                       stdout=subprocess.DEVNULL)

    def make(self, name: str, **size: float) -> None:
        """A cluster (cluster.sql) as a template."""
        self.create(name)
        values = {"sessions": 0, "agents": 0, "shapes": 20, "owners": 50, "kernels": 1, "fill": 0, **size}
        variables = [word for key, value in values.items() for word in ("-v", f"{key}={value}")]
        self.psql(name, *variables, "-f", str(HERE / "cluster.sql"))
        self.psql(name, "-c", "VACUUM ANALYZE")

    def copy(self, template: str) -> str:
        self.copies += 1
        name = f"{template}_{self.copies}"
        self.psql("postgres", "-c", f"CREATE DATABASE {name} TEMPLATE {template}", "-c", "CHECKPOINT")
        subprocess.run(["redis-cli", "-s", f"{self.services.run}/redis.sock", "flushall"], check=True,
                       stdout=subprocess.DEVNULL)
        return name

    def drop(self, name: str) -> None:
        self.psql("postgres", "-c", f"DROP DATABASE {name} WITH (FORCE)")

    def floor(self, database: str, *what: str) -> float:
        done = subprocess.run([self.build / "tests/bench/floor", self.conninfo(database), *what], check=True,
                              capture_output=True, text=True)
        return float(done.stdout)

    def server(self, database: str, *flags: str) -> Server:
        server = Server(self.build, self.conninfo(database), self.services.redis, self.folder, *flags)
        self.servers.append(server)
        server.await_health("SERVING")
        return server

    def round(self, server: Server, group: str = GROUP) -> tuple[float, Any]:
        begin = time.monotonic()
        answer = server.client.call("ScheduleScalingGroup", timeout=RPC_SECONDS, scaling_group=group, view=COUNTS)
        return time.monotonic() - begin, answer

    def plan(self, server: Server) -> Any:
        """A round that is decided and not written."""
        return server.client.call("ScheduleScalingGroup", timeout=RPC_SECONDS, scaling_group=GROUP, view=COUNTS,
                                  validate_only=True)

    def close(self) -> None:
        for server in self.servers:
            if server.process.poll() is None:
                server.stop()
        self.services.close()


    def wal(self) -> int:
        """Bytes of WAL written so far."""
        return int(self.psql("postgres", "-c", "SELECT pg_current_wal_insert_lsn() - '0/0'"))


def phases(answer: Any) -> str:
    return " ".join(f"{p.name} {p.duration.ToMilliseconds()}" for p in answer.round.phases)


@dataclass
class Whole:
    """Seconds: a round, and the floor that was measured beside it."""

    round: float
    floor: float


def whole_round(bench: Bench, sessions: int, agents: int, times: int) -> Whole:
    """Everything fits. The run with the smallest ratio counts: noise only adds."""
    best = None
    bench.make("big", sessions=sessions, agents=agents)
    for _ in range(times):
        name = bench.copy("big")
        bench.floor(name, "read")  # the copy is in memory from here on
        floor = bench.floor(name, "read")
        begin = bench.wal()
        floor += bench.floor(name, "write")
        bare = (bench.wal() - begin) / sessions
        bench.drop(name)
        name = bench.copy("big")
        bench.floor(name, "read")
        server = bench.server(name)
        begin = bench.wal()
        took, answer = bench.round(server)
        written = (bench.wal() - begin) / sessions
        if answer.counts.scheduled != sessions:
            raise RuntimeError(f"{answer.counts.scheduled} of {sessions} sessions were scheduled")
        print(f"{sessions} x {agents}: floor {floor:.3f} s, round {took:.3f} s; ms: {phases(answer)}; "
              f"WAL a decision: floor {bare:.0f} bytes, round {written:.0f}", flush=True)
        server.stop()
        bench.drop(name)
        if best is None or took / floor < best.round / best.floor:
            best = Whole(took, floor)
    bench.drop("big")
    return best


@dataclass
class Idle:
    """Seconds of a round in which nothing fits: nothing has changed since the last; 1 % of the sessions have."""

    unchanged: float
    touched: float


def idle_round(bench: Bench, sessions: int, agents: int) -> Idle:
    bench.make("packed", sessions=sessions, agents=agents, fill=1)
    name = bench.copy("packed")
    server = bench.server(name)

    def round_of(what: str) -> float:
        took, answer = bench.round(server)
        print(f"nothing fits, {what}: {took:.3f} s; ms: {phases(answer)}", flush=True)
        return took

    round_of("first")
    unchanged, touched = [round_of("again") for _ in range(3)], []
    for _ in range(3):
        bench.psql(name, "-c", "UPDATE sessions SET priority = priority WHERE id IN (SELECT id FROM sessions "
                               f"WHERE status = 'PENDING' ORDER BY id LIMIT {sessions // 100})")
        touched.append(round_of("1 % changed"))
    server.stop()
    bench.drop(name)
    bench.drop("packed")
    return Idle(min(unchanged), min(touched))


def restart(bench: Bench, sessions: int, agents: int, times: int) -> tuple[float, float]:
    """Seconds from the start of the process until the decisions of a first round are made (before they are
    committed), and the bare read of the same rows. The run with the smallest ratio counts."""
    bench.make("queue", sessions=sessions, agents=agents)
    name = bench.copy("queue")
    bench.floor(name, "read")
    bench.server(name).stop()  # the client, too, has done it all once before
    best = None
    check.pause = 0.001  # what we wait for is seen at once
    for _ in range(times):
        read = bench.floor(name, "read")
        begin = time.monotonic()
        server = bench.server(name)
        serves = time.monotonic() - begin
        answer = bench.plan(server)
        took = time.monotonic() - begin
        print(f"restart: bare read {read:.3f} s, decided {took:.3f} s after the start, SERVING {serves:.3f} s after "
              f"it; ms: {phases(answer)}", flush=True)
        server.stop()
        if best is None or took / read < best[0] / best[1]:
            best = (took, read)
    check.pause = 0.02
    bench.drop(name)
    bench.drop("queue")
    return best
