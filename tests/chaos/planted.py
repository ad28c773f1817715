"""Each kind of violation, planted once: a check that does not notice it is blind."""

from __future__ import annotations

import shutil
import types
from typing import Any

import checks
import psycopg2

import stubs
from faults_facts import enqueue_in
from watchers import difference

PENDING = "(SELECT id FROM sessions WHERE status = 'PENDING' ORDER BY 1 LIMIT 1)"
WHOLE = (f"UPDATE kernels SET status = 'SCHEDULED', agent = (SELECT min(id) FROM agents) WHERE session_id = {PENDING}",
         f"UPDATE sessions SET status = 'SCHEDULED' WHERE id = {PENDING}")
NOW = "SET CONSTRAINTS ALL IMMEDIATE"
# (rule, statements): the last but NOW must change a row.
ROWS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("I1 no commit raised", ("UPDATE agent_resources SET capacity = 0", "UPDATE agent_resources SET used = used + 1")),
    ("no agent is above", ("UPDATE agent_resources SET capacity = 0",)),
    ("what agents hold is what the ledger says",
     ("UPDATE agent_resources SET capacity = capacity + 9", "UPDATE agent_resources SET reserved = reserved + 1")),
    ("I2 a kernel never moves",
     ("UPDATE kernels SET agent = (SELECT max(id) FROM agents WHERE id <> agent) WHERE agent IS NOT NULL",)),
    ("I2 a session is scheduled at most once",
     ("INSERT INTO chaos.changes (session_id, old, new) SELECT session_id, old, new FROM chaos.changes"
      " WHERE new = 'SCHEDULED'",)),
    ("I2 a session that is over holds",
     ("UPDATE resource_allocations SET free_at = NULL FROM kernels k WHERE k.id = kernel_id"
      " AND k.status = 'CANCELLED'",)),
    ("I3 a session is scheduled whole", (f"UPDATE sessions SET status = 'SCHEDULED' WHERE id = {PENDING}", NOW)),
    ("all kernels of a session are scheduled, or none",
     (f"UPDATE sessions SET status = 'SCHEDULED' WHERE id = {PENDING}",)),
    ("a waiting kernel has no agent",
     (f"UPDATE kernels SET agent = (SELECT min(id) FROM agents) WHERE session_id = {PENDING}",)),
    ("I4 no commit placed",  # no limit fell a moment ago: a round may still go by one that did
     ("DELETE FROM chaos.lowered", "UPDATE domains SET total_resource_slots = jsonb_build_object('cpu', 0)", *WHOLE, NOW)),
    ("I4 no owner is above", ("UPDATE groups SET total_resource_slots = jsonb_build_object('cpu', 0)",)),
    ("I14 a session is scheduled after",
     (f"INSERT INTO session_dependencies (session_id, depends_on) SELECT {PENDING}, id FROM sessions"
      " WHERE status = 'CANCELLED' LIMIT 1", *WHOLE, NOW)),
    ("I5 epochs never go back", ("UPDATE berth.events SET epoch = 0 WHERE sequence > 5",)),
    ("I5 a round writes under its own", ("UPDATE berth.rounds SET epoch = epoch + 1",)),
    ("I5 no two rounds", ("UPDATE berth.rounds SET epoch = 7",)),
    ("I7 a session that is over", ("UPDATE sessions SET status_info = 'another' WHERE status = 'CANCELLED'",)),
    ("I8 a status changes only", (f"UPDATE sessions SET status = 'RUNNING' WHERE id = {PENDING}",)),
    ("I8 an event tells only", ("UPDATE berth.events SET from_status = 'RUNNING' WHERE type = 1",)),
    ("I8 the events of a session lead",
     ("UPDATE berth.events SET from_status = 'PENDING' WHERE from_status = 'SCHEDULED'",)),
    ("I9 every change", ("DELETE FROM berth.events WHERE type = 1",)),
    ("I9 a round that is recorded", ("UPDATE berth.rounds SET counts[2] = counts[2] + 1",)),
    ("I9 the last number", ("UPDATE berth.group_state SET last_sequence = last_sequence + 1",)),
    ("the events of a group are numbered", ("DELETE FROM berth.events WHERE type = 5",)),
)


def planted_row(c: Any, rule: str, statements: tuple[str, ...]) -> str:
    """What is wrong with the check, or nothing. The plant is undone."""
    connection = c.connect()
    try:
        with connection.cursor() as cursor:
            changed = 0
            for statement in statements:
                cursor.execute(statement)
                changed = cursor.rowcount if statement != NOW else changed
            if changed < 1:
                return f"there was nothing to plant it in: {statements}"
            found = checks.rows(c, cursor)
            return "" if any(text.startswith(rule) for text in found) else f"only found: {found[:3]}"
    except psycopg2.Error as error:
        return str(error)
    finally:
        connection.rollback()
        connection.close()


def decision(session: str, outcome: int, *kinds: int) -> Any:
    made = stubs.message("SessionDecision", session_id=session, outcome=outcome)
    for kind in kinds:
        made.causes.add(kind=kind, message="planted")
    return made


def told() -> dict[str, list[str]]:
    """Answers and records that are wrong, and what the checks say of them."""
    answer = types.SimpleNamespace(decisions=[decision("high", 2, 17, 7, 4, 2), decision("low", 1)])
    ask = {"cpu": "1"}
    facts = [("high", 20, 1, "KEY1", "p", ask, False), ("low", 10, 1, "KEY1", "p", {"cpu": "2"}, False)]
    log = [(1, 1, "s", "PENDING", "SCHEDULED"), (2, 3, "s", "SCHEDULED", "CANCELLED")]
    return {
        "I6": checks.cancels({"s": "CANCELLED"}, {"s": "SCHEDULED"}),
        "I10 missing": [difference(log, log[:1])],
        "I10 twice": [difference(log, [*log, log[1]])],
        "I10 another": [difference(log, [log[0], (2, 3, "t", "SCHEDULED", "CANCELLED")])],
        "I12": checks.against_round({"high": "FITS"}, answer),
        "I13 capacity": checks.causes(answer, {"high": (True, ["keypair"], True, True)}),
        "I13 quota": checks.causes(answer, {"high": (False, [], True, True)}),
        "I13 sessions": checks.causes(answer, {"high": (False, ["keypair"], False, True)}),
        "I13 dependency": checks.causes(answer, {"high": (False, ["keypair"], True, False)}),
        "I14": checks.order(answer, facts),
        "I16": checks.mirrors({"KEY1": 3}, {"KEY1": "2"}),
        "I17": checks.left_over({"high": (True, [], False, False, False)}),
    }


def seen_by(c: Any, check: Any) -> list[str]:
    """What a check that reports to the campaign says; the campaign forgets it."""
    before, c.said = len(c.violations), "planted:"
    check(c)
    found, c.said = c.violations[before:], "VIOLATION"
    del c.violations[before:]
    return found


def planted_plan(c: Any) -> list[str]:
    """I11: the plan of another round."""
    for group in c.groups:
        checks.round_of(c, c.replicas[0], group)
    files = sorted(c.records.glob("*.snapshot"))
    sizes = sorted((path.with_suffix(".plan") for path in files), key=lambda p: p.stat().st_size)
    if len(sizes) < 2:
        return []
    shutil.copy(sizes[0], sizes[-1])
    for path in files:
        if path.with_suffix(".plan") != sizes[-1]:
            path.unlink()
    return seen_by(c, checks.check_replays)


def planted_half(c: Any) -> list[str]:
    """What repair mends: a waiting session with kernels that are not."""
    at = f"WHERE session_id = {PENDING}"
    c.sql(f"UPDATE kernels SET status = 'SCHEDULED' {at}")
    found = seen_by(c, checks.check_repair)
    c.sql(f"UPDATE kernels SET status = 'PENDING' {at}")
    return found


def planted_bounds(c: Any) -> list[str]:
    c.replicas[0].server.log.write_bytes(bytes((checks.MOST_LOG_MB << 20) + 1))
    return seen_by(c, checks.check_bounds)


def missed(c: Any) -> list[str]:
    """The plants that nobody noticed."""
    bad = []
    for group in c.groups:  # something that holds, and something that waits, to plant in
        enqueue_in(c, c.rng, group, 5)
        checks.round_of(c, c.replicas[0], group)
        enqueue_in(c, c.rng, group, 5)
    for rule, statements in ROWS:
        wrong = planted_row(c, rule, statements)
        if wrong:
            bad.append(f"{rule}: {wrong}")
    for name, found in told().items():
        if not any(found):
            bad.append(name)
    for name, plant in (("I3 repair", planted_half), ("I18", planted_bounds), ("I11", planted_plan)):
        if not plant(c):
            bad.append(name)
    for text in bad:
        print(f"NOT NOTICED {text}", flush=True)
    return bad


N_PLANTS = len(ROWS) + 12 + 3
