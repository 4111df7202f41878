"""CEL expressions of health and of readiness."""

from __future__ import annotations

from typing import Any

import pytest

from tests.families.flux.test_words import kustomization
from trueup.cel import CelError
from trueup.families.flux import expressions
from trueup.kube.names import Object

CLAIM = {
    "apiVersion": "db.example.com/v1",
    "kind": "Claim",
    "inProgress": "status.phase == 'Creating'",
    "failed": "status.phase == 'Broken'",
    "current": "status.conditions.filter(e, e.type == 'Done').all(e, e.status == 'True')",
}


def claim(generation: int = 1, **status: Any) -> Object:
    meta = {"name": "c", "generation": generation}
    return {"apiVersion": "db.example.com/v1beta1", "kind": "Claim", "metadata": meta, "status": status}


DONE = [{"type": "Done", "status": "True"}]


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        (claim(phase="Creating", conditions=DONE), "Progressing"),
        (claim(phase="Broken", conditions=DONE), "Degraded"),
        (claim(phase="Fine", conditions=DONE), "Healthy"),
        (claim(phase="Fine", conditions=[{"type": "Done", "status": "False"}]), "Progressing"),
        (claim(2, phase="Fine", conditions=DONE, observedGeneration=1), "Progressing"),
        (claim(conditions=DONE), "Unknown"),
    ],
    ids=["in-progress", "failed", "current", "none-holds", "not-observed", "no-such-field"],
)
def test_health_by_expressions(obj: Object, expected: str) -> None:
    """In progress, failed, current, in this order; of any version of the group."""
    assert expressions.health([CLAIM])(obj).status == expected


def test_other_kinds_are_judged_as_ever() -> None:
    """And a check without a kind speaks of its whole group."""
    judge = expressions.health([CLAIM, {"apiVersion": "all.example.com/v1", "current": "spec.ok"}])
    other: Object = {"apiVersion": "all.example.com/v2", "kind": "Any", "metadata": {"name": "a"}, "spec": {"ok": True}}

    assert judge({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}).rule == "kstatus"
    assert judge(other).status == "Healthy"


@pytest.mark.parametrize(
    ("checks", "said"),
    [
        ([{**CLAIM, "current": "status.phase =="}], "failed to parse the CEL expression"),
        ([CLAIM, CLAIM], "duplicate custom health check for GroupKind Claim.db.example.com at healthchecks[1]"),
    ],
    ids=["text", "twice"],
)
def test_what_cannot_be_used_is_refused(checks: list[dict[str, str]], said: str) -> None:
    """Before anything is applied."""
    with pytest.raises(expressions.Wrong, match=said.replace("[", r"\[")):
        expressions.health(checks)


def test_a_dependency_is_ready_when_the_expression_says_so() -> None:
    """It sees both Kustomizations; what is no truth value is an error."""
    mine, other = kustomization({"path": "./a"}), kustomization(status={"lastAppliedRevision": "main@sha1:a"})

    assert expressions.ready(
        "dep.status.lastAppliedRevision.startsWith('main@') && self.spec.path == './a'", mine, other
    )
    assert not expressions.ready("dep.metadata.name == self.spec.path", mine, other)
    with pytest.raises(CelError):
        expressions.ready("dep.metadata.name", mine, other)
    with pytest.raises(CelError):
        expressions.ready("dep.status.nothing == 1", mine, other)
