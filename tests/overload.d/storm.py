"""Who calls, and how: modest callers in every phase, and all others in the storm."""

from __future__ import annotations

from callers import Caller, Report
from stage import Stage

MODEST = ("modest1", "modest2", "modest3")
NAMES = [*MODEST, "greedy", "silent", "large", "slow"]
# A modest caller begins so many calls a second, whatever becomes of them, and asks again when it is told to.
MODEST_RATE = 4
MODEST_MIX = "groups=2,preview=3,pending=1,cancel=4"
HEALTH_RATE = 30
GREEDY_RATE = 150  # ids for the greedy caller to cancel: more than it gets done
CONNECTIONS = 1500
END_SECONDS = 60
DEADLINE = "6000"  # ms


def modest(stage: Stage, name: str, seconds: float, phase: str) -> Caller:
    return stage.start(f"{name}-{phase}", "--rate", str(MODEST_RATE), "--mix", MODEST_MIX, "--in-flight", "32", "--retry",
                       "--seconds", str(seconds), token=name, sessions=stage.take_ids(int(MODEST_RATE * seconds) + 20))


def calm(stage: Stage, seconds: float, phase: str) -> list[Report]:
    """The modest callers alone."""
    callers = [modest(stage, name, seconds, phase) for name in MODEST]
    return [caller.report(seconds + END_SECONDS) for caller in callers]


def health(stage: Stage, seconds: float) -> Caller:
    """Without a token, as a load balancer asks."""
    return stage.start("health", "--rate", str(HEALTH_RATE), "--mix", "health=1,health-service=1,live=1", "--in-flight",
                       "64", "--deadline", "1000", "--seconds", str(seconds))


def storm(stage: Stage, seconds: float, reconnects: int) -> dict[str, Report]:
    time = ["--seconds", str(seconds)]
    callers = [
        *(modest(stage, name, seconds, "storm") for name in MODEST),
        # Ten times as many calls at a time as one caller may have, and the next one as soon as one is refused.
        stage.start("greedy", *time, "--in-flight", "480", "--connections", "8", "--mix",
                    "preview=4,pending=2,cancel=12,schedule=1,groups=1", "--deadline", DEADLINE, token="greedy",
                    sessions=stage.take_ids(int(GREEDY_RATE * seconds))),
        # Connections that do nothing; each asked once whether the server is alive.
        stage.start("idle", *time, "--connections", str(CONNECTIONS), "--warm", "--in-flight", "16"),
        # The storm lasts until all of these are made: when others have gone they come faster.
        stage.start("reconnecting", "--seconds", str(END_SECONDS), "--reconnect", "--mix", "live=1", "--in-flight", "16", "--calls",
                    str(reconnects), "--deadline", DEADLINE),
        # Headers and nothing else.
        stage.start("silent", *time, "--headers-only", "--mix", "groups=1", "--in-flight", "150", "--connections", "4",
                    "--deadline", DEADLINE, token="silent"),
        # Requests larger than allowed, and many of the largest allowed.
        stage.start("too-large", *time, "--padding", "300000", "--mix", "groups=1", "--in-flight", "8", "--rate", "100",
                    "--deadline", DEADLINE, token="large"),
        stage.start("large", *time, "--padding", "200000", "--mix", "groups=1", "--in-flight", "100", "--connections",
                    "4", "--deadline", DEADLINE, token="large"),
        # Twice the streams one caller may have; they do not read, and are opened again and again.
        stage.start("slow", *time, "--streams", "200", "--slow", "--hold", "4000", "--connections", "4",
                    token="slow"),
        stage.start("watching", *time, "--streams", "20", token="modest1"),
    ]
    return {caller.name: caller.report(seconds + 2 * END_SECONDS) for caller in callers}
