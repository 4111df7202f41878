"""DaemonSets: one pod on every node that takes it. Source: ``pkg/controller/daemon``. What to do next stands in
`daemon_rules.py`."""

from collections.abc import Sequence

from trueup.families.builtin import daemon_rules as rules
from trueup.families.builtin import pods
from trueup.families.builtin.kinds import DAEMON_SET, NODE, POD, REVISION
from trueup.families.builtin.revisions import HASH, revision_of
from trueup.families.builtin.tools import (
    OFFERED,
    OWNED,
    REFUSED_AGAIN,
    SELECTING,
    claim,
    make_pod,
    owner_keys,
    remove,
    write_status,
)
from trueup.family import Controller, Result, Tools, Watch
from trueup.kube.names import Key, Object
from trueup.kube.objects import annotations, labels, meta
from trueup.kube.selectors import label_selector

_ALL = "all"


def new_pod(daemon_set: Object, node: str, revision: str) -> Object:
    """The pod for a node: bound to it by affinity, tolerating what passes."""
    marks = {HASH: revision}
    generation = annotations(daemon_set).get("deprecated.daemonset.template.generation")
    if generation:
        marks["pod-template-generation"] = generation
    name = f"{meta(daemon_set)['name']}-"
    pod = pods.from_template(daemon_set, daemon_set["spec"]["template"], generateName=name, labels=marks)
    spec = dict(pod["spec"])
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    affinity = dict(spec.get("affinity") or {})
    affinity["nodeAffinity"] = {
        **(affinity.get("nodeAffinity") or {}),
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]},
    }
    spec |= {"affinity": affinity, "tolerations": rules.tolerations(spec)}
    return {**pod, "spec": spec}


def status(daemon_set: Object, owned: Sequence[Object], nodes: Sequence[str], revision: str, moment: float) -> Object:
    """The counts over nodes."""
    min_ready = float(daemon_set["spec"].get("minReadySeconds") or 0)
    on = [pod for pod in owned if rules.target(pod) in nodes]
    available = sum(pods.available_in(pod, min_ready, moment) == 0 for pod in on)
    out: Object = {
        "currentNumberScheduled": len({rules.target(pod) for pod in on}),
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
    revision, moment = labels(update)[HASH], tools.clock.now()
    places = {str(meta(node)["name"]): rules.place(daemon_set, node) for node in tools.cache(NODE).list()}
    nodes = [name for name, place in places.items() if place.run]
    owned = await claim(tools, daemon_set, POD, label_selector(daemon_set["spec"].get("selector")))
    step = rules.step(daemon_set, places, rules.by_node(owned), revision, moment)
    for about, reason, text in step.events:
        tools.events.record(daemon_set, about, reason, text)
    for pod in step.delete:
        await remove(tools, pod)
        tools.events.record(daemon_set, "Normal", "SuccessfulDelete", f"Deleted pod: {meta(pod)['name']}")
        owned = [one for one in owned if one is not pod]
    refused = False
    for node in step.create:
        made = await make_pod(tools, daemon_set, new_pod(daemon_set, node, revision))
        owned += [made] if made is not None else []
        refused |= made is None
    alive = [pod for pod in owned if not meta(pod).get("deletionTimestamp")]
    await write_status(tools, daemon_set, status(daemon_set, alive, nodes, revision, moment))
    waits = (pods.available_in(pod, float(daemon_set["spec"].get("minReadySeconds") or 0), moment) for pod in alive)
    return Result(after=REFUSED_AGAIN if refused else min((wait for wait in waits if wait), default=None))


def _every(obj: Object) -> list[str]:
    return [_ALL]


CONTROLLER = Controller(
    "daemonset",
    DAEMON_SET,
    reconcile,
    index={_ALL: _every, **SELECTING},
    watches=(
        Watch(POD, keys=owner_keys(DAEMON_SET), by=OFFERED, index=OWNED),
        Watch(REVISION, index=OWNED),
        Watch(NODE, by={_ALL: _every}),
    ),
)
