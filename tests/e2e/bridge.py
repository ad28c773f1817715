"""What a manager of the 25 series hears and reads, decoded as one does: with Python's msgpack."""

from __future__ import annotations

import base64
import collections
import json
import select
import signal
import socket
from typing import Any

import msgpack
from cancels import cancel
from check import await_true, check, empty, equal
from rounds import outcome, schedule
from world import Server, World

METADATA = {"request_id": None, "user": None}
FIELDS = ["name", "source", "args", "metadata"]
SECONDS = 15
ON = ("--manager-bridge", "25", "--event-poll", "100ms")
TYPES = {1: "scheduled", 3: "cancelled", 4: "terminating"}


class Redis:
    """A few words of its protocol: answers are bytes, numbers, lists or None."""

    def __init__(self, world: World, database: int) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(SECONDS)
        self.socket.connect(world.services.redis.removeprefix("unix:"))
        self.bytes = b""
        self.ask("SELECT", database)

    def ask(self, *words: object) -> Any:
        parts = [str(word).encode() for word in words]
        head = b"*%d\r\n" % len(parts)
        self.socket.sendall(head + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts))
        return self.read()

    def take(self, length: int) -> bytes:
        while len(self.bytes) < length:
            self.bytes += self.socket.recv(1 << 16) or self.closed()
        taken, self.bytes = self.bytes[:length], self.bytes[length:]
        return taken

    def line(self) -> bytes:
        while b"\r\n" not in self.bytes:
            self.bytes += self.socket.recv(1 << 16) or self.closed()
        return self.take(self.bytes.index(b"\r\n") + 2)[:-2]

    def closed(self) -> bytes:
        raise RuntimeError("Redis closed the connection")

    def read(self) -> Any:
        line = self.line()
        kind, rest = line[:1], line[1:]
        if kind == b"*":
            return [self.read() for _ in range(int(rest))]
        if kind == b"$":
            return None if rest == b"-1" else self.take(int(rest) + 2)[:-2]
        if kind == b"-":
            raise RuntimeError(rest.decode())
        return int(rest) if kind == b":" else rest

    def pending(self) -> bool:
        """Whether something can be read at once."""
        return bool(self.bytes) or bool(select.select([self.socket], [], [], 0.1)[0])


class Ear:
    """Everything on the channel, since it was made."""

    def __init__(self, world: World) -> None:
        self.redis = Redis(world, 4)
        self.redis.ask("SUBSCRIBE", "events_all")
        self.heard: list[str] = []

    def listen(self) -> list[str]:
        while self.redis.pending():
            self.heard.append(self.redis.read()[2].decode())
        return self.heard


def messages_of(event: dict[str, Any]) -> list[tuple[str, tuple[str, ...]]]:
    """(name, arguments) of what is broadcast about an event."""
    session, creation, reason = event["session_id"], event["creation_id"], event["reason"]
    kind = TYPES[event["type"]]
    if kind == "scheduled":
        transition = (session, creation, "SCHEDULED", "triggered-by-scheduler")
        return [("session_scheduled", (session, creation, "unknown")), ("scheduling", transition)]
    if kind == "cancelled":
        transition = (session, "", "CANCELLED", reason)
        return [("session_cancelled", (session, creation, reason)), ("scheduling", transition)]
    return [("session_terminating", (session, reason))]


def wanted(world: World) -> collections.Counter:
    events = world.rows(
        f"""SELECT type, session_id, creation_id, reason FROM berth.events
             WHERE type IN ({', '.join(map(str, TYPES))}) ORDER BY sequence"""
    )
    return collections.Counter(message for event in events for message in messages_of(event))


def decode_broadcast(text: str) -> tuple[str, tuple[str, ...]]:
    message = json.loads(text)
    packed = base64.b64decode(message["args"], validate=True)
    args = tuple(msgpack.unpackb(packed))
    if (
        list(message) != FIELDS
        or message["source"] != "manager"
        or json.loads(message["metadata"]) != METADATA
        or packed != msgpack.packb(args)
        or base64.b64encode(packed).decode() != message["args"]
    ):
        raise ValueError(text)
    return message["name"], args


def await_heard(world: World, ear: Ear, sentence: str, most: int | None = 1) -> None:
    """The log and nothing else; no message more than `most` times."""

    def heard() -> collections.Counter:
        return collections.Counter(decode_broadcast(text) for text in ear.listen())

    await_true(lambda: not wanted(world) - heard(), SECONDS, sentence)
    expected, got = wanted(world), heard()
    check(expected, f"{sentence}: there is something to be heard")
    empty(list(set(got) - set(expected)), f"{sentence}: nothing else is heard")
    if most is not None:
        empty([(m, n) for m, n in got.items() if n > expected[m] * most], f"{sentence}: once each")


def check_stream(world: World, stream: Redis) -> None:
    equal(stream.ask("TYPE", "events"), b"stream", "one manager reads a stream")
    entries = stream.ask("XRANGE", "events", "-", "+")
    known = set(wanted(world)) | {("do_check_precond", ())}
    bad = []
    for _, fields in entries:
        names, values = [name.decode() for name in fields[::2]], fields[1::2]
        name, source, packed, metadata = values
        args = tuple(msgpack.unpackb(packed))
        if (
            names != FIELDS
            or (name.decode(), args) not in known
            or source != b"manager"
            or packed != msgpack.packb(args)
            or json.loads(metadata) != METADATA
        ):
            bad.append(fields)
    check(entries, "the stream has entries")
    empty(bad, "every entry has the fields in order, and Python packs its arguments alike")
    check(len(entries) <= 128 + 100, "the stream is kept short", len(entries))


def check_kept(stream: Redis, session: str) -> None:
    key = f"session_scheduler.{session}"
    name, args = decode_broadcast(stream.ask("GET", key).decode())
    equal((name, args[0]), ("scheduling", session), "the last transition of a session is kept")
    check(0 < stream.ask("TTL", key) <= 60, "for a minute")


def check_queue(world: World, live: Redis, group: str) -> None:
    answer = schedule(world, group)
    tried = ("WAITING", "BLOCKED", "INFEASIBLE", "INVALID", "CONFLICT")
    failed = [d.session_id for d in answer.decisions if outcome(d) in tried]
    key = f"pending_queue:{group}"
    await_true(
        lambda: json.loads(live.ask("GET", key) or b"[]") == failed, SECONDS, "the pending queue"
    )
    check(failed, "some sessions wait")
    equal(live.ask("TYPE", key), b"string", "the queue is a text")
    check(0 < live.ask("TTL", key) <= 600, "it lives ten minutes")
    places = [live.ask("GET", f"queue_position:{session}") for session in failed]
    equal(places, [b"%d" % i for i in range(len(failed))], "each knows its place, from 0")
    check(0 < live.ask("TTL", f"queue_position:{failed[0]}") <= 600, "for ten minutes")


def check_two_replicas(world: World, ear: Ear) -> None:
    other = Server(world.build, world.conninfo, world.services.redis, world.folder, *ON)
    other.await_health("SERVING")
    try:
        for group in ("gpu", "lab"):
            schedule(world, group)
        running = world.rows("SELECT id FROM sessions WHERE status = 'RUNNING' ORDER BY id LIMIT 2")
        for row in running:
            cancel(world, row["id"])
        await_heard(world, ear, "two replicas tell each event")
        waiting = world.rows("SELECT id FROM sessions WHERE status = 'PENDING' ORDER BY id LIMIT 3")
        for row in waiting:
            cancel(world, row["id"])
        world.server.stop(signal.SIGKILL)
        world.server = None
        await_heard(world, ear, "one replica was killed", most=None)
    finally:
        world.server = other


def check_erased(world: World, stream: Redis) -> None:
    """Redis loses everything: what comes next is told, and nothing of before again."""
    row = world.rows("SELECT id FROM sessions WHERE status = 'PENDING' ORDER BY id LIMIT 1")[0]
    stream.ask("FLUSHALL")
    cancel(world, row["id"])
    await_true(lambda: stream.ask("XLEN", "events") > 0, SECONDS, "an entry after FLUSHALL")
    entries = stream.ask("XRANGE", "events", "-", "+")
    names = [fields[1] for _, fields in entries]
    equal(names, [b"session_cancelled"], "after FLUSHALL only what is new is told")


def test(world: World) -> None:
    world.end()
    world.start_server(*ON).await_health("SERVING")
    await_true(
        lambda: world.value("SELECT count(*) FROM berth.manager_bridge") > 0, SECONDS, "the bridge"
    )
    ear, live, stream = Ear(world), Redis(world, 2), Redis(world, 4)
    check_queue(world, live, "gpu")
    await_heard(world, ear, "a round")
    check_stream(world, stream)
    scheduled = world.value("SELECT session_id FROM berth.events WHERE type = 1 LIMIT 1")
    check_kept(stream, scheduled)
    cancel(world, scheduled)
    await_heard(world, ear, "a cancel after it")
    check_two_replicas(world, ear)
    check_stream(world, stream)
    check_erased(world, stream)
