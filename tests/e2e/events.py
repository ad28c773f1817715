"""WatchEvents: live, from the beginning, filtered, and resumed from any cursor without a hole."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import grpc
from check import await_true, check, equal
from cancels import one
from rounds import outcome, schedule
from stubs import RpcFailure, decode, enum_name, message
from world import World

WAIT = 30


class Watcher:
    """Reads a stream in a thread of its own until it ends or is cancelled."""

    def __init__(self, world: World, **fields: Any) -> None:
        self.events: list[Any] = []
        self.cursors: list[tuple[int, str]] = []  # events read so far, cursor
        self.heartbeats = 0
        self.gaps = 0
        self.failure: RpcFailure | None = None
        self.stream = world.client.watch(timeout=120, **fields)
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        try:
            for answer in self.stream:
                self.events += answer.events
                self.cursors.append((len(self.events), answer.cursor))
                self.heartbeats += answer.heartbeat
                self.gaps += answer.gap
        except grpc.RpcError as error:
            self.failure = decode(error)

    def await_events(self, count: int) -> None:
        await_true(lambda: len(self.events) >= count, WAIT, f"{count} events")

    def stop(self) -> None:
        self.stream.cancel()
        self.thread.join(WAIT)


def log(world: World) -> list[tuple[str, int]]:
    return [
        (row["name"], row["sequence"])
        for row in world.rows(
            """SELECT g.name, e.sequence FROM berth.events e
                 JOIN scaling_groups g ON g.id = e.scaling_group_id ORDER BY 1, 2"""
        )
    ]


def keys(events: list[Any]) -> list[tuple[str, int]]:
    return [(e.scaling_group, e.sequence) for e in events]


def check_live(world: World) -> None:
    watcher = Watcher(world, start="WATCH_START_NOW", heartbeat_interval={"seconds": 1})
    await_true(lambda: watcher.heartbeats > 0, WAIT, "a heartbeat")
    check(watcher.cursors[0][1], "a heartbeat carries a cursor")
    gpu = schedule(world, "gpu", max_decisions=10000)
    lab = schedule(world, "lab", max_decisions=10000)
    want = log(world)
    watcher.await_events(len(want))
    watcher.stop()
    equal(sorted(keys(watcher.events)), want, "a live watcher sees the whole log, each event once")
    for group in ("gpu", "lab"):
        numbers = [e.sequence for e in watcher.events if e.scaling_group == group]
        equal(numbers, list(range(1, len(numbers) + 1)), f"the events of {group} come in order")
    check_contents(watcher.events, [gpu, lab])


def check_contents(events: list[Any], answers: list[Any]) -> None:
    counted = Counter(enum_name(e, "type").removeprefix("EVENT_TYPE_") for e in events)
    outcomes = Counter(outcome(d) for answer in answers for d in answer.decisions)
    ended = outcomes["EXPIRED"] + outcomes["CANCELLED"]
    waits = sum(outcomes[o] for o in ("WAITING", "BLOCKED", "INFEASIBLE", "INVALID"))
    equal(
        {
            k: counted[k]
            for k in ("SESSION_SCHEDULED", "SESSION_CANCELLED", "SESSION_WAITING", "ROUND_FINISHED")
        },
        {
            "SESSION_SCHEDULED": outcomes["SCHEDULED"],
            "SESSION_CANCELLED": ended,
            "SESSION_WAITING": waits,
            "ROUND_FINISHED": len(answers),
        },
        "there is one event for each session whose state or causes changed, and one a round",
    )
    scheduled = {e.session_id: e for e in events if e.type == 1}
    decided = {d.session_id: d for a in answers for d in a.decisions if d.allocations}
    check(
        all(list(scheduled[i].allocations) == list(d.allocations) for i, d in decided.items()),
        "an event says where its session went, as the answer does",
    )
    check(
        all(
            (e.from_status, e.to_status) == ("PENDING", "SCHEDULED") and e.creation_id
            for e in scheduled.values()
        ),
        "it says from which status to which, and the creation id",
    )


def check_resume(world: World) -> None:
    want = log(world)
    whole = Watcher(world, start="WATCH_START_BEGINNING")
    whole.await_events(len(want))
    whole.stop()
    equal(sorted(keys(whole.events)), want, "from the beginning: the whole log")
    for seen, cursor in (whole.cursors[0], whole.cursors[len(whole.cursors) // 2]):
        rest = Watcher(world, resume_cursor=cursor)
        rest.await_events(len(want) - seen)
        rest.stop()
        equal(
            sorted(keys(whole.events[:seen]) + keys(rest.events)),
            want,
            f"resumed after {seen} events: no hole, none twice",
        )
    check_after_last(world, whole)


def check_after_last(world: World, whole: Watcher) -> None:
    """A reader that was away while something happened."""
    session = one(world, "PENDING")
    world.client.call("CancelSession", session_id=session)
    rest = Watcher(world, resume_cursor=whole.cursors[-1][1])
    rest.await_events(1)
    rest.stop()
    equal(
        [(e.session_id, enum_name(e, "type")) for e in rest.events],
        [(session, "EVENT_TYPE_SESSION_CANCELLED")],
        "a reader that was away gets just what it missed",
    )


def check_filters(world: World) -> None:
    session = world.session_id("urgent-fix")
    rounds = Watcher(
        world,
        start="WATCH_START_BEGINNING",
        types=["EVENT_TYPE_ROUND_FINISHED"],
        scaling_groups=["lab"],
    )
    mine = Watcher(
        world,
        start="WATCH_START_BEGINNING",
        session_ids=[session],
        heartbeat_interval={"seconds": 1},
    )
    rounds.await_events(1)
    await_true(lambda: mine.heartbeats > 0, WAIT, "a heartbeat")
    rounds.stop()
    mine.stop()
    equal(
        [(e.scaling_group, enum_name(e, "type")) for e in rounds.events],
        [("lab", "EVENT_TYPE_ROUND_FINISHED")],
        "a watcher of one group and type sees only those",
    )
    equal(
        [e.session_id for e in mine.events], [session], "a watcher of one session sees only its own"
    )


def check_refusals(world: World) -> None:
    for fields, code in (
        ({"resume_cursor": "not a cursor"}, "INVALID_ARGUMENT"),
        ({"start": "WATCH_START_CURSOR"}, "INVALID_ARGUMENT"),
        ({"scaling_groups": ["nowhere"]}, "NOT_FOUND"),
        ({"session_ids": ["x"]}, "INVALID_ARGUMENT"),
        ({"heartbeat_interval": message("google.protobuf.Duration", nanos=1)}, "INVALID_ARGUMENT"),
    ):
        watcher = Watcher(world, **fields)
        watcher.thread.join(WAIT)
        got = watcher.failure.code if watcher.failure else "a stream"
        equal(
            got,
            code,
            f"a watch with {list(fields)[0]} = {list(fields.values())[0]!r} is refused".replace(
                "\n", " "
            ),
        )


def check_drain(world: World) -> None:
    watcher = Watcher(world, start="WATCH_START_NOW", heartbeat_interval={"seconds": 1})
    await_true(lambda: watcher.heartbeats > 0, WAIT, "a heartbeat")
    server, world.server = world.server, None
    server.process.terminate()
    code = server.process.wait(WAIT)
    watcher.thread.join(WAIT)
    server.client.close()
    equal(code, 0, "SIGTERM ends berthd well while somebody watches")
    equal(
        watcher.failure.code if watcher.failure else None,
        "UNAVAILABLE",
        "the watcher is told that the replica goes away",
    )
    world.start_server().await_health("SERVING")
    cursor = watcher.cursors[-1][1]
    rest = Watcher(world, resume_cursor=cursor)
    schedule(world, "lab")
    rest.await_events(1)
    rest.stop()
    want = log(world)
    equal(
        keys(rest.events),
        [w for w in want if w[0] == "lab"][-len(rest.events) :],
        "and goes on at the next one where it was",
    )


def test(world: World) -> None:
    check_live(world)
    check_resume(world)
    check_filters(world)
    check_refusals(world)
    check_drain(world)
