"""Drives berthd with foreign clients and looks at what it did: see tests/README.md."""

from __future__ import annotations

import argparse
import importlib
import shutil
import sys
from functools import partial
from pathlib import Path

import check
import stubs
from world import ROOT, World, make_folder

# Modules, each with a function test(world), run on a fresh database of its own.
TESTS = ["reads", "rounds", "events", "cancels", "recordings", "explains", "bad_input", "foreign", "replicas", "faults", "metrics", "bridge", "loops"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=Path, help="build folder with server/berthd")
    parser.add_argument("--node-modules", type=Path, help="folder with grpc-js and buf")
    parser.add_argument("--only", nargs="*", default=TESTS, choices=TESTS, help="run only these")
    options = parser.parse_args()

    folder = make_folder("e2e")
    folder.chmod(0o711)
    stubs.generate(ROOT, folder / "stubs")
    world = World(options.build.resolve(), folder)
    world.node_modules = options.node_modules
    try:
        for name in options.only:
            world.begin(f"e2e_{name}")
            check.run(name, partial(importlib.import_module(name).test, world))
            stop(world, name)
    finally:
        world.close()
    if not check.failed:
        shutil.rmtree(folder)
    else:
        print(f"logs are kept in {folder}")
    print(f"e2e: {check.passed} passed, {check.failed} failed")
    return 1 if check.failed else 0


def stop(world: World, name: str) -> None:
    """Every server must end well; a sanitizer that found something shows here."""
    server = world.server
    if server is not None:
        code = world.end()
        check.check(code == 0, f"{name}: berthd ends with exit code 0", f"{code}\n{server.tail()}")


if __name__ == "__main__":
    sys.exit(main())
