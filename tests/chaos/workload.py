"""What managers, users and agents do to a cluster all day, as fast as it goes: each worker is a thread
that repeats one thing. Their own failures do not matter; what Berth told them is kept."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import psycopg2
from psycopg2 import extensions

from stubs import RpcFailure

GROUPS = ("group1", "group2", "group3")
MOST_PENDING = 150
ENQUEUE_SESSION = """
WITH owner AS (
    SELECT k.access_key, k."user" FROM keypairs k WHERE k.access_key = %(key)s
), s AS (
    INSERT INTO sessions (id, creation_id, name, session_type, priority, cluster_mode, cluster_size,
        access_key, user_uuid, group_id, domain_id, domain_name, resource_group_id, scaling_group_name,
        status, status_history, occupying_slots, requested_slots, options, use_host_network)
    SELECT %(id)s, left(%(id)s, 22), %(id)s, %(type)s, %(priority)s, %(mode)s, %(n)s, access_key, "user",
           (SELECT id FROM groups WHERE name = %(project)s), (SELECT id FROM domains), 'default', g.id, g.name,
           'PENDING', jsonb_build_object('PENDING', now()), '{}', '{}', '{}', false
      FROM owner, scaling_groups g WHERE g.name = %(group)s
    RETURNING id, session_type, access_key, user_uuid, group_id, resource_group_id
), k AS (
    INSERT INTO kernels (id, session_id, session_type, resource_group_id, scaling_group, access_key, user_uuid,
        group_id, domain_name, architecture, cluster_mode, cluster_size, cluster_role, cluster_idx, local_rank,
        cluster_hostname, status, status_history, occupied_slots, requested_slots, occupied_shares,
        repl_in_port, repl_out_port, stdin_port, stdout_port, use_host_network)
    SELECT uuid_generate_v4(), s.id, s.session_type, s.resource_group_id, %(group)s, s.access_key, s.user_uuid,
        s.group_id, 'default', 'x86_64', %(mode)s, %(n)s, CASE WHEN i = 1 THEN 'main' ELSE 'sub' END,
        greatest(i - 1, 1), i - 1, 'h' || i, 'PENDING', jsonb_build_object('PENDING', now()), '{}',
        json_build_object('cpu', %(cpu)s::text), '{}', 0, 0, 0, 0, false
      FROM s, generate_series(1, %(n)s) i
    RETURNING id
)
INSERT INTO resource_allocations (kernel_id, slot_name, requested)
SELECT k.id, r.slot, r.amount FROM k,
       (VALUES ('cpu', %(cpu)s), ('mem', %(mem)s), ('cuda.shares', %(gpu)s)) r (slot, amount) WHERE r.amount > 0
"""
# The manager starts what was scheduled: reserved becomes used.
START = """
WITH s AS (
    SELECT id FROM sessions WHERE status = 'SCHEDULED' ORDER BY random() LIMIT %s FOR UPDATE SKIP LOCKED
), done AS (
    UPDATE sessions SET status = 'RUNNING', starts_at = now() FROM s WHERE sessions.id = s.id
), k AS (
    UPDATE kernels SET status = 'RUNNING', status_changed = now() FROM s WHERE session_id = s.id
    RETURNING kernels.id, agent
), moved AS (
    UPDATE resource_allocations ra SET used = requested, used_at = now(), reserved = 0 FROM k
     WHERE ra.kernel_id = k.id AND ra.free_at IS NULL
    RETURNING k.agent, ra.slot_name, ra.requested
), per_agent AS (
    SELECT agent, slot_name, sum(requested) AS amount FROM moved GROUP BY 1, 2
)
UPDATE agent_resources ar SET reserved = reserved - amount, used = used + amount
  FROM per_agent p WHERE ar.agent_id = p.agent AND ar.slot_name = p.slot_name
"""
# Containers end, of their own accord or because they were told to.
FINISH = """
WITH s AS (
    SELECT id FROM sessions WHERE status = 'TERMINATING' OR (status = 'RUNNING' AND random() < 0.5)
     ORDER BY random() LIMIT %s FOR UPDATE SKIP LOCKED
), done AS (
    UPDATE sessions SET status = 'TERMINATED', terminated_at = now(), result = 'SUCCESS' FROM s
     WHERE sessions.id = s.id
), k AS (
    UPDATE kernels SET status = 'TERMINATED', terminated_at = now() FROM s WHERE session_id = s.id
    RETURNING kernels.id, agent
), freed AS (
    UPDATE resource_allocations ra SET free_at = now() FROM k WHERE ra.kernel_id = k.id AND ra.free_at IS NULL
    RETURNING k.agent, ra.slot_name, coalesce(ra.used, 0) AS used, ra.reserved
), per_agent AS (
    SELECT agent, slot_name, sum(used) AS used, sum(reserved) AS reserved FROM freed GROUP BY 1, 2
)
UPDATE agent_resources ar SET used = ar.used - p.used, reserved = ar.reserved - p.reserved
  FROM per_agent p WHERE ar.agent_id = p.agent AND ar.slot_name = p.slot_name
"""
FLIP = (
    "UPDATE agents SET status = (CASE status WHEN 'ALIVE' THEN 'LOST' ELSE 'ALIVE' END)::agentstatus WHERE id = %s",
    "UPDATE agents SET schedulable = NOT schedulable WHERE id = %s",
)
RESIZE = """
UPDATE agent_resources SET capacity = greatest(%s, reserved + prereserved + used)
 WHERE agent_id = %s AND slot_name = 'cpu'
"""


DEPENDS = 0.08  # of the sessions wait for another
DEPEND = """
INSERT INTO session_dependencies (session_id, depends_on)
SELECT %s, id FROM sessions WHERE status IN ('SCHEDULED', 'RUNNING') ORDER BY random() LIMIT 1
ON CONFLICT DO NOTHING
"""


def enqueue_session(cursor: Any, rng: random.Random, group: str, session: str = "", key: str = "") -> str:
    """A session as a user asks for one; its id."""
    n = rng.choice((1, 1, 1, 2, 4))
    session = session or str(uuid.UUID(int=rng.getrandbits(128), version=4))
    cursor.execute(ENQUEUE_SESSION, {
        "id": session, "key": key or f"KEY{rng.randint(1, 4)}", "project": f"project{rng.randint(1, 2)}",
        "group": group, "priority": rng.choice((10, 10, 20)), "n": n,
        "type": "INTERACTIVE", "mode": rng.choice(("single-node", "multi-node")) if n > 1 else "single-node",
        "cpu": rng.randint(1, 4), "mem": rng.randint(1, 8) << 30, "gpu": rng.choice((0, 0, 0.5, 1)),
    })
    return session


class Workload:
    """The workers, and what they were told."""

    def __init__(self, conninfo: str, replicas: Callable[[], list[Any]], seed: int) -> None:
        self.conninfo = conninfo
        self.replicas = replicas
        self.seed = seed
        self.go = threading.Event()
        self.stop = False
        self.idle: dict[str, threading.Event] = {}
        self.lock = threading.Lock()
        self.cancelled: dict[str, str] = {}  # session -> status that CancelSession acknowledged
        self.counts = {"enqueued": 0, "rounds": 0, "placed": 0, "cancels": 0, "conflicts": 0, "refused": 0}
        self.threads = [
            threading.Thread(target=self._repeat, args=(name, work, i), daemon=True)
            for i, (name, work) in enumerate(self._workers())
        ]
        for thread in self.threads:
            thread.start()

    def _workers(self) -> list[tuple[str, Callable[[random.Random, Any], None]]]:
        schedulers = [(f"schedule{i}", self.schedule) for i in range(4)]
        cancellers = [(f"cancel{i}", self.cancel) for i in range(2)]
        return [("enqueue", self.enqueue), ("start", self.start), ("finish", self.finish), ("flip", self.flip),
                *schedulers, *cancellers]

    def _repeat(self, name: str, work: Callable[[random.Random, Any], None], i: int) -> None:
        rng = random.Random(f"{self.seed} {name}")
        idle = self.idle.setdefault(name, threading.Event())
        connection = None
        while not self.stop:
            if not self.go.is_set():
                idle.set()
                self.go.wait(0.1)
                continue
            idle.clear()
            try:
                if connection is None or connection.closed:
                    connection = psycopg2.connect(self.conninfo)
                    connection.autocommit = True
                work(rng, connection)
            except (psycopg2.Error, RpcFailure, ValueError):
                self.count("refused")  # the cluster is being hurt: try something else
                if connection is not None and connection.info.transaction_status != extensions.TRANSACTION_STATUS_IDLE:
                    connection.close()
                time.sleep(0.02)
        idle.set()

    def count(self, what: str, n: int = 1) -> None:
        with self.lock:
            self.counts[what] += n

    def note_cancel(self, session: str, status: str) -> None:
        """CancelSession was answered."""
        with self.lock:
            self.cancelled.setdefault(session, status)
        self.count("cancels")

    def resume(self) -> None:
        self.go.set()

    def pause(self, seconds: float = 90) -> None:
        """Waits until no worker is in the middle of anything."""
        self.go.clear()
        for name, idle in self.idle.items():
            if not idle.wait(seconds):
                raise TimeoutError(f"worker {name} does not come to rest")

    # --- the workers ---

    def enqueue(self, rng: random.Random, connection: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM sessions WHERE status = 'PENDING'")
            if cursor.fetchone()[0] > MOST_PENDING:
                time.sleep(0.02)
                return
            for _ in range(rng.randint(1, 10)):
                cursor.execute("BEGIN")
                session = enqueue_session(cursor, rng, rng.choice(GROUPS))
                if rng.random() < DEPENDS:
                    cursor.execute(DEPEND, (session,))
                cursor.execute("COMMIT")
                self.count("enqueued")

    def schedule(self, rng: random.Random, _: Any) -> None:
        replica = rng.choice(self.replicas())
        answer = replica.client.call("ScheduleScalingGroup", timeout=20, scaling_group=rng.choice(GROUPS),
                                     request_id=str(uuid.uuid4()) if rng.random() < 0.3 else "", view=1)
        self.count("rounds")
        self.count("placed", answer.counts.scheduled)
        self.count("conflicts", answer.counts.conflict)

    def cancel(self, rng: random.Random, connection: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT id FROM sessions WHERE status IN ('PENDING', 'SCHEDULED', 'RUNNING')"
                           " ORDER BY random() LIMIT 3")
            sessions = [str(row[0]) for row in cursor.fetchall()]
        for session in sessions:
            replica = rng.choice(self.replicas())
            answer = replica.client.call("CancelSession", timeout=20, session_id=session,
                                         request_id=f"cancel-{session}" if rng.random() < 0.3 else "")
            self.note_cancel(session, answer.status)
        time.sleep(rng.random() * 0.2)

    def start(self, rng: random.Random, connection: Any) -> None:
        self._manager(START, rng, connection)

    def finish(self, rng: random.Random, connection: Any) -> None:
        self._manager(FINISH, rng, connection)

    @staticmethod
    def _manager(sql: str, rng: random.Random, connection: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(sql, (rng.randint(1, 8),))
        time.sleep(rng.random() * 0.1)

    @staticmethod
    def flip(rng: random.Random, connection: Any) -> None:
        agent = f"{rng.choice(GROUPS)}-agent{rng.randint(1, 5)}"
        with connection.cursor() as cursor:
            if rng.random() < 0.3:
                cursor.execute(RESIZE, (rng.randint(4, 24), agent))
            else:
                cursor.execute(rng.choice(FLIP), (agent,))
        time.sleep(rng.random() * 0.1)
