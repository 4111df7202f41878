"""How a write over the wire is meant: query parameters, headers and ``DeleteOptions`` as values. Called by `resources`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from trueup.apiserver import wire
from trueup.apiserver.path import Target
from trueup.apiserver.request import Request, Write
from trueup.apiserver.verbs.delete import DeleteOptions
from trueup.kube.names import Object
from trueup.kube.problems import BadRequest, Cause, Invalid
from trueup.kube.query import flag
from trueup.kube.validation.causes import Causes, forbidden, invalid, not_supported, too_long
from trueup.kube.validation.causes import required as needed

_POLICIES = ("Foreground", "Background", "Orphan")
_VALIDATIONS = frozenset({"", "Ignore", "Strict", "Warn"})
_KINDS = {"POST": "CreateOptions", "PUT": "UpdateOptions", "PATCH": "PatchOptions", "DELETE": "DeleteOptions"}
_LONGEST_MANAGER = 128


def write_of(request: Request, target: Target, warnings: list[str]) -> Write:
    """Dry run, field validation, manager. Raises ``Invalid`` with everything that is wrong of them.

    Source: apimachinery ``metav1/validation``, ValidatePatchOptions and its siblings.
    """
    query, kind = request.query, _KINDS.get(request.method, "")
    if not kind:  # nothing is written: all that counts is who asks
        return Write(
            user=request.user, subresource=target.subresource, warnings=warnings, annotations=request.annotations
        )
    validation = query.get("fieldValidation", "")
    force = flag(query, "force")
    applies = wire.PATCHES.get(wire.media_type(request.headers)) == "apply" and kind == "PatchOptions"
    manager = query.get("fieldManager", "")
    dry_run = query.get("dryRun", "")
    if kind == "DeleteOptions":
        dry_run = ""  # looked at with the others; options that come as a body are all that counts
    if validation not in _VALIDATIONS or manager or applies or dry_run or "force" in query:
        causes = [] if kind == "DeleteOptions" else list(_manager_causes(manager, required=applies))
        if kind == "PatchOptions" and not applies and "force" in query:
            causes.insert(0, forbidden("force", "may not be specified for non-apply patch"))
        if dry_run not in ("", "All"):
            causes.append(not_supported("dryRun", [dry_run], ("All",)))
        if kind != "DeleteOptions" and validation not in _VALIDATIONS:
            causes.append(not_supported("fieldValidation", validation, sorted(_VALIDATIONS)))
        if causes:
            raise _invalid(kind, causes)
    return Write(
        user=request.user,
        manager=manager if manager or applies else _program(request),
        dry_run=dry_run == "All",
        validation=validation or "Warn",
        force=force,
        subresource=target.subresource,
        warnings=warnings,
        given={name: query[name] for name in ("fieldManager", "fieldValidation") if query.get(name)},
        annotations=request.annotations,
    )


def _manager_causes(manager: str, *, required: bool) -> Causes:
    if required and not manager:
        yield needed("fieldManager", "is required for apply patch")
    if len(manager.encode()) > _LONGEST_MANAGER:
        yield too_long("fieldManager", _LONGEST_MANAGER)
    for place, sign in enumerate(manager):
        if not sign.isprintable():
            yield invalid("fieldManager", manager, f"invalid character U+{ord(sign):04X} (at position {place})")


def _program(request: Request) -> str:
    """Who owns the fields when nobody is named: the client's program."""
    return request.headers.get("user-agent", "").partition("/")[0][:_LONGEST_MANAGER] or "unknown"


def deletion(request: Request, write: Write) -> tuple[DeleteOptions, Write]:
    """A deletion's options, from the body or the query."""
    if not request.body.strip():
        return delete_options({}, request.query, write)
    body = wire.read_object(request.body, wire.media_type(request.headers))
    if body.get("kind", "DeleteOptions") != "DeleteOptions":
        known = 'in scheme "pkg/runtime/scheme.go:111"'
        raise BadRequest(f'no kind "{body["kind"]}" is registered for version "{body.get("apiVersion") or ""}" {known}')
    return delete_options(body, {}, replace(write, dry_run=False))  # with a body, nobody looks at the query


def delete_options(body: Object, query: Mapping[str, str], write: Write) -> tuple[DeleteOptions, Write]:
    """``DeleteOptions``; the body may ask for a dry run too."""
    _typed(body)
    if body:
        query = {}
    conditions = body.get("preconditions") or {}
    grace = body.get("gracePeriodSeconds")
    if grace is None and "gracePeriodSeconds" in query:
        grace = wire.number(query, "gracePeriodSeconds")
    propagation = body.get("propagationPolicy") or query.get("propagationPolicy", "")
    orphan = body.get("orphanDependents", flag(query, "orphanDependents") if query.get("orphanDependents") else None)
    wanted = body.get("dryRun") if body else [query["dryRun"]] if query.get("dryRun") else None
    causes: list[Cause] = []
    if orphan is not None and propagation:
        text = "orphanDependents and deletionPropagation cannot be both set"
        causes.append(invalid("propagationPolicy", propagation, text))
    elif orphan is not None:
        propagation = "Orphan" if orphan else "Background"
    if propagation and propagation not in _POLICIES:
        causes.append(not_supported("propagationPolicy", propagation, (*_POLICIES, "nil")))
    if wanted and wanted != ["All"]:
        causes.append(not_supported("dryRun", wanted, ("All",)))
    if causes:
        raise _invalid("DeleteOptions", causes)
    given: Object = {} if grace is None else {"gracePeriodSeconds": grace}
    given |= {name: body[name] for name in ("preconditions", "orphanDependents") if body.get(name) is not None}
    if propagation and orphan is None:
        given["propagationPolicy"] = propagation
    write = replace(write, given=given, dry_run=write.dry_run or bool(wanted))
    options = DeleteOptions(
        propagation, grace, str(conditions.get("uid") or ""), str(conditions.get("resourceVersion") or "")
    )
    return options, write


_TYPES: Mapping[str, tuple[type, str, str]] = {
    "kind": (str, "kind", "string"),
    "apiVersion": (str, "apiVersion", "string"),
    "gracePeriodSeconds": (int, "gracePeriodSeconds", "int64"),
    "preconditions": (dict, "preconditions", "v1.Preconditions"),
    "orphanDependents": (bool, "orphanDependents", "bool"),
    "propagationPolicy": (str, "propagationPolicy", "v1.DeletionPropagation"),
    "dryRun": (list, "dryRun", "[]string"),
}


def _typed(body: Object) -> None:
    """Refuse what Go's ``DeleteOptions`` could not hold, in Go's words."""
    for name, value in body.items():  # what comes first is told
        if name not in _TYPES:
            continue
        wanted, path, go_type = _TYPES[name]
        if value is None or (isinstance(value, wanted) and (wanted is not int or not isinstance(value, bool))):
            continue
        word = {str: "string", bool: "bool", list: "array", dict: "object"}.get(type(value), "number")
        shown = f"number {value}" if isinstance(value, float) else word
        raise BadRequest(f"json: cannot unmarshal {shown} into Go struct field DeleteOptions.{path} of type {go_type}")


def _invalid(kind: str, causes: list[Cause]) -> Invalid:
    texts = [f"{cause.field}: {cause.message}" for cause in causes]
    text = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    return Invalid(
        f'{kind}.meta.k8s.io "" is invalid: {text}', causes=causes, details={"group": "meta.k8s.io", "kind": kind}
    )
