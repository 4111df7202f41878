"""Labels and annotations. Called by `build` and `plugins`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from trueup.kustomize.fieldspecs import Specs
from trueup.kustomize.filters.fields import apply
from trueup.kustomize.merge import wrong_kind
from trueup.kustomize.resource import Resource
from trueup.kustomize.scalars import is_null


def set_entries(resources: Iterable[Resource], entries: Mapping[str, str], specs: Specs) -> None:
    """Sets entries in every map that the specs name, making it where a spec says so."""
    if not entries:
        return
    ordered = dict(sorted(entries.items()))

    def setter(holder: Any, key: Any) -> None:
        found = holder[key]
        if is_null(found):
            return
        if not isinstance(found, dict):
            raise wrong_kind(found, "MappingNode")
        found.update(ordered)

    for resource in resources:
        apply(resource, specs, setter, "map")
