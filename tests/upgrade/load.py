"""Work that goes on while replicas come and go: sessions arrive, are cancelled, previewed, listed and
watched. A call that one replica does not take (it drains, or is gone) goes to the next, as a client
with a list of addresses does; an answer that nobody should get is an error."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from typing import Any

import grpc
from stubs import Client, RpcFailure, decode

# Another replica runs the round of the group: an answer, not an error.
BUSY = {"LEASE_BUSY", "FENCED"}
PATIENCE = 20

# A session like the template, with its kernels and what they ask for. Columns are those there were
# when the template was made: an enqueuer knows no later ones.
ENQUEUE = """
WITH new AS (SELECT gen_random_uuid() AS id),
s AS (INSERT INTO sessions ({template_sessions}) SELECT (jsonb_populate_record(t, jsonb_build_object(
        'id', new.id, 'name', 'load-' || new.id, 'created_at', clock_timestamp(),
        'status_history', jsonb_build_object('PENDING', now())))).* FROM template_sessions t, new),
k AS (INSERT INTO kernels ({template_kernels}) SELECT (jsonb_populate_record(t, jsonb_build_object(
        'id', md5(t.id::text || new.id)::uuid, 'session_id', new.id))).* FROM template_kernels t, new)
INSERT INTO resource_allocations ({template_allocations})
    SELECT (jsonb_populate_record(t, jsonb_build_object(
        'kernel_id', md5(t.kernel_id::text || new.id)::uuid))).* FROM template_allocations t, new
"""

TEMPLATE = """
CREATE TABLE template_sessions AS SELECT * FROM sessions s WHERE status = 'PENDING'
    AND session_type = 'INTERACTIVE' AND cluster_size = 1
    AND NOT EXISTS (SELECT 1 FROM session_dependencies d WHERE d.session_id = s.id)
    AND EXISTS (SELECT 1 FROM resource_allocations a JOIN kernels k ON k.id = a.kernel_id
                WHERE k.session_id = s.id AND a.slot_name = 'cpu' AND a.requested <= 2)
    ORDER BY priority DESC, id LIMIT 1;
CREATE TABLE template_kernels AS SELECT * FROM kernels
    WHERE session_id IN (SELECT id FROM template_sessions);
CREATE TABLE template_allocations AS SELECT * FROM resource_allocations
    WHERE kernel_id IN (SELECT id FROM template_kernels);
"""


def enqueue_statement(connection: Any) -> str:
    columns = {}
    with connection.cursor() as cursor:
        for table in ("template_sessions", "template_kernels", "template_allocations"):
            cursor.execute(
                "SELECT string_agg(quote_ident(column_name), ', ' ORDER BY ordinal_position) "
                "FROM information_schema.columns WHERE table_name = %s",
                (table,),
            )
            columns[table] = cursor.fetchone()[0]
    return ENQUEUE.format(**columns)


class Load:
    def __init__(self, connect: Any, groups: list[str]) -> None:
        self.connect = connect  # () -> a connection to the database
        self.groups = groups
        connection = connect()
        self.statement = enqueue_statement(connection)
        connection.close()
        self.lock = threading.Lock()
        self.clients: dict[str, Client] = {}
        self.done: Counter = Counter()
        self.errors: list[str] = []
        self.ends = threading.Event()
        self.events: list[tuple[str, int]] = []
        works = [self.enqueue, self.cancel, self.schedule, self.read, self.preview, self.watch]
        self.threads = [threading.Thread(target=self.run, args=(work,)) for work in works]

    # --- who takes calls ---

    def add(self, target: str) -> None:
        with self.lock:
            self.clients[target] = Client(target)

    def remove(self, target: str) -> None:
        with self.lock:
            del self.clients[target]  # calls in progress end by themselves

    def pick(self) -> Client:
        with self.lock:
            return random.choice(list(self.clients.values()))

    def call(self, name: str, **fields: Any) -> Any:
        until = time.monotonic() + PATIENCE
        while True:
            try:
                answer = self.pick().call(name, timeout=PATIENCE, **fields)
                self.done[name] += 1
                return answer
            except RpcFailure as failure:
                if failure.reason in BUSY:
                    self.done["left to another replica"] += 1
                    self.done[name] += 1
                    return None
                if failure.code != "UNAVAILABLE" or time.monotonic() > until:
                    raise
                self.done["tried on another replica"] += 1
                time.sleep(0.02)

    # --- the work ---

    def start(self) -> None:
        for thread in self.threads:
            thread.start()

    def stop(self) -> None:
        self.ends.set()
        for thread in self.threads:
            thread.join(2 * PATIENCE)
            if thread.is_alive():
                self.errors.append("a thread of the load hangs")

    def run(self, work: Any) -> None:
        connection = self.connect()
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                while not self.ends.is_set():
                    work(cursor)
        except Exception as error:  # pylint: disable=broad-except
            self.errors.append(f"{work.__name__}: {type(error).__name__}: {error}")
        finally:
            connection.close()

    def enqueue(self, cursor: Any) -> None:
        cursor.execute(self.statement)
        self.done["enqueued"] += 1
        time.sleep(0.02)

    def some_session(self, cursor: Any, statuses: tuple[str, ...]) -> str | None:
        cursor.execute(
            "SELECT id::text FROM sessions WHERE status IN %s AND name LIKE 'load-%%' "
            "ORDER BY random() LIMIT 1",
            (statuses,),
        )
        row = cursor.fetchone()
        if row is None:
            time.sleep(0.02)
        return row and row[0]

    def cancel(self, cursor: Any) -> None:
        session = self.some_session(cursor, ("PENDING", "SCHEDULED", "SCHEDULED", "SCHEDULED"))
        if session is not None:
            self.call("CancelSession", session_id=session)
        time.sleep(0.03)

    def schedule(self, _cursor: Any) -> None:
        self.call("ScheduleScalingGroup", scaling_group=random.choice(self.groups))
        time.sleep(0.2)

    def read(self, _cursor: Any) -> None:
        self.call("ListScalingGroups")
        self.call("ListPendingSessions", scaling_group=random.choice(self.groups))
        time.sleep(0.05)

    def preview(self, cursor: Any) -> None:
        session = self.some_session(cursor, ("PENDING",))
        if session is not None:
            try:
                self.call("PreviewAllocation", session_id=session)
            except RpcFailure as failure:
                # it was scheduled meanwhile
                if failure.code not in ("FAILED_PRECONDITION", "NOT_FOUND"):
                    raise
        time.sleep(0.05)

    def watch(self, _cursor: Any) -> None:
        """One stream after the other, each resumed where the last one ended."""
        cursor = ""
        while not self.ends.is_set():
            start = {"resume_cursor": cursor} if cursor else {}
            stream = self.pick().watch(timeout=PATIENCE, start=3 if cursor else 2, **start)
            try:
                for answer in stream:
                    self.events += [(e.scaling_group, e.sequence) for e in answer.events]
                    cursor = answer.cursor or cursor
                    if self.ends.is_set():
                        stream.cancel()
            except grpc.RpcError as error:
                failure = decode(error)
                cursor = failure.metadata.get("cursor", cursor)
                if failure.code not in ("UNAVAILABLE", "CANCELLED", "DEADLINE_EXCEEDED"):
                    raise failure from None
                self.done["streams resumed"] += failure.code == "UNAVAILABLE"
                time.sleep(0.02)
