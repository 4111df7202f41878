"""Where a pod's volumes can be had, and getting those ready that wait for it. Called by `scheduler`.

Source: kube-scheduler's plugins VolumeBinding and VolumeRestrictions; Kubernetes documentation "Volume Binding Mode".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trueup.families.builtin import volume_binding as binding
from trueup.families.builtin.kinds import CLAIM, POD, STORAGE_CLASS, VOLUME
from trueup.families.builtin.protection import BY_CLAIM, claims_used
from trueup.families.builtin.simulate.room import holds
from trueup.families.builtin.simulate.selection import term_matches
from trueup.families.builtin.tools import change
from trueup.families.builtin.volumes import bind
from trueup.family import Tools
from trueup.kube.names import Key, Object
from trueup.kube.objects import annotations, controller_of, meta, uid
from trueup.ports import Cache

_CONFLICT = "node(s) didn't match PersistentVolume's node affinity"
_NONE = "node(s) didn't find available persistent volumes to bind"
_GONE = "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)"
_ONE_POD = (
    "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod"
)


@dataclass(slots=True)
class Places:
    """What a pod's claims allow."""

    problem: str = ""
    """Why it can go nowhere at all."""
    bound: list[Object | None] = field(default_factory=list)
    delayed: list[tuple[Object, Mapping[str, Any]]] = field(default_factory=list)
    """Claims that are bound once the pod has a node, with their class."""
    free: Sequence[Object] = ()
    shared: bool = True

    def why(self, node: Object) -> str:
        """Why the volumes cannot be had on a node; empty when they can."""
        if not self.shared:
            return _ONE_POD
        for volume in self.bound:
            if volume is None:
                return _GONE
            if not binding.reachable(volume, node):
                return _CONFLICT
        return "" if self.chosen(node) is not None else _NONE

    def chosen(self, node: Object) -> list[tuple[Object, Object | None]] | None:
        """A volume for each claim that waits, None where one is to be made; None altogether where neither can be."""
        out: list[tuple[Object, Object | None]] = []
        taken: list[str] = []
        for claim, storage in self.delayed:
            found = binding.best(claim, self.free, node, excluded=taken)
            if found is None and not _provided(storage, node):
                return None
            taken += [str(meta(found)["name"])] if found is not None else []
            out.append((claim, found))
        return out


def _provided(storage: Mapping[str, Any], node: Object) -> bool:
    if storage.get("provisioner") == binding.NO_PROVISIONER:
        return False
    terms = storage.get("allowedTopologies") or ()
    return not terms or any(
        term_matches(
            {"matchExpressions": [{**one, "operator": "In"} for one in term.get("matchLabelExpressions") or ()]}, node
        )
        for term in terms
    )


def places(tools: Tools, pod: Object) -> Places | None:
    """What a pod's claims allow; None for a pod without any."""
    used = list(claims_used(pod))
    if not used:
        return None
    out = Places()
    claims, classes = tools.cache(CLAIM), tools.cache(STORAGE_CLASS)
    for name, volume in used:
        claim = claims.get(Key(str(meta(pod).get("namespace")), name))
        out.problem = _missing(pod, name, volume, claim)
        if out.problem or claim is None:
            return out
        if binding.COMPLETE in annotations(claim) and claim["spec"].get("volumeName"):
            out.bound.append(tools.cache(VOLUME).get(Key("", claim["spec"]["volumeName"])))
        else:
            storage = classes.get(Key("", binding.class_of(claim)))
            if storage is None or not binding.waits_for_pod(storage) or claim["spec"].get("volumeName"):
                out.problem = "pod has unbound immediate PersistentVolumeClaims"
                return out
            out.delayed.append((claim, storage))
        if claim["spec"].get("accessModes") == ["ReadWriteOncePod"]:
            out.shared &= not _used(tools.cache(POD), pod, claim)
    if out.delayed:
        names = {str(Key.of(claim)) for claim, _ in out.delayed}
        out.free = [one for one in tools.cache(VOLUME).list() if not one["spec"].get("claimRef") or _for(one, names)]
    return out


def _for(volume: Object, names: set[str]) -> bool:
    ref = volume["spec"]["claimRef"]
    return f"{ref.get('namespace')}/{ref.get('name')}" in names


def _missing(pod: Object, name: str, volume: Object, claim: Object | None) -> str:
    if claim is None:
        waits = "waiting for ephemeral volume controller to create the "
        tail = f'persistentvolumeclaim "{name}"'
        return f"{waits}{tail}" if "ephemeral" in volume else f"{tail} not found"
    if (claim.get("status") or {}).get("phase") == "Lost":
        lost = claim["spec"].get("volumeName") or ""
        return f'persistentvolumeclaim "{name}" bound to non-existent persistentvolume "{lost}"'
    if meta(claim).get("deletionTimestamp"):
        return f'persistentvolumeclaim "{name}" is being deleted'
    if "ephemeral" in volume and (controller_of(claim) or {}).get("uid") != uid(pod):
        where = f"{meta(pod)['namespace']}/"
        return f'PVC "{where}{name}" was not created for pod "{where}{meta(pod)["name"]}" (pod is not owner)'
    return ""


def _used(pods: Cache, pod: Object, claim: Object) -> bool:
    others = pods.by_index(BY_CLAIM, str(Key.of(claim)))
    return any(one["spec"].get("nodeName") and holds(one) and uid(one) != uid(pod) for one in others)


async def prepare(tools: Tools, wanted: Places, node: Object) -> None:
    """Bind the claims that waited for their pod's node, or have volumes made there."""
    for claim, found in wanted.chosen(node) or ():
        if found is not None:
            await bind(tools, found, claim, chosen=True)
        elif binding.SELECTED_NODE not in annotations(claim):
            await change(tools, claim, {"metadata": {"annotations": {binding.SELECTED_NODE: meta(node)["name"]}}})
