"""What is wrong with a custom object but was so before: an update is not refused for what it does not touch. Pure.

Called where custom objects are checked. Source: apiextensions-apiserver ``apiserver/validation/ratcheting.go``; KEP-4008.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from trueup.kube.names import Object
from trueup.kube.problems import Cause
from trueup.kube.schema import NOWHERE, validate

_STEP = re.compile(r"[^.\[\]]+|\[[^\]]*\]")
_TOGETHER = re.compile(r'Invalid value: "": "([^"]*)" must ')
_ABSENT = object()
_TWICE = "FieldValueDuplicate"
Schema = Mapping[str, Any]


def still_wrong(causes: Iterable[Cause], new: Object, old: Object, schema: Schema) -> list[Cause]:
    """The causes that lie in what the update changed."""
    found = [cause for cause in causes if not _untouched(cause, new, old, schema)]
    if _twice(found) and _twice(validate(old, schema)):  # lists that held something twice may hold more twice
        found = [cause for cause in found if cause.reason != _TWICE]
    return found


def _twice(causes: Iterable[Cause]) -> bool:
    return any(cause.reason == _TWICE for cause in causes)


def _untouched(cause: Cause, new: Any, old: Any, schema: Schema) -> bool:
    """Whether the innermost value that the mistake is in, and that can be told again, is as it was."""
    together = _TOGETHER.match(cause.message) if cause.field == NOWHERE else None
    steps = _STEP.findall(together[1] if together is not None else cause.field)
    if cause.reason in ("FieldValueRequired", _TWICE):
        steps = steps[:-1]  # what is missing is missing from what is around it; what is twice is so in its list
    if not steps or steps[0] == "metadata":
        return False
    while steps:
        below, taken = _into(new, steps, schema)
        if not taken:
            break
        before, inner = _same_place(new, old, below, steps[:taken], schema)
        steps = steps[taken:]
        if before is _ABSENT or inner is None:
            break
        new, old, schema = below, before, inner
    else:
        return bool(new == old)
    # Beyond here nothing can be told again: the nearest that could decides.
    return bool(new == old)


def _into(value: Any, steps: list[str], schema: Schema) -> tuple[Any, int]:
    """The value one step further in, and how many words of the path that took: keys may hold dots."""
    if isinstance(value, list) and steps[0].startswith("["):
        place = steps[0][1:-1]
        return (value[int(place)], 1) if place.isdigit() and int(place) < len(value) else (_ABSENT, 0)
    if isinstance(value, dict):
        for count in range(len(steps), 0, -1):
            name = ".".join(steps[:count])
            if name in value:
                return value[name], count
        bare = steps[0].strip("[]")
        if bare in value:
            return value[bare], 1
    return _ABSENT, 0


def _same_place(new: Any, old: Any, below: Any, words: list[str], schema: Schema) -> tuple[Any, Schema | None]:
    """What was at the same place before, and the schema there."""
    if isinstance(new, list):
        keys = schema.get("x-kubernetes-list-map-keys") or ()
        if schema.get("x-kubernetes-list-type") != "map" or not isinstance(old, list) or not isinstance(below, dict):
            return _ABSENT, None
        wanted = [below.get(key) for key in keys]
        found = (one for one in old if isinstance(one, dict) and [one.get(key) for key in keys] == wanted)
        return next(found, _ABSENT), schema.get("items")
    if not isinstance(old, dict):
        return _ABSENT, None
    name = ".".join(words).strip("[]")
    inner = (schema.get("properties") or {}).get(name)
    if inner is None:
        further = schema.get("additionalProperties")
        inner = further if isinstance(further, Mapping) else None
    return old.get(name, _ABSENT), inner
