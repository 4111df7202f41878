"""Genuine kubectl in the everyday of a deployment: prune, diff, explain, dry runs and all words of `rollout`."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.system.cluster import needs_kubectl
from trueup.testing import Cluster

pytestmark = [pytest.mark.system, needs_kubectl]

Run = Callable[..., subprocess.CompletedProcess[str]]
Kubectl = Callable[..., str]


@pytest.fixture
def run(shared_cluster: Cluster, namespace: str, tmp_path: Path) -> Run:
    """kubectl in that namespace, however it ends."""

    def runs(*args: str, given: str = "") -> subprocess.CompletedProcess[str]:
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "KUBECONFIG": str(shared_cluster.kubeconfig)}
        return subprocess.run(
            ["kubectl", "-n", namespace, *args],
            env=environment,
            input=given,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return runs


@pytest.fixture
def kubectl(run: Run) -> Kubectl:
    """What kubectl prints; the test fails when kubectl does."""

    def says(*args: str, given: str = "") -> str:
        done = run(*args, given=given)
        assert done.returncode == 0, f"kubectl {' '.join(args)}: {done.stderr or done.stdout}"
        return done.stdout

    return says


def maps(*names: str, **data: str) -> str:
    """ConfigMaps of one set, as a text to apply."""
    objects = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"set": "one"}}, "data": data}
        for name in names
    ]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})


def image(kubectl: Kubectl, of: str) -> str:
    """What a workload runs."""
    return kubectl("get", of, "-o", "jsonpath={.spec.template.spec.containers[0].image}")


def test_apply_prunes_what_left_the_set(kubectl: Kubectl) -> None:
    """`apply --prune` by a label deletes what was applied before and is not any more, and nothing else."""
    kubectl("create", "configmap", "foreign")
    kubectl("label", "configmap", "foreign", "set=one")
    kubectl("apply", "-f", "-", given=maps("a", "b", x="1"))
    said = kubectl(
        "apply", "--prune", "-l", "set=one", "--prune-allowlist=core/v1/ConfigMap", "-f", "-", given=maps("a", x="1")
    )
    assert said == "configmap/a unchanged\nconfigmap/b pruned\n"
    assert kubectl("get", "configmap", "-l", "set=one", "-o", "name") == "configmap/a\nconfigmap/foreign\n"


def test_apply_prunes_by_a_set_of_its_own(namespace: str, shared_cluster: Cluster, tmp_path: Path) -> None:
    """An apply set keeps its members in labels and its kinds in its parent, and prunes by these."""
    base = ["env", "KUBECTL_APPLYSET=true", "kubectl", "-n", namespace, "apply", "--prune", "--applyset=one", "-f", "-"]
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "KUBECONFIG": str(shared_cluster.kubeconfig)}
    said = []
    for names in (("a", "b"), ("a",)):
        done = subprocess.run(
            base, env=environment, input=maps(*names, x="1"), capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        said.append(done.stdout)
    assert said == ["configmap/a created\nconfigmap/b created\n", "configmap/a unchanged\nconfigmap/b pruned\n"]


def test_diff_ends_as_scripts_expect(run: Run, kubectl: Kubectl) -> None:
    """0 without a difference, 1 with one, more than 1 when the server refuses."""
    kubectl("apply", "-f", "-", given=maps("a", x="1"))
    same = run("diff", "-f", "-", given=maps("a", x="1"))
    other = run("diff", "-f", "-", given=maps("a", x="2"))
    new = run("diff", "--server-side", "-f", "-", given=maps("b"))
    bad = run("diff", "-f", "-", given=maps("Not A Name"))
    assert [same.returncode, other.returncode, new.returncode] == [0, 1, 1], other.stderr + new.stderr
    assert bad.returncode > 1, bad.stdout
    assert "lowercase RFC 1123 subdomain" in bad.stderr


@pytest.mark.parametrize("kind", ["pods", "deployments.apps", "horizontalpodautoscalers", "crd"])
def test_explain_goes_all_the_way_down(kubectl: Kubectl, kind: str) -> None:
    """`explain --recursive` prints every field with its type, by either version of the schemas."""
    said = kubectl("explain", kind, "--recursive")
    assert "apiVersion\t<string>" in said
    assert "managedFields\t<[]ManagedFieldsEntry>" in said
    older = kubectl("explain", kind, "--recursive", "--output=plaintext-openapiv2")
    assert "<[]Object>" in older or "<[]ManagedFieldsEntry>" in older


def test_create_in_a_dry_run(run: Run, kubectl: Kubectl) -> None:
    """The server answers with the object as it would be, defaults and all, and refuses what it would refuse."""
    made = json.loads(kubectl("create", "deployment", "web", "--image=nginx", "--dry-run=server", "-o", "json"))
    assert made["spec"]["revisionHistoryLimit"] == 10
    assert made["metadata"]["uid"]
    assert run("get", "deployment", "web").returncode == 1
    kubectl("create", "configmap", "there")
    again = run("create", "configmap", "there", "--dry-run=server")
    assert "already exists" in again.stderr
    bad = run("create", "deployment", "Web", "--image=nginx", "--dry-run=server")
    assert "metadata.name: Invalid value" in bad.stderr


def test_rollouts_are_undone(kubectl: Kubectl, run: Run) -> None:
    """History tells of revisions and causes; undo goes back to one, and the next goes on from there."""
    kubectl("create", "deployment", "web", "--image=nginx:1")
    kubectl("annotate", "deployment", "web", "kubernetes.io/change-cause=the first")
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    kubectl("set", "image", "deployment/web", "nginx=nginx:2")
    kubectl("annotate", "deployment", "web", "kubernetes.io/change-cause=the second", "--overwrite")
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    history = kubectl("rollout", "history", "deployment/web")
    assert "1         the first" in history
    assert "2         the second" in history
    assert "nginx:1" in kubectl("rollout", "history", "deployment/web", "--revision=1")
    assert kubectl("rollout", "undo", "deployment/web") == "deployment.apps/web rolled back\n"
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    assert image(kubectl, "deployment/web") == "nginx:1"
    revisions = [line.split()[0] for line in kubectl("rollout", "history", "deployment/web").splitlines()[2:] if line]
    assert revisions == ["2", "3"]
    kubectl("rollout", "undo", "deployment/web", "--to-revision=2")
    assert image(kubectl, "deployment/web") == "nginx:2"
    assert "unable to find specified revision" in run("rollout", "undo", "deployment/web", "--to-revision=9").stderr


def test_rollouts_pause_and_restart(kubectl: Kubectl, run: Run, shared_cluster: Cluster, namespace: str) -> None:
    """While paused nothing rolls; resumed all does; a restart makes every pod anew."""
    kubectl("create", "deployment", "web", "--image=nginx:1", "--replicas=2")
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    kubectl("rollout", "pause", "deployment/web")
    kubectl("set", "image", "deployment/web", "nginx=nginx:2")
    shared_cluster.wait(
        "deployment",
        "web",
        lambda found: found["status"]["observedGeneration"] == found["metadata"]["generation"],
        namespace=namespace,
    )
    assert len(kubectl("get", "replicasets", "-o", "name").splitlines()) == 1
    assert "can't restart paused deployment" in run("rollout", "restart", "deployment/web").stderr
    kubectl("rollout", "resume", "deployment/web")
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    assert len(kubectl("get", "replicasets", "-o", "name").splitlines()) == 2
    before = set(kubectl("get", "pods", "--field-selector=status.phase=Running", "-o", "name").split())
    kubectl("rollout", "restart", "deployment/web")
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    live: list[dict[str, Any]] = json.loads(kubectl("get", "pods", "-l", "app=web", "-o", "json"))["items"]
    after = {f"pod/{pod['metadata']['name']}" for pod in live if "deletionTimestamp" not in pod["metadata"]}
    assert len(after) == 2
    assert not after & before


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
def test_rollouts_of_sets(kubectl: Kubectl, kind: str) -> None:
    """Sets roll, tell their history and go back as well, by ControllerRevisions."""
    labels = {"app": "set"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": "nginx:1"}]}}
    spec: dict[str, Any] = {"selector": {"matchLabels": labels}, "template": template}
    if kind == "StatefulSet":
        spec |= {"serviceName": "set", "replicas": 2}
    made = {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "set"}, "spec": spec}
    of = f"{kind.lower()}/set"
    kubectl("apply", "-f", "-", given=json.dumps(made))
    kubectl("rollout", "status", of, "--timeout=30s")
    kubectl("set", "image", of, "web=nginx:2")
    kubectl("rollout", "status", of, "--timeout=30s")
    assert [line.split()[0] for line in kubectl("rollout", "history", of).splitlines()[2:] if line] == ["1", "2"]
    assert "rolled back" in kubectl("rollout", "undo", of)
    kubectl("rollout", "status", of, "--timeout=30s")
    assert image(kubectl, of) == "nginx:1"
