"""A stage for one scene at a time: services, a database made anew for each scene, and servers that are told
at which point to die or to stop."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "tests/e2e"))

import psycopg2  # noqa: E402  pylint: disable=wrong-import-position

import stubs  # noqa: E402  pylint: disable=wrong-import-position
import transitions  # noqa: E402  pylint: disable=wrong-import-position
from check import await_true  # noqa: E402  pylint: disable=wrong-import-position
from workload import ENQUEUE_SESSION  # noqa: E402  pylint: disable=wrong-import-position
from world import Server, Services, make_folder  # noqa: E402  pylint: disable=wrong-import-position

LEASE_SECONDS = 0.3
GROUP = "group1"


class Stage:
    """Services and the scene's database."""

    def __init__(self, build: Path) -> None:
        self.build = build
        self.folder = make_folder("stage")
        self.folder.chmod(0o711)
        stubs.generate(ROOT, self.folder / "stubs")
        self.services = Services(self.folder / "services")
        self.services.command("database stage_base")
        base = f"{self.services.conninfo} dbname=stage_base"
        subprocess.run([build / "server/berthd", "migrate", "--database", base], check=True,
                       stdout=subprocess.DEVNULL)
        self.conninfo = base
        self.sql((HERE / "cluster.sql").read_text("utf-8"))
        self.sql(transitions.statements())
        self.scene = 0
        self.rng = random.Random(1)
        self.servers: list[Server] = []

    def sql(self, text: str, values: Any = None) -> list[tuple[Any, ...]]:
        connection = psycopg2.connect(self.conninfo)
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute(text, values)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def begin(self, sessions: int) -> None:
        """A fresh database with so many sessions waiting, and an empty Redis."""
        self.scene += 1
        self.conninfo = f"{self.services.conninfo} dbname=postgres"
        self.sql(f"CREATE DATABASE scene{self.scene} TEMPLATE stage_base")
        self.conninfo = f"{self.services.conninfo} dbname=scene{self.scene}"
        subprocess.run(["redis-cli", "-s", f"{self.services.run}/redis.sock", "flushall"], check=True,
                       stdout=subprocess.DEVNULL)
        self.enqueue(sessions)

    def enqueue(self, sessions: int) -> None:
        rng = self.rng
        for i in range(sessions):
            self.sql(ENQUEUE_SESSION, {
                "id": str(uuid.UUID(int=rng.getrandbits(128), version=4)), "key": f"KEY{i % 4 + 1}",
                "project": f"project{rng.randint(1, 2)}", "group": GROUP, "priority": 10, "n": 1,
                "type": "INTERACTIVE", "mode": "single-node", "cpu": 1, "mem": 1 << 30, "gpu": 0})

    def server(self, fault: str = "", *flags: str) -> Server:
        """A replica; `fault` is its BERTH_FAULT."""
        os.environ.pop("BERTH_FAULT", None)
        armed = self.folder / f"armed{self.scene}-{len(self.servers)}"
        if fault:
            os.environ |= {"BERTH_FAULT": fault, "BERTH_FAULT_WHEN": str(armed)}
        made = Server(self.build, self.conninfo, self.services.redis, self.folder, "--replica",
                      f"replica{len(self.servers)}", "--lease-ttl", f"{int(LEASE_SECONDS * 1000)}ms",
                      "--commit-chunk", "10", "--grace-period", "2s",
                      "--repair-at-start", "false", *flags)  # what a crash leaves must be seen, not mended
        os.environ.pop("BERTH_FAULT", None)
        os.environ.pop("BERTH_FAULT_WHEN", None)
        self.servers.append(made)
        made.await_health("SERVING")  # what the start itself commits is not what is meant
        armed.touch()
        return made

    def violations(self) -> list[str]:
        """What the invariants say now."""
        found = []
        for file in (ROOT / "deploy/lib/consistency.sql", HERE / "invariants.sql"):
            found += [f"{rule}: {example}" for rule, example in self.sql(file.read_text("utf-8"))]
        return found

    def end(self) -> None:
        """Ends the scene's servers, whatever state they are in."""
        for server in self.servers:
            server.client.close()
            if server.process.poll() is None:
                server.process.kill()
            server.process.wait()
        self.servers = []

    def close(self, keep: bool) -> None:
        self.end()
        self.services.close()
        if keep:
            print(f"logs are kept in {self.folder}")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)


def is_stopped(server: Server) -> bool:
    stat = Path(f"/proc/{server.process.pid}/stat").read_text("utf-8")
    return stat.rpartition(")")[2].split()[0] == "T"


def schedule(server: Server, seconds: float = 10, **fields: Any) -> Any:
    """A round, tried again while somebody else has the lease or the database is coming back."""
    answer: list[Any] = []

    def ran() -> bool:
        try:
            answer.append(server.client.call("ScheduleScalingGroup", timeout=seconds, scaling_group=GROUP, **fields))
            return True
        except stubs.RpcFailure as failure:
            if failure.code not in ("ABORTED", "UNAVAILABLE", "DEADLINE_EXCEEDED"):
                raise
            return False

    await_true(ran, seconds * 2, "a round")
    return answer[0]
