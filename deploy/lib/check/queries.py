"""Alert rules and dashboards, against the metrics of a running berthd in a running Prometheus."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator

from faults import Faults, Tools, read_yaml, run

SELECTOR = re.compile(r"\b((?:berth|process)[a-z_:]*)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'([a-z_]+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
SAMPLE = re.compile(r"([a-z_:]+)(?:\{(.*)\})? \S+")
TYPE = re.compile(r"# TYPE (\S+) (\S+)")
LEGEND = re.compile(r"\{\{\s*([a-z_]+)\s*\}\}")
# A value stands for a whole set where a variable of a dashboard is.
VARIABLES = {"$__rate_interval": "20s", "$group": ".*", "[1h]": "[20s]", "[5m]": "[20s]"}
SPARSE = ("berth_rpc_seconds", "berth_causes_total")
SCRAPE_LABELS = {"instance", "job", "le", "__name__"}


@dataclass
class Metrics:
    """What a berthd shows: metric name -> label -> values."""

    labels: dict[str, dict[str, set[str]]]
    url: str  # of a Prometheus that has scraped it

    @staticmethod
    def read(text: str, url: str) -> Metrics:
        kinds = dict(TYPE.findall(text))
        labels: dict[str, dict[str, set[str]]] = {name: {} for name in kinds}
        for name, kind in kinds.items():
            if kind == "histogram":
                labels |= {name + suffix: {} for suffix in ("_bucket", "_sum", "_count")}
        for line in text.splitlines():
            sample = SAMPLE.fullmatch(line)
            if sample is None:
                continue
            for label, value in re.findall(r'([a-z_]+)="((?:[^"\\]|\\.)*)"', sample[2] or ""):
                labels.setdefault(sample[1], {}).setdefault(label, set()).add(value)
        return Metrics(labels, url)

    def all_values(self, label: str) -> set[str]:
        return {value for of in self.labels.values() for value in of.get(label, set())}

    def ask(self, query: str) -> tuple[str, list[Any]]:
        """What is wrong, or "", and the result."""
        url = f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return "", json.load(answer)["data"]["result"]
        except urllib.error.HTTPError as error:
            return json.load(error).get("error", str(error)), []


def check_matchers(name: str, text: str, metrics: Metrics) -> Iterator[str]:
    """Of one selector: labels that the metric has not, values that no series has."""
    of = metrics.labels[name]
    for label, how, value in MATCHER.findall(text):
        if label in SCRAPE_LABELS or label == "group":
            continue
        # Of what appears when it first counts, any value that this label has elsewhere may come.
        sparse = name.startswith(SPARSE)
        known = of.get(label, set()) | (metrics.all_values(label) if sparse or not of else set())
        if of and label not in of:
            yield f"{name} has no label {label}"
            continue
        for word in value.split("|"):
            if word not in known and word != ".*":
                yield f"no series of {name} has {label}{how}{word}"


def check_query(
    query: str, recorded: dict[str, str], metrics: Metrics, where: str, faults: Faults
) -> list[Any]:
    """Names, labels and syntax; the result of the query. recorded: the metric that a recording rule is
    made from."""
    faults.queries += 1
    for word, matchers in SELECTOR.findall(query):
        name = recorded.get(word, word)
        if name not in metrics.labels:
            faults.add(where, f"berthd has no metric {name}")
            continue
        for sentence in check_matchers(name, matchers, metrics):
            faults.add(where, sentence)
    for variable, value in VARIABLES.items():
        query = query.replace(variable, value)
    wrong, result = metrics.ask(query)
    faults.expect(wrong == "", where, f"Prometheus refuses it: {wrong}")
    return result


# --- rules


def anchors(page: str) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", page, re.M)
    return {re.sub(r"[^a-z0-9 _-]", "", t.lower()).replace(" ", "-") for t in titles}


def check_alert(
    rule: dict[str, Any], tests: list[dict[str, Any]], faults: Faults, root: Path
) -> None:
    where = f"alerts/berth.yaml: {rule['alert']}"
    faults.expect(
        rule.get("labels", {}).get("severity") in ("critical", "warning", "info"),
        where,
        "has no severity",
    )
    notes = rule.get("annotations", {})
    for note in ("summary", "description", "runbook"):
        faults.expect(bool(notes.get(note)), where, f"has no {note}")
    page, _, anchor = str(notes.get("runbook")).partition("#")
    there = (root / page).is_file() and anchor in anchors((root / page).read_text(encoding="utf-8"))
    faults.expect(there, where, f"its runbook {page}#{anchor} is not there")
    cases = [
        bool(case.get("exp_alerts"))
        for test in tests
        for case in test.get("alert_rule_test", [])
        if case["alertname"] == rule["alert"]
    ]
    faults.expect(True in cases, where, "no test lets it fire")
    faults.expect(False in cases, where, "no test keeps it quiet")


def check_rules(root: Path, tools: Tools, faults: Faults, metrics: Metrics) -> None:
    del tools
    folder = root / "deploy/alerts"
    for command, name in (
        (["check", "rules"], "berth.yaml"),
        (["test", "rules"], "berth-test.yaml"),
    ):
        done = run(["promtool", *command, str(folder / name)])
        said = " ".join((done.stdout + done.stderr).split())
        faults.expect(
            done.returncode == 0, f"alerts/{name}", f"promtool {command[0]}: {said[:400]}"
        )
    whole = read_yaml(folder / "berth.yaml", faults, "alerts/berth.yaml") or {}
    tests = (read_yaml(folder / "berth-test.yaml", faults, "alerts/berth-test.yaml") or {}).get(
        "tests", []
    )
    rules = [rule for group in whole.get("groups", []) for rule in group["rules"]]
    recorded = {r["record"]: SELECTOR.findall(r["expr"])[0][0] for r in rules if "record" in r}
    for rule in rules:
        name = rule.get("record", rule.get("alert"))
        check_query(rule["expr"], recorded, metrics, f"alerts/berth.yaml: {name}", faults)
        if "alert" in rule:
            check_alert(rule, tests, faults, root)


# --- dashboards


def check_panel(panel: dict[str, Any], metrics: Metrics, where: str, faults: Faults) -> None:
    faults.expect("description" in panel, where, "has no description")
    for target in panel.get("targets", []):
        query = target["expr"]
        result = check_query(query, {}, metrics, where, faults)
        conditional = " != 0" in query or "causes_total" in query
        faults.expect(bool(result) or conditional, where, f"shows nothing: {query}")
        for label in LEGEND.findall(target.get("legendFormat", "")):
            missing = [r for r in result if label not in r["metric"]]
            faults.expect(
                not missing, where, f"its legend names {label}, which the query does not give"
            )


def check_dashboards(root: Path, tools: Tools, faults: Faults, metrics: Metrics) -> None:
    del tools
    for file in sorted((root / "deploy/grafana").glob("*.json")):
        where = f"grafana/{file.name}"
        try:
            board = json.loads(file.read_text(encoding="utf-8"))
        except json.JSONDecodeError as error:
            faults.add(where, f"is not JSON: {error}")
            continue
        faults.objects += 1
        ids = [panel["id"] for panel in board["panels"]]
        faults.expect(len(ids) == len(set(ids)), where, "two panels have one id")
        taken: set[tuple[int, int]] = set()
        for panel in board["panels"]:
            at = panel["gridPos"]
            cells = {
                (x, y)
                for x in range(at["x"], at["x"] + at["w"])
                for y in range(at["y"], at["y"] + at["h"])
            }
            faults.expect(not cells & taken, where, f"panel \"{panel['title']}\" covers another")
            taken |= cells
            if panel["type"] != "row":
                check_panel(panel, metrics, f"{where}: {panel['title']}", faults)
        for variable in board["templating"]["list"]:
            for name, _ in SELECTOR.findall(str(variable.get("definition", ""))):
                faults.expect(
                    name in metrics.labels, where, f"variable {variable['name']}: no metric {name}"
                )
