"""DaemonSets: one pod on every node that takes it. Source: ``pkg/controller/daemon``."""

from collections.abc import Sequence

from trueup.families.builtin import pods, rollout
from trueup.families.builtin.kinds import DAEMON_SET, NODE, POD, REVISION
from trueup.families.builtin.revisions import HASH, revision_of
from trueup.families.builtin.simulate.node import misfit
from trueup.families.builtin.tools import (
    OWNED,
    REFUSED_AGAIN,
    controlled,
    make_pod,
    owner_keys,
    remove,
    write_status,
)
from trueup.family import Controller, Result, Tools, Watch
from trueup.kube.names import Key, Object
from trueup.kube.objects import labels, meta

_ALL = "all"
_TOLERATED = (
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
)


def new_pod(daemon_set: Object, node: str, revision: str) -> Object:
    """The pod for a node: bound to it by affinity, tolerating what passes."""
    pod = pods.from_template(
        daemon_set, daemon_set["spec"]["template"], generateName=f"{meta(daemon_set)['name']}-", labels={HASH: revision}
    )
    spec = dict(pod["spec"])
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    affinity = dict(spec.get("affinity") or {})
    affinity["nodeAffinity"] = {
        **(affinity.get("nodeAffinity") or {}),
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]},
    }
    more = [{"key": key, "operator": "Exists", "effect": effect} for key, effect in _TOLERATED]
    spec |= {"affinity": affinity, "tolerations": [*(spec.get("tolerations") or ()), *more]}
    return {**pod, "spec": spec}


def target(pod: Object) -> str:
    """The node that a DaemonSet's pod is made for."""
    wanted = ((pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    ) or {}
    for term in wanted.get("nodeSelectorTerms") or ():
        for one in term.get("matchFields") or ():
            return str(one["values"][0])
    return str(pod["spec"].get("nodeName") or "")


def wanted_on(daemon_set: Object, nodes: Sequence[Object]) -> list[str]:
    """The names of the nodes that take its pods; being unschedulable does not keep them off."""
    template = daemon_set["spec"]["template"]
    tolerations = [{"key": key, "operator": "Exists", "effect": effect} for key, effect in _TOLERATED]
    spec = {**(template.get("spec") or {})}
    spec["tolerations"] = [*(spec.get("tolerations") or ()), *tolerations]
    out = []
    for node in nodes:
        open_node = {**node, "spec": {**(node.get("spec") or {}), "unschedulable": False}}
        if not misfit({"spec": spec}, open_node):
            out.append(str(meta(node)["name"]))
    return out


def outdated(daemon_set: Object, owned: Sequence[Object], revision: str, count: int) -> list[Object]:
    """Pods of an older template that may go now."""
    strategy = daemon_set["spec"].get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return []
    limit = max(1, rollout.portion((strategy.get("rollingUpdate") or {}).get("maxUnavailable", 1), count, up=True))
    old = [pod for pod in owned if labels(pod).get(HASH) != revision]
    away = count - sum(map(pods.ready, owned))
    unready = [pod for pod in old if not pods.ready(pod)]
    return [*unready, *[pod for pod in old if pods.ready(pod)][: max(0, limit - away)]]


def status(daemon_set: Object, owned: Sequence[Object], nodes: Sequence[str], revision: str, moment: float) -> Object:
    """The counts over nodes."""
    min_ready = float(daemon_set["spec"].get("minReadySeconds") or 0)
    on = [pod for pod in owned if target(pod) in nodes]
    available = sum(pods.available_in(pod, min_ready, moment) == 0 for pod in on)
    out: Object = {
        "currentNumberScheduled": len({target(pod) for pod in on}),
        "desiredNumberScheduled": len(nodes),
        "numberMisscheduled": len(owned) - len(on),
        "numberReady": sum(map(pods.ready, on)),
        "observedGeneration": meta(daemon_set).get("generation") or 1,
    }
    counts = {
        "updatedNumberScheduled": sum(labels(pod).get(HASH) == revision for pod in on),
        "numberAvailable": available,
        "numberUnavailable": len(nodes) - available,
    }
    return out | {name: count for name, count in counts.items() if count}


async def reconcile(tools: Tools, key: Key) -> Result:
    """A pod for every node, none elsewhere."""
    daemon_set = tools.cache(DAEMON_SET).get(key)
    if daemon_set is None or meta(daemon_set).get("deletionTimestamp"):
        return Result()
    update = await revision_of(tools, daemon_set)
    revision = labels(update)[HASH]
    nodes = wanted_on(daemon_set, tools.cache(NODE).list())
    every = controlled(tools, daemon_set, POD)
    owned = [pod for pod in every if not meta(pod).get("deletionTimestamp")]
    ended = [pod for pod in owned if not pods.active(pod) or target(pod) not in nodes]
    for pod in ended or outdated(daemon_set, owned, revision, len(nodes)):
        await remove(tools, pod)
        owned = [one for one in owned if one is not pod]
    taken = {target(pod) for pod in every}
    refused = False
    for node in nodes:
        if node not in taken:
            made = await make_pod(tools, daemon_set, new_pod(daemon_set, node, revision))
            owned += [made] if made is not None else []
            refused |= made is None
    await write_status(tools, daemon_set, status(daemon_set, owned, nodes, revision, tools.clock.now()))
    waits = (
        pods.available_in(p, float(daemon_set["spec"].get("minReadySeconds") or 0), tools.clock.now()) for p in owned
    )
    return Result(after=REFUSED_AGAIN if refused else min((wait for wait in waits if wait), default=None))


def _every(obj: Object) -> list[str]:
    return [_ALL]


CONTROLLER = Controller(
    "daemonset",
    DAEMON_SET,
    reconcile,
    index={_ALL: _every},
    watches=(
        Watch(POD, keys=owner_keys(DAEMON_SET), index=OWNED),
        Watch(REVISION, index=OWNED),
        Watch(NODE, by={_ALL: _every}),
    ),
)
