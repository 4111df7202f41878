"""Other people's charts installed for real: everything comes up, is upgraded to itself, and goes again.

The charts of the corpora that `helm template` renders; a few in the default run, all with ``--matrix``. Kinds that operators
bring are made first, with schemas that take anything.
"""

from __future__ import annotations

import json

import helm_python
import pytest

from tests.corpora import corpus
from tests.system.test_kubectl_repositories import prepared
from trueup.kube.documents import parse
from trueup.kube.names import Object
from trueup.testing import Cluster

pytestmark = pytest.mark.system

SAMPLE = (
    "argo-cd/test/e2e/testdata/helm-guestbook",
    "flux-helm-controller/config/testdata/charts/upgrade-chart-name-change/podinfo-renamed",
    "flux-local/tests/testdata/cluster9/local-charts/nginx",
    "flux-source-controller/internal/helm/testdata/charts/helmchart",
    "realworld/podinfo/charts/podinfo",
)
"""Those of the default run."""
REFUSED = (
    "is invalid:",
    "exists and cannot be imported into the current release",
    'namespaces "',
    "ensure CRDs are installed first",
    "error validating data:",
    "failed to create typed patch object",
    "unable to decode",
)
"""What Kubernetes or Helm itself refuses of a chart with its default values."""
NEVER_READY = {"helm/pkg/chart/v2/lint/rules/testdata/v3-fail"}
"""Their pods use a service account that they do not bring."""


def charts() -> list[tuple[str, list[Object]]]:
    """Each chart and what it renders to, those of most kinds first."""
    found = []
    for line in corpus("extracted/helm_template_charts.jsonl").open():
        row = json.loads(line)
        if "error" not in row and row["chart"] not in NEVER_READY:
            found.append((row["chart"], [each.value for each in parse(row["yaml"].encode()) if each.value]))
    return sorted(found, key=lambda each: (-len({obj.get("kind") for obj in each[1]}), each[0]))


def unknown(chart: str, objects: list[Object]) -> list[Object]:
    """The custom objects of a chart that does not bring their kinds itself."""
    brought = {
        (each.value.get("spec") or {}).get("names", {}).get("kind")
        for path in (corpus(chart) / "crds").glob("*.yaml")
        for each in parse(path.read_bytes())
        if each.value
    }
    kinds = [(str(obj.get("apiVersion")).partition("/")[0], obj.get("kind"), obj) for obj in objects]
    return [obj for group, kind, obj in kinds if "." in group and not group.endswith(".k8s.io") and kind not in brought]


def lived(cluster: Cluster, chart: str, objects: list[Object]) -> str:
    """What goes wrong in a release's life; "" when nothing does."""
    prepared(
        cluster,
        [*unknown(chart, objects), {"kind": "Namespace", "apiVersion": "v1", "metadata": {"namespace": "apps"}}],
    )
    with helm_python.Config(kubeconfig_path=cluster.kubeconfig, namespace="apps") as helm:
        folder = corpus(chart)
        installed = helm.install(folder, "one", wait="watcher", timeout=30)
        if installed["status"] != "deployed":
            return f"installed: {installed['status']}"
        upgraded = helm.upgrade(folder, "one", wait="watcher", timeout=30)
        if (upgraded["status"], upgraded["revision"]) != ("deployed", 2):
            return f"upgraded: {upgraded['status']}"
        helm.uninstall("one", wait="watcher", timeout=30)
        return "not uninstalled" if helm.list(all_states=True) else ""


def test_charts_are_installed(request: pytest.FixtureRequest) -> None:
    """Installed and waited for, upgraded, uninstalled."""
    every = charts()
    chosen = [each for each in every if each[0] in SAMPLE or request.config.getoption("--matrix")]
    wrong, refused = {}, 0
    for chart, objects in chosen:
        with Cluster() as cluster:
            try:
                why = lived(cluster, chart, objects)
            except helm_python.HelmError as problem:
                why = str(problem)
        if why and any(words in why for words in REFUSED):
            refused += 1
        elif why:
            wrong[chart] = why
    good = len(chosen) - len(wrong) - refused
    print(f"charts: {good} of {len(chosen) - refused}, and {refused} are refused with their default values")
    assert wrong == {}
    assert good
