"""The Python clients of Kubernetes, unchanged, over the wire: each does what it offers, in a namespace of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kr8s
import kr8s.asyncio
import kubernetes
import kubernetes_asyncio
import lightkube
import pytest
from kr8s.asyncio.objects import ConfigMap as KrConfigMap
from kr8s.asyncio.objects import Deployment as KrDeployment
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import ConflictError, NotFoundError
from lightkube.core.exceptions import ApiError
from lightkube.generic_resource import create_namespaced_resource
from lightkube.models import apps_v1, autoscaling_v1, core_v1, meta_v1
from lightkube.resources import apps_v1 as lk_apps
from lightkube.resources import core_v1 as lk_core
from lightkube.types import PatchType

from trueup.testing import Cluster

pytestmark = pytest.mark.system

POD_SPEC = {"containers": [{"name": "web", "image": "nginx:1.27"}]}


def deployment(name: str, replicas: int = 1) -> dict[str, Any]:
    """A small one, as YAML would give it."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": POD_SPEC},
        },
    }


def config_map(name: str, **data: str) -> dict[str, Any]:
    """One with that data."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


# --- kubernetes ---


@pytest.fixture
def official(shared_cluster: Cluster) -> Iterator[kubernetes.client.ApiClient]:
    """The official client."""
    with kubernetes.config.new_client_from_config(str(shared_cluster.kubeconfig)) as made:
        yield made


def test_kubernetes_writes_and_reads(official: kubernetes.client.ApiClient, namespace: str) -> None:
    """Create, read, list in pages, patch, replace and delete by the typed client."""
    core = kubernetes.client.CoreV1Api(official)
    for number in range(3):
        core.create_namespaced_config_map(namespace, config_map(f"page-{number}", number=str(number)))
    first = core.list_namespaced_config_map(namespace, limit=2, field_selector="metadata.name!=kube-root-ca.crt")
    rest = core.list_namespaced_config_map(
        namespace, limit=2, field_selector="metadata.name!=kube-root-ca.crt", _continue=first.metadata._continue
    )
    assert [item.metadata.name for item in first.items + rest.items] == ["page-0", "page-1", "page-2"]
    core.patch_namespaced_config_map("page-0", namespace, {"data": {"more": "yes"}})
    core.patch_namespaced_config_map("page-0", namespace, [{"op": "remove", "path": "/data/number"}])
    read = core.read_namespaced_config_map("page-0", namespace)
    assert read.data == {"more": "yes"}
    stale = core.read_namespaced_config_map("page-0", namespace)
    read.data = {"last": "word"}
    assert core.replace_namespaced_config_map("page-0", namespace, read).data == {"last": "word"}
    with pytest.raises(ApiException) as refused:
        core.replace_namespaced_config_map("page-0", namespace, stale)
    assert (refused.value.status, refused.value.reason) == (409, "Conflict")
    core.delete_namespaced_config_map("page-0", namespace)
    with pytest.raises(ApiException) as missed:
        core.read_namespaced_config_map("page-0", namespace)
    assert missed.value.status == 404
    assert core.delete_collection_namespaced_config_map(namespace).kind == "ConfigMapList"


def test_kubernetes_watches(official: kubernetes.client.ApiClient, namespace: str) -> None:
    """A watch tells of what was there, and from a version on of what happened since."""
    core = kubernetes.client.CoreV1Api(official)
    since = core.list_namespaced_config_map(namespace).metadata.resource_version
    core.create_namespaced_config_map(namespace, config_map("seen"))
    core.patch_namespaced_config_map("seen", namespace, {"data": {"a": "b"}})
    core.delete_namespaced_config_map("seen", namespace)
    seen = []
    watch = kubernetes.watch.Watch()
    for event in watch.stream(
        core.list_namespaced_config_map,
        namespace,
        resource_version=since,
        field_selector="metadata.name=seen",
        allow_watch_bookmarks=True,
        timeout_seconds=20,
    ):
        seen.append((event["type"], event["object"].data))
        if event["type"] == "DELETED":
            watch.stop()
    assert seen == [("ADDED", None), ("MODIFIED", {"a": "b"}), ("DELETED", {"a": "b"})]


def test_kubernetes_workloads(official: kubernetes.client.ApiClient, namespace: str, shared_cluster: Cluster) -> None:
    """Scale, rollout, logs, eviction and status by the typed client."""
    apps, core = kubernetes.client.AppsV1Api(official), kubernetes.client.CoreV1Api(official)
    apps.create_namespaced_deployment(namespace, deployment("web"))
    shared_cluster.wait("deploy", "web", namespace=namespace)
    scale = apps.read_namespaced_deployment_scale("web", namespace)
    scale.spec.replicas = 2
    apps.replace_namespaced_deployment_scale("web", namespace, scale)
    apps.patch_namespaced_deployment_scale("web", namespace, {"spec": {"replicas": 3}})
    shared_cluster.wait("deploy", "web", lambda found: found["status"].get("readyReplicas") == 3, namespace=namespace)
    pods = core.list_namespaced_pod(namespace, label_selector="app=web").items
    assert [pod.status.phase for pod in pods] == ["Running"] * 3
    assert "simulated" in core.read_namespaced_pod_log(pods[0].metadata.name, namespace)
    eviction = kubernetes.client.V1Eviction(metadata={"name": pods[0].metadata.name, "namespace": namespace})
    core.create_namespaced_pod_eviction(pods[0].metadata.name, namespace, eviction)
    shared_cluster.wait_gone("pod", pods[0].metadata.name, namespace=namespace)
    apps.patch_namespaced_deployment_status("web", namespace, {"metadata": {"annotations": {"seen": "yes"}}})
    apps.delete_namespaced_deployment("web", namespace, propagation_policy="Foreground")
    shared_cluster.wait_gone("deploy", "web", namespace=namespace)


def test_kubernetes_creates_from_yaml(
    official: kubernetes.client.ApiClient, namespace: str, tmp_path: Path, shared_cluster: Cluster
) -> None:
    """`utils.create_from_yaml` creates what a file holds, and says which of it is there already."""
    file = tmp_path / "objects.yaml"
    file.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: filed}\ndata: {a: b}\n")
    kubernetes.utils.create_from_yaml(official, str(file), namespace=namespace)
    assert shared_cluster.get("configmap", "filed", namespace=namespace)["data"] == {"a": "b"}
    with pytest.raises(kubernetes.utils.FailToCreateError) as refused:
        kubernetes.utils.create_from_yaml(official, str(file), namespace=namespace)
    assert [problem.reason for problem in refused.value.api_exceptions] == ["Conflict"]


def test_kubernetes_dynamic_client(
    official: kubernetes.client.ApiClient, namespace: str, shared_cluster: Cluster, tmp_path: Path
) -> None:
    """The dynamic client discovers, applies, patches, scales, watches and deletes."""
    client = DynamicClient(official, cache_file=str(tmp_path / "discovery.json"))
    maps = client.resources.get(api_version="v1", kind="ConfigMap")
    applied = maps.server_side_apply(config_map("dyn", a="b"), namespace=namespace, field_manager="one")
    assert applied.metadata.managedFields[0].manager == "one"
    with pytest.raises(ConflictError):
        maps.server_side_apply(config_map("dyn", a="c"), namespace=namespace, field_manager="two")
    forced = maps.server_side_apply(
        config_map("dyn", a="c"), namespace=namespace, field_manager="two", force_conflicts=True
    )
    assert forced.data.a == "c"
    patched = maps.patch(
        body={"metadata": {"name": "dyn"}, "data": {"x": "y"}},
        namespace=namespace,
        content_type="application/merge-patch+json",
    )
    assert patched.data.to_dict() == {"a": "c", "x": "y"}
    events = maps.watch(namespace=namespace, name="dyn", resource_version=0, timeout=20)
    assert next(iter(events))["object"].metadata.name == "dyn"
    deployments = client.resources.get(api_version="apps/v1", kind="Deployment")
    deployments.create(body=deployment("dyn", 0), namespace=namespace)
    assert deployments.scale.get(name="dyn", namespace=namespace).spec.to_dict() == {}  # a Scale leaves out a zero
    deployments.scale.patch(
        body={"spec": {"replicas": 2}}, name="dyn", namespace=namespace, content_type="application/merge-patch+json"
    )
    shared_cluster.wait("deploy", "dyn", namespace=namespace)
    deployments.status.get(name="dyn", namespace=namespace)
    maps.delete(name="dyn", namespace=namespace)
    with pytest.raises(NotFoundError):
        maps.get(name="dyn", namespace=namespace)
    assert [found.kind for found in client.resources.search(short_names=["netpol"])][:1] == ["NetworkPolicy"]
    assert client.version["kubernetes"]["major"] == "1"


# --- kubernetes_asyncio ---


async def test_kubernetes_asyncio(shared_cluster: Cluster, namespace: str) -> None:
    """Create, patch by four types, watch, scale, evict, logs and delete without blocking."""
    loader = await kubernetes_asyncio.config.new_client_from_config(str(shared_cluster.kubeconfig))
    async with loader as client:
        core, apps = kubernetes_asyncio.client.CoreV1Api(client), kubernetes_asyncio.client.AppsV1Api(client)
        since = (await core.list_namespaced_config_map(namespace)).metadata.resource_version
        await core.create_namespaced_config_map(namespace, config_map("async", a="b"))
        await core.patch_namespaced_config_map(
            "async", namespace, {"data": {"m": "m"}}, _content_type="application/merge-patch+json"
        )
        await core.patch_namespaced_config_map(
            "async", namespace, [{"op": "remove", "path": "/data/a"}], _content_type="application/json-patch+json"
        )
        await core.patch_namespaced_config_map(
            "async", namespace, {"data": {"s": "s"}}, _content_type="application/strategic-merge-patch+json"
        )
        applied = await core.patch_namespaced_config_map(
            "async",
            namespace,
            config_map("async", applied="yes"),
            field_manager="async",
            _content_type="application/apply-patch+yaml",
        )
        assert applied.data == {"m": "m", "s": "s", "applied": "yes"}
        seen = []
        async with kubernetes_asyncio.watch.Watch() as watch:
            async for event in watch.stream(
                core.list_namespaced_config_map, namespace, resource_version=since, timeout_seconds=20
            ):
                if event["object"].metadata.name != "async":
                    continue
                seen.append(event["type"])
                if len(seen) == 5:
                    break
        assert seen == ["ADDED", "MODIFIED", "MODIFIED", "MODIFIED", "MODIFIED"]
        await apps.create_namespaced_deployment(namespace, deployment("async"))
        await asyncio.to_thread(shared_cluster.wait, "deploy", "async", namespace=namespace)
        [pod] = (await core.list_namespaced_pod(namespace, label_selector="app=async")).items
        assert "simulated" in await core.read_namespaced_pod_log(pod.metadata.name, namespace)
        await core.create_namespaced_pod_eviction(
            pod.metadata.name, namespace, kubernetes_asyncio.client.V1Eviction(metadata={"name": pod.metadata.name})
        )
        await apps.delete_namespaced_deployment("async", namespace, propagation_policy="Background")
        with pytest.raises(kubernetes_asyncio.client.ApiException) as missed:
            await apps.read_namespaced_deployment("absent", namespace)
        assert missed.value.status == 404
        dynamic = await kubernetes_asyncio.dynamic.DynamicClient(client)
        leases = await dynamic.resources.get(api_version="coordination.k8s.io/v1", kind="Lease")
        assert (await leases.get(namespace=namespace)).items == []


# --- lightkube ---


@pytest.fixture
def light(shared_cluster: Cluster, namespace: str) -> lightkube.Client:
    """lightkube's client."""
    config = lightkube.KubeConfig.from_file(str(shared_cluster.kubeconfig))
    return lightkube.Client(config, namespace=namespace, field_manager="light")


def test_lightkube(light: lightkube.Client, namespace: str, shared_cluster: Cluster) -> None:
    """Create, apply, patch, list in chunks, scale, logs, wait, status and delete by lightkube."""
    made = light.create(lk_core.ConfigMap(metadata=meta_v1.ObjectMeta(name="light"), data={"a": "b"}))
    assert made.metadata is not None
    assert made.metadata.uid
    applied = light.apply(lk_core.ConfigMap(metadata=meta_v1.ObjectMeta(name="light"), data={"c": "d"}))
    assert applied.data == {"a": "b", "c": "d"}
    with pytest.raises(ApiError) as refused:
        light.apply(lk_core.ConfigMap(metadata=meta_v1.ObjectMeta(name="light"), data={"c": "e"}), field_manager="dark")
    assert refused.value.status.reason == "Conflict"
    merged = light.patch(lk_core.ConfigMap, "light", {"data": {"a": None}}, patch_type=PatchType.MERGE)
    assert merged.data == {"c": "d"}
    merged.data = {"whole": "new"}
    assert light.replace(merged).data == {"whole": "new"}
    for number in range(3):
        labelled = meta_v1.ObjectMeta(name=f"chunk-{number}", labels={"chunk": "yes"})
        light.create(lk_core.ConfigMap(metadata=labelled))
    chunks = [found.metadata.name for found in light.list(lk_core.ConfigMap, labels={"chunk": "yes"}, chunk_size=2)]  # type: ignore[union-attr]
    assert chunks == ["chunk-0", "chunk-1", "chunk-2"]
    light.deletecollection(lk_core.ConfigMap)
    assert "chunk-0" not in [found.metadata.name for found in light.list(lk_core.ConfigMap)]  # type: ignore[union-attr]
    web = lk_apps.Deployment(
        metadata=meta_v1.ObjectMeta(name="web"),
        spec=apps_v1.DeploymentSpec(
            replicas=0,
            selector=meta_v1.LabelSelector(matchLabels={"app": "web"}),
            template=core_v1.PodTemplateSpec(
                metadata=meta_v1.ObjectMeta(labels={"app": "web"}),
                spec=core_v1.PodSpec(containers=[core_v1.Container(name="web", image="nginx:1")]),
            ),
        ),
    )
    light.create(web)
    scale = lk_apps.Deployment.Scale(
        metadata=meta_v1.ObjectMeta(name="web", namespace=namespace), spec=autoscaling_v1.ScaleSpec(replicas=1)
    )
    light.replace(scale, "web")
    light.wait(lk_apps.Deployment, "web", for_conditions=["Available"])
    shared_cluster.wait("deploy", "web", namespace=namespace)
    [pod] = light.list(lk_core.Pod, labels={"app": "web"})
    assert pod.metadata is not None
    assert "simulated" in "".join(light.log(str(pod.metadata.name)))
    [(kind, seen)] = list(_first(light.watch(lk_core.Pod, labels={"app": "web"})))
    assert (kind, seen.metadata.name) == ("ADDED", pod.metadata.name)
    light.delete(lk_apps.Deployment, "web")
    with pytest.raises(ApiError) as missed:
        light.get(lk_core.ConfigMap, "absent")
    assert missed.value.status.code == 404


def _first(events: Iterator[Any]) -> Iterator[Any]:
    yield next(events)


def test_lightkube_custom_resources(light: lightkube.Client, shared_cluster: Cluster) -> None:
    """A generic resource of a definition, with its status."""
    shared_cluster.apply(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "jobs.light.example.com"},
            "spec": {
                "group": "light.example.com",
                "scope": "Namespaced",
                "names": {"kind": "Job", "plural": "jobs"},
                "versions": [
                    {
                        "name": "v1",
                        "served": True,
                        "storage": True,
                        "subresources": {"status": {}},
                        "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                    }
                ],
            },
        }
    )
    shared_cluster.wait("crd", "jobs.light.example.com")
    job = create_namespaced_resource("light.example.com", "v1", "Job", "jobs")
    light.create(job({"metadata": {"name": "own"}, "spec": {"n": 1}}))
    found = light.get(job, "own")
    assert found["spec"] == {"n": 1}
    found["status"] = {"phase": "Done"}
    light.replace(job.Status(found), "own")
    assert light.get(job, "own")["status"] == {"phase": "Done"}


async def test_lightkube_async(shared_cluster: Cluster, namespace: str) -> None:
    """The asynchronous client lists and watches."""
    config = lightkube.KubeConfig.from_file(str(shared_cluster.kubeconfig))
    client = lightkube.AsyncClient(config, namespace=namespace, field_manager="light")
    await client.create(lk_core.ConfigMap(metadata=meta_v1.ObjectMeta(name="one")))
    names = [found.metadata.name async for found in client.list(lk_core.ConfigMap)]  # type: ignore[union-attr]
    assert "one" in names
    await client.close()


# --- kr8s ---


@pytest.mark.filterwarnings("ignore:Kubernetes version:UserWarning")
async def test_kr8s(shared_cluster: Cluster, namespace: str) -> None:
    """Create, patch, scale, wait, logs, watch and delete by kr8s."""
    api = await kr8s.asyncio.api(kubeconfig=str(shared_cluster.kubeconfig), namespace=namespace)
    made = await KrConfigMap({**config_map("kr", a="b"), "metadata": {"name": "kr", "namespace": namespace}}, api=api)
    await made.create()
    assert await made.exists()
    await made.patch({"data": {"c": "d"}})
    await made.label(colour="blue")
    await made.annotate(note="kept")
    await made.refresh()
    assert made.raw["data"] == {"a": "b", "c": "d"}
    assert made.labels["colour"] == "blue"
    rolled = await KrDeployment(
        {**deployment("kr", 0), "metadata": {"name": "kr", "namespace": namespace, "labels": {"app": "kr"}}}, api=api
    )
    await rolled.create()
    await rolled.scale(2)
    await rolled.wait("condition=Available")
    pods = await rolled.pods()
    assert len(pods) == 2
    assert "simulated" in "".join([line async for line in pods[0].logs()])
    async for kind, seen in api.watch("pods", namespace=namespace, label_selector="app=kr"):
        assert (kind, seen.name.startswith("kr-")) == ("ADDED", True)
        break
    await rolled.delete(propagation_policy="Foreground")
    await rolled.wait("delete")
    assert not await rolled.exists()
    assert (await api.version())["major"] == "1"
    assert {"Deployment", "ConfigMap"} <= {row["kind"] for row in await api.api_resources()}
    with pytest.raises(kr8s.NotFoundError):
        await KrConfigMap.get("absent", namespace=namespace, api=api)
