"""The one simulated node, and which pods may go there. Pure, but for the controller that keeps the node there.

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


def node_status(version: str, moment: float) -> Object:
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
        "addresses": [{"type": "InternalIP", "address": NODE_IP}, {"type": "Hostname", "address": NAME}],
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
    """The node is there, Ready, and says so every few seconds. It is looked after under the name of one namespace."""
    if key.name != "default":
        return Result()
    found = tools.cache(NODE).get(Key("", NAME))
    if found is None:
        try:
            found = await create(tools, node())
        except AlreadyExists:
            return Result(after=0.1)
    if not (found.get("status") or {}).get("conditions"):
        status = node_status(await tools.client.version(), tools.clock.now())
        await write_status(tools, found, status, manager="kubelet")
    await _renew(tools, found)
    return Result(after=_RENEW)


async def _renew(tools: Tools, found: Object) -> None:
    """The node's Lease. Source: Kubernetes documentation "Nodes", "Heartbeats"."""
    lease = tools.cache(LEASE).get(Key(LEASES, NAME))
    if lease is not None and tools.clock.now() - seconds((lease.get("spec") or {}).get("renewTime")) < _RENEW:
        return
    spec = {"holderIdentity": NAME, "leaseDurationSeconds": 40, "renewTime": format_micro(tools.clock.now())}
    if lease is not None:
        await change(tools, lease, {"spec": spec}, manager="kubelet")
        return
    owner = {"apiVersion": "v1", "kind": "Node", "name": NAME, "uid": uid(found)}
    about = {"name": NAME, "namespace": LEASES, "ownerReferences": [owner]}
    try:
        await create(tools, {"apiVersion": LEASE.api_version, "kind": LEASE.kind, "metadata": about, "spec": spec})
    except (AlreadyExists, NotFound):
        return


def _default_only(obj: Object) -> list[Key]:
    return [Key("", "default")] if meta(obj).get("name") == NAME else []


CONTROLLER = Controller("simulated-node", NAMESPACE, reconcile, watches=(Watch(NODE, keys=_default_only), Watch(LEASE)))
