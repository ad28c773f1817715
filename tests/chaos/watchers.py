"""Watchers of all events: each resumes again and again at any replica, and must see the whole log, once, in order
(I10). What they saw is compared with the log in PostgreSQL, each event once."""

from __future__ import annotations

import random
import threading
import time
from typing import Any

import grpc

LONGEST_SECONDS = 5
Event = tuple[int, int, str, str, str]  # sequence, type, session, from, to
LOG = """
SELECT g.name, e.sequence, e.type, coalesce(e.session_id::text, ''), e.from_status, e.to_status
  FROM berth.events e JOIN scaling_groups g ON g.id = e.scaling_group_id
 WHERE g.name = '{0}' AND e.sequence > {1} AND e.sequence <= {2} ORDER BY e.sequence
"""


class Watcher(threading.Thread):
    """One of them. `news` is what it saw and nobody compared yet."""

    def __init__(self, campaign: Any, number: int, seed: int) -> None:
        super().__init__(daemon=True)
        self.campaign = campaign
        self.rng = random.Random(f"{seed} watcher {number}")
        self.name = f"watcher {number}"
        self.lock = threading.Lock()
        self.last: dict[str, int] = {}
        self.news: dict[str, list[Event]] = {}
        self.cursor = ""
        self.connections = 0
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.is_set():
            self.connect()
            self.over.wait(self.rng.random() * 0.3)

    def connect(self) -> None:
        """One stream, broken off after a while; what came and was not looked at is asked for again."""
        start = {"start": 3, "resume_cursor": self.cursor} if self.cursor else {"start": 2}
        leave_at = time.monotonic() + self.rng.random() * LONGEST_SECONDS
        call = None
        try:
            call = self.rng.choice(self.campaign.replicas).client.watch(
                timeout=LONGEST_SECONDS * 2, heartbeat_interval={"seconds": 1},
                scaling_groups=self.campaign.groups, **start)
            for message in call:
                self.take(message)
                if time.monotonic() > leave_at or self.over.is_set():
                    break
        except (grpc.RpcError, ValueError):
            pass  # it is being hurt
        finally:
            self.connections += 1
            if call is not None:
                call.cancel()

    def take(self, message: Any) -> None:
        with self.lock:
            if message.gap or not message.cursor:
                self.campaign.violation(f"I10 {self.name}: a gap, though nothing was removed, or no cursor")
            for e in message.events:
                last = self.last.get(e.scaling_group, 0)
                if e.sequence != last + 1:
                    self.campaign.violation(f"I10 {self.name}: {e.scaling_group} {e.sequence} after {last}")
                self.last[e.scaling_group] = e.sequence
                self.news.setdefault(e.scaling_group, []).append(
                    (e.sequence, e.type, e.session_id, e.from_status, e.to_status))
            self.cursor = message.cursor

    def has(self, ends: dict[str, int]) -> bool:
        with self.lock:
            return all(self.last.get(group, 0) >= end for group, end in ends.items())


class Watchers:
    """All, and how far they were compared."""

    def __init__(self, campaign: Any, n: int, seed: int) -> None:
        self.campaign = campaign
        self.all = [Watcher(campaign, i, seed) for i in range(n)]
        self.compared: dict[str, int] = {}
        for watcher in self.all:
            watcher.start()

    def ends(self) -> dict[str, int]:
        names = ", ".join(f"'{group}'" for group in self.campaign.groups)
        return dict(self.campaign.sql("SELECT g.name, s.last_sequence FROM berth.group_state s"
                                      f" JOIN scaling_groups g ON g.id = s.scaling_group_id WHERE g.name IN ({names})"))

    def check(self, seconds: float) -> None:
        """They have seen what there is by then, and it is what the log says."""
        ends, until = self.ends(), time.monotonic() + seconds
        while not all(w.has(ends) for w in self.all) and time.monotonic() < until:
            time.sleep(0.05)
        for watcher in self.all:
            if not watcher.has(ends):
                self.campaign.violation(f"I10 {watcher.name} saw {watcher.last} of {ends} after {seconds} s")
        for group, end in ends.items():
            self.compare(group, end)

    def compare(self, group: str, end: int) -> None:
        """Up to there: with --loop the log goes on meanwhile."""
        before = self.compared.get(group, 0)
        log = [row[1:] for row in self.campaign.sql(LOG.format(group, before, end))]
        if not log:
            return
        last = log[-1][0]
        for watcher in self.all:
            with watcher.lock:
                news = watcher.news.get(group, [])
                seen = [event for event in news if event[0] <= last]
                watcher.news[group] = [event for event in news if event[0] > last]
            wrong = difference(log, seen)
            if wrong:
                self.campaign.violation(f"I10 {watcher.name} {group}: {wrong}")
        self.compared[group] = last

    def close(self) -> None:
        for watcher in self.all:
            watcher.over.set()
        for watcher in self.all:
            watcher.join(30)


def difference(log: list[Event], seen: list[Event]) -> str:
    """Where what was seen is not the log, or nothing."""
    if log == seen:
        return ""
    pairs = zip(log, seen, strict=False)
    return next((f"saw {s} instead of {e}" for e, s in pairs if e != s), f"saw {len(seen)} events of {len(log)}")
