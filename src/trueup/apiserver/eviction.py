"""Evictions: a pod is deleted if its PodDisruptionBudget lets it go. Called by `subresources`.

Source: ``pkg/registry/core/pod/storage/eviction.go``.
"""

from __future__ import annotations

from dataclasses import replace

from trueup.apiserver.hub import Hub
from trueup.apiserver.registry import Served
from trueup.apiserver.request import Write
from trueup.apiserver.verbs import prepare
from trueup.apiserver.verbs.delete import DeleteOptions, delete
from trueup.apiserver.verbs.update import change
from trueup.kube.names import Kind, Object
from trueup.kube.objects import labels
from trueup.kube.problems import ApiProblem, Cause, Conflict, Forbidden, TooManyRequests, not_found
from trueup.kube.selectors import label_selector

_BUDGET = Kind("policy", "v1", "PodDisruptionBudget")
_CAUSE = "DisruptionBudget"
_REFUSED = "Cannot evict pod as it would violate the pod's disruption budget."
_MOST = 2000
"""Evictions that a budget's controller may be behind."""


async def evict(hub: Hub, served: Served, space: str, name: str, options: DeleteOptions, write: Write) -> None:
    """Raises ``TooManyRequests`` when the budget has no room, and what the deletion raises."""
    entry = hub.store.bucket(served.storage).newest(space, name)
    if entry is None:
        raise not_found(served.resource.group_resource, name)
    pod = entry.obj
    status = pod.get("status") or {}
    free = status.get("phase") in ("Succeeded", "Failed", "Pending") or pod["metadata"].get("deletionTimestamp")
    if not free:
        budget = _budget(hub, space, pod)
        if budget is not None and not _unguarded(budget, pod):
            await _take(hub, budget, name, write)
        elif budget is not None and not options.revision:
            options = replace(options, revision=pod["metadata"]["resourceVersion"])
    if not write.dry_run and not pod["metadata"].get("deletionTimestamp"):
        options = await _mark(hub, served, space, name, options, write)
    await delete(hub, served, space, name, options, replace(write, reviewed=False))


def _budget(hub: Hub, space: str, pod: Object) -> Object | None:
    """The budget that selects the pod."""
    served = hub.registry.of_kind(_BUDGET)
    if served is None:
        return None
    every = (entry.obj for *_, entry in hub.store.bucket(served.storage).scan(space))
    found = [one for one in every if label_selector(one["spec"].get("selector")).matches(labels(pod))]
    if len(found) > 1:
        why = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
        raise ApiProblem(why)
    return found[0] if found else None


def _unguarded(budget: Object, pod: Object) -> bool:
    """Whether a pod that is not ready may go without being counted."""
    status = budget.get("status") or {}
    conditions = (pod.get("status") or {}).get("conditions") or ()
    if any(one["type"] == "Ready" and one["status"] == "True" for one in conditions):
        return False
    if budget["spec"].get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    return int(status.get("currentHealthy") or 0) >= int(status.get("desiredHealthy") or 0) > 0


async def _take(hub: Hub, budget: Object, pod: str, write: Write) -> None:
    """One disruption less is allowed from now on."""

    def taken(stored: Object) -> tuple[Object, bool]:
        _check(stored)
        new = prepare.copy(stored)
        status = new["status"]
        status["disruptionsAllowed"] -= 1
        status["disruptedPods"] = {**(status.get("disruptedPods") or {}), pod: hub.now()}
        return new, False

    served, meta = hub.serves(_BUDGET), budget["metadata"]
    meant = Write(user=write.user, manager=write.manager, dry_run=write.dry_run, subresource="status", reviewed=False)
    await change(hub, served, meta["namespace"], meta["name"], taken, meant)


def _check(budget: Object) -> None:
    meta, status = budget["metadata"], budget.get("status") or {}
    name = meta["name"]
    if int(status.get("observedGeneration") or 0) < int(meta.get("generation") or 0):
        text = f"The disruption budget {name} is still being processed by the server."
        raise TooManyRequests(_REFUSED, causes=[Cause(_CAUSE, text)], retry_after=10)
    if len(status.get("disruptedPods") or ()) > _MOST:
        text = "DisruptedPods map too big - too many evictions not confirmed by PDB controller"
        raise Forbidden(f'poddisruptionbudgets.policy "{name}" is forbidden: {text}')
    if int(status.get("disruptionsAllowed") or 0) > 0:
        return
    wanted, healthy = int(status.get("desiredHealthy") or 0), int(status.get("currentHealthy") or 0)
    text = f"The disruption budget {name} does not allow evicting pods currently"
    if healthy <= wanted:
        text = f"The disruption budget {name} needs {wanted} healthy pods and has {healthy} currently"
    raise TooManyRequests(_REFUSED, causes=[Cause(_CAUSE, text)])


async def _mark(hub: Hub, served: Served, space: str, name: str, options: DeleteOptions, write: Write) -> DeleteOptions:
    """The pod says that it is evicted; a version that the deletion asks for is the new one then."""
    message = "Eviction API: evicting"
    said = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI", "message": message}

    def marked(stored: Object) -> tuple[Object, bool]:
        meta = stored["metadata"]
        if (options.uid and options.uid != meta["uid"]) or (
            options.revision and options.revision != meta["resourceVersion"]
        ):
            raise Conflict(f'Operation cannot be fulfilled on Pod "{name}": the precondition does not match the record')
        new = prepare.copy(stored)
        status = new.setdefault("status", {})
        others = [one for one in status.get("conditions") or () if one.get("type") != said["type"]]
        status["conditions"] = [*others, {**said, "lastProbeTime": None, "lastTransitionTime": hub.now()}]
        return new, False

    meant = Write(user=write.user, manager=write.manager, subresource="status", reviewed=False)
    new = await change(hub, served, space, name, marked, meant)
    return replace(options, revision=new["metadata"]["resourceVersion"]) if options.revision else options
