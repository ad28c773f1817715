"""A berthd behind proxies of its own: it can be killed, stopped, and started again in other circumstances."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from check import await_true
from world import Server

HERE = Path(__file__).resolve().parent
PG, REDIS = 0, 1  # doors
FINE_ENDS = (0, 7)  # as asked; as asked, but it took longer than its grace period


class Proxy:
    """proxy.py as a process. Any thread."""

    def __init__(self, *pairs: Path | str) -> None:
        self.lock = threading.Lock()
        self.process = subprocess.Popen(
            [sys.executable, "-B", HERE / "proxy.py", *pairs],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
        self._await_ok()

    def _await_ok(self) -> int:
        word, _, number = self.process.stdout.readline().strip().partition(" ")
        if word != "ok":
            raise RuntimeError("the proxy ended")
        return int(number)

    def command(self, door: int, text: str) -> int:
        """How often that door struck since it was last asked."""
        with self.lock:
            self.process.stdin.write(f"{door} {text}\n")
            self.process.stdin.flush()
            return self._await_ok()

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(30)


class Replica:
    """One berthd, and the proxies between it and PostgreSQL (or its pooler) and Redis."""

    def __init__(self, campaign: Any, number: int, postgres: str) -> None:
        self.campaign, self.name = campaign, f"replica{number}"
        self.lock = threading.Lock()  # of the fault that has to do with it
        self.folder = campaign.folder / self.name
        self.folder.mkdir()
        services = campaign.services
        socket = ".s.PGSQL." + services.conninfo.partition("port=")[2].split()[0]
        self.proxy = Proxy(self.folder / socket, postgres,
                           self.folder / "redis.sock", services.redis.removeprefix("unix:"))
        conninfo = services.conninfo.replace(f"'{services.run}'", f"'{self.folder}'")
        self.conninfo = f"{conninfo} dbname={campaign.database}"
        self.failing = campaign.failing_block(self)
        self.server: Any = None
        self.odd = ""  # what is unusual about the process, for the log
        self.start()

    def flags(self) -> list[str]:
        return ["--replica", self.name, "--lease-ttl", "1s", "--redis-timeout", "300ms", "--commit-chunk", "20",
                "--grace-period", "5s", "--request-timeout", "3s", "--slow-reader", "3s", "--mirror-interval", "1s",
                "--event-poll", "300ms",
                "--repair-at-start", "false",  # what a crash leaves must be seen, not mended
                *self.campaign.flags(self)]

    def start(self, odd: str = "", build: Path | None = None, **env: str) -> None:
        self.odd = odd
        self.server = Server(build or self.campaign.build, self.conninfo, f"unix:{self.folder}/redis.sock",
                             self.campaign.folder, *self.flags(), env={**os.environ, **env})

    @property
    def client(self) -> Any:
        return self.server.client

    @property
    def pid(self) -> int:
        return self.server.process.pid

    @property
    def is_up(self) -> bool:
        return self.server.process.poll() is None

    @property
    def is_stopped(self) -> bool:
        try:
            stat = Path(f"/proc/{self.pid}/stat").read_text("utf-8")
        except FileNotFoundError:
            return False
        return stat.rpartition(")")[2].split()[0] == "T"

    def kill(self) -> None:
        self.server.stop(signal.SIGKILL)
        self.campaign.count("kill")

    def start_to_fail(self, fault: str) -> None:
        """Killed, and started again so that it comes to grief at a point of repo/fault.def in its next rounds."""
        self.kill()
        armed = self.folder / "armed"
        armed.unlink(missing_ok=True)
        self.start(odd=fault, BERTH_FAULT=fault, BERTH_FAULT_WHEN=str(armed))
        self.server.await_health("SERVING", 20)  # what the start itself commits is not what is meant
        armed.touch()

    def await_grief(self, seconds: float) -> bool:
        """Whether it has stopped, or ended, by then; else it will not any more."""
        try:
            return await_true(lambda: self.is_stopped or not self.is_up, seconds, "grief")
        except TimeoutError:
            (self.folder / "armed").unlink()
            return self.is_stopped or not self.is_up

    def end(self) -> None:
        """As a service manager ends it."""
        code = self.server.stop()
        if code not in FINE_ENDS:
            self.campaign.violation(f"{self.name} ended with exit code {code}: {self.server.tail()}")

    def wake(self) -> None:
        if self.is_up:
            os.kill(self.pid, signal.SIGCONT)

    def hurt(self, door: int, text: str) -> int:
        return self.proxy.command(door, text)

    def heal(self) -> None:
        self.wake()
        for door in (PG, REDIS):
            self.hurt(door, "heal")

    # --- what it uses, for I18 ---

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def resident_mb(self) -> float:
        pages = int(Path(f"/proc/{self.pid}/statm").read_text("ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)

    def close(self) -> int:
        code = self.server.stop()
        self.proxy.close()
        return code


def sleep(rng: Any, least: float, most: float) -> None:
    time.sleep(least + (most - least) * rng.random())
