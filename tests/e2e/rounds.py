"""Real rounds over both groups: what the answer says is what the rows say."""

from __future__ import annotations

import threading
from decimal import Decimal
from typing import Any

from check import check, empty, equal
from plants import check_rules
from reads import kinds, verdict
from rows import check_consistency, check_round_rules, fingerprint
from stubs import RpcFailure, enum_name
from world import World

PHASES = ["lock", "load", "expire", "order", "validate", "place", "commit", "publish"]
# Named sessions: outcome of the first round and the kinds of cause that must be among its causes.
OUTCOMES = {
    "never-fits-16-gpus": ("INFEASIBLE", {"INFEASIBLE"}),
    "no-such-arm-gpu": ("INFEASIBLE", {"ARCHITECTURE"}),
    "pinned-to-lost": ("INFEASIBLE", {"DESIGNATED"}),
    "over-quota-notebook": ("BLOCKED", {"KEYPAIR_QUOTA"}),
    "nightly-training": ("BLOCKED", {"NOT_BEFORE"}),
    "after-crash": ("BLOCKED", {"DEPENDENCY", "DEPENDENCY_FAILED"}),
    "after-long-import": ("BLOCKED", {"DEPENDENCY"}),
    "forgotten": ("EXPIRED", {"PENDING_TIMEOUT"}),
    "urgent-fix": ("SCHEDULED", set()),
    "upload": ("SCHEDULED", set()),
    "after-import": ("SCHEDULED", set()),
    "prefers-cpu-03": ("SCHEDULED", set()),
}


def outcome(decision: Any) -> str:
    return enum_name(decision, "outcome").removeprefix("SESSION_OUTCOME_")


def schedule(world: World, group: str, **fields: Any) -> Any:
    return world.client.call("ScheduleScalingGroup", scaling_group=group, **fields)


def check_answer(answer: Any, group: str) -> None:
    equal([p.name for p in answer.round.phases], PHASES, f"a round over {group} names its phases")
    counts = answer.counts
    names = [f.name for f in counts.DESCRIPTOR.fields if f.name != "pending"]
    counted = {name: getattr(counts, name) for name in names}
    decided = dict.fromkeys(names, 0)
    for decision in answer.decisions:
        decided[outcome(decision).lower()] += 1
    equal(decided, counted, f"the counts of {group} are those of its decisions")
    equal(counts.pending, len(answer.decisions), f"each pending session of {group} is decided")
    check(
        counts.scheduled > 10 and counts.waiting + counts.blocked > 10,
        f"some sessions of {group} are scheduled and some wait",
        counts,
    )
    empty(
        [d for d in answer.decisions if outcome(d) != "SCHEDULED" and not d.causes],
        f"every session of {group} that is not scheduled has a cause",
    )
    empty(
        [c for d in answer.decisions for c in d.causes if not c.message or not c.plugin],
        f"every cause of {group} has a sentence and says who found it",
    )


def check_rows_of(world: World, answer: Any, group: str) -> None:
    """Status and placement of each decision against sessions, kernels and ledger."""
    rows = {
        row["id"]: row
        for row in world.rows(
            f"SELECT id, name, status FROM sessions WHERE scaling_group_name = '{group}'"
        )
    }
    expected = {"SCHEDULED": "SCHEDULED", "EXPIRED": "CANCELLED", "CANCELLED": "CANCELLED"}
    empty(
        [
            (d.session_id, outcome(d), rows[d.session_id]["status"])
            for d in answer.decisions
            if rows[d.session_id]["status"] != expected.get(outcome(d), "PENDING")
        ],
        f"the status of each session of {group} is what the round says",
    )
    placed = {
        (k.kernel_id, k.agent_id, slot.slot, Decimal(slot.amount))
        for d in answer.decisions
        for k in d.allocations
        for slot in k.slots
        if Decimal(slot.amount)
    }
    ledger = {
        (row["kernel_id"], row["agent"], row["slot_name"], Decimal(str(row["reserved"])))
        for row in world.rows(
            f"""SELECT ra.kernel_id, k.agent, ra.slot_name, ra.reserved
                  FROM resource_allocations ra JOIN kernels k ON k.id = ra.kernel_id
                  JOIN berth.events e ON e.session_id = k.session_id AND e.type = 1
                 WHERE k.scaling_group = '{group}'"""
        )
    }
    equal(len(placed - ledger), 0, f"each placement of {group} is in the ledger")
    equal(len(ledger - placed), 0, f"the ledger of {group} has nothing more")


def check_named(world: World, answers: list[Any]) -> None:
    names = {row["id"]: row["name"] for row in world.rows("SELECT id, name FROM sessions")}
    decided = {names[d.session_id]: d for answer in answers for d in answer.decisions}
    for name, (expected, causes) in OUTCOMES.items():
        decision = decided[name]
        check(
            outcome(decision) == expected and causes <= kinds(decision.causes),
            f"{name} is {expected.lower()}"
            + (f" because of {', '.join(sorted(causes))}" if causes else ""),
            decision,
        )
    equal(
        [a.agent_id for a in decided["prefers-cpu-03"].allocations],
        ["lab-cpu-03"],
        "prefers-cpu-03 gets the agent it prefers",
    )
    replicas = [d for name, d in decided.items() if name.startswith("chat-replica")]
    on = [a.agent_id for d in replicas for a in d.allocations]
    equal(len(on), len(set(on)), "no two replicas of the endpoint share an agent")


def check_requests(world: World, first: Any, fields: dict[str, Any]) -> None:
    """The first call again; and its id for something else."""
    before = fingerprint(world)
    again = schedule(world, "gpu", **fields)
    equal(again, first, "the same request id gives the same answer")
    try:
        schedule(world, "lab", request_id=fields["request_id"])
        check(False, "a request id used for something else is refused")
    except RpcFailure as failure:
        equal(
            (failure.code, failure.reason),
            ("ALREADY_EXISTS", "REQUEST_ID_REUSED"),
            "a request id used for something else is refused",
        )
    equal(fingerprint(world), before, "and neither wrote anything")


def check_views(world: World) -> None:
    answer = schedule(world, "lab", view="ROUND_VIEW_COUNTS", validate_only=True)
    check(answer.counts.pending > 0 and not answer.decisions, "the COUNTS view has no decisions")
    answer = schedule(world, "lab", max_decisions=3, validate_only=True)
    equal(
        (len(answer.decisions), answer.decisions_truncated),
        (3, True),
        "max_decisions cuts the decisions and says so",
    )
    answer = schedule(world, "lab", max_sessions=2, validate_only=True)
    offered = [d for d in answer.decisions if outcome(d) != "SKIPPED"]
    equal(len(offered), 2, "max_sessions offers no more; the rest is skipped")
    empty(
        [
            d
            for d in answer.decisions
            if outcome(d) == "SKIPPED" and kinds(d.causes) != {"ROUND_LIMIT"}
        ],
        "a skipped session says that the round was over",
    )


def retries(world: World, group: str) -> dict[str, int]:
    """Of every waiting session, as the queue tells it."""
    fields = {"scaling_group": group, "page_size": 1000}
    listed = world.client.call("ListPendingSessions", **fields)
    equal(listed.next_page_token, "", "the queue fits into one page")
    return {s.session_id: s.retries for s in listed.sessions}


def check_again(world: World) -> None:
    """A round with nothing changed schedules nothing and counts one more retry."""
    rows = """SELECT coalesce(json_agg(xmin::text ORDER BY id), '[]') FROM sessions
               WHERE status = 'PENDING' AND scaling_group_name = 'gpu'"""
    schedule(world, "gpu")  # what was placed since has changed some numbers
    before, rows_before = retries(world, "gpu"), world.value(rows)
    answer = schedule(world, "gpu")
    equal(answer.counts.scheduled, 0, "a second round finds no room for anybody")
    equal(
        retries(world, "gpu"),
        {session: n + 1 for session, n in before.items()},
        "it counts one more retry for each",
    )
    equal(world.value(rows), rows_before, "and writes no row that says the same already")
    group = world.client.call("ListScalingGroups", scaling_groups=["gpu"]).scaling_groups[0]
    equal(
        (group.last_round.round_id, group.epoch),
        (answer.round.round_id, answer.round.epoch),
        "the group names its last round and epoch",
    )
    counted = (group.last_round.counts.pending, group.last_round.counts.waiting)
    equal(counted, (answer.counts.pending, answer.counts.waiting), "with its counts")
    listed = world.client.call("ListPendingSessions", scaling_group="gpu", page_size=5).sessions
    check(
        all(s.retries >= 1 and s.last_causes for s in listed),
        "the queue says why each waits",
        listed,
    )


def check_rivals(world: World) -> None:
    """Eight callers at once: each has a round or is told to come back; epochs never repeat."""
    answers: list[Any] = []

    def call() -> None:
        try:
            answers.append(schedule(world, "gpu", view="ROUND_VIEW_COUNTS"))
        except RpcFailure as failure:
            answers.append(failure)

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    refused = [a for a in answers if isinstance(a, RpcFailure)]
    epochs = [a.round.epoch for a in answers if not isinstance(a, RpcFailure)]
    check(
        epochs and len(set(epochs)) == len(epochs),
        "of rivals some win, each its own epoch",
        answers,
    )
    empty(
        [f for f in refused if f.code != "ABORTED" or f.detail("RetryInfo") is None],
        "the others are told to try again",
    )


def check_counters(world: World) -> None:
    rows = world.rows(
        """SELECT access_key, count(*) FILTER (WHERE session_type <> 'SYSTEM') AS live FROM sessions
            WHERE status NOT IN ('PENDING', 'TERMINATED', 'CANCELLED', 'ERROR')
              AND access_key IN (SELECT s.access_key FROM sessions s JOIN berth.events e
                                   ON e.session_id = s.id AND e.type = 1
                                  WHERE s.session_type <> 'SYSTEM')
            GROUP BY 1"""
    )
    found = [world.redis("get", f"keypair.concurrency_used.{row['access_key']}") for row in rows]
    wrong = [pair for pair in zip(rows, found) if pair[1] != str(pair[0]["live"])]
    empty(wrong, "Redis mirrors how many sessions each access key has")


def test(world: World) -> None:
    check_consistency(world, "in the sample")
    preview = world.client.call("PreviewAllocation", session_id=world.session_id("urgent-fix"))
    dry = schedule(world, "gpu", validate_only=True)
    fields = {"request_id": "round-1", "max_decisions": 10000}
    gpu = schedule(world, "gpu", **fields)
    equal(gpu.round.plan_hash, dry.round.plan_hash, "a dry round plans what the real one then does")
    equal(dry.round.epoch, 0, "a dry round takes no epoch")
    lab = schedule(world, "lab", max_decisions=10000)
    for answer, group in ((gpu, "gpu"), (lab, "lab")):
        check_answer(answer, group)
        check_rows_of(world, answer, group)
    check_named(world, [gpu, lab])
    first = next(d for d in gpu.decisions if d.session_id == world.session_id("urgent-fix"))
    equal(
        (verdict(preview), list(preview.allocations)),
        ("FITS", list(first.allocations)),
        "the round puts urgent-fix where the preview said",
    )
    check_consistency(world, "after a round over each group")
    check_round_rules(world)
    check_rules(world)
    check_counters(world)
    check_requests(world, gpu, fields)
    check_views(world)
    check_again(world)
    check_rivals(world)
    check_consistency(world, "after rivals")
