"""A holder of the lease is stopped in the middle of a round until another replica has run one; awake again it
must not commit anything: its epoch is over."""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from stage import GROUP, LEASE_SECONDS, Stage, is_stopped, schedule

import stubs
from check import await_true

POINTS = ["epoch_taken", "loaded", "decided", "chunk_begun"]  # the epoch is ours, no row is locked
STALE = "SELECT count(*) FROM berth.events WHERE epoch < %s AND sequence > %s"


def pause_once(stage: Stage, point: str, sleep: float) -> tuple[int, list[str]]:
    """(stale commits, problems)"""
    problems: list[str] = []
    answer: list[Any] = []
    stage.begin(15)
    other, holder = stage.server(), stage.server(f"{point}:stop")

    def hit() -> None:
        try:
            answer.append(holder.client.call("ScheduleScalingGroup", timeout=30, scaling_group=GROUP))
        except stubs.RpcFailure as failure:
            answer.append(failure)

    caller = threading.Thread(target=hit, daemon=True)
    caller.start()
    await_true(lambda: is_stopped(holder), 20, f"the holder to stop at {point}")
    time.sleep(sleep)
    newer = schedule(other)
    stage.enqueue(5)  # something the sleeper could still place, had it seen it
    last = stage.sql("SELECT max(sequence) FROM berth.events")[0][0]
    os.kill(holder.process.pid, signal.SIGCONT)
    caller.join(40)
    stale = stage.sql(STALE, (newer.round.epoch, last))[0][0]
    if not answer or not isinstance(answer[0], stubs.RpcFailure) or answer[0].reason != "FENCED":
        problems.append(f"the sleeper was answered {answer[0] if answer else 'nothing'} instead of FENCED")
    return stale, problems + stage.violations()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=Path, required=True, help="build folder, made with BERTH_FAULTS")
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    stage = Stage(options.build.resolve())
    stale = failed = 0
    try:
        for i in range(options.times):
            point = POINTS[i % len(POINTS)]
            late, problems = pause_once(stage, point, LEASE_SECONDS * (1.1 + rng.random() / 2))
            stale += late
            failed += len(problems)
            for problem in problems:
                print(f"VIOLATION stopped at {point}: {problem}", flush=True)
            stage.end()
    finally:
        stage.close(stale + failed > 0)
    if failed:
        print(f"fence: {failed} problems besides stale commits, seed {options.seed}")
    print(f"fence: {options.times} pauses, {stale} stale commits")
    return 1 if stale or failed else 0


if __name__ == "__main__":
    sys.exit(main())
