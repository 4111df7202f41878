"""What every write does to an object before it is stored: identity, pruning, defaults, checks, ownership."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import orjson

from trueup.apiserver.ratcheting import still_wrong
from trueup.apiserver.registry import Rules, Served
from trueup.apiserver.request import Write
from trueup.kube import validation
from trueup.kube.go_json import word
from trueup.kube.names import Kind, Object
from trueup.kube.objects import same
from trueup.kube.problems import BadRequest, Cause, Invalid
from trueup.kube.reading import Struct, Trail, WrongType, metadata_struct, path
from trueup.kube.schema import drop_nulls, fill_defaults, prune_unknown
from trueup.kube.validation.causes import forbidden
from trueup.kube.validation.causes import invalid as invalid_value
from trueup.kube.validation.pod_updates import resized
from trueup.merge.fields import FieldSet

SPEC: FieldSet = {"f:spec": {}}
"""What nobody owns who writes to the status of an object."""
STATUS: FieldSet = {"f:status": {}}
"""What nobody owns who writes to an object itself and not to its status, where that is written by itself."""


def copy(value: Any) -> Any:
    """A deep copy of JSON; by way of its text, which is three times as fast as walking it. Raises ``BadRequest``."""
    try:
        return orjson.loads(orjson.dumps(value))
    except TypeError as problem:
        raise BadRequest(f"the object cannot be written as JSON: {problem}") from None


def copy_tracked(obj: Object) -> Object:
    """The same of an object whose managed fields are settled: these are shared, for nobody changes them in place."""
    meta = dict(obj["metadata"])
    managed = meta.pop("managedFields", None)
    made: Object = copy({**obj, "metadata": meta})
    if managed is not None:
        made["metadata"]["managedFields"] = managed
    return made


def identify(served: Served, obj: Object, namespace: str, name: str = "", *, named: bool = False) -> None:
    """Check kind, version, namespace and name against the request's path, and fill them in; in place.

    ``named``: the object has to say its name itself.
    """
    kind = served.kind
    expect_kind(served, obj)
    meta = obj.get("metadata")
    if meta is None:
        meta = obj["metadata"] = {}
    if not isinstance(meta, dict):
        raise BadRequest("metadata must be an object")
    given = meta.get("namespace") or ""
    if served.namespaced:
        if given and namespace and given != namespace:
            raise BadRequest("the namespace of the provided object does not match the namespace sent on the request")
        if not (given or namespace):
            raise BadRequest("an empty namespace may not be set during creation")
        meta["namespace"] = namespace or given
    elif given and namespace:
        raise BadRequest(f"namespace is not allowed on this type: {kind.kind} is cluster-scoped")
    elif given:
        del meta["namespace"]  # as Kubernetes has it: ``EnsureObjectNamespaceMatchesRequestNamespace``
    if named and not meta.get("name"):
        raise BadRequest(f"the name of the object ({name} based on URL) was undeterminable: name must be provided")
    if name and meta.get("name") and meta["name"] != name:
        raise BadRequest(f"the name of the object ({meta['name']}) does not match the name on the URL ({name})")
    if name:
        meta["name"] = name


def expect_kind(served: Served, obj: Object) -> None:
    """Check kind and version against the resource's, and fill them in; in place."""
    kind = served.kind
    if not obj.get("kind"):
        obj["kind"] = kind.kind
    if not obj.get("apiVersion"):
        obj["apiVersion"] = kind.api_version
    if (obj["apiVersion"], obj["kind"]) == (kind.api_version, kind.kind):
        return
    given, version = obj["kind"], str(obj["apiVersion"])
    if served.custom:
        if version == kind.api_version:
            return  # the check says that it must be another
        raise BadRequest(
            f"the API version in the data ({version}) does not match the expected API version ({kind.api_version})"
        )
    lead = f'{given} in version "{version.rpartition("/")[2]}" cannot be handled as a {kind.kind}: '
    raise BadRequest(
        f'{lead}no kind "{given}" is registered for version "{version}" in scheme "pkg/runtime/scheme.go:111"'
    )


def expect_custom_kind(served: Served, obj: Object, names: tuple[str, ...]) -> None:
    """Raises ``Invalid`` for a custom object that says to be of another kind or version.

    Source: apiextensions-apiserver ``customresource/validator.go``.
    """
    wanted = {"kind": served.kind.kind, "apiVersion": served.kind.api_version}
    wrong = [name for name in names if obj.get(name) != wanted[name]]
    if wrong:
        meta = obj.get("metadata")
        named = str(meta.get("name") or "") if isinstance(meta, dict) else ""
        causes = [invalid_value(name, obj.get(name) or "", f"must be {wanted[name]}") for name in wrong]
        raise _invalid(Kind.parse(str(obj.get("apiVersion") or ""), str(obj.get("kind") or "")), named, causes)


class Unreadable(BadRequest):
    """The body does not fit its kind, or strictly read has fields that it may not have. ``text`` says how.

    ``converting``: the same as it is said of an object that is read already and only converted.

    Source: apiserver ``transformDecodeError``.
    """

    def __init__(self, served: Served, text: str, converting: str = "") -> None:
        kind = served.kind
        super().__init__(f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: {text}')
        self.text = text
        self.converting = converting or text


def decode(served: Served, obj: Object, write: Write, *, nulls: bool = False, bare: bool = False) -> None:
    """Take out unknown fields as ``fieldValidation`` says, refuse wrong types; in place.

    ``nulls``: keep those of custom objects that may not be, for the check to refuse (an apply). ``bare``: the object is
    not read but converted, which names no keys of maps.
    """
    if served.struct is not None:
        gone = _read(served, served.struct, obj, bare=bare)
        if served.strategy.read is not None and (why := served.strategy.read(obj)):
            raise Unreadable(served, why)
    else:
        # What is unknown in the metadata is told with the rest of the object.
        meta = obj.get("metadata")
        if meta is not None and not isinstance(meta, dict):
            raise Unreadable(served, f"json: cannot unmarshal {word(meta)} into Go value of type v1.ObjectMeta")
        _read(served, metadata_struct(), dict(meta or {}))
        if served.shape.preserve_unknown and not served.shape.fields:
            return
        gone = prune_unknown(obj, served.shape)
        if served.version_spec is not None and not nulls:
            drop_nulls(obj, (served.version_spec.get("schema") or {}).get("openAPIV3Schema") or {})
        if nulls:
            return  # what an apply may not have is told by its form already
    repeated = [] if nulls else write.repeated
    if not (gone or write.duplicates or repeated) or write.validation == "Ignore":
        return
    if served.struct is None or bare:
        gone.sort()
    texts = [*repeated, *(f'unknown field "{path}"' for path in gone)]
    texts += [f'duplicate field "{path}"' for path in write.duplicates if path not in gone]
    if write.validation == "Strict":
        raise Unreadable(served, f"strict decoding error: {', '.join(texts)}")
    for text in texts:
        write.warnings.extend(lines(text))


def lines(text: str) -> list[str]:
    """What is said of several fields in one error, one by one."""
    return [line.strip() for line in text.splitlines() if not line.endswith(" errors:")]


def fits(struct: Struct | None, kind: Kind, part: Object) -> None:
    """Refuse wrong types of what is never stored: a review, a part of an object."""
    try:
        if struct is not None:
            struct.check(part, lambda *_: None)
    except WrongType as wrong:
        raise BadRequest(
            f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: {wrong}'
        ) from None


def _read(served: Served, struct: Struct, obj: Object, *, bare: bool = False) -> list[str]:
    """Take out in place what the kind does not know; the paths."""
    found: list[tuple[Object, str, Trail]] = []
    try:
        struct.check(obj, lambda holder, name, trail: found.append((holder, name, trail)))
    except WrongType as wrong:
        raise Unreadable(served, str(wrong), wrong.converting) from None
    for holder, name, _ in found:
        del holder[name]
    return [path(trail, bare=bare) for _, _, trail in found]


def default(served: Served, obj: Object) -> None:
    """Defaults, in place."""
    if served.version_spec is not None:
        schema = (served.version_spec.get("schema") or {}).get("openAPIV3Schema")
        if schema:
            fill_defaults(obj, schema)
        metadata_struct().settle(obj["metadata"])
    if served.default is not None:
        served.default(obj)


def emptied(obj: Object) -> Mapping[str, str]:
    """What is given and has nothing in it, of that which refusals show: Go tells it from what is not given."""
    spec = obj.get("spec")
    found = {"parameters": obj.get("parameters")}
    for part in _SEALED.get(str(obj.get("kind")), ()):
        found[part] = obj.get(part)
    if isinstance(spec, dict):
        found |= {f"spec.{name}": spec.get(name) for name in ("capacity", "scopes")}
        template = spec.get("template")
        if isinstance(template, dict) and isinstance(template.get("metadata"), dict):
            found["spec.template.metadata.labels"] = template["metadata"].get("labels")
    return {path: "[]" if value == [] else "{}" for path, value in found.items() if value in ([], {})}


_SEALED = {"ConfigMap": ("binaryData",), "Secret": ("data",)}
"""What has no default: where nothing was, an empty one is a change. Source: ``ValidateConfigMapUpdate``, ``DeepEqual``."""


def sealed(stored: Object, bare: Mapping[str, str]) -> Iterator[Cause]:
    """What is given empty of an immutable config map or secret that has none. ``bare``: what `emptied` found."""
    if stored.get("immutable"):
        for part in _SEALED.get(str(stored.get("kind")), ()):
            if part in bare and not stored.get(part):
                yield forbidden(part, "field is immutable when `immutable` is set")


def check(
    served: Served, obj: Object, old: Object | None, write: Write, bare: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Raises ``Invalid`` with everything that is wrong. ``bare``: what `emptied` found before defaults were given."""
    causes = list(validation.metadata(served.kind, obj, old, write.subresource, served.minor))
    if old is not None:
        causes += validation.unchanged(obj, old)
    if served.custom and obj.get("kind") != served.kind.kind:
        causes.append(invalid_value("kind", obj.get("kind"), f"must be {served.kind.kind}"))
    if served.validate is not None and (old is None or served.custom or _looked_at_again(served, obj, old)):
        found = list(served.validate(obj))
        if found and old is not None and served.version_spec is not None:
            schema = (served.version_spec.get("schema") or {}).get("openAPIV3Schema") or {}
            found = still_wrong(found, obj, old, schema)
            if write.subresource == "status":
                found = list(map(_of_status, found))
        causes += found
    if served.validate_scale is not None:
        causes += served.validate_scale(obj, write.subresource == "status")
    if old is not None and served.validate_update is not None and write.subresource != "binding":
        changes = list(served.validate_update(obj, old))
        if served.resource.name == "pods" and not (changes or write.subresource):
            changes += resized(obj, old)
        causes += changes
        causes += sealed(old, bare)
    if served.strategy.check is not None:
        own = list(served.strategy.check(obj, old))
        said = {cause.field for cause in own if cause.reason == "FieldValueRequired"}
        causes = [cause for cause in causes if cause.reason != "FieldValueRequired" or cause.field not in said] + own
    if served.rules is not None:
        causes += _by_rules(served.rules, obj, old, write, causes)
    if causes and bare:
        causes = [_shown_empty(cause, bare) for cause in causes]
    if causes:
        called = str(obj.get("kind")) if served.custom else served.kind.kind
        raise invalid(served, str(obj["metadata"].get("name") or ""), causes, called)


def _shown_empty(cause: Cause, bare: Mapping[str, str]) -> Cause:
    if cause.field not in bare:
        return cause
    return replace(cause, message=cause.message.replace(" value: null: ", f" value: {bare[cause.field]}: ", 1))


def _of_status(cause: Cause) -> Cause:
    """A status is checked by itself: messages name its fields from there. Source: apiextensions ``ValidateStatusUpdate``."""
    bare = cause.field.removeprefix("status").removeprefix(".")
    return replace(cause, message=cause.message.replace(f"{cause.field} in body", f"{bare} in body"))


_BLOCKING = frozenset(
    {"FieldValueNotSupported", "FieldValueRequired", "FieldValueTooLong", "FieldValueTooMany", "FieldValueTypeInvalid"}
)
_UNCHECKED = (
    "Invalid value: null: some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation"
)


def _by_rules(rules: Rules, obj: Object, old: Object | None, write: Write, causes: list[Cause]) -> list[Cause]:
    """What a custom resource's rules refuse; they are not run on what is not of its schema's form."""
    if any(cause.reason in _BLOCKING for cause in causes):
        return [Cause("FieldValueInvalid", _UNCHECKED, "<nil>")]
    found, warnings = rules(obj, old)
    write.warnings.extend(warnings)
    return found


def warn(served: Served, obj: Object, old: Object | None, write: Write) -> None:
    """Add what the kind's strategy warns of, and of custom objects new finalizers that nobody's domain is in."""
    if served.custom and obj["metadata"].get("finalizers"):
        had = set(((old or {}).get("metadata") or {}).get("finalizers") or ())
        write.warnings.extend(validation.finalizer_warnings(set(obj["metadata"]["finalizers"]) - had))
    if served.strategy.warnings is not None and write.subresource != "status":
        write.warnings.extend(served.strategy.warnings(obj, old))


def _looked_at_again(served: Served, new: Object, old: Object) -> bool:
    return served.validates_again and not _only_status_differs(new, old)


def _only_status_differs(new: Object, old: Object) -> bool:
    """Whether a built-in object says what it said: its rules are about all but metadata and status."""
    beside = ("metadata", "status")
    return all(same(new.get(part), old.get(part)) for part in new.keys() | old.keys() if part not in beside)


def invalid(served: Served, name: str, causes: Iterable[Cause], said: str = "") -> Invalid:
    """``Deployment.apps "web" is invalid: spec.selector: Required value``."""
    kind = served.kind
    return _invalid(Kind(kind.group, kind.version, said or kind.kind), name, causes)


def _invalid(kind: Kind, name: str, causes: Iterable[Cause]) -> Invalid:
    found = list(causes)
    texts = [f"{cause.field}: {cause.message}" for cause in found]
    text = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    group = "" if kind.group == "events.k8s.io" else kind.group  # it shares its strategy with the core group's
    title = f"{kind.kind}.{group}" if group else kind.kind
    details: Object = {"kind": kind.kind}
    if name:
        details["name"] = name
    if group:
        details["group"] = group
    return Invalid(f'{title} "{name}" is invalid: {text}', causes=found, details=details)


def same_but_bookkeeping(a: Object, b: Object) -> bool:
    """Whether two versions differ in nothing but managed fields' times and the resource version."""
    if a.keys() != b.keys() or not all(same(a[k], b[k]) for k in a if k != "metadata"):
        return False
    left, right = dict(a["metadata"]), dict(b["metadata"])
    for meta in (left, right):
        meta.pop("resourceVersion", None)
        meta["managedFields"] = [
            {k: v for k, v in entry.items() if k != "time"} for entry in meta.get("managedFields") or ()
        ]
    return left == right
