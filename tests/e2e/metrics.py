"""What /metrics says of a few calls, and what Prometheus' own tool says of /metrics."""

from __future__ import annotations

import re
import subprocess
import urllib.error
import urllib.request

from check import check, equal
from rounds import schedule
from world import World

SAMPLE = re.compile(r'[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? -?[0-9]+(\.[0-9]+)?')


def get(world: World, path: str) -> tuple[int, str, str]:
    """Status, content type, text."""
    url = f"http://127.0.0.1:{world.server.ports()[1]}{path}"
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode("utf-8")
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Content-Type"], error.read().decode("utf-8")


def scrape(world: World) -> dict[str, float]:
    _, _, text = get(world, "/metrics")
    samples = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    return {series: float(value) for series, value in samples}


def check_lint(world: World, when: str) -> None:
    status, kind, text = get(world, "/metrics")
    equal((status, kind.split(";")[0]), (200, "text/plain"), f"{when}: metrics are served as text")
    lint = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    equal((lint.returncode, lint.stdout + lint.stderr), (0, ""), f"{when}: promtool finds no fault")
    bad = [x for x in text.splitlines() if not x.startswith("#") and not SAMPLE.fullmatch(x)]
    check(not bad, f"{when}: every line is a sample or a comment", "\n".join(bad))


def check_counts(world: World) -> None:
    before = scrape(world)
    answer = schedule(world, "gpu")
    after = scrape(world)

    def grown(series: str) -> float:
        return after[series] - before[series]

    equal(grown('berth_rounds_total{outcome="ok"}'), 1, "one more round ended ok")
    counts = answer.counts
    for name in ("scheduled", "waiting", "blocked", "infeasible", "invalid", "expired", "skipped"):
        equal(
            grown(f'berth_decisions_total{{outcome="{name.upper()}"}}'),
            getattr(counts, name),
            f"decisions that are {name} are counted as the answer counts them",
        )
    pending = world.value(
        "SELECT count(*) FROM sessions WHERE status = 'PENDING' AND scaling_group_name = 'gpu'"
    )
    equal(after['berth_pending_sessions{group="gpu"}'], pending, "the queue's length is shown")
    equal(
        grown('berth_rpc_total{method="ScheduleScalingGroup",code="OK"}'), 1, "the call is counted"
    )


def test(world: World) -> None:
    world.end()
    world.start_server("--metrics-listen", "127.0.0.1:0").await_health("SERVING")
    check_lint(world, "before any round")
    check_counts(world)
    check_lint(world, "after a round")
    equal(get(world, "/")[0], 404, "any other path is not found")
