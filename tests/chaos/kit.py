"""What a campaign has besides replicas: a pooler, an ear at the channel of the replicas, a small disk, and what
this machine lets it do."""

from __future__ import annotations

import collections
import os
import shutil
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

from check import await_true

POOLER = "/usr/sbin/pgbouncer"
SECONDS = 20
DISK = "192m"


def as_postgres(command: list[Any]) -> list[Any]:
    """As the user the private PostgreSQL runs as: pgbouncer too refuses root."""
    if os.geteuid() != 0:
        return command
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", *command]


class Pooler:
    """PgBouncer in transaction mode before the private PostgreSQL."""

    def __init__(self, folder: Path, run: str, socket_name: str) -> None:
        self.folder = folder / "pooler"
        self.folder.mkdir()
        self.socket = self.folder / socket_name
        self.log = folder / "pooler.log"
        self.process: Any = None
        port = socket_name.rpartition(".")[2]
        (self.folder / "ini").write_text(
            f"[databases]\n* = host={run} port={port} user=berth\n[pgbouncer]\nlisten_port = {port}\nlisten_addr =\n"
            f"unix_socket_dir = {self.folder}\nauth_type = any\npool_mode = transaction\ndefault_pool_size = 6\n",
            "ascii")
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(as_postgres([POOLER, self.folder / "ini"]), stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, start_new_session=True)
        await_true(self.socket.exists, SECONDS, f"pgbouncer to listen ({self.log})")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.socket.unlink(missing_ok=True)


class Ear:
    """Hears what replicas tell each other."""

    def __init__(self, socket: str, channel: str) -> None:
        self.socket, self.channel = socket, channel
        self.heard: collections.deque[str] = collections.deque(maxlen=200)
        self.stop = False
        self.process: Any = None
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()

    def listen(self) -> None:
        while not self.stop:
            self.process = subprocess.Popen(
                ["redis-cli", "-s", self.socket, "--raw", "subscribe", self.channel],
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="replace")
            lines: list[str] = []
            for line in self.process.stdout:
                lines.append(line.rstrip("\n"))
                if lines[-3:-1] == ["message", self.channel]:
                    self.heard.append(lines[-1])
                    lines = []
            self.process.wait()
            time.sleep(0.1)

    def take(self) -> list[str]:
        return list(self.heard)

    def close(self) -> None:
        self.stop = True
        if self.process is not None:
            self.process.kill()
        self.thread.join(SECONDS)


class SmallDisk:
    """A tmpfs with room for a tablespace; only root may have one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "disk"
        self.folder.mkdir()
        self.why_not = ""
        made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "none", self.folder],
                              capture_output=True, text=True, check=False)
        if made.returncode != 0:
            self.why_not = f"a file system of {DISK} cannot be mounted: {made.stderr.strip()}"
            return
        self.tablespace = self.folder / "tablespace"
        self.tablespace.mkdir(mode=0o700)
        shutil.chown(self.tablespace, "postgres", "postgres")

    def statements(self) -> list[str]:
        """The event log and the rounds move there."""
        return [f"CREATE TABLESPACE small LOCATION '{self.tablespace}'",
                "ALTER TABLE berth.events SET TABLESPACE small", "ALTER TABLE berth.rounds SET TABLESPACE small"]

    def close(self) -> None:
        if not self.why_not:
            subprocess.run(["umount", self.folder], check=False)


def clock_library() -> str:
    """libfaketime, or nothing."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    return str(found[0]) if found else ""


def has_fault_points(program: Path) -> bool:
    return b"BERTH_FAULT_WHEN" in program.read_bytes()


def is_sanitized(program: Path) -> bool:
    """Then nothing can be preloaded, and memory says little."""
    return any(word in program.read_bytes() for word in (b"__asan_init", b"__tsan_init"))
