"""Simulated nodes, and which pods may go there. Pure, but for the controller that keeps the nodes alive.

Source: Kubernetes documentation "Nodes", "Assigning Pods to Nodes", "Taints and Tolerations".
"""

from __future__ import annotations

from trueup.families.builtin.kinds import LEASE, NAMESPACE, NODE
from trueup.families.builtin.simulate.pod_status import NODE_IP
from trueup.families.builtin.tools import change, create, seconds, write_status
from trueup.family import Controller, Result, Tools, Watch
from trueup.kube.names import Key, Object
from trueup.kube.objects import labels, meta, uid
from trueup.kube.problems import AlreadyExists, NotFound
from trueup.kube.selectors import label_selector
from trueup.timing.rfc3339 import format_micro, format_time

NAME = "simulated-0"
SIMULATED = "simulate.trueup.dev/simulated"
LEASES = "kube-node-lease"
_RENEW = 10.0
"""Seconds between two heartbeats."""
_CAPACITY = {
    "cpu": "1024",
    "memory": "4096Gi",
    "ephemeral-storage": "16384Gi",
    "hugepages-1Gi": "0",
    "hugepages-2Mi": "0",
    "pods": "100000",
}


def node() -> Object:
    """The Node as it is registered."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": NAME,
            "labels": {
                "kubernetes.io/hostname": NAME,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
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


def misfit(pod: Object, node: Object) -> str:
    """Why a pod may not go to a node; empty when it may."""
    spec = pod.get("spec") or {}
    own = labels(node)
    if any(own.get(name) != value for name, value in (spec.get("nodeSelector") or {}).items()):
        return "node(s) didn't match Pod's node affinity/selector"
    terms = (
        ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get("requiredDuringSchedulingIgnoredDuringExecution")
        or {}
    ).get("nodeSelectorTerms")
    if terms and not any(_term_matches(term, node) for term in terms):
        return "node(s) didn't match Pod's node affinity/selector"
    if (node.get("spec") or {}).get("unschedulable"):
        return "node(s) were unschedulable"
    for taint in (node.get("spec") or {}).get("taints") or ():
        if taint.get("effect") in ("NoSchedule", "NoExecute") and not _tolerated(taint, spec.get("tolerations") or ()):
            return "node(s) had untolerated taint {" + f"{taint['key']}: {taint.get('value') or ''}" + "}"
    return ""


def _term_matches(term: Object, node: Object) -> bool:
    """All expressions of a node selector term; Gt and Lt are left to label selectors' own operators."""
    fields = {"metadata.name": str(meta(node).get("name"))}
    for where, expressions in ((labels(node), term.get("matchExpressions")), (fields, term.get("matchFields"))):
        for one in expressions or ():
            if one.get("operator") in ("Gt", "Lt"):
                have, want = where.get(one["key"], ""), str((one.get("values") or [""])[0])
                if not (have.isdigit() and want.isdigit()):
                    return False
                if not (int(have) > int(want) if one["operator"] == "Gt" else int(have) < int(want)):
                    return False
            elif not label_selector({"matchExpressions": [one]}).matches(where):
                return False
    return bool(term.get("matchExpressions") or term.get("matchFields"))


def _tolerated(taint: Object, tolerations: list[Object] | tuple[Object, ...]) -> bool:
    for one in tolerations:
        if one.get("effect") and one["effect"] != taint.get("effect"):
            continue
        if one.get("operator") == "Exists":
            if not one.get("key") or one["key"] == taint.get("key"):
                return True
        elif one.get("key") == taint.get("key") and (one.get("value") or "") == (taint.get("value") or ""):
            return True
    return False


async def reconcile(tools: Tools, key: Key) -> Result:
    """The first node is there; it, and whatever other node is marked as simulated, is Ready and says so every few seconds."""
    found = tools.cache(NODE).get(key)
    if found is None:
        if key.name != NAME:
            return Result()
        try:
            found = await create(tools, node())
        except AlreadyExists:
            return Result(after=0.1)
    if (meta(found).get("annotations") or {}).get(SIMULATED) != "true" or meta(found).get("deletionTimestamp"):
        return Result()
    if not (found.get("status") or {}).get("conditions"):
        status = node_status(await tools.client.version(), tools.clock.now(), key.name)
        given = found.get("status") or {}
        kept = {name: given[name] for name in ("capacity", "allocatable", "addresses") if given.get(name)}
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
    """A cluster that begins has namespaces before it has nodes."""
    return [Key("", NAME)] if meta(namespace).get("name") == "default" else []


def _of_lease(lease: Object) -> list[Key]:
    return [Key("", meta(lease)["name"])] if meta(lease).get("namespace") == LEASES else []


CONTROLLER = Controller(
    "simulated-node", NODE, reconcile, watches=(Watch(NAMESPACE, keys=_first), Watch(LEASE, keys=_of_lease))
)
