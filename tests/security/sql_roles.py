"""deploy/sql/roles.sql: what each role needs it has, what it does not need it has not.

Two ways: berthd runs as the roles; and the statements that are in berthd's program file are planned
(EXPLAIN checks rights) as the roles, with each single grant taken away in turn."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import psycopg2
from callers import FOREIGN, OWN
from check import await_true, check, empty, equal
from matrix import pending
from stubs import RpcFailure
from world import ROOT, World

FORBIDDEN = {
    "berth_writer": [
        "DELETE FROM sessions",
        "DELETE FROM kernels",
        "DELETE FROM berth.group_state",
        "INSERT INTO sessions (id) VALUES (gen_random_uuid())",
        "UPDATE sessions SET priority = 1",
        "UPDATE kernels SET image = ''",
        "UPDATE agents SET schedulable = false",
        "UPDATE agent_resources SET capacity = 0",
        "UPDATE keypairs SET is_admin = true",
        "UPDATE berth.events SET type = 1",
        "TRUNCATE berth.events",
        "SELECT secret_key FROM keypairs",
        "SELECT password FROM users",
        "SELECT environ FROM kernels",
        "CREATE TABLE t (x int)",
        "CREATE TABLE berth.t (x int)",
        "CREATE SCHEMA s",
        "ALTER TABLE sessions ADD COLUMN x int",
        "DROP TABLE berth.events",
        "CREATE ROLE r",
        "SET ROLE berth_owner",
        "COPY berth.events TO PROGRAM 'cat'",
    ],
    "berth_reader": [
        "SELECT secret_key FROM keypairs",
        "SELECT password FROM users",
        "SELECT answer FROM berth.requests",
        "SELECT 1 FROM sessions FOR UPDATE",
        "UPDATE sessions SET status = 'CANCELLED'",
        "INSERT INTO berth.events (sequence) VALUES (1)",
        "DELETE FROM berth.events",
        "CREATE TABLE t (x int)",
    ],
    "berth_owner": [
        "SELECT 1 FROM pg_authid",
        "CREATE ROLE r",
        "CREATE DATABASE d",
    ],
}

# Modules of repo/ whose statements previews, lists and watches run.
READ_BY = (
    "agent allocation dependency event kernel other_pending owner owner_usage owner_version "
    "policy_limits scaling_group scheduler_opts session session_group session_load snapshot_load snapshot_spec"
).split()
NOT_SERVING = ("migrate", "adopt", "migrations")


def apply(world: World) -> str:
    return world.psql("-f", str(ROOT / "deploy/sql/roles.sql"))


def refusals(conninfo: str, forbidden: list[str]) -> list[str]:
    """The statements that were not refused for want of rights. That the reader's transactions are
    read-only is not counted on."""
    done = []
    connection = psycopg2.connect(conninfo, options="-c default_transaction_read_only=off")
    connection.autocommit = True
    for statement in forbidden:
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
            done.append(f"{statement}: done")
        except psycopg2.errors.InsufficientPrivilege:
            pass
        except psycopg2.Error as error:
            done.append(f"{statement}: {error}")
    connection.close()
    return done


def as_role(world: World, role: str) -> str:
    return re.sub(r"user=\S+", f"user={role}", world.conninfo)


# --- the statements in the program ---


def statements(build: Path) -> list[tuple[str, str]]:
    """(module, statement) of every SQL text in repo/'s objects."""
    found = []
    for path in sorted(build.glob("repo/CMakeFiles/berth_repo.dir/*.c.o")):
        # An SQL text is one line: its parts are joined by the compiler.
        text = subprocess.run(
            ["strings", "-n", "12", path], capture_output=True, text=True, check=True
        )
        module = path.name.removesuffix(".c.o")
        for line in text.stdout.splitlines():
            line = line.strip()
            if module not in NOT_SERVING and re.match(r"(SELECT|UPDATE|INSERT|DELETE|WITH) ", line):
                found.append((module, line))
    return found


def is_read(module: str, statement: str) -> bool:
    return module in READ_BY and not re.search(r"UPDATE|INSERT|DELETE", statement)


class Planner:
    """Plans all statements of a role; tells the first that lacks a right."""

    def __init__(self, connection: Any, role: str, texts: list[str]) -> None:
        self.cursor = connection.cursor()
        self.role = role
        self.plans: list[tuple[str, str]] = []
        for i, text in enumerate(texts):
            self.cursor.execute(f"PREPARE {role}_{i} AS {text}")
            self.cursor.execute(
                "SELECT coalesce(cardinality(parameter_types), 0) FROM pg_prepared_statements"
                f" WHERE name = '{role}_{i}'"
            )
            n = self.cursor.fetchone()[0]
            nulls = f"({', '.join(['NULL'] * n)})" if n else ""
            self.plans.append((text, f"EXPLAIN EXECUTE {role}_{i}{nulls}"))

    def lacks(self, word: str = "") -> str:
        self.cursor.execute(f"SET ROLE {self.role}")
        try:
            for text, plan in self.plans:
                if word in text:
                    self.cursor.execute(plan)
            return ""
        except psycopg2.errors.InsufficientPrivilege as error:
            return f"{text[:200]}: {error}"
        finally:
            self.cursor.execute("RESET ROLE")

    def grants(self) -> list[tuple[str, str, str, str]]:
        """(schema, table, privilege, column or "") of what was granted."""
        self.cursor.execute(
            f"""SELECT table_schema, table_name, privilege_type, '' FROM information_schema.table_privileges
            WHERE grantee = '{self.role}' AND table_schema IN ('public', 'berth')
            UNION ALL SELECT n.nspname, c.relname, x.privilege_type, a.attname FROM pg_attribute a
            JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace,
            aclexplode(a.attacl) x WHERE x.grantee = '{self.role}'::regrole ORDER BY 1, 2, 3, 4"""
        )
        return self.cursor.fetchall()

    def needless(self) -> list[str]:
        """Grants without which every statement can still be run."""
        found = []
        for schema, table, privilege, column in self.grants():
            if table in ("schema_migrations", "agents") and (table, privilege) != (
                "agents",
                "SELECT",
            ):
                continue  # read at the start; the column that row locks want
            right = f'{privilege} ("{column}")' if column else privilege
            self.cursor.execute(f'REVOKE {right} ON "{schema}"."{table}" FROM {self.role}')
            if not self.lacks(table):
                found.append(f"{self.role}: {right} on {schema}.{table}")
            self.cursor.execute(f'GRANT {right} ON "{schema}"."{table}" TO {self.role}')
        return found


def exact(world: World) -> None:
    all_statements = statements(world.build)
    reads = [text for module, text in all_statements if is_read(module, text)]
    writes = [text for _, text in all_statements]
    check(
        len(writes) > 60 and len(reads) > 25,
        "the statements are found",
        f"{len(writes)} {len(reads)}",
    )
    connection = psycopg2.connect(world.conninfo)
    connection.autocommit = True
    for role, texts in (("berth_writer", writes), ("berth_reader", reads)):
        planner = Planner(connection, role, texts)
        equal(planner.lacks(), "", f"{role} has the rights for its statements")
        empty(planner.needless(), f"{role} has no right that no statement needs")
        planner.cursor.execute(f"REVOKE SELECT (status) ON sessions FROM {role}")
        check(planner.lacks(), f"{role}: a right that is missing is noticed")
        planner.cursor.execute(f"GRANT SELECT (status) ON sessions TO {role}")
        planner.cursor.execute(f"GRANT SELECT (environ) ON kernels TO {role}")
        check(planner.needless(), f"{role}: a right too many is noticed")
    connection.close()


# --- berthd as the roles ---


def schedule(world: World, group: str) -> Any:
    """A round; again while the loop has the group."""

    def attempt() -> Any:
        try:
            return world.client.call(
                "ScheduleScalingGroup", scaling_group=group, request_id=f"r-{group}"
            )
        except RpcFailure as failure:
            if failure.code != "ABORTED":
                raise
            return None

    return await_true(attempt, 30, f"a round of {group}")


def writes(world: World) -> None:
    """Rounds, cancels of every kind, retention and repair, all as berth_writer."""
    server = world.start_server(
        "--database", as_role(world, "berth_writer"), "--loop=true", "--log-level=info"
    )
    server.await_health("SERVING")
    for group in (OWN, FOREIGN):
        answer = schedule(world, group)
        check(
            answer.counts.scheduled + answer.counts.waiting > 0,
            f"berth_writer runs a round of {group}",
        )
        world.client.call("ListPendingSessions", scaling_group=group)
    for status in ("PENDING", "SCHEDULED", "RUNNING"):
        found = world.rows(f"SELECT id FROM sessions WHERE status = '{status}' ORDER BY id LIMIT 1")
        if check(found, f"there is a session that is {status}"):
            answer = world.client.call(
                "CancelSession", session_id=found[0]["id"], request_id=status
            )
            check(
                answer.status in ("CANCELLED", "TERMINATING"),
                f"berth_writer cancels one that is {status}",
            )
    world.client.call("PreviewAllocation", session_id=pending(world, OWN, 0))
    world.client.call("ListScalingGroups")
    text = server.log.read_text("utf-8")
    empty(
        [s for s in text.splitlines() if "permission denied" in s],
        "the log has no right that is missing",
    )
    equal(world.end(), 0, "berthd as berth_writer ends with exit code 0")
    done = subprocess.run(
        [world.build / "server/berthd", "repair", "--database", as_role(world, "berth_writer")],
        capture_output=True,
        text=True,
        check=False,
    )
    check(done.returncode == 0, "berth_writer repairs", done.stdout + done.stderr)


def connected(world: World, role: str) -> int:
    return world.value(f"SELECT count(*) AS n FROM pg_stat_activity WHERE usename = '{role}'")


def reads(world: World) -> None:
    """Previews and lists as berth_reader, beside a berth_writer for the rest."""
    server = world.start_server(
        "--database",
        as_role(world, "berth_writer"),
        "--preview-database",
        as_role(world, "berth_reader"),
    )
    server.await_health("SERVING")
    session = pending(world, OWN, 0)
    check(
        world.client.call("PreviewAllocation", session_id=session).verdict > 0,
        "berth_reader previews",
    )
    check(
        world.client.call("ListPendingSessions", scaling_group=OWN).total > 0,
        "berth_reader lists sessions",
    )
    check(world.client.call("ListScalingGroups").scaling_groups, "berth_reader lists groups")
    check(connected(world, "berth_reader") > 0, "it was berth_reader that read")
    world.psql("-c", "REVOKE SELECT (status) ON sessions FROM berth_reader")
    try:
        world.client.call("PreviewAllocation", session_id=session)
        check(False, "without its rights berth_reader does not preview")
    except RpcFailure as failure:
        equal(
            failure.code, "FAILED_PRECONDITION", "without its rights berth_reader does not preview"
        )
    apply(world)
    equal(world.end(), 0, "berthd with berth_reader ends with exit code 0")


def test(world: World) -> None:
    world.create_database("roles_sql")
    check(
        "run berthd migrate" in apply_with_notices(world),
        "before the tables are there, roles.sql says so",
    )
    subprocess.run(
        [world.build / "server/berthd", "migrate", "--database", as_role(world, "berth_owner")],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    equal(
        world.value(
            "SELECT nspowner::regrole::text AS o FROM pg_namespace WHERE nspname = 'berth'"
        ),
        "berth_owner",
        "the schema is berth_owner's",
    )
    apply(world)
    apply(world)  # again: nothing more
    world.load_sample()
    for role, forbidden in FORBIDDEN.items():
        empty(
            refusals(as_role(world, role), forbidden),
            f"{role} may do nothing of what it should not",
        )
    exact(world)
    apply(world)
    with psycopg2.connect(world.conninfo) as connection:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT has_column_privilege('berth_writer', 'kernels', 'environ', 'SELECT')"
            )
            check(not cursor.fetchone()[0], "roles.sql takes away what a role has beyond its list")
    writes(world)
    reads(world)
    beside_a_manager(world)


def beside_a_manager(world: World) -> None:
    """The tables are a manager's: berth_owner adds its schema and owns nothing else."""
    world.create_database("roles_adopt")
    world.migrate()
    world.psql("-c", "DROP SCHEMA berth CASCADE")
    world.load_sample()
    apply(world)
    done = subprocess.run(
        [
            world.build / "server/berthd",
            "migrate",
            "--adopt",
            "--database",
            as_role(world, "berth_owner"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    check(done.returncode == 0, "berth_owner adopts a manager's tables", done.stdout + done.stderr)
    apply(world)
    empty(
        refusals(as_role(world, "berth_owner"), ["SELECT 1 FROM sessions", "DROP TABLE sessions"]),
        "berth_owner may do nothing with a manager's tables",
    )
    world.start_server("--database", as_role(world, "berth_writer")).await_health("SERVING")
    check(schedule(world, OWN).counts.scheduled > 0, "berth_writer schedules a manager's sessions")
    equal(world.end(), 0, "berthd beside a manager ends with exit code 0")


def apply_with_notices(world: World) -> str:
    command = ["psql", "-X", "-d", world.conninfo, "-f", ROOT / "deploy/sql/roles.sql"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stderr
