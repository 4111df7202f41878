"""Simulated nodes, and which pods may go there. Pure, but for the controller that keeps the nodes alive.

Source: Kubernetes documentation "Nodes", "Assigning Pods to Nodes", "Taints and Tolerations".
"""

from __future__ import annotations

from contextlib import suppress

from trueup.families.builtin.kinds import LEASE, NAMESPACE, NODE
from trueup.families.builtin.simulate.selection import UNSCHEDULABLE, selected, taints_of, untolerated
from trueup.families.builtin.simulate.status_parts import NODE_IP
from trueup.families.builtin.tools import change, create, seconds, write_status
from trueup.family import Controller, Result, Tools, Watch
from trueup.kube.names import Key, Object
from trueup.kube.objects import labels, meta, uid
from trueup.kube.problems import AlreadyExists, NotFound
from trueup.timing.rfc3339 import format_micro, format_time

NAME = "simulated-0"
SIMULATED = "simulate.trueup.dev/simulated"
LEASES = "kube-node-lease"
_RENEW = 10.0
"""Seconds between two heartbeats."""
_START = Key("start", NAME)
_CAPACITY = {
    "cpu": "1024",
    "memory": "4096Gi",
    "ephemeral-storage": "16384Gi",
    "hugepages-1Gi": "0",
    "hugepages-2Mi": "0",
    "pods": "100000",
}


def _labels(name: str) -> dict[str, str]:
    """What a kubelet says of its machine when it registers."""
    return {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}


def node() -> Object:
    """The Node as it is registered."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": NAME,
            "labels": {
                **_labels(NAME),
                "node.kubernetes.io/instance-type": "simulated",
                "topology.kubernetes.io/region": "simulated",
                "topology.kubernetes.io/zone": "simulated-a",
            },
            "annotations": {SIMULATED: "true"},
        },
        "spec": {"podCIDR": "10.64.0.0/11", "podCIDRs": ["10.64.0.0/11"], "providerID": f"simulated://{NAME}"},
    }


def node_status(version: str, moment: float, name: str = NAME) -> Object:
    """Ready, and roomy; the version is the server's."""
    stamp = format_time(moment)
    quiet = (
        ("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    )
    conditions = [
        {"type": type, "status": "False", "reason": reason, "message": message} for type, reason, message in quiet
    ]
    conditions.append(
        {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "the simulated node is ready"}
    )
    return {
        "capacity": _CAPACITY,
        "allocatable": _CAPACITY,
        "conditions": [{**one, "lastHeartbeatTime": stamp, "lastTransitionTime": stamp} for one in conditions],
        "addresses": [{"type": "InternalIP", "address": NODE_IP}, {"type": "Hostname", "address": name}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        "nodeInfo": {
            "machineID": "0" * 32,
            "systemUUID": "00000000-0000-0000-0000-000000000000",
            "bootID": "00000000-0000-0000-0000-000000000000",
            "kernelVersion": "simulated",
            "osImage": "simulated",
            "containerRuntimeVersion": "simulated://0",
            "kubeletVersion": version,
            "kubeProxyVersion": "",
            "operatingSystem": "linux",
            "architecture": "amd64",
        },
    }


def simulated(node: Object) -> bool:
    """Whether a node says that there is no machine."""
    return (meta(node).get("annotations") or {}).get(SIMULATED) == "true"


def misfit(pod: Object, node: Object) -> str:
    """Why a pod may not go to a node, whatever else is there; empty when it may."""
    spec = pod.get("spec") or {}
    tolerations = spec.get("tolerations") or ()
    cordoned = [{"key": UNSCHEDULABLE, "effect": "NoSchedule"}] if (node.get("spec") or {}).get("unschedulable") else []
    if untolerated(cordoned, tolerations) is not None:
        return "node(s) were unschedulable"
    if untolerated(taints_of(node), tolerations) is not None:
        return "node(s) had untolerated taint(s)"
    return "" if selected(spec, node) else "node(s) didn't match Pod's node affinity/selector"


async def reconcile(tools: Tools, key: Key) -> Result:
    """The first node is there; it, and whatever other node is marked as simulated, is Ready and says so every few seconds."""
    found = tools.cache(NODE).get(key)
    if key == _START:
        if tools.cache(NODE).get(Key("", NAME)) is None:
            with suppress(AlreadyExists):  # the cache had not heard of it yet
                await create(tools, node())
        return Result()
    if found is None:
        return Result()
    if not simulated(found) or meta(found).get("deletionTimestamp"):
        return Result()
    if not (found.get("status") or {}).get("conditions"):
        status = node_status(await tools.client.version(), tools.clock.now(), key.name)
        given = found.get("status") or {}
        kept = {name: given[name] for name in ("capacity", "allocatable", "addresses") if given.get(name)}
        missing = {label: value for label, value in _labels(key.name).items() if label not in labels(found)}
        if missing:
            found = await change(tools, found, {"metadata": {"labels": missing}}, manager="kubelet") or found
        await write_status(tools, found, {**given, **status, **kept}, manager="kubelet")
    await _renew(tools, found)
    return Result(after=_RENEW)


async def _renew(tools: Tools, found: Object) -> None:
    """The node's Lease. Source: Kubernetes documentation "Nodes", "Heartbeats"."""
    name = str(meta(found)["name"])
    lease = tools.cache(LEASE).get(Key(LEASES, name))
    if lease is not None and tools.clock.now() - seconds((lease.get("spec") or {}).get("renewTime")) < _RENEW:
        return
    spec = {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": format_micro(tools.clock.now())}
    if lease is not None:
        await change(tools, lease, {"spec": spec}, manager="kubelet")
        return
    owner = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": uid(found)}
    about = {"name": name, "namespace": LEASES, "ownerReferences": [owner]}
    try:
        await create(tools, {"apiVersion": LEASE.api_version, "kind": LEASE.kind, "metadata": about, "spec": spec})
    except (AlreadyExists, NotFound):
        return


def _first(namespace: Object) -> list[Key]:
    """A cluster that begins has namespaces before it has nodes; whoever deletes the node is heeded until the next start."""
    return [_START] if meta(namespace).get("name") == "default" else []


def _of_lease(lease: Object) -> list[Key]:
    return [Key("", meta(lease)["name"])] if meta(lease).get("namespace") == LEASES else []


CONTROLLER = Controller(
    "simulated-node", NODE, reconcile, watches=(Watch(NAMESPACE, keys=_first), Watch(LEASE, keys=_of_lease))
)
