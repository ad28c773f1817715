"""CancelSession in every state, and again."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from check import check, equal
from rounds import schedule
from rows import check_consistency
from stubs import RpcFailure
from world import World


def cancel(world: World, session_id: str, **fields: Any) -> tuple[str, str, bool]:
    answer = world.client.call("CancelSession", session_id=session_id, **fields)
    return answer.previous_status, answer.status, answer.already_terminal


def one(world: World, status: str) -> str:
    return world.value(f"SELECT id FROM sessions WHERE status = '{status}' ORDER BY id LIMIT 1")


def events_of(world: World, session_id: str) -> list[dict[str, Any]]:
    return world.rows(
        f"""SELECT type, from_status, to_status, reason FROM berth.events
             WHERE session_id = '{session_id}' AND to_status <> from_status ORDER BY sequence"""
    )


def check_pending(world: World) -> None:
    session = one(world, "PENDING")
    equal(
        cancel(world, session, reason="changed my mind"),
        ("PENDING", "CANCELLED", False),
        "a waiting session is cancelled",
    )
    equal(
        world.rows(
            f"SELECT status, status_info, terminated_at IS NOT NULL AS t FROM sessions WHERE id = '{session}'"
        ),
        [{"status": "CANCELLED", "status_info": "changed my mind", "t": True}],
        "its row says so, with the reason and the time",
    )
    equal(
        world.rows(f"SELECT DISTINCT status FROM kernels WHERE session_id = '{session}'"),
        [{"status": "CANCELLED"}],
        "its kernels too",
    )
    equal(
        cancel(world, session, reason="again"),
        ("CANCELLED", "CANCELLED", True),
        "cancelled again: it says that it is over",
    )
    equal(
        events_of(world, session),
        [
            {
                "type": 3,
                "from_status": "PENDING",
                "to_status": "CANCELLED",
                "reason": "changed my mind",
            }
        ],
        "there is one event, and the first reason stays",
    )


def check_scheduled(world: World) -> None:
    session = one(world, "SCHEDULED")
    held = world.rows(
        f"""SELECT ra.slot_name AS slot, sum(ra.reserved) AS amount FROM resource_allocations ra
              JOIN kernels k ON k.id = ra.kernel_id WHERE k.session_id = '{session}'
             GROUP BY 1 ORDER BY 1"""
    )
    answer = world.client.call("CancelSession", session_id=session)
    equal(
        (answer.previous_status, answer.status),
        ("SCHEDULED", "CANCELLED"),
        "a scheduled one as well",
    )
    equal(
        [(s.slot, Decimal(s.amount)) for s in answer.released],
        [(row["slot"], Decimal(str(row["amount"]))) for row in held],
        "and the answer says what it gave back",
    )


def check_running(world: World) -> None:
    session = one(world, "RUNNING")
    equal(cancel(world, session), ("RUNNING", "TERMINATING", False), "a running one is told to end")
    equal(cancel(world, session), ("TERMINATING", "TERMINATING", False), "told twice, nothing more")
    equal(len(events_of(world, session)), 1, "there is one event of it")
    ended = one(world, "TERMINATED")
    equal(cancel(world, ended), ("TERMINATED", "TERMINATED", True), "one that ended stays as it is")


def check_requests(world: World) -> None:
    session = one(world, "PENDING")
    first = cancel(world, session, request_id="cancel-1")
    equal(
        cancel(world, session, request_id="cancel-1"), first, "a request id gives the first answer"
    )
    try:
        cancel(world, one(world, "PENDING"), request_id="cancel-1")
        check(False, "a request id used for another session is refused")
    except RpcFailure as failure:
        equal(failure.code, "ALREADY_EXISTS", "a request id used for another session is refused")


def test(world: World) -> None:
    schedule(world, "lab")
    check_pending(world)
    check_scheduled(world)
    check_running(world)
    check_requests(world)
    check_consistency(world, "after the cancels")
    answer = schedule(world, "gpu", max_decisions=10000)
    cancelled = {r["id"] for r in world.rows("SELECT id FROM sessions WHERE status = 'CANCELLED'")}
    check(
        not any(d.session_id in cancelled and d.allocations for d in answer.decisions),
        "no round schedules a cancelled session",
    )
