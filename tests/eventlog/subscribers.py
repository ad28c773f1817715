"""Subscribers, each a thread: they watch, note what comes in a record, break off at any moment and go on
from their last cursor at any replica. A process of its own, so that it does not slow the workload.

usage: subscribers.py FOLDER SEED N CONNINFO
FOLDER/targets has the addresses of the replicas, one a line, and changes while we run. Records are
FOLDER/sN.record. Every second a line "RECONNECTS {REASON: STREAMS
ENDED BY IT}" goes to standard output. Ends with its input."""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "tests/e2e"))
sys.path.insert(0, str(HERE.parent / "chaos"))

import grpc  # noqa: E402  pylint: disable=wrong-import-position
import psycopg2  # noqa: E402  pylint: disable=wrong-import-position

import stubs  # noqa: E402  pylint: disable=wrong-import-position
from workload import GROUPS  # noqa: E402  pylint: disable=wrong-import-position

LONGEST_SECONDS = 6  # a connection
TYPES = (1, 2, 3, 4, 5)
GO_ON = ("UNAVAILABLE", "RESOURCE_EXHAUSTED", "CANCELLED", "UNKNOWN", "INTERNAL", "DEADLINE_EXCEEDED")


class House:
    """What the subscribers share."""

    def __init__(self, folder: Path, conninfo: str) -> None:
        self.folder, self.conninfo = folder, conninfo
        self.lock = threading.Lock()
        self.clients: dict[str, stubs.Client] = {}
        self.reconnects = 0
        self.ends_by: dict[str, int] = {}  # reason of the status, or its code
        self.stop = threading.Event()

    def client(self, rng: random.Random) -> stubs.Client | None:
        """Of any replica; a channel each, shared."""
        targets = (self.folder / "targets").read_text("utf-8").split()
        if not targets:
            return None
        target = rng.choice(targets)
        with self.lock:
            for gone in set(self.clients) - set(targets):
                self.clients.pop(gone).close()
            if target not in self.clients:
                self.clients[target] = stubs.Client(target)
            return self.clients[target]

    def sql(self, text: str) -> list[tuple[Any, ...]]:
        connection = psycopg2.connect(self.conninfo)
        try:
            with connection.cursor() as cursor:
                cursor.execute(text)
                return cursor.fetchall()
        finally:
            connection.close()

    def log_ends(self) -> dict[str, int]:
        return dict(self.sql("SELECT g.name, s.last_sequence FROM berth.group_state s"
                             " JOIN scaling_groups g ON g.id = s.scaling_group_id"))


class Subscriber(threading.Thread):
    """One watch, over any number of connections."""

    def __init__(self, house: House, number: int, seed: str) -> None:
        super().__init__(daemon=True)
        self.house = house
        self.rng = random.Random(f"{seed} subscriber {number}")
        self.record = house.folder / f"s{number}.record"
        self.groups: list[str] = []
        self.sessions: list[str] = []
        self.types: list[int] = []
        self.cursor = ""
        self.start_at = ("NOW", "BEGINNING", "CURSOR")[number % 3]
        self.filter_by = ("nothing", "groups", "types", "both", "sessions")[number // 3 % 5]

    def choose(self) -> None:
        rng = self.rng
        if self.filter_by in ("groups", "both"):
            self.groups = sorted(rng.sample(GROUPS, rng.randint(1, 2)))
        if self.filter_by in ("types", "both"):
            self.types = sorted(rng.sample(TYPES, rng.randint(1, 3)))
        if self.filter_by == "sessions":
            self.sessions = [str(row[0]) for row in self.house.sql(
                "SELECT id FROM sessions ORDER BY random() LIMIT 30")]

    def fields(self) -> dict[str, Any]:
        filters = {"scaling_groups": self.groups, "session_ids": self.sessions, "types": self.types}
        if self.cursor:
            return {**filters, "resume_cursor": self.cursor}
        return {**filters, "start": 2 if self.start_at == "BEGINNING" else 1}

    def begin(self) -> dict[str, int] | None:
        """The first message has the cursor of the start; None: it did not come."""
        least = self.house.log_ends()
        client = self.house.client(self.rng)
        if client is None:
            return None
        call = client.watch(timeout=10, **self.fields())
        try:
            self.cursor = next(call).cursor
        except grpc.RpcError:
            return None
        finally:
            call.cancel()
        return least

    def run(self) -> None:
        stop = self.house.stop
        stop.wait(self.rng.random() * 5)
        self.choose()
        least: dict[str, int] | None = None
        most: dict[str, int] = {}
        while least is None and not stop.is_set():
            if self.start_at == "BEGINNING":
                least = {}
                break
            least = self.begin()
            most = self.house.log_ends()
            stop.wait(self.rng.random() * 2)  # what is committed meanwhile is to be seen too
        with self.record.open("w", encoding="utf-8") as out:
            print(json.dumps({"groups": self.groups, "sessions": self.sessions, "types": self.types,
                              "least": least or {}, "most": most}), file=out, flush=True)
            while not stop.is_set():
                self.connect(out)
                with self.house.lock:
                    self.house.reconnects += 1
                stop.wait(self.rng.random() * 0.3)

    def connect(self, out: Any) -> None:
        rng = self.rng
        client = self.house.client(rng)
        if client is None:
            return
        leave_at = time.monotonic() + rng.random() * LONGEST_SECONDS
        call = client.watch(timeout=LONGEST_SECONDS * 2, heartbeat_interval={"seconds": 1}, **self.fields())
        try:
            for message in call:
                self.take(message, out)
                if time.monotonic() > leave_at or self.house.stop.is_set():
                    break  # what has come and was not looked at is asked for again
        except grpc.RpcError as error:
            self.end(stubs.decode(error))
        finally:
            call.cancel()

    def take(self, message: Any, out: Any) -> None:
        if not message.cursor or message.gap:
            raise AssertionError(f"a message without a cursor, or a gap: {message}")
        out.write("".join(json.dumps([e.scaling_group, e.sequence, e.type, e.session_id, e.from_status, e.to_status])
                          + "\n" for e in message.events))
        out.flush()
        self.cursor = message.cursor

    def end(self, failure: stubs.RpcFailure) -> None:
        why = failure.reason or failure.code
        with self.house.lock:
            self.house.ends_by[why] = self.house.ends_by.get(why, 0) + 1
        if failure.reason == "DRAINING":
            if "cursor" in failure.metadata and self.rng.random() < 0.5:
                self.cursor = failure.metadata["cursor"]
        elif failure.code not in GO_ON:
            print(f"FAULT {self.record.name}: {failure} {failure.reason}", flush=True)
            time.sleep(1)


def main() -> int:
    folder, seed, n, conninfo = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
    stubs.generate(ROOT, folder / "stubs")
    house = House(folder, conninfo)
    threads = [Subscriber(house, i, seed) for i in range(n)]
    threading.excepthook = lambda args: print(f"FAULT {args.thread.record.name}: {args.exc_value!r}", flush=True)
    for thread in threads:
        thread.start()
    print("ready", flush=True)

    def tell() -> None:
        with house.lock:
            print(f"{house.reconnects} {json.dumps(house.ends_by)}", flush=True)

    def report() -> None:
        while not house.stop.wait(1):
            tell()

    reporter = threading.Thread(target=report, daemon=True)
    reporter.start()
    sys.stdin.read()
    house.stop.set()
    for thread in threads:
        thread.join(20)
    tell()
    return 0


if __name__ == "__main__":
    sys.exit(main())
