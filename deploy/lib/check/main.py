#!/usr/bin/env python3
"""Checks what is in deploy/ (see deploy/check, which starts what this needs).

usage: main.py --berthd FILE --kubectl FILE --schemas FILE --metrics-url URL --prometheus-url URL
               [--self-check]"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Callable

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

# ruff: noqa: E402
from faults import Faults, Tools
from kubernetes import check_kubernetes
from others import check_compose, check_image, check_systemd
from plants import PLANTS
from queries import Metrics, check_dashboards, check_rules

ROOT = HERE.parents[2]


def make_checks(tools: Tools, metrics: Metrics) -> dict[str, Callable[[Path, Faults], None]]:
    return {
        "kubernetes": lambda root, faults: check_kubernetes(root, tools, faults),
        "compose": lambda root, faults: check_compose(root, tools, faults),
        "systemd": lambda root, faults: check_systemd(root, tools, faults),
        "image": lambda root, faults: check_image(root, tools, faults),
        "rules": lambda root, faults: check_rules(root, tools, faults, metrics),
        "dashboards": lambda root, faults: check_dashboards(root, tools, faults, metrics),
    }


def self_check(checks: dict[str, Callable[[Path, Faults], None]]) -> int:
    """Plants one error at a time in a copy; how many were not noticed."""
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        for plant in PLANTS:
            if copy.exists():
                shutil.rmtree(copy)
            shutil.copytree(
                ROOT / "deploy", copy / "deploy", ignore=shutil.ignore_patterns("sample", "secrets")
            )
            for name in ("CMakeLists.txt", ".dockerignore"):
                shutil.copy(ROOT / name, copy / name)
            (copy / "server").mkdir()
            (copy / "server/main.c").touch()
            file = copy / plant.file
            text = file.read_text(encoding="utf-8")
            faults = Faults()
            if plant.old not in text:
                faults.add(plant.file, f"has no {plant.old!r} to plant an error at")
            file.write_text(text.replace(plant.old, plant.new, 1), encoding="utf-8")
            checks[plant.check](copy, faults)
            if not any(plant.says in sentence for sentence in faults.found):
                missed += 1
                print(
                    f"deploy: NOT NOTICED: {plant.file}: {plant.old!r} -> {plant.new!r}; found: {faults.found}"
                )
    print(f"deploy: {len(PLANTS) - missed} of {len(PLANTS)} planted errors noticed")
    return missed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("berthd", "kubectl", "schemas", "metrics-url", "prometheus-url"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--self-check", action="store_true")
    given = parser.parse_args()
    tools = Tools(Path(given.berthd), given.kubectl, Path(given.schemas))
    with urllib.request.urlopen(given.metrics_url, timeout=30) as answer:
        metrics = Metrics.read(answer.read().decode("utf-8"), given.prometheus_url)
    checks = make_checks(tools, metrics)
    faults = Faults()
    for name, check in checks.items():
        before = len(faults.found)
        check(ROOT, faults)
        print(f"deploy: {name}: {len(faults.found) - before} errors")
    missed = self_check(checks) if given.self_check else 0
    for sentence in faults.found:
        print(f"error: {sentence}")
    print(
        f"deploy: {faults.objects} objects, {faults.queries} queries, {len(faults.found) + missed} errors"
    )
    return 1 if faults.found or missed else 0


if __name__ == "__main__":
    sys.exit(main())
