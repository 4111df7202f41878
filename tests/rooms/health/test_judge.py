"""Health of live objects, against the table that gitops-engine tests its own rules with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from trueup.health import kstatus
from trueup.health.judge import Health, judge, worst
from trueup.health.kinds import GITOPS_ENGINE
from trueup.kube.names import Kind

CORPORA = Path(__file__).parents[4] / "shared" / "corpora"
TABLE = CORPORA / "extracted" / "gitops_engine_health.json"


class _Loader(yaml.SafeLoader):
    """YAML whose times stay texts, as in JSON from the API."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _condition(type: str, status: str, reason: str = "", message: str = "") -> dict[str, str]:
    return {"type": type, "status": status, "reason": reason, "message": message}


def _obj(api: str, kind: str, **parts: Any) -> dict[str, Any]:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": "x", **parts.pop("metadata", {})}, **parts}


def test_gitops_engine_table() -> None:
    """Every object of gitops-engine's own health tests gets the status that it gives."""
    if not TABLE.exists():
        pytest.skip(f"the corpus {TABLE.name} is not here")
    rows = [row for row in json.loads(TABLE.read_text()) if row["exists"]]
    wrong = []
    for row in rows:
        obj = yaml.load((CORPORA / "argo-cd" / row["input"]).read_text(), Loader=_Loader)
        kind = Kind.of(obj)
        judged = judge(obj)
        known = (kind.group, kind.kind) in GITOPS_ENGINE or judged.rule == "deletion"
        got = judged.status if known else None
        if got != row["status"] or row.get("message", judged.message) != judged.message:
            wrong.append((row["input"], row["status"], judged))
    print(f"{len(rows) - len(wrong)} of {len(rows)}")
    assert wrong == []


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        pytest.param(_obj("v1", "ConfigMap"), Health("Healthy"), id="no-rule"),
        pytest.param(
            _obj("v1", "Namespace", metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"}),
            Health("Progressing", "Pending deletion", "deletion"),
            id="terminating-namespace",
        ),
        pytest.param(
            _obj("batch/v1", "CronJob", spec={"suspend": True}),
            Health("Healthy", "CronJob is Suspended", "built-in"),
            id="suspended-cronjob",
        ),
        pytest.param(
            _obj("apiextensions.k8s.io/v1", "CustomResourceDefinition", status={}),
            Health("Progressing", "Status conditions not found", "built-in"),
            id="new-crd",
        ),
        pytest.param(
            _obj(
                "apiextensions.k8s.io/v1",
                "CustomResourceDefinition",
                status={"conditions": [_condition("NamesAccepted", "True"), _condition("Established", "True")]},
            ),
            Health("Healthy", "CRD is healthy", "built-in"),
            id="established-crd",
        ),
        pytest.param(
            _obj("example.com/v1", "Thing", metadata={"generation": 2}, status={"observedGeneration": 1}),
            Health("Progressing", "generation 2 is not observed yet, the controller has seen 1", "conditions"),
            id="unobserved",
        ),
        pytest.param(
            _obj(
                "example.com/v1", "Thing", status={"conditions": [_condition("Stalled", "True", "Bad", "no such host")]}
            ),
            Health("Degraded", "no such host", "conditions"),
            id="stalled",
        ),
        pytest.param(
            _obj("example.com/v1", "Thing", status={"conditions": [_condition("Ready", "True", "", "all good")]}),
            Health("Healthy", "all good", "conditions"),
            id="ready",
        ),
        pytest.param(
            _obj(
                "example.com/v1", "Thing", status={"conditions": [_condition("Ready", "False", "BuildFailed", "typo")]}
            ),
            Health("Degraded", "typo", "conditions"),
            id="not-ready-failed",
        ),
        pytest.param(
            _obj("example.com/v1", "Thing", status={"conditions": [_condition("Ready", "Unknown", "", "working")]}),
            Health("Progressing", "working", "conditions"),
            id="not-ready-yet",
        ),
    ],
)
def test_judge(obj: dict[str, Any], expected: Health) -> None:
    """An object is judged by the first rule that knows it."""
    assert expected == judge(obj)


def test_added_rule_wins() -> None:
    """A rule that a family adds goes before the built-in one, and steps back by answering None."""
    service = _obj("v1", "Service", spec={"type": "LoadBalancer"})
    assert judge(service, {("", "Service"): lambda _: Health("Degraded", "mine")}) == Health(
        "Degraded", "mine", "added"
    )
    assert judge(service, {("", "Service"): lambda _: None}) == Health("Progressing", "", "built-in")


def test_worst() -> None:
    """Sums up by the worst status, healthy when there is none."""
    assert worst([]) == "Healthy"
    assert worst(["Healthy", "Suspended"]) == "Suspended"
    assert worst(["Degraded", "Missing", "Progressing"]) == "Degraded"


DEPLOYED = {"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1, "readyReplicas": 1}


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        pytest.param(_obj("v1", "ConfigMap"), ("Current", "Resource is always ready"), id="configmap"),
        pytest.param(
            _obj("apps/v1", "Deployment", spec={"replicas": 2}, status=DEPLOYED),
            ("InProgress", "Replicas: 1/2"),
            id="few",
        ),
        pytest.param(
            _obj(
                "apps/v1",
                "Deployment",
                spec={"replicas": 1},
                status={**DEPLOYED, "conditions": [_condition("Available", "True")]},
            ),
            ("Current", "Deployment is available. Replicas: 1"),
            id="deployed",
        ),
        pytest.param(
            _obj(
                "apps/v1",
                "Deployment",
                status={"conditions": [_condition("Progressing", "False", "ProgressDeadlineExceeded")]},
            ),
            ("Failed", "Progress deadline exceeded"),
            id="deadline",
        ),
        pytest.param(_obj("batch/v1", "Job", status={}), ("InProgress", "Job not started"), id="job-new"),
        pytest.param(
            _obj("batch/v1", "Job", status={"failed": 1, "conditions": [_condition("Failed", "True")]}),
            ("Failed", "Job Failed. failed: 1/1"),
            id="job-failed",
        ),
        pytest.param(
            _obj("x.io/v1", "Thing", metadata={"generation": 3}, status={"observedGeneration": 2}),
            ("InProgress", "Thing generation is 3, but latest observed generation is 2"),
            id="generation",
        ),
        pytest.param(
            _obj("x.io/v1", "Thing", metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"}),
            ("Terminating", "Resource scheduled for deletion"),
            id="terminating",
        ),
        pytest.param(
            _obj("x.io/v1", "Thing", status={"conditions": [_condition("Ready", "False", "", "not yet")]}),
            ("InProgress", "not yet"),
            id="not-ready",
        ),
    ],
)
def test_kstatus(obj: dict[str, Any], expected: tuple[str, str]) -> None:
    """kstatus computes what its documentation and its own tests say."""
    computed = kstatus.compute(obj)
    assert expected == (computed.status, computed.message)
