"""Calls that only look: lists and previews, compared with the rows, and nothing may be written."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from check import check, equal
from rows import fingerprint
from stubs import Client, enum_name, message
from world import World

# Named sessions of the sample: what a preview must say, and the causes it must name, all of them.
VERDICTS = [
    ("never-fits-16-gpus", "INFEASIBLE", {"INFEASIBLE"}),
    ("no-such-arm-gpu", "INFEASIBLE", {"ARCHITECTURE"}),
    ("pinned-to-lost", "INFEASIBLE", {"DESIGNATED"}),
    ("nightly-training", "BLOCKED", {"NOT_BEFORE"}),
    ("after-crash", "BLOCKED", {"DEPENDENCY", "DEPENDENCY_FAILED"}),
    ("after-long-import", "BLOCKED", {"DEPENDENCY"}),
    ("forgotten", "EXPIRED", {"PENDING_TIMEOUT"}),
    ("urgent-fix", "FITS", set()),
    ("after-import", "FITS", set()),
    ("prefers-cpu-03", "FITS", set()),
]


def kinds(causes: Any) -> set[str]:
    return {enum_name(cause, "kind").removeprefix("CAUSE_KIND_") for cause in causes}


def verdict(answer: Any) -> str:
    return enum_name(answer, "verdict").removeprefix("PREVIEW_VERDICT_")


def pages(client: Client, method: str, field: str, size: int, **fields: Any) -> list[Any]:
    """All elements of a paged list; a page must not be larger than asked for."""
    found: list[Any] = []
    token = ""
    while True:
        answer = client.call(method, page_size=size, page_token=token, **fields)
        if not check(len(getattr(answer, field)) <= size, f"{method}: no page above {size} rows"):
            return found
        found += getattr(answer, field)
        token = answer.next_page_token
        if not token:
            return found


def check_groups(world: World) -> None:
    groups = world.client.call("ListScalingGroups").scaling_groups
    equal([g.name for g in groups], ["gpu", "lab"], "ListScalingGroups lists both groups by name")
    rows = world.rows(
        """SELECT g.name, g.scheduler, g.scheduler_opts ->> 'agent_selection_strategy' AS strategy,
                  (SELECT count(*) FROM agents a WHERE a.resource_group_id = g.id) AS total,
                  (SELECT count(*) FROM agents a WHERE a.resource_group_id = g.id
                      AND a.status = 'ALIVE' AND a.schedulable) AS schedulable,
                  (SELECT count(*) FROM sessions s WHERE s.resource_group_id = g.id
                      AND s.status = 'PENDING') AS pending,
                  (SELECT count(*) FROM sessions s WHERE s.resource_group_id = g.id
                      AND s.status IN ('RUNNING', 'SCHEDULED')) AS live
             FROM scaling_groups g ORDER BY name"""
    )
    for group, row in zip(groups, rows, strict=True):
        equal(
            {
                "name": group.name,
                "scheduler": group.scheduler,
                "strategy": group.strategy,
                "total": group.agents_total,
                "schedulable": group.agents_schedulable,
                "pending": group.pending_sessions,
                "live": group.live_sessions,
            },
            row,
            f"group {group.name} is described as its rows are",
        )
        equal(enum_name(group, "health"), "GROUP_HEALTH_HEALTHY", f"group {group.name} is healthy")
        check(not group.HasField("last_round"), f"group {group.name} has had no round yet")
    one = pages(world.client, "ListScalingGroups", "scaling_groups", 1)
    equal([g.name for g in one], ["gpu", "lab"], "ListScalingGroups pages one by one")
    named = world.client.call("ListScalingGroups", scaling_groups=["lab"]).scaling_groups
    equal([g.name for g in named], ["lab"], "ListScalingGroups lists only the group asked for")


def check_queue(world: World, group: str) -> None:
    listed = pages(world.client, "ListPendingSessions", "sessions", 37, scaling_group=group)
    rows = world.rows(
        f"""SELECT id FROM sessions
             WHERE status = 'PENDING' AND scaling_group_name = '{group}'"""
    )
    equal(
        sorted(s.session_id for s in listed),
        sorted(row["id"] for row in rows),
        f"ListPendingSessions pages through the queue of {group}, each session once",
    )
    equal(
        [s.position for s in listed],
        list(range(1, len(rows) + 1)),
        f"the positions in {group} count up from 1",
    )
    # What the next round cancels because it waited too long, it does before anything else.
    tried = [s.priority for s in listed if s.name != "forgotten"]
    equal(tried, sorted(tried, reverse=True), f"higher priorities of {group} come first")
    equal(
        [s.position for s in listed if s.name == "forgotten"],
        [1] if group == "lab" else [],
        f"who waited too long in {group} is first of all",
    )


def check_queue_rows(world: World) -> None:
    first = world.client.call("ListPendingSessions", scaling_group="gpu", page_size=1)
    equal(first.sessions[0].name, "urgent-fix", "the session of priority 90 is the next one")
    rows = world.rows(
        "SELECT access_key, requested_slots AS slots FROM sessions WHERE name = 'urgent-fix'"
    )
    equal(first.sessions[0].access_key, rows[0]["access_key"], "the queue names its access key")
    equal(
        {s.slot: Decimal(s.amount) for s in first.sessions[0].requested if Decimal(s.amount)},
        {slot: Decimal(amount) for slot, amount in rows[0]["slots"].items()},
        "the queue says what it asks for",
    )
    ids = [
        s.session_id
        for s in pages(world.client, "ListPendingSessions", "sessions", 50, scaling_group="gpu")
    ]
    want = world.rows(
        """SELECT id FROM sessions WHERE status = 'PENDING' AND scaling_group_name = 'gpu'
            ORDER BY priority DESC, created_at, id"""
    )
    equal(ids, [row["id"] for row in want], "a fifo queue is in order of priority, age and id")


def check_verdicts(world: World) -> None:
    for name, expected, causes in VERDICTS:
        answer = world.client.call("PreviewAllocation", session_id=world.session_id(name))
        equal(
            (verdict(answer), kinds(answer.causes)),
            (expected, causes),
            f"preview of {name}: {expected.lower()}",
        )
        if expected != "FITS":
            check(
                all(c.message and c.plugin for c in answer.causes),
                f"preview of {name}: every cause has a sentence and says who found it",
                answer,
            )


def check_quota_preview(world: World) -> None:
    session = world.session_id("over-quota-notebook")
    answer = world.client.call("PreviewAllocation", session_id=session)
    check(
        verdict(answer) == "BLOCKED" and "KEYPAIR_QUOTA" in kinds(answer.causes),
        "preview of over-quota-notebook: blocked by the access key's quota",
        answer,
    )
    shortage = [s for c in answer.causes if "KEYPAIR_QUOTA" in kinds([c]) for s in c.slots]
    equal(
        [(s.slot, s.requested, s.limit) for s in shortage],
        [("cuda.shares", "3", "1")],
        "the quota cause has the numbers of the slot that is short",
    )
    names = sorted({c.plugin for c in answer.causes})
    answer = world.client.call("PreviewAllocation", session_id=session, ignore_validators=names)
    check(
        verdict(answer) in ("FITS", "WAITS"), "without these validators nothing blocks it", answer
    )


def check_what_if(world: World) -> None:
    session = world.session_id("never-fits-16-gpus")
    big = [("cpu", "256"), ("mem", str(4 << 40)), ("cuda.device", "16")]
    capacity = [message("SlotAmount", slot=slot, amount=amount) for slot, amount in big]
    agent = message("AgentSpec", agent_id="what-if", capacity=capacity)
    answer = world.client.call("PreviewAllocation", session_id=session, extra_agents=[agent])
    equal(
        (verdict(answer), [a.agent_id for a in answer.allocations]),
        ("FITS", ["what-if"]),
        "with one more, larger agent the session of 16 GPUs fits there",
    )
    session = world.session_id("prefers-cpu-03")
    answer = world.client.call("PreviewAllocation", session_id=session)
    equal(
        [a.agent_id for a in answer.allocations], ["lab-cpu-03"], "a designated agent is preferred"
    )
    answer = world.client.call(
        "PreviewAllocation", session_id=session, without_agents=["lab-cpu-03"]
    )
    check(
        verdict(answer) == "FITS" and answer.allocations[0].agent_id != "lab-cpu-03",
        "without that agent it goes to another",
        answer,
    )


def check_agents_view(world: World) -> None:
    session = world.session_id("never-fits-16-gpus")
    rows = pages(
        world.client,
        "PreviewAllocation",
        "agents",
        10,
        session_id=session,
        view="PREVIEW_VIEW_AGENTS",
    )
    agents = world.rows("SELECT id FROM agents WHERE scaling_group = 'gpu' ORDER BY id")
    equal(
        [r.agent_id for r in rows], [a["id"] for a in agents], "a preview shows every agent by id"
    )
    check(
        all(not r.fits and r.causes for r in rows),
        "each agent that does not fit says why",
        rows[:1],
    )
    closed = next(r for r in rows if r.agent_id == "gpu-v100-08")
    check(
        "AGENT_UNAVAILABLE" in kinds(closed.causes),
        "a closed agent is said to be unavailable",
        closed,
    )


def check_spec(world: World) -> None:
    owner = world.rows(
        "SELECT k.access_key, s.group_id FROM sessions s JOIN keypairs k USING (access_key)"
        " WHERE s.name = 'urgent-fix'"
    )[0]
    kernel = message("KernelSpec", slots=[message("SlotAmount", slot="cpu", amount="1")])
    spec = message(
        "SessionSpec",
        access_key=owner["access_key"],
        project_id=owner["group_id"],
        kernels=[kernel, kernel],
        cluster_mode="CLUSTER_MODE_MULTI_NODE",
    )
    answer = world.client.call("PreviewAllocation", scaling_group="lab", spec=spec)
    equal(
        (verdict(answer), len(answer.allocations)),
        ("FITS", 2),
        "a described session of two kernels fits, with a place for each",
    )
    later = world.client.call("PreviewAllocation", scaling_group="lab", spec=spec, after_queue=True)
    check(
        verdict(later) in ("FITS", "WAITS", "BLOCKED"),
        "after the queue ahead of it has its own answer",
        later,
    )


def check_validate_only(world: World) -> None:
    for group in ("gpu", "lab"):
        answer = world.client.call("ScheduleScalingGroup", scaling_group=group, validate_only=True)
        counts = answer.counts
        parts = [f.name for f in counts.DESCRIPTOR.fields if f.name != "pending"]
        equal(
            counts.pending,
            sum(getattr(counts, part) for part in parts),
            f"the outcomes of a dry round over {group} add up",
        )
        equal(
            len(answer.decisions), counts.pending, f"a dry round over {group} decides every session"
        )


def test(world: World) -> None:
    equal(world.client.health(), "SERVING", "the health service says SERVING")
    equal(world.client.health("berth.v1.SchedulerService"), "SERVING", "and so for the scheduler")
    equal(world.client.health("no.such.Service"), "NOT_FOUND", "and knows no other service")
    before = fingerprint(world)
    check_groups(world)
    check_queue(world, "gpu")
    check_queue(world, "lab")
    check_queue_rows(world)
    check_verdicts(world)
    check_quota_preview(world)
    check_what_if(world)
    check_agents_view(world)
    check_spec(world)
    check_validate_only(world)
    equal(fingerprint(world), before, "none of these calls wrote anything")
