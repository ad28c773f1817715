"""Rules over the rows of the database: each is a query that finds violations."""

from __future__ import annotations

from check import empty
from world import ROOT, World

CONSISTENCY = (ROOT / "deploy/lib/consistency.sql").read_text().rstrip().rstrip(";")

# What a round leaves behind: (sentence, query whose rows are violations).
ROUND_RULES = [
    (
        "a scheduled session names the agents of its kernels and its status says when",
        """SELECT s.id, s.agent_ids, s.status_history FROM sessions s
            WHERE s.status = 'SCHEDULED'
              AND (s.status_info IS DISTINCT FROM 'scheduled' OR NOT s.status_history ? 'SCHEDULED'
                   OR (SELECT array_agg(DISTINCT k.agent ORDER BY k.agent) FROM kernels k
                        WHERE k.session_id = s.id)
                      IS DISTINCT FROM (SELECT array_agg(a ORDER BY a) FROM unnest(s.agent_ids) a))""",
    ),
    (
        "a scheduled kernel has its agent's address and architecture",
        """SELECT k.id, k.agent, k.agent_addr, k.architecture FROM kernels k
             JOIN agents a ON a.id = k.agent
            WHERE k.status = 'SCHEDULED'
              AND (k.agent_addr, k.architecture) IS DISTINCT FROM (a.addr, a.architecture)""",
    ),
    (
        "the kernels of a single-node session are on one agent",
        """SELECT s.id FROM sessions s JOIN kernels k ON k.session_id = s.id
            WHERE s.status = 'SCHEDULED' AND s.cluster_mode = 'single-node'
            GROUP BY s.id HAVING count(DISTINCT k.agent) > 1""",
    ),
    (
        "nothing is scheduled on an agent that is lost or closed",
        """SELECT k.id, k.agent FROM kernels k JOIN agents a ON a.id = k.agent
            WHERE k.status = 'SCHEDULED' AND (a.status <> 'ALIVE' OR NOT a.schedulable)""",
    ),
    (
        "the ledger reserves exactly what a scheduled kernel asked for",
        """SELECT ra.* FROM resource_allocations ra JOIN kernels k ON k.id = ra.kernel_id
            WHERE k.status = 'SCHEDULED'
              AND (ra.reserved <> ra.requested OR ra.reserved_at IS NULL OR ra.used IS NOT NULL
                   OR ra.free_at IS NOT NULL)""",
    ),
    (
        "the ledger of a waiting kernel holds nothing",
        """SELECT ra.* FROM resource_allocations ra JOIN kernels k ON k.id = ra.kernel_id
            WHERE k.status = 'PENDING' AND (ra.reserved <> 0 OR ra.reserved_at IS NOT NULL)""",
    ),
    (
        "each session a round tried in vain says so, counts its retries and names a reason",
        """SELECT s.id, s.name, s.status_info, s.status_data FROM sessions s
            WHERE s.status = 'PENDING'
              AND (s.status_info IS NULL
                   OR s.status_info NOT IN ('predicate-checks-failed', 'no-available-instances',
                                            'scheduler-error')
                   OR coalesce((s.status_data #>> '{scheduler,retries}')::int, 0) < 1
                   OR coalesce(s.status_data #>> '{scheduler,msg}', '') = '')""",
    ),
    (
        "its kernels say the same",
        """SELECT k.id, k.status_info, s.status_info AS session FROM kernels k
             JOIN sessions s ON s.id = k.session_id
            WHERE s.status = 'PENDING' AND k.status_info IS DISTINCT FROM s.status_info""",
    ),
    (
        "each session a round scheduled has one such line in its history",
        """SELECT e.session_id, count(h.id) FROM berth.events e
             LEFT JOIN session_scheduling_history h
               ON h.session_id = e.session_id AND h.phase = 'schedule-sessions'
              AND h.result = 'SUCCESS' AND h.to_status = 'SCHEDULED'
            WHERE e.type = 1 GROUP BY 1 HAVING count(h.id) <> 1""",
    ),
    (
        "each session that waits has one line in its history, with a cause and a sentence",
        """SELECT s.id, h.* FROM sessions s LEFT JOIN session_scheduling_history h
               ON h.session_id = s.id AND h.phase = 'schedule-sessions' AND h.result = 'NEED_RETRY'
            WHERE s.status = 'PENDING'
              AND (h.id IS NULL OR h.attempts < 1 OR h.error_code IS NULL OR h.message = '')""",
    ),
    (
        "each session has at most one event of each kind of change",
        """SELECT session_id, to_status, count(*) FROM berth.events
            WHERE session_id IS NOT NULL AND to_status <> from_status
            GROUP BY 1, 2 HAVING count(*) > 1""",
    ),
    (
        "a status moves together with its event",
        """SELECT e.session_id, e.to_status, s.status FROM berth.events e
             JOIN sessions s ON s.id = e.session_id
            WHERE e.to_status <> e.from_status AND s.status <> e.to_status
              AND NOT EXISTS (SELECT 1 FROM berth.events l
                               WHERE l.session_id = e.session_id AND l.sequence > e.sequence)""",
    ),
    (
        "a newer epoch never comes before an older one",
        """SELECT scaling_group_id, sequence, epoch FROM
             (SELECT *, lag(epoch) OVER (PARTITION BY scaling_group_id ORDER BY sequence) AS before
                FROM berth.events) e WHERE epoch < before""",
    ),
    (
        "replicas that must be apart are apart",
        """SELECT s.session_group_id, k.agent, count(*) FROM sessions s
             JOIN session_groups g ON g.id = s.session_group_id JOIN kernels k ON k.session_id = s.id
            WHERE g.placement_direction = 'spread' AND g.placement_enforcement = 'strict'
              AND k.agent IS NOT NULL AND k.status NOT IN ('TERMINATED', 'CANCELLED', 'ERROR')
            GROUP BY 1, 2 HAVING count(DISTINCT s.id) > 1""",
    ),
    (
        "no access key is above its GPU quota",
        """SELECT s.access_key, ra.slot_name, sum(coalesce(ra.used, ra.requested)) AS use
             FROM sessions s JOIN kernels k ON k.session_id = s.id
             JOIN resource_allocations ra ON ra.kernel_id = k.id AND ra.free_at IS NULL
             JOIN keypairs kp ON kp.access_key = s.access_key
             JOIN keypair_resource_policies p ON p.name = kp.resource_policy
            WHERE k.status IN ('SCHEDULED', 'RUNNING') AND ra.slot_name LIKE 'cuda.%'
              AND s.session_type <> 'SYSTEM' AND p.default_for_unspecified = 'LIMITED'
            GROUP BY s.access_key, ra.slot_name, p.total_resource_slots
           HAVING sum(coalesce(ra.used, ra.requested))
                  > coalesce((p.total_resource_slots ->> ra.slot_name)::numeric, 0)""",
    ),
]


def check_consistency(world: World, when: str) -> None:
    empty(world.rows(CONSISTENCY), f"the books balance {when}")


def check_round_rules(world: World) -> None:
    for sentence, query in ROUND_RULES:
        empty(world.rows(query), sentence)


def fingerprint(world: World) -> str:
    """Of every row that a call could change; equal before and after a call that must not write."""
    tables = world.rows(
        """SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) AS name FROM pg_tables
            WHERE schemaname IN ('public', 'berth') ORDER BY 1"""
    )
    parts = [
        f"SELECT '{t['name']}', md5(coalesce(string_agg(r::text, '|' ORDER BY r::text), '')) AS h"
        f" FROM {t['name']} r"
        for t in tables
    ]
    return world.psql("-c", " UNION ALL ".join(parts) + " ORDER BY 1")
