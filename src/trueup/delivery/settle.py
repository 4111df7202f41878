"""From what a dialect wants to what can be sent: names, namespaces, marks, each object once. Called by ``pipeline``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from trueup.delivery.request import Request
from trueup.kube.names import Kind, Object, Ref
from trueup.plan.hooks import named
from trueup.plan.plan import Plan
from trueup.plan.prune import identity
from trueup.plan.wanted import DEFAULT, Wanted
from trueup.ports import ResourceInfo
from trueup.timing.rfc3339 import parse_time

FIRST = -(2**31)
"""The wave of a namespace that is made on the way: before everything."""


class Scopes:
    """Which kinds live in namespaces, by discovery and by the definitions that are themselves wanted."""

    def __init__(self, resources: Sequence[ResourceInfo]) -> None:
        self.resources = resources
        self._known = {(info.kind.group, info.kind.kind): info.namespaced for info in resources}
        self._served = {info.kind for info in resources}

    def serves(self, kind: Kind) -> bool:
        """Whether discovery lists this very version."""
        return kind in self._served

    def namespaced(self, kind: Kind, defined: Mapping[tuple[str, str], bool]) -> bool | None:
        """None when nobody knows the kind."""
        key = (kind.group, kind.kind)
        known = self._known.get(key)
        return defined.get(key) if known is None else known


@dataclass(frozen=True, slots=True)
class Settled:
    """What is ready to be compared and sent."""

    wanted: list[Wanted]
    repeated: list[tuple[Ref, int]]
    """Objects that were named several times, and how often."""
    defined: Mapping[tuple[str, str], bool]
    """(group, kind) of the custom kinds that are themselves wanted, and whether they live in namespaces."""


def settle(request: Request, scopes: Scopes) -> Settled:
    """Fill in namespaces, put the marks on, keep the last of several that are the same object."""
    defined = definitions(request.wanted)
    seen: dict[object, int] = {}
    counts: dict[object, int] = {}
    out: list[Wanted] = []
    for wanted in request.wanted:
        if request.policy.skip_hooks and wanted.hook is not None:
            continue
        obj = _placed(wanted.object, scopes.namespaced(wanted.ref.kind, defined), request.namespace)
        if wanted.owned:
            obj = request.mark(obj)
        settled = wanted if obj is wanted.object else wanted.with_object(obj)
        key = (identity(settled.ref), settled.phase if settled.hook else "")
        if key in seen and settled.ref.name:
            counts[key] = counts.get(key, 1) + 1
            out[seen[key]] = settled
        else:
            seen[key] = len(out)
            out.append(settled)
    return Settled(out, [(out[seen[key]].ref, count) for key, count in counts.items()], defined)


def namespace_of(request: Request, settled: Sequence[Wanted]) -> Wanted | None:
    """The default namespace as a wanted object, where the policy says to make it and the unit does not bring it."""
    policy = request.policy
    if not policy.create_namespace or not request.namespace:
        return None
    obj: Object = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": request.namespace}}
    if policy.namespace_labels:
        obj["metadata"]["labels"] = dict(policy.namespace_labels)
    if policy.namespace_annotations:
        obj["metadata"]["annotations"] = dict(policy.namespace_annotations)
    made = Wanted(obj, phase="PreSync", wave=FIRST, options=replace(DEFAULT, extraneous=True), owned=False)
    if any(identity(wanted.ref) == identity(made.ref) for wanted in settled):
        return None
    return made


def definitions(wanted: Sequence[Wanted]) -> dict[tuple[str, str], bool]:
    """The custom kinds that these objects define."""
    found: dict[tuple[str, str], bool] = {}
    for item in wanted:
        if item.ref.kind.kind == "CustomResourceDefinition":
            spec = item.object.get("spec") or {}
            kind = (spec.get("names") or {}).get("kind")
            found[(str(spec.get("group")), str(kind))] = spec.get("scope") == "Namespaced"
    return found


def _placed(obj: Object, namespaced: bool | None, default: str) -> Object:
    """The object in the namespace where it will live. Of an unknown kind, what it says is believed."""
    meta = obj.get("metadata") or {}
    namespace = meta.get("namespace") or ""
    if namespaced is False and namespace:
        return {**obj, "metadata": {name: value for name, value in meta.items() if name != "namespace"}}
    if namespaced is not False and not namespace and default:
        return {**obj, "metadata": {**meta, "namespace": default}}
    return obj


def with_names(plan: Plan, revision: str, started: str) -> Plan:
    """The plan with its hooks that have only a ``generateName`` named after the operation."""
    if all(change.ref.name for change in plan.changes):
        return plan
    seconds = int(parse_time(started))
    changes = []
    for change in plan.changes:
        if not change.ref.name and change.wanted is not None:
            wanted = named(change.wanted, revision, seconds)
            change = replace(change, wanted=wanted, ref=wanted.ref)
        changes.append(change)
    return replace(plan, changes=tuple(changes))
