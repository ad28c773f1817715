"""Secrets are planted wherever berthd takes them; none may come out again."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from callers import OWN, Callers
from check import await_true, check, equal
from matrix import outcome
from world import World

PASSWORD = "planted-database-password"


def everything(world: World, folder: Path, more: list[str]) -> dict[str, str]:
    """What was said: each log, and what commands printed. Files of secrets themselves are left out."""
    said = {path.name: path.read_text("utf-8", errors="replace") for path in folder.glob("*.log")}
    said |= {f"output {i}": text for i, text in enumerate(more)}
    return said


def run(*command: object, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **(env or {})},
    )
    return done.stdout + done.stderr


def test(world: World) -> None:
    world.create_database("roles_secrets")
    world.migrate()
    world.load_sample()
    folder = world.folder / "secrets"
    folder.mkdir()
    made = Callers(world)
    admin, manager = made.add("admin", "admin"), made.add("manager", "manager", OWN)
    plain = world.conninfo
    conninfo = f"{plain} password={PASSWORD}"
    secrets = {
        "a database password": PASSWORD,
        "an admin's token": admin.token,
        "a manager's token": manager.token,
        "a token that is not known": "planted-unknown-token",
        "a key": made.text("server.key").decode().splitlines()[1],
    }
    berthd, ctl = world.build / "server/berthd", world.build / "server/berthctl/berthctl"
    said: list[str] = []

    server = made.serve(
        folder,
        admin,
        "--log-level=debug",
        "--loop=false",
        "--credentials-interval=50ms",
        f"--database={conninfo}",
        f"--record={folder / 'rounds'}",
    )
    for caller in (admin, manager):
        client = made.connect(server, caller)
        for group in (OWN, "lab", "no-such-group"):
            outcome(lambda c, g=group: c.call("ScheduleScalingGroup", scaling_group=g), client)
        client.close()
    manager.token, known = "planted-unknown-token", manager.token
    client = made.connect(server, manager)
    outcome(lambda c: c.call("ListScalingGroups"), client)
    client.close()

    token_file = folder / "token"
    token_file.write_text(known + "\n", "utf-8")
    base = [ctl, "--server", server.target, "--ca", made.certificates / "ca.pem"]
    answer = run(*base, "--token-file", token_file, "groups")
    check(OWN in answer and "lab" not in answer, "berthctl shows the caller's groups", answer)
    said += [answer, run(*base, "groups"), run(*base, "--token-file", token_file, "cancel", "x")]
    said += [run(ctl, "--server", "berth.example:1", "--token-file", token_file, "groups")]

    good = made.file.read_text("utf-8")
    made.file.write_text(good + f"token careless viewer * {known}\n", "utf-8")  # a token, no hash
    await_true(
        lambda: "not replaced" in server.log.read_text("utf-8"), 30, "the reload to be refused"
    )
    said.append(run(berthd, "token", "check", made.file))
    check(
        "callers:" in said[-1] and "no secret any more" in said[-1],
        "a token in the callers file is refused, naming the line",
        said[-1],
    )
    made.file.write_text(good, "utf-8")
    server.process.send_signal(signal.SIGHUP)
    equal(world.end(), 0, "berthd ends with exit code 0")

    said.append(run(berthd, "--print-config", f"--database={conninfo}"))
    said.append(run(berthd, "--print-config", env={"BERTH_DATABASE": conninfo}))
    said.append(run(berthd, f"--database={conninfo}", "--executors=0"))
    said.append(run(berthd, "repair", f"--database={conninfo} nonsense"))
    said.append(run(berthd, "migrate", f"--database=host=/nowhere password={PASSWORD}"))
    said.append(run(berthd, "repair", f"--database=host=/nowhere password={PASSWORD}"))
    said.append(run(berthd, "repair", f"--database=postgres://u:{PASSWORD}%ZZ@127.0.0.1:1/x"))
    said.append(run(berthd, f"--databas={conninfo}"))
    said.append(
        run(
            berthd,
            f"--tls-key={made.certificates / 'server.key'}",
            f"--tls-certificate={made.certificates / 'server.key'}",
            "--listen=127.0.0.1:0",
        )
    )
    told = everything(world, folder, said)
    check(sum(len(text) for text in told.values()) > 2000, "there was enough said to look through")
    for what, secret in secrets.items():
        where = [name for name, text in told.items() if secret in text]
        check(not where, f"{what} is in no log and no message", "\n".join(where))
    planted = {**told, "planted": f"oops {PASSWORD}"}
    check(any(PASSWORD in text for text in planted.values()), "a secret that came out is noticed")
