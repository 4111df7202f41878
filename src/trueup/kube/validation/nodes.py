"""Nodes. Source: Kubernetes ``core/validation``, ValidateNode."""

from __future__ import annotations

from collections.abc import Iterable

from trueup.kube.names import Object
from trueup.kube.problems import Cause
from trueup.kube.validation import addresses, formats, resources
from trueup.kube.validation.causes import Causes, each_invalid, invalid, not_supported, required, show_go

_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def node(obj: Object) -> Causes:
    """v1 Node."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    if spec.get("taints"):
        yield from _taints(spec["taints"], "metadata.taints")  # as Kubernetes calls it
    for part in ("capacity", "allocatable"):
        for name, value in (status.get(part) or {}).items():
            yield from resources.amount(name, value, f"status.{part}.{name}")
    blocks = spec.get("podCIDRs") or []
    for index, block in enumerate(blocks):
        yield from addresses.block(f"spec.podCIDRs[{index}]", block, canonical=False)
    versions = {":" in block for block in blocks}
    if len(blocks) > 2 or (len(blocks) > 1 and len(versions) < 2):
        yield invalid("spec.podCIDRs", blocks, "may specify no more than one CIDR for each IP family")


def _taints(found: Iterable[Object], path: str) -> Causes:
    seen: set[tuple[str, str]] = set()
    for index, taint in enumerate(found):
        at, key, effect = f"{path}[{index}]", taint.get("key") or "", taint.get("effect") or ""
        yield from each_invalid(f"{at}.key", key, formats.qualified(key))
        problems = formats.label_value(taint.get("value") or "")
        if problems:
            yield invalid(f"{at}.value", taint["value"], ";".join(problems))
        if not effect:
            yield required(f"{at}.effect")
        elif effect not in _EFFECTS:
            yield not_supported(f"{at}.effect", effect, _EFFECTS)
        if (key, effect) in seen:
            value = taint.get("value") or ""
            shown = show_go({"Key": key, "Value": value, "Effect": effect, "TimeAdded": taint.get("timeAdded")})
            text = f"Duplicate value: {shown}: taints must be unique by key and effect pair"
            yield Cause("FieldValueDuplicate", text, at)
        seen.add((key, effect))
