"""What happens to Redis, and to the connections to it."""

from __future__ import annotations

import os
import signal
import time

from catalog import Hit, fault
from replica import REDIS, sleep

CHANNEL = "berth.events"
LIES = ("", "berth1", "berth1 fedcba9876543210 9223372036854775807 group1", "berth1 fedcba9876543210 1 group2",
        "berth1 fedcba9876543210 99999999 nobody", "berth1 fedcba9876543210 -1 group3", "0\xff" * 40)
BITS = 16  # of one message in so many the others are late
WRONG = (("set", "x"), ("rpush", "x"), ("sadd", "x"), ("hset", "x", "y"), ("zadd", "1", "x"), ("xadd", "*", "x", "y"))


@fault("redis", "I16 I17", weight=2, takes="redis")
def kill_redis(hit: Hit) -> None:
    """kill -9; it stays away for a while and comes back empty."""
    os.kill(hit.campaign.redis_pid(), signal.SIGKILL)
    sleep(hit.rng, 0, 2)
    hit.campaign.service("stop redis")
    hit.campaign.service("start redis")


@fault("redis", "I16", takes="redis")
def restart_redis(hit: Hit) -> None:
    """It is stopped and comes back empty."""
    hit.campaign.service("stop redis")
    sleep(hit.rng, 0, 0.5)
    hit.campaign.service("start redis")


@fault("redis", "I16 I17", weight=2, takes="redis")
def pause_redis(hit: Hit) -> None:
    """SIGSTOP for `--redis-pause` seconds (up to 3 unless told), then SIGCONT."""
    pid = hit.campaign.redis_pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        sleep(hit.rng, 0.5, hit.campaign.redis_pause)
    finally:
        os.kill(pid, signal.SIGCONT)


@fault("redis", "I16", weight=2)
def flush_redis(hit: Hit) -> None:
    """FLUSHALL, again and again."""
    for _ in range(hit.rng.randint(1, 20)):
        hit.campaign.redis("flushall")
        time.sleep(0.02)


@fault("redis", "I16", weight=2)
def wrong_type_keys(hit: Hit) -> int:
    """Every key becomes a value of another type: leases, counters, marks."""
    c, struck = hit.campaign, 0
    for _ in range(hit.rng.randint(3, 10)):
        keys = c.redis("keys", "*").split("\n") + [f"berth.lease.{group}" for group in c.groups]
        for key in filter(None, keys):
            verb, *rest = hit.rng.choice(WRONG)
            c.redis("eval", "redis.call('del', KEYS[1]); redis.call(ARGV[1], KEYS[1], unpack(ARGV, 2)); "
                    "return redis.call('expire', KEYS[1], 1)", "1", key, verb, *rest)
            struck += 1
        time.sleep(0.1)
    return struck


@fault("redis", "I16", weight=2)
def evict_keys(hit: Hit) -> int:
    """Keys vanish one by one, as when memory is short."""
    c, struck = hit.campaign, 0
    for _ in range(hit.rng.randint(5, 40)):
        key = c.redis("randomkey").strip()
        struck += bool(key) and c.redis("del", key).strip() == "1"
        time.sleep(0.02)
    return struck


@fault("redis", "I16", takes="redis")
def full_redis(hit: Hit) -> None:
    """It takes no writes: `maxmemory` is reached and nothing may be evicted."""
    hit.campaign.redis("config", "set", "maxmemory", "1")
    try:
        sleep(hit.rng, 0.5, 2)
    finally:
        hit.campaign.redis("config", "set", "maxmemory", "0")


@fault("redis", "I9 I10", weight=2)
def old_messages(hit: Hit) -> int:
    """What replicas tell each other is told again, several times, late and out of order."""
    heard = hit.campaign.ear.take()
    hit.rng.shuffle(heard)
    for text in heard[:BITS] * 3:
        hit.campaign.redis("publish", CHANNEL, text)
    return len(heard[:BITS])


@fault("redis", "I9 I10")
def false_messages(hit: Hit) -> None:
    """Replicas are told of events that there are not, and nonsense."""
    for _ in range(20):
        hit.campaign.redis("publish", CHANNEL, hit.rng.choice(LIES))


@fault("redis", "I9 I10 I16", weight=2)
def end_redis_clients(hit: Hit) -> int:
    """All connections to Redis are ended (CLIENT KILL)."""
    return sum(int(hit.campaign.redis("client", "kill", "type", kind)) for kind in ("normal", "pubsub"))


@fault("redis", "I16 I17")
def half_open_redis(hit: Hit) -> int:
    """A replica's connections to Redis stay open and carry nothing any more."""
    return hit.any_replica().hurt(REDIS, "half_open")


@fault("redis", "I16 I17")
def slow_redis(hit: Hit) -> None:
    """Everything from and to Redis is half a second late."""
    hit.any_replica().hurt(REDIS, f"delay 0.5 {1 + hit.rng.random():.2f}")
