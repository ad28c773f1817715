"""A violation for each rule about rows, planted and taken back: shows that the rule would notice."""

from __future__ import annotations

from check import check, equal
from rows import CONSISTENCY, ROUND_RULES
from world import World

ONE_SCHEDULED = "(SELECT id FROM sessions WHERE status = 'SCHEDULED' LIMIT 1)"
KERNELS_OF = "SELECT id FROM kernels WHERE status"
ONE_OF_MANY = """(SELECT k.id FROM kernels k JOIN sessions s ON s.id = k.session_id
                   WHERE k.status = 'SCHEDULED' AND s.cluster_size > 1 AND k.cluster_role = 'sub'
                     AND s.cluster_mode = 'single-node' LIMIT 1)"""

PLANTS = {
    "no agent is above its capacity": "UPDATE agent_resources SET capacity = used / 2 WHERE used > 0",
    "what agents hold is what the ledger says": (
        "UPDATE agent_resources SET reserved = reserved - 1 WHERE reserved > 1"
    ),
    "all kernels of a session are scheduled, or none": (
        f"UPDATE kernels SET status = 'PENDING', agent = NULL WHERE id = {ONE_OF_MANY}"
    ),
    "a waiting kernel has no agent, a scheduled one has": (
        "UPDATE kernels SET agent = NULL WHERE status = 'SCHEDULED'"
    ),
    "the events of a group are numbered without holes": (
        "DELETE FROM berth.events WHERE sequence = 2"
    ),
    "a scheduled session names the agents of its kernels and its status says when": (
        f"UPDATE sessions SET agent_ids = '{{x}}' WHERE id = {ONE_SCHEDULED}"
    ),
    "a scheduled kernel has its agent's address and architecture": (
        "UPDATE kernels SET agent_addr = 'tcp://elsewhere' WHERE status = 'SCHEDULED'"
    ),
    "the kernels of a single-node session are on one agent": (
        f"UPDATE kernels SET agent = (SELECT min(id) FROM agents a WHERE a.id <> kernels.agent)"
        f" WHERE id = {ONE_OF_MANY}"
    ),
    "nothing is scheduled on an agent that is lost or closed": (
        "UPDATE agents SET schedulable = false"
        " WHERE id = (SELECT agent FROM kernels WHERE status = 'SCHEDULED' LIMIT 1)"
    ),
    "the ledger reserves exactly what a scheduled kernel asked for": (
        "UPDATE resource_allocations SET reserved = reserved / 2"
        f" WHERE kernel_id IN ({KERNELS_OF} = 'SCHEDULED')"
    ),
    "the ledger of a waiting kernel holds nothing": (
        "UPDATE resource_allocations SET reserved = requested"
        f" WHERE kernel_id IN ({KERNELS_OF} = 'PENDING')"
    ),
    "each session a round tried in vain says so, counts its retries and names a reason": (
        "UPDATE sessions SET status_data = '{}' WHERE status = 'PENDING'"
    ),
    "its kernels say the same": "UPDATE kernels SET status_info = 'x' WHERE status = 'PENDING'",
    "each session a round scheduled has one such line in its history": (
        "DELETE FROM session_scheduling_history"
        " WHERE phase = 'schedule-sessions' AND result = 'SUCCESS'"
    ),
    "each session that waits has one line in its history, with a cause and a sentence": (
        "UPDATE session_scheduling_history SET error_code = NULL WHERE result = 'NEED_RETRY'"
    ),
    "each session has at most one event of each kind of change": (
        "INSERT INTO berth.events (scaling_group_id, sequence, type, epoch, session_id, created_at,"
        " from_status, to_status) SELECT scaling_group_id, sequence + 1000000, type, epoch,"
        " session_id, created_at, from_status, to_status FROM berth.events WHERE type = 1"
    ),
    "a status moves together with its event": (
        "UPDATE berth.events SET to_status = 'CANCELLED' WHERE type = 1"
    ),
    "a newer epoch never comes before an older one": (
        "UPDATE berth.events SET epoch = epoch + 1 WHERE sequence = 1"
    ),
    "replicas that must be apart are apart": (
        "UPDATE kernels SET agent = (SELECT min(id) FROM agents) WHERE status = 'SCHEDULED'"
        " AND session_id IN (SELECT id FROM sessions WHERE session_group_id IS NOT NULL)"
    ),
    "no access key is above its GPU quota": (
        "UPDATE keypair_resource_policies SET total_resource_slots = '{}'"
    ),
}


def caught(world: World, plant: str, query: str) -> bool:
    script = f"BEGIN; {plant}; SELECT count(*) FROM ({query}) q; ROLLBACK;"
    return int(world.psql(input_text=script).strip()) > 0


def check_rules(world: World) -> None:
    """After a round, with no violation in the rows."""
    rules = {sentence: query for sentence, query in ROUND_RULES}
    parts = CONSISTENCY.count("UNION ALL") + 1
    equal(len(PLANTS), len(rules) + parts, "there is a violation to plant for every rule")
    for sentence, plant in PLANTS.items():
        query = rules.get(sentence)
        if query is None:
            query = f"SELECT * FROM ({CONSISTENCY}) c WHERE rule = '{sentence}'"
        check(caught(world, plant, query), f"noticed when planted: {sentence}")
