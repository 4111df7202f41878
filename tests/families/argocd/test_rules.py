"""What an Application asks for: when to sync by itself, when to repair, what a newer revision does."""

from typing import Any

import pytest

from trueup.families.argocd import projects, rules
from trueup.families.argocd.types import Application
from trueup.families.argocd.wanted import mark, owner_in, tracking_id, wanted_of
from trueup.kube.names import Kind, Object, Ref
from trueup.plan.plan import Change, Plan
from trueup.plan.wanted import Wanted

SOURCE = {"repoURL": "https://git/x.git", "path": "app"}
CONFIG = Ref(Kind("", "v1", "ConfigMap"), "web", "a")


def app(policy: dict[str, Any] | None = None, status: dict[str, Any] | None = None) -> Application:
    return Application.parse(
        {
            "metadata": {"name": "web", "namespace": "argocd"},
            "spec": {"source": SOURCE, "destination": {"namespace": "web"}, "syncPolicy": policy or {}},
            "status": status or {},
        }
    )


def plan(*actions: str) -> Plan:
    obj: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "web"}}
    return Plan(
        tuple(
            Change(CONFIG, action, None if action == "prune" else Wanted(obj))  # type: ignore[arg-type]
            for action in actions
        )
    )


def finished(phase: str = "Succeeded", at: str = "2026-01-01T00:00:00Z", heals: int = 0) -> dict[str, Any]:
    return {
        "operationState": {
            "phase": phase,
            "finishedAt": at,
            "message": "said no",
            "operation": {"sync": {"autoHealAttemptsCount": heals}},
            "syncResult": {"revision": "c1", "source": SOURCE},
        }
    }


@pytest.mark.parametrize(
    ("policy", "changes", "status", "expected"),
    [
        ({}, ("create",), {}, "hold"),
        ({"automated": {}}, ("keep",), {}, "hold"),
        ({"automated": {}}, ("create",), {}, "begin"),
        ({"automated": {}}, ("prune", "keep"), {}, "hold"),
        ({"automated": {"prune": True}}, ("prune", "keep"), {}, "begin"),
        ({"automated": {"prune": True}}, ("prune",), {}, "error"),
        ({"automated": {"prune": True, "allowEmpty": True}}, ("prune",), {}, "begin"),
        ({"automated": {}}, ("update",), finished(), "hold"),
        ({"automated": {"selfHeal": True}}, ("update",), finished(), "begin"),
        ({"automated": {"selfHeal": True}}, ("update",), finished("Failed"), "error"),
        ({"automated": {"enabled": False}}, ("create",), {}, "hold"),
    ],
)
def test_syncing_by_itself(
    policy: dict[str, Any], changes: tuple[str, ...], status: dict[str, Any], expected: str
) -> None:
    """Automated sync acts on new revisions, repairs only with selfHeal, never wipes an app out unasked."""
    verdict = rules.automatic(app(policy, status), plan(*changes), ["c1"], 1_770_000_000.0)

    found = "begin" if isinstance(verdict, rules.Begin) else "error" if verdict.error else "hold"
    assert found == expected


def test_repairs_slow_down_when_something_fights_back() -> None:
    """Three repairs go at once; then each waits longer than the last."""
    policy = {"automated": {"selfHeal": True}}
    at = rules.parse_time("2026-01-01T00:00:00Z")

    first = rules.automatic(app(policy, finished(heals=0)), plan("update"), ["c1"], at)
    fourth = rules.automatic(app(policy, finished(heals=4)), plan("update"), ["c1"], at)

    assert isinstance(first, rules.Begin)
    assert first.operation["sync"]["autoHealAttemptsCount"] == 1
    assert isinstance(fourth, rules.Hold)
    assert fourth.after == 6.0


def test_a_newer_revision_preempts_an_automated_operation_only() -> None:
    """What a person asked for is finished first."""
    automated = {"initiatedBy": {"automated": True}, "sync": {"revision": "c1"}}
    asked = {"initiatedBy": {"username": "ada"}, "sync": {"revision": "c1"}}

    assert rules.preempts(app({"automated": {}}), automated, ["c2"])
    assert not rules.preempts(app({"automated": {}}), automated, ["c1"])
    assert not rules.preempts(app({"automated": {}}), asked, ["c2"])


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ({}, [("Sync", 0, False)]),
        ({"argocd.argoproj.io/sync-wave": "-2"}, [("Sync", -2, False)]),
        ({"argocd.argoproj.io/hook": "PreSync,PostSync"}, [("PreSync", 0, True), ("PostSync", 0, True)]),
        ({"argocd.argoproj.io/hook": "Skip"}, []),
        ({"helm.sh/hook": "pre-install,pre-upgrade", "helm.sh/hook-weight": "5"}, [("PreSync", 5, True)]),
        ({"helm.sh/hook": "post-install", "argocd.argoproj.io/sync-wave": "3"}, [("PostSync", 3, True)]),
        ({"helm.sh/hook": "test"}, []),
        ({"argocd.argoproj.io/sync-wave": "later"}, [("Sync", 0, False)]),
    ],
)
def test_hooks_and_waves_are_read_from_annotations(
    annotations: dict[str, str], expected: list[tuple[str, int, bool]]
) -> None:
    """Argo CD's own annotations first, Helm's as Argo CD reads them."""
    obj = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j", "annotations": annotations}}

    assert [(w.phase, w.wave, w.hook is not None) for w in wanted_of(obj)] == expected


def test_tracking_ids_belong_to_the_object_that_carries_them() -> None:
    """A copy of a tracked object under another name is nobody's."""
    obj = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"}}
    marked = mark(obj, "store", "shop")
    copied = {**marked, "metadata": {**marked["metadata"], "name": "other"}}

    assert tracking_id("store", Ref.of(obj), "shop") == "store:apps/Deployment:shop/web"
    assert owner_in(marked) == "store"
    assert owner_in(copied) == ""
    assert "annotations" not in obj["metadata"]


def test_projects_bound_sources_destinations_and_kinds() -> None:
    """What a project does not list is refused by name."""
    spec = {
        "sourceRepos": ["https://git/*", "!https://git/secret.git"],
        "destinations": [{"server": "https://kubernetes.default.svc", "namespace": "web-*"}],
        "namespaceResourceBlacklist": [{"group": "", "kind": "Secret"}],
    }
    secret = Ref(Kind("", "v1", "Secret"), "web-1", "s")
    role = Ref(Kind("rbac.authorization.k8s.io", "v1", "ClusterRole"), "", "r")

    assert projects.allows_source(spec, "https://git/x.git")
    assert not projects.allows_source(spec, "https://git/secret.git")
    assert projects.problems(app(), spec) == [
        "application destination server 'https://kubernetes.default.svc' and namespace 'web' "
        "do not match any of the allowed destinations in project 'default'"
    ]
    assert projects.permits(app(), spec, secret, True) == "resource :Secret is not permitted in project default"
    assert "is not permitted" in projects.permits(app(), spec, role, False)
    assert projects.problems(app(), None) == ["Application referencing project default which does not exist"]
