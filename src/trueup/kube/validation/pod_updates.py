"""What an update may change of a pod. Source: Kubernetes ``core/validation``, ValidatePodUpdate."""

from __future__ import annotations

from typing import Any

from trueup.kube.names import Object
from trueup.kube.validation.causes import Causes, forbidden, invalid

_POD_CHANGES = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n"
)


def pod_update(new: Object, old: Object) -> Causes:
    """What may change in a pod: images, a deadline that shortens, more tolerations. Its node is a binding's."""
    now, was = new.get("spec") or {}, old.get("spec") or {}
    if now == was:
        return
    if _fixed(now, was) != _fixed(was, was):
        yield forbidden("spec", _POD_CHANGES)
    kept = now.get("tolerations") or []
    if any(toleration not in kept for toleration in was.get("tolerations") or ()):
        text = "existing toleration can not be modified except its tolerationSeconds"
        if not _only_seconds(kept, was["tolerations"]):
            yield forbidden("spec.tolerations", text)
    before, after = was.get("activeDeadlineSeconds"), now.get("activeDeadlineSeconds")
    if before is not None and (after is None or after > before):
        text = (
            "must be less than or equal to previous value"
            if after is not None
            else "must not update from a positive integer to nil value"
        )
        yield invalid("spec.activeDeadlineSeconds", after, text)


def _fixed(spec: Object, was: Object) -> Object:
    """The part of a pod that stays as it was made."""
    free = {"activeDeadlineSeconds", "tolerations", "ephemeralContainers", "schedulingGates", "resources"}
    if (was.get("terminationGracePeriodSeconds") or 0) < 0:
        free.add("terminationGracePeriodSeconds")
    if was.get("schedulingGates"):
        free |= {"nodeSelector", "affinity"}
    kept = {name: value for name, value in spec.items() if name not in free}
    for part in ("containers", "initContainers"):
        if part in kept:
            # Resources change through the subresource ``resize``, which checks for itself.
            kept[part] = [{k: v for k, v in one.items() if k not in ("image", "resources")} for one in kept[part]]
    return kept


def _only_seconds(kept: list[Any], were: list[Any]) -> bool:
    bare = [{k: v for k, v in one.items() if k != "tolerationSeconds"} for one in kept]
    return all({k: v for k, v in one.items() if k != "tolerationSeconds"} in bare for one in were)
