"""Replicas under a workload are killed, drained and cut off from a Redis that forgets and lies, while
subscribers of every kind watch; in the end each record is compared with the log.

The last line is the figure. --seed repeats the choices of a run (not its timing)."""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "tests/e2e"))
sys.path.insert(0, str(HERE.parent / "chaos"))

import psycopg2  # noqa: E402  pylint: disable=wrong-import-position

import record  # noqa: E402  pylint: disable=wrong-import-position
import stubs  # noqa: E402  pylint: disable=wrong-import-position
import transitions  # noqa: E402  pylint: disable=wrong-import-position
from check import await_true  # noqa: E402  pylint: disable=wrong-import-position
from workload import GROUPS, Workload  # noqa: E402  pylint: disable=wrong-import-position
from world import Server, Services, make_folder  # noqa: E402  pylint: disable=wrong-import-position

CATCH_UP_SECONDS = 60
CLIENTS = 3  # of the subscribers, so many are berthctl
LIES = ("", "berth1", "berth1 fedcba9876543210 9223372036854775807 group1", "berth1 fedcba9876543210 1 group2",
        "berth1 fedcba9876543210 99999999 nobody", "berth1 fedcba9876543210 -1 group3", "\x00\xff" * 40)


class Replica:
    """A berthd that is replaced when it ends."""

    def __init__(self, campaign: Campaign, number: int) -> None:
        self.campaign, self.name = campaign, f"replica{number}"
        self.start()

    def start(self) -> None:
        c = self.campaign
        self.server = Server(c.build, c.conninfo, c.services.redis, c.folder, "--replica", self.name,
                             "--lease-ttl", "1s", "--redis-timeout", "300ms", "--commit-chunk", "20",
                             "--grace-period", "5s", "--event-buffer", "2048", "--slow-reader", "2s")

    @property
    def client(self) -> stubs.Client:
        return self.server.client


class Ctl(threading.Thread):
    """berthctl watch, ended and begun again at any replica; it resumes by its cursor file."""

    def __init__(self, campaign: Campaign, number: int, seed: int) -> None:
        super().__init__(daemon=True)
        self.campaign, self.number = campaign, number
        self.rng = random.Random(f"{seed} berthctl {number}")
        self.group = GROUPS[number % len(GROUPS)]
        self.stop = threading.Event()
        self.runs = 0

    def run(self) -> None:
        folder = self.campaign.folder
        lines, errors = folder / f"c{self.number}.lines", folder / f"c{self.number}.err"
        with lines.open("ab") as out, errors.open("ab") as err:
            while not self.stop.is_set():
                target = self.rng.choice(self.campaign.targets())
                process = subprocess.Popen(
                    [self.campaign.build / "server/berthctl/berthctl", "--server", target, "--json", "watch",
                     "--group", self.group, "--from", "beginning", "--heartbeat", "1",
                     "--cursor-file", folder / f"c{self.number}.cursor"],
                    stdin=subprocess.DEVNULL, stdout=out, stderr=err)
                self.stop.wait(1 + self.rng.random() * 5)
                process.send_signal(signal.SIGINT)
                code = process.wait(30)
                if code not in (0, 4, 5, 6):  # 5: the replica is not there; 6: it was on its way down
                    self.campaign.fault(f"FAULT berthctl watch ended with exit code {code}: {errors}")
                    return
                self.runs += 1

    def to_record(self) -> None:
        """Rewrites what it printed as a record."""
        folder = self.campaign.folder
        path = folder / f"c{self.number}.lines"
        text = path.read_text("utf-8") if path.exists() else ""
        rows = [json.dumps({"groups": [self.group], "sessions": [], "types": [], "least": {}, "most": {}})]
        number = stubs.message("Event").DESCRIPTOR.fields_by_name["type"].enum_type.values_by_name
        for line in text[: text.rfind("\n") + 1].splitlines():
            event = json.loads(line)
            rows.append(json.dumps([event["scalingGroup"], int(event["sequence"]), number[event["type"]].number,
                                    event["sessionId"], event["fromStatus"],
                                    event["toStatus"]]))
        (folder / f"c{self.number}.record").write_text("\n".join(rows) + "\n", "utf-8")


class Campaign:
    """Everything that runs."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.build, self.seed = options.build.resolve(), options.seed
        self.folder = make_folder("eventlog")
        self.folder.chmod(0o711)
        self.counts: dict[str, int] = {}
        self.faults: list[str] = []
        self.reconnects, self.ends = 0, ""
        stubs.generate(ROOT, self.folder / "stubs")
        self.services = Services(self.folder / "services")
        self.services.command("database eventlog")
        self.conninfo = f"{self.services.conninfo} dbname=eventlog"
        subprocess.run([self.build / "server/berthd", "migrate", "--database", self.conninfo], check=True,
                       stdout=subprocess.DEVNULL)
        self.sql((HERE.parent / "chaos/cluster.sql").read_text("utf-8"))
        self.sql(transitions.statements())
        self.replicas = [Replica(self, i) for i in range(options.replicas)]
        self.write_targets()
        self.workload = Workload(self.conninfo, lambda: self.replicas, options.seed)
        self.subscribers = subprocess.Popen(
            [sys.executable, "-B", HERE / "subscribers.py", self.folder, str(options.seed),
             str(options.subscribers - CLIENTS), self.conninfo],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
        self.listener = threading.Thread(target=self.listen, daemon=True)
        self.listener.start()
        self.clients = [Ctl(self, i, options.seed) for i in range(CLIENTS)]
        self.n_subscribers = options.subscribers
        for client in self.clients:
            client.start()

    def listen(self) -> None:
        for line in self.subscribers.stdout:
            if line.startswith("FAULT"):
                self.fault(line.strip())
            elif line[0].isdigit():
                number, _, self.ends = line.strip().partition(" ")
                self.reconnects = int(number)

    def fault(self, text: str) -> None:
        self.faults.append(text)
        print(text, flush=True)

    def targets(self) -> list[str]:
        return [replica.server.target for replica in self.replicas]

    def write_targets(self) -> None:
        new = self.folder / "targets.new"
        new.write_text("\n".join(self.targets()), "utf-8")
        new.rename(self.folder / "targets")

    def sql(self, text: str) -> list[tuple[Any, ...]]:
        connection = psycopg2.connect(self.conninfo)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(text)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def redis(self, *arguments: str | bytes) -> None:
        subprocess.run(["redis-cli", "-s", f"{self.services.run}/redis.sock", *arguments], check=False,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=30)

    # --- what is done to them ---

    def kill(self, rng: random.Random) -> None:
        replica = rng.choice(self.replicas)
        replica.server.stop(signal.SIGKILL)
        time.sleep(rng.random() * 0.5)
        replica.start()

    def drain(self, rng: random.Random) -> None:
        replica = rng.choice(self.replicas)
        code = replica.server.stop()
        if code != 0:
            self.fault(f"FAULT {replica.name} ended with exit code {code}: {replica.server.tail()}")
        replica.start()

    def flush(self, _: random.Random) -> None:
        self.redis("flushall")

    def forget(self, rng: random.Random) -> None:
        self.services.command("stop redis")
        time.sleep(rng.random() * 2)
        self.services.command("start redis")

    def lie(self, rng: random.Random) -> None:
        for _ in range(20):
            self.redis("publish", "berth.events", rng.choice(LIES).replace("\x00", "0"))

    def cut(self, _: random.Random) -> None:
        self.redis("client", "kill", "type", "pubsub")

    def terminate(self, _: random.Random) -> None:
        self.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'berth%'"
                 " AND datname = current_database() AND random() < 0.3")

    def hurt(self, seconds: float, rng: random.Random) -> None:
        hurts = [self.kill, self.drain, self.flush, self.forget, self.lie, self.cut, self.terminate]
        end = time.monotonic() + seconds
        self.workload.resume()
        while time.monotonic() < end and not self.faults:
            hurt = rng.choice(hurts)
            hurt(rng)
            self.write_targets()
            self.counts[hurt.__name__] = self.counts.get(hurt.__name__, 0) + 1
            time.sleep(0.3 + rng.random())
        self.workload.pause()

    # --- what must have come of it ---

    def log(self) -> record.Log:
        """The log by group. It is itself without holes, up to the number given out last."""
        log: record.Log = {group: [] for group in GROUPS}
        rows = self.sql("SELECT g.name, e.sequence, e.type, coalesce(e.session_id::text, ''), e.from_status, e.to_status"
                        " FROM berth.events e JOIN scaling_groups g ON g.id = e.scaling_group_id ORDER BY 1, 2")
        for group, *event in rows:
            log[group].append(tuple(event))
        for group, last in self.sql("SELECT g.name, s.last_sequence FROM berth.group_state s"
                                    " JOIN scaling_groups g ON g.id = s.scaling_group_id"):
            if [event[0] for event in log[group]] != list(range(1, last + 1)):
                self.fault(f"FAULT the log of {group} is not 1..{last}")
        return log

    def check_changes(self) -> None:
        """Every change of a status that was made has its one event, and the other invariants."""
        busy = ("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'berth%'"
                " AND datname = current_database() AND state NOT IN ('idle')")
        await_true(lambda: self.sql(busy)[0][0] == 0, CATCH_UP_SECONDS, "berthd to be at rest")
        for file in (ROOT / "deploy/lib/consistency.sql", HERE.parent / "chaos/invariants.sql"):
            for rule, example in self.sql(file.read_text("utf-8")):
                self.fault(f"FAULT {rule}: {example}")

    def records(self) -> list[tuple[str, record.Wish, record.Log]]:
        for client in self.clients:
            client.to_record()
        found = []
        for path in sorted(self.folder.glob("*.record")):
            got = record.read(path)
            if got is not None:
                found.append((path.stem, *got))
        return found

    def are_complete(self, log: record.Log) -> bool:
        faults, found = record.Faults(), self.records()
        for name, wish, seen in found:
            record.compare(name, wish, log, seen, faults)
        return faults.missing == 0 and len(found) == self.n_subscribers

    def check(self, plant: str) -> tuple[int, record.Faults]:
        self.check_changes()
        log = self.log()
        try:
            await_true(lambda: self.are_complete(log), CATCH_UP_SECONDS, "all records to be complete")
        except TimeoutError:
            pass  # what is missing is said below
        for client in self.clients:
            client.stop.set()
        for client in self.clients:
            client.join(60)
        self.subscribers.stdin.close()
        self.subscribers.wait(60)
        self.listener.join(10)
        records, faults = self.records(), record.Faults()
        if len(records) != self.n_subscribers:
            self.fault(f"FAULT only {len(records)} subscribers have begun")
        for spot in record.blind_spots(records, log):
            self.fault(f"FAULT the check is blind: {spot}")
        if plant:
            record.plant(plant, max(records, key=lambda r: sum(map(len, r[2].values())))[2])
        delivered = sum(record.compare(name, wish, log, seen, faults) for name, wish, seen in records)
        print(f"{delivered} deliveries of {sum(map(len, log.values()))} events were to be made")
        return sum(map(len, log.values())), faults

    def close(self) -> None:
        self.workload.stop = True
        self.workload.go.set()
        for thread in self.workload.threads:
            thread.join(90)
        for client in self.clients:
            client.stop.set()
        if self.subscribers.poll() is None:
            self.subscribers.kill()
        for replica in self.replicas:
            code = replica.server.stop()
            if code != 0:
                self.fault(f"FAULT {replica.name} ends with exit code {code}: {replica.server.tail()}")
        self.services.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=Path, required=True, help="build folder with server/berthd")
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--subscribers", type=int, default=48)
    parser.add_argument("--replicas", type=int, default=3)
    parser.add_argument("--plant", choices=("missing", "duplicate", "reordered"), default="")
    options = parser.parse_args()
    campaign = Campaign(options)
    try:
        campaign.hurt(options.minutes * 60, random.Random(options.seed))
        n_events, faults = campaign.check(options.plant)
    finally:
        campaign.close()
    for example in faults.examples:
        print(example)
    if faults.wrong:
        campaign.fault(f"FAULT {faults.wrong} events are not those of the log")
    bad = bool(campaign.faults) or faults.total > 0
    if bad:
        print(f"records and logs are kept in {campaign.folder}")
    else:
        shutil.rmtree(campaign.folder, ignore_errors=True)
    done = ", ".join(f"{n} {what}" for what, n in sorted(campaign.counts.items()))
    print(f"done: {done}; streams ended by {campaign.ends}; seed {options.seed}; {campaign.workload.counts}")
    reconnects = campaign.reconnects + sum(client.runs for client in campaign.clients)
    print(f"eventlog: {n_events} events, {options.subscribers} subscribers, {reconnects} reconnects, "
          f"{faults.missing} missing, {faults.duplicate} duplicate, {faults.reordered} reordered")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
