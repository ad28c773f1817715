"""berthctl explain for sessions of the sample cluster, one for each kind of cause: what it says is
what its README shows, and what it says would help does help in the database."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from check import await_true, check, equal
from world import ROOT, World

README = ROOT / "server/berthctl/README.md"
BEGIN = "<!-- made by tests/e2e/transcript -->\n"
END = "<!-- end of what tests/e2e/transcript makes -->\n"

# Sessions of deploy/sample/mixed.py and the first cause each of them has.
TELLING = {
    "nightly-training": "NOT_BEFORE",
    "after-long-import": "DEPENDENCY",
    "one-homework-more": "CONCURRENCY",
    "one-too-many": "PENDING_COUNT",
    "over-quota-notebook": "KEYPAIR_QUOTA",
    "speech-4x8": "GROUP_QUOTA",
    "pinned-to-lost": "DESIGNATED",
    "voice-replica-5": "SESSION_GROUP",
    "pretrain-4x8": "CAPACITY",
    "never-fits-16-gpus": "INFEASIBLE",
}


def explain(world: World, name: str, *flags: str) -> str:
    command = [world.build / "server/berthctl/berthctl", "--server", world.server.target]
    command += ["explain", world.session_id(name), "--agents", "2", *flags]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


def explain_json(world: World, name: str) -> Any:
    return json.loads(explain(world, name, "--json"))


def transcript(world: World) -> str:
    """What the README shows."""
    parts = []
    for name, kind in TELLING.items():
        call = f"$ berthctl explain {world.session_id(name)} --agents 2"
        parts.append(f"{name}: {kind}\n\n```\n{call}\n{explain(world, name)}```\n\n")
    return "\n" + "".join(parts)


def shown() -> str:
    """What the README shows now."""
    _, _, rest = README.read_text("utf-8").partition(BEGIN)
    return rest.partition(END)[0]


def check_help(world: World, name: str, statement: str, what: str) -> None:
    """After what the first remedy says was done by SQL, the cause is gone, once berthd reads anew."""

    def kinds() -> list[str]:
        return [cause["kind"] for cause in explain_json(world, name)["causes"]]

    before = kinds()[0]
    world.psql("-c", statement)
    await_true(lambda: before not in kinds(), 20, f"{before} of {name} to be gone, when {what}")
    check(True, f"{name}: when {what}, the cause is gone")


def test(world: World) -> None:
    for name, kind in TELLING.items():
        said = explain_json(world, name)
        equal(said["causes"][0]["kind"], f"CAUSE_KIND_{kind}", f"{name} has the cause it shows")
        covered = {number for remedy in said["remedies"] for number in remedy["causes"]}
        check(
            covered == set(range(len(said["causes"]) + len(said["laterCauses"])))
            and all(remedy["changes"] and remedy["message"] for remedy in said["remedies"])
            and said["remediesSuffice"],
            f"{name}: something helps against each of its causes, and together it is enough",
            said,
        )
    equal(shown(), transcript(world), "the README of berthctl shows what berthctl says")

    remedies = explain_json(world, "one-homework-more")["remedies"]
    limit = next(
        change["count"]
        for remedy in remedies
        for change in remedy["changes"]
        if change["kind"] == "REMEDY_KIND_RAISE_SESSION_LIMIT"
    )
    check_help(
        world,
        "one-homework-more",
        f"UPDATE keypair_resource_policies SET max_concurrent_sessions = {limit}"
        " WHERE name = 'student'",
        "the access key may run so many sessions",
    )
    change = explain_json(world, "over-quota-notebook")["remedies"][0]["changes"][0]
    slot, amount = change["slots"][0]["slot"], change["slots"][0]["to"]
    check_help(
        world,
        "over-quota-notebook",
        "UPDATE resource_allocations a SET requested = "
        f"{amount} FROM kernels k WHERE k.id = a.kernel_id AND a.slot_name = '{slot}'"
        f" AND k.session_id = '{world.session_id('over-quota-notebook')}'",
        "it asks for so much less",
    )
