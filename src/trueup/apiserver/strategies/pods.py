"""Pods: what the server writes into them, what a write of one part of them changes, how long they are given. Pure.

Source: ``pkg/registry/core/pod/strategy.go``; Kubernetes documentation, "Pod Quality of Service Classes".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from trueup.apiserver.strategy import RESET, Moment, Strategy
from trueup.kube.names import Object
from trueup.kube.problems import Cause, Invalid
from trueup.kube.validation import pod_warnings
from trueup.kube.validation.causes import forbidden


def _new_pod(obj: Object, moment: Moment) -> None:
    spec = obj["spec"]
    for name in ("serviceAccountName", "serviceAccount"):
        spec.setdefault(name, spec.get("serviceAccountName") or "default")
    obj["status"] = {"phase": "Pending", "qosClass": qos_class(spec), **(obj.get("status") or {})}
    if spec.get("schedulingGates") and not obj["status"].get("conditions"):
        obj["status"]["conditions"] = [dict(_GATED)]


_GATED = {
    "type": "PodScheduled",
    "status": "False",
    "lastProbeTime": None,
    "lastTransitionTime": None,
    "reason": "SchedulingGated",
    "message": "Scheduling is blocked due to non-empty scheduling gates",
}


def _checked_pod(new: Object, old: Object | None) -> Iterator[Cause]:
    if old is None and new["spec"].get("ephemeralContainers"):
        yield forbidden("spec.ephemeralContainers", "cannot be set on create")


def _changed_pod(obj: Object, old: Object, moment: Moment) -> None:
    """What a writer of its status has left out. Source: ``pod/strategy.go``, podStatusStrategy."""
    if moment.subresource == "ephemeralcontainers":
        _keeps_debuggers(obj, old)
        _alone(obj, old, {"ephemeralContainers": obj["spec"].get("ephemeralContainers")})
    elif moment.subresource == "resize":
        _resized_pod(obj, old)
    before = old.get("status") or {}
    if moment.subresource != "status" or obj.get("status") == before:
        return
    status = obj["status"] = dict(obj.get("status") or {})
    for name in ("qosClass", "observedGeneration"):
        if not status.get(name) and before.get(name):
            status[name] = before[name]
    address, known = status.get("podIP"), status.get("podIPs") or ()
    if known and not address:
        status["podIP"] = known[0].get("ip") or ""
    elif address and not (known and known[0].get("ip") == address):
        status["podIPs"] = [{"ip": address}]  # older kubelets know one alone
    if not status.get("podIP"):
        status.pop("podIP", None)
    seen: dict[str, list[int]] = {}
    for condition in before.get("conditions") or ():
        seen.setdefault(condition.get("type", ""), []).append(condition.get("observedGeneration") or 0)
    for index, condition in enumerate(status.get("conditions") or ()):
        generations = seen.get(condition.get("type", ""))
        generation = generations.pop(0) if generations else 0
        if generation and not condition.get("observedGeneration"):
            status["conditions"] = [*status["conditions"]]
            status["conditions"][index] = {**condition, "observedGeneration": generation}


def _keeps_debuggers(obj: Object, old: Object) -> None:
    """Raises ``Invalid`` when one of the ephemeral containers goes. Source: ``ValidatePodEphemeralContainersUpdate``."""
    kept = {one.get("name") for one in obj["spec"].get("ephemeralContainers") or ()}
    causes = [
        forbidden("spec.ephemeralContainers", f'existing ephemeral containers "{one["name"]}" may not be removed\n')
        for one in old["spec"].get("ephemeralContainers") or ()
        if one["name"] not in kept
    ]
    if causes:
        raise _refused(obj, causes)


def _refused(obj: Object, causes: list[Cause]) -> Invalid:
    name, texts = obj["metadata"]["name"], [f"{cause.field}: {cause.message}" for cause in causes]
    text = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    return Invalid(f'Pod "{name}" is invalid: {text}', causes=causes, details={"name": name, "kind": "Pod"})


def _resized_pod(obj: Object, old: Object) -> None:
    """Nothing but what containers ask for. Raises ``Invalid``.

    Source: ``pod/strategy.go``, dropNonResizeUpdates; ``core/validation``, ValidatePodResize.
    """
    spec, before = obj["spec"], old["spec"]
    parts: Object = {}
    causes: list[Cause] = []
    for part in ("containers", "initContainers"):
        now, was = spec.get(part) or [], before.get(part) or []
        if len(now) != len(was):
            causes.append(forbidden(f"spec.{part}", f"{part} may not be added or removed on resize"))
            continue
        text = f"{part} may not be renamed or reordered on resize"
        pairs = enumerate(zip(was, now, strict=True))
        causes += (forbidden(f"spec.{part}[{n}].name", text) for n, (a, b) in pairs if a.get("name") != b.get("name"))
        if now:
            parts[part] = [_with(a, b, ("resources", "resizePolicy")) for a, b in zip(was, now, strict=True)]
    if causes:
        raise _refused(obj, causes)
    _alone(obj, old, {**parts, "resources": spec.get("resources")})


def _with(held: Object, given: Object, names: tuple[str, ...]) -> Object:
    """A container with some of what another one says."""
    kept = {name: value for name, value in held.items() if name not in names}
    return kept | {name: given[name] for name in names if name in given}


def _alone(obj: Object, old: Object, parts: Object) -> None:
    """An object that is the old one but for parts of its specification; in place."""
    spec = {name: value for name, value in old["spec"].items() if name not in parts}
    obj["spec"] = spec | {name: value for name, value in parts.items() if value is not None}
    for name in RESET:
        obj["metadata"].pop(name, None)
        if name in old["metadata"]:
            obj["metadata"][name] = old["metadata"][name]


def _pod_warnings(new: Object, old: Object | None) -> Iterator[str]:
    """New pods only: people seldom change them, and controllers do often."""
    return iter(()) if old is not None else pod_warnings.pod(new)


_COMPUTE = ("cpu", "memory")


def qos_class(spec: Mapping[str, Any]) -> str:
    """Guaranteed, Burstable or BestEffort."""
    containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    whole = spec.get("resources")
    wants = [whole] if whole else [container.get("resources") or {} for container in containers]
    if not any(want.get("requests") or want.get("limits") for want in wants):
        return "BestEffort"
    if not any(
        part.get(name) for want in wants for part in want.values() if isinstance(part, dict) for name in _COMPUTE
    ):
        return "BestEffort"
    for want in wants:
        limits, requests = want.get("limits") or {}, want.get("requests") or {}
        for name in ("cpu", "memory"):
            if not limits.get(name) or requests.get(name, limits[name]) != limits[name]:
                return "Burstable"
    return "Guaranteed"


def _pod_grace(pod: Object, asked: int | None) -> int:
    """Only pods that run somewhere are given time."""
    spec = pod.get("spec") or {}
    finished = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    if not spec.get("nodeName") or finished:
        return 0
    grace = asked if asked is not None else int(spec.get("terminationGracePeriodSeconds", 30))
    return grace if grace >= 0 else 1  # as Kubernetes reads a negative one


def _pod_held(pod: Object) -> bool:
    return bool(pod["metadata"].get("deletionGracePeriodSeconds"))


def _selected_pod(obj: Object) -> Object:
    return {**obj, "spec": {**obj["spec"], "hostNetwork": bool(obj["spec"].get("hostNetwork"))}}


POD = Strategy(
    returns_deleted=True,
    uncounted=frozenset({"nodeName"}),
    create=_new_pod,
    update=_changed_pod,
    check=_checked_pod,
    warnings=_pod_warnings,
    selected=_selected_pod,
    grace=_pod_grace,
    held=_pod_held,
    selectable=frozenset(
        {
            "spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "spec.hostNetwork",
            "status.phase", "status.podIP", "status.nominatedNodeName",
        }
    ),
)  # fmt: skip
