"""A gRPC client without generated service code: messages from protoc at run time, generic calls."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import symbol_database

SERVICE = "berth.v1.SchedulerService"
HEALTH = "grpc.health.v1.Health"
OWN_PROTOS = (
    "berth/v1/scheduler.proto",
    "google/rpc/status.proto",
    "google/rpc/error_details.proto",
)
HEALTH_PROTO = "grpc/health/v1/health.proto"
GRPC_PROTOS = "/usr/share/grpc-proto"
MODULES = (
    "google.rpc.status_pb2",
    "google.rpc.error_details_pb2",
    "berth.v1.scheduler_pb2",
    "grpc.health.v1.health_pb2",
)


class RpcFailure(Exception):
    """An error answer with its decoded details."""

    def __init__(self, code: str, text: str, details: list[Any]) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.message = text
        self.details = details

    def detail(self, name: str) -> Any | None:
        """The detail of that message name, e.g. "ErrorInfo"; None when there is none."""
        return next((d for d in self.details if d.DESCRIPTOR.name == name), None)

    @property
    def reason(self) -> str:
        info = self.detail("ErrorInfo")
        return info.reason if info is not None else ""

    @property
    def metadata(self) -> dict[str, str]:
        info = self.detail("ErrorInfo")
        return dict(info.metadata) if info is not None else {}

    @property
    def fields(self) -> list[str]:
        bad = self.detail("BadRequest")
        return [v.field for v in bad.field_violations] if bad is not None else []


def generate(root: Path, out: Path) -> None:
    """Makes the messages with protoc and lets them be imported."""
    out.mkdir(parents=True, exist_ok=True)
    command = ["protoc", f"-I{root / 'proto'}", f"-I{GRPC_PROTOS}", f"--python_out={out}"]
    subprocess.run([*command, *OWN_PROTOS, HEALTH_PROTO], check=True)
    sys.path.insert(0, str(out))
    # These packages exist already; ours add google.rpc and grpc.health to them.
    for package in ("google", "grpc"):
        sys.modules[package].__path__.append(str(out / package))
    for module in MODULES:
        importlib.import_module(module)


def message(name: str, **fields: Any) -> Any:
    """A message by its full name, or by its name in berth.v1."""
    full = name if "." in name else f"berth.v1.{name}"
    return symbol_database.Default().GetSymbol(full)(**fields)


def enum_name(text_message: Any, field: str) -> str:
    """The name of an enum field's value."""
    descriptor = text_message.DESCRIPTOR.fields_by_name[field]
    return descriptor.enum_type.values_by_number[getattr(text_message, field)].name


def decode(error: grpc.RpcError) -> RpcFailure:
    details = []
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            status = message("google.rpc.Status")
            status.ParseFromString(value)
            for packed in status.details:
                detail = message(packed.type_url.rpartition("/")[2])
                packed.Unpack(detail)
                details.append(detail)
    return RpcFailure(error.code().name, error.details() or "", details)


def scheduler_method(name: str) -> Any:
    file = sys.modules["berth.v1.scheduler_pb2"].DESCRIPTOR
    return file.services_by_name["SchedulerService"].methods_by_name[name]


class Client:
    """Calls by name on one channel."""

    def __init__(self, target: str) -> None:
        self.channel = grpc.insecure_channel(
            target, options=[("grpc.max_receive_message_length", 64 << 20)]
        )

    def close(self) -> None:
        self.channel.close()

    def call(self, name: str, timeout: float = 60, **fields: Any) -> Any:
        """A unary call of the scheduler service; raises RpcFailure."""
        method = scheduler_method(name)
        request = message(method.input_type.full_name, **fields)
        path = f"/{SERVICE}/{name}"
        return self.send(path, request.SerializeToString(), method.output_type.full_name, timeout)

    def send(self, path: str, request: bytes, answer: str, timeout: float = 60) -> Any:
        """A unary call with bytes as they are, for requests that no message would make."""
        stub = self.channel.unary_unary(
            path,
            request_serializer=None,
            response_deserializer=type(message(answer)).FromString,
        )
        try:
            return stub(request, timeout=timeout)
        except grpc.RpcError as error:
            raise decode(error) from None

    def watch(self, timeout: float = 60, **fields: Any) -> Any:
        """WatchEvents: iterate over it, cancel() it; decode() what it raises."""
        request = message("WatchEventsRequest", **fields)
        stub = self.channel.unary_stream(
            f"/{SERVICE}/WatchEvents",
            request_serializer=None,
            response_deserializer=type(message("WatchEventsResponse")).FromString,
        )
        return stub(request.SerializeToString(), timeout=timeout)

    def health(self, service: str = "") -> str:
        """The status's name, or the error's code."""
        request = message("grpc.health.v1.HealthCheckRequest", service=service)
        answer = "grpc.health.v1.HealthCheckResponse"
        try:
            reply = self.send(f"/{HEALTH}/Check", request.SerializeToString(), answer, timeout=5)
            return enum_name(reply, "status")
        except RpcFailure as failure:
            return failure.code
