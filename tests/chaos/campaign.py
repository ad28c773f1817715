"""A campaign: replicas under a workload are hurt in bursts, by several faults at once; after every burst the
invariants are checked. The last line is the figure. --seed repeats the choices of a run (not its timing)."""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "tests/e2e"))
sys.path.insert(0, str(ROOT / "tests/alloc"))

import psycopg2  # noqa: E402  pylint: disable=wrong-import-position

import checks  # noqa: E402  pylint: disable=wrong-import-position
import catalog  # noqa: E402  pylint: disable=wrong-import-position
import faults_process  # noqa: E402  pylint: disable=wrong-import-position,unused-import
import faults_postgres  # noqa: E402  pylint: disable=wrong-import-position,unused-import
import faults_redis  # noqa: E402  pylint: disable=wrong-import-position
import faults_network  # noqa: E402  pylint: disable=wrong-import-position,unused-import
import faults_facts  # noqa: E402  pylint: disable=wrong-import-position,unused-import
import kit  # noqa: E402  pylint: disable=wrong-import-position
import planted  # noqa: E402  pylint: disable=wrong-import-position
import stubs  # noqa: E402  pylint: disable=wrong-import-position
import summary  # noqa: E402  pylint: disable=wrong-import-position
import transitions  # noqa: E402  pylint: disable=wrong-import-position
from check import await_true  # noqa: E402  pylint: disable=wrong-import-position
from failing import Failing  # noqa: E402  pylint: disable=wrong-import-position
from lanes import Deck, Lane  # noqa: E402  pylint: disable=wrong-import-position
from replica import Replica  # noqa: E402  pylint: disable=wrong-import-position
from watchers import Watchers  # noqa: E402  pylint: disable=wrong-import-position
from workload import GROUPS, Workload  # noqa: E402  pylint: disable=wrong-import-position
from world import Services, make_folder  # noqa: E402  pylint: disable=wrong-import-position

BURST_SECONDS = 12
SETTLE_SECONDS = 60
PATIENCE = 30
WATCHERS = 3
RESTORE = """
DELETE FROM chaos.injected;
UPDATE agent_resources SET capacity = greatest(capacity, reserved + prereserved + used);
UPDATE keypair_resource_policies p SET total_resource_slots = o.total_resource_slots,
    max_concurrent_sessions = o.max_concurrent_sessions FROM chaos.policies o WHERE o.name = p.name;
UPDATE groups g SET total_resource_slots = o.total_resource_slots FROM chaos.projects o WHERE o.id = g.id;
UPDATE domains d SET total_resource_slots = o.total_resource_slots FROM chaos.domains o WHERE o.name = d.name
"""


class Campaign:
    """Everything that runs, and the count of what was done to it."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.build, self.beside = options.build.resolve(), options.beside
        self.loop, self.bridge, self.gentle = options.loop, options.bridge, options.gentle
        self.redis_pause, self.seconds_of_burst = options.redis_pause, options.burst
        self.groups = list(GROUPS)
        self.rng = random.Random(f"{options.seed} checks")
        self.lock = threading.Lock()
        self.service_lock = threading.Lock()
        self.locks = {"postgres": threading.Lock(), "redis": threading.Lock()}
        self.counts: dict[str, int] = {}    # of a fault: how often it was done and struck
        self.strikes: dict[str, int] = {}   # of a fault: what it hit, together
        self.misses: dict[str, int] = {}
        self.why_missed: dict[str, str] = {}
        self.figures: dict[str, float] = {}
        self.violations: list[str] = []
        self.said = "VIOLATION"
        self.hostile: list[Any] = []
        self.n_bursts = 0
        self.n_events = 0
        self.database = "chaos"
        self.folder = make_folder("chaos")
        self.folder.chmod(0o711)
        self.records = self.folder / "records"
        stubs.generate(ROOT, self.folder / "stubs")
        self.services = Services(self.folder / "services")
        self.services.command(f"database {self.database}")
        self.conninfo = f"{self.services.conninfo} dbname={self.database}"
        # What was committed survives a crash of PostgreSQL (not of the machine: fsync stays off).
        self.sql(f"ALTER DATABASE {self.database} SET synchronous_commit = on")
        subprocess.run([self.build / "server/berthd", "migrate", "--database", self.conninfo], check=True,
                       stdout=subprocess.DEVNULL)
        self.sql((HERE / "cluster.sql").read_text("utf-8"))
        self.sql(transitions.statements())
        self.disk = kit.SmallDisk(self.folder)
        if not self.disk.why_not:
            for statement in self.disk.statements():
                self.sql(statement)
        self.small_disk = self.disk.folder
        self.failing_library = self.build / "tests/alloc/alloc_failing.so"
        self.clock_library = kit.clock_library()
        self.sanitized = kit.is_sanitized(self.build / "server/berthd")
        self.ear = kit.Ear(self.services.redis.removeprefix("unix:"), faults_redis.CHANNEL)
        self.begin_replicas(options)
        self.workload = Workload(self.conninfo, lambda: self.replicas, options.seed)
        self.watchers = Watchers(self, WATCHERS, options.seed)

    def begin_replicas(self, options: argparse.Namespace) -> None:
        """The last one reaches PostgreSQL through the pooler."""
        socket = ".s.PGSQL." + self.services.conninfo.partition("port=")[2].split()[0]
        direct = f"{self.services.run}/{socket}"
        self.pooler = kit.Pooler(self.folder, self.services.run, socket) if Path(kit.POOLER).exists() else None
        self.replicas: list[Replica] = []
        for i in range(options.replicas):
            pooled = self.pooler is not None and i == options.replicas - 1
            self.replicas.append(Replica(self, i, str(self.pooler.socket) if pooled else direct))

    def abilities(self) -> dict[str, str]:
        """What faults need, and why it is not there: "" when it is."""
        has_points = kit.has_fault_points(self.build / "server/berthd")
        return {
            "": "",
            "fault points": "" if has_points else "berthd was built without BERTH_FAULTS",
            "another version": "" if self.beside else "no --beside FOLDER of another build was given",
            "failing allocations": "" if self.failing_library.exists() else f"{self.failing_library} is not built",
            "a wrong clock": ("berthd has a sanitizer, which must be loaded first" if self.sanitized
                              else "" if self.clock_library else "libfaketime is not installed"),
            "a pooler": "" if self.pooler is not None else f"{kit.POOLER} is not installed",
            "a small disk": self.disk.why_not,
        }

    def flags(self, replica: Replica) -> list[str]:
        """Of this campaign, beside those of all."""
        flags = []
        if replica.name == "replica0":
            flags += ["--record", str(self.records), "--record-max-files", "400"]
        if self.loop:
            flags += ["--loop", "true", "--loop-interval", "2s", "--loop-hint-interval", "100ms",
                      "--loop-backoff", "1s"]
        if self.bridge:
            flags += ["--manager-bridge", "25"]
        return flags

    def failing_block(self, replica: Replica) -> Failing:
        return Failing(replica.folder / "failing")

    # --- counting ---

    def count(self, what: str, n: int = 1) -> None:
        """A fault was done, and hit n things."""
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + 1
            self.strikes[what] = self.strikes.get(what, 0) + n

    def miss(self, what: str) -> None:
        """A fault was done in vain: what it is for did not come, or another fault was in the way."""
        with self.lock:
            self.misses[what] = self.misses.get(what, 0) + 1

    def counts_more(self, what: str, n: float) -> None:
        with self.lock:
            self.figures[what] = self.figures.get(what, 0) + n

    def peak(self, what: str, n: float) -> None:
        with self.lock:
            self.figures[f"most {what}"] = max(self.figures.get(f"most {what}", 0), n)

    def violation(self, text: str) -> None:
        with self.lock:
            self.violations.append(text)
            print(f"{self.said} {text}", flush=True)

    # --- what faults and checks use ---

    def connect(self) -> Any:
        return psycopg2.connect(self.conninfo)

    def sql(self, text: str, values: Any = None) -> list[tuple[Any, ...]]:
        """One transaction, or one statement that wants none."""
        connection = psycopg2.connect(self.conninfo)
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute(text, values)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def keep_trying(self, text: str) -> None:
        """A statement that has to be done, while the database is being hurt."""
        def done() -> bool:
            try:
                self.sql(text)
                return True
            except psycopg2.Error as error:
                last[0] = error
                return False

        last: list[Any] = [None]
        try:
            await_true(done, PATIENCE, "the database")
        except TimeoutError as error:
            raise RuntimeError(f"{text}: {last[0]}") from error

    def alter_system(self, setting: str, value: str | None) -> None:
        self.keep_trying(f"ALTER SYSTEM SET {setting} = '{value}'" if value else f"ALTER SYSTEM RESET {setting}")
        self.keep_trying("SELECT pg_reload_conf()")

    def await_postgres(self) -> None:
        self.keep_trying("SELECT 1")

    def log_of_postgres(self) -> str:
        return (self.folder / "services/pg.log").read_text("utf-8", errors="replace")

    def service(self, text: str) -> None:
        with self.service_lock:
            self.services.command(text)

    def redis(self, *arguments: str) -> str:
        command = ["redis-cli", "-s", self.services.redis.removeprefix("unix:"), "--raw", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout

    def redis_pid(self) -> int:
        return int(self.redis("info", "server").partition("process_id:")[2].split()[0])

    # --- a burst and what must hold after it ---

    def burst(self, lanes: list[Lane]) -> None:
        self.workload.resume()
        end = time.monotonic() + self.seconds_of_burst
        threads = [threading.Thread(target=lane.run, args=(end,)) for lane in lanes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.workload.pause()
        self.n_bursts += 1

    def settle(self) -> None:
        """The facts are as before, everybody is up, and nothing of Berth is in the middle of anything."""
        self.await_postgres()
        self.keep_trying(RESTORE)
        self.keep_trying("ALTER SYSTEM RESET ALL")
        self.keep_trying("SELECT pg_reload_conf()")
        for client in self.hostile:
            client.break_off()
        self.hostile.clear()
        for replica in self.replicas:
            replica.wake()
            if not replica.is_up:
                self.violation(f"I17 {replica.name} ({replica.odd or 'as usual'}) ended by itself, with"
                               f" {replica.server.process.returncode}: {replica.server.tail()}")
                replica.start()
            try:
                replica.server.await_health("SERVING", SETTLE_SECONDS)  # also with connections that are half open
            except TimeoutError as error:
                self.violation(f"I17 {replica.name}: {error}: {replica.server.tail()}")
            replica.heal()
        busy = ("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'berth%'"
                " AND datname = current_database() AND state NOT IN ('idle') AND backend_type = 'client backend'")
        if not self.loop:
            await_true(lambda: self.sql(busy)[0][0] == 0, SETTLE_SECONDS, "berthd to be at rest")

    def run(self, seconds: float, until: tuple[str, int], lanes: list[Lane]) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.violations and self.counts.get(until[0], 0) < until[1]:
            self.burst(lanes)
            self.settle()
            checks.check_all(self)
            work = ", ".join(f"{n} {what}" for what, n in self.workload.counts.items())
            print(f"burst {self.n_bursts}: {sum(self.counts.values())} faults; {work}", flush=True)

    def close(self) -> None:
        self.n_events = self.sql("SELECT count(*) FROM berth.events")[0][0]
        self.workload.stop = True
        self.workload.go.set()
        for thread in self.workload.threads:
            thread.join(90)
        self.watchers.close()
        for replica in self.replicas:
            replica.wake()
            code = replica.close()
            if code != 0:
                self.violation(f"{replica.name} ends with exit code {code}: {replica.server.tail()}")
        self.ear.close()
        if self.pooler is not None:
            self.pooler.kill()
        self.services.close()
        self.disk.close()


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="tests/chaos/run", description=__doc__)
    p.add_argument("--build", type=Path, help="build folder with server/berthd, made with BERTH_FAULTS")
    p.add_argument("--minutes", type=float, default=2)
    p.add_argument("--seed", type=int, default=int(time.time()))
    p.add_argument("--replicas", type=int, default=3)
    p.add_argument("--lanes", type=int, default=2, help="so many faults at once")
    p.add_argument("--only", nargs="+", metavar="FAULT", help="these faults, or all of a kind, and no others")
    p.add_argument("--until", default="none=1", metavar="FAULT=N", help="ends when a fault was done so often")
    p.add_argument("--burst", type=float, default=BURST_SECONDS, metavar="SECONDS", help="of faults between two checks")
    p.add_argument("--gentle", type=float, default=1.0, metavar="SECONDS", help="longest wait between two faults")
    p.add_argument("--redis-pause", type=float, default=3.0, metavar="SECONDS", help="longest pause of Redis")
    p.add_argument("--loop", action="store_true", help="berthd also schedules by itself")
    p.add_argument("--bridge", action="store_true", help="with the manager bridge on")
    p.add_argument("--beside", type=Path, metavar="FOLDER", help="build folder of another version, to run side by side")
    p.add_argument("--list", action="store_true", help="only prints the faults")
    p.add_argument("--self-check", action="store_true", help="plants each violation and looks whether it is noticed")
    return p


def chosen(c: Campaign, only: list[str] | None) -> list[str]:
    """The faults that this campaign can do; says why it leaves others out."""
    abilities, names = c.abilities(), []
    for fault in catalog.ALL.values():
        if only and fault.name not in only and fault.kind not in only:
            continue
        if abilities[fault.needs]:
            print(f"skipped: {fault.name}: {abilities[fault.needs]}")
        else:
            names.append(fault.name)
    return names


def main() -> int:
    options = parser().parse_args()
    if options.list:
        print(catalog.table())
        return 0
    unknown = set(options.only or ()) - set(catalog.ALL) - set(catalog.KINDS)
    if unknown:
        print(f"no such fault: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    print(f"seed {options.seed}", flush=True)
    campaign, begun, missed = Campaign(options), time.monotonic(), []
    try:
        names = chosen(campaign, options.only)
        deck = Deck(random.Random(options.seed), names)
        lanes = [Lane(campaign, deck, random.Random(f"{options.seed} lane {i}")) for i in range(options.lanes)]
        fault, _, n = options.until.partition("=")
        campaign.run(options.minutes * 60, (fault, int(n)), lanes)
        if options.self_check and not campaign.violations:
            missed = planted.missed(campaign)
            if catalog.table() not in (HERE / "README.md").read_text("utf-8"):
                missed.append("README.md")
                print("NOT NOTICED the table of README.md is not what --list says")
    finally:
        campaign.close()
    summary.write(campaign, names, (time.monotonic() - begun) / 60)
    if campaign.violations or missed:
        print(f"seed {options.seed}; logs are kept in {campaign.folder}")
    else:
        shutil.rmtree(campaign.folder, ignore_errors=True)
    print(summary.last_line(campaign, (time.monotonic() - begun) / 60) if not options.self_check
          else f"chaos: {planted.N_PLANTS} violations planted, {len(missed)} not noticed{': ' * bool(missed)}{'; '.join(missed)}")
    return 1 if campaign.violations or missed else 0


if __name__ == "__main__":
    sys.exit(main())
