"""Expressions that choose devices, in claims, their templates and classes: do they compile? Called by the strategies.

Source: ``dynamic-resource-allocation/cel/compile.go``; ``validateCELSelector`` of ``pkg/apis/resource/validation``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from typing import Any

from trueup.cel import CelProblem, Environment, amounts, compile, kubernetes, types
from trueup.cel.macros import BINDING
from trueup.cel.types import Field, ObjectType, Type, map_of, struct
from trueup.kube.names import Object
from trueup.kube.problems import Cause
from trueup.kube.validation.causes import invalid

_DEVICE = "kubernetes.DRADevice"
_LONGEST = 10 * 1024


@cache
def _environment() -> Environment:
    """What they may speak of: one device."""

    def by_domain(of: Type) -> Type:
        return map_of(types.STRING, map_of(types.STRING, of))

    fields = {
        "driver": types.STRING,
        "attributes": by_domain(types.ANY),
        "capacity": by_domain(amounts.QUANTITY_TYPE),
        "allowMultipleAllocations": types.BOOL,
    }
    device = ObjectType(_DEVICE, {name: Field(name, of) for name, of in fields.items()})
    return kubernetes().with_library((), BINDING).with_objects([device]).with_variables({"device": struct(_DEVICE)})


@lru_cache(maxsize=1024)
def _problem(text: str) -> str:
    try:
        found = compile(text, _environment()).type
    except CelProblem as problem:
        return f"compilation failed: {problem}"
    if found in (types.BOOL, types.ANY):
        return ""
    return f"must evaluate to bool or the unknown type, not {types.type_word(found)}"


def _selectors(found: Any, path: str) -> Iterator[Cause]:
    for index, one in enumerate(found or ()):
        text = (one.get("cel") or {}).get("expression") or ""
        if text and len(text.encode()) <= _LONGEST and (why := _problem(text)):
            yield invalid(f"{path}[{index}].cel.expression", text, why)


def _requests(spec: Object, path: str) -> Iterator[Cause]:
    for index, one in enumerate((spec.get("devices") or {}).get("requests") or ()):
        at = f"{path}.devices.requests[{index}]"
        yield from _selectors((one.get("exactly") or {}).get("selectors"), f"{at}.exactly.selectors")
        for number, sub in enumerate(one.get("firstAvailable") or ()):
            yield from _selectors(sub.get("selectors"), f"{at}.firstAvailable[{number}].selectors")


def device_class(new: Object, old: Object | None) -> Iterator[Cause]:
    """DeviceClass."""
    return _selectors((new.get("spec") or {}).get("selectors"), "spec.selectors")


def claims(*above: str) -> Callable[[Object, Object | None], Iterator[Cause]]:
    """ResourceClaim, or what makes them: the path to the claim's spec."""

    def check(new: Object, old: Object | None) -> Iterator[Cause]:
        spec = new
        for name in above:
            spec = spec.get(name) or {}
        # A claim that is there does not change.
        return _requests(spec, ".".join(above)) if old is None or len(above) > 1 else iter(())

    return check
