"""What an update may change of a pod. Source: Kubernetes ``core/validation``, ValidatePodUpdate."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from trueup.kube.names import Object
from trueup.kube.validation import containers
from trueup.kube.validation.causes import Causes, forbidden, invalid, required
from trueup.kube.validation.pods import APP_ARMOR, MIRROR

_MOST = (1 << 31) - 1

_POD_CHANGES = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n"
)


def pod_update(new: Object, old: Object) -> Causes:
    """What may change in a pod: images, a deadline that shortens, more tolerations, fewer gates. Its node is a binding's."""
    yield from _notes(new["metadata"].get("annotations") or {}, old["metadata"].get("annotations") or {})
    now, was = new.get("spec") or {}, old.get("spec") or {}
    if now == was:
        return
    for part in ("containers", "initContainers"):
        path, those = f"spec.{part}", now.get(part) or []
        if len(those) != len(was.get(part) or ()):
            yield forbidden(path, "pod updates may not add or remove containers")
            return
        for index, one in enumerate(those):
            if not one.get("image"):
                yield required(f"{path}[{index}].image")
            yield from containers.image_spaces(one, f"{path}[{index}]")
    problems = [*_deadline(now.get("activeDeadlineSeconds"), was.get("activeDeadlineSeconds"))]
    yield from problems
    if problems and now.get("activeDeadlineSeconds") is not None:
        return
    kept = now.get("tolerations") or []
    if not _only_seconds(kept, was.get("tolerations") or []):
        yield forbidden("spec.tolerations", "existing toleration can not be modified except its tolerationSeconds")
    yield from _gates(now.get("schedulingGates") or (), was.get("schedulingGates") or ())
    if was.get("schedulingGates"):
        yield from _narrowed(now.get("nodeSelector") or {}, was.get("nodeSelector") or {})
    if _fixed(now, was) != _fixed(was, was):
        yield forbidden("spec", _POD_CHANGES)


def resized(new: Object, old: Object) -> Causes:
    """What containers ask for, which changes through the subresource ``resize`` alone."""
    for part in ("containers", "initContainers"):
        pairs = zip(new["spec"].get(part) or (), old["spec"].get(part) or (), strict=False)
        if any((now.get("resources") or {}) != (was.get("resources") or {}) for now, was in pairs):
            yield forbidden("spec", _POD_CHANGES)
            return


def _notes(now: Object, was: Object) -> Causes:
    """Annotations that stay as they were made."""
    for key in was.keys() | now.keys():
        if was.get(key) == now.get(key) and (key in was) == (key in now):
            continue
        known, path = key in was, f"metadata.annotations[{key}]"
        if key.startswith(APP_ARMOR):
            yield forbidden(path, f"may not {'remove or update' if known else 'add'} AppArmor annotations")
        if key == MIRROR:
            yield forbidden(path, f"may not {'remove or update' if known else 'add'} mirror pod annotation")


def _deadline(now: Any, was: Any) -> Causes:
    path = "spec.activeDeadlineSeconds"
    if now is None:
        if was is not None:
            yield invalid(path, None, "must not update from a positive integer to nil value")
    elif not 0 <= now <= _MOST:
        yield invalid(path, now, f"must be between 0 and {_MOST}, inclusive")
    elif was is not None and was < now:
        yield invalid(path, now, "must be less than or equal to previous value")


def _gates(now: Iterable[Object], was: Iterable[Object]) -> Causes:
    known = {one.get("name") for one in was}
    for index, gate in enumerate(now):
        if gate.get("name") not in known:
            text = f"only deletion is allowed, but found new scheduling gate '{gate.get('name')}'"
            yield forbidden(f"spec.schedulingGates[{index}].name", text)


def _narrowed(now: Object, was: Object) -> Causes:
    """A pod that still waits may be told more of where to run, and never less."""
    if any(now.get(key) != value for key, value in was.items()):
        yield invalid(
            "spec.nodeSelector",
            now or None,
            "only additions to spec.nodeSelector are allowed (no mutations or deletions)",
        )


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
