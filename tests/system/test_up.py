"""`trueup up` on the example repository, looked at with genuine kubectl: it converges, follows, heals, prunes, explains."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.cluster import needs_kubectl
from tests.system.program import EXAMPLES, URL, Program, Repository, eventually, program

pytestmark = [pytest.mark.system, needs_kubectl]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Program, Repository]]:
    """The example, up and healthy."""
    home = tmp_path_factory.mktemp("shop")
    repository = Repository.of(home / "shop", EXAMPLES / "shop")
    with program(home / "run", str(repository.folder), "--map", f"{URL}={repository.folder}") as running:
        running.trueup("wait", "--timeout", "60")
        yield running, repository


def status(running: Program, kind: str, name: str) -> dict[str, Any]:
    """A unit's status."""
    namespace = "argocd" if kind == "application" else "flux-system"
    found: dict[str, Any] = running.get(kind, name, "-n", namespace)["status"]
    return found


def test_everything_is_synced_and_healthy(shop: tuple[Program, Repository]) -> None:
    """All units of both dialects, and the beginning itself."""
    running, _ = shop
    apps = running.get("applications", "-n", "argocd")["items"]
    kustomizations = running.get("kustomizations", "-A")["items"]

    states = {a["metadata"]["name"]: (a["status"]["sync"]["status"], a["status"]["health"]["status"]) for a in apps}
    assert states == dict.fromkeys(("banner", "catalog", "storefront"), ("Synced", "Healthy"))
    ready = {k["metadata"]["name"]: k["status"]["conditions"][0]["status"] for k in kustomizations}
    assert ready == {"bootstrap": "True", "infrastructure": "True", "payments": "True"}


def test_pods_run_and_print_honest_lines(shop: tuple[Program, Repository]) -> None:
    """kubectl sees running pods, and logs that say they are simulated."""
    running, _ = shop
    pods = running.get("pods", "-n", "storefront")["items"]

    assert {pod["status"]["phase"] for pod in pods} == {"Running"}
    assert "simulated" in running.kubectl("logs", "-n", "storefront", pods[0]["metadata"]["name"])


def test_an_edited_object_is_put_right_within_a_second(shop: tuple[Program, Repository]) -> None:
    """Drift is repaired by the watch, not by a poll."""
    running, _ = shop
    before = running.get("deployment", "storefront", "-n", "storefront")["spec"]["replicas"]
    running.kubectl("scale", "deployment/storefront", "-n", "storefront", "--replicas=7")
    started = time.monotonic()
    eventually(
        lambda: running.get("deployment", "storefront", "-n", "storefront")["spec"]["replicas"] == before, within=10
    )

    assert time.monotonic() - started < 5  # generous for a loaded machine; the benchmark prints the real figure


def test_a_deleted_object_comes_back(shop: tuple[Program, Repository]) -> None:
    """Of either dialect."""
    running, _ = shop
    for kind, name, namespace in (("service", "storefront", "storefront"), ("deployment", "payments", "payments")):
        uid = running.get(kind, name, "-n", namespace)["metadata"]["uid"]
        running.kubectl("delete", kind, name, "-n", namespace, "--wait=false")
        eventually(
            lambda k=kind, n=name, s=namespace, u=uid: (o := running.get(k, n, "-n", s)) and o["metadata"]["uid"] != u
        )


def test_a_commit_arrives_and_a_removed_file_is_pruned(shop: tuple[Program, Repository]) -> None:
    """Push, and it is there; remove, and it goes."""
    running, repository = shop
    repository.write(
        "infrastructure/extra.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: extra\n  namespace: infrastructure\ndata: {a: b}\n",
    )
    commit = repository.commit("add a config map")
    eventually(lambda: running.get("configmap", "extra", "-n", "infrastructure"))
    eventually(lambda: commit in status(running, "kustomization", "infrastructure").get("lastAppliedRevision", ""))
    (repository.folder / "infrastructure/extra.yaml").unlink()
    repository.commit("remove it")

    eventually(lambda: running.get("configmap", "extra", "-n", "infrastructure") is None)


def test_a_bad_manifest_names_file_and_line_and_stops_nobody_else(shop: tuple[Program, Repository]) -> None:
    """One app says what is wrong; a commit for another one still arrives."""
    running, repository = shop
    good = (repository.folder / "apps/banner/banner.jsonnet").read_text()
    repository.write("apps/catalog/base/broken.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: [\n")
    kustomization = repository.folder / "apps/catalog/base/kustomization.yaml"
    before = kustomization.read_text()
    kustomization.write_text(before.replace("resources:\n", "resources:\n  - broken.yaml\n"))
    repository.write("apps/banner/banner.jsonnet", good.replace("winter", "spring") + "\n")
    commit = repository.commit("break catalog, change banner")
    try:

        def broken() -> str:
            conditions = status(running, "application", "catalog").get("conditions") or []
            return "".join(c["message"] for c in conditions)

        eventually(lambda: "broken.yaml" in broken())
        assert "broken.yaml:4" in broken() or "broken.yaml:5" in broken()
        eventually(lambda: status(running, "application", "banner")["sync"].get("revision") == commit)
    finally:
        kustomization.write_text(before)
        (repository.folder / "apps/catalog/base/broken.yaml").unlink()
        repository.write("apps/banner/banner.jsonnet", good)
        repository.commit("mend it")
    running.trueup("wait", "--timeout", "60")


def test_verbs_show_what_there_is(shop: tuple[Program, Repository]) -> None:
    """get, tree, history, why, diff and render answer about a unit."""
    running, _ = shop

    assert "application argocd/storefront" in running.trueup("get").stdout
    tree = running.trueup("tree", "storefront").stdout
    assert "Deployment storefront/storefront" in tree
    assert "Pod storefront/" in tree
    assert "automated" in running.trueup("history", "storefront").stdout
    assert "Synced and Healthy" in running.trueup("why", "storefront").stdout
    assert running.trueup("diff", "storefront").stdout == ""
    assert "kind: Deployment" in running.trueup("render", "storefront").stdout


def test_suspended_units_stay_as_they_are_until_resumed(shop: tuple[Program, Repository]) -> None:
    """suspend, drift, diff says 1, resume, repaired."""
    running, _ = shop
    running.trueup("suspend", "storefront")
    eventually(lambda: "suspended" in running.trueup("get", "storefront").stdout)
    running.kubectl("annotate", "service/storefront", "-n", "storefront", "note=hand-made")
    running.kubectl("patch", "deployment/storefront", "-n", "storefront", "-p", '{"spec":{"replicas":1}}')
    eventually(lambda: status(running, "application", "storefront")["sync"]["status"] == "OutOfSync")

    done = running.trueup("diff", "storefront", check=False)
    assert done.returncode == 1
    assert "replicas" in done.stdout
    running.trueup("resume", "storefront")
    running.trueup("wait", "storefront", "--timeout", "30")
    assert running.get("deployment", "storefront", "-n", "storefront")["spec"]["replicas"] == 2


def test_it_stops_cleanly_and_goes_on_where_it_was(tmp_path: Path) -> None:
    """After a stop and a start everything is there, with the same identities."""
    repository = Repository.of(tmp_path / "shop", EXAMPLES / "shop")
    arguments = (str(repository.folder), "--map", f"{URL}={repository.folder}")
    with program(tmp_path / "run", *arguments) as running:
        running.trueup("wait", "--timeout", "60")
        uid = running.get("deployment", "storefront", "-n", "storefront")["metadata"]["uid"]
        assert running.stop() == 0, running.log
        assert not (running.state / "up.json").exists()
        running.start()
        running.trueup("wait", "--timeout", "60")

        assert running.get("deployment", "storefront", "-n", "storefront")["metadata"]["uid"] == uid


def test_a_second_process_on_the_same_state_is_refused(shop: tuple[Program, Repository]) -> None:
    """With an error that says who holds it."""
    running, _ = shop
    done = running.trueup("up", "--listen", "127.0.0.1:0", check=False)

    assert done.returncode == 1
    assert "in use by another trueup" in done.stderr


def test_json_output_is_the_object_itself(shop: tuple[Program, Repository]) -> None:
    """Programs read what Kubernetes would give them."""
    running, _ = shop

    assert json.loads(running.trueup("get", "storefront", "-o", "json").stdout)["kind"] == "Application"
