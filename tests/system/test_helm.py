"""Helm against the embedded API server: a release's whole life, by the library and by the binary where one is installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import helm_python
import pytest

from trueup.kube.problems import NotFound
from trueup.testing import Cluster

pytestmark = pytest.mark.system

FILES = {
    "Chart.yaml": "apiVersion: v2\nname: shop\nversion: 1.2.3\nappVersion: '9'\n",
    "values.yaml": "replicas: 1\nimage: nginx:1.27\nword: open\nextra: true\n",
    "crds/tills.yaml": """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: tills.shop.example.com}
spec:
  group: shop.example.com
  scope: Namespaced
  names: {kind: Till, plural: tills}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {coins: {type: integer}}}}}}
""",
    "templates/web.yaml": """
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Release.Name }}-web, labels: {app: {{ .Release.Name }}}}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: {{ .Release.Name }}}}
  template:
    metadata: {labels: {app: {{ .Release.Name }}}}
    spec: {containers: [{name: web, image: {{ .Values.image }}, ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: {{ .Release.Name }}-web}
spec: {selector: {app: {{ .Release.Name }}}, ports: [{port: 80}]}
---
apiVersion: shop.example.com/v1
kind: Till
metadata: {name: {{ .Release.Name }}-till}
spec: {coins: {{ .Values.replicas }}}
""",
    "templates/config.yaml": """
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}-config}
data: {word: {{ .Values.word }}, kubernetes: {{ .Capabilities.KubeVersion.Version }}}
{{ if .Values.extra }}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}-extra}
data:
  had: {{ (lookup "v1" "ConfigMap" .Release.Namespace (printf "%s-extra" .Release.Name)) | empty | not | quote }}
{{ end }}
""",
    "templates/hook.yaml": """
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .Release.Name }}-prepare
  annotations: {helm.sh/hook: "pre-install,pre-upgrade", helm.sh/hook-delete-policy: "before-hook-creation"}
spec:
  template: {spec: {restartPolicy: Never, containers: [{name: prepare, image: busybox}]}}
""",
    "templates/test.yaml": """
apiVersion: v1
kind: Pod
metadata:
  name: {{ .Release.Name }}-test
  annotations: {helm.sh/hook: test}
spec: {restartPolicy: Never, containers: [{name: test, image: busybox, command: [wget, {{ .Release.Name }}-web]}]}
""",
    "templates/NOTES.txt": "Open {{ .Release.Name }}.\n",
}


@pytest.fixture(scope="module")
def chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chart with custom resources, hooks, a test and a look at the cluster."""
    folder = tmp_path_factory.mktemp("charts") / "shop"
    for path, text in FILES.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


@pytest.fixture
def helm(shared_cluster: Cluster, namespace: str) -> Iterator[helm_python.Config]:
    """Helm's library in that namespace."""
    with helm_python.Config(kubeconfig_path=shared_cluster.kubeconfig, namespace=namespace) as made:
        yield made


def test_release_by_the_library(helm: helm_python.Config, chart: Path, shared_cluster: Cluster, namespace: str) -> None:
    """Install, test, upgrade, roll back and uninstall; list, history and get say what has been."""

    def image() -> Any:
        spec = shared_cluster.get("deployment", "one-web", namespace=namespace)["spec"]
        return spec["replicas"], spec["template"]["spec"]["containers"][0]["image"]

    helm.check_reachable()
    installed = helm.install(chart, "one", wait="watcher", timeout=60)
    assert (installed["status"], installed["revision"]) == ("deployed", 1)
    assert shared_cluster.get("till", "one-till", namespace=namespace)["spec"] == {"coins": 1}
    labels = shared_cluster.get("configmap", "one-config", namespace=namespace)["metadata"]["labels"]
    assert labels["app.kubernetes.io/managed-by"] == "Helm"
    with pytest.raises(helm_python.HelmError, match=r"cannot re.?use a name"):
        helm.install(chart, "one")

    tested = helm.test("one", timeout=60, logs=True)
    assert "simulated" in tested["logs"]

    upgraded = helm.upgrade(
        chart, "one", {"replicas": 2, "image": "nginx:1.28", "extra": False}, wait="watcher", timeout=60
    )
    assert upgraded["revision"] == 2
    assert image() == (2, "nginx:1.28")
    with pytest.raises(NotFound):
        shared_cluster.get("configmap", "one-extra", namespace=namespace)

    helm.rollback("one", version=1, wait="watcher", timeout=60)
    assert image() == (1, "nginx:1.27")
    assert shared_cluster.get("configmap", "one-extra", namespace=namespace)["data"] == {"had": "false"}

    assert [(each["name"], each["revision"]) for each in helm.list()] == [("one", 3)]
    assert [each["status"] for each in helm.history("one")] == ["superseded", "superseded", "deployed"]
    assert helm.get_values("one", revision=2) == {"replicas": 2, "image": "nginx:1.28", "extra": False}
    assert helm.get_metadata("one")["chart"] == "shop"
    assert sorted(hook["name"] for hook in helm.get_all("one")["hooks"]) == ["one-prepare", "one-test"]
    kept = shared_cluster.list("secrets", namespace=namespace, labels="owner=helm")
    assert [one["type"] for one in kept] == ["helm.sh/release.v1"] * 3

    helm.uninstall("one", wait="watcher", timeout=60)
    assert helm.list(all_states=True) == []
    for kind in ("deployments", "services", "tills"):
        assert shared_cluster.list(kind, namespace=namespace) == []


def test_release_that_the_server_refuses(
    helm: helm_python.Config, chart: Path, shared_cluster: Cluster, namespace: str
) -> None:
    """Such an upgrade fails with the server's words and leaves what was there; with a rollback it is put back."""
    helm.install(chart, "two")
    with pytest.raises(helm_python.HelmError, match="must be greater than or equal to 0"):
        helm.upgrade(chart, "two", {"replicas": -1})
    assert [each["status"] for each in helm.history("two")] == ["deployed", "failed"]
    with pytest.raises(helm_python.HelmError):
        helm.upgrade(chart, "two", {"replicas": -1, "word": "shut"}, rollback_on_failure=True, timeout=60)
    assert helm.status("two")["status"] == "deployed"
    assert shared_cluster.get("configmap", "two-config", namespace=namespace)["data"]["word"] == "open"


def test_dry_run_on_the_server(helm: helm_python.Config, chart: Path, shared_cluster: Cluster, namespace: str) -> None:
    """It renders with the server's version and stores nothing."""
    shown = helm.install(chart, "three", dry_run="server")
    assert "kubernetes: v1." in shown["manifest"]
    assert shared_cluster.list("deployments", namespace=namespace) == []
    assert helm.list(all_states=True) == []


def test_two_releases_do_not_share_an_object(
    helm: helm_python.Config, chart: Path, shared_cluster: Cluster, namespace: str
) -> None:
    """Helm refuses what another release or nobody owns, by its labels."""
    foreign = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "four-config"}}
    shared_cluster.apply(foreign, namespace=namespace)
    with pytest.raises(helm_python.HelmError, match="invalid ownership metadata"):
        helm.install(chart, "four")


@pytest.mark.skipif(shutil.which("helm") is None, reason="helm is not on PATH")
def test_release_by_the_binary(chart: Path, shared_cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    """The same life by what people type."""

    def helm(*args: str) -> str:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "KUBECONFIG": str(shared_cluster.kubeconfig),
            "HELM_NAMESPACE": namespace,
        }
        done = subprocess.run(
            ["helm", *args], env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, f"helm {' '.join(args)}: {done.stderr or done.stdout}"
        return done.stdout

    assert "STATUS: deployed" in helm("install", "one", str(chart), "--wait", "--timeout", "60s")
    assert "Succeeded" in helm("test", "one", "--timeout", "60s")
    helm("upgrade", "one", str(chart), "--set", "replicas=2", "--wait", "--timeout", "60s")
    assert json.loads(helm("get", "values", "one", "-o", "json")) == {"replicas": 2}
    helm("rollback", "one", "1", "--wait", "--timeout", "60s")
    assert [each["revision"] for each in json.loads(helm("history", "one", "-o", "json"))] == [1, 2, 3]
    assert [each["name"] for each in json.loads(helm("list", "-o", "json"))] == ["one"]
    assert "name: one-config" in helm("get", "manifest", "one")
    assert "one-web" in helm("status", "one", "-o", "yaml")
    helm("upgrade", "--install", "two", str(chart), "--set", "extra=false")
    helm("uninstall", "one", "two", "--wait")
    assert json.loads(helm("list", "-o", "json")) == []
