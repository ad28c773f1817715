"""A berthd with TLS and a callers file, and clients that are somebody."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import grpc
from check import await_true
from stubs import Client
from world import START_SECONDS, Server, World

OWN, FOREIGN = "gpu", "lab"  # scaling groups of the sample


@dataclass
class Caller:
    """One column of the matrix."""

    name: str
    role: str  # nobody, viewer, manager or admin
    groups: str = "*"
    token: str = ""
    certificate: str = ""  # name of the files

    @property
    def limited(self) -> bool:
        return self.groups != "*"


class Callers:
    """The callers file; tokens are made by berthd token new."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.certificates = world.folder / "certificates"
        self.file = world.folder / "callers"
        self.file.write_text("# callers of the tests\n", "utf-8")

    def add(self, name: str, role: str, groups: str = "*") -> Caller:
        made = subprocess.run(
            [self.world.build / "server/berthd", "token", "new", name, "--role", role]
            + ["--groups", groups, "--append", self.file],
            capture_output=True,
            text=True,
            check=True,
        )
        return Caller(name, role, groups, token=made.stdout.strip())

    def add_certificate(self, name: str, role: str, certificate: str, proof: str) -> Caller:
        with self.file.open("a", encoding="utf-8") as file:
            file.write(f"cert {name} {role} * {proof}\n")
        return Caller(name, role, certificate=certificate)

    def text(self, name: str) -> bytes:
        return (self.certificates / name).read_bytes()

    def connect(self, server: Server, caller: Caller) -> Client:
        pair = (None, None)
        if caller.certificate:
            pair = (self.text(f"{caller.certificate}.key"), self.text(f"{caller.certificate}.pem"))
        credentials = grpc.ssl_channel_credentials(self.text("ca.pem"), *pair)
        if caller.token:
            credentials = grpc.composite_channel_credentials(
                credentials, grpc.access_token_call_credentials(caller.token)
            )
        client = Client(server.target)
        client.close()
        client.channel = grpc.secure_channel(server.target, credentials)
        return client

    def flags(self) -> list[str]:
        return [
            f"--tls-certificate={self.certificates / 'server.pem'}",
            f"--tls-key={self.certificates / 'server.key'}",
            f"--tls-client-ca={self.certificates / 'ca.pem'}",
            "--tls-client-auth=request",
            f"--callers-file={self.file}",
        ]

    def serve(self, folder: Path, known: Caller, *flags: str) -> Server:
        """Starts berthd and waits until it is well; `known` asks for its health."""
        world = self.world
        server = Server(
            world.build, world.conninfo, world.services.redis, folder, *self.flags(), *flags
        )
        server.client.close()
        server.client = self.connect(server, known)
        await_true(lambda: server.client.health() == "SERVING", START_SECONDS, "health")
        world.server = server
        return server
