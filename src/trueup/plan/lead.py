"""Namespaces and definitions go before what needs them, whatever their own wave says. Called by ``delivery`` on sorted lines.

Source: gitops-engine ``syncTasks.Sort`` (``adjustDeps``): what others of the same operation depend on takes the phase and
the wave of the first of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from trueup.kube.names import Object
from trueup.plan.plan import Change
from trueup.plan.wanted import PHASES, Phase

Key = tuple[str, str]


def led(changes: Sequence[Change]) -> Sequence[Change]:
    """The lines, in order, with leaders moved to the phase and wave of the first that follows them; to be sorted again.

    The very same lines when there is nobody to lead.
    """
    if not any(change.ref.kind.kind in ("Namespace", "CustomResourceDefinition") for change in changes):
        return changes
    return _led(_led(changes, _namespace, _in_namespace), _definition, _of_kind)


def _led(
    changes: Sequence[Change], leads: Callable[[Object], Key | None], follows: Callable[[Object], Key | None]
) -> list[Change]:
    first: dict[Key, tuple[Phase, int]] = {}
    out = list(changes)
    for index, change in enumerate(changes):
        if change.wanted is None:
            continue
        led_by = leads(change.wanted.object)
        if led_by is None:
            key = follows(change.wanted.object)
            if key is not None:
                first.setdefault(key, (change.phase, change.wave))
        elif led_by in first and _later(change, first[led_by]):
            phase, wave = first[led_by]
            out[index] = replace(change, phase=phase, wave=wave)
    return out


def _later(change: Change, than: tuple[Phase, int]) -> bool:
    return (PHASES.index(change.phase), change.wave) > (PHASES.index(than[0]), than[1])


def _namespace(obj: Object) -> Key | None:
    return (
        ("", str(obj["metadata"].get("name")))
        if obj.get("kind") == "Namespace" and obj.get("apiVersion") == "v1"
        else None
    )


def _in_namespace(obj: Object) -> Key | None:
    namespace = (obj.get("metadata") or {}).get("namespace")
    return ("", str(namespace)) if namespace else None


def _definition(obj: Object) -> Key | None:
    if obj.get("kind") != "CustomResourceDefinition":
        return None
    spec = obj.get("spec") or {}
    return str(spec.get("group")), str((spec.get("names") or {}).get("kind"))


def _of_kind(obj: Object) -> Key | None:
    return str(obj.get("apiVersion") or "").rpartition("/")[0], str(obj.get("kind"))
