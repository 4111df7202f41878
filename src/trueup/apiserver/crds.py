"""CustomResourceDefinitions become served resources. Called by the hub whenever a definition changes.

Source: apiextensions-apiserver; Kubernetes documentation, "Custom Resources". Webhook conversion and CEL rules are not
carried out yet: a definition that asks for them says so in its conditions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from trueup.apiserver.registry import Served
from trueup.kube.names import Kind, Object, Resource
from trueup.kube.problems import Cause
from trueup.kube.schema import validate
from trueup.kube.shape_of import shape_of_schema
from trueup.kube.shapes import SCALAR, Shape
from trueup.kube.types import VERBS, Subresource, Types
from trueup.store.state import Event

if TYPE_CHECKING:
    from trueup.apiserver.hub import Hub

CRD = Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions")
CRD_KIND = Kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition")
CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
_UPDATES = frozenset({"get", "patch", "update"})


def served_by(definition: Object, types: Types) -> Iterator[Served]:
    """One entry for each served version."""
    spec = definition["spec"]
    names, group = spec["names"], spec["group"]
    for version in spec.get("versions") or ():
        if not version.get("served"):
            continue
        kind = Kind(group, version["name"], names["kind"])
        schema = (version.get("schema") or {}).get("openAPIV3Schema") or {}
        warning = ""
        if version.get("deprecated"):
            warning = version.get("deprecationWarning") or f"{kind.api_version} {kind.kind} is deprecated"
        yield Served(
            resource=Resource(group, version["name"], names["plural"]),
            kind=kind,
            list_kind=names.get("listKind") or f"{names['kind']}List",
            namespaced=spec.get("scope") == "Namespaced",
            verbs=VERBS,
            shape=custom_shape(schema, types),
            storage=f"{names['plural']}.{group}",
            singular=names.get("singular") or names["kind"].lower(),
            short_names=tuple(names.get("shortNames") or ()),
            categories=tuple(names.get("categories") or ()),
            subresources=_subresources(version, kind),
            validate=_validator(schema),
            warning=warning,
            crd=definition,
            version_spec=version,
            columns=tuple(version.get("additionalPrinterColumns") or ()),
        )


def custom_shape(schema: Mapping[str, Any], types: Types) -> Shape:
    """A structural schema's shape; type, version and metadata are known for every object."""
    inner = shape_of_schema(schema)
    if inner.of != "map":
        return inner
    fields = {**inner.fields, "apiVersion": SCALAR, "kind": SCALAR, "metadata": types.metadata_shape()}
    return Shape(
        "map",
        preserve_unknown=inner.preserve_unknown,
        schema=schema,
        make=lambda: (fields, inner.values, None),
    )


def _subresources(version: Mapping[str, Any], kind: Kind) -> Mapping[str, Subresource]:
    found: dict[str, Subresource] = {}
    for name in version.get("subresources") or {}:
        if name == "status":
            found["status"] = Subresource(kind, _UPDATES)
        elif name == "scale":
            found["scale"] = Subresource(Kind("autoscaling", "v1", "Scale"), _UPDATES)
    return found


def _validator(schema: Mapping[str, Any]) -> Any:
    skipped = {"apiVersion", "kind", "metadata"}
    properties = {name: below for name, below in (schema.get("properties") or {}).items() if name not in skipped}
    required = [name for name in schema.get("required") or () if name != "metadata"]
    own = {**schema, "properties": properties, "required": required}

    def check(obj: Object) -> Iterator[Cause]:
        yield from validate(obj, own)

    return check


class Definitions:
    """Follows the stored definitions and keeps the registry as they say."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._served: dict[str, list[Resource]] = {}
        bucket = hub.store.bucket(CRD.group_resource)
        for _, name, entry in bucket.scan():
            self._serve(name, entry.obj)
        bucket.listeners.append(self._hear)

    def _hear(self, event: Event) -> None:
        if event.type == "DELETED":
            self._drop(event.name, keep=())
        else:
            self._serve(event.name, event.entry.obj)

    def _serve(self, name: str, definition: Object) -> None:
        entries = list(served_by(definition, self._hub.types))
        self._drop(name, keep=tuple(entry.resource for entry in entries))
        for entry in entries:
            known = self._hub.registry.get(entry.resource)
            if known is None or known.crd is None or known.crd.get("spec") != definition.get("spec"):
                self._hub.registry.add(entry)
        self._served[name] = [entry.resource for entry in entries]

    def _drop(self, name: str, keep: tuple[Resource, ...]) -> None:
        for resource in self._served.pop(name, ()):
            if resource not in keep:
                self._hub.registry.remove(resource)


def accept(definition: Object, now: str) -> None:
    """What the API server writes into a definition that it accepts, in place: names, conditions, stored versions."""
    spec, meta = definition["spec"], definition["metadata"]
    status = definition.setdefault("status", {})
    status["acceptedNames"] = dict(spec["names"])
    stored = next((v["name"] for v in spec.get("versions") or () if v.get("storage")), "")
    known = list(status.get("storedVersions") or ())
    status["storedVersions"] = known if stored in known or not stored else [*known, stored]
    wanted = [
        ("NamesAccepted", "NoConflicts", "no conflicts found"),
        ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
    ]
    unsupported = not_carried_out(spec)
    if unsupported:
        wanted.append(("RulesNotEvaluated", "NotSupported", unsupported))
    before = {c.get("type"): c for c in status.get("conditions") or ()}
    status["conditions"] = [
        before.get(type_)
        or {"type": type_, "status": "True", "lastTransitionTime": now, "reason": reason, "message": message}
        for type_, reason, message in wanted
    ]
    finalizers = list(meta.get("finalizers") or ())
    if CLEANUP not in finalizers and not meta.get("deletionTimestamp"):
        meta["finalizers"] = [*finalizers, CLEANUP]


def not_carried_out(spec: Mapping[str, Any]) -> str:
    """What a definition asks for that is not carried out; empty when it is all."""
    found = []
    if (spec.get("conversion") or {}).get("strategy") == "Webhook":
        found.append("conversion by webhook")
    if _has_rules(spec):
        found.append("x-kubernetes-validations")
    return f"not carried out by this version of trueup: {', '.join(found)}" if found else ""


def _has_rules(value: Any) -> bool:
    if isinstance(value, dict):
        return "x-kubernetes-validations" in value or any(map(_has_rules, value.values()))
    return isinstance(value, list) and any(map(_has_rules, value))


def wrong(definition: Object) -> Iterator[Cause]:
    """What a definition gets wrong beyond its schema."""
    spec, name = definition.get("spec") or {}, definition["metadata"].get("name")
    names = spec.get("names") or {}
    wanted = f"{names.get('plural')}.{spec.get('group')}"
    if name != wanted:
        detail = 'must be spec.names.plural+"."+spec.group'
        yield Cause("FieldValueInvalid", f'Invalid value: "{name}": {detail}', "metadata.name")
    versions = spec.get("versions") or []
    if sum(bool(version.get("storage")) for version in versions) != 1:
        yield Cause(
            "FieldValueInvalid",
            "Invalid value: must have exactly one version marked as storage version",
            "spec.versions",
        )
    for index, version in enumerate(versions):
        if not (version.get("schema") or {}).get("openAPIV3Schema"):
            field = f"spec.versions[{index}].schema.openAPIV3Schema"
            yield Cause("FieldValueRequired", "Required value: schemas are required", field)
