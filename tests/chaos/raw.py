"""A client that speaks just enough HTTP/2 to misbehave: it sends what it likes and need not read."""

from __future__ import annotations

import contextlib
import socket
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS, HEADERS, DATA = 4, 1, 0
END_STREAM, END_HEADERS = 1, 4
SECONDS = 2


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def literal(name: str, value: str) -> bytes:
    """A header field, written out (HPACK, without indexing)."""
    return b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


class Raw:
    """One connection."""

    def __init__(self, target: str, receive: int = 0) -> None:
        self.socket = socket.socket()
        self.socket.settimeout(SECONDS)
        if receive:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        host, _, port = target.rpartition(":")
        self.socket.connect((host, int(port)))
        self.stream = -1

    def greet(self) -> None:
        self.socket.sendall(PREFACE + frame(SETTINGS, 0, 0))

    def headers(self, path: str) -> None:
        """Begins a call."""
        self.stream += 2
        fields = ((":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "berth"),
                  ("content-type", "application/grpc"), ("te", "trailers"))
        block = b"".join(literal(name, value) for name, value in fields)
        self.socket.sendall(frame(HEADERS, END_HEADERS, self.stream, block))

    def message(self, bytes_: bytes, last: bool = True) -> None:
        body = struct.pack(">BI", 0, len(bytes_)) + bytes_
        self.socket.sendall(frame(DATA, END_STREAM if last else 0, self.stream, body))

    def break_off(self) -> None:
        """The peer gets a reset."""
        with contextlib.suppress(OSError):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()
