"""Moves a database to a later schema and replaces its replicas one by one, under load: see run."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

import psycopg2  # noqa: E402  pylint: disable=wrong-import-position

import check  # noqa: E402  pylint: disable=wrong-import-position
import rows  # noqa: E402  pylint: disable=wrong-import-position
import stubs  # noqa: E402  pylint: disable=wrong-import-position
from load import TEMPLATE, Load  # noqa: E402  pylint: disable=wrong-import-position
from world import ROOT, Server, World, make_folder  # noqa: E402  pylint: disable=wrong-import-position

GROUPS = ["gpu", "lab"]
EXIT_SCHEMA = 3

WORK = ("enqueued", "CancelSession", "ScheduleScalingGroup", "ListScalingGroups",
        "ListPendingSessions", "PreviewAllocation")
LEAST = 5  # of each in a step
PATIENCE = 30

# Which each version must not know of, and an older one must not work beside.
CONTRACT = """INSERT INTO berth.schema_migrations (name, checksum, skipped, applied_by, expand)
              VALUES ('9999_contract', sha256('x'), false, 'later', false)"""


class Upgrade:
    def __init__(self, world: World, old: Path, new: Path, seconds: float) -> None:
        self.world, self.old, self.new, self.seconds = world, old, new, seconds
        self.replicas: list[Server] = []
        self.load = Load(lambda: psycopg2.connect(world.conninfo), GROUPS)

    def serve(self, program: Path, name: str) -> Server:
        """Starts a replica in a folder laid out as a build is."""
        build = self.world.folder / f"build-{program.name}-{program.parent.parent.name}"
        (build / "server").mkdir(parents=True, exist_ok=True)
        if not (build / "server/berthd").exists():
            (build / "server/berthd").symlink_to(program)
        server = Server(
            build, self.world.conninfo, self.world.services.redis, self.world.folder,
            "--loop", "true", "--loop-interval", "500ms", "--loop-hint-interval", "100ms",
            "--replica", name, "--lease-ttl", "1s",
        )
        server.await_health("SERVING")
        self.load.add(server.target)
        self.replicas.append(server)
        return server

    def end(self, server: Server, who: str) -> None:
        self.replicas.remove(server)
        self.load.remove(server.target)
        code = server.stop()
        check.check(code == 0, f"{who} ends with exit code 0", f"{code}\n{server.tail()}")

    def migrate(self, program: Path, who: str) -> None:
        done = subprocess.run(
            [program, "migrate", "--database", self.world.conninfo],
            capture_output=True, text=True, check=False,
        )
        check.check(done.returncode == 0, f"{who} migrates the database under load", done.stderr)

    def work_goes_on(self, when: str) -> None:
        """Every kind of work gets somewhere, and no replica is out of service."""
        before = dict(self.load.done)
        begun = time.monotonic()

        def stuck() -> list[str]:
            return [kind for kind in WORK if self.load.done[kind] < before.get(kind, 0) + LEAST]

        while time.monotonic() < begun + self.seconds or (
            stuck() and time.monotonic() < begun + PATIENCE
        ):
            time.sleep(0.02)
        check.empty(stuck(), f"work goes on {when}")
        check.equal(
            [server.client.health() for server in self.replicas],
            ["SERVING"] * len(self.replicas), f"all replicas serve {when}",
        )
        check.empty(self.load.errors, f"nobody got an error {when}")

    def run(self) -> None:
        world = self.world
        first, second = self.serve(self.old, "old1"), self.serve(self.old, "old2")
        self.load.start()
        self.work_goes_on("on the old version")
        self.migrate(self.new, "the new version")
        self.work_goes_on("on the old version after the migration")
        self.migrate(self.old, "the old version, which knows nothing of it,")
        third = self.serve(self.new, "new1")
        self.work_goes_on("with both versions side by side")
        self.end(first, "a replica of the old version")
        fourth = self.serve(self.new, "new2")
        self.end(second, "the last replica of the old version")
        self.work_goes_on("on the new version")
        back = self.serve(self.old, "old3")
        self.work_goes_on("with one replica rolled back")
        self.load.stop()
        check.empty(self.load.errors, "nobody got an error to the end")
        for server, who in ((back, "the replica rolled back"), (third, "a new replica"),
                            (fourth, "another new replica")):
            self.end(server, who)
        self.look_at_rows()
        self.refuse_contraction()
        print("load:", ", ".join(f"{n} {what}" for what, n in sorted(self.load.done.items())))
        print(f"epochs: {world.value('SELECT sum(epoch) FROM berth.group_state')}")

    def look_at_rows(self) -> None:
        world = self.world
        rows.check_consistency(world, "after all of it")
        check.empty(
            world.rows("""SELECT scaling_group_id, count(*), max(sequence) FROM berth.events
                           GROUP BY 1 HAVING count(*) <> max(sequence)"""),
            "events are numbered without gaps",
        )
        versions = world.value("SELECT count(DISTINCT split_part(replica, '/', 1)) FROM berth.rounds")
        check.check(versions >= 4, "replicas of both versions ran rounds", versions)
        log = {
            (row["name"], row["sequence"])
            for row in world.rows("""SELECT g.name, e.sequence FROM berth.events e
                                       JOIN scaling_groups g ON g.id = e.scaling_group_id""")
        }
        seen = self.load.events
        check.equal(len(seen), len(set(seen)), "a watcher saw no event twice")
        for group in GROUPS:
            numbers = sorted(n for g, n in seen if g == group)
            check.equal(numbers, list(range(1, len(numbers) + 1)), f"a watcher saw no gap in {group}")
        check.check(set(seen) <= log and seen, "a watcher saw what is in the log")

    def refuse_contraction(self) -> None:
        """Beside a migration that does not only add, a program that does not know it ends."""
        self.world.psql("-c", CONTRACT)
        done = subprocess.run(
            [self.old, "--listen", "127.0.0.1:0", "--database", self.world.conninfo,
             "--redis", self.world.services.redis],
            capture_output=True, text=True, timeout=60, check=False,
        )
        check.equal(done.returncode, EXIT_SCHEMA, "the old version refuses a contracted schema")
        check.check("9999_contract" in done.stderr, "and names the migration", done.stderr)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--seconds", type=float, default=1)
    options = parser.parse_args()
    folder = make_folder("upgrade")
    folder.chmod(0o711)
    stubs.generate(ROOT, folder / "stubs")
    old, new = options.old.resolve(), options.new.resolve()
    world = World(old.parent.parent, folder)
    upgrade = None
    try:
        world.create_database("upgrade")
        subprocess.run([old, "migrate", "--database", world.conninfo], check=True,
                       stdout=subprocess.DEVNULL)
        world.load_sample()
        world.psql("-c", TEMPLATE)
        upgrade = Upgrade(world, old, new, options.seconds)
        check.run("upgrade", upgrade.run)
    finally:
        if upgrade is not None:
            upgrade.load.ends.set()
            for server in upgrade.replicas:
                server.stop()
        world.close()
    if not check.failed:
        shutil.rmtree(folder)
    else:
        print(f"logs are kept in {folder}")
    print(f"upgrade: {check.passed} passed, {check.failed} failed")
    return 1 if check.failed else 0


if __name__ == "__main__":
    sys.exit(main())
