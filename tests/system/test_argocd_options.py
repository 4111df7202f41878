"""Sync options, ignored differences, retries, operations and deletion of Applications, with genuine kubectl."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.system.argocd import (
    AUTOMATED,
    HERE,
    OPTIONS,
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


@pytest.fixture(scope="module")
def all_(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Everything]:
    """One program for all of this file."""
    with everything(tmp_path_factory.mktemp("argocd")) as made:
        yield made


def options(*words: str, **policy: Any) -> dict[str, Any]:
    """An automated policy with sync options."""
    return {**AUTOMATED, "syncOptions": list(words), **policy}


def test_the_namespace_is_made_and_its_metadata_managed(all_: Everything) -> None:
    """CreateNamespace with managedNamespaceMetadata; a change of the metadata is a difference that is synced."""
    all_.files("made", config("a", a="1"))
    metadata = {"labels": {"team": "a"}, "annotations": {"note": "x"}}
    where = {"server": HERE, "namespace": "made-ns"}
    all_.app("made", options("CreateNamespace=true", managedNamespaceMetadata=metadata), destination=where)
    state = all_.synced("made")["operationState"]

    assert results(state)["PreSync Namespace/made-ns"]["message"] == "namespace/made-ns created"
    assert state["syncResult"]["managedNamespaceMetadata"] == metadata
    meta = all_.running.get("namespace", "made-ns")["metadata"]
    assert (meta["labels"]["team"], meta["annotations"]["note"]) == ("a", "x")
    all_.kubectl("label", "namespace", "made-ns", "mine=yes")
    all_.patch("made", {"spec": {"syncPolicy": {"managedNamespaceMetadata": {"labels": {"team": "b"}}}}})
    eventually(lambda: all_.running.get("namespace", "made-ns")["metadata"]["labels"].get("team") == "b")
    assert all_.running.get("namespace", "made-ns")["metadata"]["labels"]["mine"] == "yes"
    all_.synced("made")


def test_pruning_can_be_forbidden_and_confirmed(all_: Everything) -> None:
    """Prune=false leaves an object and says so; Prune=confirm waits for a person."""
    all_.files(
        "prune",
        config("a", a="1"),
        config("kept", {OPTIONS: "Prune=false"}),
        config("asked", {OPTIONS: "Prune=confirm"}),
    )
    all_.app("prune", AUTOMATED)
    listed = {r["name"]: r.get("requiresDeletionConfirmation") for r in all_.synced("prune")["resources"]}
    assert listed == {"a": None, "kept": None, "asked": True}
    all_.files("prune", config("a", a="1"))
    waiting = all_.until("prune", lambda s: "confirmation" in s["operationState"].get("message", ""))
    assert waiting["operationState"]["message"] == "waiting for pruning confirmation of /ConfigMap/asked"
    began = waiting["operationState"]["startedAt"]
    all_.kubectl("annotate", "application", "prune", "-n", "argocd", f"argocd.argoproj.io/deletion-approved={began}")
    found = results(all_.ended("prune", "Succeeded", began))

    assert (found["Sync ConfigMap/asked"]["status"], found["Sync ConfigMap/asked"]["message"]) == ("Pruned", "pruned")
    assert found["Sync ConfigMap/kept"]["status"] == "PruneSkipped"
    assert found["Sync ConfigMap/kept"]["message"] == "ignored (no prune)"
    assert set(all_.data("prune")) == {"a", "kept"}
    left = all_.until("prune", lambda s: len(s["resources"]) == 2)
    assert left["sync"]["status"] == "OutOfSync"


def test_what_cannot_be_changed_is_replaced_by_force_alone(all_: Everything) -> None:
    """Without Force the operation fails and says why; with Force and Replace a Job is made anew each time."""
    all_.files("force", job("once"), config("a", {OPTIONS: "Replace=true"}, a="1"))
    all_.app("force")
    all_.until("force", lambda s: s["sync"]["status"] == "OutOfSync")
    all_.sync("force")
    first = all_.synced("force")["operationState"]
    assert results(first)["Sync ConfigMap/a"]["message"] == "configmap/a created"
    second = all_.files("force", job("once"), config("a", {OPTIONS: "Replace=true"}, b="2"))
    all_.until("force", lambda s: s["sync"]["revision"] == second)
    all_.sync("force")
    replaced = all_.synced("force", second)["operationState"]
    assert results(replaced)["Sync ConfigMap/a"]["message"] == "configmap/a replaced"
    assert all_.data("force") == {"a": {"b": "2"}}
    uid = all_.get("job", "once", "force")["metadata"]["uid"]
    changed = job("once")
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = "example.com/once:2"
    commit = all_.files("force", changed)
    all_.until("force", lambda s: s["sync"]["revision"] == commit)
    all_.sync("force")
    failed = all_.ended("force", "Failed")
    assert failed["message"].startswith("one or more objects failed to apply (dry run)")
    assert "field is immutable" in results(failed)["Sync Job/once"]["message"]
    assert "force/00-job.json:1: " in results(failed)["Sync Job/once"]["message"]
    all_.sync("force", syncOptions=["Force=true"])
    all_.until("force", lambda s: s["operationState"]["phase"] == "Succeeded")
    again = all_.get("job", "once", "force")["metadata"]["uid"]
    assert again != uid
    anew = all_.files("force", job("once", {OPTIONS: "Force=true,Replace=true"}))
    all_.until("force", lambda s: s["sync"]["revision"] == anew)
    all_.sync("force", prune=True)
    eventually(lambda: all_.get("job", "once", "force")["metadata"]["uid"] != again)


def test_server_side_apply_is_named_and_only_what_differs_applied(all_: Everything) -> None:
    """ServerSideApply=true is in the messages; ApplyOutOfSyncOnly=true leaves the rest out of the results."""
    all_.files("only", config("a", a="1"), config("b", b="1"))
    all_.app("only", options("ServerSideApply=true", "ApplyOutOfSyncOnly=true"))
    first = all_.synced("only")["operationState"]
    assert results(first)["Sync ConfigMap/a"]["message"] == "configmap/a serverside-applied"
    commit = all_.files("only", config("a", a="2"), config("b", b="1"))
    second = all_.synced("only", commit)["operationState"]

    assert list(results(second)) == ["Sync ConfigMap/a"]
    fields = all_.running.kubectl("get", "configmap", "a", "-n", "only", "-o", "json", "--show-managed-fields")
    assert '"argocd-controller"' in fields


def test_ignored_differences_by_pointer_by_jq_and_by_manager(all_: Everything) -> None:
    """They do not count; they are overwritten by the next sync but where RespectIgnoreDifferences says no."""
    ignore = [
        {"group": "apps", "kind": "Deployment", "jsonPointers": ["/spec/replicas"]},
        {"kind": "ConfigMap", "name": "a", "jqPathExpressions": [".data.free", ".data | select(.x)"]},
        {"group": "*", "kind": "*", "managedFieldsManagers": ["kubectl-edit"]},
    ]
    all_.files("ignore", deployment("web"), config("a", fixed="1", free="1"), config("b", b="1"))
    all_.app("ignore", options("RespectIgnoreDifferences=true"), ignoreDifferences=ignore)
    assert all_.synced("ignore")["sync"]["comparedTo"]["ignoreDifferences"] == ignore
    all_.kubectl("scale", "deployment/web", "-n", "ignore", "--replicas=2")
    all_.kubectl("patch", "configmap", "a", "-n", "ignore", "-p", '{"data":{"free":"9"}}')
    all_.kubectl("patch", "configmap", "b", "-n", "ignore", "--field-manager=kubectl-edit", "-p", '{"data":{"b":"9"}}')
    commit = all_.files("ignore", deployment("web"), config("a", fixed="2", free="1"), config("b", b="1"))
    all_.synced("ignore", commit)

    assert all_.data("ignore") == {"a": {"fixed": "2", "free": "9"}, "b": {"b": "9"}}
    all_.patch("ignore", {"spec": {"ignoreDifferences": [{"kind": "ConfigMap", "jqPathExpressions": [".data["]}]}})
    said = all_.condition("ignore", "ComparisonError", "jq path")
    assert said.startswith("Failed to compare desired state to live state: jq path expression '.data[': ")
    assert all_.data("ignore")["a"]["free"] == "9"
    assert all_.get("deployment", "web", "ignore")["spec"]["replicas"] == 2


def test_what_was_applied_by_hand_is_taken_over(all_: Everything) -> None:
    """What kubectl once applied and Git does not say goes; what others added stays."""
    mine = config("mine", a="1", b="2")
    mine["metadata"]["namespace"] = "adopted"
    all_.kubectl("create", "namespace", "adopted")
    all_.apply(mine)
    all_.kubectl("patch", "configmap", "mine", "-n", "adopted", "-p", '{"data":{"c":"3"}}')
    all_.files("adopted", config("mine", a="1"))
    all_.app("adopted", AUTOMATED)
    all_.synced("adopted")

    assert all_.data("adopted") == {"mine": {"a": "1", "c": "3"}}


def test_definitions_come_before_what_they_define(all_: Everything) -> None:
    """A CRD and an object of it in one sync; one whose kind comes from elsewhere only with SkipDryRunOnMissingResource."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    versions = [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}]
    names = {"plural": "gadgets", "kind": "Gadget"}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "gadgets.example.com", "annotations": {WAVE: "3"}},
        "spec": {"group": "example.com", "names": names, "scope": "Namespaced", "versions": versions},
    }
    gadget = {"apiVersion": "example.com/v1", "kind": "Gadget", "metadata": {"name": "g"}, "spec": {"a": 1}}
    all_.files("gadgets", gadget, definition)
    all_.app("gadgets", AUTOMATED)
    state = all_.synced("gadgets")["operationState"]

    assert list(results(state)) == ["Sync CustomResourceDefinition/gadgets.example.com", "Sync Gadget/g"]
    assert all_.running.get("gadgets", "g", "-n", "gadgets")["spec"] == {"a": 1}
    all_.files("skip", {**gadget, "kind": "Widget"})
    all_.app("skip", {"syncOptions": ["SkipDryRunOnMissingResource=true"]})
    all_.until("skip", lambda s: s["sync"]["status"] == "OutOfSync")
    all_.sync("skip", syncOptions=["SkipDryRunOnMissingResource=true"])
    assert all_.ended("skip", "Failed")["message"].startswith("one or more objects failed to apply, reason: ")


def test_pruning_goes_last_and_orphans_dependents_where_asked(all_: Everything) -> None:
    """PruneLast and PrunePropagationPolicy=orphan."""
    all_.files("last", deployment("gone"), config("stays", {WAVE: "1"}, a="1"))
    all_.app("last", options("PruneLast=true", "PrunePropagationPolicy=orphan"))
    all_.synced("last")
    commit = all_.files("last", config("stays", {WAVE: "1"}, a="2"))
    state = all_.synced("last", commit)["operationState"]

    assert list(results(state)) == ["Sync ConfigMap/stays", "Sync Deployment/gone"]
    assert all_.running.get("replicasets", "-n", "last")["items"]


def test_unknown_kinds_and_fields_are_refused_or_let_pass(all_: Everything) -> None:
    """A kind that nobody serves fails the sync; Validate=false drops what the schema does not declare."""
    thing = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "t"}}
    odd = deployment("odd", {OPTIONS: "Validate=false"})
    odd["spec"]["bogus"] = 1
    strict = deployment("strict")
    strict["spec"]["bogus"] = 1
    all_.files("unknown", thing, config("a", a="1"))
    all_.app("unknown")
    all_.until("unknown", lambda s: s["sync"]["status"] == "OutOfSync")
    all_.sync("unknown")
    failed = all_.ended("unknown", "Failed")
    said = (
        "The Kubernetes API could not find example.com/Thing for requested resource unknown/t. "
        'Make sure the "Thing" CRD is installed on the destination cluster.'
    )
    assert failed["message"] == f"one or more synchronization tasks are not valid: {said}"
    assert results(failed)["Sync Thing/t"]["message"] == said
    assert all_.data("unknown") == {}
    commit = all_.files("unknown", odd, strict)
    all_.until("unknown", lambda s: s["sync"]["revision"] == commit)
    all_.sync("unknown")
    refused = all_.ended("unknown", "Failed", failed["startedAt"])
    assert ".spec.bogus: field not declared in schema" in refused["message"]
    assert "unknown/01-deployment.json:1: " in refused["message"]
    assert results(refused)["Sync Deployment/odd"]["message"] == "deployment.apps/odd created"
    all_.files("unknown", odd)
    all_.synced("unknown")


def test_a_shared_object_is_told_and_can_be_refused(all_: Everything) -> None:
    """Both Applications name it; FailOnSharedResource=true does not take it."""
    all_.files("shared", config("common", a="1"))
    all_.app("shared", AUTOMATED)
    all_.synced("shared")
    where = {"server": HERE, "namespace": "shared"}
    source = {"repoURL": URL, "path": "shared"}
    all_.app("other", options("FailOnSharedResource=true"), destination=where, source=source)
    said = "ConfigMap/common is part of applications argocd/other and shared"

    assert all_.ended("other", "Failed")["message"] == f"Shared resource found: {said}"
    assert all_.conditions("other")["SharedResourceWarning"] == said
    assert "Failed last sync attempt to [" in all_.condition("other", "SyncError", "Shared resource")
    owner = all_.get("configmap", "common", "shared")["metadata"]["annotations"]["argocd.argoproj.io/tracking-id"]
    assert owner == "shared:/ConfigMap:shared/common"


def test_a_failed_sync_is_tried_again_and_again_until_it_gives_up(all_: Everything) -> None:
    """retry: limit and back-off; the last message says how often."""
    bad = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "bad"}, "spec": {"ports": []}}
    all_.files("retry", bad)
    all_.app("retry", options(retry={"limit": 2, "backoff": {"duration": "1s", "factor": 1, "maxDuration": "2s"}}))
    waiting = all_.until("retry", lambda s: s["operationState"].get("retryCount") == 1)["operationState"]
    assert waiting["phase"] == "Running"
    assert "Retrying attempt #1 at " in waiting["message"]
    state = all_.ended("retry", "Failed")
    assert state["retryCount"] == 2
    assert state["message"].endswith(" (retried 2 times).")
    said = all_.condition("retry", "SyncError", "Failed last sync attempt")
    assert said.endswith(state["message"])


def test_operations_may_be_dry_partial_and_terminated(all_: Everything) -> None:
    """dryRun changes nothing; resources picks; Terminating ends a sync that waits."""
    all_.files("picky", config("a", a="1"), config("b", b="1"))
    all_.app("picky")
    all_.until("picky", lambda s: s["sync"]["status"] == "OutOfSync")
    all_.sync("picky", dryRun=True)
    dry = all_.ended("picky", "Succeeded")
    assert results(dry)["Sync ConfigMap/a"]["message"] == "configmap/a created (dry run)"
    assert all_.data("picky") == {}
    all_.sync("picky", resources=[{"kind": "ConfigMap", "name": "b"}])
    eventually(lambda: all_.data("picky") == {"b": {"b": "1"}})
    assert "history" not in all_.status("picky")
    slow = deployment("slow", {WAVE: "1"}, pod={"simulate.trueup.dev/pending": "true"})
    all_.files("picky", slow, config("later", {WAVE: "2"}, c="1"))
    all_.until("picky", lambda s: any(r["name"] == "slow" for r in s["resources"]))
    all_.sync("picky")
    all_.until("picky", lambda s: s["operationState"]["message"] == "waiting for healthy state of apps/Deployment/slow")
    all_.patch("picky", {"status": {"operationState": {"phase": "Terminating"}}})
    assert all_.ended("picky", "Failed")["message"] == "Operation terminated"
    assert "later" not in all_.data("picky")
    all_.patch("picky", {"operation": {"initiatedBy": {"username": "ada"}}})
    assert all_.ended("picky", "Error")["message"] == "Invalid operation request: no operation specified"


def test_deleting_what_is_to_be_confirmed_waits_for_a_person(all_: Everything) -> None:
    """Nothing goes before, and the status says what it waits for."""
    all_.files("sure", config("a", a="1"), config("dear", {OPTIONS: "Prune=confirm"}))
    all_.app("sure", AUTOMATED, metadata={"finalizers": ["resources-finalizer.argocd.argoproj.io"]})
    all_.synced("sure")
    all_.kubectl("delete", "application", "sure", "-n", "argocd", "--wait=false")
    waits = "deleting the Application's resources: waiting for pruning confirmation of /ConfigMap/dear"
    all_.until("sure", lambda s: s["operationState"]["message"] == waits)
    assert set(all_.data("sure")) == {"a", "dear"}
    when = all_.get("application", "sure", "argocd")["metadata"]["deletionTimestamp"]
    all_.kubectl("annotate", "application", "sure", "-n", "argocd", f"argocd.argoproj.io/deletion-approved={when}")
    eventually(lambda: all_.get("application", "sure", "argocd") is None)
    assert all_.data("sure") == {}


def test_deleting_an_application_takes_along_what_its_finalizer_says(all_: Everything) -> None:
    """With the finalizer everything goes but what says Delete=false; without it everything stays."""
    where = {"server": HERE, "namespace": "gone"}
    for name, finalizers in (
        ("gone", ["resources-finalizer.argocd.argoproj.io"]),
        ("quick", ["resources-finalizer.argocd.argoproj.io/background"]),
        ("stays", []),
    ):
        all_.put(name, deployment(name, {WAVE: "1"}), config(name), config(f"{name}-kept", {OPTIONS: "Delete=false"}))
        all_.repository.commit(name)
        all_.kubectl("create", "namespace", "gone", check=False)
        all_.app(name, AUTOMATED, destination=where, metadata={"finalizers": finalizers})
        all_.synced(name)
    for name in ("gone", "quick", "stays"):
        all_.kubectl("delete", "application", name, "-n", "argocd", "--timeout=20s")

    assert set(all_.data("gone")) == {"gone-kept", "quick-kept", "stays", "stays-kept"}
    deployments = all_.running.get("deployments", "-n", "gone")["items"]
    assert [d["metadata"]["name"] for d in deployments] == ["stays"]
