"""A proxy between pairs of unix sockets that can be told to hurt: one command a line on standard input,
"ok N" a line on standard output, N: how often the armed faults of that door struck since it was last asked.
Ends when its input ends.

    proxy.py LISTEN TARGET [LISTEN TARGET ...]         doors 0, 1, ...
    DOOR cut                  closes every connection at once, in the middle of whatever it carries
    DOOR pause SECONDS        carries nothing for so long; connections stay open
    DOOR delay EACH SECONDS   for so long everything arrives EACH seconds late
    DOOR half_open            the connections of now carry nothing any more, and stay open; new ones are whole
    DOOR heal                 closes those that are half open, and ends everything else
    DOOR commit WHEN          the next COMMIT's connection is cut: `before` it is passed on, `during`, or `after` its
                              answer came back; that answer is lost
    DOOR struck               nothing
"""

from __future__ import annotations

import heapq
import itertools
import os
import selectors
import socket
import sys
import time
from typing import Any

CHUNK = 65536
COMMIT = b"COMMIT"


class Door:
    """A listening socket, and what is done to what comes in by it."""

    def __init__(self, proxy: Proxy, listen: str, target: str) -> None:
        self.proxy, self.target = proxy, target
        self.peer: dict[socket.socket, socket.socket] = {}
        self.clients: set[socket.socket] = set()
        self.dead: list[socket.socket] = []
        self.last_due: dict[socket.socket, float] = {}
        self.carry_from = self.delay_until = self.each = 0.0
        self.armed, self.struck = "", 0
        self.awaiting: set[socket.socket] = set()  # server ends whose next words are the answer to COMMIT
        self.door = socket.socket(socket.AF_UNIX)
        self.door.bind(listen)
        os.chmod(listen, 0o777)
        self.door.listen(128)
        proxy.selector.register(self.door, selectors.EVENT_READ, self.accept)

    @property
    def paused(self) -> bool:
        return time.monotonic() < self.carry_from

    def accept(self, door: socket.socket) -> None:
        client, _ = door.accept()
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(self.target)
        except OSError:
            client.close()
            server.close()
            return
        self.clients.add(client)
        for one, other in ((client, server), (server, client)):
            self.peer[one] = other
            self.proxy.selector.register(one, selectors.EVENT_READ, self.carry)

    def carry(self, one: socket.socket) -> None:
        try:
            data = one.recv(CHUNK)
        except OSError:
            data = b""
        if not data or self.strikes(one, data):
            self.drop(one)
            return
        other, now = self.peer[one], time.monotonic()
        due = self.last_due.get(other, 0.0)
        if now < self.delay_until:
            due = max(due, now + self.each)
        if due > now:
            self.last_due[other] = due
            self.proxy.later(due, self, other, data)
        else:
            self.send(other, data)

    def send(self, to: socket.socket, data: bytes) -> None:
        if to not in self.peer:
            return  # it was closed, or is half open, since
        try:
            to.sendall(data)
        except OSError:
            self.drop(to)

    def strikes(self, one: socket.socket, data: bytes) -> bool:
        """Whether the connection ends here."""
        if one in self.awaiting:
            self.awaiting.discard(one)
            return True  # the answer is lost
        if not self.armed or one not in self.clients or COMMIT not in data:
            return False
        when, self.armed = self.armed, ""
        self.struck += 1
        if when == "before":
            return True
        self.send(self.peer[one], data)
        if when == "after":
            self.awaiting.add(self.peer[one])
        return when == "during"

    def drop(self, one: socket.socket) -> None:
        for end in (one, self.peer.pop(one, None)):
            if end is not None:
                self.forget(end)
                end.close()

    def forget(self, end: socket.socket) -> None:
        self.peer.pop(end, None)
        self.clients.discard(end)
        self.awaiting.discard(end)
        self.last_due.pop(end, None)
        self.proxy.selector.unregister(end)

    # --- the commands ---

    def cut(self) -> None:
        self.struck += len(self.clients)
        while self.peer:
            self.drop(next(iter(self.peer)))

    def pause(self, seconds: str) -> None:
        self.carry_from = time.monotonic() + float(seconds)

    def delay(self, each: str, seconds: str) -> None:
        self.each, self.delay_until = float(each), time.monotonic() + float(seconds)

    def half_open(self) -> None:
        self.struck += len(self.clients)
        for end in list(self.peer):
            self.forget(end)
            self.dead.append(end)

    def heal(self) -> None:
        self.carry_from = self.delay_until = 0.0
        self.armed = ""
        for end in self.dead:
            end.close()
        self.dead = []

    def commit(self, when: str) -> None:
        self.armed = when


class Proxy:
    """The doors, and what is to be carried later."""

    def __init__(self, pairs: list[str]) -> None:
        self.selector = selectors.DefaultSelector()
        self.doors = [Door(self, *pair) for pair in zip(pairs[::2], pairs[1::2], strict=True)]
        self.queue: list[tuple[float, int, Door, socket.socket, bytes]] = []
        self.number = itertools.count()
        self.selector.register(sys.stdin, selectors.EVENT_READ, None)

    def later(self, due: float, door: Door, to: socket.socket, data: bytes) -> None:
        heapq.heappush(self.queue, (due, next(self.number), door, to, data))

    def command(self) -> None:
        words = sys.stdin.readline().split()
        if not words:
            sys.exit(0)
        door = self.doors[int(words[0])]
        if words[1] != "struck":
            getattr(door, words[1])(*words[2:])
        print(f"ok {door.struck}", flush=True)
        door.struck = 0

    def handle(self, key: Any) -> None:
        if key.fileobj is sys.stdin:
            self.command()
            return
        door: Door = key.data.__self__
        if not door.paused and (key.fileobj in door.peer or key.fileobj is door.door):
            key.data(key.fileobj)

    def run(self) -> None:
        print("ok 0", flush=True)
        while True:
            for key, _ in self.selector.select(0.01 if self.queue else 0.05):
                self.handle(key)
            while self.queue and self.queue[0][0] <= time.monotonic():
                _, _, door, to, data = heapq.heappop(self.queue)
                door.send(to, data)
            if any(door.paused for door in self.doors):
                time.sleep(0.01)  # readable sockets wait; do not spin on them


if __name__ == "__main__":
    Proxy(sys.argv[1:]).run()
