"""PATCH: JSON patch, merge patch, strategic merge patch, server-side apply."""

from __future__ import annotations

from typing import Any, cast

import orjson

from trueup.apiserver.hub import Hub
from trueup.apiserver.registry import Served
from trueup.apiserver.request import Write
from trueup.apiserver.verbs import prepare
from trueup.apiserver.verbs.create import create
from trueup.apiserver.verbs.update import change, conflict, unparsable, versionless
from trueup.kube import struct_order
from trueup.kube.go_json import word
from trueup.kube.names import Object
from trueup.kube.problems import (
    AlreadyExists,
    ApiProblem,
    BadRequest,
    Cause,
    InternalError,
    Invalid,
    UnsupportedMediaType,
    not_found,
)
from trueup.kube.reading import WrongType, conversion_problem
from trueup.merge import owners
from trueup.merge.fields import FieldSet
from trueup.merge.jsonpatch import PatchProblem, json_patch, merge_patch
from trueup.merge.strategic import (
    BAD_DOCUMENT,
    BAD_ORDER,
    BAD_PRIMITIVES,
    BAD_RETAIN,
    NO_LISTS_OF_LISTS,
    go_text,
    strategic_merge,
)
from trueup.merge.typed import problems_text, title
from trueup.ports import PatchType


async def patch(hub: Hub, served: Served, namespace: str, name: str, body: Any, how: PatchType, write: Write) -> Object:
    """Change an object by a patch; an apply creates what is not there."""
    if how == "apply":
        return await apply(hub, served, namespace, name, body, write)
    if how == "strategic" and served.custom:
        raise UnsupportedMediaType(
            "the body of the request was in an unknown format - accepted media types include: "
            "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
        )

    check_form(body, how)

    def change_it(stored: Object) -> tuple[Object, bool]:
        return patched(served, stored, name, body, how, write), False

    return await change(hub, served, namespace, name, change_it, write, retry=True)


def patched(served: Served, stored: Object, name: str, body: Any, how: PatchType, write: Write) -> Object:
    """What a patch that is no apply makes of an object. Raises ``ApiProblem``."""
    try:
        if how == "json":
            new = json_patch(stored, body)
        elif how == "merge":
            new = merge_patch(stored, body)
        else:
            new = strategic_merge(stored, body, served.shape)
    except PatchProblem as problem:
        if how == "json":
            raise _unfitting(problem) from None
        raise _misshapen(str(problem)) if how == "strategic" else BadRequest(str(problem)) from None
    if not isinstance(new, dict):
        raise BadRequest("a patch must leave an object")
    whole, new = new, cast(Object, prepare.copy(new))
    if how == "strategic":  # it is put into a Go object whose kind nothing changes
        for part, own in (("apiVersion", served.kind.api_version), ("kind", served.kind.kind)):
            if new.get(part) is None or isinstance(new[part], str):
                new[part] = own
    _expect_kind(served, new, whole, body if how == "strategic" else None)
    try:
        prepare.decode(served, new, write, bare=how == "strategic")
    except prepare.Unreadable as problem:
        if how == "strategic":
            raise _unreadable(go_text(body), problem.converting) from None
        opened = struct_order.opened_by(body) if how == "json" else body
        text = struct_order.text(whole, served.kind, opened)
        raise _unreadable(text, _first_problem(served, text, write) or problem.text) from None
    _same_identity(stored, new, served, name, write)
    return new


def _first_problem(served: Served, text: str, write: Write) -> str:
    """What is wrong first of an object as its text has it."""
    try:
        prepare.decode(served, orjson.loads(text), write)
    except prepare.Unreadable as problem:
        return problem.text
    return ""


def check_form(body: Any, how: PatchType) -> None:
    """Patches are read into Go types first, whose words these are."""
    got = {str: "string", bool: "bool", list: "array", dict: "object"}.get(type(body), "number")
    if how == "json" and not isinstance(body, list) and body is not None:
        raise BadRequest(
            f"error decoding patch: json: cannot unmarshal {got} into Go value of type []handlers.jsonPatchOp"
        )
    if how == "strategic" and not isinstance(body, dict) and body is not None:
        raise BadRequest(f"json: cannot unmarshal {got} into Go value of type map[string]interface {{}}")


def _expect_kind(served: Served, new: Object, whole: Object, laid: Any = None) -> None:
    """A patch may not make something else of an object. Source: apiserver ``jsonPatcher.applyPatchToCurrentObject``."""
    for name in ("apiVersion", "kind"):
        if new.get(name) is not None and not isinstance(new[name], str):
            if laid is not None:  # converted, not read
                raise _unreadable(go_text(laid), conversion_problem(new[name], "string"))
            said = f"json: cannot unmarshal {word(new[name])} into Go struct field .{name} of type string"
            raise _unreadable(_sorted(whole), f"couldn't get version/kind; json parse error: {said}")
    if served.custom:
        if not new.get("kind"):
            text = _sorted(whole)
            raise _unreadable(text, f"Object 'Kind' is missing in '{text}'")
        if not new.get("apiVersion"):
            why = f"Object 'apiVersion' is missing in '{_sorted(whole)}'"
            raise InternalError(f"Internal error occurred: {why}", causes=[Cause("", why)])
        if new.get("apiVersion") != served.kind.api_version:
            prepare.expect_custom_kind(served, new, ("kind", "apiVersion"))
        return
    given = (new.get("apiVersion") or served.kind.api_version, new.get("kind") or served.kind.kind)
    if given != (served.kind.api_version, served.kind.kind):
        scheme = 'in scheme "pkg/runtime/scheme.go:111"'
        raise _unreadable(_sorted(whole), f'no kind "{given[1]}" is registered for version "{given[0]}" {scheme}')
    new["apiVersion"], new["kind"] = given


def _unreadable(value: str, text: str) -> Invalid:
    """What a patch would make has fields that it may not have, read strictly.

    Source: apiserver ``jsonPatcher.applyPatchToCurrentObject`` and, of a strategic one's patch alone, ``applyPatchToObject``.
    """
    said = f"Invalid value: {orjson.dumps(value).decode()}: {text}"
    return Invalid(f' "" is invalid: patch: {said}', causes=[Cause("FieldValueInvalid", said, "patch")])


def _sorted(obj: Object) -> str:
    return orjson.dumps(obj, option=orjson.OPT_SORT_KEYS).decode()


def _unfitting(problem: PatchProblem) -> ApiProblem:
    """Kubernetes keeps to itself which operation does not fit. Source: apiserver ``jsonPatcher.applyJSPatch``."""
    if problem.operation is None:
        return BadRequest(f"error decoding patch: {problem}")
    refused = Invalid("the server rejected our request due to an error in our request")
    refused.generic = True
    return refused


def _misshapen(text: str) -> ApiProblem:
    """Source: apiserver ``interpretStrategicMergePatchError``."""
    if text in (BAD_PRIMITIVES, BAD_RETAIN, BAD_ORDER, BAD_DOCUMENT):
        return BadRequest(text)
    if text == NO_LISTS_OF_LISTS:
        refused = Invalid("the server rejected our request due to an error in our request")
        refused.generic = True
        return refused
    return ApiProblem(text)


def _same_identity(stored: Object, new: Object, served: Served, name: str, write: Write) -> None:
    meta = new.get("metadata") or {}
    if not isinstance(meta, dict):
        raise BadRequest("metadata must be an object")
    prepare.identify(served, new, stored["metadata"].get("namespace") or "", name, named=True)
    version = str(meta.get("resourceVersion") or "")
    if version and not version.isdigit():
        raise unparsable(version)
    if version in ("", "0"):
        if write.subresource != "scale" and (served.custom or not served.strategy.unconditional):
            raise versionless(served, name)
    elif version != stored["metadata"]["resourceVersion"]:
        raise conflict(served, name)


_OWN = frozenset({"creationTimestamp", "uid", "generation", "selfLink", "namespace"})
"""Metadata that is the server's to say; who applies something else changes the object for a moment."""


async def apply(hub: Hub, served: Served, namespace: str, name: str, body: Any, write: Write) -> Object:
    """Server-side apply. Source: KEP-555."""
    applied, called = expect_applied(served, body)
    missing = write.subresource and hub.store.bucket(served.storage).newest(namespace, name) is None
    if missing and not served.strategy.creates_on_update:
        raise not_found(served.resource.group_resource, name)
    if isinstance(applied.get("metadata"), dict) and applied["metadata"].get("managedFields") is not None:
        raise BadRequest("metadata.managedFields must be nil")
    wrong = decode_applied(served, applied, called, write)
    nameless = not (applied.get("metadata") or {}).get("name")
    misplaced = _misplaced(served, applied, namespace, name)
    if applied.get("metadata") is None:
        applied["metadata"] = {"name": name, **({"namespace": namespace} if namespace else {})}
    wanted_version = applied["metadata"].pop("resourceVersion", None)
    if wanted_version and not str(wanted_version).isdigit():
        raise unparsable(str(wanted_version))
    wanted_uid = applied["metadata"].get("uid")
    own = {name: body["metadata"][name] for name in _OWN if name in (body.get("metadata") or {})}
    for server_field in _OWN - {"namespace", "uid"}:
        applied["metadata"].pop(server_field, None)
    if not write.subresource and served.has_status:
        applied.pop("status", None)
    bucket = hub.store.bucket(served.storage)
    memory = hub.conversions.memory(served) if served.converts else None
    versions = None if memory is None else memory.versions()

    def applied_to(stored: Object) -> tuple[Object, bool]:
        merged = owners.apply(
            stored,
            applied,
            served.shape,
            manager=write.manager,
            force=write.force,
            subresource=write.subresource,
            now=hub.now(),
            reset=_reset(served, write),
            versions=versions,
            touched=any(name not in stored["metadata"] or stored["metadata"][name] != own[name] for name in own),
        )
        # What others own is looked at first.
        for problem in (wrong, _repeats(write), misplaced):
            if problem is not None:
                raise problem
        if wanted_version and wanted_version != stored["metadata"]["resourceVersion"]:
            raise conflict(served, name)
        return prepare.copy_tracked(merged), True

    for _ in range(3):
        if bucket.newest(namespace, name) is not None:
            return await change(hub, served, namespace, name, applied_to, write, memory=memory)
        if wrong is not None or (wrong := _repeats(write)) is not None:
            raise wrong
        if wanted_uid:
            why = f"uid mismatch: the provided object specified uid {wanted_uid}, and no existing object was found"
            raise conflict(served, name, why)
        if misplaced is not None:
            raise misplaced
        if nameless:
            raise BadRequest(f"the name of the object ({name} based on URL) was undeterminable: name must be provided")
        new = owners.apply(
            None,
            applied,
            served.shape,
            manager=write.manager,
            subresource=write.subresource,
            now=hub.now(),
            reset=_reset(served, write),
        )
        made = prepare.copy_tracked(new)
        if own.get("generation") is not None:
            made["metadata"]["generation"] = own["generation"]  # for kinds that count nothing
        try:
            return await create(hub, served, namespace, made, write, own=False, posted=False)
        except AlreadyExists:
            continue
    raise BadRequest("the object comes and goes too quickly to be applied")


def expect_applied(served: Served, body: Any) -> tuple[Object, str]:
    """A copy of what is applied and how it is called, once it says to be of the kind. Raises ``BadRequest``."""
    if not isinstance(body, dict):
        raise BadRequest("an apply configuration is an object")
    applied = prepare.copy(body)
    given = tuple(value if isinstance(value := applied.get(part), str) else "" for part in ("apiVersion", "kind"))
    if given != (served.kind.api_version, served.kind.kind):
        group, _, version = given[0].rpartition("/")
        raise BadRequest(f"invalid object type: {group}/{version}, Kind={given[1]}")
    return applied, title(applied)


def _repeats(write: Write) -> ApiProblem | None:
    """What is wrong of keys given twice; a warning, unless read strictly."""
    for twice in write.repeated:
        if write.validation == "Strict":
            return BadRequest(f"error strict decoding YAML: error converting YAML to JSON: {twice}")
        write.warnings.extend(prepare.lines(twice))
    write.repeated.clear()
    return None


def _misplaced(served: Served, applied: Object, namespace: str, name: str) -> ApiProblem | None:
    """What is wrong of the name and of the namespace; these are filled in, in place."""
    meta = applied.get("metadata") or {}
    try:
        prepare.identify(served, applied, namespace, name, named="name" in meta)
    except ApiProblem as problem:
        applied["metadata"] = {**meta, "name": name, **({"namespace": namespace} if namespace else {})}
        return problem
    return None


def decode_applied(served: Served, applied: Object, called: str, write: Write) -> ApiProblem | None:
    """Refuse what does not fit the schema: an apply drops no unknown field, for its owner could never be told.

    Source: apimachinery ``managedfields`` (structuredmerge.go), which answers 500 and names the first field.
    """
    wrong: WrongType | None = None
    unknown: list[str] = []
    if served.struct is not None:
        try:
            served.struct.check(applied, lambda holder, name, trail: unknown.append(name))
        except WrongType as problem:
            wrong = problem
        if wrong is None and not unknown and not write.duplicates and not _has_bytes(applied):
            return None
    why = problems_text(applied, served.shape)
    if why:
        raise ApiProblem(f"failed to create typed patch object ({called}): {why}")
    if wrong is not None:
        kind = f"{served.kind.group}/{served.kind.version}, Kind={served.kind.kind}"
        return ApiProblem(
            f"failed to convert new object ({called}) to proper version: "
            f"unable to convert unstructured object to {kind}: "
            f"{wrong.converting}"
        )
    if isinstance(applied.get("metadata"), dict):
        applied["metadata"].pop("creationTimestamp", None)  # fits as whatever it is, and is the server's
    prepare.decode(served, applied, write, nulls=True)
    return None


def _has_bytes(applied: Object) -> bool:
    """Whether bytes are given as a list of numbers, which Go reads and no schema has."""
    for name in ("data", "binaryData"):
        if isinstance(held := applied.get(name), dict) and any(type(value) is list for value in held.values()):
            return True
    return False


_METADATA: FieldSet = {"f:metadata": {}}


def _reset(served: Served, write: Write) -> tuple[FieldSet, ...]:
    if write.subresource == "status":
        if served.custom:
            return prepare.SPEC, _METADATA
        keeps = served.strategy.status_keeps
        if not keeps:
            return (prepare.SPEC,)
        return prepare.SPEC, {"f:metadata": {f"f:{name}": {} for name in keeps - {"*"}}}
    return (prepare.STATUS,) if served.has_status else ()
