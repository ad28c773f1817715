"""A berthd with small limits and far more callers, connections, streams and requests than it has room for: what it
answers, what it takes, and what is left when they are gone. Each check is one numbered sentence with its figure."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]

import stubs  # noqa: E402  pylint: disable=wrong-import-position
from checks import Checks, Run  # noqa: E402  pylint: disable=wrong-import-position
from stage import ROOT, Arrivals, Stage, Watcher  # noqa: E402  pylint: disable=wrong-import-position
from storm import NAMES, calm, health, storm  # noqa: E402  pylint: disable=wrong-import-position

# Planted by --self-check: settings that take a limit away, and the checks that must notice.
PLANTED = {
    "nobody is told apart": ({"callers-file": ""}, {"fair"}),
    "a queue without an end": ({"caller-in-flight": "100000", "caller-queue": "100000", "max-in-flight": "100000",
                                "executor-queue": "100000"}, {"latency"}),
    "requests that may never come": ({"request-timeout": "10m"}, {"silent"}),
}
CALM_SECONDS = 3.0


def run_storm(stage: Stage, seconds: float, reconnects: int) -> Run:
    """Calm, storm, calm again."""
    run = Run(stage)
    run.watcher = Watcher(stage.server)
    arrivals = Arrivals(stage.world)
    run.watcher.start()
    arrivals.start()
    run.before = calm(stage, CALM_SECONDS, "before")
    run.rounds_before = run.rounds()
    run.idle = run.watcher.look()
    probe = health(stage, seconds + 2)
    run.begin = time.monotonic()
    run.storm = storm(stage, seconds, reconnects)
    run.end = time.monotonic()
    run.rounds_after = run.rounds()
    run.health = probe.report(60)
    run.after = calm(stage, CALM_SECONDS, "after")
    run.recovered = run.await_recovery()
    arrivals.ends.set()
    arrivals.join()
    run.watcher.ends.set()
    run.watcher.join()
    run.arrivals_error = arrivals.error
    return run


def overload(build: Path, seconds: float, reconnects: int, planted: dict[str, str]) -> Checks:
    folder = Path(tempfile.mkdtemp(prefix="berth-overload-", dir="/tmp"))
    folder.chmod(0o711)
    if not (folder.parent / "stubs").exists() and "berth.v1.scheduler_pb2" not in sys.modules:
        stubs.generate(ROOT, folder / "stubs")
    stage = Stage(build, folder, int(600 + 200 * seconds), NAMES, planted)
    try:
        run = run_storm(stage, seconds, reconnects)
        checks = Checks(run)
        checks.all()
        checks.ends_well(stage.world.end())
    finally:
        stage.close()
    if checks.violated and not planted:
        print(f"logs are kept in {folder}")
    else:
        shutil.rmtree(folder)
    return checks


def self_check(build: Path, seconds: float) -> int:
    missed = 0
    for what, (settings, wanted) in PLANTED.items():
        print(f"planted: {what}", flush=True)
        noticed = set(overload(build, seconds, 200, settings).violated)
        missed += not wanted <= noticed
        print(f"{'ok' if wanted <= noticed else 'not ok'} planted: {what}: noticed by {', '.join(sorted(noticed)) or 'nothing'}",
              flush=True)
    print(f"overload: {len(PLANTED) - missed} of {len(PLANTED)} planted defects noticed")
    return 1 if missed else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests/overload", description=__doc__)
    parser.add_argument("--build", type=Path, required=True, help="build folder with server/berthd and tests/bench/load_bench")
    parser.add_argument("--seconds", type=float, default=20, help="how long the storm lasts")
    parser.add_argument("--reconnects", type=int, default=10000)
    parser.add_argument("--self-check", action="store_true", help="take limits away and fail unless that is noticed")
    options = parser.parse_args()
    if options.self_check:
        return self_check(options.build.resolve(), options.seconds)
    checks = overload(options.build.resolve(), options.seconds, options.reconnects, {})
    print(checks.last_line())
    return 1 if checks.violated else 0


if __name__ == "__main__":
    sys.exit(main())
