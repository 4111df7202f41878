"""Replica counts by name. Called by `build` and `plugins`. Source: kustomize's replica count transformer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trueup.kustomize.fieldspecs import Specs
from trueup.kustomize.filters.fields import apply
from trueup.kustomize.merge import wrong_kind
from trueup.kustomize.problem import KustomizeProblem
from trueup.kustomize.resources import Resources
from trueup.kustomize.scalars import text_of


def set_replicas(resources: Resources, entry: Mapping[str, Any], specs: Specs) -> None:
    """Sets the count in the objects of a name, which has to be there in one of the kinds that have replicas."""
    name, count = text_of(entry.get("name")), int(entry.get("count") or 0)

    def setter(holder: Any, key: Any) -> None:
        if isinstance(holder[key], (dict, list)):
            raise wrong_kind(holder[key], "ScalarNode")
        holder[key] = str(count) if isinstance(holder[key], str) and holder[key] else count  # as it was written

    found = False
    for spec in specs:
        for resource in resources.by_any_id(name, spec.gvk.selects):
            found = True
            apply(resource, (spec,), setter, "scalar")
    if not found:
        kinds = " ".join(str(spec.gvk) for spec in specs)
        raise KustomizeProblem(
            f"resource with name {name} does not match a config with the following GVK [{kinds}]", field="replicas"
        )
