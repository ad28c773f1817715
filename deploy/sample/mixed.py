"""The sample: a mixed GPU cluster on a busy morning.

Two scaling groups. `gpu` (first in, first out; fills agents up) has the training machines, `lab`
(dominant resource fairness; spreads) is for everybody. Some sessions run, some 300 wait, and each
reason to wait has at least one session that shows it; those have telling names.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from cluster import GIB, Agent, Cluster, Policy, ScalingGroup, Session, SessionGroup, Slots
from cluster import User, slots, total

PENDING = 300
RUNNING = 90


@dataclass
class Kind:
    """A kind of work: how often it comes, and what one session of it looks like."""

    weight: int
    name: str
    type: str
    wants: list[Slots]
    groups: tuple[str, ...] = ("gpu", "lab")
    multi_node: bool = False
    architecture: str = "x86_64"


def training(count: int) -> Slots:
    return slots(cpu=8 * count, mem=96 * GIB * count, cuda_device=count)


KINDS = [
    Kind(18, "notebook", "INTERACTIVE", [slots(cpu=4, mem=16 * GIB, cuda_shares="0.25")]),
    Kind(10, "notebook-half", "INTERACTIVE", [slots(cpu=6, mem=24 * GIB, cuda_shares="0.5")]),
    Kind(14, "shell", "INTERACTIVE", [slots(cpu=2, mem=8 * GIB)]),
    Kind(4, "ide-and-db", "INTERACTIVE", [slots(cpu=4, mem=12 * GIB), slots(cpu=2, mem=8 * GIB)]),
    Kind(12, "finetune", "BATCH", [training(1)]),
    Kind(8, "train-2", "BATCH", [training(2)]),
    Kind(7, "train-4", "BATCH", [training(4)], groups=("gpu",)),
    Kind(6, "train-8", "BATCH", [training(8)], groups=("gpu",)),
    Kind(2, "pretrain", "BATCH", [training(8)] * 2, groups=("gpu",), multi_node=True),
    Kind(10, "etl", "BATCH", [slots(cpu=16, mem=64 * GIB)]),
    Kind(4, "sweep", "BATCH", [slots(cpu=8, mem=32 * GIB)] * 4, multi_node=True),
    Kind(7, "serve", "INFERENCE", [slots(cpu=4, mem=16 * GIB, cuda_shares=1)]),
    Kind(2, "arm-build", "BATCH", [slots(cpu=8, mem=16 * GIB)], ("lab",), architecture="aarch64"),
]
NAMES = "ada bob cleo dan eve finn gus hana ida jon kim lea max nia otto pia quin rosa sam tess"
PRIORITIES = [(82, 10), (10, 20), (8, 5)]  # how many of 100 have which priority


def make_agents(cluster: Cluster, gpu: ScalingGroup, lab: ScalingGroup) -> None:
    a100 = slots(cpu=128, mem=1024 * GIB, cuda_device=8)
    v100 = slots(cpu=64, mem=512 * GIB, cuda_device=4)
    t4 = slots(cpu=48, mem=192 * GIB, cuda_shares=4)
    plain = slots(cpu=96, mem=384 * GIB)
    shapes = [
        (gpu, "a100", 10, a100, "x86_64"),
        (gpu, "v100", 8, v100, "x86_64"),
        (gpu, "t4", 6, t4, "x86_64"),
        (gpu, "cpu", 4, plain, "x86_64"),
        (lab, "a100", 3, a100, "x86_64"),
        (lab, "t4", 6, t4, "x86_64"),
        (lab, "cpu", 9, plain, "x86_64"),
        (lab, "arm", 4, slots(cpu=80, mem=256 * GIB), "aarch64"),
    ]
    for group, shape, count, capacity, architecture in shapes:
        for number in range(1, count + 1):
            name = f"{group.name}-{shape}-{number:02}"
            cluster.add_agent(Agent(name, group, dict(capacity), architecture))
    agent_named(cluster, "lab-cpu-09").status = "LOST"
    agent_named(cluster, "gpu-v100-08").schedulable = False


def agent_named(cluster: Cluster, name: str) -> Agent:
    return next(agent for agent in cluster.agents if agent.id == name)


def make_people(cluster: Cluster) -> None:
    """Four projects of five: two of the team, two students, one without limits."""
    team = Policy(
        "team",
        {"cpu": "512", "mem": "6t", "cuda.device": "48", "cuda.shares": "16"},
        max_sessions=40,
    )
    student = Policy(
        "student",
        {"cpu": "64", "mem": "256g", "cuda.device": "1", "cuda.shares": "1"},
        max_sessions=6,
        max_pending=8,
    )
    free = Policy("free", {}, unlimited=True)
    cluster.policies = [team, student, free]
    cluster.domain.limits = {"cuda.device": "160"}
    limits = [
        ("vision", {"cuda_device": "64"}),
        ("language", {"cuda_device": "96"}),
        ("speech", {"cuda_device": "24", "cuda_shares": "12"}),
        ("platform", {}),
    ]
    names = iter(NAMES.split())
    for project_name, project_limits in limits:
        project = cluster.add_project(project_name, **project_limits)
        for policy in (team, team, student, student, free):
            cluster.add_user(next(names), policy, project)


def users_of(cluster: Cluster, *policies: str) -> list[User]:
    return [user for user in cluster.users if user.policy.name in policies]


def pick_kind(cluster: Cluster) -> Kind:
    return cluster.random.choices(KINDS, weights=[kind.weight for kind in KINDS])[0]


def make_session(cluster: Cluster, kind: Kind, user: User, number: int, age: timedelta) -> Session:
    group_name = cluster.random.choice(kind.groups)
    group = next(group for group in cluster.groups if group.name == group_name)
    weights = [weight for weight, _ in PRIORITIES]
    priority = cluster.random.choices(PRIORITIES, weights=weights)[0][1]
    return cluster.add_session(
        f"{kind.name}-{number:03}",
        user,
        group,
        kind.wants,
        age,
        architecture=kind.architecture,
        type=kind.type,
        multi_node=kind.multi_node,
        priority=priority,
    )


def has_gpu(amounts: Slots) -> bool:
    return any(slot.startswith("cuda.") for slot in amounts)


def find_agents(cluster: Cluster, session: Session) -> list[Agent] | None:
    """Agents with room for the session, chosen by chance; None when it does not fit."""
    first = session.kernels[0]
    candidates = [
        agent
        for agent in cluster.agents
        if agent.group is session.group
        and agent.status == "ALIVE"
        and agent.schedulable
        and agent.architecture == first.architecture
        # Work without GPUs keeps off the machines that have them.
        and has_gpu(agent.capacity) == has_gpu(first.slots)
    ]
    cluster.random.shuffle(candidates)
    if session.multi_node:
        chosen = [agent for agent in candidates if agent.fits(first.slots)]
        return chosen[: len(session.kernels)] if len(chosen) >= len(session.kernels) else None
    whole = total([kernel.slots for kernel in session.kernels])
    for agent in candidates:
        if agent.fits(whole):
            return [agent] * len(session.kernels)
    return None


def make_running(cluster: Cluster) -> None:
    """Work of the night: mostly RUNNING, some only just SCHEDULED. Quotas leave room for it."""
    owners = users_of(cluster, "team", "free")
    live: dict[str, int] = {}
    devices: dict[str, Slots] = {}
    for number in range(RUNNING):
        user = owners[number % len(owners)]
        age = timedelta(minutes=cluster.random.randrange(30, 60 * 40))
        session = make_session(cluster, pick_kind(cluster), user, number, age)
        agents = find_agents(cluster, session)
        use = total([devices.get(user.project.name, {}), *(k.slots for k in session.kernels)])
        if agents is None or use.get("cuda.device", 0) > 20 or use.get("cuda.shares", 0) > 8:
            cluster.sessions.remove(session)
            continue
        live[user.name] = live.get(user.name, 0) + 1
        devices[user.project.name] = use
        cluster.run(session, agents, "SCHEDULED" if number % 15 == 7 else "RUNNING")


def make_pending(cluster: Cluster, count: int) -> None:
    # Students ask less often than the others.
    askers = cluster.users + 2 * users_of(cluster, "team", "free")
    for number in range(count):
        user = cluster.random.choice(askers)
        kind = pick_kind(cluster)
        age = timedelta(seconds=cluster.random.randrange(60, 3600 * 14))
        make_session(cluster, kind, user, 500 + number, age)


def make_past(cluster: Cluster, name: str, user: User, result: str) -> Session:
    """A session of yesterday that is over."""
    lab = cluster.groups[1]
    want = slots(cpu=16, mem=64 * GIB)
    session = cluster.add_session(name, user, lab, [want], timedelta(hours=30), type="BATCH")
    cluster.finish(session, [agent_named(cluster, "lab-cpu-01")], result)
    return session


def make_special(cluster: Cluster) -> None:
    """One session, or a few, for each thing a scheduler has to explain."""
    gpu, lab = cluster.groups
    ada, bob, cleo, _, free = cluster.users[:5]
    small = slots(cpu=2, mem=4 * GIB)
    hour = timedelta(hours=1)

    def waits(name: str, user: User, group: ScalingGroup, want: Slots, **more) -> Session:
        return cluster.add_session(name, user, group, [want], hour, **more)

    waits("never-fits-16-gpus", free, gpu, training(16), type="BATCH")
    waits("no-such-arm-gpu", free, gpu, small, architecture="aarch64")
    waits("over-quota-notebook", cleo, lab, slots(cpu=4, mem=16 * GIB, cuda_shares=3))
    tonight = cluster.now + 6 * hour
    waits("nightly-training", ada, gpu, training(4), type="BATCH", requested_start=tonight)
    waits("after-import", bob, lab, small, type="BATCH").depends_on = [
        make_past(cluster, "import-done", bob, "SUCCESS")
    ]
    waits("after-crash", bob, lab, small, type="BATCH").depends_on = [
        make_past(cluster, "import-crashed", bob, "FAILURE")
    ]
    blocker = waits("long-import", bob, lab, slots(cpu=64, mem=128 * GIB), type="BATCH")
    waits("after-long-import", bob, lab, small, type="BATCH").depends_on = [blocker]
    lost = agent_named(cluster, "lab-cpu-09")
    waits("pinned-to-lost", free, lab, small, designated=[lost], designated_strict=True)
    waits("prefers-cpu-03", free, lab, small, designated=[agent_named(cluster, "lab-cpu-03")])
    waits("urgent-fix", free, gpu, training(1), priority=90)
    waits("upload", ada, lab, slots(cpu=1, mem=1 * GIB), type="SYSTEM")
    cluster.add_session("forgotten", ada, lab, [small], timedelta(days=9))
    make_replicas(cluster, free)
    big = [training(8)] * 4
    cluster.add_session(
        "pretrain-4x8", free, gpu, big, 3 * hour, type="BATCH", multi_node=True, priority=30
    )


def make_replicas(cluster: Cluster, owner: User) -> None:
    """An inference endpoint whose replicas must be on different agents; one more than there are."""
    group = SessionGroup(cluster.new_id(), owner.project, owner, "spread", "strict")
    cluster.session_groups.append(group)
    want = slots(cpu=2, mem=8 * GIB, cuda_shares="0.5")
    for number in range(1, 8):
        cluster.add_session(
            f"chat-replica-{number}",
            owner,
            cluster.groups[1],
            [want],
            timedelta(minutes=50 - number),
            type="INFERENCE",
            session_group=group,
            priority=20,
        )


def running(
    cluster: Cluster, name: str, user: User, want: Slots, agent: Agent, **more
) -> Session:
    """A session that has been running on the agent for some hours."""
    age = timedelta(hours=5)
    session = cluster.add_session(name, user, agent.group, [want], age, **more)
    cluster.run(session, [agent])
    return session


def make_limits(cluster: Cluster) -> None:
    """Sessions that meet a limit, which takes others that use it up."""
    gpu, lab = cluster.groups
    tiny = slots(cpu=1, mem=2 * GIB)
    student, other_student = users_of(cluster, "student")[1:3]
    speech = next(user for user in users_of(cluster, "free") if user.project.name == "speech")
    hour = timedelta(hours=1)
    for number in range(1, student.policy.max_sessions + 1):
        agent = agent_named(cluster, f"lab-cpu-0{number}")
        running(cluster, f"homework-{number}", student, tiny, agent)
    cluster.add_session("one-homework-more", student, lab, [tiny], hour)

    before = sum(s.status == "PENDING" and s.user is other_student for s in cluster.sessions)
    for number in range(before, other_student.policy.max_pending):
        cluster.add_session(f"batch-of-{number + 1}", other_student, lab, [tiny], 2 * hour)
    cluster.add_session("one-too-many", other_student, lab, [tiny], timedelta(seconds=30))

    group = SessionGroup(cluster.new_id(), speech.project, speech, "spread", "strict")
    cluster.session_groups.append(group)
    arm = {"type": "INFERENCE", "session_group": group, "architecture": "aarch64"}
    for number in range(1, 5):
        agent = agent_named(cluster, f"lab-arm-0{number}")
        running(cluster, f"voice-replica-{number}", speech, tiny, agent, **arm)
    cluster.add_session("voice-replica-5", speech, lab, [tiny], hour, **arm)

    whole = [training(8)] * 4
    cluster.add_session(
        "speech-4x8", speech, gpu, whole, hour, type="BATCH", multi_node=True, priority=20
    )


def make(now: datetime, seed: int) -> Cluster:
    cluster = Cluster(now, seed)
    gpu = cluster.add_group("gpu", "fifo", "concentrated", config={"num_retries_to_skip": 5})
    lab = cluster.add_group("lab", "drf", "dispersed", pending_timeout=7 * 86400)
    make_agents(cluster, gpu, lab)
    make_people(cluster)
    make_running(cluster)
    make_special(cluster)
    pending = sum(session.status == "PENDING" for session in cluster.sessions)
    make_pending(cluster, PENDING - pending)
    make_limits(cluster)
    return cluster
