"""Hooks, waves, newer revisions, apps of apps, projects and their windows, with genuine kubectl."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.system.argocd import (
    AUTOMATED,
    HERE,
    HOOK,
    URL,
    WAVE,
    Everything,
    config,
    deployment,
    everything,
    job,
    results,
)
from tests.system.cluster import needs_kubectl
from tests.system.program import eventually

pytestmark = [pytest.mark.system, needs_kubectl]
POLICY = "argocd.argoproj.io/hook-delete-policy"
FAIL = {"simulate.trueup.dev/fail": "true"}
NEVER = {"simulate.trueup.dev/pending": "true"}


@pytest.fixture(scope="module")
def all_(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Everything]:
    """One program for all of this file."""
    with everything(tmp_path_factory.mktemp("argocd")) as made:
        yield made


def jobs(all_: Everything, namespace: str) -> set[str]:
    """The names of the Jobs of a namespace."""
    return {o["metadata"]["name"] for o in all_.running.get("jobs", "-n", namespace)["items"]}


def created(all_: Everything, kind: str, name: str, namespace: str) -> str:
    return str(all_.get(kind, name, namespace)["metadata"]["creationTimestamp"])


def test_hooks_run_in_their_phases_and_waves_in_their_order(all_: Everything) -> None:
    """PreSync before all, Sync with the rest, PostSync at the end, Skip never; a later wave waits for health."""
    all_.files(
        "phases",
        job("before", {HOOK: "PreSync", POLICY: "HookSucceeded"}),
        job("with-", {HOOK: "Sync", WAVE: "1"}),
        job("after", {HOOK: "PostSync"}),
        job("never", {HOOK: "Skip"}),
        config("first", {WAVE: "-1"}, a="1"),
        deployment("middle"),
        config("last", {WAVE: "2"}, a="1"),
        message="phases",
    )
    all_.app("phases", AUTOMATED)
    state = all_.ended("phases", "Succeeded")
    found = all_.synced("phases")
    order = [f"{r['syncPhase']} {r['kind']}/{r['name']}" for r in state["syncResult"]["resources"]]
    generated = next(name for name in jobs(all_, "phases") if name.startswith("with-"))

    assert state["message"] == "successfully synced (no more tasks)"
    assert order == [
        "PreSync Job/before",
        "Sync ConfigMap/first",
        "Sync Deployment/middle",
        f"Sync Job/{generated}",
        "Sync ConfigMap/last",
        "PostSync Job/after",
    ]
    revision = found["sync"]["revision"][:7]
    assert generated.startswith(f"with-{revision}-sync-")
    assert jobs(all_, "phases") == {generated, "after"}
    before = results(state)["PreSync Job/before"]
    assert (before["hookType"], before["hookPhase"]) == ("PreSync", "Succeeded")
    assert before["message"] == "Reached expected number of succeeded pods"
    assert {r["name"]: r.get("hook") for r in found["resources"]} == {
        "first": None, "last": None, "middle": None, generated: True, "after": True,
    }  # fmt: skip
    assert {r["name"]: r.get("syncWave") for r in found["resources"] if not r.get("hook")} == {
        "first": -1, "last": 2, "middle": None,
    }  # fmt: skip


def test_a_hook_that_fails_lets_syncfail_hooks_run_and_later_waves_not(all_: Everything) -> None:
    """The operation fails, the rescue ran, what was to come did not."""
    all_.files(
        "failing",
        job("migrate", {HOOK: "PreSync"}, pod=FAIL),
        job("rescue", {HOOK: "SyncFail"}),
        job("after", {HOOK: "PostSync"}),
        config("app", a="1"),
    )
    all_.app("failing", {**AUTOMATED, "retry": {"limit": 0}})
    state = all_.ended("failing", "Failed")
    found = results(state)

    assert state["message"].startswith("one or more synchronization tasks completed unsuccessfully")
    assert list(found) == ["PreSync Job/migrate", "SyncFail Job/rescue"]
    assert found["PreSync Job/migrate"]["hookPhase"] == "Failed"
    assert "backoff limit" in found["PreSync Job/migrate"]["message"]
    assert found["SyncFail Job/rescue"]["hookPhase"] == "Succeeded"
    assert jobs(all_, "failing") == {"migrate", "rescue"}
    assert all_.data("failing") == {}
    said = all_.condition("failing", "SyncError", "Failed last sync attempt to ")
    assert said.endswith(state["message"])


def test_a_sync_hook_that_fails_stops_the_waves_after_it(all_: Everything) -> None:
    """What stands in earlier waves stays; hooks are kept or deleted as their policies say."""
    all_.files(
        "waves",
        config("early", a="1"),
        job("checked", {HOOK: "Sync", WAVE: "1", POLICY: "HookFailed"}, pod=FAIL),
        config("late", {WAVE: "2"}, a="1"),
    )
    all_.app("waves")
    all_.until("waves", lambda s: s["sync"]["status"] == "OutOfSync")
    all_.sync("waves")
    state = all_.ended("waves", "Failed")

    assert results(state)["Sync Job/checked"]["hookPhase"] == "Failed"
    assert set(all_.data("waves")) == {"early"}
    eventually(lambda: jobs(all_, "waves") == set())


def test_a_newer_revision_takes_the_place_of_a_sync_that_is_stuck(all_: Everything) -> None:
    """A sync waits for what never becomes healthy; the commit that mends it is synced at once."""
    hook = job("wait-", {HOOK: "Sync"}, pod=NEVER)
    broken = deployment("web", pod=NEVER)
    all_.files("stuck", broken, hook, config("late", {WAVE: "1"}, a="1"))
    all_.app("stuck", AUTOMATED)
    waiting = all_.until("stuck", lambda s: s["operationState"]["message"].startswith("waiting for completion of hook"))
    old = next(iter(jobs(all_, "stuck")))
    assert waiting["operationState"]["phase"] == "Running"
    commit = all_.files("stuck", deployment("web"), config("late", {WAVE: "1"}, a="2"))
    found = all_.synced("stuck", commit)

    assert found["operationState"]["phase"] == "Succeeded"
    assert found["operationState"]["syncResult"]["revision"] == commit
    assert all_.data("stuck") == {"late": {"a": "2"}}
    assert old not in jobs(all_, "stuck")
    events = all_.kubectl("get", "events", "-n", "argocd", "-o", "jsonpath={.items[*].message}")
    assert f"superseded by {commit}" in events


def test_a_commit_for_others_leaves_a_sync_alone(all_: Everything) -> None:
    """What is newest says the same of this Application, so its hook runs on."""
    all_.files("busy", config("a", a="1"), job("long", {HOOK: "PreSync"}, pod=NEVER))
    all_.app("busy", AUTOMATED, metadata={"finalizers": ["resources-finalizer.argocd.argoproj.io"]})
    waiting = all_.until("busy", lambda s: s["operationState"]["message"].startswith("waiting for completion of hook"))
    uid = all_.get("job", "long", "busy")["metadata"]["uid"]
    commit = all_.files("others", config("b", b="1"))
    seen = all_.until("busy", lambda s: s["sync"]["revision"] == commit)

    assert seen["operationState"] == waiting["operationState"]
    assert all_.get("job", "long", "busy")["metadata"]["uid"] == uid
    all_.kubectl("delete", "application", "busy", "-n", "argocd", "--timeout=20s")
    assert jobs(all_, "busy") == set()


def test_a_namespace_goes_before_the_hook_that_needs_it(all_: Everything) -> None:
    """Whatever wave it names, and even out of its phase."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "led", "annotations": {WAVE: "5"}}}
    all_.files("led", namespace, job("first", {HOOK: "PreSync"}), config("a", a="1"))
    all_.app("led", AUTOMATED, destination={"server": HERE, "namespace": "led"})
    state = all_.synced("led")["operationState"]

    assert list(results(state)) == ["PreSync Namespace/led", "PreSync Job/first", "Sync ConfigMap/a"]


def test_hooks_for_the_deletion_run_before_and_after_it(all_: Everything) -> None:
    """Their finalizers come and go with them; PreDelete sees what PostDelete does not."""
    all_.files(
        "farewell",
        config("a", a="1"),
        job("early", {HOOK: "PreSync"}),
        job("each-", {HOOK: "PostSync"}),
        job("before", {HOOK: "PreDelete", POLICY: "HookSucceeded"}),
        job("after", {HOOK: "PostDelete"}),
    )
    all_.app("farewell", AUTOMATED, metadata={"finalizers": ["resources-finalizer.argocd.argoproj.io"]})
    all_.synced("farewell")
    finalizers = eventually(
        lambda: len(f := all_.get("application", "farewell", "argocd")["metadata"]["finalizers"]) == 5 and f
    )
    all_.ended("farewell", "Succeeded")
    assert {name.partition("-")[0] for name in jobs(all_, "farewell")} == {"early", "each"}
    assert finalizers == [
        "resources-finalizer.argocd.argoproj.io",
        "pre-delete-finalizer.argocd.argoproj.io",
        "pre-delete-finalizer.argocd.argoproj.io/cleanup",
        "post-delete-finalizer.argocd.argoproj.io",
        "post-delete-finalizer.argocd.argoproj.io/cleanup",
    ]
    all_.kubectl("delete", "application", "farewell", "-n", "argocd", "--timeout=20s")

    assert all_.data("farewell") == {}
    assert jobs(all_, "farewell") == {"after"}


def test_an_app_of_apps_delivers_apps(all_: Everything) -> None:
    """The parent says that it is one, and keeps its children as Git has them; it judges them where argocd-cm says so."""
    all_.files("child", job("web", pod=FAIL))
    all_.kubectl("create", "namespace", "child")
    child = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "child"},
        "spec": {
            "project": "default",
            "source": {"repoURL": URL, "path": "child"},
            "destination": {"server": HERE, "namespace": "child"},
            "syncPolicy": AUTOMATED,
        },
    }
    all_.files("parent", child)
    all_.app("parent", AUTOMATED, destination={"server": HERE, "namespace": "argocd"})
    child_status = all_.until("child", lambda s: s["health"]["status"] == "Degraded")
    found = all_.synced("parent")

    assert child_status["health"]["message"] == "Caused by batch/Job:child/web"
    assert found["summary"]["isAppOfApps"] is True
    assert [(r["kind"], r["name"], r.get("health")) for r in found["resources"]] == [("Application", "child", None)]
    all_.kubectl("patch", "application", "child", "-n", "argocd", "--type=merge", "-p", '{"spec":{"project":"other"}}')
    eventually(lambda: all_.get("application", "child", "argocd")["spec"]["project"] == "default")
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm", "namespace": "argocd"}}
    judged = "hs = {}\nhs.status = obj.status.health.status\nreturn hs"
    all_.apply({**settings, "data": {"resource.customizations.health.argoproj.io_Application": judged}})
    all_.kubectl("annotate", "application", "parent", "-n", "argocd", "argocd.argoproj.io/refresh=normal")
    sick = all_.until("parent", lambda s: s["health"]["status"] == "Degraded")
    assert sick["health"]["message"] == "Caused by argoproj.io/Application:argocd/child"
    all_.kubectl("delete", "configmap", "argocd-cm", "-n", "argocd")


def project(name: str, **spec: Any) -> dict[str, Any]:
    """An AppProject that allows this repository and everything here, but for what is said."""
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AppProject",
        "metadata": {"name": name, "namespace": "argocd", "finalizers": ["resources-finalizer.argocd.argoproj.io"]},
        "spec": {"sourceRepos": [URL], "destinations": [{"server": HERE, "namespace": "*"}], **spec},
    }


def test_projects_bound_what_their_applications_may(all_: Everything) -> None:
    """Repositories, destinations and kinds, in Argo CD's words; the project goes when its last Application has gone."""
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "bounded"}}
    all_.apply(
        project("narrow", namespaceResourceBlacklist=[{"group": "", "kind": "Secret"}]),
        project(
            "elsewhere",
            sourceRepos=["https://git.example.com/other*"],
            destinations=[{"name": "mars", "namespace": "*"}],
        ),
    )
    all_.files("bounded", config("a", a="1"), {**role, "rules": []})
    all_.app("bounded", {**AUTOMATED, "retry": {"limit": 0}}, project="narrow")
    said = "resource rbac.authorization.k8s.io:ClusterRole is not permitted in project narrow"
    state = all_.ended("bounded", "Failed")
    assert state["message"] == f"one or more synchronization tasks are not valid: {said}"
    assert all_.data("bounded") == {}
    all_.patch("bounded", {"spec": {"project": "elsewhere"}})
    both = eventually(
        lambda: (
            len(c := [e["message"] for e in all_.status("bounded")["conditions"] if e["type"] == "InvalidSpecError"])
            == 2
            and c
        )
    )
    assert both == [
        f"application destination server '{HERE}' and namespace 'bounded' do not match any of the allowed destinations in "
        "project 'elsewhere'",
        f"application repo {URL} is not permitted in project 'elsewhere'",
    ]
    all_.patch("bounded", {"spec": {"project": "missing"}})
    all_.condition("bounded", "InvalidSpecError", "Application referencing project missing which does not exist")
    all_.kubectl("delete", "appproject", "narrow", "elsewhere", "-n", "argocd", "--timeout=20s")


def test_windows_hold_syncs_back(all_: Everything) -> None:
    """A deny window that is always open: no automated sync; one by hand waits and says why, until the window goes."""
    window = {"kind": "deny", "schedule": "* * * * *", "duration": "1h", "applications": ["*"]}
    all_.apply(project("shut", syncWindows=[window]))
    all_.files("shut", config("a", a="1"))
    all_.app("shut", AUTOMATED, project="shut")
    all_.until("shut", lambda s: s["sync"]["status"] == "OutOfSync")
    all_.sync("shut")
    state = all_.until("shut", lambda s: s["operationState"])["operationState"]
    assert (state["phase"], state["message"]) == ("Running", "Sync operation blocked by sync window")
    assert all_.data("shut") == {}
    all_.kubectl("patch", "appproject", "shut", "-n", "argocd", "--type=merge", "-p", '{"spec":{"syncWindows":null}}')
    all_.synced("shut")


def test_orphaned_objects_are_counted_where_the_project_asks(all_: Everything) -> None:
    """Objects that nobody delivers, theirs too, without what is in every namespace and what is to be ignored."""
    all_.apply(
        project("strict", orphanedResources={"warn": True, "ignore": [{"kind": "ConfigMap", "name": "ignored*"}]})
    )
    all_.files("lonely", config("mine", a="1"))
    all_.kubectl("create", "namespace", "lonely")
    for name in ("stray", "ignored-1"):
        all_.kubectl("create", "configmap", name, "-n", "lonely")
    all_.app("lonely", AUTOMATED, project="strict")

    assert all_.condition("lonely", "OrphanedResourceWarning", "") == "Application has 1 orphaned resources"
    assert all_.synced("lonely")["health"]["status"] == "Healthy"
