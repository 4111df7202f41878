"""Live against wanted: one line of the plan. Called by ``delivery``, which knows what the server would make of the wanted object.

The server is asked (a dry-run apply) instead of imitated: defaults, quantities, list keys and ownership of fields are its own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from trueup.kube.names import Object, Ref
from trueup.kube.shapes import ANY, Shape
from trueup.merge.changes import FieldChange, changes

_NOISE = frozenset({"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink"})
"""Metadata that the server keeps for itself."""
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
HIDDEN = "(hidden)"
_VALUE = re.compile(r'((?:Invalid|Unsupported|Duplicate) value: )("(?:[^"\\]|\\.)*"|[^:]*)')
_QUOTED = re.compile(r"\{Value:.*\}", re.DOTALL)
"""How structured-merge-diff quotes a value of the wrong type."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What a comparison found. ``refused``: why the server would not take the wanted object."""

    fields: tuple[FieldChange, ...] = ()
    refused: str = ""
    immutable: bool = False
    """Refused because a field cannot be changed; deleting and creating anew would do."""
    adopt: bool = False
    """Other managers' fields are to be taken over first."""

    @property
    def in_sync(self) -> bool:
        """Whether nothing differs that counts."""
        return not self.fields and not self.refused


SAME = Compared()


def bare(obj: Object) -> Object:
    """An object without status and without the server's bookkeeping: what counts in a comparison. Shares what it keeps."""
    meta = obj.get("metadata") or {}
    out = {name: value for name, value in obj.items() if name != "status"}
    out["metadata"] = {name: value for name, value in meta.items() if name not in _NOISE}
    return out


def compare(live: Object, predicted: Object, shape: Shape = ANY) -> Compared:
    """What would change if the wanted object were applied; both sides as ``bare`` (and ignoring) left them."""
    if live == predicted:
        return SAME
    return Compared(hidden(Ref.of(predicted), changes(live, predicted, shape)))


def veiled(fields: Sequence[FieldChange]) -> tuple[FieldChange, ...]:
    """The same differences with all values hidden: those of an object that was encrypted in its source."""
    return tuple(_hide(change) for change in fields)


def hidden(ref: Ref, fields: Sequence[FieldChange]) -> tuple[FieldChange, ...]:
    """The same differences with a Secret's values hidden: where they differ may be known, what they are may not."""
    if ref.kind.kind != "Secret" or ref.kind.group:
        return tuple(fields)
    return tuple(_hide(change) if _secret(change.path) else change for change in fields)


def told(ref: Ref, message: str, *, secret: bool = False) -> str:
    """What the API said of an object, without the value that it quotes when the object is a Secret (or as good as one)."""
    if secret:
        message = _QUOTED.sub(f"{{Value:{HIDDEN}}}", message)
        return _VALUE.sub(rf"\1{HIDDEN}", message)
    if ref.kind.kind != "Secret" or ref.kind.group:
        return message
    return _QUOTED.sub(f"{{Value:{HIDDEN}}}", message)


def _secret(path: str) -> bool:
    first = path.lstrip("./").replace("[", ".").replace("/", ".").split(".", 1)[0]
    return first in ("data", "stringData") or _LAST_APPLIED in path or path.rstrip("/.").endswith("annotations")


def _hide(change: FieldChange) -> FieldChange:
    return FieldChange(path=change.path, old=_veil(change.old), new=_veil(change.new), op=change.op)


def _veil(value: Any) -> Any:
    if value is None:
        return None
    return dict.fromkeys(value, HIDDEN) if isinstance(value, dict) else HIDDEN
