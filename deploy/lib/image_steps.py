#!/usr/bin/env python3
"""Does the steps of deploy/Dockerfile in folders, as a container builder would in images.

usage: image_steps.py REPOSITORY WORK-FOLDER

Prints a line a step, and leaves the last stage in WORK-FOLDER/image. Needs root and, for packages that
are not there yet, the network. To be run in a mount namespace of its own (deploy/image-check)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from dockerfile import Refused, Stage, Step, context, parse

RELEASES = {"debian:12-slim": "bookworm"}
STEP_SECONDS = 3600


def run(command: list[str], **more: object) -> None:
    subprocess.run(command, check=True, timeout=STEP_SECONDS, **more)  # type: ignore[call-overload]


def run_logged(command: list[str], log: Path, **more: object) -> None:
    """The output goes to the log."""
    with log.open("a", encoding="utf-8") as file:
        file.write(f"$ {' '.join(command)}\n")
        file.flush()
        run(command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, **more)


def mirror() -> str:
    """Where this machine gets Debian from."""
    sites = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(SITE) $(RELEASE)", "Created-By: Packages"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    for line in sites.splitlines():
        site, _, release = line.partition(" ")
        if release in RELEASES.values():
            return site
    raise Refused(f"no package source of this machine has {' or '.join(RELEASES.values())}")


class Builder:
    def __init__(self, repository: Path, work: Path) -> None:
        self.repository, self.work = repository, work
        self.log = work / "steps.log"
        self.roots: dict[str, Path] = {}
        self.done = 0

    def make_base(self, base: str, root: Path) -> None:
        """An empty folder, or a Debian as small as it gets; that is made once and then copied."""
        if root.exists():
            shutil.rmtree(root)
        if base == "scratch":
            root.mkdir(parents=True)
            return
        if base not in RELEASES:
            raise Refused(f"FROM {base}: only {', '.join(RELEASES)} and scratch can be made here")
        clean = self.work / RELEASES[base]
        if not (clean / "etc/debian_version").exists():
            part = clean.with_suffix(".part")
            if part.exists():
                shutil.rmtree(part)
            command = ["debootstrap", "--variant=minbase", RELEASES[base], str(part), mirror()]
            run_logged(command, self.log)
            part.rename(clean)
        run(["cp", "-a", str(clean), str(root)])
        for name in ("resolv.conf", "hosts"):
            shutil.copy(f"/etc/{name}", root / "etc" / name)
        for conf in Path("/etc/apt/apt.conf.d").glob("*proxy*"):
            shutil.copy(conf, root / "etc/apt/apt.conf.d")

    def copy(self, step: Step, root: Path, folder: str) -> None:
        words = step.words()
        if len(words) < 2:
            raise Refused(f"line {step.line}: COPY needs what and where")
        *sources, place = words
        target = root / os.path.join(folder, place).lstrip("/")
        if "from" in step.flags:
            origin = self.roots.get(step.flags["from"])
            if origin is None:
                raise Refused(f"line {step.line}: there is no stage \"{step.flags['from']}\"")
            for source in sources:
                run(["cp", "-a", f"{origin}/{source.strip('/')}/.", str(target)])
            return
        files = context(self.repository)
        for source in sources:
            below = [f for f in files if source in (".", f)]
            if not below:
                raise Refused(f"line {step.line}: the build sees no file {source} (.dockerignore?)")
            for path in below:
                to = target / (path if source == "." else Path(path).name)
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(self.repository / path, to)

    def run(self, step: Step, root: Path, folder: str) -> None:
        for kind, place in (("proc", "proc"), ("tmpfs", "dev/shm")):
            (root / place).mkdir(parents=True, exist_ok=True)
            run(["mount", "-t", kind, kind, str(root / place)])
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}
        environment |= {k: v for k, v in os.environ.items() if k.lower().endswith("_proxy")}
        try:
            command = ["chroot", str(root), "/bin/sh", "-c", f"cd {folder} && {step.text}"]
            run_logged(command, self.log, env=environment)
        finally:
            run(["umount", str(root / "dev/shm"), str(root / "proc")])

    def do_stage(self, stage: Stage, root: Path) -> None:
        folder = "/"
        for step in stage.steps:
            begin = time.monotonic()
            if step.word == "WORKDIR":
                folder = os.path.join(folder, step.text)
                (root / folder.lstrip("/")).mkdir(parents=True, exist_ok=True)
            elif step.word == "COPY":
                self.copy(step, root, folder)
            elif step.word == "RUN":
                self.run(step, root, folder)
            self.done += 1
            print(
                f"image: {time.monotonic() - begin:6.1f} s  {step.word} {step.text[:70]}",
                flush=True,
            )

    def build(self) -> int:
        stages = parse((self.repository / "deploy/Dockerfile").read_text(encoding="utf-8"))
        for stage in stages:
            last = stage is stages[-1]
            root = self.work / ("image" if last else f"stage-{stage.name}")
            begin = time.monotonic()
            self.make_base(stage.base, root)
            self.done += 1
            print(f"image: {time.monotonic() - begin:6.1f} s  FROM {stage.base}", flush=True)
            self.do_stage(stage, root)
            self.roots[stage.name] = root
        return self.done


def main() -> int:
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    builder = Builder(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve())
    try:
        builder.build()
    except Refused as error:
        print(f"image: deploy/Dockerfile: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(
            f"image: failed with {error.returncode}: {' '.join(error.cmd)[:300]}; see {builder.log}",
            file=sys.stderr,
        )
        return 1
    except subprocess.TimeoutExpired as error:
        print(
            f"image: not done after {error.timeout} s: {' '.join(error.cmd)[:300]}", file=sys.stderr
        )
        return 1
    print(f"image: {builder.done} steps done")
    return 0


if __name__ == "__main__":
    sys.exit(main())
