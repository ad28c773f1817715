"""The ways in which the cluster is hurt. Each fault is a function of the campaign; what it did is counted."""

from __future__ import annotations

import os
import random
import signal
import time
from typing import Any

LEASE_SECONDS = 1.0


def kill_replica(campaign: Any, rng: random.Random) -> None:
    """kill -9, and a new one in its place."""
    i = rng.randrange(len(campaign.replicas))
    campaign.replicas[i].kill()
    campaign.count("kills")
    time.sleep(rng.random())
    campaign.replicas[i].start()


def pause_replica(campaign: Any, rng: random.Random) -> None:
    """Stopped for longer than its lease lives, then awake again with whatever it was doing."""
    replica = rng.choice(campaign.replicas)
    os.kill(replica.pid, signal.SIGSTOP)
    campaign.count("pauses")
    time.sleep(LEASE_SECONDS * (1.2 + rng.random()))
    os.kill(replica.pid, signal.SIGCONT)


def restart_postgres(campaign: Any, _: random.Random) -> None:
    campaign.services.command("stop pg")
    campaign.services.command("start pg")
    campaign.count("restarts")


def terminate_backends(campaign: Any, rng: random.Random) -> None:
    """A few of berthd's backends, wherever they are: also between COMMIT and its answer."""
    for _ in range(rng.randint(5, 40)):
        campaign.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'berth%'"
            " AND datname = current_database() AND (state = 'active' OR random() < 0.2)"
            " ORDER BY (query = 'COMMIT') DESC, random() LIMIT 1"
        )
        time.sleep(0.01)
    campaign.count("terminations")


def restart_redis(campaign: Any, rng: random.Random) -> None:
    """It comes back empty."""
    campaign.services.command("stop redis")
    time.sleep(rng.random())
    campaign.services.command("start redis")
    campaign.count("restarts")


def flush_redis(campaign: Any, rng: random.Random) -> None:
    for _ in range(rng.randint(1, 20)):
        campaign.redis("flushall")
        time.sleep(0.02)
    campaign.count("flushes")


def pause_redis(campaign: Any, rng: random.Random) -> None:
    pid = int(campaign.redis("info", "server").partition("process_id:")[2].split()[0])
    os.kill(pid, signal.SIGSTOP)
    campaign.count("pauses")
    time.sleep(1 + 2 * rng.random())
    os.kill(pid, signal.SIGCONT)


def cut_connections(campaign: Any, rng: random.Random) -> None:
    for _ in range(rng.randint(1, 5)):
        rng.choice(campaign.replicas).proxy.command("cut")
        time.sleep(rng.random() * 0.2)
    campaign.count("cuts")


def pause_connections(campaign: Any, rng: random.Random) -> None:
    rng.choice(campaign.replicas).proxy.command(f"pause {0.5 + rng.random():.2f}")
    campaign.count("pauses")


HURTS = [kill_replica, kill_replica, pause_replica, pause_replica, restart_postgres, terminate_backends,
          terminate_backends, restart_redis, flush_redis, pause_redis, cut_connections, cut_connections,
          pause_connections]
