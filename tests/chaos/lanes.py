"""Who does the faults: lanes, several at once, with one deck of what is to come."""

from __future__ import annotations

import contextlib
import random
import subprocess
import threading
import time
from typing import Any

import psycopg2

import catalog
import stubs

# What another fault does to this one.
IN_THE_WAY = (psycopg2.Error, subprocess.SubprocessError, OSError, stubs.RpcFailure, ValueError, TimeoutError)


class Lane:
    """Hurts: one fault after the other. Lanes share a deck, and what each has to itself is locked."""

    def __init__(self, campaign: Any, deck: Deck, rng: random.Random) -> None:
        self.campaign, self.deck, self.rng = campaign, deck, rng

    def run(self, end: float) -> None:
        while time.monotonic() < end and not self.campaign.violations:
            with contextlib.ExitStack() as stack:
                card = self.deck.draw(stack, self.campaign)
                if card is None:
                    time.sleep(0.05)
                    continue
                fault, replicas, seed = card
                self.hit(fault, catalog.Hit(self.campaign, random.Random(seed), replicas))
            time.sleep(self.rng.random() * self.campaign.gentle)

    def hit(self, fault: catalog.Fault, hit: catalog.Hit) -> None:
        struck: int | None = 0
        try:
            struck = fault.act(hit)
        except IN_THE_WAY as error:
            self.campaign.why_missed[fault.name] = f"{type(error).__name__}: {error}"
        except RuntimeError as error:
            self.campaign.violation(f"{fault.name} cannot go on: {error}")
        if struck is None or struck > 0:
            self.campaign.count(fault.name, 1 if struck is None else struck)
        elif struck == 0:
            self.campaign.miss(fault.name)


class Deck:
    """The faults to come, in an order that the seed decides."""

    def __init__(self, rng: random.Random, names: list[str]) -> None:
        self.rng, self.names = rng, names
        self.lock = threading.Lock()
        self.cards: list[tuple[str, int]] = []

    def draw(self, stack: contextlib.ExitStack, campaign: Any) -> tuple[catalog.Fault, list[Any], int] | None:
        """The first card whose needs are free; they stay locked until the stack ends."""
        with self.lock:
            if len(self.cards) < len(self.names):
                self.cards += [(name, self.rng.getrandbits(64)) for name in catalog.deck(self.rng, self.names)]
            for i, (name, seed) in enumerate(self.cards):
                fault = catalog.ALL[name]
                replicas = self.claim(stack, campaign, fault, seed)
                if replicas is not None:
                    del self.cards[i]
                    return fault, replicas, seed
        return None

    @staticmethod
    def claim(stack: contextlib.ExitStack, c: Any, fault: catalog.Fault, seed: int) -> list[Any] | None:
        order = list(c.replicas)
        random.Random(seed).shuffle(order)
        with contextlib.ExitStack() as mine:
            if fault.takes and not take(mine, c.locks[fault.takes]):
                return None
            got = []
            for replica in order:
                if len(got) < fault.replicas and take(mine, replica.lock):
                    got.append(replica)
            if len(got) < fault.replicas:
                return None
            stack.push(mine.pop_all())
            return got


def take(stack: contextlib.ExitStack, lock: threading.Lock) -> bool:
    if not lock.acquire(blocking=False):
        return False
    stack.callback(lock.release)
    return True
