"""Copies values from one object into others. Called by `build` and `plugins`.

Source: kustomize's ``replacement`` filter.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from trueup.kube.limits import spend, spend_copy
from trueup.kustomize.filters.paths import Place, lookup, places, read_text, split
from trueup.kustomize.hashing import go_json
from trueup.kustomize.ids import Gvk, Id
from trueup.kustomize.merge import ABSENT
from trueup.kustomize.problem import KustomizeProblem, quote, within
from trueup.kustomize.resource import Resource
from trueup.kustomize.resources import Resources, Selector
from trueup.kustomize.scalars import (
    Odd,
    copy,
    is_null,
    is_scalar,
    plain,
    retyped,
    settle,
    text_of,
)
from trueup.kustomize.yaml_text import rewritten

_DEFAULT_PATH = "metadata.name"


def apply(resources: Resources, replacements: Iterable[Mapping[str, Any]]) -> None:
    """Carries out replacements one after the other."""
    for entry in replacements:
        source, fixed, targets = entry.get("source"), entry.get("sourceValue"), entry.get("targets")
        if (source is None and fixed is None) or targets is None:
            raise KustomizeProblem("replacements must specify a source and at least one target", field="replacements")
        if source is not None and fixed is not None:
            raise KustomizeProblem("value and resource selectors are mutually exclusive", field="replacements")
        wanted = _Source(plain(fixed)) if fixed is not None else _source_value(resources, source or {})
        for target in targets:
            _apply_target(resources, wanted, target)


# --- the source --------------------------------------------------------------------------------------------------


class _Source:
    """What is copied. Upstream it is the node in the object: a replacement that changes its own source goes on with that."""

    __slots__ = ("_parts", "_resource", "_value")

    def __init__(self, value: Any, resource: Resource | None = None, parts: tuple[str, ...] = ()) -> None:
        self._value, self._resource, self._parts = value, resource, parts

    @property
    def value(self) -> Any:
        if self._resource is not None:
            try:
                found = lookup(self._resource.body, self._parts)
            except KustomizeProblem:
                found = ABSENT
            self._value = self._value if found is ABSENT else found
        return self._value


def _source_value(resources: Resources, source: Mapping[str, Any]) -> _Source:
    resource = _source(resources, source)
    path = source.get("fieldPath") or _DEFAULT_PATH
    try:
        value = lookup(resource.body, split(path))
    except KustomizeProblem as problem:
        raise problem.under("error looking up replacement source") from None
    if value is ABSENT or is_null(value) or value in ({}, []):
        raise KustomizeProblem(
            f"fieldPath `{path}` is missing for replacement source {_id_text(source)}", field="replacements"
        )
    options = source.get("options") or {}
    delimiter = options.get("delimiter") or ""
    if not delimiter:
        return _Source(value, resource, tuple(split(path)))
    if not is_scalar(value):
        raise KustomizeProblem("delimiter option can only be used with scalar nodes", field="replacements")
    parts, index = text_of(value).split(delimiter), options.get("index") or 0
    if not 0 <= index < len(parts):
        raise KustomizeProblem(
            f"options.index {index} is out of bounds for value {text_of(value)}", field="replacements"
        )
    return _Source(parts[index] if isinstance(value, str) else plain(parts[index]))


def _source(resources: Resources, source: Mapping[str, Any]) -> Resource:
    wanted = Gvk(*(source.get(part) or "" for part in ("group", "version", "kind")))
    name, namespace = source.get("name") or "", source.get("namespace") or ""

    def selected(id: Id) -> bool:
        return (not name or id.name == name) and (not namespace or id.effective == namespace) and wanted.selects(id)

    found = [
        one
        for one in resources
        if (not name or one.bears(name)) and any(selected(id) for id in (one.id, *one.previous_ids))
    ]
    if len(found) == 1:
        return found[0]
    what = "multiple matches for selector" if found else "nothing selected by"
    raise KustomizeProblem(f"{what} {_source_text(source)}", field="replacements")


def _id_text(source: Mapping[str, Any]) -> str:
    gvk = Gvk(*(source.get(part) or "" for part in ("group", "version", "kind")))
    return f"{gvk}/{source.get('name') or '[noName]'}.{source.get('namespace') or '[noNs]'}"


def _source_text(source: Mapping[str, Any]) -> str:
    text = _id_text(source)
    if source.get("fieldPath"):
        text += f":{source['fieldPath']}"
    options = source.get("options") or {}
    if options.get("delimiter") or options.get("create"):
        create = "true" if options.get("create") else "false"
        text += f":{options.get('delimiter') or ''}({options.get('index') or 0}), create={create}"
    return text


# --- the targets -------------------------------------------------------------------------------------------------


def _apply_target(resources: Resources, source: _Source, target: Mapping[str, Any]) -> None:
    if target.get("select") is None:
        raise KustomizeProblem("target must specify resources to select", field="replacements")
    select = Selector.of(target["select"])
    rejects = [Selector.of(reject) for reject in target.get("reject") or ()]
    paths = target.get("fieldPaths") or [_DEFAULT_PATH]
    options = target.get("options") or {}
    with within("error creating target selector"):
        for selector in (select, *rejects):
            selector.compile()
    name = select.plain_name
    marked = any(selector.labels or selector.annotations for selector in (select, *rejects))
    for resource in resources:
        if marked and not _marks_fit(resource, select, rejects):
            continue
        if name and not resource.bears(name):
            continue
        ids = [resource.id, *resource.previous_ids]
        if not any(_fits(select, id) for id in ids):
            continue
        if any(reject.selects_by_id and any(_fits(reject, id) for id in ids) for reject in rejects):
            continue
        for path in paths:
            _copy_to(resource, source.value, path, options)


def _marks_fit(resource: Resource, select: Selector, rejects: list[Selector]) -> bool:
    """By labels and annotations, which upstream looks at first: a selector that cannot be read is refused by any object."""
    if not select.matches_marks(resource):
        return False
    return not any((reject.labels or reject.annotations) and reject.matches_marks(resource) for reject in rejects)


def _fits(selector: Selector, id: Id) -> bool:
    return selector.matches_gvk(id) and selector.matches_name(id.name) and selector.matches_namespace(id.namespace)


def _copy_to(resource: Resource, value: Any, path: str, options: Mapping[str, Any]) -> None:
    creating = bool(options.get("create"))
    create = ("map" if isinstance(value, dict) else "list" if isinstance(value, list) else "scalar") if creating else ""
    parts = split(path)
    if _inside_text(resource, parts, value, create):
        return
    missing = f"unable to find or create field {quote(path)}" if creating else f"unable to find field {quote(path)}"
    missing += " in replacement target"
    try:
        found = places(resource.body, parts, create)
    except KustomizeProblem as problem:
        raise problem.under(missing) from None
    if not found:
        raise KustomizeProblem(missing, field="replacements")
    for place in found:
        _put(place, value, options)
        resource.spread()


def _put(place: Place, value: Any, options: Mapping[str, Any]) -> None:
    before = place.value
    delimiter = options.get("delimiter") or ""
    scalar = not isinstance(before, (dict, list))
    text = text_of(value)
    if delimiter:
        if not scalar:
            raise KustomizeProblem("delimiter option can only be used with scalar nodes", field="replacements")
        text = _insert(text_of(before), text, delimiter, options.get("index") or 0)
    if not scalar:
        spend_copy(value)
        place.put(copy(value))
    elif place.fresh:
        place.put(plain(text))
    else:
        place.put(retyped(text, before))


def _insert(text: str, value: str, delimiter: str, index: int) -> str:
    spend(len(text) + len(value))  # text that is put into itself doubles each time
    parts = text.split(delimiter)
    if index < 0:
        parts.insert(0, value)
    elif index >= len(parts):
        parts.append(value)
    else:
        parts[index] = value
    return delimiter.join(parts)


# --- structures inside text ----------------------------------------------------------------------------------------


def _inside_text(resource: Resource, parts: tuple[str, ...], value: Any, create: str) -> bool:
    """Changes JSON or YAML that a text field holds; False when the path does not lead into one."""
    for at in range(1, len(parts)):
        try:
            holder = lookup(resource.body, parts[: at - 1])
            text = lookup(resource.body, parts[:at])
        except KustomizeProblem:
            continue
        if text is ABSENT or not is_scalar(text):
            continue
        try:
            content = read_text(text_of(text))
            before = copy(content)
            found = places(content, parts[at:], create)
        except KustomizeProblem:
            return False
        if not found:
            return False
        for place in found:
            spend_copy(value)
            if isinstance(place.value, (dict, list)):
                place.put(copy(value))
            else:
                place.put(plain(text_of(value)) if place.fresh else retyped(text_of(value), place.value))
        return _write_back(holder, parts[at - 1], text_of(text), before, content)
    return False


def _write_back(holder: Any, key: str, text: str, before: Any, content: Any) -> bool:
    if not isinstance(holder, dict):
        return False
    if text.strip()[:1] in ("{", "["):
        try:
            plain_content = settle(content)
        except KustomizeProblem:
            return False
        if "\n" in text and "  " in text:
            written = json.dumps(plain_content, sort_keys=True, ensure_ascii=False, indent=2)
        else:
            written = go_json(plain_content)
    else:
        written = rewritten(text, before, content)
    holder[key] = written if isinstance(holder[key], str) else Odd(written, written)
    return True
