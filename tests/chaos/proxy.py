"""A proxy between two unix sockets that can be told to hurt: one command a line on standard input,
"ok" a line on standard output. Ends when its input ends.

    proxy.py LISTEN TARGET
    cut            closes every connection at once, in the middle of whatever it carries
    pause SECONDS  carries nothing for so long; connections stay open
"""

from __future__ import annotations

import os
import selectors
import socket
import sys
import time

CHUNK = 65536


class Proxy:
    """Pairs of sockets; what comes in at one goes out at the other."""

    def __init__(self, listen: str, target: str) -> None:
        self.target = target
        self.selector = selectors.DefaultSelector()
        self.peer: dict[socket.socket, socket.socket] = {}
        self.door = socket.socket(socket.AF_UNIX)
        self.door.bind(listen)
        os.chmod(listen, 0o777)
        self.door.listen(128)
        self.selector.register(self.door, selectors.EVENT_READ, self.accept)
        self.selector.register(sys.stdin, selectors.EVENT_READ, self.command)
        self.carry_from = 0.0

    def accept(self, door: socket.socket) -> None:
        client, _ = door.accept()
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(self.target)
        except OSError:
            client.close()
            server.close()
            return
        for one, other in ((client, server), (server, client)):
            self.peer[one] = other
            self.selector.register(one, selectors.EVENT_READ, self.carry)

    def carry(self, one: socket.socket) -> None:
        try:
            data = one.recv(CHUNK)
            if data:
                self.peer[one].sendall(data)
                return
        except (OSError, KeyError):
            pass
        self.drop(one)

    def drop(self, one: socket.socket) -> None:
        for end in (one, self.peer.pop(one, None)):
            if end is not None:
                self.peer.pop(end, None)
                self.selector.unregister(end)
                end.close()

    def command(self, _: object) -> None:
        words = sys.stdin.readline().split()
        if not words:
            sys.exit(0)
        if words[0] == "cut":
            while self.peer:
                self.drop(next(iter(self.peer)))
        elif words[0] == "pause":
            self.carry_from = time.monotonic() + float(words[1])
        print("ok", flush=True)

    def run(self) -> None:
        print("ok", flush=True)
        while True:
            for key, _ in self.selector.select(0.05):
                paused = time.monotonic() < self.carry_from
                if key.fileobj is sys.stdin or not paused:
                    if key.fileobj in self.peer or key.fileobj in (self.door, sys.stdin):
                        key.data(key.fileobj)
            if time.monotonic() < self.carry_from:
                time.sleep(0.01)  # readable sockets wait; do not spin on them


if __name__ == "__main__":
    Proxy(sys.argv[1], sys.argv[2]).run()
