"""Fields that people set by hand, taken over so that what Git does not say goes. Called by ``delivery`` and ``apply``.

Server-side apply alone leaves a field alone that only another manager owns. Flux therefore makes the fields of kubectl's
managers its own before it applies. Source: fluxcd/pkg ``ssa/patch.go`` (``PatchReplaceFieldsManagers``).
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from trueup.kube.names import Object
from trueup.plan.ignore import position

CLIENT_SIDE = "kubectl-client-side-apply"
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

Fields = Mapping[str, Any]
"""A ``fieldsV1`` set."""


def matches(entry: Object, managers: Iterable[str]) -> bool:
    """Whether a managed fields entry is one of these managers', by prefix (``kubectl`` means ``kubectl-edit``, too)."""
    return not entry.get("subresource") and any(str(entry.get("manager", "")).startswith(name) for name in managers)


def concerns(live: Object, managers: Sequence[str]) -> bool:
    """Whether a live object may have fields of theirs, told without its managed fields: client-side apply leaves its mark."""
    if tuple(managers) != (CLIENT_SIDE,):
        return bool(managers)
    return _LAST_APPLIED in ((live.get("metadata") or {}).get("annotations") or {})


def taken_over(entries: Sequence[Object], managers: Sequence[str], owner: str) -> list[Object] | None:
    """The managed fields with those managers' entries made the owner's; None when there are none of theirs."""
    theirs = [entry for entry in entries if matches(entry, managers)]
    if not theirs:
        return None
    own = next((e for e in entries if e.get("manager") == owner and e.get("operation") == "Apply"), None)
    rest = [entry for entry in entries if entry is not own and not matches(entry, managers)]
    base = own if own is not None else {**theirs[0], "manager": owner, "operation": "Apply"}
    fields = union(entry.get("fieldsV1") or {} for entry in ([own] if own is not None else []) + theirs)
    return [*rest, {**base, "fieldsV1": fields}]


def union(sets: Iterable[Fields]) -> dict[str, Any]:
    """All fields of several sets."""
    out: dict[str, Any] = {}
    for fields in sets:
        for name, below in fields.items():
            out[name] = union([out[name], below]) if name in out else dict(below)
    return out


def without_unwanted(
    predicted: Object, wanted: Object, entries: Sequence[Object], managers: Sequence[str], owner: str
) -> Object:
    """What the server would make of the wanted object once those managers' fields are taken over."""
    theirs = union(entry.get("fieldsV1") or {} for entry in entries if matches(entry, managers))
    if not theirs:
        return predicted
    others = union(
        entry.get("fieldsV1") or {}
        for entry in entries
        if not matches(entry, managers) and not (entry.get("manager") == owner and entry.get("operation") == "Apply")
    )
    out = copy.deepcopy(predicted)
    _drop(out, theirs, wanted, others)
    return out


def _drop(obj: Any, fields: Fields, wanted: Any, others: Fields) -> None:
    """Take out, in place, what ``fields`` names and neither the wanted object nor anybody else has."""
    for name, below in fields.items():
        found, mine = _find(obj, name), _find(wanted, name)
        if found is None or name == "f:status":
            continue
        inner = {key: value for key, value in below.items() if key != "."}
        if inner:
            _drop(obj[found], inner, wanted[mine] if mine is not None else None, others.get(name) or {})
        if mine is None and name not in others and (not inner or not obj[found] or _only_key(name, obj[found])):
            del obj[found]


def _find(holder: Any, name: str) -> Any:
    """The dict key or list index that an element of a field set names; None when it is not there."""
    kind, _, key = name.partition(":")
    if kind == "f" and isinstance(holder, dict):
        return key if key in holder else None
    if kind in ("k", "v", "i") and isinstance(holder, list):
        return position(holder, kind, key)
    return None


def _only_key(name: str, left: Any) -> bool:
    """Whether nothing but its merge keys is left of a list item."""
    return name.startswith("k:") and isinstance(left, dict) and all(f'"{key}":' in name for key in left)
