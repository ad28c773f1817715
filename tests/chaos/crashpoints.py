"""Kills, and in another scene stops, a replica at every fault point of repo/fault.def; another replica goes on.
Then nothing may be lost, doubled, overfull or half done, and the same request must have its one answer."""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from stage import GROUP, LEASE_SECONDS, ROOT, Stage, is_stopped, schedule

import stubs
from check import await_true

SESSIONS = 25  # three chunks of ten
REACH_SECONDS = 20
ONCE = {"lease_taken", "epoch_taken", "loaded", "decided", "committed", "published"}
COMMITS = {"commit_due", "commit_sent", "commit_done"}  # 1: the epoch's, then the chunks'


def points() -> list[str]:
    text = (ROOT / "repo/fault.def").read_text("utf-8")
    return re.findall(r"^FAULT\((\w+),", text, re.MULTILINE)


def scenes(names: list[str]) -> list[tuple[str, str]]:
    """(verb, BERTH_FAULT) for every point, every time it is worth it, killed and stopped."""
    made = []
    for name in names:
        if name.startswith("cancel_"):
            times = [("cancel", 1)]
        elif name in COMMITS:
            times = [("schedule", 1), ("schedule", 2), ("schedule", 3), ("cancel", 1)]
        else:
            times = [("schedule", 1)] + ([] if name in ONCE else [("schedule", 3)])
        made += [(verb, f"{name}:{action}:{n}") for verb, n in times for action in ("crash", "stop")]
    return made


class Scene:
    """One replica that comes to its point, one that goes on."""

    def __init__(self, stage: Stage, verb: str, fault: str) -> None:
        self.stage = stage
        self.verb = verb
        self.fault = fault
        self.problems: list[str] = []
        self.answer: Any = None

    def call(self, server: Any, seconds: float) -> Any:
        if self.verb == "schedule":
            return schedule(server, seconds, request_id="the-request")
        return server.client.call("CancelSession", timeout=seconds, session_id=self.session, request_id="the-request")

    def hit(self, server: Any) -> None:
        try:
            name = "ScheduleScalingGroup" if self.verb == "schedule" else "CancelSession"
            fields = {"scaling_group": GROUP} if self.verb == "schedule" else {"session_id": self.session}
            self.answer = server.client.call(name, timeout=30, request_id="the-request", **fields)
        except stubs.RpcFailure as failure:
            self.answer = failure

    def play(self) -> None:
        stage = self.stage
        stage.begin(SESSIONS)
        other = stage.server()
        if self.verb == "cancel":
            schedule(other)
        self.session = str(stage.sql("SELECT id FROM sessions WHERE status <> 'PENDING' OR %s ORDER BY id LIMIT 1",
                                     (self.verb == "schedule",))[0][0])
        victim = stage.server(self.fault)
        caller = threading.Thread(target=self.hit, args=(victim,), daemon=True)
        caller.start()
        stop = ":stop" in self.fault
        if not self.reached(victim, stop):
            return
        if stop:
            self.while_stopped(other)
            os.kill(victim.process.pid, signal.SIGCONT)
        caller.join(40)
        again = self.call(other, 10)
        if self.call(other, 10) != again:
            self.problems.append("the same request id has two answers")
        if stop and not isinstance(self.answer, stubs.RpcFailure) and self.answer != again:
            self.problems.append("the one that slept gave another answer than the log of requests")
        self.finish(other)

    def reached(self, victim: Any, stop: bool) -> bool:
        def there() -> bool:
            return is_stopped(victim) if stop else victim.process.poll() is not None

        try:
            await_true(there, REACH_SECONDS, "the fault")
        except TimeoutError:
            self.problems.append("the point was never reached")
            return False
        if not stop and victim.process.returncode != -signal.SIGKILL:
            self.problems.append(f"berthd ended with {victim.process.returncode}: {victim.tail()}")
        return True

    def while_stopped(self, other: Any) -> None:
        """The lease ends; the other takes over, unless the sleeper holds row locks."""
        time.sleep(LEASE_SECONDS * 1.2)
        try:
            other.client.call("ScheduleScalingGroup", timeout=0.5, scaling_group=GROUP)
        except stubs.RpcFailure:
            pass

    def finish(self, other: Any) -> None:
        schedule(other)
        self.problems += self.stage.violations()
        waiting = self.stage.sql("SELECT count(*) FROM sessions WHERE status = 'PENDING'")[0][0]
        if waiting > 0:
            self.problems.append(f"{waiting} sessions that fit are still waiting")
        if self.verb == "cancel":
            status = self.stage.sql("SELECT status FROM sessions WHERE id = %s", (self.session,))[0][0]
            if status != "CANCELLED":
                self.problems.append(f"the session that was cancelled is {status}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=Path, required=True, help="build folder, made with BERTH_FAULTS")
    parser.add_argument("--only", nargs="*", help="only these points")
    options = parser.parse_args()
    names = [n for n in points() if not options.only or n in options.only]
    stage = Stage(options.build.resolve())
    violations = 0
    played = scenes(names)
    try:
        for verb, fault in played:
            scene = Scene(stage, verb, fault)
            try:
                scene.play()
            except (TimeoutError, stubs.RpcFailure, RuntimeError) as error:
                scene.problems.append(f"{type(error).__name__}: {error}")
            for problem in scene.problems:
                print(f"VIOLATION {verb} at {fault}: {problem}", flush=True)
            violations += len(scene.problems)
            stage.end()
    finally:
        stage.close(violations > 0)
    print(f"crashpoints: {len(played)} points, {violations} violations")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
