"""How a write over the wire is meant: query parameters, headers and ``DeleteOptions`` as values. Called by `resources`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from trueup.apiserver import wire
from trueup.apiserver.path import Target
from trueup.apiserver.request import Request, Write
from trueup.apiserver.verbs.delete import DeleteOptions
from trueup.kube.names import Object
from trueup.kube.problems import BadRequest, Cause, Invalid
from trueup.kube.query import flag

_POLICIES = ("Foreground", "Background", "Orphan")
_LONGEST_MANAGER = 128


def write_of(request: Request, target: Target, warnings: list[str]) -> Write:
    """Dry run, field validation, manager. Raises ``BadRequest`` and ``Invalid``."""
    query = request.query
    validation = query.get("fieldValidation") or "Warn"
    if validation not in ("Strict", "Warn", "Ignore"):
        raise _invalid("PatchOptions", "fieldValidation", validation, ("Ignore", "Warn", "Strict"))
    return Write(
        user=request.user,
        manager=_manager(request),
        dry_run=_dry_run(query.get("dryRun", ""), "CreateOptions"),
        validation=validation,
        force=flag(query, "force"),
        subresource=target.subresource,
        warnings=warnings,
        given={name: query[name] for name in ("fieldManager", "fieldValidation") if query.get(name)},
        annotations=request.annotations,
    )


def _manager(request: Request) -> str:
    """Who owns the fields; an apply has to name it, for others the client's program is as good."""
    manager = request.query.get("fieldManager", "")
    if len(manager) > _LONGEST_MANAGER or not manager.isprintable():
        text = f'Invalid value: "{manager}": must be printable and no longer than {_LONGEST_MANAGER} characters'
        raise Invalid(
            f'PatchOptions.meta.k8s.io "" is invalid: fieldManager: {text}',
            causes=[Cause("FieldValueInvalid", text, "fieldManager")],
        )
    if manager or wire.PATCHES.get(wire.media_type(request.headers)) == "apply":
        return manager
    return request.headers.get("user-agent", "").partition("/")[0][:_LONGEST_MANAGER] or "unknown"


def _dry_run(value: Any, kind: str) -> bool:
    if value in ("", None, []):
        return False
    wanted = [value] if isinstance(value, str) else list(value)
    if wanted != ["All"]:
        raise _invalid(kind, "dryRun", ", ".join(map(str, wanted)), ("All",))
    return True


def deletion(request: Request, write: Write) -> tuple[DeleteOptions, Write]:
    """A deletion's options, from the body or the query."""
    body = wire.read_object(request.body, wire.media_type(request.headers)) if request.body.strip() else {}
    return delete_options(body, request.query, write)


def delete_options(body: Object, query: Mapping[str, str], write: Write) -> tuple[DeleteOptions, Write]:
    """``DeleteOptions``; the body may ask for a dry run too."""
    conditions = body.get("preconditions") or {}
    grace = body.get("gracePeriodSeconds")
    if grace is None and "gracePeriodSeconds" in query:
        grace = wire.number(query, "gracePeriodSeconds")
    if grace is not None and not isinstance(grace, int):
        raise BadRequest(f"gracePeriodSeconds must be a number, not {grace!r}")
    propagation = body.get("propagationPolicy") or query.get("propagationPolicy", "")
    orphan = body.get("orphanDependents", flag(query, "orphanDependents") if query.get("orphanDependents") else None)
    if orphan is not None and propagation:
        text = "Forbidden: orphanDependents and deletionPropagation cannot be both set"
        raise Invalid(
            f'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: {text}',
            causes=[Cause("FieldValueForbidden", text, "propagationPolicy")],
        )
    if orphan is not None:
        propagation = "Orphan" if orphan else "Background"
    if propagation and propagation not in _POLICIES:
        raise _invalid("DeleteOptions", "propagationPolicy", str(propagation), _POLICIES)
    given: Object = {} if grace is None else {"gracePeriodSeconds": grace}
    given |= {name: body[name] for name in ("preconditions", "orphanDependents") if body.get(name) is not None}
    if propagation and orphan is None:
        given["propagationPolicy"] = propagation
    write = replace(write, given=given, dry_run=write.dry_run or _dry_run(body.get("dryRun"), "DeleteOptions"))
    options = DeleteOptions(
        propagation, grace, str(conditions.get("uid") or ""), str(conditions.get("resourceVersion") or "")
    )
    return options, write


def _invalid(kind: str, field: str, value: str, known: tuple[str, ...]) -> Invalid:
    supported = ", ".join(f'"{name}"' for name in known)
    text = f'Unsupported value: "{value}": supported values: {supported}'
    return Invalid(
        f'{kind}.meta.k8s.io "" is invalid: {field}: {text}', causes=[Cause("FieldValueNotSupported", text, field)]
    )
