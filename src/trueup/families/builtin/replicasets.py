"""ReplicaSets: as many pods of one template as asked for. Source: kube-controller-manager ``pkg/controller/replicaset``."""

from __future__ import annotations

from collections.abc import Sequence

from trueup.families.builtin import pods
from trueup.families.builtin.kinds import POD, REPLICA_SET
from trueup.families.builtin.tools import (
    OWNED,
    adopt,
    controlled,
    create,
    now,
    owner_keys,
    remove,
    with_condition,
    write_status,
)
from trueup.family import Controller, Result, Tools, Watch
from trueup.kube.names import Key, Object
from trueup.kube.objects import labels, meta
from trueup.kube.problems import ApiProblem, Forbidden
from trueup.kube.selectors import label_selector


def status(replica_set: Object, active: Sequence[Object], moment: float) -> tuple[Object, float | None]:
    """The status over its active pods, and when to look again for pods that are ready but not yet available."""
    spec = replica_set["spec"]
    min_ready = float(spec.get("minReadySeconds") or 0)
    waits = [pods.available_in(pod, min_ready, moment) for pod in active]
    wanted = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    labelled = sum(all(labels(pod).get(k) == v for k, v in wanted.items()) for pod in active)
    counts = {
        "replicas": len(active),
        "fullyLabeledReplicas": labelled,
        "readyReplicas": sum(wait is not None for wait in waits),
        "availableReplicas": sum(wait == 0 for wait in waits),
    }
    old = replica_set.get("status") or {}
    new = {name: old[name] for name in ("conditions",) if name in old}
    new |= {name: count for name, count in counts.items() if count or name == "replicas"}
    new["observedGeneration"] = meta(replica_set).get("generation") or 1
    return new, min((wait for wait in waits if wait), default=None)


async def reconcile(tools: Tools, key: Key) -> Result:
    """Create or delete pods, then say how many there are."""
    replica_set = tools.cache(REPLICA_SET).get(key)
    if replica_set is None:
        return Result()
    active = [pod for pod in controlled(tools, replica_set, POD) if pods.active(pod)]
    problem: ApiProblem | None = None
    if not meta(replica_set).get("deletionTimestamp"):
        active += await adopt(tools, replica_set, POD, label_selector(replica_set["spec"].get("selector")))
        try:
            active = await _scale(tools, replica_set, active)
        except Forbidden as forbidden:
            problem = forbidden
    new, after = status(replica_set, active, tools.clock.now())
    if problem is not None:
        failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": str(problem)}
        new["conditions"] = with_condition(new.get("conditions") or [], failure, now(tools))
    elif "conditions" in new:
        kept = [one for one in new.pop("conditions") if one.get("type") != "ReplicaFailure"]
        new |= {"conditions": kept} if kept else {}
    await write_status(tools, replica_set, new)
    return Result(after=after if problem is None else 5.0)


async def _scale(tools: Tools, replica_set: Object, active: list[Object]) -> list[Object]:
    spec = replica_set["spec"]
    wanted = spec.get("replicas", 1)
    if len(active) > wanted:
        ordered = sorted(active, key=pods.deletion_rank)
        for pod in ordered[: len(active) - wanted]:
            await remove(tools, pod)
        return ordered[len(active) - wanted :]
    template = spec.get("template") or {}
    for _ in range(wanted - len(active)):
        name = meta(replica_set)["name"]
        active.append(await create(tools, pods.from_template(replica_set, template, generateName=f"{name}-")))
    return active


CONTROLLER = Controller(
    "replicaset",
    REPLICA_SET,
    reconcile,
    watches=(Watch(POD, keys=owner_keys(REPLICA_SET), index=OWNED),),
)
