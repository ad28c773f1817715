"""What the tests run against: a private PostgreSQL and Redis, a database with the sample cluster,
and berthd on a random port. Everything that is started here is ended here, by its process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from check import await_true
from stubs import Client

ROOT = Path(__file__).resolve().parent.parent.parent
START_SECONDS = 30  # a server with sanitizers on a busy machine
SEED = "1"


def make_folder(name: str) -> Path:
    """For what goes with a test; in BERTH_TEST_FOLDER or /tmp, as a socket's path must be short."""
    return Path(tempfile.mkdtemp(prefix=f"berth-{name}-", dir=os.environ.get("BERTH_TEST_FOLDER", "/tmp")))


class Services:
    """PostgreSQL and Redis in a folder (tests/lib/services)."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [ROOT / "tests/lib/services", folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        word, _, conninfo = self._answer().partition(" ")
        if word != "ready":
            raise RuntimeError(f"services did not start: {word} {conninfo}")
        self.conninfo = conninfo.removesuffix(" dbname=postgres")
        self.run = self.conninfo.split("'")[1]
        self.redis = f"unix:{self.run}/redis.sock"

    def _answer(self) -> str:
        return self.process.stdout.readline().strip()

    def command(self, text: str) -> None:
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        answer = self._answer()
        if answer != "ok":
            raise RuntimeError(f"services: {text}: {answer}")

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(60)


class Server:
    """One berthd. Its log is in a file that is shown when a test wants it."""

    def __init__(
        self, build: Path, conninfo: str, redis: str, folder: Path, *flags: str,
        env: dict[str, str] | None = None,
    ) -> None:
        self.log = Path(tempfile.mkstemp(prefix="berthd-", suffix=".log", dir=folder)[1])
        self.port_file = self.log.with_suffix(".port")
        command = [
            build / "server/berthd",
            "--listen",
            "127.0.0.1:0",
            "--port-file",
            self.port_file,
            "--loop",
            "false",  # rounds are counted: those that are asked for, and no others
        ]
        command += ["--database", conninfo, "--redis", redis, "--probe-interval", "200ms"]
        command += ["--snapshot-age", "0ms", *flags]  # what a test changes is seen at once
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env=env,
            )
        self.port = int(await_true(self._port, START_SECONDS, f"berthd to listen ({self.log})"))
        self.target = f"127.0.0.1:{self.port}"
        self.client = Client(self.target)

    def _port(self) -> str:
        if self.process.poll() is not None:
            raise RuntimeError(f"berthd ended with {self.process.returncode}: {self.tail()}")
        return self.ports()[0] if self.port_file.exists() else ""

    def ports(self) -> list[str]:
        """That of the RPCs, then that of the metrics when they are served."""
        return self.port_file.read_text("utf-8").split()

    def tail(self) -> str:
        return "\n".join(self.log.read_text("utf-8", errors="replace").splitlines()[-20:])

    def await_health(self, status: str, seconds: float = START_SECONDS) -> None:
        await_true(lambda: self.client.health() == status, seconds, f"health to be {status}")

    def stop(self, signal_number: int = signal.SIGTERM, seconds: float = 30) -> int:
        """Ends it and answers its exit code; a server that does not end is killed and raises."""
        self.client.close()
        self.process.send_signal(signal_number)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


class World:
    """The services, and the database and server that belong to the test that runs now."""

    def __init__(self, build: Path, folder: Path) -> None:
        self.build = build
        self.folder = folder
        self.services = Services(folder / "services")
        self.database = ""
        self.server: Server | None = None

    @property
    def client(self) -> Client:
        return self.server.client

    @property
    def conninfo(self) -> str:
        return f"{self.services.conninfo} dbname={self.database}"

    def psql(self, *arguments: str, input_text: str | None = None) -> str:
        command = ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", self.conninfo, *arguments]
        done = subprocess.run(
            command, input=input_text, capture_output=True, text=True, timeout=60, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(f"psql: {done.stderr.strip()}")
        return done.stdout

    def rows(self, query: str) -> list[dict[str, Any]]:
        text = self.psql("-c", f"SELECT coalesce(json_agg(q), '[]') FROM ({query}) q")
        return json.loads(text)

    def value(self, query: str) -> Any:
        """The only value of the only row."""
        return next(iter(self.rows(query)[0].values()))

    def redis(self, *arguments: str) -> str:
        command = ["redis-cli", "-s", f"{self.services.run}/redis.sock", "--raw", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def create_database(self, name: str) -> None:
        self.services.command(f"database {name}")
        self.redis("flushall")  # leases are by group, and every database has the same groups
        self.database = name

    def migrate(self) -> None:
        subprocess.run(
            [self.build / "server/berthd", "migrate", "--database", self.conninfo],
            check=True,
            stdout=subprocess.DEVNULL,
        )

    def load_sample(self) -> None:
        made = subprocess.run(
            [ROOT / "deploy/sample/generate", "--seed", SEED],
            capture_output=True,
            text=True,
            check=True,
        )
        self.psql(input_text=made.stdout)

    def start_server(self, *flags: str) -> Server:
        self.server = Server(self.build, self.conninfo, self.services.redis, self.folder, *flags)
        return self.server

    def begin(self, name: str, *flags: str) -> None:
        """A fresh database with the sample cluster and a server that serves it."""
        self.end()
        self.create_database(name)
        self.migrate()
        self.load_sample()
        self.start_server(*flags).await_health("SERVING")

    def end(self) -> int | None:
        """Stops the server when there is one; its exit code."""
        server, self.server = self.server, None
        return server.stop() if server is not None else None

    def close(self) -> None:
        self.end()
        self.services.close()

    def session_id(self, name: str) -> str:
        return self.value(f"SELECT id FROM sessions WHERE name = '{name}'")
