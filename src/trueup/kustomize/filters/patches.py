"""Strategic merge and JSON patches. Called by `build` and `plugins`.

A patch is read once (`read`), then applied to what it names or what a selector finds. Source: kustomize's patch
transformers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from json.decoder import scanstring  # type: ignore[attr-defined]
from json.scanner import py_make_scanner  # type: ignore[attr-defined]
from typing import Any

from trueup.kube.documents import YamlProblem, parse_one
from trueup.kustomize.hashing import go_json
from trueup.kustomize.merge import merge
from trueup.kustomize.merge_keys import Schemas
from trueup.kustomize.problem import KustomizeProblem, quote, within
from trueup.kustomize.reading import resources as read_resources
from trueup.kustomize.resource import Resource
from trueup.kustomize.resources import Resources, Selector
from trueup.kustomize.scalars import copy, is_null, settle, text_of, unsettle
from trueup.merge.jsonpatch import PatchProblem, json_patch

_OPERATIONS = frozenset({"add", "remove", "replace", "move", "copy", "test"})


@dataclass(slots=True)
class Patch:
    """One entry of ``patches``, read."""

    source: str
    merges: list[Resource] = field(default_factory=list)
    operations: list[Any] | None = None
    target: Selector | None = None


def read(text: bytes, source: str, target: Mapping[str, Any] | None, options: Mapping[str, Any] | None) -> Patch:
    """A patch of either kind; text that is both, or neither, is refused."""
    merges: list[Resource] | None = None
    operations: list[Any] | None = None
    try:
        merges = read_resources(text)
    except KustomizeProblem:
        merges = None
    operations = _operations(text)
    if merges and operations:
        raise KustomizeProblem(f"illegally qualifies as both an SM and JSON patch: {source}")
    if merges is None and operations is None:
        raise KustomizeProblem(f"unable to parse SM or JSON patch from {source}")
    selector = Selector.of(target) if target is not None else None
    if merges is None:
        return Patch(source, [], operations, selector)
    for patch in merges:
        patch.allow_name_change = bool((options or {}).get("allowNameChange"))
        patch.allow_kind_change = bool((options or {}).get("allowKindChange"))
        if patch.allow_name_change or patch.allow_kind_change:
            _as_text(patch, patch.body, "annotations")
    return Patch(source, merges, None, selector)


def read_operations(text: bytes) -> list[Any]:
    """The operations of a JSON patch in YAML, or in JSON if it begins like that."""
    try:
        value = _json_operations(text) if text.startswith(b"[") else parse_one(text)
    except YamlProblem as problem:
        raise KustomizeProblem(f"error converting YAML to JSON: {problem.message}", line=problem.line) from None
    except ValueError as problem:
        raise KustomizeProblem(f"decoding {text.decode(errors='replace')}: {_as_go_says(problem)}") from None
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise KustomizeProblem("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    return value


class _Spelt:
    """A value that JSON spells otherwise than Go does: equal to nothing, for a test compares the bytes of scalars."""

    __slots__ = ()


class _Spelling(json.JSONDecoder):
    """Reads JSON, with `_Spelt` for scalars that Go would not print like that."""

    def __init__(self) -> None:
        super().__init__(parse_float=_as_spelt, parse_int=_as_spelt)
        self.parse_string = _text_as_spelt
        self.scan_once = py_make_scanner(self)


def _as_spelt(text: str) -> Any:
    if not set(text) & set(".eE"):
        return int(text) if str(int(text)) == text else _Spelt()
    number = float(text)
    whole = number.is_integer() and abs(number) < 1e21
    return number if not whole and go_json(number) == text else _Spelt()


def _text_as_spelt(document: str, start: int, strict: bool = True) -> tuple[Any, int]:
    text, end = scanstring(document, start, strict)
    return (text if go_json(text) == document[start - 1 : end] else _Spelt()), end


def _json_operations(text: bytes) -> Any:
    """A patch in JSON. The values of its tests keep their spelling, as evanphx/json-patch keeps raw JSON."""
    value = json.loads(text)
    tests = [item for item in value if isinstance(item, dict) and item.get("op") == "test" and "value" in item]
    if tests:
        spelt = _Spelling().decode(text.decode())
        for item, again in zip(value, spelt, strict=True):
            if any(item is test for test in tests):
                item["value"] = again["value"]
    return value


def _as_go_says(problem: ValueError) -> str:
    if not isinstance(problem, json.JSONDecodeError):
        return str(problem)
    if problem.pos >= len(problem.doc):
        return "unexpected end of JSON input"
    places = {"Expecting property name": "object key string", "Expecting value": "value"}
    place = next((place for words, place in places.items() if problem.msg.startswith(words)), "")
    found = f"invalid character '{problem.doc[problem.pos]}'"
    return f"{found} looking for beginning of {place}" if place else f"{found}: {problem.msg}"


def _operations(text: bytes) -> list[Any] | None:
    if not text:
        return None
    try:
        return read_operations(text)
    except KustomizeProblem:
        return None


def apply(resources: Resources, patch: Patch, schemas: Schemas) -> None:
    """Carries out one entry of ``patches``."""
    if patch.operations is not None:
        if patch.target is None:
            raise KustomizeProblem(f"must specify a target for JSON patch {patch.source}")
        for resource in resources.select(patch.target):
            resource.remember_id()
            apply_operations(resource, patch.operations)
        return
    if not patch.merges:
        return
    if patch.target is not None:
        if len(patch.merges) > 1:
            raise KustomizeProblem(
                "Multiple Strategic-Merge Patches in one `patches` entry is not allowed to set `patches.target` field: "
                f"{patch.source}"
            )
        with within(f"unable to find patch target {quote(str(patch.target))} in `resources`"):
            selected = resources.select(patch.target)
        apply_to(resources, selected, patch.merges[0], schemas)
        return
    for one in patch.merges:
        id = one.original_id
        with within(f'no resource matches strategic merge patch "{id}"'):
            target = resources.only(id)
        merge_into(target, one, copy(one.body), schemas)


def apply_to(resources: Resources, selected: list[Resource], patch: Resource, schemas: Schemas) -> None:
    """One strategic merge patch on several objects, whatever their kind."""
    keys = {resource.id.key for resource in selected}
    for resource in resources:
        if resource.id.key not in keys:
            continue
        body = copy(patch.body)
        for marks in ("labels", "annotations"):
            _as_text(patch, body, marks)
        if "apiVersion" in resource.body:
            body["apiVersion"] = resource.body["apiVersion"]
        else:
            body.pop("apiVersion", None)
        merge_into(resource, patch, body, schemas)
        resource.merges = -1
    resources.check()


def _as_text(patch: Resource, body: dict[str, Any], marks: str) -> None:
    """Labels and annotations of a patch with a target go through text: a null in them is the word."""
    metadata = body.get("metadata")
    if not isinstance(metadata, dict):
        return
    texts = patch.texts(marks)
    metadata.pop(marks, None)
    if texts:
        metadata[marks] = texts


def _drops_annotations(patch: Mapping[str, Any]) -> bool:
    """Whether a strategic merge patch leaves none of the annotations that were there."""
    metadata = patch.get("metadata")
    if not isinstance(metadata, dict):
        return False
    annotations = metadata.get("annotations", {})
    holders = (metadata, annotations if isinstance(annotations, dict) else {})
    dropped = any(text_of(holder.get("$patch")) in ("replace", "delete") for holder in holders)
    return dropped or is_null(annotations)


def merge_into(resource: Resource, patch: Resource, body: dict[str, Any], schemas: Schemas) -> None:
    """A strategic merge patch on one object; its name, namespace and kind stay unless the patch may change them."""
    before = resource.body
    name, namespace, kind = resource.name, resource.namespace, before.get("kind")
    if patch.allow_name_change or patch.allow_kind_change:
        resource.remember_id()
    forgotten = _drops_annotations(body)
    schema = schemas.of(resource.api_version, resource.kind)
    if schema is None:
        schema = schemas.of(text_of(body.get("apiVersion")), text_of(body.get("kind")))
    resource.obj = merge(before, body, schema)
    resource.merges = max(resource.merges, 0) + 1
    if resource.gone:
        return
    if forgotten:
        resource.forget()
    if not patch.allow_kind_change:
        resource.body["kind"] = kind
    if not patch.allow_name_change:
        resource.set_name(name)
    resource.set_namespace(namespace)
    resource.spread()


_ABOVE_ANNOTATIONS = ("", "/metadata", "/metadata/annotations")


def _replaces_annotations(operation: Mapping[str, Any]) -> bool:
    kind = operation.get("op")
    return (kind != "test" and operation.get("path") in _ABOVE_ANNOTATIONS) or (
        kind == "move" and operation.get("from") in _ABOVE_ANNOTATIONS
    )


def apply_operations(resource: Resource, operations: list[Any]) -> None:
    """A JSON patch on one object. Upstream notes earlier ids in annotations, so there is something to add to."""
    if resource.previous or resource.behavior or resource.hash_suffix:
        metadata = resource.metadata()
        if is_null(metadata.get("annotations")):
            metadata["annotations"] = {}
    try:
        patched = json_patch(settle(resource.body), copy(operations))
    except PatchProblem as problem:
        raise KustomizeProblem(str(problem), field="patches") from None
    if not isinstance(patched, dict):
        raise KustomizeProblem(f"a JSON patch left {type(patched).__name__} of {resource.id}", field="patches")
    resource.obj = unsettle(patched)
    resource.shared = []
    if any(_replaces_annotations(operation) for operation in operations):
        resource.forget_origin()
    after = patched.get("metadata")
    if isinstance(after, dict) and "annotations" in after:
        resource.metadata()["annotations"] = resource.texts("annotations")
