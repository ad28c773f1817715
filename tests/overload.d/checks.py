"""What must hold of a run. Each check prints one sentence with the figure it was decided by."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from callers import Report
from stage import LIMITS, Sample, Stage, Watcher
from storm import DEADLINE, MODEST, NAMES

MIB = 1 << 20
# Bytes: an idle connection; a stream with what waits for a slow reader; all else that a busy server needs beside the
# requests: snapshots, what executors work with, what the allocator keeps.
CONNECTION_BYTES = 64 << 10
STREAM_BYTES = 192 << 10
WORK_BYTES = 96 * MIB
FLAT = 1.15  # the end of the storm against its middle
ADMITTED_MS = 500  # or so many times what a caller's full queue takes when all callers take turns:
QUEUES = 4
HELD_MS = 50  # a lot of calls that go together waits so long to be filled (server/executor.c)
BY_EXECUTORS = ("schedule", "cancel", "preview", "pending", "groups")
AGAIN = 4  # of so many calls of a modest caller one may be refused at first
MODEST_MS = 2000  # or ten times what it was before, if that is more
HEALTH_MS = 1000
RECOVERY_SECONDS = 10
LOG_BYTES_A_SECOND = 128 << 10
DESCRIPTORS_LEFT = 16
OWN_DESCRIPTORS = 110  # what the server needs beside connections, at most
# Refusals that asking again would not mend have no RetryInfo.
NO_RETRY = {"MESSAGE_TOO_LARGE", "REQUEST_TOO_LARGE"}
EXPECTED = {"OK", "RESOURCE_EXHAUSTED"}


class Run:
    """What was seen of one run; filled by main.py on the way."""

    watcher: Watcher
    before: list[Report]
    after: list[Report]
    storm: dict[str, Report]
    health: Report
    idle: Sample
    begin: float
    end: float
    recovered: float
    rounds_before: int
    rounds_after: int
    arrivals_error: str

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    def rounds(self) -> int:
        """Rounds that placed something."""
        return int(self.stage.world.value("SELECT count(DISTINCT round_id) FROM berth.events WHERE to_status = 'SCHEDULED'"))

    def await_recovery(self) -> float:
        """Seconds after the storm until the descriptors are back; at most what is allowed."""
        while time.monotonic() - self.end < RECOVERY_SECONDS:
            if self.watcher.look().descriptors <= self.idle.descriptors + DESCRIPTORS_LEFT:
                break
            time.sleep(0.1)
        return time.monotonic() - self.end

    @property
    def reports(self) -> list[Report]:
        return [*self.before, *self.storm.values(), *self.after]


class Checks:
    """The sentences, numbered; those that are not so are remembered by a word."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.n = 0
        self.violated: list[str] = []
        self.figures: dict[str, str] = {}
        self.during = run.watcher.between(run.begin, run.end)

    def say(self, word: str, good: Any, sentence: str) -> None:
        self.n += 1
        if not good:
            self.violated.append(word)
        print(f"{'ok' if good else 'not ok'} {self.n} {sentence}", flush=True)

    def all(self) -> None:
        for report in [*self.run.before, *self.run.storm.values(), self.run.health, *self.run.after]:
            print(f"    {report.summary()}")
        for check in (self.held, self.memory, self.descriptors, self.latency, self.refused, self.codes, self.health, self.log,
                      self.rounds, self.fair, self.watching, self.recovery, self.once):
            check()

    def held(self) -> None:
        """The storm was one."""
        storm = self.run.storm
        refused = sum(r.count("RESOURCE_EXHAUSTED") for r in storm.values())
        answered = sum(r.count("OK") for r in storm.values())
        most = max(s.descriptors for s in self.during) - self.run.idle.descriptors
        reconnects = storm["reconnecting"].count("OK")
        self.figures["calls"] = f"{answered} answered, {refused} refused"
        self.figures["connections"] = f"{most} at a time, {reconnects} anew"
        self.say("storm", refused > answered / 10 and most >= storm["idle"].said["connections"] > 0 and reconnects > 0,
                 f"there was more work than fits: {answered} calls answered, {refused} refused, {most} connections at a time, "
                 f"{reconnects} made anew")

    def memory(self) -> None:
        most = max(s.rss for s in self.during)
        connections = max(s.descriptors for s in self.during) - self.run.idle.descriptors
        bound = (self.run.idle.rss + connections * CONNECTION_BYTES + int(LIMITS["max-streams"]) * STREAM_BYTES
                 + 2 * int(LIMITS["max-requests-memory"].removesuffix("m")) * MIB + WORK_BYTES)
        self.figures["memory"] = f"{most / MIB:.0f} of {bound / MIB:.0f} MiB"
        self.say("memory", most <= bound,
                 f"memory is bounded: {most / MIB:.0f} MiB at most, {self.run.idle.rss / MIB:.0f} before; the bound is "
                 f"{bound / MIB:.0f} = before + {connections} connections x {CONNECTION_BYTES >> 10} KiB + max_streams x "
                 f"{STREAM_BYTES >> 10} KiB + 2 x max_requests_memory + {WORK_BYTES // MIB} MiB")
        middle = (self.run.begin + self.run.end) / 2
        half = max(s.rss for s in self.during if s.at <= middle)
        last = max(s.rss for s in self.during if s.at > middle)
        self.say("flat", last <= half * FLAT,
                 f"memory stays flat: {last / MIB:.0f} MiB in the second half of the storm, {half / MIB:.0f} in the first")

    def descriptors(self) -> None:
        most = max(s.descriptors for s in self.during)
        allowed = int(LIMITS["max-connections"]) + OWN_DESCRIPTORS
        self.figures["descriptors"] = f"{most} of {allowed}"
        self.say("descriptors", most <= allowed, f"descriptors are bounded: {most} at most, {self.run.idle.descriptors} before, "
                                                 f"{allowed} allowed = max_connections + {OWN_DESCRIPTORS}")

    def latency(self) -> None:
        others = (r for r in self.run.storm.values() if not r.name.endswith("-storm"))  # modest ones ask again: see fair()
        worst = max(others, key=lambda r: r.worst("p99"))
        self.figures["admitted p99"] = f"{worst.worst('p99'):.0f} ms"
        waits = int(LIMITS["caller-queue"]) * len(NAMES)
        rate = self.rate()
        allowed = max(ADMITTED_MS, QUEUES * (1000 * waits / rate + HELD_MS))
        late = sum(end["n"] for r in self.run.storm.values() for end in r.ends(*BY_EXECUTORS)
                   if end["code"] == "DEADLINE_EXCEEDED" and r.name != "silent")
        self.say("latency", worst.worst("p99") <= allowed and not late,
                 f"calls that are let in are answered in time: {late} ran out of their {DEADLINE} ms, p99 "
                 f"{worst.worst('p99'):.0f} ms, most {worst.worst('most'):.0f} ms ({worst.name}); allowed {allowed:.0f} = "
                 f"{QUEUES} x (caller_queue x {len(NAMES)} callers that take turns / {rate:.0f} answered a second + {HELD_MS} "
                 "that a lot is held)")

    def rate(self) -> float:
        """What the executors answered a second while all callers were there."""
        done = sum(end["n"] for r in self.run.storm.values() for end in r.ends(*BY_EXECUTORS) if end["code"] == "OK")
        return done / self.run.storm["greedy"].said["seconds"]

    def refused(self) -> None:
        ends = [end for r in self.run.storm.values() for end in r.ends() if end["code"] == "RESOURCE_EXHAUSTED"]
        again = [end for end in ends if end["reason"] not in NO_RETRY]
        n, told = sum(e["n"] for e in again), sum(e["with_retry"] for e in again)
        least = min((e["least_retry_ms"] for e in again), default=0)
        reasons = Counter()
        for end in ends:
            reasons[end["reason"]] += end["n"]
        words = ", ".join(f"{reason or 'no reason'} {count}" for reason, count in reasons.most_common())
        self.say("refused", n > 0 and told == n and least > 0,
                 f"who is refused is told when to come back: {told} of {n} refusals have RetryInfo, the shortest delay is "
                 f"{least} ms ({words})")
        for name, wanted in (("greedy", "CALLER_LIMIT"), ("silent", "CALLER_LIMIT"), ("slow", "CALLER_LIMIT"),
                             ("too-large", "MESSAGE_TOO_LARGE")):
            met = {end["reason"] for end in self.run.storm[name].ends()}
            self.say("refused", wanted in met, f"{name} is refused with {wanted} ({', '.join(sorted(filter(None, met)))})")

        ended = sum(end["n"] for end in self.run.storm["silent"].ends() if end["reason"] == "NO_REQUEST")
        self.say("silent", ended > 0, f"who sends headers and nothing else is ended: {ended} calls after "
                                      f"{LIMITS['request-timeout']}")
        slow = self.run.storm["slow"].said["streams"]
        self.say("streams", slow <= int(LIMITS["caller-streams"]),
                 f"one caller's streams are bounded: {slow} open at the end; {LIMITS['caller-streams']} allowed")

    def codes(self) -> None:
        odd = Counter()
        for report in self.run.reports:
            for end in report.ends():
                own = report.name in ("slow", "watching") and end["code"] == "CANCELLED"  # broken off by the caller
                silent = report.name == "silent" and end["reason"] == "NO_REQUEST"
                busy = end["rpc"] == "schedule" and end["code"] == "ABORTED"  # another round of the group runs
                if end["code"] not in EXPECTED and not own and not silent and not busy:
                    odd[f"{report.name}: {end['rpc']} {end['code']} {end['reason']}"] += end["n"]
        self.say("codes", not odd, f"nothing else is answered than OK and refusals: {dict(odd) or 'no other code'}")

    def health(self) -> None:
        health = self.run.health
        tallies = [t for t in health.said["rpcs"].values() if t["ended"]]
        wrong = sum(t["not_serving"] for t in tallies) + sum(e["n"] for e in health.ends() if e["code"] != "OK")
        asked = sum(t["ended"] for t in tallies)
        self.figures["health p99"] = f"{health.worst('p99'):.0f} ms"
        self.say("health", asked and not wrong and health.worst("p99") <= HEALTH_MS and not health.said["unsent"],
                 f"health stays true and in time: {asked} checks of \"\", the service and live, {wrong} not SERVING, p99 "
                 f"{health.worst('p99'):.0f} ms; {HEALTH_MS} allowed")

    def log(self) -> None:
        seconds = self.run.end - self.run.begin
        rate = (self.during[-1].log - self.during[0].log) / seconds
        self.figures["log"] = f"{rate / 1024:.1f} KiB/s"
        self.say("log", rate <= LOG_BYTES_A_SECOND,
                 f"the log is bounded: {rate / 1024:.1f} KiB a second; {LOG_BYTES_A_SECOND >> 10} allowed")

    def rounds(self) -> None:
        seconds = self.run.end - self.run.begin
        n = self.run.rounds_after - self.run.rounds_before
        self.figures["rounds"] = str(n)
        left = self.run.stage.world.value("SELECT count(*) FROM sessions WHERE name LIKE 'more-%' AND status = 'PENDING' "
                                          "AND created_at < now()")
        self.say("rounds", n >= seconds / 5 and not self.run.arrivals_error,
                 f"rounds go on: {n} in {seconds:.0f} s placed what came, {left} wait at the end{self.run.arrivals_error}")

    def fair(self) -> None:
        before = max(r.worst("p99") for r in self.run.before)
        allowed = max(MODEST_MS, 10 * before)
        for name in MODEST:
            report = self.run.storm[f"{name}-storm"]
            asked = report.said["begun"] + report.said["unsent"]
            done = report.count("OK")
            late = report.said["unsent"]
            again = report.said["retries"]
            self.say("fair", done + late == asked and late <= 1 + asked / 50 and again <= asked / AGAIN
                     and report.worst("p99") <= allowed,
                     f"{name} gets its share beside greedy ones: {done} of {asked} calls done, {again} asked "
                     f"again, p99 {report.worst('p99'):.0f} ms from when they were to begin; all, and {allowed:.0f} ms allowed")
        worst = max(self.run.storm[f"{name}-storm"].worst("p99") for name in MODEST)
        self.figures["modest p99"] = f"{worst:.0f} ms ({before:.0f} before)"

    def watching(self) -> None:
        watching = self.run.storm["watching"]
        opened = watching.said["streams_opened"] - watching.count("RESOURCE_EXHAUSTED")
        self.say("watching", opened == watching.said["streams"] == 20 and watching.said["messages"] > 20,
                 f"streams that are read go on: {watching.said['streams']} of 20 open at the end, {opened} were ever let in, "
                 f"{watching.said['messages']} messages")

    def recovery(self) -> None:
        run = self.run
        before, after = (max(r.worst("p99") for r in reports) for reports in (run.before, run.after))
        done = sum(r.count("OK") for r in run.after)
        asked = sum(r.said["begun"] for r in run.after)
        self.figures["recovery"] = f"{run.recovered:.1f} s"
        self.say("recovery", done == asked and after <= max(4 * before, 250),
                 f"when it is over calls are as fast as before: {done} of {asked} done, p99 {after:.0f} ms, {before:.0f} before")
        last = run.watcher.samples[-1]
        self.say("recovery", last.descriptors <= run.idle.descriptors + DESCRIPTORS_LEFT,
                 f"descriptors are back {run.recovered:.1f} s after the end: {last.descriptors}, {run.idle.descriptors} before")
        most = max(s.rss for s in self.during)
        self.say("recovery", last.rss <= most * FLAT, f"memory does not grow on: {last.rss / MIB:.0f} MiB, {most / MIB:.0f} at most "
                                               "in the storm")

    def once(self) -> None:
        """Every cancel that was acknowledged was done once, and none that was refused was done."""
        acknowledged = {i for r in self.run.reports for i, code in r.cancels if code == "OK"}
        refused = {i for r in self.run.reports for i, code in r.cancels if code == "RESOURCE_EXHAUSTED"}
        done = {row["id"]: row["n"] for row in self.run.stage.world.rows(
            "SELECT s.id, (SELECT count(*) FROM berth.events e WHERE e.session_id = s.id AND e.to_status = 'CANCELLED') AS n "
            "FROM sessions s WHERE s.status = 'CANCELLED'")}
        wrong = [i for i in acknowledged if done.get(i) != 1] + [i for i in refused if i in done]
        self.figures["cancels"] = f"{len(acknowledged)} once"
        self.say("once", acknowledged and refused and not wrong,
                 f"what was acknowledged was done exactly once, what was refused was not done: {len(acknowledged)} sessions "
                 f"cancelled, {len(refused)} refused, {len(wrong)} wrong")

    def ends_well(self, code: int | None) -> None:
        self.say("end", code == 0, f"berthd ends when it is asked to: exit code {code}")

    def last_line(self) -> str:
        words = ", ".join(f"{name} {figure}" for name, figure in self.figures.items())
        return f"overload: {len(NAMES)} callers, {words}; {self.n} checks, {len(self.violated)} violated"
