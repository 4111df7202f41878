"""Flux's words: inventory ids, conditions, revisions, what a Kustomization looks like to people."""

from typing import Any

import pytest

from trueup.families.flux import rules, view
from trueup.families.flux import status as words
from trueup.families.flux.types import GitRepository, Kustomization, clean_path
from trueup.family import ActionRequest, Stop
from trueup.kube.names import Kind, Ref
from trueup.plan.plan import Change, Plan


def kustomization(spec: dict[str, Any] | None = None, status: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "metadata": {"name": "apps", "namespace": "flux-system", "generation": 1},
        "spec": {
            "interval": "10m",
            "prune": True,
            "sourceRef": {"kind": "GitRepository", "name": "repo"},
            "path": "./apps",
            **(spec or {}),
        },
        "status": status or {},
    }


@pytest.mark.parametrize(
    ("ref", "expected"),
    [
        (Ref(Kind("apps", "v1", "Deployment"), "web", "a"), "web_a_apps_Deployment"),
        (Ref(Kind("", "v1", "Namespace"), "", "web"), "_web__Namespace"),
        (Ref(Kind("rbac.authorization.k8s.io", "v1", "ClusterRole"), "", "system:x"),
         "_system__x_rbac.authorization.k8s.io_ClusterRole"),
    ],
)  # fmt: skip
def test_inventory_ids_go_both_ways(ref: Ref, expected: str) -> None:
    """namespace_name_group_kind, with a colon written as two underscores."""
    assert view.inventory_id(ref) == expected
    assert view.parse_inventory_id(expected, "v1") == ref


def test_a_conditions_time_stays_while_its_status_does() -> None:
    """Only a change of status is a transition."""
    first = words.conditions([], [words.ready("Succeeded", "one")], 1, 0.0)
    second = words.conditions(first, [words.ready("Succeeded", "two")], 2, 60.0)
    third = words.conditions(second, [words.not_ready("Failed", "no")], 2, 120.0)

    assert [c[0]["lastTransitionTime"] for c in (first, second, third)] == [
        "1970-01-01T00:00:00Z",
        "1970-01-01T00:00:00Z",
        "1970-01-01T00:02:00Z",
    ]
    assert second[0]["observedGeneration"] == 2


def test_revisions_name_their_algorithm() -> None:
    """RFC-0005: name@algorithm:digest."""
    commit = "a" * 40

    assert words.artifact_revision("main", commit) == f"main@sha1:{commit}"
    assert words.artifact_revision("", commit) == f"sha1:{commit}"
    assert words.commit_of(f"main@sha1:{commit}") == commit


@pytest.mark.parametrize(
    ("path", "expected"), [("./apps/", "apps"), ("/", ""), ("", ""), ("../../etc", "etc"), ("a/../b", "b")]
)
def test_paths_never_leave_the_artifact(path: str, expected: str) -> None:
    """Joined securely, as Flux joins them."""
    assert clean_path(path) == expected


@pytest.mark.parametrize(
    ("ref", "expected"),
    [
        ({}, ("master", "")),
        ({"branch": "main"}, ("main", "")),
        ({"branch": "main", "tag": "v1"}, ("v1", "")),
        ({"tag": "v1", "semver": ">=1"}, ("HEAD", ">=1")),
        ({"semver": ">=1", "name": "refs/pull/1/head"}, ("refs/pull/1/head", "")),
        ({"name": "refs/heads/x", "commit": "abc"}, ("abc", "")),
    ],
)
def test_git_references_have_an_order(ref: dict[str, str], expected: tuple[str, str]) -> None:
    """Commit, name, semver, tag, branch."""
    spec = GitRepository.parse({"metadata": {}, "spec": {"url": "https://x", "interval": "1m", "ref": ref}}).git_spec(
        {}
    )

    assert (spec.ref, spec.semver) == expected


def test_dependencies_must_be_ready_at_the_same_revision() -> None:
    """Of the same source: the same revision; of another one: ready is enough."""
    ready = kustomization(
        status={
            "observedGeneration": 1,
            "conditions": [{"type": "Ready", "status": "True"}],
            "lastAppliedRevision": "main@sha1:1",
        }
    )

    assert rules.ready_dependency(ready, "main@sha1:1", True) == ""
    assert rules.ready_dependency(ready, "main@sha1:2", True) == "revision is not up to date"
    assert rules.ready_dependency(ready, "main@sha1:2", False) == ""
    assert rules.ready_dependency(kustomization(), "x", False) == "is not ready"
    assert rules.ready_dependency(None, "x", False) == "not found"


def test_annotations_decide_how_an_object_is_applied() -> None:
    """ssa, force, prune and reconcile, by annotation or label."""

    def options(**annotations: str) -> Any:
        names = {f"kustomize.toolkit.fluxcd.io/{k}": v for k, v in annotations.items()}
        return rules.options_of({"metadata": {"annotations": names}})

    assert options(ssa="IfNotPresent").how == "create-only"
    assert options(reconcile="disabled").how == "ignore"
    assert options(prune="disabled").prune == "no"
    assert options(force="enabled").force is True


def test_a_request_to_run_shows_as_running_until_it_is_handled() -> None:
    """So that `trueup sync` waits for the run that it asked for."""
    done = {"conditions": [{"type": "Ready", "status": "True"}], "lastHandledReconcileAt": "t1"}
    asked = kustomization(status=done)
    asked["metadata"]["annotations"] = {"reconcile.fluxcd.io/requestedAt": "t2"}
    handled = kustomization(status={**done, "lastHandledReconcileAt": "t2"})

    assert view.view(asked).phase == "Running"
    assert view.view(handled).phase == "Succeeded"


def test_what_flux_cannot_do_is_refused_with_the_way_round() -> None:
    """Rollback has no meaning for a Kustomization."""
    with pytest.raises(Stop, match="revert the commit"):
        view.rollback(kustomization(), ActionRequest("ada", "t"))
    assert Kustomization.parse(kustomization()).interval == 600.0


def test_a_failure_that_waits_for_its_next_try_is_not_running() -> None:
    """Flux says that it is reconciling all the while; nobody should wait for that."""
    failed = [
        {"type": "Ready", "status": "False", "reason": "BuildFailed", "message": "no"},
        {"type": "Reconciling", "status": "True", "reason": "ProgressingWithRetry", "message": "Building manifests"},
    ]

    assert view.view(kustomization(status={"conditions": failed})).phase == "Failed"
    failed[1]["reason"] = "Progressing"
    assert view.view(kustomization(status={"conditions": failed})).phase == "Running"


def test_what_the_api_refused_is_tried_again_soon_then_ever_later() -> None:
    """After as long as it has been failing, from 5 s to the interval; a failed health check waits for the interval."""
    wish = Kustomization.parse(kustomization())
    bad = {"status": "False", "lastTransitionTime": "1970-01-01T00:00:00Z"}

    def after(lasted: float, reason: str = "ReconciliationFailed") -> float:
        return rules.retry_after(reason, bad if lasted else {"status": "Unknown"}, wish, lasted)

    assert [after(0), after(5), after(40), after(4000), after(40, "HealthCheckFailed")] == [5, 5, 40, 600, 600]


def test_the_same_failure_again_is_no_news() -> None:
    """The history does not count it, so the status holds still; another outcome, commit or content is news."""
    one, other = words.snapshot_digest([{"kind": "ConfigMap"}]), words.snapshot_digest([])
    past = words.history([], one, "main@sha1:a", "ReconciliationFailed", 0.1, 0.0)

    assert not words.is_news(past, one, "main@sha1:a", "ReconciliationFailed")
    assert words.is_news(past, one, "main@sha1:a", "ReconciliationSucceeded")
    assert words.is_news(past, one, "main@sha1:b", "ReconciliationFailed")
    assert words.is_news(past, other, "main@sha1:a", "ReconciliationFailed")
    assert words.is_news([], one, "main@sha1:a", "ReconciliationFailed")


def test_what_another_has_claimed_is_left_to_it_while_it_exists() -> None:
    """Nothing else about the plan changes."""
    config = Kind("", "v1", "ConfigMap")
    lines = (
        Change(Ref(config, "web", "taken"), "update", shared_with="web/other"),
        Change(Ref(config, "web", "of-one-that-went"), "update", shared_with="web/gone"),
        Change(Ref(config, "web", "drifted"), "update"),
        Change(Ref(config, "web", "absent"), "create"),
    )
    left = rules.left_to_others(Plan(lines), lambda name: name == "web/other")

    assert [(change.ref.name, change.action) for change in left] == [
        ("taken", "keep"),
        ("of-one-that-went", "update"),
        ("drifted", "update"),
        ("absent", "create"),
    ]
