"""A cluster as SQL: one transaction of COPY blocks, rows as the cluster manager writes them.

Waiting kernels have no starts_at, and amounts of zero have no ledger row.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TextIO

from cluster import Agent, Cluster, Kernel, Session, Slots, total
from sql import Array, Row, amount_text, copy

SLOT_TYPES = """\
INSERT INTO resource_slot_types (slot_name, slot_type, required, rank) VALUES
  ('cpu', 'count', true, 100), ('mem', 'bytes', true, 200),
  ('cuda.device', 'count', false, 300), ('cuda.shares', 'count', false, 400)
  ON CONFLICT (slot_name) DO NOTHING;
"""
MAIN_KEYS = """\
UPDATE users SET main_access_key = k.access_key FROM keypairs k WHERE k."user" = users.uuid;
"""
EMPTY_LIST = b"\x90"  # a msgpack list without elements
PORTS = ("repl_in_port", "repl_out_port", "stdin_port", "stdout_port")
# What a session and its kernels went through, with seconds after they were scheduled.
STEPS = {
    "SCHEDULED": [("SCHEDULED", 0)],
    "RUNNING": [
        ("SCHEDULED", 0),
        ("PREPARING", 1),
        ("PREPARED", 3),
        ("CREATING", 4),
        ("RUNNING", 9),
    ],
}


def slots_json(slots: Slots) -> dict[str, str]:
    """A slot map as stored in JSON columns: text amounts of two decimals."""
    return {key: amount_text(value, 2) for key, value in slots.items()}


def keypair_policies(cluster: Cluster) -> Iterator[Row]:
    for policy in cluster.policies:
        yield {
            "name": policy.name,
            "default_for_unspecified": "UNLIMITED" if policy.unlimited else "LIMITED",
            "total_resource_slots": policy.limits,
            "max_concurrent_sessions": policy.max_sessions,
            "max_pending_session_count": policy.max_pending,
            "max_concurrent_sftp_sessions": 2,
            "max_containers_per_session": 64,
            "idle_timeout": 0,
            "allowed_vfolder_hosts": {},
        }


def projects(cluster: Cluster) -> Iterator[Row]:
    for project in cluster.projects:
        yield {
            "id": project.id,
            "name": project.name,
            "domain_name": cluster.domain.name,
            "is_active": True,
            "total_resource_slots": project.limits,
            "allowed_vfolder_hosts": {},
            "dotfiles": EMPTY_LIST,
            "resource_policy": "default",
            "type": "general",
        }


def users(cluster: Cluster) -> Iterator[Row]:
    for user in cluster.users:
        yield {
            "uuid": user.id,
            "username": user.name,
            "email": f"{user.name}@cluster.test",
            "status": "active",
            "domain_name": cluster.domain.name,
            "role": "user",
            "resource_policy": "default",
            "sudo_session_enabled": False,
        }


def keypairs(cluster: Cluster) -> Iterator[Row]:
    for user in cluster.users:
        yield {
            "access_key": user.access_key,
            "user": user.id,
            "user_id": f"{user.name}@cluster.test",
            "is_active": True,
            "resource_policy": user.policy.name,
            "dotfiles": EMPTY_LIST,
            "bootstrap_script": "",
        }


def scaling_groups(cluster: Cluster) -> Iterator[Row]:
    for group in cluster.groups:
        yield {
            "name": group.name,
            "id": group.id,
            "is_active": True,
            "driver": "static",
            "driver_opts": {},
            "scheduler": group.scheduler,
            "use_host_network": False,
            "scheduler_opts": {
                "allowed_session_types": ["interactive", "batch", "inference"],
                "pending_timeout": group.pending_timeout,
                "config": group.config,
                "agent_selection_strategy": group.strategy,
            },
            "default_session_options": {},
            "default_deployment_options": {},
        }


def agents(cluster: Cluster) -> Iterator[Row]:
    for agent in cluster.agents:
        yield {
            "id": agent.id,
            "status": agent.status,
            "region": "local",
            "scaling_group": agent.group.name,
            "resource_group_id": agent.group.id,
            "schedulable": agent.schedulable,
            "addr": agent.addr,
            "architecture": agent.architecture,
            "available_slots": slots_json(agent.capacity),
            "occupied_slots": {},
            "version": "26.8.1",
            "compute_plugins": {},
        }


def agent_resources(cluster: Cluster) -> Iterator[Row]:
    for agent in cluster.agents:
        for slot, capacity in agent.capacity.items():
            yield {
                "agent_id": agent.id,
                "slot_name": slot,
                "capacity": amount_text(capacity, 6),
                "reserved": amount_text(agent.reserved.get(slot, Decimal(0)), 6),
                "used": amount_text(agent.used.get(slot, Decimal(0)), 6),
            }


def session_groups(cluster: Cluster) -> Iterator[Row]:
    for group in cluster.session_groups:
        yield {
            "id": group.id,
            "domain_id": cluster.domain.id,
            "project_id": group.project.id,
            "owner_user_id": group.owner.id,
            "placement_direction": group.direction,
            "placement_enforcement": group.enforcement,
        }


def status_history(session: Session) -> dict[str, str]:
    stamps = {"PENDING": session.created_at.isoformat()}
    if session.started_at is None:
        return stamps
    for status, seconds in STEPS["SCHEDULED" if session.status == "SCHEDULED" else "RUNNING"]:
        stamps[status] = (session.started_at + timedelta(seconds=seconds)).isoformat()
    if session.ended_at is not None:
        stamps["TERMINATING"] = (session.ended_at - timedelta(seconds=5)).isoformat()
        stamps["TERMINATED"] = session.ended_at.isoformat()
    return stamps


def running_since(session: Session) -> datetime | None:
    if session.started_at is None or session.status == "SCHEDULED":
        return None
    return session.started_at + timedelta(seconds=9)


def agent_ids(session: Session) -> Array | None:
    ids = Array(dict.fromkeys(k.agent.id for k in session.kernels if k.agent is not None))
    return ids or None


def session_options(session: Session) -> dict[str, str]:
    return {"agent_selection_policy": "strict"} if session.designated_strict else {}


def sessions(cluster: Cluster) -> Iterator[Row]:
    for session in cluster.sessions:
        yield {
            "id": session.id,
            "creation_id": session.creation_id,
            "name": session.name,
            "session_type": session.type,
            "priority": session.priority,
            "is_preemptible": True,
            "job_priority": 0,
            "cluster_mode": "multi-node" if session.multi_node else "single-node",
            "cluster_size": len(session.kernels),
            "options": session_options(session),
            "agent_ids": agent_ids(session),
            "designated_agent_ids": Array(a.id for a in session.designated) or None,
            "session_group_id": session.session_group and session.session_group.id,
            "resource_group_id": session.group.id,
            "scaling_group_name": session.group.name,
            "domain_id": cluster.domain.id,
            "domain_name": cluster.domain.name,
            "group_id": session.user.project.id,
            "user_uuid": session.user.id,
            "access_key": session.user.access_key,
            "occupying_slots": {},
            "requested_slots": slots_json(total([k.slots for k in session.kernels])),
            "vfolder_mounts": [],
            "environ": {},
            "use_host_network": False,
            "created_at": session.created_at,
            "terminated_at": session.ended_at,
            "starts_at": running_since(session),
            "requested_starts_at": session.requested_start,
            "status": session.status,
            "status_info": status_info(session),
            "status_history": status_history(session),
            "result": session.result,
        }


def status_info(session: Session) -> str | None:
    return {"PENDING": None, "SCHEDULED": "scheduled", "RUNNING": ""}.get(
        session.status, "self-terminated"
    )


def kernel_agent(agent: Agent | None) -> Row:
    if agent is None:
        return {"agent": None, "agent_addr": None}
    return {"agent": agent.id, "agent_addr": agent.addr}


def kernels(cluster: Cluster) -> Iterator[Row]:
    for session in cluster.sessions:
        started = running_since(session)
        for rank, kernel in enumerate(session.kernels):
            yield {
                "id": kernel.id,
                "session_id": session.id,
                "session_creation_id": session.creation_id,
                "session_name": session.name,
                "session_type": session.type,
                "cluster_mode": "multi-node" if session.multi_node else "single-node",
                "cluster_size": len(session.kernels),
                "cluster_role": kernel.role,
                "cluster_idx": kernel.index,
                "local_rank": rank,
                "cluster_hostname": f"{kernel.role}{kernel.index}",
                "scaling_group": session.group.name,
                "resource_group_id": session.group.id,
                "domain_name": cluster.domain.name,
                "group_id": session.user.project.id,
                "user_uuid": session.user.id,
                "access_key": session.user.access_key,
                "image": "python-torch:3.11",
                "architecture": kernel.architecture,
                **kernel_agent(kernel.agent),
                "occupied_slots": slots_json(kernel.slots) if started else {},
                "requested_slots": slots_json(kernel.slots),
                "occupied_shares": {},
                "use_host_network": False,
                **dict.fromkeys(PORTS, 0),
                "starts_at": started,
                "terminated_at": session.ended_at,
                "status": session.status,
                "status_changed": session.ended_at or started or session.started_at,
                "status_info": status_info(session),
                "status_history": status_history(session),
            }


def allocation(session: Session, kernel: Kernel, slot: str) -> Row:
    amount = amount_text(kernel.slots[slot], 6)
    started = running_since(session)
    return {
        "kernel_id": kernel.id,
        "slot_name": slot,
        "requested": amount,
        "reserved": amount if session.status == "SCHEDULED" else "0",
        "used": amount if started else None,
        "reserved_at": session.started_at,
        "used_at": started,
        "free_at": session.ended_at,
    }


def allocations(cluster: Cluster) -> Iterator[Row]:
    for session in cluster.sessions:
        for kernel in session.kernels:
            for slot, amount in kernel.slots.items():
                if amount:
                    yield allocation(session, kernel, slot)


def dependencies(cluster: Cluster) -> Iterator[Row]:
    for session in cluster.sessions:
        for other in session.depends_on:
            yield {"session_id": session.id, "depends_on": other.id}


def history(cluster: Cluster) -> Iterator[Row]:
    for session in cluster.sessions:
        yield {
            "id": cluster.new_id(),
            "session_id": session.id,
            "phase": "enqueue",
            "from_status": None,
            "to_status": "PENDING",
            "result": "SUCCESS",
            "message": "enqueue success",
            "sub_steps": [],
            "attempts": 1,
            "created_at": session.created_at,
            "updated_at": session.created_at,
        }


def write_fixed(cluster: Cluster, out: TextIO) -> None:
    """Policies and the domain: the rows without which nobody can exist."""
    copy(
        out,
        "user_resource_policies",
        [
            {
                "name": "default",
                "max_vfolder_count": 0,
                "max_quota_scope_size": -1,
                "max_session_count_per_model_session": 10,
                "max_customized_image_count": 3,
            }
        ],
    )
    copy(
        out,
        "project_resource_policies",
        [
            {
                "name": "default",
                "max_vfolder_count": 0,
                "max_quota_scope_size": -1,
                "max_network_count": 3,
            }
        ],
    )
    copy(out, "keypair_resource_policies", keypair_policies(cluster))
    copy(
        out,
        "domains",
        [
            {
                "name": cluster.domain.name,
                "id": cluster.domain.id,
                "is_active": True,
                "total_resource_slots": cluster.domain.limits,
                "allowed_vfolder_hosts": {},
                "allowed_docker_registries": Array(),
                "dotfiles": EMPTY_LIST,
            }
        ],
    )


def write(cluster: Cluster, out: TextIO) -> None:
    """The whole cluster, in an order that satisfies every foreign key."""
    out.write("BEGIN;\n" + SLOT_TYPES)
    write_fixed(cluster, out)
    copy(out, "groups", projects(cluster))
    copy(out, "users", users(cluster))
    copy(out, "keypairs", keypairs(cluster))
    out.write(MAIN_KEYS)
    copy(out, "scaling_groups", scaling_groups(cluster))
    copy(
        out,
        "sgroups_for_domains",
        ({"scaling_group": g.name, "domain": cluster.domain.name} for g in cluster.groups),
    )
    copy(out, "agents", agents(cluster))
    copy(out, "agent_resources", agent_resources(cluster))
    copy(out, "session_groups", session_groups(cluster))
    copy(out, "sessions", sessions(cluster))
    copy(out, "kernels", kernels(cluster))
    copy(out, "resource_allocations", allocations(cluster))
    copy(out, "session_dependencies", dependencies(cluster))
    copy(out, "session_scheduling_history", history(cluster))
    out.write("COMMIT;\nANALYZE;\n")
