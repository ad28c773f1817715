"""What must hold when a burst is over and everybody is up again; the rows (SQL) are asked first. Each function
reports to campaign.violation()."""

from __future__ import annotations

import subprocess
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

from check import await_true

import stubs

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
LIVE_SECONDS = 10
MIRROR_SECONDS = 15
BRIDGE_SECONDS = 15
REPLAYS = 4
PREVIEWS = 2
MOST_DESCRIPTORS = 200
MOST_MB = 300
MOST_LOG_MB = 4
QUOTAS = {"KEYPAIR_QUOTA": "keypair", "USER_QUOTA": "user", "GROUP_QUOTA": "project", "DOMAIN_QUOTA": "domain"}
VERDICTS = {"FITS": {"SCHEDULED"}, "WAITS": {"WAITING", "SKIPPED"}}
FINAL = {"CANCELLED": {"CANCELLED"}, "TERMINATING": {"TERMINATING", "TERMINATED"}, "TERMINATED": {"TERMINATED"}}
FACTS = """
SELECT s.id::text, s.priority, s.cluster_size, s.access_key, s.group_id::text,
       (SELECT jsonb_object_agg(ra.slot_name, ra.requested::text)
          FROM resource_allocations ra JOIN kernels k ON k.id = ra.kernel_id WHERE k.session_id = s.id) AS asks,
       EXISTS (SELECT FROM session_dependencies d WHERE d.session_id = s.id) AS depends
  FROM sessions s WHERE s.id = ANY(%s::uuid[])
"""


def name_of(message: Any, field: str) -> str:
    """Of an enum's value, without what all its names begin with."""
    for prefix in ("SESSION_OUTCOME_", "PREVIEW_VERDICT_", "CAUSE_KIND_"):
        name = stubs.enum_name(message, field)
        if name.startswith(prefix):
            return name.removeprefix(prefix)
    return name


# --- of the rows ---


def rows(c: Any, cursor: Any = None) -> list[str]:
    """What the queries say."""
    found = []
    for file in (ROOT / "deploy/lib/consistency.sql", HERE / "invariants.sql"):
        text = file.read_text("utf-8")
        if cursor is None:
            answer = c.sql(text)
        else:
            cursor.execute(text)
            answer = cursor.fetchall()
        found += [f"{rule}: {example}" for rule, example in answer]
    return found


def cancels(cancelled: dict[str, str], now: dict[str, str]) -> list[str]:
    """I6: what CancelSession acknowledged is final. Sessions of a group that was deleted are gone."""
    return [f"I6 session {session} was {said} and is {now[session]}" for session, said in cancelled.items()
            if session in now and now[session] not in FINAL[said]]


def check_cancels(c: Any) -> None:
    with c.workload.lock:
        cancelled = dict(c.workload.cancelled)
    now = {str(i): status for i, status in c.sql("SELECT id, status FROM sessions")}
    for text in cancels(cancelled, now):
        c.violation(text)


def check_repair(c: Any) -> None:
    """`berthd repair --dry-run` has nothing to mend."""
    done = subprocess.run([c.build / "server/berthd", "repair", "--dry-run", "--database", c.conninfo],
                          capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        c.violation(f"I1 I3 repair would mend something: {done.stdout[-500:]}{done.stderr[-300:]}")


# --- of rounds and previews at rest ---


def round_of(c: Any, replica: Any, group: str, **fields: Any) -> Any:
    """I17: a round by this replica, soon; None: it does not come."""
    answer: list[Any] = []
    last: list[Any] = ["no answer"]

    def ran() -> bool:
        try:
            answer.append(replica.client.call("ScheduleScalingGroup", timeout=LIVE_SECONDS, scaling_group=group,
                                              **fields))
            return True
        except stubs.RpcFailure as failure:
            last[0] = failure
            return False

    try:
        await_true(ran, LIVE_SECONDS, "a round")
        return answer[0]
    except TimeoutError:
        c.violation(f"I17 {replica.name} ({replica.odd or 'as usual'}) cannot schedule {group}: {last[0]}")
        return None


def previews(c: Any, group: str) -> dict[str, str]:
    """I12: session -> verdict; and nothing was written for it."""
    sessions = [str(row[0]) for row in c.sql("SELECT id FROM sessions WHERE status = 'PENDING'"
                                             f" AND scaling_group_name = '{group}' ORDER BY random() LIMIT {PREVIEWS}")]
    if not sessions or c.loop:
        return {}
    replica = c.rng.choice(c.replicas)
    for _ in range(3):
        before = c.sql("SELECT pg_current_snapshot()::text")
        said = {}
        for session in sessions:
            answer = replica.client.call("PreviewAllocation", timeout=LIVE_SECONDS, session_id=session,
                                         after_queue=True)
            said[session] = name_of(answer, "verdict")
        if c.sql("SELECT pg_current_snapshot()::text") == before:
            return said
    c.violation(f"I12 {replica.name}: each time sessions of {group} are previewed, something is written")
    return {}


def against_round(said: dict[str, str], answer: Any) -> list[str]:
    """I12: the next round does what previews say."""
    decided = {d.session_id: name_of(d, "outcome") for d in answer.decisions}
    return [f"I12 session {session} was previewed {verdict}, and the round says {decided[session]}"
            for session, verdict in said.items()
            if session in decided and decided[session] not in VERDICTS.get(verdict, {verdict})]


def order(answer: Any, facts: list[tuple[Any, ...]]) -> list[str]:
    """I14: no session is passed over by one of a lower band that asks for as much or more, for the same owners."""
    decided = {d.session_id: name_of(d, "outcome") for d in answer.decisions}
    one = [f for f in facts if f[2] == 1]
    placed = [f for f in one if decided.get(f[0]) == "SCHEDULED"]
    passed = [f for f in one if decided.get(f[0]) in ("WAITING", "BLOCKED", "INFEASIBLE") and not f[6]]
    return [f"I14 session {high[0]} of band {high[1]} is passed over by {low[0]} of band {low[1]}"
            for high in passed for low in placed
            if high[1] > low[1] and high[3:5] == low[3:5]
            and all(Decimal(amount) <= Decimal(low[5].get(slot, 0)) for slot, amount in high[5].items())]


def causes(answer: Any, waiting: dict[str, tuple[Any, ...]]) -> list[str]:
    """I13: each stated cause is so by the rows. waiting: rows of chaos.waiting by session."""
    wrong = []
    for decision in answer.decisions:
        row = waiting.get(decision.session_id)
        if row is None:
            continue
        fits, above, too_many, depends = row
        for cause in decision.causes:
            kind = name_of(cause, "kind")
            lie = ((kind in ("CAPACITY", "INFEASIBLE", "NO_AGENTS") and fits)
                   or (kind in QUOTAS and QUOTAS[kind] not in above)
                   or (kind == "CONCURRENCY" and not too_many) or (kind == "DEPENDENCY" and not depends))
            if lie:
                wrong.append(f"I13 session {decision.session_id}: {cause.message!r} ({kind}) is not so: {row}")
    return wrong


def check_group(c: Any, group: str) -> None:
    """I12, I13, I14, I17 in one group: previews, then a round that must do all that can be done."""
    said = previews(c, group)
    answer = round_of(c, c.rng.choice(c.replicas), group, view=2)
    if answer is None:
        return
    waiting = {str(row[0]): row[1:] for row in c.sql(
        "SELECT id, fits, above, too_many, depends, orphan FROM chaos.waiting"
        f" WHERE scaling_group = '{group}'")}
    facts = c.sql(FACTS, ([d.session_id for d in answer.decisions],))
    problems = against_round(said, answer) + order(answer, facts)
    problems += causes(answer, {session: row[:4] for session, row in waiting.items()})
    problems += left_over(waiting)
    for text in problems:
        c.violation(text)


def left_over(waiting: dict[str, tuple[Any, ...]]) -> list[str]:
    """I17: sessions that nothing keeps from their start."""
    return [f"I17 session {session} fits, breaks no limit, and waits" for session, row in waiting.items()
            if row[0] and not row[1] and not row[2] and not row[3] and not row[4]]


def check_rounds(c: Any) -> None:
    for group in c.groups:
        check_group(c, group)
        for replica in c.replicas:
            round_of(c, replica, group, view=1)


# --- of the programs ---


def check_replays(c: Any) -> None:
    """I11: the recorded rounds are decided alike by another program."""
    files = sorted(c.records.glob("*.snapshot"))
    for path in c.rng.sample(files, min(REPLAYS, len(files))):
        if path.with_suffix(".plan").exists():
            done = subprocess.run([c.build / "server/berthctl/berthctl", "replay", "--json", path],
                                  capture_output=True, text=True, timeout=60, check=False)
            c.counts_more("replays", 1)
            if done.returncode != 0:
                c.violation(f"I11 {path.name}: {done.stdout[-300:]}{done.stderr[-300:]}")
    if not c.violations:
        for path in c.records.iterdir():
            path.unlink(missing_ok=True)


def mirrors(want: dict[str, int], got: dict[str, str]) -> list[str]:
    return [f"I16 the mirror of {key} is {got[key]!r}, its sessions are {n}" for key, n in want.items()
            if (got[key] or "0") != str(n)]


def check_mirrors(c: Any) -> None:
    """I16: what Redis says of session counts becomes what PostgreSQL says."""
    keys = [row[0] for row in c.sql("SELECT access_key FROM keypairs WHERE access_key LIKE 'KEY%'")]
    wrong = ["not looked at"]

    def agree() -> bool:
        held = dict(c.sql("SELECT owner, held FROM chaos.held WHERE kind = 'keypair' AND slot_name = 'sessions'"))
        got = {key: c.redis("get", f"keypair.concurrency_used.{key}").strip() for key in keys}
        wrong[:] = mirrors({key: int(held.get(key, 0)) for key in keys}, got)
        return not wrong

    try:
        await_true(agree, MIRROR_SECONDS, "the mirrors")
    except TimeoutError:
        for text in wrong:
            c.violation(text)


def check_bounds(c: Any) -> None:
    """I18: descriptors, memory and log of each replica."""
    for replica in c.replicas:
        used = {"descriptors": (replica.descriptors(), MOST_DESCRIPTORS), "MB": (replica.resident_mb(), MOST_MB),
                "MB of log": (replica.server.log.stat().st_size / (1 << 20), MOST_LOG_MB)}
        for what, (amount, most) in used.items():
            c.peak(what, amount)
            if amount > most and not (c.sanitized and what == "MB"):
                c.violation(f"I18 {replica.name} has {amount:.0f} {what} at rest")


def check_bridge(c: Any) -> None:
    """An older manager is told everything: the bridge comes to the end of each group's log."""
    behind = ("SELECT s.scaling_group_id, b.sequence, s.last_sequence FROM berth.group_state s"
              " JOIN scaling_groups g ON g.id = s.scaling_group_id"
              " LEFT JOIN berth.manager_bridge b USING (scaling_group_id)"
              " WHERE b.sequence IS DISTINCT FROM s.last_sequence AND s.last_sequence > 0")
    try:
        await_true(lambda: not c.sql(behind), BRIDGE_SECONDS, "the bridge")
    except TimeoutError:
        c.violation(f"I10 the bridge does not come to the end: {c.sql(behind)}")


def check_all(c: Any) -> None:
    """In this order: the rows as the burst left them, what rounds do then, and the rows again."""
    begun = time.monotonic()
    for text in rows(c):
        c.violation(text)
    check_cancels(c)
    check_repair(c)
    check_rounds(c)
    for text in rows(c):
        c.violation(text)
    c.watchers.check(LIVE_SECONDS * 2)
    check_mirrors(c)
    check_replays(c)
    check_bounds(c)
    if c.bridge:
        check_bridge(c)
    c.counts_more("seconds of checks", time.monotonic() - begun)
