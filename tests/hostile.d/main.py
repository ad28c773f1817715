"""Puts each hostile row of table.py into a scaling group of its own, all in one database, and asks a real berthd:
PreviewAllocation, ScheduleScalingGroup twice, ListPendingSessions, then the rows themselves."""

from __future__ import annotations

import argparse
import shutil
import string
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

import stubs  # noqa: E402  pylint: disable=wrong-import-position
from table import ROWS, Row  # noqa: E402  pylint: disable=wrong-import-position
from world import ROOT, World, make_folder  # noqa: E402  pylint: disable=wrong-import-position

# What a preview says of what a round then does.
VERDICTS = {"SCHEDULED": "FITS", "WAITING": "WAITS", "BLOCKED": "BLOCKED", "INFEASIBLE": "INFEASIBLE", "INVALID": "INVALID"}


def plant(world: World) -> None:
    world.create_database("hostile")
    world.migrate()
    statements = [(HERE / "cluster.sql").read_text("utf-8")]
    for i, row in enumerate(ROWS):
        names = {"bad": f"t.id('bad{i}')", "good": f"t.id('good{i}')", "kernel": f"t.id('bad{i}/1')",
                 "agent": f"'a{i}'", "other": f"'b{i}'", "group": f"'h{i}'", "key": f"'B{i}'",
                 "policy": f"'policyB{i}'", "user": f"t.id('uB{i}')", "project": f"t.id('p{i}')",
                 "domain": f"'d{i}'", "i": str(i)}
        statements.append(f"SELECT t.world({i}); {string.Template(row.sql).substitute(names)};")
    world.psql(input_text="\n".join(statements))


class Case:
    """One row, its group, and what is wrong with how it was taken."""

    def __init__(self, world: World, i: int, row: Row) -> None:
        self.world = world
        self.i = i
        self.row = row
        self.wrong: list[str] = []
        self.bad = world.value(f"SELECT t.id('bad{i}')")
        self.good = world.value(f"SELECT t.id('good{i}')")

    def require(self, condition: Any, sentence: str) -> None:
        if not condition:
            self.wrong.append(sentence)

    def says(self, where: str, causes: Any) -> None:
        """One of the causes is the expected one."""
        told = [(stubs.enum_name(c, "kind").removeprefix("CAUSE_KIND_"), c.message) for c in causes]
        self.require(not self.row.cause or any(kind == self.row.cause and self.row.says in text for kind, text in told),
                     f"{where} should say {self.row.cause} \"...{self.row.says}...\", but says {told}")
        self.require(all(text for _, text in told), f"{where} has a cause without a sentence: {told}")

    def preview(self) -> None:
        try:
            answer = self.world.client.call("PreviewAllocation", session_id=self.bad, view=2)
        except stubs.RpcFailure as failure:
            self.require(self.row.outcome in ("ABSENT", "REFUSED"), f"the preview fails: {failure}")
            self.require(failure.code != "INTERNAL", f"the preview fails: {failure}")
            return
        verdict = stubs.enum_name(answer, "verdict").removeprefix("PREVIEW_VERDICT_")
        self.require(verdict == VERDICTS.get(self.row.outcome),
                     f"the preview is {verdict}, the round should be {self.row.outcome}")
        self.says("the preview", answer.causes)

    def round(self) -> None:
        try:
            answer = self.world.client.call("ScheduleScalingGroup", scaling_group=f"h{self.i}", view=2, max_decisions=10)
        except stubs.RpcFailure as failure:
            self.require(self.row.outcome == "REFUSED", f"the round fails: {failure}")
            self.require(failure.code == "FAILED_PRECONDITION" and failure.reason == self.row.cause
                         and self.row.says in failure.message,
                         f"the round should be refused with {self.row.cause} \"...{self.row.says}...\": {failure}")
            return
        outcomes = {d.session_id: d for d in answer.decisions}
        self.decided(self.good, outcomes, "SCHEDULED", "the good session")
        self.decided(self.bad, outcomes, self.row.outcome, "the bad session")
        if self.bad in outcomes:
            self.says("the round", outcomes[self.bad].causes)

    def decided(self, session: str, outcomes: dict[str, Any], wanted: str, who: str) -> None:
        got = "ABSENT"
        if session in outcomes:
            got = stubs.enum_name(outcomes[session], "outcome").removeprefix("SESSION_OUTCOME_")
        self.require(got == wanted, f"{who} is {got}, not {wanted}")

    def again(self) -> None:
        """A second round over the same rows says the same, unless the first has taken it away."""
        if self.row.outcome in ("SCHEDULED", "ABSENT", "REFUSED"):
            return
        try:
            answer = self.world.client.call("ScheduleScalingGroup", scaling_group=f"h{self.i}", view=2, max_decisions=10)
        except stubs.RpcFailure as failure:
            self.require(False, f"the second round fails: {failure}")
            return
        outcomes = {d.session_id: d for d in answer.decisions}
        self.require(self.good not in outcomes, "the second round speaks of the good session again")
        self.decided(self.bad, outcomes, self.last, "in the second round the bad session")
        if self.bad in outcomes and not self.row.then:
            self.says("the second round", outcomes[self.bad].causes)

    @property
    def last(self) -> str:
        """What has come of the bad session in the end."""
        return self.row.then or self.row.outcome

    def pending(self) -> None:
        """The list has the bad session if it still waits, for the same reason; never the good one."""
        try:
            answer = self.world.client.call("ListPendingSessions", scaling_group=f"h{self.i}")
        except stubs.RpcFailure as failure:
            self.require(self.row.outcome == "REFUSED", f"the list fails: {failure}")
            return
        listed = {s.session_id: s for s in answer.sessions}
        waits = self.last not in ("SCHEDULED", "ABSENT")
        self.require((self.bad in listed) == waits, f"the list {'lacks' if waits else 'has'} the bad session")
        self.require(self.good not in listed or self.row.outcome == "REFUSED", "the list has the good session")
        if waits and self.bad in listed and self.row.outcome != "REFUSED":
            self.says("the list", listed[self.bad].last_causes)

    def rows(self) -> None:
        """The good session's rows agree, and the bad one's status is what the round said."""
        states = {r["id"]: r["status"] for r in self.world.rows(
            f"SELECT id, status FROM sessions WHERE id IN ('{self.bad}', '{self.good}')")}
        wanted = "PENDING" if self.row.outcome == "REFUSED" else "SCHEDULED"
        self.require(states[self.good] == wanted, f"the good session's row is {states[self.good]}")
        self.require((states[self.bad] == "SCHEDULED") == (self.last == "SCHEDULED"),
                     f"the bad session's row is {states[self.bad]}")

    def run(self) -> list[str]:
        for step in (self.preview, self.round, self.again, self.pending, self.rows):
            step()
        return self.wrong


def run(world: World, rows: list[Row]) -> int:
    plant(world)
    # What a writer left half way must be seen, not mended.
    world.start_server("--repair-at-start", "false").await_health("SERVING")
    wrong = 0
    for i, row in enumerate(rows):
        complaints = Case(world, i, row).run()
        wrong += bool(complaints)
        print(f"{'not ok' if complaints else 'ok'} {row.what}")
        for complaint in complaints:
            print(f"    {complaint[:300]}")
    overfull = world.value("SELECT count(*) FROM agent_resources r JOIN kernels k ON k.agent = r.agent_id "
                           "WHERE k.status = 'SCHEDULED' AND r.agent_id LIKE 'b%' AND r.reserved > r.capacity")
    server = world.server
    code = world.end()
    if overfull or code != 0:
        wrong += 1
        print(f"not ok berthd outlives them all: exit code {code}, {overfull} overfull\n{server.tail()}")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests/hostile", description=__doc__)
    parser.add_argument("build", type=Path, help="build folder with server/berthd")
    parser.add_argument("--self-check", action="store_true",
                        help="expect something wrong of three rows, and fail unless just that is noticed")
    options = parser.parse_args()
    folder = make_folder("hostile")
    folder.chmod(0o711)
    stubs.generate(ROOT, folder / "stubs")
    world = World(options.build.resolve(), folder)
    rows = list(ROWS)
    if options.self_check:
        rows[0] = rows[0]._replace(says="something else")
        rows[1] = rows[1]._replace(cause="CAPACITY")
        rows[2] = rows[2]._replace(outcome="SCHEDULED", cause="", says="")
    try:
        wrong = run(world, rows)
    finally:
        world.close()
    if wrong == 0 or options.self_check:
        shutil.rmtree(folder)
    else:
        print(f"logs are kept in {folder}")
    if options.self_check:
        print(f"hostile: {wrong} of 3 planted mistakes noticed")
        return 0 if wrong == 3 else 1
    print(f"hostile: {len(rows)} rows, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
