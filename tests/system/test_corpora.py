"""Repositories of other people, brought up as they are: what can be delivered is, and the rest says why not, in its status.

They are read from the corpora beside this repository, as plain folders mapped to the URLs that their objects name. What their
owners do by hand (sync what is not synced automatically, hand in a Secret that only they can decrypt) is done here too.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
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
from trueup.kube import documents
from trueup.kube.names import Kind, Object, Ref
from trueup.ports import Client
from trueup.settings import Settings

pytestmark = [pytest.mark.system, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

SYNCED = "Synced Healthy"
POD = Kind("", "v1", "Pod")
APPLICATION_SET = Kind("argoproj.io", "v1alpha1", "ApplicationSet")
GENERATOR = Kind("source.extensions.fluxcd.io", "v1beta1", "ArtifactGenerator")
HELM_RELEASE = Kind("helm.toolkit.fluxcd.io", "v2", "HelmRelease")


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No machine's network decides over what can be had: remotes are out of reach at once."""
    for name in ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")


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

    async def unexplained_generators(self) -> str:
        """ApplicationSets that do not say what becomes of them."""
        sets = (await self.client.list(APPLICATION_SET)).items
        silent = [
            one["metadata"]["name"]
            for one in sets
            if [(c["type"], c["reason"]) for c in one.get("status", {}).get("conditions", ())]
            != [("ErrorOccurred", "NotSupported")]
        ]
        return f"of {len(sets)}: {silent}" if silent or not sets else ""

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
CHART = "https://kubernetes.github.io/ingress-nginx/index.yaml cannot be read"
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
        "argocd-helm-chart": "https://argoproj.github.io/argo-helm/index.yaml cannot be read",
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
        await until(cluster.unexplained_generators)


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


async def test_podinfo_as_applications() -> None:
    """Nothing to begin with: Applications of the mapped repository are applied, and come to be healthy, their autoscaler too."""
    settings = Settings(state=None, mapping={PODINFO: corpus("realworld/podinfo")}, port=0)
    paths = {"by-kustomize": "kustomize", "by-chart": "charts/podinfo", "by-folder": "deploy/webapp"}
    async with running(settings, lambda line: None) as now:
        for name, path in paths.items():
            source = {"repoURL": f"{PODINFO}.git", "path": path, "targetRevision": "master"}
            await now.cluster.client.create(application(name, source))
        await Cluster(now.cluster.client).meets(dict.fromkeys(paths, SYNCED))


def application(name: str, source: Object) -> Object:
    """One that is synced automatically, into a namespace of its own."""
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name, "namespace": "argocd"},
        "spec": {
            "project": "default",
            "source": source,
            "destination": {"name": "in-cluster", "namespace": name},
            "syncPolicy": {"automated": {"prune": True, "selfHeal": True}, "syncOptions": ["CreateNamespace=true"]},
        },
    }


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


HOME_OPS = "https://github.com/bjw-s-labs/home-ops.git"
HOME_OPS_SAY = {
    SYNCED: """blackbox-exporter cluster-apps descheduler echo-server fstrim kromgo kube-state-metrics node-exporter openspeedtest
        prometheus-operator-crds reloader spegel ytdl-sub""",
    "OCIRepository sources are not supported yet": "flux",
    "Secret/flux-system/cluster-secrets is SOPS encrypted": "cluster",
    "Secret/security/onepassword-connect-secret is SOPS encrypted": "onepassword-connect",
    'no matches for kind "CiliumLoadBalancerIPPool" in version "cilium.io/': "cilium-config",
    'no matches for kind "ServiceAccount" in version "talos.dev/': "system-upgrade-controller",
    "the repository of 'https://raw.githubusercontent.com/giantswarm/silence-operator/": "silence-operator",
    "stalled resources: [HelmRelease/": """cert-manager cilium coredns crunchy-postgres-operator external-secrets
        generic-device-plugin kubelet-csr-approver metrics-server multus node-feature-discovery openebs rook-ceph""",
    "dependency 'flux-system/actions-runner-controller' is not ready": "actions-runner-controller-runners",
    "dependency 'flux-system/alertmanager' is not ready": "kube-prometheus-stack",
    "dependency 'flux-system/cert-manager' is not ready": """cert-manager-issuers intel-device-plugins-operator k8tz
        snapshot-controller""",
    "dependency 'flux-system/cert-manager-issuers' is not ready": "nginx-shared",
    "dependency 'flux-system/crunchy-postgres-operator' is not ready": "crunchy-postgres-operator-cluster",
    "dependency 'flux-system/crunchy-postgres-operator-cluster' is not ready": """atuin crunchy-postgres-operator-secretstore
        crunchy-postgres-userinit-controller wallabag""",
    "dependency 'flux-system/external-secrets' is not ready": "external-secrets-stores",
    "dependency 'flux-system/external-secrets-stores' is not ready": """actions-runner-controller alertmanager autobrr cloudflared
        cross-seed dsmr-reader externaldns-external externaldns-unifi fluent-bit flux-addons gh-safe-settings grafana mailbackup
        miniflux piped plex-image-cleanup unpoller""",
    "dependency 'flux-system/intel-device-plugins-operator' is not ready": "intel-device-plugins-gpu",
    "dependency 'flux-system/mosquitto' is not ready": "zigbee2mqtt-exporter",
    "dependency 'flux-system/multus' is not ready": "multus-config",
    "dependency 'flux-system/multus-config' is not ready": "esphome home-assistant scrypted",
    "dependency 'flux-system/nginx-shared' is not ready": "nginx-external nginx-internal",
    "dependency 'flux-system/node-feature-discovery' is not ready": "node-feature-discovery-rules",
    "dependency 'flux-system/openebs' is not ready": "loki",
    "dependency 'flux-system/qbittorrent' is not ready": "qbtools",
    "dependency 'flux-system/rook-ceph' is not ready": "rook-ceph-cluster",
    "dependency 'flux-system/rook-ceph-cluster' is not ready": """actual bazarr calibre-web maintainerr maker-management-platform
        manyfold mosquitto node-red ocis paperless plex plex-trakt-sync prowlarr qbittorrent radarr recyclarr sabnzbd sonarr
        tautulli vikunja zigbee2mqtt""",
    "dependency 'flux-system/silence-operator' is not ready": "silence-operator-silences",
    "dependency 'flux-system/snapshot-controller' is not ready": "volsync",
    "dependency 'flux-system/system-upgrade-controller' is not ready": "system-upgrade-controller-plans",
}
"""What the Kustomizations say. Whoever waits for a chart to be installed waits, as in Flux; whatever a Kustomization with a
refused object holds besides is applied."""


async def test_the_kustomizations_of_bjw_s_home_ops() -> None:
    """It begins at the Kustomization that brings all others. Its owner hands in the settings, which that one waits for, and the
    Secret, which nobody else can decrypt; then all Kustomizations come, and each says where it stands."""
    source = corpus("realworld/bjw-s-home-ops")
    expected = {name: said for said, names in HOME_OPS_SAY.items() for name in names.split()}
    async with up(source, HOME_OPS) as cluster:
        await cluster.meets(
            {"flux": "OCIRepository sources are not supported yet", "cluster": 'ConfigMap "cluster-settings" not found'}
        )
        settings = source / "kubernetes/main/flux/vars/cluster-settings.yaml"
        for document in documents.parse(settings.read_bytes()):
            await cluster.client.create(document.value)
        await cluster.meets(
            {
                "flux": "OCIRepository sources are not supported yet",
                "cluster": "Secret/flux-system/cluster-secrets is SOPS encrypted",
                "cluster-apps": 'Secret "cluster-secrets" not found',
            }
        )
        await cluster.client.create(CLUSTER_SECRETS)
        await cluster.meets(expected)

        releases = (await cluster.client.list(HELM_RELEASE)).items
        assert {ready(release) for release in releases} == {("False", "NotSupported", HELM)}
        applied = {f"{o['metadata']['namespace']}/{o['metadata']['name']}" for o in releases}
        assert {"system-upgrade/system-upgrade-controller", "security/onepassword-connect"} <= applied


CLUSTER_SECRETS: Object = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "cluster-secrets", "namespace": "flux-system"},
    "stringData": {"CLUSTER_SECRET_CPGO_R2_ENDPOINT": "https://r2.example.com"},
}


async def test_a_repository_made_by_flux_bootstrap() -> None:
    """Its GitRepository names a deploy key that is not here: a mapped repository needs none."""
    async with up(
        corpus("flux-local"), "ssh://git@github.com/allenporter/flux-local", "tests/testdata/cluster/clusters/prod"
    ) as cluster:
        await cluster.beginning()
        await cluster.meets(
            {
                "flux-system": SYNCED,
                "infra-controllers": 'namespaces "metallb" not found (tests/testdata/cluster/infrastructure/controllers/metallb',
                "infra-configs": "dependency 'flux-system/infra-controllers' is not ready",
                "apps": "dependency 'flux-system/infra-configs' is not ready",
            }
        )


async def test_tenants_of_flux2_multi_tenancy() -> None:
    """Kustomizations that act as Flux's own accounts may: the accounts are there, with Flux's rights."""
    async with up(
        corpus("realworld/flux2-multi-tenancy"), "https://github.com/fluxcd/flux2-multi-tenancy", "clusters/staging"
    ) as cluster:
        await cluster.beginning()
        await cluster.meets(
            {
                "kyverno": "OCIRepository/flux-system/kyverno",
                "kyverno-controller": "OCIRepository sources are not supported yet",
                "kyverno-policies": "dependency 'flux-system/kyverno' is not ready",
                "tenants": "dependency 'flux-system/kyverno-policies' is not ready",
            }
        )


def test_waiting_for_what_cannot_come_ends_and_names_it(tmp_path: Path) -> None:
    """As a customer would: up and wait in the background, then why, down to the chart that nobody installs."""
    folder = corpus("realworld/flux2-kustomize-helm-example")
    state = tmp_path / "state"

    def trueup(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "trueup.cli.main", *arguments, "--state", str(state)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    started = ("up", str(folder), "--map", f"{FLUX_EXAMPLE}={folder}", "--listen", "127.0.0.1:0", "--detach", "--wait")
    ambiguous = trueup(*started)
    try:
        ended = trueup(*started, "--path", "clusters/staging", "--timeout", "5")
        why = trueup("why", "apps")
    finally:
        trueup("down")

    assert (ambiguous.returncode, ambiguous.stderr) == (
        2,
        "error: several folders to begin with: choose one by --path (clusters/production, clusters/staging)\n",
    )
    assert ended.returncode == 1
    assert "kustomization flux-system/apps still: Unknown Progressing - dependency" in ended.stderr
    assert "kustomization flux-system/infra-controllers still: OutOfSync Degraded - health check failed" in ended.stderr
    assert why.returncode == 1
    assert why.stdout.splitlines()[-1].startswith("First cause: HelmRelease.helm.toolkit.fluxcd.io ")
    assert why.stdout.strip().endswith(HELM)
