"""What a comparison and an operation come to in the words of the status, and back again."""

from __future__ import annotations

from typing import Any

import pytest

from trueup.delivery.outcome import Outcome
from trueup.families.argocd import operation, status
from trueup.families.argocd.operation import Subject
from trueup.families.argocd.types import Application, Source
from trueup.health.verdict import Health
from trueup.kube.names import Kind, Object, Ref
from trueup.plan.plan import Action, Change, Plan
from trueup.plan.policy import Retry
from trueup.plan.progress import Progress, Result
from trueup.plan.wanted import Hook, Options, Wanted
from trueup.timing.rfc3339 import parse_time

SOURCE = {"repoURL": "https://git/x.git", "path": "app"}
NOW = parse_time("2026-01-01T00:10:00Z")


def app(status_: dict[str, Any] | None = None, annotations: dict[str, str] | None = None, **spec: Any) -> Application:
    meta = {"name": "web", "namespace": "argocd", "annotations": annotations or {}}
    return Application.parse({"metadata": meta, "spec": {"source": SOURCE, **spec}, "status": status_ or {}})


def line(kind: str, name: str, action: Action = "keep", health: str = "", *, live: bool = True, **more: Any) -> Change:
    """One line of a plan; without ``live`` nothing is there."""
    group, _, short = kind.rpartition("/")
    ref = Ref(Kind(group, "v1", short), "ns", name)
    obj: Object = {"apiVersion": ref.kind.api_version, "kind": short, "metadata": {"name": name, "namespace": "ns"}}
    hook = more.pop("hook", None)
    wanted = None if action in ("prune", "leave") else Wanted(obj, hook=hook)
    judged = Health(health, more.pop("message", ""), "test") if health else None  # type: ignore[arg-type]
    return Change(ref, action, wanted, live=obj if live else None, health=judged, **more)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([line("ConfigMap", "a")], {"status": "Healthy"}),
        ([line("apps/Deployment", "a", "create", live=False)], {"status": "Missing"}),
        (
            [line("apps/Deployment", "a", "create", live=False), line("apps/Deployment", "b", health="Healthy")],
            {"status": "Healthy"},
        ),
        (
            [line("apps/Deployment", n, health="Degraded") for n in "abcd"] + [line("Pod", "p", health="Progressing")],
            {
                "status": "Degraded",
                "message": "Caused by apps/Deployment:ns/a, apps/Deployment:ns/b, apps/Deployment:ns/c and 1 more",
            },
        ),
        ([line("Pod", "p", health="Degraded", options=Options(ignore_health=True))], {"status": "Healthy"}),
        ([line("batch/Job", "j", "hook", health="Degraded", hook=Hook())], {"status": "Healthy"}),
        ([line("argoproj.io/Application", "child", health="Unknown")], {"status": "Healthy"}),
        (
            [line("argoproj.io/Application", "child", health="Degraded")],
            {"status": "Degraded", "message": "Caused by argoproj.io/Application:ns/child"},
        ),
    ],
)
def test_health_is_the_worst_of_what_is_live_and_names_it(lines: list[Change], expected: Object) -> None:
    """Missing only when nothing is there; hooks and what is to be ignored do not count."""
    assert status.app_health(Plan(tuple(lines))) == expected


def test_an_application_does_not_judge_itself() -> None:
    """One that is among its own resources."""
    change = line("argoproj.io/Application", "web", health="Degraded")

    assert status.app_health(Plan((change,)), change.ref) == {"status": "Healthy"}
    assert "health" not in status.resources(Plan((change,)), itself=change.ref)[0]


def test_resources_are_listed_by_kind_and_name() -> None:
    """With their states, what is to be pruned or confirmed, their waves, and hooks that are there."""
    hook = line("batch/Job", "h", "hook", health="Progressing", message="running", hook=Hook(), wave=1)
    away = line("batch/Job", "away", "hook", hook=Hook(), live=False)
    old = line("ConfigMap", "old", "prune", options=Options(prune="confirm"))
    forbidden = line("Secret", "s", "forbidden", live=False)
    made = Ref(Kind("batch", "v1", "Job"), "ns", "made-1")
    found = status.resources(Plan((hook, away, old, forbidden, line("ConfigMap", "a", "update"))), [made])

    assert found == [
        {"version": "v1", "kind": "ConfigMap", "name": "a", "namespace": "ns", "status": "OutOfSync"},
        {
            "version": "v1", "kind": "ConfigMap", "name": "old", "namespace": "ns", "status": "OutOfSync",
            "requiresPruning": True, "requiresDeletionConfirmation": True,
        },
        {
            "version": "v1", "kind": "Secret", "name": "s", "namespace": "ns", "status": "Unknown",
            "health": {"status": "Missing"},
        },
        {
            "version": "v1", "kind": "Job", "name": "h", "namespace": "ns", "group": "batch", "hook": True, "syncWave": 1,
            "health": {"status": "Progressing", "message": "running"},
        },
        {"version": "v1", "kind": "Job", "name": "made-1", "group": "batch", "namespace": "ns", "hook": True},
    ]  # fmt: skip


def test_the_namespaces_metadata_count_as_a_difference() -> None:
    """What the last sync set them to is in its result."""
    policy = {"managedNamespaceMetadata": {"labels": {"a": "1"}}}
    same = {"operationState": {"syncResult": {"managedNamespaceMetadata": {"labels": {"a": "1"}}}}}
    other = {"operationState": {"syncResult": {}}}

    assert status.compared(app(same, syncPolicy=policy), Plan(), ["c1"])["status"] == "Synced"
    assert status.compared(app(other, syncPolicy=policy), Plan(), ["c1"])["status"] == "OutOfSync"
    assert status.compared(app(syncPolicy=policy), Plan(), ["c1"])["status"] == "Synced"
    assert status.compared(app(), None, [])["status"] == "Unknown"


def test_addresses_of_ingresses_and_links() -> None:
    """Hosts with their paths, by https where there is a certificate; the balancer's own where no host is named."""
    rules = [
        {"host": "a.example.com", "http": {"paths": [{"path": "/"}, {"path": "/x*"}]}},
        {"http": {"paths": [{"path": "/y"}]}},
        {"host": "unused.example.com"},
    ]
    ingress: Object = {
        "kind": "Ingress",
        "metadata": {"name": "i"},
        "spec": {"tls": [{"hosts": ["a.example.com"]}], "rules": rules},
        "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.1"}]}},
    }
    change = Change(Ref(Kind("networking.k8s.io", "v1", "Ingress"), "ns", "i"), "keep", live=ingress)
    linked = app(annotations={"link.argocd.argoproj.io/docs": "https://docs.example.com"})

    assert status.summary(linked, Plan((change,))) == {
        "externalURLs": [
            "http://203.0.113.1/y",
            "https://a.example.com/",
            "https://a.example.com/x",
            "https://docs.example.com",
        ]
    }
    hidden = {**ingress, "metadata": {"name": "i", "annotations": {"argocd.argoproj.io/ignore-default-links": "true"}}}
    assert status.summary(app(), Plan((Change(change.ref, "keep", live=hidden),))) == {}


def test_conditions_are_sorted_and_keep_their_time() -> None:
    """The time is when a message was first said."""
    old = [{"type": "SyncError", "message": "no", "lastTransitionTime": "2026-01-01T00:00:00Z"}]
    found = status.conditions(old, {"SyncError": ["no", "a"], "ComparisonError": ["x"]}, NOW)

    assert [(c["type"], c["message"], c["lastTransitionTime"][14:16]) for c in found] == [
        ("ComparisonError", "x", "10"),
        ("SyncError", "a", "10"),
        ("SyncError", "no", "00"),
    ]


# --- operations --------------------------------------------------------------------------------------------------

JOB = Result(Ref(Kind("batch", "v1", "Job"), "ns", "j"), "PreSync", "Synced", "Running", "on its way", "PreSync")
SUBJECT = Subject((Source.parse(SOURCE),), ("c1",), several=False)
ASKED: Object = {"sync": {"prune": True}}


def outcome(phase: str, message: str, **more: Any) -> Outcome:
    progress = Progress(started="2026-01-01T00:00:00Z", revision="c1", attempt=more.get("attempts", 0)).having([JOB])
    return Outcome(phase, message, progress, (JOB,), **more)  # type: ignore[arg-type]


def test_an_operation_goes_on_from_what_was_written_down() -> None:
    """Results, hooks' runs and the attempt survive in the status alone."""
    state = operation.after(ASKED, outcome("Running", "waiting"), SUBJECT, NOW)

    assert (state["phase"], state["message"], "finishedAt" in state) == ("Running", "waiting", False)
    again = operation.progress_of(state, Retry())
    assert (again.started, again.revision, again.attempt) == ("2026-01-01T00:00:00Z", "c1", 0)
    assert list(again.results.values()) == [JOB]
    assert operation.hooks(state) == [JOB.ref]
    assert Subject.under_way(app(), state) == SUBJECT


def test_an_attempt_that_failed_waits_for_the_next() -> None:
    """It runs, and has an end already; after a restart it still waits as long as it has to."""
    state, wait = operation.troubled(operation.begun(ASKED, SUBJECT, NOW), Retry(limit=2), "no way", NOW)

    assert wait == 5.0
    assert (state["phase"], state["retryCount"], state["finishedAt"]) == ("Running", 1, "2026-01-01T00:10:00Z")
    assert state["message"] == "no way. Retrying attempt #1 at 2026-01-01T00:10:05Z."
    assert operation.progress_of(state, Retry(limit=2)).not_before == NOW + 5
    last, none = operation.troubled({**state, "retryCount": 2}, Retry(limit=2), "no way", NOW)
    assert (none, last["phase"], last["message"]) == (None, "Error", "no way (retried 2 times).")


def test_the_end_says_how_often_it_was_tried() -> None:
    """And goes into the history only when it was whole, real and good."""
    failed = operation.after(ASKED, outcome("Failed", "no", attempts=3), SUBJECT, NOW)
    done = operation.after(ASKED, outcome("Succeeded", "yes"), SUBJECT, NOW)
    dry = operation.after({"sync": {"dryRun": True}}, outcome("Succeeded", "yes"), SUBJECT, NOW)

    assert failed["message"] == "no (retried 3 times)."
    assert operation.history(app(), failed) == operation.history(app(), dry) == []
    kept = app({"history": [{"id": 6}, {"id": 7}]}, revisionHistoryLimit=2)
    assert [entry["id"] for entry in operation.history(kept, done)] == [7, 8]
    assert operation.history(app(revisionHistoryLimit=0), done) == []


def test_what_an_operation_is_about() -> None:
    """Its own sources and revisions, else those of the spec; the status of one under way goes before."""
    rollback = Subject.of(app(), {"sync": {"source": {**SOURCE, "path": "old"}, "revision": "c0"}})
    plural = Subject.of(app(sources=[SOURCE, SOURCE]), {"sync": {"revisions": ["c1"]}})

    assert (rollback.sources[0].path, rollback.revisions, rollback.several) == ("old", ("c0",), False)
    assert (plural.revisions, plural.several) == (("c1", ""), True)
    assert Subject.of(app(), {}).revisions == ("",)
    unresolved = {"operation": ASKED, "syncResult": {"revision": "", "source": SOURCE}}
    assert Subject.under_way(app(), unresolved).revisions == ("",)


def test_hooks_go_along_when_everything_goes() -> None:
    """What was compared and written is owned; hooks are when asked for, but for what runs afterwards."""
    written = [
        {"version": "v1", "kind": "Job", "name": "pre", "hookType": "PreSync"},
        {"version": "v1", "kind": "Job", "name": "post", "hookType": "PostDelete"},
        {"version": "v1", "kind": "ConfigMap", "name": "b"},
    ]
    known = {
        "resources": [{"version": "v1", "kind": "ConfigMap", "name": "a"}, {"kind": "Job", "name": "h", "hook": True}],
        "operationState": {"syncResult": {"resources": written}},
    }

    assert [ref.name for ref in status.inventory(known)] == ["a", "b"]
    assert [ref.name for ref in status.inventory(known, hooks=True)] == ["a", "h", "pre", "b"]
