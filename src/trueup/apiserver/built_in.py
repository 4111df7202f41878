"""The registry's entries for what a version of Kubernetes serves by itself. Read when the hub opens."""

from __future__ import annotations

from collections.abc import Iterator

from trueup.apiserver.registry import Served
from trueup.apiserver.strategies import table
from trueup.kube import validation
from trueup.kube.defaults import apply_defaults
from trueup.kube.names import Kind, Object
from trueup.kube.reading import Struct
from trueup.kube.types import Types

_DEPRECATED = {("", "v1", "Endpoints"): ((1, 33), "use discovery.k8s.io/v1 EndpointSlice")}
"""Since when, and what to use instead. Source: each type's ``APILifecycleDeprecated`` and its like."""


def _warning(kind: Kind, version: str) -> str:
    """What is told with every answer about a deprecated kind; "" of others. Source: apiserver ``deprecation.WarningMessage``."""
    (major, minor), instead = _DEPRECATED.get((kind.group, kind.version, kind.kind), ((0, 0), ""))
    if not instead or tuple(map(int, version.split("."))) < (major, minor):
        return ""
    return f"{kind.api_version} {kind.kind} is deprecated in v{major}.{minor}+; {instead}"


def built_in(types: Types) -> Iterator[Served]:
    """The registry's entries for the built-in kinds of a version."""
    for row in types.resources:
        kind = row.kind
        struct = types.struct(kind)
        rules = validation.Rules(kind, types.definition_name(kind), types.definitions)

        def fill(obj: Object, kind: Kind = kind, struct: Struct | None = struct) -> None:
            if struct is not None:
                struct.settle(obj)
            apply_defaults(kind, obj)

        yield Served(
            resource=row.resource,
            kind=kind,
            list_kind=f"{kind.kind}List",
            namespaced=row.namespaced,
            verbs=row.verbs,
            shape=types.shape(kind),
            storage=row.storage.group_resource,
            singular=row.singular,
            short_names=row.short_names,
            categories=row.categories,
            subresources=row.subresources,
            strategy=table.of(kind),
            minor=types.minor,
            struct=struct,
            warning=_warning(kind, types.version),
            default=fill,
            validate=rules.check,
            validate_update=rules.check_update,
            validates_again=rules.again,
        )
