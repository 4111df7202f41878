"""What people build with the Python clients: custom objects, elected leaders, watches that go on, what a node would do."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kr8s
import kr8s.asyncio
import kubernetes
import kubernetes_asyncio
import lightkube
import pytest
from kr8s.asyncio.objects import Node as KrNode
from kr8s.asyncio.objects import Pod as KrPod
from kr8s.asyncio.objects import new_class, objects_from_files
from kubernetes.client.exceptions import ApiException
from kubernetes.leaderelection import electionconfig, leaderelection
from kubernetes.leaderelection.resourcelock.configmaplock import ConfigMapLock
from kubernetes.stream import stream
from kubernetes_asyncio.stream import WsApiClient
from lightkube import codecs
from lightkube.core.exceptions import ApiError
from lightkube.resources import apps_v1 as lk_apps
from lightkube.resources import core_v1 as lk_core
from lightkube.types import PatchType

from tests.system.test_clients import POD_SPEC, config_map, deployment
from trueup.testing import Cluster

pytestmark = pytest.mark.system

GROUP, VERSION, PLURAL = "habits.example.com", "v1", "lamps"
SPEC = {"type": "object", "properties": {"watts": {"type": "integer", "minimum": 1}, "replicas": {"type": "integer"}}}
LAMPS = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": f"{PLURAL}.{GROUP}"},
    "spec": {
        "group": GROUP,
        "scope": "Namespaced",
        "names": {"kind": "Lamp", "plural": PLURAL},
        "versions": [
            {
                "name": VERSION,
                "served": True,
                "storage": True,
                "subresources": {
                    "status": {},
                    "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"},
                },
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": SPEC,
                            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                        },
                    }
                },
            }
        ],
    },
}


@pytest.fixture
def official(shared_cluster: Cluster) -> Iterator[kubernetes.client.ApiClient]:
    """The official client."""
    with kubernetes.config.new_client_from_config(str(shared_cluster.kubeconfig)) as made:
        yield made


@pytest.fixture
def lamps(shared_cluster: Cluster) -> None:
    """A kind of one's own."""
    shared_cluster.apply(LAMPS)
    shared_cluster.wait("crd", f"{PLURAL}.{GROUP}")


def lamp(name: str, **spec: Any) -> dict[str, Any]:
    """One of that kind."""
    return {"apiVersion": f"{GROUP}/{VERSION}", "kind": "Lamp", "metadata": {"name": name}, "spec": spec}


# --- kubernetes ---


@pytest.mark.usefixtures("lamps")
def test_kubernetes_custom_objects(official: kubernetes.client.ApiClient, namespace: str) -> None:
    """Created, listed in pages, patched, scaled, given a status, refused by its schema, deleted as a collection."""
    api = kubernetes.client.CustomObjectsApi(official)
    where = (GROUP, VERSION, namespace, PLURAL)
    for number in range(3):
        api.create_namespaced_custom_object(*where, lamp(f"lamp-{number}", watts=40))
    first = api.list_namespaced_custom_object(*where, limit=2)
    rest = api.list_namespaced_custom_object(*where, limit=2, _continue=first["metadata"]["continue"])
    assert [one["metadata"]["name"] for one in first["items"] + rest["items"]] == ["lamp-0", "lamp-1", "lamp-2"]
    assert first["metadata"]["remainingItemCount"] == 1
    patched = api.patch_namespaced_custom_object(*where, "lamp-0", {"spec": {"watts": 60}})
    assert patched["spec"] == {"watts": 60}
    api.patch_namespaced_custom_object_status(*where, "lamp-0", {"status": {"lit": True}})
    assert api.get_namespaced_custom_object_status(*where, "lamp-0")["status"] == {"lit": True}
    api.patch_namespaced_custom_object_scale(*where, "lamp-0", {"spec": {"replicas": 3}})
    assert api.get_namespaced_custom_object(*where, "lamp-0")["spec"] == {"watts": 60, "replicas": 3}
    with pytest.raises(ApiException, match="should be greater than or equal to 1") as refused:
        api.patch_namespaced_custom_object(*where, "lamp-0", {"spec": {"watts": 0}})
    assert refused.value.status == 422
    assert len(api.list_cluster_custom_object(GROUP, VERSION, PLURAL, label_selector="")["items"]) >= 3
    api.delete_collection_namespaced_custom_object(*where)
    assert api.list_namespaced_custom_object(*where)["items"] == []


def test_kubernetes_watch_goes_on(official: kubernetes.client.ApiClient, namespace: str) -> None:
    """A watch that ended by its time is resumed where it was; one of a version that is gone says so."""
    core, watch = kubernetes.client.CoreV1Api(official), kubernetes.watch.Watch()
    options: dict[str, Any] = {"field_selector": "metadata.name!=kube-root-ca.crt", "timeout_seconds": 1}
    core.create_namespaced_config_map(namespace, config_map("one"))
    seen = [
        event["object"].metadata.name for event in watch.stream(core.list_namespaced_config_map, namespace, **options)
    ]
    core.create_namespaced_config_map(namespace, config_map("two"))
    options["resource_version"] = watch.resource_version
    seen += [
        each["object"].metadata.name for each in watch.stream(core.list_namespaced_config_map, namespace, **options)
    ]
    assert seen == ["one", "two"]
    with pytest.raises(ApiException) as gone:
        list(
            kubernetes.watch.Watch().stream(
                core.list_namespaced_config_map, namespace, resource_version="999999999", timeout_seconds=1
            )
        )
    assert gone.value.status in (410, 504)


def test_kubernetes_leader_election(official: kubernetes.client.ApiClient, namespace: str) -> None:
    """One candidate leads, and its record says who."""
    led, stopped = threading.Event(), threading.Event()
    kubernetes.client.Configuration.set_default(official.configuration)  # the lock makes a client of its own
    lock = Given("leader", namespace, "me")
    config = electionconfig.Config(
        lock,
        lease_duration=3,
        renew_deadline=2,
        retry_period=1,
        onstarted_leading=led.set,
        onstopped_leading=stopped.set,
    )
    candidate = threading.Thread(target=leaderelection.LeaderElection(config).run, daemon=True)
    candidate.start()
    assert led.wait(30)
    record = kubernetes.client.CoreV1Api(official).read_namespaced_config_map("leader", namespace)
    assert '"holderIdentity": "me"' in record.metadata.annotations["control-plane.alpha.kubernetes.io/leader"]
    lock.given_up = True
    candidate.join(30)
    assert (stopped.is_set(), candidate.is_alive()) == (True, False)


class Given(ConfigMapLock):  # type: ignore[misc]
    """A lock that can be given up: the client has no word for it, and its thread would outlive the test."""

    given_up = False

    def update(self, name: str, namespace: str, updated_record: Any) -> Any:
        """Refused from then on, so that the candidate sees that it leads no more."""
        return False if self.given_up else super().update(name, namespace, updated_record)


def test_kubernetes_asks_who_may(official: kubernetes.client.ApiClient, namespace: str) -> None:
    """A service account's token is somebody who may not; a review says so beforehand."""
    core, reviews = kubernetes.client.CoreV1Api(official), kubernetes.client.AuthorizationV1Api(official)
    token = core.create_namespaced_service_account_token(
        "default", namespace, {"spec": {"expirationSeconds": 600}}
    ).status.token
    review = {
        "spec": {
            "user": f"system:serviceaccount:{namespace}:default",
            "resourceAttributes": {"verb": "list", "resource": "secrets", "namespace": namespace},
        }
    }
    assert reviews.create_subject_access_review(review).status.allowed is False
    poor = kubernetes.client.Configuration()
    poor.host, poor.ssl_ca_cert = official.configuration.host, official.configuration.ssl_ca_cert
    poor.api_key = {"authorization": f"Bearer {token}"}
    with kubernetes.client.ApiClient(poor) as client, pytest.raises(ApiException) as refused:
        kubernetes.client.CoreV1Api(client).list_namespaced_secret(namespace)
    assert refused.value.status == 403
    said = json.loads(refused.value.body)["message"]
    assert f'User "system:serviceaccount:{namespace}:default" cannot list resource "secrets"' in said


def test_kubernetes_exec_is_refused(
    official: kubernetes.client.ApiClient, namespace: str, shared_cluster: Cluster
) -> None:
    """No process runs in a simulated pod, and the client is told so."""
    core = kubernetes.client.CoreV1Api(official)
    core.create_namespaced_pod(namespace, {"metadata": {"name": "lone"}, "spec": POD_SPEC})
    shared_cluster.wait("pod", "lone", namespace=namespace)
    with pytest.raises(ApiException, match=r"simulated|501"):
        stream(core.connect_get_namespaced_pod_exec, "lone", namespace, command=["ls"], stdout=True)


# --- kubernetes_asyncio ---


async def test_kubernetes_asyncio_exec_is_refused(shared_cluster: Cluster, namespace: str) -> None:
    """The same by its web socket."""
    shared_cluster.apply(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "lone"}, "spec": POD_SPEC}, namespace=namespace
    )
    shared_cluster.wait("pod", "lone", namespace=namespace)
    configuration = kubernetes_asyncio.client.Configuration()
    await kubernetes_asyncio.config.load_kube_config(str(shared_cluster.kubeconfig), client_configuration=configuration)
    async with WsApiClient(configuration) as client:
        core = kubernetes_asyncio.client.CoreV1Api(client)
        with pytest.raises(Exception, match="501"):
            await core.connect_get_namespaced_pod_exec("lone", namespace, command="ls", stdout=True)


# --- lightkube ---


def test_lightkube_applies_files(shared_cluster: Cluster, namespace: str) -> None:
    """Objects of a file applied, forced, patched by three types; what is stale is refused."""
    config = lightkube.KubeConfig.from_file(str(shared_cluster.kubeconfig))
    light = lightkube.Client(config, namespace=namespace, field_manager="light")
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: filed, labels: {set: one}}\ndata: {a: b}\n"
    for obj in codecs.load_all_yaml(text):
        light.apply(obj)  # type: ignore[call-overload]
    other = codecs.load_all_yaml(text.replace("a: b", "a: c"))[0]
    light.apply(other, field_manager="dark", force=True)  # type: ignore[call-overload]
    assert light.get(lk_core.ConfigMap, "filed").data == {"a": "c"}
    light.patch(lk_core.ConfigMap, "filed", {"data": {"s": "s"}}, patch_type=PatchType.STRATEGIC)
    light.patch(lk_core.ConfigMap, "filed", {"data": {"m": "m"}}, patch_type=PatchType.MERGE)
    patched = light.patch(lk_core.ConfigMap, "filed", [{"op": "remove", "path": "/data/a"}], patch_type=PatchType.JSON)
    assert patched.data == {"s": "s", "m": "m"}
    stale = light.get(lk_core.ConfigMap, "filed")
    light.patch(lk_core.ConfigMap, "filed", {"data": {"x": "y"}})
    with pytest.raises(ApiError) as refused:
        light.replace(stale)
    assert refused.value.status.reason == "Conflict"
    light.create(codecs.from_dict(deployment("web", 1)))  # type: ignore[type-var]
    assert light.get(lk_apps.Deployment.Scale, "web").spec.replicas == 1  # type: ignore[union-attr]
    assert [one.metadata.name for one in light.list(lk_core.ConfigMap, labels={"set": "one"})] == ["filed"]  # type: ignore[union-attr]


# --- kr8s ---


@pytest.mark.usefixtures("lamps")
@pytest.mark.filterwarnings("ignore:Kubernetes version:UserWarning")
async def test_kr8s_habits(shared_cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    """Files, kinds of one's own, pods that are waited for, nodes, and what no simulated pod can do."""
    api = await kr8s.asyncio.api(kubeconfig=str(shared_cluster.kubeconfig), namespace=namespace)
    file = tmp_path / "maps.yaml"
    file.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: filed}\ndata: {a: b}\n")
    for obj in await objects_from_files(file, api=api):
        await obj.create()
    assert [found.name async for found in api.get("configmaps", "filed")] == ["filed"]

    kind = new_class("Lamp", version=f"{GROUP}/{VERSION}", namespaced=True, asyncio=True, plural=PLURAL)
    own = await kind({**lamp("desk", watts=40), "metadata": {"name": "desk", "namespace": namespace}}, api=api)
    await own.create()
    await own.patch({"status": {"lit": True}}, subresource="status")
    await own.wait("jsonpath='{.status.lit}'=True", timeout=20)
    await own.delete()
    await own.wait("delete", timeout=20)

    pod = await KrPod({"metadata": {"name": "lone", "namespace": namespace}, "spec": POD_SPEC}, api=api)
    await pod.create()
    await pod.wait("condition=Ready", timeout=20)
    assert await pod.ready()
    with pytest.raises(Exception, match=r"501|simulated"):
        await pod.exec(["ls"])
    await pod.delete()

    [node, *_] = [found async for found in KrNode.list(api=api)]
    await node.cordon()
    assert node.unschedulable
    await node.uncordon()
    assert not node.unschedulable
