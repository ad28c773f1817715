"""What happens to the cluster itself, most of it while a round has the old facts in its hands."""

from __future__ import annotations

import contextlib
import random
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

from catalog import Hit, fault
from replica import sleep
from workload import enqueue_session

import stubs

POINTS = ("loaded", "decided", "chunk_begun")
REACH_SECONDS = 4


def in_a_round(hit: Hit, deed: Callable[[str], None]) -> int:
    """Stops a round between load and commit, does the deed to its group, and lets it go on before its lease is over."""
    replica, group = hit.replica, hit.rng.choice(hit.campaign.groups)
    replica.start_to_fail(f"{hit.rng.choice(POINTS)}:stop:1")
    over = threading.Event()

    def call() -> None:
        while not over.is_set():
            with contextlib.suppress(stubs.RpcFailure, ValueError):
                replica.client.call("ScheduleScalingGroup", timeout=10, scaling_group=group)
            time.sleep(0.02)

    caller = threading.Thread(target=call, daemon=True)
    caller.start()
    try:
        struck = replica.await_grief(REACH_SECONDS)
        if struck:
            deed(group)
    finally:
        over.set()
        replica.wake()
    caller.join(15)
    return int(struck)


@fault("facts", "I1 I2 I3", weight=3, replicas=1, needs="fault points")
def agents_vanish(hit: Hit) -> int:
    """Agents are LOST or not schedulable any more between a round's load and its commit."""
    return in_a_round(hit, lambda group: hit.campaign.sql(
        "UPDATE agents SET status = (CASE WHEN random() < 0.5 THEN 'LOST' ELSE 'ALIVE' END)::agentstatus,"
        f" schedulable = random() < 0.7 WHERE scaling_group = '{group}'"))


@fault("facts", "I1", weight=3, replicas=1, needs="fault points")
def capacity_falls(hit: Hit) -> int:
    """Capacities fall between load and commit, some below what is in use; after the burst they are raised to that."""
    return in_a_round(hit, lambda group: hit.campaign.sql(
        "UPDATE agent_resources SET capacity = floor(random() * (reserved + used + 2)) WHERE slot_name = 'cpu'"
        f" AND agent_id LIKE '{group}-%' AND random() < 0.7"))


LOWER = {
    "key": """WITH l AS (UPDATE keypair_resource_policies n SET total_resource_slots = jsonb_build_object('cpu', %s),
        max_concurrent_sessions = %s FROM keypair_resource_policies o WHERE o.name = n.name
        RETURNING o.name, (o.total_resource_slots->>'cpu')::numeric AS cpu, o.max_concurrent_sessions AS sessions)
        INSERT INTO chaos.lowered (policy, slot_name, most)
        SELECT name, 'cpu', cpu FROM l UNION ALL SELECT name, 'sessions', sessions FROM l""",
    "project": """WITH l AS (UPDATE groups n SET total_resource_slots = jsonb_build_object('cpu', %s + %s) FROM groups o
        WHERE o.id = n.id RETURNING o.id::text, (o.total_resource_slots->>'cpu')::numeric AS cpu)
        INSERT INTO chaos.lowered (policy, slot_name, most) SELECT id, 'cpu', cpu FROM l""",
    "domain": """WITH l AS (UPDATE domains n SET total_resource_slots = jsonb_build_object('cpu', %s + 2 * %s)
        FROM domains o WHERE o.name = n.name RETURNING o.name, (o.total_resource_slots->>'cpu')::numeric AS cpu)
        INSERT INTO chaos.lowered (policy, slot_name, most) SELECT name, 'cpu', cpu FROM l""",
}


@fault("facts", "I4", weight=3)
def quotas_fall(hit: Hit) -> None:
    """The limits of keys, projects or the domain fall, below what is in use too; after the burst they are as before."""
    hit.campaign.sql(hit.rng.choice(list(LOWER.values())) % (hit.rng.randint(0, 30), hit.rng.randint(0, 8)))


@fault("facts", "I2 I6 I7 I9", weight=4, replicas=1, needs="fault points")
def cancelled_meanwhile(hit: Hit) -> int:
    """Sessions are cancelled, by another replica, between a round's load and its commit."""
    c = hit.campaign

    def deed(group: str) -> None:
        others = [r for r in c.replicas if r is not hit.replica]
        rows = c.sql(f"SELECT id FROM sessions WHERE status = 'PENDING' AND scaling_group_name = '{group}'"
                     " ORDER BY random() LIMIT 4")
        for (session,) in rows:
            with contextlib.suppress(stubs.RpcFailure, ValueError):
                answer = hit.rng.choice(others).client.call("CancelSession", timeout=0.5, session_id=str(session))
                c.workload.note_cancel(str(session), answer.status)

    return in_a_round(hit, deed)


@fault("facts", "I14 I17", weight=2)
def dependency_cycle(hit: Hit) -> None:
    """Sessions that depend on each other in a circle are enqueued: none may ever be scheduled, all others go on."""
    c, rng = hit.campaign, hit.rng
    ids = [str(uuid.UUID(int=rng.getrandbits(128), version=4)) for _ in range(rng.randint(2, 4))]
    group = rng.choice(c.groups)
    with contextlib.closing(c.connect()) as connection, connection.cursor() as cursor:
        for session in ids:
            enqueue_session(cursor, rng, group, session)
        for one, other in zip(ids, ids[1:] + ids[:1], strict=True):
            cursor.execute("INSERT INTO session_dependencies (session_id, depends_on) VALUES (%s, %s)", (one, other))
        connection.commit()


ADD_GROUP = """
INSERT INTO scaling_groups (name, scheduler, driver, driver_opts, scheduler_opts, use_host_network,
    default_session_options, default_deployment_options)
VALUES ('{0}', 'fifo', 'static', '{{}}', '{{}}', false, '{{}}', '{{}}');
INSERT INTO agents (id, status, resource_group_id, scaling_group, addr, architecture, region, available_slots,
    occupied_slots, version, compute_plugins)
SELECT name || '-agent', 'ALIVE', id, name, 'tcp://' || name, 'x86_64', 'r', '{{}}', '{{}}', '26', '{{}}'
  FROM scaling_groups WHERE name = '{0}';
INSERT INTO agent_resources (agent_id, slot_name, capacity)
VALUES ('{0}-agent', 'cpu', 8), ('{0}-agent', 'mem', 68719476736)
"""
REMOVE_GROUP = """
DELETE FROM kernels WHERE scaling_group = '{0}';
DELETE FROM sessions WHERE scaling_group_name = '{0}';
DELETE FROM agents WHERE scaling_group = '{0}';
DELETE FROM scaling_groups WHERE name = '{0}'
"""


@fault("facts", "I3 I9 I17", weight=2)
def group_deleted(hit: Hit) -> None:
    """A scaling group with waiting sessions is deleted, with all in it, while its rounds run."""
    c, rng = hit.campaign, hit.rng
    name = f"passing{rng.getrandbits(32):08x}"
    c.sql(ADD_GROUP.format(name))
    over = threading.Event()

    def rounds(replica: Any) -> None:
        while not over.is_set():
            with contextlib.suppress(stubs.RpcFailure, ValueError):
                replica.client.call("ScheduleScalingGroup", timeout=2, scaling_group=name)
            time.sleep(0.01)

    callers = [threading.Thread(target=rounds, args=(replica,), daemon=True) for replica in c.replicas[:2]]
    try:
        enqueue_in(c, rng, name, 10)
        for caller in callers:
            caller.start()
        sleep(rng, 0, 0.3)
    finally:
        c.keep_trying(REMOVE_GROUP.format(name))
        over.set()
    for caller in callers:
        if caller.ident is not None:
            caller.join(5)


def enqueue_in(c: Any, rng: random.Random, group: str, n: int, key: str = "") -> None:
    with contextlib.closing(c.connect()) as connection, connection.cursor() as cursor:
        for _ in range(n):
            enqueue_session(cursor, rng, group, key=key)
        connection.commit()


@fault("facts", "I13 I17")
def owner_deleted(hit: Hit) -> None:
    """A key is deleted, or has another policy or none in force, while its sessions wait."""
    c, key = hit.campaign, f"PASSING{hit.rng.getrandbits(32):08X}"
    c.sql(f"""INSERT INTO keypairs (access_key, "user", resource_policy, dotfiles, bootstrap_script)
              SELECT '{key}', uuid, 'large', '', '' FROM users ORDER BY random() LIMIT 1""")
    enqueue_in(c, hit.rng, hit.rng.choice(c.groups), 3, key)
    sleep(hit.rng, 0, 0.3)
    c.keep_trying(f"DELETE FROM keypairs WHERE access_key = '{key}'")
