"""A cluster from a folder in the format of the openb GPU trace: nodes become agents, tasks wait.

Columns: nodes `sn, cpu_milli, memory_mib, gpu, model`; tasks `name, cpu_milli, memory_mib, num_gpu,
gpu_milli (share of one GPU when num_gpu is 1), gpu_spec (allowed models, | between), qos,
creation_time, ...`. GPUs are counted as cuda.shares, so that a task may ask for 0.46 of one.
"""

from __future__ import annotations

import csv
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

from cluster import Agent, Cluster, Policy, ScalingGroup, Slots, slots

NODES = "openb_node_list_gpu_node.csv"
TASKS = "openb_pod_list_default.csv"
TYPES = {"LS": "INFERENCE", "BE": "BATCH"}  # anything else: INTERACTIVE
USERS = 8
MIB = 2**20

Row = dict[str, str]


def read(path: Path) -> list[Row]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def whole(row: Row, column: str) -> int:
    return int(row[column] or 0)


def task_slots(row: Row) -> Slots:
    return slots(
        cpu=Decimal(whole(row, "cpu_milli")) / 1000,
        mem=whole(row, "memory_mib") * MIB,
        cuda_shares=Decimal(whole(row, "num_gpu") * whole(row, "gpu_milli")) / 1000,
    )


def add_nodes(cluster: Cluster, group: ScalingGroup, rows: list[Row]) -> dict[str, list[Agent]]:
    """Agents named <sn>.<model>; the answer lists them by model."""
    by_model: dict[str, list[Agent]] = {}
    for row in rows:
        capacity = slots(
            cpu=Decimal(whole(row, "cpu_milli")) / 1000,
            mem=whole(row, "memory_mib") * MIB,
            cuda_shares=whole(row, "gpu"),
        )
        model = row["model"] or "none"
        agent = cluster.add_agent(Agent(f"{row['sn']}.{model.lower()}", group, capacity))
        by_model.setdefault(model, []).append(agent)
    return by_model


def add_tasks(
    cluster: Cluster, group: ScalingGroup, rows: list[Row], by_model: dict[str, list[Agent]]
) -> None:
    last = max(whole(row, "creation_time") for row in rows)
    for number, row in enumerate(rows):
        models = [model for model in row["gpu_spec"].split("|") if model]
        cluster.add_session(
            row["name"],
            cluster.users[number % len(cluster.users)],
            group,
            [task_slots(row)],
            timedelta(seconds=1 + last - whole(row, "creation_time")),
            type=TYPES.get(row["qos"], "INTERACTIVE"),
            designated=[agent for model in models for agent in by_model.get(model, [])],
            designated_strict=bool(models),
        )


def make(now: datetime, seed: int, folder: Path, nodes: str = NODES, tasks: str = TASKS) -> Cluster:
    cluster = Cluster(now, seed)
    group = cluster.add_group("openb", "fifo", "concentrated")
    policy = Policy("free", {}, unlimited=True)
    cluster.policies = [policy]
    projects = [cluster.add_project(name) for name in ("serving", "training")]
    for number in range(USERS):
        cluster.add_user(f"user-{number + 1}", policy, projects[number % len(projects)])
    add_tasks(cluster, group, read(folder / tasks), add_nodes(cluster, group, read(folder / nodes)))
    return cluster
