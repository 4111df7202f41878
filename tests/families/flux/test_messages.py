"""What is said of applies, prunes and health checks, and what a spec selects."""

from __future__ import annotations

from typing import Any

import pytest

from tests.families.flux.test_words import kustomization
from trueup.families.flux import messages, rules
from trueup.families.flux import status as words
from trueup.families.flux.types import Kustomization
from trueup.kube.names import Kind, Object, Ref
from trueup.plan.plan import Change
from trueup.plan.wanted import Ignore, Wanted

WEB = Ref(Kind("apps", "v1", "Deployment"), "web", "a")
NAMESPACE = Ref(Kind("", "v1", "Namespace"), "", "web")


def config_map(name: str, **meta: Any) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "web", **meta}}


def test_objects_are_named_as_in_change_sets() -> None:
    """Kind, namespace and name; without a namespace where there is none."""
    assert (messages.subject(WEB), messages.subject(NAMESPACE)) == ("Deployment/web/a", "Namespace/web")


def test_a_stage_names_revision_and_timeout() -> None:
    """In Go's way of writing durations."""
    expected = "Building manifests for revision main@sha1:a with a timeout of 9m30s"

    assert messages.stage("Building manifests", "main@sha1:a", 570) == expected


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ('Deployment.apps "a" is invalid: spec.replicas: Required value', " (Invalid)"),
        ('configmaps "a" is forbidden: User "x" cannot patch', " (Forbidden)"),
        ('Apply failed with 1 conflict: conflict with "kubectl"', " (FieldManagerConflict)"),
        ("failed to create typed patch object: .spec.foo: field not declared in schema", ""),
    ],
)
def test_a_refusal_has_its_reason_and_its_place(said: str, reason: str) -> None:
    """The object, why, what the API said, and where it is written."""
    change = Change(WEB, "refused", Wanted(config_map("a"), "apps/a.yaml:3"))
    expected = f"Deployment/web/a dry-run failed{reason}: {said} (apps/a.yaml:3)"

    assert messages.refused(WEB, f"apps/a.yaml:3: {said}", change) == expected


def test_a_failed_health_check_names_the_objects_and_their_status() -> None:
    """Only what failed; at a timeout all that is not current."""
    found = {WEB: "InProgress", NAMESPACE: "Failed", Ref(WEB.kind, "web", "b"): "Current"}

    assert messages.unhealthy(found, timed_out=False) == (
        "failed early due to stalled resources: [Namespace/web status: 'Failed']"
    )
    assert messages.unhealthy(found, timed_out=True) == (
        "timeout waiting for: [Deployment/web/a status: 'InProgress', Namespace/web status: 'Failed']"
    )


def test_what_is_waited_for_is_named_up_to_a_point() -> None:
    """Five objects and how many more."""
    refs = [Ref(WEB.kind, "web", name) for name in "abcdefg"]

    assert messages.waiting([]) == ""
    assert messages.waiting(refs[:1]) == ": waiting for Deployment/web/a"
    assert messages.waiting(refs).endswith("Deployment/web/e and 2 more")


def test_how_long_it_took_is_no_news() -> None:
    """Messages that differ only in a duration are the same; others are not."""
    assert messages.same_but_for_time("health check failed after 1m0.5s: x", "health check failed after 2.25s: x")
    assert not messages.same_but_for_time("failed after 1s: x", "failed after 1s: y")


def test_history_counts_what_is_the_same_and_keeps_five() -> None:
    """By digest and outcome, newest first."""
    past: list[Object] = []
    for index in range(7):
        past = words.history(past, f"sha256:{index}", "main@sha1:a", "ReconciliationSucceeded", 0.1, float(index))
    again = words.history(past, "sha256:4", "main@sha1:b", "ReconciliationSucceeded", 0.1, 60.0)
    failed = words.history(past, "sha256:6", "main@sha1:b", "HealthCheckFailed", 0.1, 60.0)

    assert [entry["digest"] for entry in past] == [f"sha256:{i}" for i in (6, 5, 4, 3, 2)]
    assert (again[0]["digest"], again[0]["totalReconciliations"], len(again)) == ("sha256:4", 2, 5)
    assert [e["lastReconciledStatus"] for e in failed[:2]] == ["HealthCheckFailed", "ReconciliationSucceeded"]


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ({"ssa": "Merge"}, ("merge", "yes", None)),
        ({"ssa": "ifnotpresent"}, ("create-only", "yes", None)),
        ({"ssa": "Ignore"}, ("ignore", "no", None)),
        ({"reconcile": "Disabled"}, ("ignore", "no", None)),
        ({"prune": "disabled"}, (None, "no", None)),
        ({"force": "Enabled"}, (None, "yes", True)),
        ({}, (None, "yes", None)),
    ],
)
def test_an_objects_own_say(annotations: dict[str, str], expected: tuple[Any, ...]) -> None:
    """Annotations or labels, in any case."""
    said = {f"kustomize.toolkit.fluxcd.io/{name}": value for name, value in annotations.items()}

    for where in ("annotations", "labels"):
        options = rules.options_of(config_map("a", **{where: said}))
        assert (options.how, options.prune, options.force) == expected
        assert options.delete == options.prune


def test_variables_come_from_objects_and_inline_ones_win() -> None:
    """Without line ends; none at all means nothing is substituted, unless that is asked for."""
    assert rules.variables({"a": "1"}, {"a": "2", "b": "x\ny\n"}, "WithVariables") == ({"a": "1", "b": "xy"}, "")
    assert rules.variables({}, {}, "WithVariables") == (None, "")
    assert rules.variables({}, {}, "Always") == ({}, "")
    assert "'a-b' var name is invalid" in rules.variables({"a-b": "1"}, {}, "Always")[1]


def test_drift_that_is_ignored_is_selected_as_in_patches() -> None:
    """By regular expressions of names and by selectors; without a target, everywhere."""
    wish = Kustomization.parse(
        kustomization(
            {
                "ignore": [
                    {"paths": ["/data/a"], "target": {"kind": "ConfigMap", "name": "web-.*", "labelSelector": "x=1"}},
                    {"paths": ["/metadata/labels/b"]},
                ]
            }
        )
    )
    objects = [config_map("web-1", labels={"x": "1"}), config_map("web-2"), config_map("other", labels={"x": "1"})]

    assert rules.ignores(wish, objects) == (
        Ignore("", "ConfigMap", "web", "web-1", ("/data/a",)),
        Ignore(pointers=("/metadata/labels/b",)),
    )


@pytest.mark.parametrize(
    ("spec", "expected"),
    [({}, 570.0), ({"timeout": "2m"}, 120.0), ({"timeout": "5s"}, 30.0), ({"interval": "40s"}, 30.0)],
)
def test_a_timeout_is_never_shorter_than_half_a_minute(spec: dict[str, str], expected: float) -> None:
    """By default thirty seconds less than the interval."""
    assert Kustomization.parse(kustomization(spec)).timeout == expected


def test_a_kustomization_does_not_wait_for_itself() -> None:
    """It is left out of its health checks."""
    itself = {"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization"}
    checks = [{**itself, "name": name, "namespace": "flux-system"} for name in ("apps", "other")]
    wish = Kustomization.parse(kustomization({"healthChecks": checks}))

    assert [ref.name for ref in rules.awaited(wish)] == ["other"]


@pytest.mark.parametrize(
    ("closed", "expected"),
    [("", "configuring decryption is required"), ("there is no age identity", "there is no age identity")],
)
def test_encrypted_objects_are_refused(closed: str, expected: str) -> None:
    """Never applied as they are; unless the object says that it is meant so."""
    secret: Object = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", "namespace": "web"},
        "sops": {"mac": "ENC[...]"},
    }
    said = rules.refuses(secret, closed)
    assert said.startswith("Secret/web/s is SOPS encrypted")
    assert expected in said
    secret["metadata"]["annotations"] = {"kustomize.toolkit.fluxcd.io/decrypt": "disabled"}
    assert rules.refuses(secret) == ""
