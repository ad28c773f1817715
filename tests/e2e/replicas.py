"""Two replicas of one database: what one commits the subscribers of the other see at once, and a
subscriber that moves from a replica that ends to another one with its cursor misses nothing."""

from __future__ import annotations

import subprocess
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
from check import await_true, check, equal
from events import WAIT, Watcher, log
from stubs import Client, decode
from world import ROOT, Server, World

SOON_SECONDS = 5  # far less than the poll, which could bring it too
NO_POLL = ("--event-poll", "60s")


class Node:
    """resume.js: a foreign client that follows the log over the replicas."""

    def __init__(self, world: World, *targets: str) -> None:
        self.process = subprocess.Popen(
            ["node", ROOT / "tests/e2e/resume.js", *targets],
            env={"NODE_PATH": str(world.node_modules), "PATH": "/usr/local/bin:/usr/bin:/bin"},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.lines: list[str] = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self.lines.append(line.strip())

    @property
    def events(self) -> list[tuple[str, int]]:
        seen = [line.split()[1].split("/") for line in list(self.lines) if line.startswith("event ")]
        return [(group, int(sequence)) for group, sequence in seen]

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(WAIT)
        self.reader.join(WAIT)


def schedule(server: Server, group: str) -> None:
    server.client.call("ScheduleScalingGroup", scaling_group=group)


def check_hints(world: World, other: Server) -> None:
    watcher = Watcher(world)  # at the first replica, from now on
    await_true(lambda: watcher.cursors, WAIT, "the first message")
    begin = time.monotonic()
    schedule(other, "lab")
    watcher.await_events(1)
    check(time.monotonic() - begin < SOON_SECONDS,
          "what one replica commits the subscribers of another see long before the next poll",
          f"it took {time.monotonic() - begin} s")
    watcher.stop()


def drained(watcher: Watcher) -> str:
    """The cursor that the end of its stream hands out."""
    watcher.thread.join(WAIT)
    failure = watcher.failure
    equal((failure.code, failure.reason), ("UNAVAILABLE", "DRAINING"), "a replica that ends says so to its subscribers")
    equal(failure.metadata.get("cursor"), watcher.cursors[-1][1], "and hands out the cursor of the last message")
    return failure.metadata.get("cursor", "")


def rest_of(other: Server, cursor: str, count: int) -> list[Any]:
    stream = other.client.watch(timeout=WAIT, resume_cursor=cursor)
    events: list[Any] = []
    try:
        for answer in stream:
            events += answer.events
            if len(events) >= count:
                break
    except grpc.RpcError as error:
        check(False, "the stream at the other replica goes on", decode(error))
    stream.cancel()
    return events


def by_group(events: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """In the order of each group, the groups one after the other."""
    return sorted(events, key=lambda event: event[0])


def test(world: World) -> None:
    world.end()
    first = world.start_server(*NO_POLL)
    first.await_health("SERVING")
    other = Server(world.build, world.conninfo, world.services.redis, Path(world.folder), *NO_POLL)
    other.await_health("SERVING")
    check_hints(world, other)
    node = Node(world, first.target, other.target)
    own = SimpleNamespace(client=Client(first.target))  # a channel that the end of the server does not close
    watcher = Watcher(own, start=2)
    schedule(first, "gpu")
    await_true(lambda: len(node.events) == len(log(world)), WAIT, "grpc-js to have the log")
    watcher.await_events(len(log(world)))
    code = world.end()
    check(code == 0, "the first replica ends well", first.tail())
    world.server = other
    cursor = drained(watcher)
    own.client.close()
    for group in ("gpu", "lab"):
        schedule(other, group)
    whole = log(world)
    rest = rest_of(other, cursor, len(whole) - len(watcher.events))
    seen = [(e.scaling_group, e.sequence) for e in [*watcher.events, *rest]]
    equal(by_group(seen), whole, "with that cursor the rest comes from the other replica, without hole or duplicate")
    await_true(lambda: len(node.events) >= len(whole), WAIT, "grpc-js to have the rest")
    node.close()
    equal(by_group(node.events), whole, "grpc-js resumes by its cursor at the other replica and sees the whole log once")
    check("moved UNAVAILABLE" in node.lines and "gap" not in node.lines, "grpc-js was sent away once, without a gap",
          [line for line in node.lines if not line.startswith("event ")])
