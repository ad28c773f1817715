"""What happens to PostgreSQL, and to the connections to it."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import errorcodes, errors

import catalog
from catalog import Hit, fault
from replica import PG, sleep

OURS = "application_name LIKE 'berth%' AND datname = current_database()"
MOST_CONNECTIONS = 120
BALLAST = 1 << 16
DeadlockDetected = errors.lookup(errorcodes.DEADLOCK_DETECTED)


@fault("postgres", "I3 I9 I15 I17", takes="postgres")
def restart_postgres(hit: Hit) -> None:
    """The server is stopped and started."""
    hit.campaign.service("stop pg")
    sleep(hit.rng, 0, 0.5)
    hit.campaign.service("start pg")


@fault("postgres", "I3 I9 I15 I17", takes="postgres")
def crash_postgres(hit: Hit) -> None:
    """kill -9 of one of its processes: all connections end, and it recovers from its log."""
    pid = hit.campaign.sql(f"SELECT pid FROM pg_stat_activity WHERE {OURS} ORDER BY random() LIMIT 1")
    os.kill(pid[0][0], signal.SIGKILL)
    hit.campaign.await_postgres()


@fault("postgres", "I3 I9 I15", weight=3)
def end_backends(hit: Hit) -> int:
    """berthd's backends are ended (`pg_terminate_backend`) wherever they are, those in COMMIT first."""
    struck = 0
    for _ in range(hit.rng.randint(5, 40)):
        struck += len(hit.campaign.sql(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {OURS}"
            " AND (state = 'active' OR random() < 0.2) ORDER BY (query = 'COMMIT') DESC, random() LIMIT 1"))
        time.sleep(0.01)
    return struck


@fault("postgres", "I3 I9 I15")
def cancel_statements(hit: Hit) -> int:
    """berthd's statements are cancelled (`pg_cancel_backend`)."""
    struck = 0
    for _ in range(hit.rng.randint(5, 40)):
        struck += len(hit.campaign.sql(
            f"SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE {OURS} AND state = 'active' LIMIT 2"))
        time.sleep(0.01)
    return struck


def commit_cut(when: str, weight: int, prose: str) -> None:
    def act(hit: Hit) -> int:
        for _ in range(3):
            hit.replica.hurt(PG, f"commit {when}")
            sleep(hit.rng, 0.1, 0.4)
        return hit.replica.hurt(PG, "struck")

    catalog.add(f"cut_{when}_commit", "postgres", prose, "I2 I3 I9 I15", act, weight, replicas=1)


commit_cut("before", 2, "The connection breaks when COMMIT is sent; it never arrives.")
commit_cut("during", 3, "The connection breaks as soon as COMMIT has arrived.")
commit_cut("after", 3, "The connection breaks when COMMIT was done and answered; the answer is lost.")


def injected(name: str, code: str, breaks: str, prose: str, chance: float = 0.1, at_commit: bool = False) -> None:
    """A trigger raises the SQLSTATE in berthd's own statements."""

    def act(hit: Hit) -> int:
        c, struck = hit.campaign, "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM chaos.struck"
        before = c.sql(struck)[0][0]
        c.sql(f"INSERT INTO chaos.injected VALUES ('{code}', {at_commit}, {chance})")
        try:
            sleep(hit.rng, 0.5, 1.5)
        finally:
            c.sql(f"DELETE FROM chaos.injected WHERE code = '{code}'")
        return c.sql(struck)[0][0] - before

    catalog.add(name, "postgres", prose, breaks, act)


injected("serialization_failure", "40001", "I2 I3 I9", "Statements fail with 40001.", 0.2)
injected("deadlock_detected", "40P01", "I2 I3 I9", "Statements fail with 40P01.", 0.2)
injected("commit_fails", "40001", "I2 I3 I9 I15", "COMMIT itself fails with 40001.", 0.3, True)
injected("statement_timeout", "57014", "I3 I9", "Statements fail with 57014, as at `statement_timeout`.")
injected("out_of_memory", "53200", "I3 I9", "Statements fail with 53200.")
injected("disk_full", "53100", "I3 I9", "Statements fail with 53100.")
injected("internal_error", "XX000", "I3 I9", "Statements fail with XX000.")


@contextlib.contextmanager
def transaction(c: Any) -> Iterator[Any]:
    """A cursor; all is undone in the end."""
    connection = psycopg2.connect(c.conninfo)
    try:
        with connection.cursor() as cursor:
            yield cursor
    finally:
        with contextlib.suppress(psycopg2.Error):
            connection.rollback()
            connection.close()


LOCKS = (
    "SELECT FROM sessions WHERE status = 'PENDING' FOR UPDATE",
    "SELECT FROM agent_resources FOR UPDATE",
    "SELECT FROM berth.owner_versions FOR UPDATE",
    "SELECT FROM berth.group_state FOR UPDATE",
    "LOCK TABLE kernels IN ACCESS EXCLUSIVE MODE",
)


@fault("postgres", "I3 I17", weight=2)
def hold_locks(hit: Hit) -> None:
    """Somebody else holds the rows that a commit wants, for as long as its lock or statement may wait and longer."""
    with contextlib.suppress(DeadlockDetected), transaction(hit.campaign) as cursor:
        cursor.execute("SET LOCAL lock_timeout = '3s'")
        cursor.execute(hit.rng.choice(LOCKS))
        sleep(hit.rng, 0.3, 2.5)


@fault("postgres", "I3 I17")
def lock_timeout(hit: Hit) -> None:
    """`lock_timeout` is 5 ms for everybody who did not choose one, while rows are held."""
    c = hit.campaign
    c.alter_system("lock_timeout", "5ms")
    try:
        with transaction(c) as cursor:
            cursor.execute("SET LOCAL lock_timeout = '3s'")
            cursor.execute(hit.rng.choice(LOCKS))
            sleep(hit.rng, 0.3, 1.5)
    finally:
        c.alter_system("lock_timeout", None)


@fault("postgres", "I2 I3 I9", weight=2)
def deadlock(hit: Hit) -> int:
    """Somebody locks a commit's rows in the other order, so that PostgreSQL ends one of the two."""
    c = hit.campaign
    count = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    before, end = c.sql(count)[0][0], time.monotonic() + 2
    c.alter_system("deadlock_timeout", "20ms")
    try:
        while time.monotonic() < end:
            with contextlib.suppress(DeadlockDetected), transaction(c) as cursor:
                cursor.execute("SELECT FROM agent_resources FOR UPDATE")
                time.sleep(0.05)
                cursor.execute("SELECT FROM sessions WHERE status = 'PENDING' FOR UPDATE")
    finally:
        c.alter_system("deadlock_timeout", None)
    time.sleep(0.3)
    return c.sql(count)[0][0] - before


@fault("postgres", "I17 I18", takes="postgres")
def no_connections(hit: Hit) -> int:
    """`max_connections` is reached, and berthd's connections are cut, so that it wants new ones."""
    held, struck = [], 0
    try:
        for _ in range(MOST_CONNECTIONS):
            try:
                held.append(psycopg2.connect(hit.campaign.conninfo))
            except psycopg2.OperationalError:
                struck = 1
                break
        for replica in hit.campaign.replicas:
            replica.hurt(PG, "cut")
        sleep(hit.rng, 1, 2)
    finally:
        for connection in held:
            connection.close()
    return struck


@fault("postgres", "I3 I9 I17", weight=2, takes="postgres", needs="a small disk")
def full_disk(hit: Hit) -> int:
    """The disk with the event log and the rounds (a tablespace of its own) is full, then it is not."""
    c, ballast = hit.campaign, Path(hit.campaign.small_disk) / "ballast"
    said = c.log_of_postgres().count("No space left on device")
    try:
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(BALLAST))
        sleep(hit.rng, 1, 2)
    finally:
        ballast.unlink(missing_ok=True)
    return int(c.log_of_postgres().count("No space left on device") > said)


@fault("postgres", "I3 I9 I15 I17", weight=2, needs="a pooler")
def restart_pooler(hit: Hit) -> None:
    """PgBouncer (in transaction mode, before the last replica) is killed and started."""
    hit.campaign.pooler.kill()
    sleep(hit.rng, 0, 0.5)
    hit.campaign.pooler.start()
