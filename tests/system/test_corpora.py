"""Repositories of other people, brought up as they are: what can be delivered is, and the rest says why not, in its status.

They are read from the corpora beside this repository, as plain folders mapped to the URLs that their objects name. What their
owners do by hand (sync what is not synced automatically, hand in a Secret that only they can decrypt) is done here too.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.corpora import corpus
from trueup.app.families import units
from trueup.app.up import running
from trueup.cli.act import act
from trueup.cli.get import waits_for_person
from trueup.cli.units import Found, all_units
from trueup.kube.names import Kind, Object, Ref
from trueup.ports import Client
from trueup.settings import Settings

pytestmark = [pytest.mark.system, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

SYNCED = "Synced Healthy"
POD = Kind("", "v1", "Pod")
GENERATOR = Kind("source.extensions.fluxcd.io", "v1beta1", "ArtifactGenerator")
HELM_RELEASE = Kind("helm.toolkit.fluxcd.io", "v2", "HelmRelease")


@dataclass(frozen=True, slots=True)
class Cluster:
    """`trueup up` on a repository, in this process."""

    client: Client

    async def units(self) -> list[Found]:
        return [f for f in await all_units(self.client, units()) if f.view.name != "bootstrap"]

    async def beginning(self) -> Found:
        """The unit that began it all, once it is synced and healthy."""
        found: list[Found] = []

        async def wrong() -> str:
            found[:] = [f for f in await all_units(self.client, units()) if f.view.name == "bootstrap"]
            return "" if found and says(found[0]) == SYNCED else f"bootstrap: {[says(f) for f in found]}"

        await until(wrong)
        return found[0]

    def no_running_pods(self, labels: str) -> Callable[[], Awaitable[str]]:
        """Whether pods are missing, or others than running."""

        async def wrong() -> str:
            pods = (await self.client.list(POD, labels=labels)).items
            phases = [pod.get("status", {}).get("phase") for pod in pods]
            return "" if phases and set(phases) == {"Running"} else f"{labels}: {phases}"

        return wrong

    async def said(self) -> dict[str, str]:
        """What each unit says: ``Synced Healthy``, or its message."""
        return {f.view.name: says(f) for f in await self.units()}

    async def sync(self, names: Collection[str]) -> None:
        """Sync by hand what nobody else syncs, once all of these have been compared."""
        found: list[Found] = []

        async def compared() -> str:
            found[:] = [f for f in await self.units() if f.view.sync != "Unknown" or f.view.message]
            return "" if len(found) == len(names) else f"{len(found)} of {len(names)} have been compared"

        await until(compared)
        for one in found:
            if waits_for_person(one.view):
                await act(self.client, one, "sync", {})

    async def meets(self, expected: Mapping[str, str]) -> None:
        """Wait until every unit says what is expected of it: the whole, or a part of it."""

        async def missed() -> str:
            wrong = differing(expected, await self.said())
            return f"{len(expected) - len(wrong)} of {len(expected)}; others: {wrong}" if wrong else ""

        await until(missed)
        print(f"{len(expected)} of {len(expected)} units, {list(expected.values()).count(SYNCED)} synced and healthy")


async def until(wrong: Callable[[], Awaitable[str]], *, within: float = 30.0) -> None:
    """Wait until nothing is wrong any more; fails with what still is when that takes too long."""
    ends = time.monotonic() + within
    while text := await wrong():
        assert time.monotonic() < ends, text
        await asyncio.sleep(0.05)


def says(found: Found) -> str:
    view = found.view
    state = f"{view.sync} {view.health}"
    return state if state == SYNCED and view.phase != "Running" else f"{state}: {view.message}"


def differing(expected: Mapping[str, str], said: Mapping[str, str]) -> dict[str, str]:
    """Who says something else, or is not expected, or is not there."""
    names = sorted({*expected, *said})
    return {
        name: said.get(name, "is not there")
        for name in names
        if name not in expected or expected[name] not in said.get(name, "")
    }


@asynccontextmanager
async def up(source: Path, url: str, path: str = "") -> AsyncIterator[Cluster]:
    """The repository in a folder, as the one that objects name by this URL."""
    settings = Settings(state=None, mapping={url: source}, source=str(source), path=path, port=0)
    async with running(settings, lambda line: None) as now:
        yield Cluster(now.cluster.client)


# --- Argo CD -------------------------------------------------------------------------------------------------------------

DIFF_PREVIEW = "https://github.com/dag-andersen/argocd-diff-preview"
NAME = 'spec.template.spec.containers[0].name: Invalid value: "myApp"'
SELECTOR = 'examples/custom-target-revision/resources/deployment.yaml:1: Deployment.apps "my-deployment" is invalid'
CHART = "chart ingress-nginx of https://kubernetes.github.io/ingress-nginx: Helm repositories are not supported yet"
CLUSTER = "there are no clusters with this name: some-cluster"
NAMESPACE = 'namespaces "some-namespace" not found'
COMMON = {
    "my-service-production": SYNCED,
    "nginx-ingress": CHART,
}
EXAMPLES = {
    **COMMON,
    "custom-target-revision-example": SELECTOR,
    "destination-server-example": NAME,
    "internal-chart-example": NAME,
    "manifest-generate-paths-file-not-exist-example": NAME,
    "valid-manifest-generate-paths-example": NAME,
    "watch-pattern-valid-regex-example": NAME,
}
EARLY = {**EXAMPLES, "my-service-staging": SYNCED, "ignore-annotation-example": NAME, "label-selectors-example": NAME}
LATER = {
    **EXAMPLES,
    "my-service-staging": CLUSTER,
    "ignore-annotation-example": CLUSTER,
    "ignore-differences-example": 'namespaces "example-system" not found',
    "label-selectors-example": NAMESPACE,
}
LATEST = {**LATER, "multi-source-app": SYNCED}
BRANCHES: dict[str, dict[str, str]] = {
    "branch-1": LATEST,
    "branch-2": LATEST,
    "branch-3": LATER,
    "branch-4": {
        **COMMON,
        "my-service-staging": SYNCED,
        "my-app": NAME,
        "my-app-custom-target-revision": SELECTOR,
        "my-app-destination-server": NAME,
        "my-app-labels": NAME,
        "my-app-watch-pattern-valid-regex": NAME,
    },
    "branch-7": EARLY,
    "branch-9": EARLY,
    "branch-12": {
        **LATER,
        "argocd-helm-chart": "chart argo-cd of https://argoproj.github.io/argo-helm: Helm repositories are not supported yet",
    },
    "branch-14": {**LATER, "hydrator-kustomize-demo": "spec.sourceHydrator: the source hydrator is not supported yet"},
    "branch-15": {**LATER, "order-change-example": SYNCED},
    "branch-16": {**LATEST, "my-app": "spec.source.plugin: config management plugins are not supported yet"},
    "branch-18": {**LATEST, "out-of-chart-values": SYNCED},
    "branch-19": {**LATEST, "kustomize-build-options": "security; file '/examples/kustomize-build-options/shared/"},
}
"""What the Applications of each branch say after a sync. Most of them are made to be rendered, not to be applied: Kubernetes
refuses a container that is named after the chart, for its name is in camel case, and a Deployment without a selector."""


@pytest.mark.parametrize("branch", sorted(BRANCHES))
async def test_applications_of_argocd_diff_preview(branch: str) -> None:
    """Found all over the tree, synced by hand, each says what came of it; generators are stored and say that they are not run."""
    async with up(corpus(f"argocd-diff-preview/branches/{branch}/base"), DIFF_PREVIEW) as cluster:
        await cluster.sync(BRANCHES[branch])
        await cluster.meets(BRANCHES[branch])


# --- podinfo -------------------------------------------------------------------------------------------------------------

PODINFO = "https://github.com/stefanprodan/podinfo"
POD_LABEL = {"kustomize": "app=podinfo", "charts/podinfo": "app.kubernetes.io/name=podinfo"}


@pytest.mark.parametrize(("path", "begun", "made"), [
    ("", "kustomize", {"Deployment", "HorizontalPodAutoscaler", "Service"}),
    ("charts/podinfo", "charts/podinfo", {"Deployment", "Service"}),
])  # fmt: skip
async def test_podinfo_by_kustomize_and_by_chart(path: str, begun: str, made: set[str]) -> None:
    """By convention its kustomization; asked for its chart, the chart. Either way pods run."""
    async with up(corpus("realworld/podinfo"), PODINFO, path) as cluster:
        beginning = await cluster.beginning()

        assert beginning.view.path.removeprefix("./") == begun
        assert made <= {resource.ref.kind.kind for resource in beginning.view.resources}
        await until(cluster.no_running_pods(POD_LABEL[begun]))


# --- Flux ----------------------------------------------------------------------------------------------------------------

FLUX_EXAMPLE = "https://github.com/fluxcd/flux2-kustomize-helm-example"
HELM = "HelmRelease is stored but not reconciled by this version of trueup"


@pytest.mark.parametrize("folder", ["staging", "production"])
async def test_flux2_kustomize_helm_example(folder: str) -> None:
    """Its artifacts are composed from the GitRepository that `flux bootstrap` would have made; its charts are not installed, and
    what depends on them waits."""
    source = corpus("realworld/flux2-kustomize-helm-example")
    async with up(source, FLUX_EXAMPLE, f"clusters/{folder}") as cluster:
        await cluster.beginning()
        await cluster.meets(
            {
                "infra-controllers": "stalled resources: [HelmRelease/cert-manager/cert-manager status: 'Failed'",
                "infra-configs": "dependency 'flux-system/infra-controllers' is not ready",
                "apps": "dependency 'flux-system/infra-configs' is not ready",
            }
        )
        generator = await cluster.client.get(Ref(GENERATOR, "flux-system", "flux-system"))
        release = await cluster.client.get(Ref(HELM_RELEASE, "cert-manager", "cert-manager"))

        assert ready(generator) == ("True", "Succeeded", "reconciliation succeeded, generated 2 artifact(s)")
        assert ready(release) == ("False", "NotSupported", HELM)


def ready(obj: Object) -> tuple[str, str, str]:
    """The Ready condition."""
    found = next(c for c in obj["status"]["conditions"] if c["type"] == "Ready")
    return found["status"], found["reason"], found["message"]
