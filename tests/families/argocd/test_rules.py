"""What an Application asks for: when to sync by itself, when to repair, what a newer revision does."""

from typing import Any

import pytest

from trueup.families.argocd import automatic, rules
from trueup.families.argocd.operation import Subject
from trueup.families.argocd.types import Application, Source, parse_options
from trueup.families.argocd.wanted import mark, options_of, owner_in, removals, tracking_id, wanted_of
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
    verdict = automatic.automatic(app(policy, status), plan(*changes), ["c1"], 1_770_000_000.0)

    found = "begin" if isinstance(verdict, automatic.Begin) else "error" if verdict.error else "hold"
    assert found == expected


def test_repairs_slow_down_when_something_fights_back() -> None:
    """Three repairs go at once; then each waits longer than the last."""
    policy = {"automated": {"selfHeal": True}}
    at = rules.parse_time("2026-01-01T00:00:00Z")

    first = automatic.automatic(app(policy, finished(heals=0)), plan("update"), ["c1"], at)
    fourth = automatic.automatic(app(policy, finished(heals=4)), plan("update"), ["c1"], at)

    assert isinstance(first, automatic.Begin)
    assert first.operation["sync"]["autoHealAttemptsCount"] == 1
    assert isinstance(fourth, automatic.Hold)
    assert fourth.after == 6.0


def test_a_newer_revision_preempts_what_nobody_named() -> None:
    """What a person asked for by name is finished first; a sync to whatever is newest is not."""
    automated = {"initiatedBy": {"automated": True}, "sync": {"revision": "c1"}}
    named = {"initiatedBy": {"username": "ada"}, "sync": {"revision": "c1"}}
    newest = {"initiatedBy": {"username": "ada"}, "sync": {}}
    own = app({"automated": {}})
    at = Subject(tuple(own.sources), ("c1",), several=False)
    elsewhere = Subject((Source.parse({**SOURCE, "path": "other"}),), ("c1",), several=False)

    assert automatic.preempts(own, automated, at, ["c2"])
    assert not automatic.preempts(own, automated, at, ["c1"])
    assert automatic.preempts(own, automated, elsewhere, ["c1"])
    assert not automatic.preempts(own, named, at, ["c2"])
    assert automatic.preempts(own, newest, at, ["c2"])
    assert not automatic.preempts(app(), automated, at, ["c2"])


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
        ({"helm.sh/hook": "crd-install"}, [("Sync", 0, False)]),
        ({"argocd.argoproj.io/hook": "Other", "helm.sh/hook": "pre-install"}, [("PreSync", 0, True)]),
        ({"argocd.argoproj.io/hook": "PreDelete,PostDelete"}, [("PreDelete", 0, True), ("PostDelete", 0, True)]),
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


def test_what_is_wrong_with_a_spec_is_said_as_argocd_says_it() -> None:
    """Missing sources and destinations, and what trueup does not do yet."""
    here = {"server": "https://kubernetes.default.svc"}

    def wrong(**spec: Any) -> list[str]:
        return rules.wrong(Application.parse({"metadata": {"name": "web", "namespace": "argocd"}, "spec": spec}))

    assert wrong(source=SOURCE, destination=here) == []
    assert wrong(destination=here) == [
        "spec.source.repoURL and either spec.source.path or spec.source.chart are required"
    ]
    assert wrong(sources=[{"repoURL": "https://git/x.git"}], destination=here) == [
        "spec.source.repoURL and either source.path, source.chart, or source.ref are required for source https://git/x.git"
    ]
    assert wrong(source=SOURCE, destination={}) == ["Destination server missing from app spec"]
    assert wrong(source=SOURCE, destination={**here, "name": "prod"}) == [
        "application destination can't have both name and server defined: prod https://kubernetes.default.svc"
    ]
    assert "not supported yet" in wrong(source={**SOURCE, "plugin": {}}, destination=here)[0]
    assert "not supported yet" in wrong(sourceHydrator={"drySource": {}}, destination=here)[0]


def test_retries_are_read_with_their_defaults() -> None:
    """Durations with units, or seconds; none at all means one attempt."""
    assert rules.retry_of(None).limit == 0
    assert rules.retry_of({"limit": 2}).after(2) == 10.0
    assert (
        rules.retry_of({"limit": -1, "backoff": {"duration": "1m", "factor": 3, "maxDuration": "5m"}}).after(3) == 300
    )
    assert rules.retry_of({"limit": 1, "backoff": {"duration": 7}}).after(1) == 7.0


def test_an_approval_counts_from_the_beginning_of_the_operation() -> None:
    """Times are compared as moments, not as text."""
    approved = app()
    approved.raw["metadata"]["annotations"] = {"argocd.argoproj.io/deletion-approved": "2026-01-01T02:00:00+02:00"}

    assert rules.approved(approved, "2026-01-01T00:00:00Z")
    assert not rules.approved(approved, "2026-01-01T00:00:01Z")
    assert not rules.approved(app(), "2026-01-01T00:00:00Z")


def test_removing_is_decided_by_the_object_then_by_the_application() -> None:
    """``Prune`` and ``Delete`` of the sync options are what an object without them goes by."""
    defaults = removals(parse_options(["Prune=confirm", "Delete=false"]))
    keep: Object = {"kind": "ConfigMap"}
    definition: Object = {"kind": "CustomResourceDefinition"}

    assert (options_of({}, defaults).prune, options_of({}, defaults).delete) == ("confirm", "no")
    assert options_of({"argocd.argoproj.io/sync-options": "Prune=true"}, defaults).prune == "yes"
    assert options_of({"helm.sh/resource-policy": "keep"}, live=keep).delete == "no"
    assert options_of({}, live=definition).delete == "no"
    assert options_of({}, live=keep).delete == "yes"
