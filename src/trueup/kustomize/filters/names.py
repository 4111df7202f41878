"""Prefix, suffix and content hash of names. Called by `build` and `plugins`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from trueup.kustomize.fieldspecs import Specs
from trueup.kustomize.filters.fields import apply_one
from trueup.kustomize.hashing import content_hash
from trueup.kustomize.ids import Gvk
from trueup.kustomize.merge import wrong_kind
from trueup.kustomize.resource import Resource
from trueup.kustomize.scalars import text_of

_NEVER = (Gvk(kind="CustomResourceDefinition"), Gvk("apiregistration.k8s.io", "", "APIService"), Gvk(kind="Namespace"))
"""Their names mean something to others."""


def add_affix(resources: Iterable[Resource], affix: str, specs: Specs, *, before: bool) -> None:
    """Puts a prefix or a suffix on the names that the specs name."""

    def setter(holder: Any, key: Any) -> None:
        value = holder[key]
        if isinstance(value, (dict, list)):
            raise wrong_kind(value, "ScalarNode")
        holder[key] = affix + text_of(value) if before else text_of(value) + affix

    for resource in resources:
        original = resource.original_id
        if any(gvk.selects(original) for gvk in _NEVER):
            continue
        for spec in specs:
            if not spec.gvk.selects(original):
                continue
            if spec.path == "metadata/name" and affix:
                (resource.prefixes if before else resource.suffixes).append(affix)
                resource.remember_id()
            if spec.gvk.selects(resource.gvk):
                apply_one(resource, spec, setter, "scalar")


def add_hashes(resources: Iterable[Resource]) -> None:
    """Appends a hash of the content to the names of generated objects."""
    for resource in resources:
        if resource.hash_suffix:
            digest = content_hash(resource)
            resource.remember_id()
            resource.set_name(f"{resource.name}-{digest}")
