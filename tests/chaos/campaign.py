"""A campaign: replicas under a workload, hurt in bursts; after every burst the invariants are checked.

The last line is the figure. --seed repeats the choices of a run (not its timing)."""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "tests/e2e"))

import psycopg2  # noqa: E402  pylint: disable=wrong-import-position

import hurts  # noqa: E402  pylint: disable=wrong-import-position
import stubs  # noqa: E402  pylint: disable=wrong-import-position
import transitions  # noqa: E402  pylint: disable=wrong-import-position
from check import await_true  # noqa: E402  pylint: disable=wrong-import-position
from replica import Replica  # noqa: E402  pylint: disable=wrong-import-position
from workload import GROUPS, Workload  # noqa: E402  pylint: disable=wrong-import-position
from world import Services, make_folder  # noqa: E402  pylint: disable=wrong-import-position

BURST_SECONDS = 12
SETTLE_SECONDS = 60
LIVE_SECONDS = 10


class Campaign:
    """Everything that runs, and the count of what was done to it."""

    def __init__(self, build: Path, seed: int, n_replicas: int) -> None:
        self.build = build
        self.folder = make_folder("chaos")
        self.folder.chmod(0o711)
        self.database = "chaos"
        self.counts: dict[str, int] = {}
        self.violations: list[str] = []
        self.last_failure: Exception | None = None
        stubs.generate(ROOT, self.folder / "stubs")
        self.services = Services(self.folder / "services")
        self.services.command(f"database {self.database}")
        self.conninfo = f"{self.services.conninfo} dbname={self.database}"
        subprocess.run([build / "server/berthd", "migrate", "--database", self.conninfo], check=True,
                       stdout=subprocess.DEVNULL)
        self.sql((HERE / "cluster.sql").read_text("utf-8"))
        self.sql(transitions.statements())
        self.replicas = [Replica(self, i) for i in range(n_replicas)]
        self.workload = Workload(self.conninfo, lambda: self.replicas, seed)

    def count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1

    def sql(self, text: str) -> list[tuple[Any, ...]]:
        connection = psycopg2.connect(self.conninfo)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(text)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def redis(self, *arguments: str) -> str:
        command = ["redis-cli", "-s", f"{self.services.run}/redis.sock", "--raw", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout

    def violation(self, text: str) -> None:
        self.violations.append(text)
        print(f"VIOLATION {text}", flush=True)

    # --- a burst and what must hold after it ---

    def burst(self, rng: random.Random) -> None:
        self.workload.resume()
        end = time.monotonic() + BURST_SECONDS
        while time.monotonic() < end:
            rng.choice(hurts.HURTS)(self, rng)
            time.sleep(rng.random())
        self.workload.pause()

    def settle(self) -> None:
        """Everybody is up, and nothing of Berth is in the middle of anything."""
        for replica in self.replicas:
            if replica.server.process.poll() is not None:
                self.violation(f"{replica.name} ended by itself: {replica.server.tail()}")
                replica.start()
            replica.server.await_health("SERVING", SETTLE_SECONDS)
        busy = ("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'berth%'"
                " AND datname = current_database() AND state NOT IN ('idle')")
        await_true(lambda: self.sql(busy)[0][0] == 0, SETTLE_SECONDS, "berthd to be at rest")

    def check(self) -> None:
        for file in (ROOT / "deploy/lib/consistency.sql", HERE / "invariants.sql"):
            for rule, example in self.sql(file.read_text("utf-8")):
                self.violation(f"{rule}: {example}")
        self.check_cancels()

    def check_cancels(self) -> None:
        """I6: what CancelSession acknowledged is final."""
        final = {"CANCELLED": {"CANCELLED"}, "TERMINATING": {"TERMINATING", "TERMINATED"},
                 "TERMINATED": {"TERMINATED"}}
        now = {str(i): status for i, status in self.sql("SELECT id, status FROM sessions")}
        for session, said in self.workload.cancelled.items():
            if now[session] not in final[said]:
                self.violation(f"I6 session {session} was {said} and is {now[session]}")

    def check_alive(self) -> None:
        """I17: without faults, every group gets its round from every replica, also the last one."""
        for group in GROUPS:
            for replica in self.replicas:
                def round_ran(g: str = group, r: Replica = replica) -> bool:
                    try:
                        r.client.call("ScheduleScalingGroup", scaling_group=g, view=1, timeout=LIVE_SECONDS)
                        return True
                    except stubs.RpcFailure as failure:
                        self.last_failure = failure
                        return False
                try:
                    await_true(round_ran, LIVE_SECONDS, "a round")
                except TimeoutError:
                    self.violation(f"I17 {replica.name} cannot schedule {group}: {self.last_failure}")

    def run(self, seconds: float, rng: random.Random) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.violations:
            self.burst(rng)
            self.settle()
            self.check()
            self.check_alive()
            print(f"after {sum(self.counts.values())} faults: {self.workload.counts}", flush=True)

    def close(self) -> None:
        self.workload.stop = True
        self.workload.go.set()
        for thread in self.workload.threads:
            thread.join(90)
        for replica in self.replicas:
            code = replica.close()
            if code != 0:
                self.violation(f"{replica.name} ends with exit code {code}: {replica.server.tail()}")
        self.services.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=Path, required=True, help="build folder with server/berthd")
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--replicas", type=int, default=3)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    campaign = Campaign(options.build.resolve(), options.seed, options.replicas)
    try:
        campaign.run(options.minutes * 60, rng)
    finally:
        campaign.close()
    done, work = campaign.counts, campaign.workload.counts
    if not campaign.violations:
        shutil.rmtree(campaign.folder, ignore_errors=True)
    else:
        print(f"logs are kept in {campaign.folder}")
    others = ", ".join(f"{n} {what}" for what, n in sorted(done.items()) if what not in ("kills", "pauses", "restarts"))
    print(f"also: {others}; {work['enqueued']} enqueued, {work['rounds']} rounds, {work['refused']} refused")
    print(f"chaos: {done.get('kills', 0)} kills, {done.get('pauses', 0)} pauses, {done.get('restarts', 0)} restarts, "
          f"{work['placed']} placed, {work['cancels']} cancels, {work['conflicts']} conflicts, "
          f"{len(campaign.violations)} violations, seed {options.seed}")
    return 1 if campaign.violations else 0


if __name__ == "__main__":
    sys.exit(main())
