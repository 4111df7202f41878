"""Applications as people of Argo CD write them, on the running program, looked at with genuine kubectl."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.system.argocd import AUTOMATED, HERE, URL, Everything, config, deployment, everything, results
from tests.system.cluster import needs_kubectl
from tests.system.program import eventually, program

pytestmark = [pytest.mark.system, needs_kubectl]


@pytest.fixture(scope="module")
def all_(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Everything]:
    """One program for all of this file."""
    with everything(tmp_path_factory.mktemp("argocd")) as made:
        yield made


def test_a_manual_application_is_compared_and_waits_to_be_synced(all_: Everything) -> None:
    """Its status says what is missing; the operation field syncs it, and says all that Argo CD says of that."""
    commit = all_.files("manual", config("settings", a="1"), deployment("web"))
    all_.app("manual", info=[{"name": "owner", "value": "ada"}])
    before = all_.until("manual", lambda s: s["sync"]["status"] == "OutOfSync")

    source = {"repoURL": URL, "path": "manual"}
    assert before["sync"] == {
        "status": "OutOfSync",
        "revision": commit,
        "comparedTo": {"source": source, "destination": {"server": HERE, "namespace": "manual"}},
    }
    assert before["health"]["status"] == "Missing"
    assert [(r["kind"], r["name"], r["status"], r["health"]["status"]) for r in before["resources"]] == [
        ("ConfigMap", "settings", "OutOfSync", "Missing"),
        ("Deployment", "web", "OutOfSync", "Missing"),
    ]
    assert "operationState" not in before
    all_.sync("manual")
    after = all_.synced("manual", commit)

    assert "operation" not in all_.get("application", "manual", "argocd")
    assert after["resources"] == [
        {"version": "v1", "kind": "ConfigMap", "namespace": "manual", "name": "settings", "status": "Synced"},
        {
            "group": "apps",
            "version": "v1",
            "kind": "Deployment",
            "namespace": "manual",
            "name": "web",
            "status": "Synced",
            "health": {"status": "Healthy"},
        },
    ]
    assert after["summary"] == {"images": ["example.com/web:1"]}
    assert (after["sourceType"], after["controllerNamespace"]) == ("Directory", "argocd")
    assert after["reconciledAt"]
    state = after["operationState"]
    assert (state["phase"], state["message"]) == ("Succeeded", "successfully synced (all tasks run)")
    assert state["operation"] == {"initiatedBy": {"username": "ada"}, "sync": {}}
    assert (state["syncResult"]["revision"], state["syncResult"]["source"]) == (commit, source)
    assert state["syncResult"]["resources"] == [
        {
            "group": "",
            "version": "v1",
            "kind": "ConfigMap",
            "namespace": "manual",
            "name": "settings",
            "status": "Synced",
            "message": "configmap/settings created",
            "hookPhase": "Running",
            "syncPhase": "Sync",
        },
        {
            "group": "apps",
            "version": "v1",
            "kind": "Deployment",
            "namespace": "manual",
            "name": "web",
            "status": "Synced",
            "message": "deployment.apps/web created",
            "hookPhase": "Running",
            "syncPhase": "Sync",
            "images": ["example.com/web:1"],
        },
    ]
    assert after["history"] == [
        {
            "id": 0,
            "revision": commit,
            "source": source,
            "deployStartedAt": state["startedAt"],
            "deployedAt": state["finishedAt"],
            "initiatedBy": {"username": "ada"},
        }
    ]


def test_several_sources_and_values_by_reference(all_: Everything) -> None:
    """A chart with values out of another source; the status speaks in plurals."""
    all_.repository.write("several/chart/Chart.yaml", "apiVersion: v2\nname: thing\nversion: 0.1.0\n")
    all_.repository.write(
        "several/chart/templates/map.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}}\ndata: {who: {{ .Values.who }}}\n",
    )
    all_.repository.write("several/values/prod.yaml", "who: prod\n")
    commit = all_.files("several/plain", config("beside", b="2"))
    chart = {"repoURL": URL, "path": "several/chart", "helm": {"valueFiles": ["$values/several/values/prod.yaml"]}}
    sources = [chart, {"repoURL": URL, "ref": "values"}, {"repoURL": URL, "path": "several/plain"}]
    all_.app("several", AUTOMATED, sources=sources)
    found = all_.synced("several")

    assert all_.data("several") == {"several": {"who": "prod"}, "beside": {"b": "2"}}
    assert found["sync"]["revisions"] == [commit] * 3
    assert "revision" not in found["sync"]
    assert found["sync"]["comparedTo"]["sources"] == sources
    assert found["sourceTypes"] == ["Helm", "", "Directory"]
    assert found["history"][0]["revisions"] == [commit] * 3
    assert found["operationState"]["syncResult"]["sources"] == sources


def test_destinations_by_name_by_server_and_unknown_ones(all_: Everything) -> None:
    """The cluster itself goes by two names; what nobody knows is an invalid spec."""
    all_.files("named", config("named", a="1"))
    all_.kubectl("create", "namespace", "named")
    all_.app("named", AUTOMATED, destination={"name": "in-cluster", "namespace": "named"})
    all_.synced("named")
    all_.app("nowhere", AUTOMATED, destination={"name": "mars", "namespace": "named"})
    all_.app("twice", AUTOMATED, destination={"name": "in-cluster", "server": HERE, "namespace": "named"})
    all_.app("remote", AUTOMATED, destination={"server": "https://mars.example.com", "namespace": "named"})

    assert all_.condition("nowhere", "InvalidSpecError", "") == "there are no clusters with this name: mars"
    assert "can't have both name and server defined: in-cluster " in all_.condition("twice", "InvalidSpecError", "")
    said = all_.condition("remote", "InvalidSpecError", "")
    assert (
        said
        == 'error getting cluster by server "https://mars.example.com": cluster "https://mars.example.com" not found'
    )
    found = all_.status("nowhere")
    assert (found["sync"]["status"], found["health"]["status"]) == ("Unknown", "Unknown")
    all_.app("homeless", AUTOMATED, destination={"server": HERE}, source={"repoURL": URL, "path": "named"})
    said = all_.condition("homeless", "InvalidSpecError", "")
    assert said == "Namespace for named /v1, Kind=ConfigMap is missing."
    assert "operationState" not in all_.status("homeless")
    all_.sync("homeless")
    assert all_.ended("homeless", "Error")["message"] == f"InvalidSpecError: {said}"
    finalizers = {"metadata": {"finalizers": ["resources-finalizer.argocd.argoproj.io"]}}
    all_.patch("nowhere", finalizers)
    all_.kubectl("delete", "application", "nowhere", "-n", "argocd", "--timeout=10s")


def test_another_cluster_by_server_and_by_name(all_: Everything, tmp_path: Path) -> None:
    """A Secret makes it known, at once; it is synced, healed and pruned there, and kept when its Application goes."""
    all_.files("far", config("far", a="1"), deployment("web"))
    with program(tmp_path / "far") as far:
        config_file = yaml.safe_load((far.state / "kubeconfig").read_text())
        cluster, user = config_file["clusters"][0]["cluster"], config_file["users"][0]["user"]
        tls = {"caData": cluster["certificate-authority-data"]}
        known = {
            "name": "far",
            "server": cluster["server"],
            "config": json.dumps({"bearerToken": user["token"], "tlsClientConfig": tls}),
        }
        source = {"repoURL": URL, "path": "far"}
        policy = {**AUTOMATED, "syncOptions": ["CreateNamespace=true"]}
        by_name = {"name": "far", "namespace": "by-name"}
        by_server = {"server": cluster["server"], "namespace": "by-server"}
        all_.app("far-name", policy, source=source, destination=by_name)
        all_.app("far-server", policy, source=source, destination=by_server)
        all_.condition("far-name", "InvalidSpecError", "there are no clusters with this name: far")
        all_.apply(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {
                    "name": "far",
                    "namespace": "argocd",
                    "labels": {"argocd.argoproj.io/secret-type": "cluster"},
                },
                "stringData": known,
            }
        )
        for name in ("far-name", "far-server"):
            assert all_.synced(name)["sync"]["comparedTo"]["destination"]["namespace"] == name.replace("far", "by")
        far.kubectl("patch", "configmap", "far", "-n", "by-name", "-p", '{"data":{"a":"9"}}')
        eventually(lambda: far.get("configmap", "far", "-n", "by-name")["data"] == {"a": "1"})
        assert all_.get("namespace", "by-name", "") is None
        commit = all_.files("far", config("far", a="2"))
        for name in ("far-name", "far-server"):
            all_.synced(name, commit)
        assert far.get("deployment", "web", "-n", "by-server") is None
        all_.kubectl("delete", "application", "far-name", "far-server", "-n", "argocd")
        assert far.get("configmap", "far", "-n", "by-name")["data"] == {"a": "2"}
        all_.kubectl("delete", "secret", "far", "-n", "argocd")


def test_automated_sync_follows_prunes_heals_and_does_not_wipe_out(all_: Everything) -> None:
    """A commit arrives, a removed file goes, an edit is undone; an emptied folder needs allowEmpty."""
    all_.files("auto", config("one", a="1"), config("two", a="1"))
    all_.app("auto", AUTOMATED)
    all_.synced("auto")
    commit = all_.files("auto", config("one", a="2"))
    done = all_.synced("auto", commit)

    assert all_.data("auto") == {"one": {"a": "2"}}
    assert results(done["operationState"])["Sync ConfigMap/two"]["message"] == "pruned"
    assert done["operationState"]["operation"]["initiatedBy"] == {"automated": True}
    all_.kubectl("patch", "configmap", "one", "-n", "auto", "-p", '{"data":{"a":"9"}}')
    healed = all_.until("auto", lambda s: s["operationState"]["operation"]["sync"].get("autoHealAttemptsCount") == 1)
    assert healed["operationState"]["operation"]["sync"]["resources"][0]["name"] == "one"
    assert all_.data("auto") == {"one": {"a": "2"}}
    empty = all_.files("auto")
    said = all_.condition("auto", "SyncError", "wipe out")
    assert said == f"Skipping sync attempt to [{empty}]: auto-sync will wipe out all resources"
    assert all_.status("auto")["resources"][0]["requiresPruning"] is True
    all_.patch("auto", {"spec": {"syncPolicy": {"automated": {"allowEmpty": True}}}})
    all_.until("auto", lambda s: s["sync"]["status"] == "Synced" and not s.get("conditions"))
    assert all_.data("auto") == {}


def test_a_refresh_is_done_and_its_annotation_removed(all_: Everything) -> None:
    """Normal and hard alike."""
    all_.files("fresh", config("fresh", a="1"))
    all_.app("fresh", AUTOMATED)
    before = all_.synced("fresh")["reconciledAt"]
    for word in ("normal", "hard"):
        all_.kubectl("annotate", "application", "fresh", "-n", "argocd", f"argocd.argoproj.io/refresh={word}")
        all_.until("fresh", lambda s: s["reconciledAt"] >= before)
        meta = all_.get("application", "fresh", "argocd")["metadata"]
        all_.until("fresh", lambda s: s)
        assert (
            "argocd.argoproj.io/refresh" not in (all_.get("application", "fresh", "argocd")["metadata"]["annotations"])
        ), meta


def test_an_application_that_is_to_be_skipped_is(all_: Everything) -> None:
    """Nothing is compared, nothing is said, until the annotation goes."""
    all_.files("skipped", config("a", a="1"))
    all_.app("skipped", AUTOMATED, metadata={"annotations": {"argocd.argoproj.io/skip-reconcile": "true"}})
    all_.files("noticed", config("a", a="1"))
    all_.app("noticed", AUTOMATED)
    all_.synced("noticed")
    assert all_.status("skipped") == {}
    all_.kubectl("annotate", "application", "skipped", "-n", "argocd", "argocd.argoproj.io/skip-reconcile-")
    all_.synced("skipped")


def test_history_is_kept_as_long_as_asked_and_is_what_one_rolls_back_to(all_: Everything) -> None:
    """revisionHistoryLimit; an operation with an older revision and source."""
    commits = []
    all_.app("past", revisionHistoryLimit=2)
    for n in range(3):
        commits.append(all_.files("past", config("past", n=str(n))))
        all_.until("past", lambda s, c=commits[-1]: s["sync"]["revision"] == c)
        all_.sync("past")
        all_.until("past", lambda s, c=commits[-1]: s["history"][-1]["revision"] == c)
    history = all_.status("past")["history"]

    assert [(entry["id"], entry["revision"]) for entry in history] == [(1, commits[1]), (2, commits[2])]
    all_.sync("past", revision=history[0]["revision"], source=history[0]["source"], prune=True)
    back = all_.until("past", lambda s: s["history"][-1]["id"] == 3)
    assert back["history"][-1]["revision"] == commits[1]
    assert all_.data("past") == {"past": {"n": "1"}}
    all_.repository.git("tag", "first", commits[0])
    for revision, n in (("first", "0"), ("main", "2")):
        all_.sync("past", revision=revision)
        eventually(lambda n=n: all_.data("past") == {"past": {"n": n}})
    all_.until("past", lambda s: s["history"][-1]["revision"] == commits[2])
    back = all_.status("past")
    assert (back["sync"]["status"], back["sync"]["revision"]) == ("Synced", commits[2])


def test_a_bad_manifest_is_named_by_file_and_line_and_stops_nobody_else(all_: Everything) -> None:
    """What cannot be read is a ComparisonError of its Application alone."""
    all_.files("good", config("good", a="1"))
    all_.put("bad", config("bad", a="1"), deployment("still"))
    all_.repository.commit("good and bad")
    all_.app("good", AUTOMATED)
    all_.app("bad", AUTOMATED)
    all_.synced("bad")
    all_.repository.write("bad/broken.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: [\n")
    commit = all_.files("good", config("good", a="2"))
    all_.synced("good", commit)
    said = all_.condition("bad", "ComparisonError", "broken.yaml")

    assert said.startswith("Failed to load target state: ")
    assert "bad/broken.yaml:" in said
    found = all_.status("bad")
    assert found["sync"]["status"] == "Unknown"
    assert found["health"]["status"] == "Healthy"
    assert {entry["status"] for entry in found["resources"]} == {"Unknown"}
    assert all_.data("bad") == {"bad": {"a": "1"}}
    all_.kubectl("delete", "deployment", "still", "-n", "bad")
    all_.until("bad", lambda s: {r["name"]: r.get("health") for r in s["resources"]}["still"] == {"status": "Missing"})
    all_.sync("bad")
    assert all_.ended("bad", "Error")["message"] == f"ComparisonError: {said}"
    (all_.repository.folder / "bad/broken.yaml").unlink()
    all_.repository.commit("mend it")
    all_.synced("bad")
