"""CustomResourceDefinitions become served resources. Called by the hub whenever a definition changes.

Source: apiextensions-apiserver; Kubernetes documentation, "Custom Resources".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Any

import orjson

from trueup.apiserver.crd_rules import Run, compile_rules, has_rules
from trueup.apiserver.crd_scale import scale_causes
from trueup.apiserver.registry import Registry, Rules, Served
from trueup.kube.names import Kind, Object, Resource, version_rank
from trueup.kube.problems import Cause, MethodNotAllowed
from trueup.kube.schema import fill_defaults, validate
from trueup.kube.shape_of import shape_of_schema
from trueup.kube.shapes import SCALAR, Shape
from trueup.kube.types import VERBS, Subresource, Types
from trueup.store.state import Event, Store

CRD = Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions")
CRD_KIND = Kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition")
CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
_UPDATES = frozenset({"get", "patch", "update"})


def served_by(definition: Object, types: Types, revision: int = 0) -> Iterator[Served]:
    """One entry for each served version; ``revision``: from where on it is served so."""
    for version in definition["spec"].get("versions") or ():
        if version.get("served"):
            yield _of_version(definition, version, types, revision)


def of_version(definition: Object, name: str, types: Types) -> Served:
    """A version of a definition, served or not."""
    return _of_version(definition, next(v for v in definition["spec"]["versions"] if v["name"] == name), types, 0)


def _of_version(definition: Object, version: Object, types: Types, revision: int) -> Served:
    spec = definition["spec"]
    names, group = spec["names"], spec["group"]
    kind = Kind(group, version["name"], names["kind"])
    schema = (version.get("schema") or {}).get("openAPIV3Schema") or {}
    scaled, warning = (version.get("subresources") or {}).get("scale"), ""
    if version.get("deprecated"):
        warning = version.get("deprecationWarning") or _deprecated(kind, spec["versions"])
    return Served(
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
        validate_scale=partial(scale_causes, scaled) if scaled else None,
        rules=_rules(schema),
        warning=warning,
        crd=definition,
        version_spec=version,
        defaults_from=revision if _has_defaults(schema) else 0,
        converts=_by_webhook(spec),
        columns=tuple(version.get("additionalPrinterColumns") or ()),
    )


def _deprecated(kind: Kind, versions: Sequence[Mapping[str, Any]]) -> str:
    """Names the best version of those that one had better use. Source: apiextensions ``customresource_handler.go``."""
    better = [version["name"] for version in versions if version.get("served") and not version.get("deprecated")]
    better.sort(key=version_rank)
    use = f"; use {kind.group}/{better[0]} {kind.kind}" if better else ""
    return f"{kind.api_version} {kind.kind} is deprecated{use}"


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


def with_defaults(served: Served, obj: Object) -> Object:
    """A stored object with the defaults that its schema got since. Source: apiextensions-apiserver, defaulting on read."""
    schema = ((served.version_spec or {}).get("schema") or {}).get("openAPIV3Schema") or {}
    filled: Object = orjson.loads(orjson.dumps(obj))
    fill_defaults(filled, schema)
    return filled if filled != obj else obj


def _by_webhook(spec: Mapping[str, Any]) -> bool:
    return (spec.get("conversion") or {}).get("strategy") == "Webhook"


def _has_defaults(schema: Any) -> bool:
    if isinstance(schema, dict):
        return "default" in schema or any(map(_has_defaults, schema.values()))
    return isinstance(schema, list) and any(map(_has_defaults, schema))


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


def _rules(schema: Mapping[str, Any]) -> Rules | None:
    """The schema's own rules, compiled when the first object is written."""
    if not has_rules(schema):
        return None
    compiled = cache(lambda: compile_rules(schema))

    def check(obj: Object, old: Object | None) -> tuple[list[Cause], list[str]]:
        node, run = compiled(), Run()
        if node is not None:
            run.run(node, obj, old)
        return run.causes, run.warnings

    return check


class Definitions:
    """Follows the stored definitions and keeps the registry as they say."""

    def __init__(self, store: Store, types: Types, registry: Registry) -> None:
        self._store, self._types, self._registry = store, types, registry
        self._served: dict[str, list[Resource]] = {}
        bucket = store.bucket(CRD.group_resource)
        for _, name, entry in bucket.scan():
            self._serve(name, entry.obj)
        bucket.listeners.append(self._hear)

    def _hear(self, event: Event) -> None:
        if event.type == "DELETED":
            self._drop(event.name, keep=())
        else:
            self._serve(event.name, event.entry.obj)

    def _serve(self, name: str, definition: Object) -> None:
        revision = self._store.revision + 1
        entries = list(served_by(definition, self._types, revision)) if is_established(definition) else []
        self._drop(name, keep=tuple(entry.resource for entry in entries))
        for entry in entries:
            known = self._registry.get(entry.resource)
            if known is None or known.crd is None or _differs(known.crd, definition):
                self._registry.add(entry)
        self._served[name] = [entry.resource for entry in entries]

    def _drop(self, name: str, keep: tuple[Resource, ...]) -> None:
        for resource in self._served.pop(name, ()):
            if resource not in keep:
                self._registry.remove(resource)


def _differs(old: Object, new: Object) -> bool:
    """Whether a definition says anything else of what is served than it did."""
    going = "deletionTimestamp"
    return bool(old["spec"] != new["spec"] or old["metadata"].get(going) != new["metadata"].get(going))


def accept(definition: Object, now: str, others: Iterable[Object] = ()) -> None:
    """What the API server writes into a definition that it accepts, in place: names, conditions, stored versions.

    ``others``: the definitions that there are; a name that one of them holds in the same group is not accepted.
    """
    spec, meta = definition["spec"], definition["metadata"]
    status = definition.setdefault("status", {})
    taken = next(_taken(definition, others), None)
    if taken is None:
        status["acceptedNames"] = dict(spec["names"])
        with_condition(definition, "NamesAccepted", "True", "NoConflicts", "no conflicts found", now)
        established = ("True", "InitialNamesAccepted", "the initial names have been accepted")
        with_condition(definition, "Established", *established, now)
    else:
        status.setdefault("acceptedNames", {"kind": "", "plural": ""})
        with_condition(definition, "NamesAccepted", "False", *taken, now)
        if not is_established(definition):
            with_condition(definition, "Established", "False", "NotAccepted", "not all names are accepted", now)
    unsupported = not_carried_out(spec)
    if unsupported:
        with_condition(definition, "RulesNotEvaluated", "True", "NotSupported", unsupported, now)
    else:
        status["conditions"] = [c for c in status["conditions"] if c["type"] != "RulesNotEvaluated"]
    stored = next((v["name"] for v in spec.get("versions") or () if v.get("storage")), "")
    known = list(status.get("storedVersions") or ())
    status["storedVersions"] = known if stored in known or not stored else [*known, stored]
    finalizers = list(meta.get("finalizers") or ())
    if CLEANUP not in finalizers and not meta.get("deletionTimestamp"):
        meta["finalizers"] = [*finalizers, CLEANUP]


def _taken(definition: Object, others: Iterable[Object]) -> Iterator[tuple[str, str]]:
    """Names that another definition of the group holds: reason and message. Source: ``status/naming_controller.go``."""
    spec = definition["spec"]
    resources: set[str] = set()
    kinds: set[str] = set()
    for other in others:
        held = (other.get("status") or {}).get("acceptedNames") or {}
        if other["metadata"]["name"] != definition["metadata"]["name"] and other["spec"]["group"] == spec["group"]:
            resources.update(filter(None, (held.get("plural"), held.get("singular"), *(held.get("shortNames") or ()))))
            kinds.update(filter(None, (held.get("kind"), held.get("listKind"))))
    names = spec["names"]
    wanted = (
        ("PluralConflict", names.get("plural"), resources),
        ("SingularConflict", names.get("singular"), resources),
        *(("ShortNamesConflict", short, resources) for short in names.get("shortNames") or ()),
        ("KindConflict", names.get("kind"), kinds),
        ("ListKindConflict", names.get("listKind"), kinds),
    )
    for reason, name, held_names in wanted:
        if name in held_names:
            yield reason, f'"{name}" is already in use'


def with_condition(definition: Object, type_: str, status: str, reason: str, message: str, now: str) -> None:
    """Set a condition in place; its time changes only when its status does."""
    status_of = definition.setdefault("status", {})
    conditions: list[Object] = status_of.get("conditions") or []
    status_of["conditions"] = conditions
    made = {"type": type_, "status": status, "lastTransitionTime": now, "reason": reason, "message": message}
    for index, old in enumerate(conditions):
        if old.get("type") == type_:
            if old.get("status") == status:
                made["lastTransitionTime"] = old.get("lastTransitionTime") or now
            conditions[index] = made
            return
    conditions.append(made)


def is_established(definition: Object) -> bool:
    """Whether the definition's kind is served."""
    conditions = (definition.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == "Established" and c.get("status") == "True" for c in conditions)


def check_creation(definition: Object) -> None:
    """No new objects of a definition that is going. Raises ``MethodNotAllowed``."""
    if definition["metadata"].get("deletionTimestamp"):
        raise MethodNotAllowed("create not allowed while custom resource definition is terminating")


def not_carried_out(spec: Mapping[str, Any]) -> str:
    """What a definition asks for that is not carried out; empty when it is all."""
    found: list[str] = []
    return f"not carried out by this version of trueup: {', '.join(found)}" if found else ""
