"""What the status of a pod may say, and come to say. Source: Kubernetes ``core/validation``, ValidatePodStatusUpdate."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from trueup.kube.names import Object
from trueup.kube.validation import addresses, formats
from trueup.kube.validation.causes import (
    Causes,
    duplicate,
    each_invalid,
    forbidden,
    invalid,
    not_supported,
    required,
    too_long,
    unchanged,
)  # fmt: skip

_SYSTEM = frozenset({"PodScheduled", "Ready", "Initialized"})
_MOST_ID = (1 << 31) - 1
_HEALTH = ("Healthy", "Unhealthy", "Unknown")
_LONGEST_MESSAGE = 1024
_BACK = "may not be transitioned to non-terminated state"


def pod(new: Object, old: Object) -> Causes:
    """v1 Pod."""
    now, was, spec = new.get("status") or {}, old.get("status") or {}, old.get("spec") or {}
    for index, one in enumerate(now.get("conditions") or ()):
        path, kind = f"status.conditions[{index}]", one.get("type") or ""
        if (one.get("observedGeneration") or 0) < 0:
            yield invalid(f"{path}.observedGeneration", one["observedGeneration"], "must be a non-negative integer")
        if kind not in _SYSTEM:
            yield from each_invalid(f"{path}.Type", kind, formats.qualified(kind))
    wished = now.get("nominatedNodeName") or ""
    if wished and wished != was.get("nominatedNodeName"):
        yield from each_invalid("status.nominatedNodeName", wished, formats.subdomain(wished))
        if spec.get("nodeName"):
            yield forbidden("status.nominatedNodeName", "may not be set on pods that are already bound to a node")
    if (now.get("observedGeneration") or 0) < 0:
        yield invalid("status.observedGeneration", now["observedGeneration"], "must be a non-negative integer")
    yield from unchanged("status.qosClass", now.get("qosClass") or "", was.get("qosClass") or "")
    for part, kind in (("containerStatuses", "containers"), ("initContainerStatuses", "initContainers")):
        yield from _returned(now.get(part) or (), was.get(part) or (), spec, kind, f"status.{part}")
    yield from _returned(
        now.get("ephemeralContainerStatuses") or (), was.get("ephemeralContainerStatuses") or (), spec, "",
        "status.ephemeralContainerStatuses",
    )  # fmt: skip
    yield from _claims(now.get("resourceClaimStatuses") or (), spec)
    yield from _addresses(now.get("podIPs") or (), "status.podIPs")
    hosts = now.get("hostIPs") or ()
    if hosts and (now.get("hostIP") or "") != (hosts[0].get("ip") or ""):
        yield invalid("status.hostIPs[0].ip", hosts[0].get("ip") or "", "must be equal to `hostIP`")
    yield from _addresses(hosts, "status.hostIPs")
    yield from _containers(now, spec)


def _returned(now: Iterable[Object], was: Iterable[Object], spec: Object, kind: str, path: str) -> Causes:
    """A container that ended and is not to be started again stays so."""
    for index, before in enumerate(was):
        ended = (before.get("state") or {}).get("terminated")
        if ended is None or _restarts(spec, kind, str(before.get("name")), ended):
            continue
        for after in now:
            if after.get("name") == before.get("name") and (after.get("state") or {}).get("terminated") is None:
                yield forbidden(f"{path}[{index}].state", _BACK)
                break


def _restarts(spec: Object, kind: str, name: str, ended: Object) -> bool:
    """Source: component-helpers ``ContainerShouldRestart``."""
    if not kind:
        return False
    if any(
        rule.get("action") == "RestartAllContainers"
        for part in ("containers", "initContainers")
        for one in spec.get(part) or ()
        for rule in one.get("restartPolicyRules") or ()
    ):
        return True
    found = next((one for one in spec.get(kind) or () if one.get("name") == name), None)
    if found is None:
        return False
    code = ended.get("exitCode") or 0
    for rule in found.get("restartPolicyRules") or ():
        wanted = rule.get("exitCodes") or {}
        if (code in (wanted.get("values") or ())) == (wanted.get("operator") == "In"):
            return bool(rule.get("action") == "Restart")
    policy = found.get("restartPolicy") or spec.get("restartPolicy") or "Always"
    return policy == "Always" or (policy == "OnFailure" and code != 0)


def _addresses(found: Iterable[Object], path: str) -> Causes:
    every = [str(one.get("ip") or "") for one in found]
    for index, text in enumerate(every):
        yield from addresses.address(f"{path}[{index}]", text, canonical=False)
    if len(every) > 1 and (len(every) > 2 or len({":" in text for text in every}) < 2):
        shown = [{"IP": text} for text in every]
        yield invalid(path, shown, "may specify no more than one IP for each IP family")


def _claims(found: Iterable[Object], spec: Object) -> Causes:
    known = {one.get("name") for one in spec.get("resourceClaims") or ()}
    seen: set[Any] = set()
    for index, one in enumerate(found):
        path, name, claim = (
            f"status.resourceClaimStatuses[{index}]",
            one.get("name") or "",
            one.get("resourceClaimName"),
        )
        if name not in known:
            yield invalid(f"{path}.name", name, "must match the name of an entry in `spec.resourceClaims`")
        if name in seen:
            yield duplicate(f"{path}.name", name)
        seen.add(name)
        if claim is not None:
            yield from each_invalid(f"{path}.resourceClaimName", claim, formats.subdomain(claim))


def _containers(now: Object, spec: Object) -> Causes:
    windows = ((spec.get("os") or {}).get("name")) == "windows"
    for part, kind in (
        ("containerStatuses", "containers"),
        ("initContainerStatuses", "initContainers"),
        ("ephemeralContainerStatuses", ""),
    ):
        for index, one in enumerate(now.get(part) or ()):
            path = f"status.{part}[{index}]"
            user = (one.get("user") or {}).get("linux")
            if user is not None and windows:
                yield forbidden(f"{path}.user.linux", "cannot be set for a windows pod")
            elif user is not None:
                yield from _user(user, f"{path}.user.linux")
            if kind:
                holder = next((each for each in spec.get(kind) or () if each.get("name") == one.get("name")), None)
                yield from _health(
                    one.get("allocatedResourcesStatus") or (), holder, f"{path}.allocatedResourcesStatus"
                )
            elif one.get("allocatedResourcesStatus"):
                yield forbidden(f"{path}.allocatedResourcesStatus", "must not be specified in container status")


def _user(found: Object, path: str) -> Causes:
    pairs = [("uid", found.get("uid") or 0), ("gid", found.get("gid") or 0)]
    pairs += [
        (f"supplementalGroups[{index}]", group) for index, group in enumerate(found.get("supplementalGroups") or ())
    ]
    for name, value in pairs:
        if not 0 <= value <= _MOST_ID:
            yield invalid(f"{path}.{name}", value, f"must be between 0 and {_MOST_ID}, inclusive")


def _health(found: Iterable[Object], holder: Object | None, path: str) -> Causes:
    wants = (holder or {}).get("resources") or {}
    claims = set()
    for one in wants.get("claims") or ():
        claims.add(f"claim:{one.get('name')}{'/' if one.get('request') else ''}{one.get('request') or ''}")
    for index, one in enumerate(found):
        at, name = f"{path}[{index}]", one.get("name") or ""
        if holder is not None and name.startswith("claim:") and name not in claims:
            text = "must match one of the container's resource claims in a format 'claim:<claimName>/<request>' or "
            yield invalid(f"{at}.name", name, f"{text}'claim:<claimName>' if request is empty")
        elif holder is not None and not name.startswith("claim:") and name not in (wants.get("requests") or {}):
            yield invalid(f"{at}.name", name, "must match one of the container's resource requests")
        seen: set[Any] = set()
        for number, each in enumerate(one.get("resources") or ()):
            where, health, text = f"{at}.resources[{number}]", each.get("health") or "", each.get("message")
            if health not in _HEALTH:
                yield not_supported(f"{where}.health", health, _HEALTH)
            if text == "":
                yield required(f"{where}.message", "must be non-empty if specified")
            elif text is not None and len(text) > _LONGEST_MESSAGE:
                yield too_long(f"{where}.message", _LONGEST_MESSAGE)
            if each.get("resourceID") in seen:
                yield duplicate(f"{where}.resourceID", each.get("resourceID") or "")
            seen.add(each.get("resourceID"))
