"""The manifests of deploy/kubernetes: rendered, held against schemas, and against each other."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import yaml

from faults import Faults, Tools, ask_schemas, run, seconds, settings, version

# Made by an operator, with names that deploy/OPERATIONS.md gives.
SECRETS = {"berth-database", "berth-database-owner", "berth-tls", "berth-callers"}
HEALTH_NAMES = {"", "live", "berth.v1.SchedulerService"}
SLACK_SECONDS = 5
Object = dict[str, Any]


def title(o: Object) -> str:
    return f"{o.get('kind')}/{o.get('metadata', {}).get('name')}"


def dig(o: Any, *path: Any) -> Any:
    """o[path...], None where there is nothing."""
    for key in path:
        if isinstance(key, int):
            o = o[key] if isinstance(o, list) and key < len(o) else None
        else:
            o = o.get(key) if isinstance(o, dict) else None
    return o


class Overlay:
    def __init__(self, name: str, objects: list[Object], faults: Faults, tools: Tools) -> None:
        self.name, self.objects, self.faults, self.tools = name, objects, faults, tools

    def where(self, o: Object) -> str:
        return f"kubernetes/overlays/{self.name}: {title(o)}"

    def expect(self, good: bool, o: Object, what: str) -> None:
        self.faults.expect(good, self.where(o), what)

    def of(self, *kinds: str) -> list[Object]:
        return [o for o in self.objects if o.get("kind") in kinds]

    def pods(self) -> list[tuple[Object, Object]]:
        """Owner and pod template."""
        return [(o, o["spec"]["template"]) for o in self.of("Deployment", "Job")]

    def matched(self, selector: dict[str, str]) -> list[Object]:
        """Owners of pods with all these labels."""
        return [
            owner
            for owner, pod in self.pods()
            if selector.items() <= (dig(pod, "metadata", "labels") or {}).items()
        ]

    # --- single objects

    def check_schemas(self) -> None:
        requests = [{"kind": "kubernetes", "value": o} for o in self.objects]
        for o, sentences in zip(self.objects, ask_schemas(self.tools, requests)):
            for sentence in sentences:
                self.faults.add(self.where(o), sentence)

    def check_namespace(self) -> None:
        names = {o["metadata"]["name"] for o in self.of("Namespace")}
        for o in self.objects:
            if o.get("kind") != "Namespace":
                self.expect(
                    o["metadata"].get("namespace") in names, o, "is in no namespace of ours"
                )

    def check_container(self, owner: Object, container: Object, tag: str) -> None:
        secure = container.get("securityContext", {})
        say = f"container {container.get('name')} "
        self.expect(secure.get("readOnlyRootFilesystem") is True, owner, say + "may write its root")
        self.expect(
            secure.get("allowPrivilegeEscalation") is False, owner, say + "may gain privileges"
        )
        self.expect(
            dig(secure, "capabilities", "drop") == ["ALL"], owner, say + "keeps capabilities"
        )
        for kind, what in (("requests", "cpu"), ("requests", "memory"), ("limits", "memory")):
            self.expect(
                dig(container, "resources", kind, what) is not None,
                owner,
                say + f"has no {kind} of {what}",
            )
        image = str(container.get("image"))
        self.expect(
            image.endswith(":" + tag), owner, say + f"has image {image}, not of version {tag}"
        )

    def check_pod(self, owner: Object, pod: Object, tag: str) -> None:
        spec = pod["spec"]
        secure = spec.get("securityContext", {})
        self.expect(secure.get("runAsNonRoot") is True, owner, "may run as root")
        self.expect((secure.get("runAsUser") or 0) > 0, owner, "names no user")
        self.expect(
            dig(secure, "seccompProfile", "type") == "RuntimeDefault",
            owner,
            "has no seccomp profile",
        )
        self.expect(
            spec.get("automountServiceAccountToken") is False,
            owner,
            "gets a service account's token",
        )
        self.expect(spec.get("enableServiceLinks") is False, owner, "gets variables of services")
        accounts = {o["metadata"]["name"] for o in self.of("ServiceAccount")}
        self.expect(
            spec.get("serviceAccountName") in accounts, owner, "names no ServiceAccount of ours"
        )
        for container in spec["containers"]:
            self.check_container(owner, container, tag)
            self.check_volumes(owner, spec, container)
            self.check_paths(owner, container)

    def check_volumes(self, owner: Object, spec: Object, container: Object) -> None:
        volumes = {v["name"]: v for v in spec.get("volumes", [])}
        mounts = {m["name"]: m for m in container.get("volumeMounts", [])}
        for name in mounts.keys() ^ volumes.keys():
            self.faults.add(self.where(owner), f"volume {name} is not both there and mounted")
        made = {(o["kind"], o["metadata"]["name"]) for o in self.of("ConfigMap", "Secret")}
        for volume in volumes.values():
            config, secret = dig(volume, "configMap", "name"), dig(volume, "secret", "secretName")
            if config is not None:
                self.expect(("ConfigMap", config) in made, owner, f"there is no ConfigMap {config}")
            if secret is not None and secret not in SECRETS:
                self.expect(("Secret", secret) in made, owner, f"there is no Secret {secret}")

    def check_paths(self, owner: Object, container: Object) -> None:
        """Files that its arguments, its environment and its settings name."""
        values = [str(e["value"]) for e in container.get("env", []) if "value" in e]
        values += container.get("args", [])
        if owner["kind"] == "Deployment":  # a migration reads the database's settings only
            values += self.settings().values()
        folders = [m["mountPath"] + "/" for m in container.get("volumeMounts", [])]
        for path in values:
            if path.startswith("/"):
                self.expect(path.startswith(tuple(folders)), owner, f"{path} is in no volume")

    def settings(self) -> dict[str, str]:
        """What the ConfigMap says, as berthd reads it."""
        maps = [o for o in self.of("ConfigMap") if "berthd.yaml" in o.get("data", {})]
        if not maps:
            return {}
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(maps[0]["data"]["berthd.yaml"])
            file.flush()
            return settings(Path(file.name), self.tools, self.faults, self.where(maps[0]))

    # --- what belongs together

    def check_server(self, o: Object) -> None:
        spec = o["spec"]["template"]["spec"]
        container = spec["containers"][0]
        ports = {p["name"]: p["containerPort"] for p in container.get("ports", [])}
        for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
            probe = dig(container, kind, "grpc")
            if probe is None:
                self.faults.add(self.where(o), f"has no {kind} by gRPC")
                continue
            self.expect(
                probe.get("port") in ports.values(),
                o,
                f"{kind}: port {probe.get('port')} is not open",
            )
            self.expect(
                probe.get("service") in HEALTH_NAMES,
                o,
                f"{kind}: no health name {probe.get('service')}",
            )
        for kind in ("startupProbe", "livenessProbe"):
            self.expect(
                dig(container, kind, "grpc", "service") == "live",
                o,
                f"{kind} restarts who only waits for the database",
            )
        self.expect(
            dig(container, "readinessProbe", "grpc", "service") != "live",
            o,
            "is ready before it is well",
        )
        now = self.settings()
        for setting, port in (
            ("listen", "grpc"),
            ("health_listen", "health"),
            ("metrics_listen", "metrics"),
        ):
            if now.get(setting, "(empty)") not in ("", "(empty)"):
                self.expect(
                    now[setting].endswith(f":{ports.get(port)}"),
                    o,
                    f"setting {setting} is not port {port}",
                )
        probed = str(dig(container, "readinessProbe", "grpc", "port"))
        plain = (
            now.get("health_listen")
            if now.get("tls_certificate", "(empty)") not in ("", "(empty)")
            else now.get("listen")
        )
        self.expect(
            str(plain).endswith(":" + probed), o, "the probes' port speaks TLS, kubelets do not"
        )
        stop = dig(container, "lifecycle", "preStop", "sleep", "seconds") or 0
        needed = stop + seconds(now.get("grace_period", "10s")) + SLACK_SECONDS
        self.expect(
            spec.get("terminationGracePeriodSeconds", 30) >= needed, o,
            f"terminationGracePeriodSeconds is below {needed:.0f}: preStop, grace_period and {SLACK_SECONDS}",
        )  # fmt: skip

    def check_service(self, o: Object) -> None:
        self.expect(o["spec"].get("clusterIP") == "None", o, "is not headless")
        owners = self.matched(o["spec"].get("selector", {}))
        self.expect(
            [x["kind"] for x in owners] == ["Deployment"], o, "does not select the Deployment alone"
        )
        for owner in owners:
            names = {
                p["name"]
                for p in owner["spec"]["template"]["spec"]["containers"][0].get("ports", [])
            }
            for port in o["spec"]["ports"]:
                self.expect(
                    port.get("targetPort") in names, o, f"port {port.get('targetPort')} is nobody's"
                )

    def check_selectors(self) -> None:
        for o in self.of("Deployment", "PodDisruptionBudget"):
            owners = self.matched(dig(o, "spec", "selector", "matchLabels") or {})
            self.expect(
                [x["kind"] for x in owners] == ["Deployment"],
                o,
                "does not select the Deployment alone",
            )
        for o in self.of("NetworkPolicy"):
            owners = self.matched(dig(o, "spec", "podSelector", "matchLabels") or {})
            self.expect(
                {x["kind"] for x in owners} == {"Deployment", "Job"}, o, "does not cover all pods"
            )
            for way in o["spec"].get("ingress", []):
                for port in way.get("ports", []):
                    named = {
                        p["name"]
                        for x in owners
                        for c in x["spec"]["template"]["spec"]["containers"]
                        for p in c.get("ports", [])
                    }
                    self.expect(port["port"] in named, o, f"port {port['port']} is nobody's")
        for o in self.of("HorizontalPodAutoscaler"):
            target = o["spec"]["scaleTargetRef"]
            known = {(x["kind"], x["metadata"]["name"]) for x in self.objects}
            self.expect((target["kind"], target["name"]) in known, o, "scales something else")
            for d in self.of("Deployment"):
                self.expect(
                    "replicas" not in d["spec"], d, "says replicas, which the autoscaler decides"
                )
        for o in self.of("ServiceMonitor"):
            wanted = o["spec"]["selector"].get("matchLabels", {})
            services = [
                s
                for s in self.of("Service")
                if wanted.items() <= s["metadata"].get("labels", {}).items()
            ]
            ports = {p["name"] for s in services for p in s["spec"]["ports"]}
            for end in o["spec"]["endpoints"]:
                self.expect(end.get("port") in ports, o, f"port {end.get('port')} is no Service's")

    def check(self, tag: str) -> None:
        self.check_schemas()
        self.check_namespace()
        for owner, pod in self.pods():
            self.check_pod(owner, pod, tag)
        for o in self.of("Deployment"):
            self.check_server(o)
        for o in self.of("Service"):
            self.check_service(o)
        self.check_selectors()


WANTED = {
    "small": {"Deployment", "Job", "Service", "ServiceAccount", "NetworkPolicy", "ConfigMap"},
    "production": {
        "Deployment", "Job", "Service", "ServiceAccount", "NetworkPolicy", "ConfigMap",
        "PodDisruptionBudget", "HorizontalPodAutoscaler", "ServiceMonitor",
    },
}  # fmt: skip


def check_kubernetes(root: Path, tools: Tools, faults: Faults) -> None:
    tag = version(root)
    for folder in sorted((root / "deploy/kubernetes/overlays").iterdir()):
        done = run([tools.kubectl, "kustomize", str(folder)])
        if done.returncode != 0:
            faults.add(
                f"kubernetes/overlays/{folder.name}", f"does not render: {done.stderr.strip()}"
            )
            continue
        objects = [o for o in yaml.safe_load_all(done.stdout) if o is not None]
        faults.objects += len(objects)
        missing = WANTED.get(folder.name, set()) - {o.get("kind") for o in objects}
        faults.expect(
            not missing, f"kubernetes/overlays/{folder.name}", f"lacks {', '.join(sorted(missing))}"
        )
        Overlay(folder.name, objects, faults, tools).check(tag)
