"""Labels and annotations. Called by `build` and `plugins`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from trueup.kustomize.fieldspecs import Specs
from trueup.kustomize.filters.fields import apply
from trueup.kustomize.merge import wrong_kind
from trueup.kustomize.resource import Resource, Shared
from trueup.kustomize.scalars import is_null


def set_entries(resources: Iterable[Resource], entries: Mapping[str, str], specs: Specs) -> None:
    """Sets entries in every map that the specs name, making it where a spec says so."""
    if not entries:
        return
    ordered = dict(sorted(entries.items()))
    places: dict[str, list[tuple[dict[str, Any], str]]] = {}

    def setter(holder: Any, key: Any) -> None:
        found = holder[key]
        if is_null(found):
            return
        if not isinstance(found, dict):
            raise wrong_kind(found, "MappingNode")
        for name, value in ordered.items():
            if name not in found:
                places.setdefault(name, []).append((found, name))
            found[name] = value

    for resource in resources:
        places.clear()
        apply(resource, specs, setter, "map")
        resource.spread()
        resource.shared += [Shared(ordered[name], found) for name, found in places.items() if len(found) > 1]
