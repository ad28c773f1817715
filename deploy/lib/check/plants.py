"""Errors as people make them, each with the words by which the check must notice it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Plant:
    check: str
    file: str
    old: str
    new: str
    says: str


K = "deploy/kubernetes/"
PLANTS = [
    Plant(
        "kubernetes", K + "base/networkpolicy.yaml", "port: grpc", "port: rpc", "rpc is nobody's"
    ),
    Plant(
        "kubernetes",
        K + "base/deployment.yaml",
        "readinessProbe:",
        "readinessProb:",
        "readinessProb is not a field",
    ),
    Plant(
        "kubernetes",
        K + "base/deployment.yaml",
        "periodSeconds: 10",
        'periodSeconds: "10"',
        "must be integer",
    ),
    Plant(
        "kubernetes",
        K + "base/deployment.yaml",
        "service: live",
        "service: alive",
        "no health name alive",
    ),
    Plant(
        "kubernetes",
        K + "base/deployment.yaml",
        "GracePeriodSeconds: 50",
        "GracePeriodSeconds: 30",
        "terminationGracePeriodSeconds is below",
    ),
    Plant(
        "kubernetes",
        K + "base/deployment.yaml",
        "readOnlyRootFilesystem: true",
        "readOnlyRootFilesystem: false",
        "may write its root",
    ),
    Plant(
        "kubernetes",
        K + "base/service.yaml",
        "component: server\n  ports",
        "component: sever\n  ports",
        "does not select the Deployment",
    ),
    Plant(
        "kubernetes",
        K + "base/service.yaml",
        "targetPort: metrics",
        "targetPort: metric",
        "port metric is nobody's",
    ),
    Plant(
        "kubernetes",
        K + "overlays/production/migrate.yaml",
        "secretName: berth-database-owner",
        "secretName: berth-owner",
        "there is no Secret berth-owner",
    ),
    Plant(
        "kubernetes",
        K + "overlays/production/berthd.yaml",
        "max_connection_age",
        "max_connection_ago",
        "berthd refuses it",
    ),
    Plant(
        "kubernetes",
        K + "overlays/production/berthd.yaml",
        "50062",
        "50063",
        "setting health_listen is not port health",
    ),
    Plant(
        "kubernetes",
        K + "overlays/production/kustomization.yaml",
        "servicemonitor.yaml",
        "monitor.yaml",
        "does not render",
    ),
    Plant(
        "kubernetes",
        K + "overlays/production/servicemonitor.yaml",
        "interval: 15s",
        "interval: often",
        "must match pattern",
    ),
    Plant(
        "kubernetes",
        K + "overlays/production/horizontalpodautoscaler.yaml",
        "autoscaling/v2",
        "autoscaling/v3",
        "apiVersion autoscaling/v3 is not known",
    ),
    Plant(
        "kubernetes",
        "CMakeLists.txt",
        "project(berth VERSION ",
        "project(berth VERSION 9",
        "not of version 9",
    ),
    Plant("compose", "deploy/compose/compose.yaml", "depends_on:", "depend_on:", "depend_on"),
    Plant(
        "compose",
        "deploy/compose/compose.yaml",
        "stop_grace_period: 45s",
        "stop_grace_period: 20s",
        "is killed before",
    ),
    Plant(
        "compose",
        "deploy/compose/compose.yaml",
        "127.0.0.1:50061:50061",
        "50061:50061",
        "is open to others",
    ),
    Plant(
        "compose",
        "deploy/compose/berthd.yaml",
        "insecure_listen: true",
        "insecure_listen: yes please",
        "berthd refuses it",
    ),
    Plant(
        "systemd", "deploy/systemd/berthd.service", "Type=notify", "Type=exec", "has no Type=notify"
    ),
    Plant(
        "systemd",
        "deploy/systemd/berthd.service",
        "ProtectHome=yes",
        "ProtectHome=maybe",
        "systemd-analyze",
    ),
    Plant(
        "systemd",
        "deploy/systemd/berthd.service",
        "CapabilityBoundingSet=\n",
        "",
        "is exposed too much",
    ),
    Plant(
        "systemd",
        "deploy/systemd/berth.sysusers",
        "u berth",
        "u bert",
        "berth.sysusers does not make",
    ),
    Plant("image", "deploy/Dockerfile", "debian:12-slim", "debian", "names no version"),
    Plant("image", "deploy/Dockerfile", "USER 65532:65532", "USER root", "USER is not a number"),
    Plant("image", "deploy/Dockerfile", "EXPOSE", "EXPOSES", "EXPOSES"),
    Plant("image", ".dockerignore", "!server", "!serve", "leaves out what is built"),
    Plant(
        "rules",
        "deploy/alerts/berth.yaml",
        "berth_epoch_fenced_total",
        "berth_epochs_fenced_total",
        "no metric berth_epochs_fenced_total",
    ),
    Plant(
        "rules", "deploy/alerts/berth.yaml", 'state="ready"', 'state="steady"', "has state=steady"
    ),
    Plant("rules", "deploy/alerts/berth.yaml", "for: 15m", "for: soon", "promtool"),
    Plant("rules", "deploy/alerts/berth.yaml", "#berthdown", "#berthgone", "is not there"),
    Plant(
        "rules",
        "deploy/alerts/berth-test.yaml",
        "alertname: BerthAlone",
        "alertname: BerthLonely",
        "no test lets it fire",
    ),
    Plant(
        "dashboards",
        "deploy/grafana/berth.json",
        "berth_rounds_total",
        "berth_round_total",
        "no metric berth_round_total",
    ),
    Plant(
        "dashboards",
        "deploy/grafana/berth.json",
        "sum by (outcome)",
        "sum by (outcome",
        "Prometheus refuses it",
    ),
    Plant(
        "dashboards",
        "deploy/grafana/berth.json",
        'code!=\\"OK\\"',
        'codes!=\\"OK\\"',
        "has no label codes",
    ),
    Plant(
        "dashboards",
        "deploy/grafana/berth.json",
        '"{{outcome}}"',
        '"{{outcom}}"',
        "its legend names outcom",
    ),
]
