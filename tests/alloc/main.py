"""Fails one allocation of a berthd at a time, during each RPC. The answer must be right, or an error
with a code and a sentence, or berthd ends by abort() with its last words; never anything else. After each the
invariants hold, and another berthd does what was left."""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "chaos"))

from failing import Failing  # noqa: E402  pylint: disable=wrong-import-position
from stage import GROUP, Stage, schedule  # noqa: E402  pylint: disable=wrong-import-position

import grpc  # noqa: E402  pylint: disable=wrong-import-position
import stubs  # noqa: E402  pylint: disable=wrong-import-position

LAST_WORDS = "berthd: aborted: "
SESSIONS = 4
CALL_SECONDS = 10
GOOD_CODES = {"RESOURCE_EXHAUSTED", "UNAVAILABLE", "INTERNAL", "ABORTED", "FAILED_PRECONDITION", "CANCELLED",
              "DEADLINE_EXCEEDED"}
VERBS = ("schedule", "preview", "pending", "groups", "cancel", "watch", "health")
HITS_A_SCENE = 8  # then its keys have as many sessions as they may


class Campaign:
    """One berthd under test at a time, with its cluster."""

    def __init__(self, build: Path, seed: int) -> None:
        self.build = build
        self.stage = Stage(build)
        self.failing = Failing(self.stage.folder / "failing")
        self.rng = random.Random(seed)
        self.server: Any = None
        self.counts = {"failed": 0, "answered": 0, "refused": 0, "aborts": 0}
        self.wrong: list[str] = []

    def start(self) -> None:
        os.environ["LD_PRELOAD"] = str(self.build / "tests/alloc/alloc_failing.so")
        os.environ["BERTH_FAILING"] = str(self.failing.path)
        try:
            self.server = self.stage.server("")
        finally:
            del os.environ["LD_PRELOAD"], os.environ["BERTH_FAILING"]

    def ended_well(self, where: str) -> None:
        """How a berthd that is gone ended: by abort(), with its last words."""
        code = self.server.process.wait(CALL_SECONDS)
        tail = self.server.log.read_text("utf-8", errors="replace")
        if code == -signal.SIGABRT:
            self.counts["aborts"] += 1
            if LAST_WORDS not in tail:
                self.wrong.append(f"{where}: it aborted without a word:\n{tail[-600:]}")
        else:
            self.wrong.append(f"{where}: berthd ended with {code}:\n{tail[-600:]}")
        self.server = None

    def requests(self) -> dict[str, tuple[str, dict[str, Any]]]:
        first = str(self.stage.sql("SELECT id FROM sessions WHERE status = 'PENDING' ORDER BY id LIMIT 1")[0][0])
        return {
            "schedule": ("ScheduleScalingGroup", {"scaling_group": GROUP, "view": 2}),
            "preview": ("PreviewAllocation", {"session_id": first, "view": 2, "with_remedies": True}),
            "pending": ("ListPendingSessions", {"scaling_group": GROUP}),
            "groups": ("ListScalingGroups", {}),
            "cancel": ("CancelSession", {"session_id": first}),
        }

    def ask(self, verb: str, requests: dict[str, tuple[str, dict[str, Any]]]) -> None:
        """One call, to its first answer; raises RpcFailure."""
        client = self.server.client
        if verb == "watch":
            stream = client.watch(timeout=CALL_SECONDS, start="WATCH_START_BEGINNING")
            try:
                if next(stream, None) is None:
                    self.wrong.append("watch: the stream ended without a word")
            except grpc.RpcError as error:
                raise stubs.decode(error) from None
            finally:
                stream.cancel()
        elif verb == "health":
            request = stubs.message("grpc.health.v1.HealthCheckRequest").SerializeToString()
            client.send("/grpc.health.v1.Health/Check", request, "grpc.health.v1.HealthCheckResponse", CALL_SECONDS)
        else:
            name, fields = requests[verb]
            client.call(name, timeout=CALL_SECONDS, **fields)

    def prepare(self, anew: bool) -> None:
        """Sessions that wait, and a berthd that has served a call already."""
        if anew:
            self.stop()
            self.stage.begin(0)
        self.stage.enqueue(SESSIONS)
        if self.server is None:
            self.start()
        self.server.client.call("ListScalingGroups", timeout=CALL_SECONDS)

    def hit(self, verb: str, n: int, anew: bool) -> None:
        """The n-th allocation from the moment of the call on fails."""
        where = f"{verb}, allocation {n}"
        self.prepare(anew)
        requests = self.requests()
        self.failing.arm(n)
        try:
            self.ask(verb, requests)
            self.counts["answered"] += 1
        except stubs.RpcFailure as failure:
            self.counts["refused"] += 1
            if failure.code == "UNAVAILABLE":  # cut off: it ends, or it lives and said so
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.server.process.wait(0.5)
            if failure.code not in GOOD_CODES or not failure.message:
                self.wrong.append(f"{where}: answered {failure}")
        self.counts["failed"] += self.failing.failed
        self.failing.arm(0)
        self.settle(where)

    def settle(self, where: str) -> None:
        """Whoever lives does what is left, and nothing contradicts anything."""
        try:
            if self.server.process.poll() is not None:
                raise ProcessLookupError("it has ended")
            schedule(self.server, 5)
        except Exception as error:  # pylint: disable=broad-except
            self.begin_again(where, error)
        self.wrong += [f"{where}: {v}" for v in self.stage.violations()]
        waiting = self.stage.sql("SELECT count(*) FROM sessions WHERE status = 'PENDING'")[0][0]
        if waiting:
            self.wrong.append(f"{where}: {waiting} sessions still wait")

    def begin_again(self, where: str, error: Exception) -> None:
        """A round failed: because its replica ended, else that is wrong."""
        try:
            self.server.process.wait(5)
            self.ended_well(where)
            self.start()
            schedule(self.server, 5)
        except Exception as then:  # pylint: disable=broad-except
            self.wrong.append(f"{where}: nothing can be scheduled afterwards: {error}; {then}\n{self.server.tail()}")

    def stop(self) -> None:
        self.failing.arm(0)
        if self.server is not None:
            self.server.client.close()
            self.server.process.kill()
            self.server.process.wait()
            self.server = None

    def count(self, verb: str) -> int:
        """How many allocations a call makes."""
        self.prepare(True)
        if verb == "watch":
            schedule(self.server, 5)  # something to tell
            self.stage.enqueue(SESSIONS)
        requests = self.requests()
        self.failing.arm(0)
        self.ask(verb, requests)
        return self.failing.made


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests/alloc/run", description=__doc__)
    parser.add_argument("build", type=Path, help="build folder, without sanitizers")
    parser.add_argument("--each", type=int, default=6, help="so many allocations of each RPC; 0: every one")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    c = Campaign(options.build.resolve(), options.seed)
    try:
        for verb in VERBS:
            made = c.count(verb)
            every = range(1, made + 1)
            chosen = every if options.each == 0 else sorted(c.rng.sample(every, min(options.each, made)))
            for i, n in enumerate(chosen):
                c.hit(verb, n, i % HITS_A_SCENE == 0)
            print(f"{verb}: {made} allocations, {len(chosen)} tried", flush=True)
        c.stop()
    finally:
        c.stage.close(keep=bool(c.wrong))
    for sentence in c.wrong[:10]:
        print(f"ERROR: {sentence}")
    print("alloc: " + ", ".join(f"{n} {what}" for what, n in c.counts.items()) + f", {len(c.wrong)} wrong")
    return 1 if c.wrong or c.counts["failed"] == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
