"""Tries who may do what: see tests/README.md."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "e2e"))

import check  # noqa: E402
import stubs  # noqa: E402
from world import ROOT, World, make_folder  # noqa: E402

import matrix  # noqa: E402
import secrets_kept  # noqa: E402
import sql_roles  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=Path, help="build folder with server/berthd")
    options = parser.parse_args()

    folder = make_folder("roles")
    folder.chmod(0o711)
    stubs.generate(ROOT, folder / "stubs")
    subprocess.run([ROOT / "tests/lib/certificates", folder / "certificates"], check=True)
    world = World(options.build.resolve(), folder)
    try:
        check.run("the database's roles", lambda: sql_roles.test(world))
        check.run("roles and RPCs", lambda: matrix.test(world))
        check.run("secrets", lambda: secrets_kept.test(world))
    finally:
        world.close()
    if not check.failed:
        shutil.rmtree(folder)
    else:
        print(f"logs are kept in {folder}")
    print(f"roles: {check.passed + check.failed} checks, {check.failed} wrong")
    return 1 if check.failed else 0


if __name__ == "__main__":
    sys.exit(main())
