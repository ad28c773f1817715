"""A storm of CancelSession beside rounds, and what PostgreSQL charges for the same sessions cancelled one by one."""

from __future__ import annotations

import json
import subprocess
import threading
from dataclasses import dataclass
from typing import Any

import rounds

IN_FLIGHT = 64
EXECUTORS = 4  # the default of berthd: as many connections cancel at a time
STORM_SECONDS = 300
PAUSE_SECONDS = 0.25  # between two rounds beside the storm
ADDED = 20  # sessions that come for each round beside the storm (arrivals.sql)
IDS = "SELECT id FROM sessions WHERE status = 'PENDING' ORDER BY created_at, id"
# Cancelled with one event each, and nothing left of their kernels.
WRONG = """
SELECT count(*) FROM sessions s WHERE name LIKE 'session%' AND status <> 'RUNNING' AND (status <> 'CANCELLED'
    OR (SELECT count(*) FROM berth.events e WHERE e.session_id = s.id AND e.to_status = 'CANCELLED') <> 1
    OR EXISTS (SELECT FROM kernels k WHERE k.session_id = s.id AND k.status <> 'CANCELLED'))
"""


@dataclass
class Storm:
    """Cancels a second, Berth's and the floor's; durations; the rounds that ended meanwhile, and how."""

    rate: float
    floor: float
    p50_ms: float
    p99_ms: float
    committed: int
    placed: int
    failed: int


class Rounds(threading.Thread):
    """Rounds one after the other until told to end."""

    def __init__(self, bench: rounds.Bench, server: Any, database: str) -> None:
        super().__init__()
        self.bench, self.server, self.database = bench, server, database
        self.ends = threading.Event()
        self.committed = self.placed = self.failed = 0

    def run(self) -> None:
        while not self.ends.wait(PAUSE_SECONDS):
            try:
                self.bench.psql(self.database, "-v", f"added={ADDED}", "-f", str(rounds.HERE / "arrivals.sql"))
                _, answer = self.bench.round(self.server)
                self.placed += answer.counts.scheduled
                self.committed += answer.counts.scheduled > 0
            except Exception as error:  # pylint: disable=broad-exception-caught
                print(f"a round beside the storm failed: {error}", flush=True)
                self.failed += 1


def floor_rate(bench: rounds.Bench, sessions: int) -> float:
    name = bench.copy("waiting")
    bench.floor(name, "read")  # the copy is in memory from here on
    rate = sessions / bench.floor(name, "cancel", str(EXECUTORS))
    bench.drop(name)
    return rate


def storm_beside(bench: rounds.Bench, server: Any, database: str) -> tuple[dict[str, Any], Rounds]:
    """The generator's report, and the rounds meanwhile."""
    ids = bench.folder / "sessions"
    ids.write_text(bench.psql(database, "-c", IDS) + "\n", "utf-8")
    beside = Rounds(bench, server, database)
    beside.start()
    done = subprocess.run([bench.build / "tests/bench/load_bench", server.target, "--mix", "cancel", "--sessions", ids,
                           "--in-flight", str(IN_FLIGHT), "--seconds", str(STORM_SECONDS), "--deadline", "60000",
                           "--json"], check=True, capture_output=True, text=True)
    beside.ends.set()
    beside.join()
    return json.loads(done.stdout), beside


def storm(bench: rounds.Bench, sessions: int, agents: int, times: int = 1) -> Storm:
    """Every session waits because nothing fits. The run with the best ratio counts: noise only adds."""
    best = None
    bench.make("waiting", sessions=sessions, agents=agents, fill=1)
    server = bench.server("waiting")
    bench.round(server)  # writes why they wait, so that the rounds beside the storm do not
    server.stop()
    for _ in range(times):
        floor = floor_rate(bench, sessions)
        name = bench.copy("waiting")
        bench.floor(name, "read")
        server = bench.server(name, "--executors", str(EXECUTORS))
        report, beside = storm_beside(bench, server, name)
        tally = report["rpcs"]["cancel"]
        cancelled = sum(end["n"] for end in tally["ends"] if end["code"] == "OK")
        wrong = int(bench.psql(name, "-c", WRONG))
        if cancelled != sessions or wrong:
            raise RuntimeError(f"{cancelled} of {sessions} sessions were cancelled, {wrong} not as they should be: {tally}")
        one = Storm(sessions / report["seconds"], floor, tally["ok_ms"]["p50"], tally["ok_ms"]["p99"], beside.committed,
                    beside.placed, beside.failed)
        print(f"{sessions} cancels, {IN_FLIGHT} in flight: floor {floor:.0f}/s, Berth {one.rate:.0f}/s, p50 {one.p50_ms:.1f} ms, "
              f"p99 {one.p99_ms:.1f} ms; beside it {one.committed} rounds placed {one.placed}, {one.failed} failed", flush=True)
        server.stop()
        bench.drop(name)
        if best is None or one.rate / one.floor > best.rate / best.floor:
            best = one
    bench.drop("waiting")
    return best


if __name__ == "__main__":
    import argparse
    from pathlib import Path

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--sessions", type=int, default=10000)
    parser.add_argument("--times", type=int, default=1)
    options = parser.parse_args()
    the_bench = rounds.Bench(options.build.resolve())
    try:
        storm(the_bench, options.sessions, 1000, options.times)
    finally:
        the_bench.close()
