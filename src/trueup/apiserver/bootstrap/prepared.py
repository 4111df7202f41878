"""What every cluster of a version has from the start, managed fields included. Pure; called by `seed`.

Made once per process and version: clusters share it, and each object only gets its identity and the time anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from trueup.apiserver import fresh
from trueup.apiserver.bootstrap import flows, roles, services
from trueup.apiserver.bootstrap.aggregation import MANAGER as AGGREGATOR
from trueup.apiserver.strategies import table
from trueup.kube.names import Kind, Object
from trueup.kube.shapes import Shape
from trueup.kube.types import Types
from trueup.merge import owners

MANAGER = "kube-apiserver"
_FLOWS = "api-priority-and-fairness-config-producer-v1"
_FOLLOWER = "api-priority-and-fairness-config-consumer-v1"
_CONDITION: Object = {part: {} for part in (".", "f:lastTransitionTime", "f:message", "f:reason", "f:status", "f:type")}
_LATER = {"FlowSchema": ("status",), "PriorityLevelConfiguration": ("status",), "APIService": ("status",)}
"""What a controller adds to an object that is there."""
_PRIORITIES: Sequence[tuple[str, int, str]] = (
    ("cluster", 2_000_000_000, "run in the cluster, but can be moved to another node if necessary."),
    ("node", 2_000_001_000, "not be moved from their current node."),
)
_UNDATED = "1970-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Prepared:
    """One object and where it is stored. ``obj`` is shared: whoever changes it changes a copy."""

    storage: str
    namespace: str
    name: str
    obj: Object


@lru_cache(maxsize=2)
def everything(types: Types) -> Sequence[Prepared]:
    """All objects of a version, without identity and time."""
    made: list[Prepared] = []
    for obj, manager in _objects(types):
        kind, meta = Kind.of(obj), obj["metadata"]
        row = types.by_kind(kind)
        if row is not None:
            obj = owned(obj, types.shape(kind), manager, counted=table.of(kind).counts_generations)
            made.append(Prepared(row.storage.group_resource, meta.get("namespace") or "", meta["name"], obj))
    return tuple(made)


def _objects(types: Types) -> Iterator[tuple[Object, str]]:
    """Each with who writes it."""
    for obj in (*roles.roles(types.minor), *roles.bindings(types.minor), *_priorities()):
        yield obj, MANAGER
    for obj in services.built_in(types):
        yield obj, MANAGER
    for obj in (*flows.levels(), *flows.schemas()):
        yield obj, _FLOWS


def owned(obj: Object, shape: Shape, manager: str, *, counted: bool) -> Object:
    """The object as it is stored, with its owners, but for identity and time. Shares what it is given.

    ``counted``: its generations are.
    """
    obj = {**obj, "metadata": {**obj["metadata"], "uid": "", "creationTimestamp": _UNDATED}}
    if counted:
        obj["metadata"]["generation"] = 1
    parts = ("rules",) if "aggregationRule" in obj else _LATER.get(obj["kind"], ())
    later = {name: obj.pop(name) for name in parts if name in obj}
    obj = owners.track_update(None, obj, shape, manager=manager, now=_UNDATED)
    if later:
        obj |= later
        entry = {"apiVersion": obj["apiVersion"], "fieldsType": "FieldsV1", "operation": "Apply", "time": _UNDATED}
        if "aggregationRule" in obj:
            _own(obj, {**entry, "manager": AGGREGATOR, "fieldsV1": {"f:rules": {}}})
        elif obj["kind"] == "FlowSchema":
            fields = {"f:status": {"f:conditions": {'k:{"type":"Dangling"}': _CONDITION}}}
            _own(obj, {**entry, "manager": _FOLLOWER, "fieldsV1": fields, "subresource": "status"})
    return obj


def _own(obj: Object, entry: Object) -> None:
    obj["metadata"]["managedFields"].insert(0, entry)


def dated(obj: Object, now: str) -> Object:
    """What `owned` made, as an object of its own, made now; shares all that says nothing of identity and time."""
    meta = obj["metadata"]
    entries = [{**entry, "time": now} for entry in meta["managedFields"]]
    made = {**obj, "metadata": {**meta, "uid": fresh.uid(), "creationTimestamp": now, "managedFields": entries}}
    status = obj.get("status")
    if status and status.get("conditions"):
        found = [{**condition, "lastTransitionTime": now} for condition in status["conditions"]]
        made["status"] = {**status, "conditions": found}
    return made


def _priorities() -> Iterator[Object]:
    for what, value, how in _PRIORITIES:
        yield {
            "apiVersion": "scheduling.k8s.io/v1",
            "kind": "PriorityClass",
            "metadata": {"name": f"system-{what}-critical"},
            "value": value,
            "description": f"Used for system critical pods that must {how}",
            "preemptionPolicy": "PreemptLowerPriority",
        }
