"""The plain objects a cluster is made of, and the rules that keep them consistent.

Amounts are Decimals in the unit of the slot: pieces, or bytes for "mem". Times are aware UTC
datetimes. Ids come from one seeded generator, so that the same seed gives the same cluster.
"""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

GIB = 2**30

Slots = dict[str, Decimal]


def slots(**amounts: float | int | str) -> Slots:
    """slots(cpu=4, mem=16 * GIB, cuda_shares="0.5"); amounts of zero are left out."""
    named = {key.replace("_", "."): Decimal(str(value)) for key, value in amounts.items()}
    return {key: value for key, value in named.items() if value}


def add(into: Slots, amounts: Slots) -> None:
    for key, value in amounts.items():
        into[key] = into.get(key, Decimal(0)) + value


def total(parts: list[Slots]) -> Slots:
    result: Slots = {}
    for part in parts:
        add(result, part)
    return result


@dataclass
class Policy:
    """Quotas of a keypair; a slot that is not named is 0 unless `unlimited`. Sizes may be "64g"."""

    name: str
    limits: dict[str, str]
    unlimited: bool = False
    max_sessions: int = 0
    max_pending: int | None = None


@dataclass
class Domain:
    id: uuid.UUID
    name: str
    limits: dict[str, str]


@dataclass
class Project:
    id: uuid.UUID
    name: str
    limits: dict[str, str]


@dataclass
class User:
    id: uuid.UUID
    name: str
    access_key: str
    policy: Policy
    project: Project


@dataclass
class ScalingGroup:
    id: uuid.UUID
    name: str
    scheduler: str
    strategy: str
    pending_timeout: int = 0  # seconds, 0: none
    config: dict[str, object] = field(default_factory=dict)


@dataclass
class Agent:
    id: str
    group: ScalingGroup
    capacity: Slots
    architecture: str = "x86_64"
    status: str = "ALIVE"
    schedulable: bool = True
    addr: str = ""
    reserved: Slots = field(default_factory=dict)
    used: Slots = field(default_factory=dict)

    def fits(self, want: Slots) -> bool:
        return all(
            self.used.get(key, 0) + self.reserved.get(key, 0) + value <= self.capacity.get(key, 0)
            for key, value in want.items()
        )


@dataclass
class SessionGroup:
    id: uuid.UUID
    project: Project
    owner: User
    direction: str  # spread, pack, none
    enforcement: str  # preferred, strict


@dataclass
class Kernel:
    id: uuid.UUID
    role: str
    index: int  # 1-based within the role
    slots: Slots
    architecture: str = "x86_64"
    agent: Agent | None = None


@dataclass
class Session:
    id: uuid.UUID
    creation_id: str
    name: str
    user: User
    group: ScalingGroup
    created_at: datetime
    kernels: list[Kernel]
    type: str = "INTERACTIVE"
    multi_node: bool = False
    priority: int = 10
    requested_start: datetime | None = None
    designated: list[Agent] = field(default_factory=list)
    designated_strict: bool = False
    session_group: SessionGroup | None = None
    depends_on: list["Session"] = field(default_factory=list)
    status: str = "PENDING"
    result: str = "UNDEFINED"
    started_at: datetime | None = None
    ended_at: datetime | None = None


CREATION_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


class Cluster:
    """Everything that becomes rows."""

    def __init__(self, now: datetime, seed: int) -> None:
        self.now = now
        self.random = random.Random(seed)
        self.domain = Domain(self.new_id(), "default", {})
        self.policies: list[Policy] = []
        self.projects: list[Project] = []
        self.users: list[User] = []
        self.groups: list[ScalingGroup] = []
        self.agents: list[Agent] = []
        self.session_groups: list[SessionGroup] = []
        self.sessions: list[Session] = []

    def new_id(self) -> uuid.UUID:
        return uuid.UUID(int=self.random.getrandbits(128), version=4)

    def add_group(self, name: str, scheduler: str, strategy: str, **more) -> ScalingGroup:
        self.groups.append(ScalingGroup(self.new_id(), name, scheduler, strategy, **more))
        return self.groups[-1]

    def add_project(self, name: str, **limits: str) -> Project:
        named = {key.replace("_", "."): value for key, value in limits.items()}
        self.projects.append(Project(self.new_id(), name, named))
        return self.projects[-1]

    def add_user(self, name: str, policy: Policy, project: Project) -> User:
        key = f"AK{name.upper().replace('-', '')}"[:20]
        self.users.append(User(self.new_id(), name, key, policy, project))
        return self.users[-1]

    def add_agent(self, agent: Agent) -> Agent:
        number = len(self.agents)
        agent.addr = agent.addr or f"tcp://10.20.{number // 250}.{number % 250 + 1}:6001"
        self.agents.append(agent)
        return agent

    def add_session(
        self,
        name: str,
        user: User,
        group: ScalingGroup,
        wants: list[Slots],
        age: timedelta,
        architecture: str = "x86_64",
        **more,
    ) -> Session:
        """A pending session, one kernel for each of `wants`, created `age` ago."""
        kernels = [
            Kernel(
                self.new_id(),
                role="sub" if number else "main",
                index=number or 1,
                slots=want,
                architecture=architecture,
            )
            for number, want in enumerate(wants)
        ]
        creation_id = "".join(self.random.choices(CREATION_ALPHABET, k=22))
        session = Session(
            self.new_id(), creation_id, name, user, group, self.now - age, kernels, **more
        )
        self.sessions.append(session)
        return session

    def run(self, session: Session, agents: list[Agent], status: str = "RUNNING") -> None:
        """Puts a session's kernels on agents: RUNNING holds `used`, SCHEDULED holds `reserved`."""
        session.status = status
        session.started_at = session.created_at + timedelta(seconds=40)
        for kernel, agent in zip(session.kernels, agents, strict=True):
            kernel.agent = agent
            add(agent.used if status == "RUNNING" else agent.reserved, kernel.slots)

    def finish(self, session: Session, agents: list[Agent], result: str) -> None:
        """Makes it a session that ran on agents and is over; it holds nothing any more."""
        session.status = "TERMINATED"
        session.result = result
        session.started_at = session.created_at + timedelta(seconds=40)
        session.ended_at = session.created_at + (self.now - session.created_at) / 2
        for kernel, agent in zip(session.kernels, agents, strict=True):
            kernel.agent = agent
