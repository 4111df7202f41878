"""LimitRanger: containers get a namespace's defaults, and stay between its bounds.

Source: ``plugin/pkg/admission/limitranger``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction

from trueup.apiserver.admission.plugin import forbidden, new_pod
from trueup.apiserver.registry import Served
from trueup.apiserver.request import Write
from trueup.kube import pod_resources
from trueup.kube.names import Object
from trueup.kube.pod_resources import Amounts
from trueup.kube.quantity import canonical, format_quantity, parse
from trueup.store.state import Store

_NOTE = "kubernetes.io/limit-ranger"


class LimitRanger:
    """Reads the stored LimitRanges."""

    def __init__(self, store: Store) -> None:
        self._ranges = store.bucket("limitranges")

    async def admit(self, served: Served, operation: str, obj: Object, old: Object | None, write: Write) -> None:
        """Fill defaults in, with a note of what was."""
        if new_pod(served, operation, write):
            for limit_range in self._of(obj):
                _fill(obj, limit_range)

    async def check(self, served: Served, operation: str, obj: Object, old: Object | None, write: Write) -> None:
        """Raises ``Forbidden`` naming every bound that is not kept."""
        claim = served.storage == "persistentvolumeclaims" and operation != "DELETE" and not write.subresource
        resized = served.storage == "pods" and operation == "UPDATE" and write.subresource == "resize"
        if not (claim or resized or new_pod(served, operation, write)):
            return
        for limit_range in self._of(obj):
            found = [
                text for limit in limit_range["spec"].get("limits") or () for text in _broken(limit, obj, claim=claim)
            ]
            if found:
                raise forbidden(served, obj, found[0] if len(found) == 1 else f"[{', '.join(dict.fromkeys(found))}]")

    def _of(self, obj: Object) -> Iterator[Object]:
        space = obj["metadata"].get("namespace") or ""
        if self._ranges.spaces.get(space):
            yield from (entry.obj for *_, entry in self._ranges.scan(space))


def _fill(pod: Object, limit_range: Object) -> None:
    requests: dict[str, str] = {}
    limits: dict[str, str] = {}
    for limit in limit_range["spec"].get("limits") or ():
        if limit.get("type") == "Container":
            requests.update(limit.get("defaultRequest") or {})
            limits.update(limit.get("default") or {})
    notes = []
    for word, name in (("container", "containers"), ("init container", "initContainers")):
        for container in pod["spec"].get(name) or ():
            for side, wanted in (("requests", requests), ("limits", limits)):
                given = (container.get("resources") or {}).get(side) or {}
                more = {key: value for key, value in wanted.items() if key not in given}
                if more:
                    container["resources"] = {**(container.get("resources") or {}), side: {**given, **more}}
                    notes.append(f"{', '.join(sorted(more))} {side[:-1]} for {word} {container['name']}")
    if notes:
        meta = pod["metadata"]
        note = f"LimitRanger plugin set: {'; '.join(notes)}"
        meta["annotations"] = {**(meta.get("annotations") or {}), _NOTE: note}


def _broken(limit: Mapping[str, object], obj: Object, *, claim: bool) -> Iterator[str]:
    kind, spec = str(limit.get("type")), obj["spec"]
    if claim:
        if kind == "PersistentVolumeClaim":
            yield from _bounds(limit, kind, pod_resources.amounts(spec, "requests"), None)
    elif kind == "Container":
        for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
            amounts = (pod_resources.amounts(container, side) for side in ("requests", "limits"))
            yield from _bounds(limit, kind, *amounts)
    elif kind == "Pod":
        bare = {name: value for name, value in spec.items() if name != "overhead"}
        yield from _bounds(limit, kind, pod_resources.requests(bare), pod_resources.limits(bare))


def _bounds(limit: Mapping[str, object], kind: str, requests: Amounts, limits: Amounts | None) -> Iterator[str]:
    """``limits`` None: only requests count."""
    for name, bound in _given(limit, "min"):
        yield from _too_little(
            f"minimum {name} usage per {kind} is {canonical(bound)}", name, bound, requests, limits or {}
        )
    for name, bound in _given(limit, "max"):
        lead = f"maximum {name} usage per {kind} is {canonical(bound)}"
        if limits is None and name not in requests:
            yield f"{lead}.  No request is specified"
        elif limits is not None and name not in limits:
            yield f"{lead}.  No limit is specified"
        elif limits is not None and limits[name] > parse(bound):
            yield f"{lead}, but limit is {_shown(limits[name], bound)}"
        elif requests.get(name, Fraction(0)) > parse(bound):
            yield f"{lead}, but request is {_shown(requests[name], bound)}"
    for name, bound in _given(limit, "maxLimitRequestRatio"):
        lead = f"{name} max limit to request ratio per {kind} is {canonical(bound)}"
        if not requests.get(name):
            yield f"{lead}, but no request is specified or request is 0"
        elif not (limits or {}).get(name):
            yield f"{lead}, but no limit is specified or limit is 0"
        elif (limits or {})[name] / requests[name] > parse(bound):
            yield f"{lead}, but provided ratio is {float((limits or {})[name] / requests[name]):f}"


def _too_little(lead: str, name: str, bound: str, requests: Amounts, limits: Amounts) -> Iterator[str]:
    if name not in requests:
        yield f"{lead}.  No request is specified"
    elif requests[name] < parse(bound):
        yield f"{lead}, but request is {_shown(requests[name], bound)}"
    elif name in limits and limits[name] < parse(bound):
        yield f"{lead}, but limit is {_shown(limits[name], bound)}"


def _given(limit: Mapping[str, object], name: str) -> Iterator[tuple[str, str]]:
    found = limit.get(name)
    if isinstance(found, dict):
        yield from ((key, str(value)) for key, value in sorted(found.items()))


def _shown(amount: Fraction, like: str) -> str:
    return format_quantity(amount, like)
