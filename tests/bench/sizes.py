"""Rounds of unusual sizes through the RPC: one large session (P8), memory (P11), a real cluster (P13)."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

import rounds
from core import Core
from measures import Measure, at_most, not_measured

SESSION_BYTES, AGENT_BYTES = 256, 512  # at most, over the idle process
NAIVE_FACTOR = 50
TRACE_GROUP = "openb"


# A second group without anything, and a session that waits for its time.
GANG_WAITS = """INSERT INTO scaling_groups SELECT (jsonb_populate_record(g, jsonb_build_object('name', 'idle',
    'id', gen_random_uuid()))).* FROM scaling_groups g;
UPDATE sessions SET session_type = 'BATCH', requested_starts_at = now() + interval '1 hour' WHERE status = 'PENDING'"""
ROUNDS_BEFORE = 5  # each executor has its connection by then
GANG_MAY_START = "UPDATE sessions SET requested_starts_at = NULL WHERE status = 'PENDING'"


def gang(bench: rounds.Bench, times: int) -> list[Measure]:
    """On a server that has had rounds before, as one that runs has: of another group, so that this one is read whole,
    and then of this one. The best of several, noise only adds."""
    bench.make("gang", sessions=1, agents=10000, kernels=512)
    took: dict[str, list[float]] = {"idle": [], rounds.GROUP: []}
    for before, times_ms in [item for item in took.items() for _ in range(times)]:
        name = bench.copy("gang")
        bench.psql(name, "-c", GANG_WAITS)
        server = bench.server(name)
        for _ in range(ROUNDS_BEFORE):
            bench.round(server, before)
        bench.psql(name, "-c", GANG_MAY_START)
        seconds, answer = bench.round(server)
        if answer.counts.scheduled != 1:
            raise RuntimeError("the session was not scheduled")
        print(f"512 kernels on 10,000 agents, after rounds of {before}: {seconds:.3f} s; ms: {rounds.phases(answer)}",
              flush=True)
        times_ms.append(seconds * 1e3)
        server.stop()
        bench.drop(name)
    bench.drop("gang")
    what = "round, a session of 512 kernels on 10,000 agents"
    return [at_most("P8", f"{what}, all is read", min(took["idle"]), 50, "{:.0f} ms"),
            at_most("P8", f"{what}, warm", min(took[rounds.GROUP]), 50, "{:.0f} ms")]


def resident(pid: int, field: str) -> int:
    text = Path(f"/proc/{pid}/status").read_text("ascii")
    return int(re.search(rf"^{field}:\s+(\d+) kB$", text, re.MULTILINE).group(1)) * 1024


def memory(bench: rounds.Bench, sessions: int, agents: int) -> Measure:
    """The most the process held while a round of the whole queue was read and decided (validate_only: a commit takes
    its rows by chunks), over what it held before."""
    begin = time.monotonic()
    bench.make("much", sessions=sessions, agents=agents)
    made = time.monotonic() - begin
    server = bench.server("much")
    idle = resident(server.process.pid, "VmRSS")
    answer = bench.plan(server)
    most = resident(server.process.pid, "VmHWM") - idle
    if answer.counts.scheduled != sessions:
        raise RuntimeError(f"{answer.counts.scheduled} of {sessions} sessions were planned")
    print(f"{sessions} x {agents} (made in {made:.0f} s): idle {idle >> 20} MiB, {most >> 20} MiB more at most; "
          f"ms: {rounds.phases(answer)}", flush=True)
    server.stop()
    bench.drop("much")
    allowed = sessions * SESSION_BYTES + agents * AGENT_BYTES
    return Measure("P11", f"memory of a round, {sessions:,} sessions on {agents:,} agents", f"{most / 1e6:.0f} MB",
                   f"{allowed / 1e6:.0f} MB", f"{most / allowed:.2f}", "<= 1", most <= allowed)


def openb(bench: rounds.Bench, core: Core, trace: Path | None) -> list[Measure]:
    """The whole round from the database; then the same recorded round by the core and by a scan of all agents for
    every session."""
    if trace is None or not trace.is_dir():
        return [not_measured("P13", "no trace (--trace DIR or BERTH_TRACE)")]
    bench.create("trace")
    made = bench.folder / "trace.sql"
    with made.open("wb") as out:
        subprocess.run([rounds.ROOT / "deploy/sample/generate", "--seed", "1", "--trace", trace], check=True,
                       stdout=out)
    bench.psql("trace", "-f", str(made), "-c", "VACUUM ANALYZE")
    records = bench.folder / "rounds"
    server = bench.server("trace", "--record", str(records))
    begin = time.monotonic()
    answer = server.client.call("ScheduleScalingGroup", timeout=rounds.RPC_SECONDS, scaling_group=TRACE_GROUP,
                                view=rounds.COUNTS)
    took = time.monotonic() - begin
    counts = answer.counts
    print(f"openb: {took:.3f} s, {counts.scheduled} scheduled, {counts.waiting} waiting; "
          f"ms: {rounds.phases(answer)}", flush=True)
    server.stop()
    bench.drop("trace")
    snapshot = next(records.glob("*.snapshot"))
    fast, naive = core.file(snapshot), core.file(snapshot, "plain")
    if fast["hash"] != naive["hash"]:
        raise RuntimeError("the scan decided otherwise")
    factor = naive["place"] / fast["place"]
    return [
        Measure("P13", f"openb, whole round, {fast['sessions']:,} tasks on {fast['agents']:,} nodes", f"{took:.3f} s",
                "", "", "one round", counts.scheduled + counts.waiting == fast["sessions"]),
        Measure("P13", "openb, place phase; floor: a scan of all agents", f"{fast['place'] * 1e3:.1f} ms",
                f"{naive['place'] * 1e3:.1f} ms", f"{factor:.1f}", f">= {NAIVE_FACTOR}", factor >= NAIVE_FACTOR),
    ]
