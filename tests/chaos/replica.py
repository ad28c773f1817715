"""A berthd behind a proxy of its own: it can be killed, stopped and started again."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from world import Server

HERE = Path(__file__).resolve().parent


class Proxy:
    """proxy.py as a process."""

    def __init__(self, listen: Path, target: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-B", HERE / "proxy.py", listen, target],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
        self._await_ok()

    def _await_ok(self) -> None:
        if self.process.stdout.readline().strip() != "ok":
            raise RuntimeError("the proxy ended")

    def command(self, text: str) -> None:
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        self._await_ok()

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(30)


class Replica:
    """One berthd and the proxy between it and PostgreSQL."""

    def __init__(self, campaign, number: int) -> None:
        self.campaign = campaign
        self.folder = campaign.folder / f"replica{number}"
        self.folder.mkdir()
        services = campaign.services
        socket = ".s.PGSQL." + services.conninfo.partition("port=")[2].split()[0]
        self.proxy = Proxy(self.folder / socket, f"{services.run}/{socket}")
        self.conninfo = services.conninfo.replace(f"'{services.run}'", f"'{self.folder}'")
        self.name = f"replica{number}"
        self.start()

    def start(self) -> None:
        campaign = self.campaign
        self.server = Server(campaign.build, f"{self.conninfo} dbname={campaign.database}", campaign.services.redis,
                             campaign.folder, "--replica", self.name, "--lease-ttl", "1s", "--redis-timeout", "300ms",
                             "--commit-chunk", "20", "--grace-period", "5s",
                             "--repair-at-start", "false")  # what a crash leaves must be seen, not mended

    @property
    def client(self):
        return self.server.client

    @property
    def pid(self) -> int:
        return self.server.process.pid

    def kill(self) -> None:
        self.server.stop(signal.SIGKILL)

    def close(self) -> int:
        code = self.server.stop()
        self.proxy.close()
        return code
