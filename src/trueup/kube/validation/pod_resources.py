"""What a pod asks for as a whole, beside its containers. Source: Kubernetes ``core/validation``, validatePodResources."""

from __future__ import annotations

from fractions import Fraction

from trueup.kube.names import Object
from trueup.kube.quantity import format_quantity, parse
from trueup.kube.validation import resources
from trueup.kube.validation.causes import Causes, forbidden, invalid

Sums = dict[str, Fraction]


def pod_resources(spec: Object, path: str) -> Causes:
    """``resources`` of a pod."""
    found, at = spec.get("resources"), f"{path}.resources"
    if found is None:
        return
    if (spec.get("os") or {}).get("name") == "windows":
        yield forbidden(at, "may not be set for a windows pod")
        return
    if found.get("claims") is not None:
        yield forbidden(f"{at}.claims", "claims may not be set for Resources at pod-level")
    yield from resources.requirements(found, at, names=resources.of_pods)
    limits, requests = found.get("limits") or {}, found.get("requests") or {}
    yield from _at_least(_sums(spec, "requests"), requests, at, "requests")
    pages = {name: value for name, value in _sums(spec, "limits").items() if resources.is_huge(name)}
    yield from _at_least(pages, limits, at, "limits")
    for index, container in enumerate(spec.get("containers") or ()):
        for name, value in ((container.get("resources") or {}).get("limits") or {}).items():
            if name in limits and parse(value) > parse(limits[name]):
                where = f"{at}.containers[{index}][{name}].limits"
                yield invalid(where, value, f"must be less than or equal to pod limits of {limits[name]}")


def _at_least(sums: Sums, given: Object, path: str, part: str) -> Causes:
    for name, total in sums.items():
        if name in given and total > parse(given[name]):
            shown = format_quantity(total, str(given[name]))
            text = f"must be greater than or equal to aggregate container {part} of {shown}"
            yield invalid(f"{path}.{part}[{name}]", given[name], text)


def _sums(spec: Object, part: str) -> Sums:
    """What containers need together: all that run, or the largest of those that run before, with the sidecars up to then."""
    running: Sums = {}
    for container in spec.get("containers") or ():
        _add(running, _of(container, part))
    most: Sums = {}
    sidecars: Sums = {}
    for container in spec.get("initContainers") or ():
        if container.get("restartPolicy") == "Always":
            _add(running, _of(container, part))
            _add(sidecars, _of(container, part))
            peak = dict(sidecars)
        else:
            peak = _of(container, part)
            _add(peak, sidecars)
        for name, value in peak.items():
            most[name] = max(most.get(name, value), value)
    for name, value in most.items():
        running[name] = max(running.get(name, value), value)
    return running


def _of(container: Object, part: str) -> Sums:
    return {name: parse(value) for name, value in ((container.get("resources") or {}).get(part) or {}).items()}


def _add(sums: Sums, more: Sums) -> None:
    for name, value in more.items():
        sums[name] = sums.get(name, Fraction(0)) + value
