"""Bodies in: JSON, YAML and protobuf to objects and patches; lists and watches out of JSON that is there already.

Called by what answers requests; what leaves in other forms is made by `answers`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import orjson

from trueup.kube import documents
from trueup.kube.names import Object
from trueup.kube.problems import BadRequest, TooLarge, UnsupportedMediaType

MAX_BODY = 3 * 1024 * 1024
PROTOBUF = "application/vnd.kubernetes.protobuf"
PATCHES: Mapping[str, Any] = {
    "application/json-patch+json": "json",
    "application/merge-patch+json": "merge",
    "application/strategic-merge-patch+json": "strategic",
    "application/apply-patch+yaml": "apply",
}


def media_type(headers: Mapping[str, str]) -> str:
    """The body's media type, without parameters."""
    return headers.get("content-type", "application/json").partition(";")[0].strip().lower()


def read_object(body: bytes, media: str) -> Object:
    """An object out of a request's body. Raises ``BadRequest`` or ``UnsupportedMediaType``."""
    if media == PROTOBUF:
        from trueup.kube.protobuf import decode

        return decode(body)
    value = read_value(body, media)
    if not isinstance(value, dict):
        raise BadRequest("the object provided is unrecognized (must be of type Object)")
    return value


def read_value(body: bytes, media: str) -> Any:
    """JSON or YAML."""
    if len(body) > MAX_BODY:
        raise TooLarge(f"Request entity too large: limit is {MAX_BODY}")
    if media.endswith("json") or media == "":
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError as problem:
            raise BadRequest(f"couldn't get version/kind; json parse error: {problem}") from None
    if media.endswith("yaml"):
        try:
            found = documents.parse(body)
        except documents.YamlProblem as problem:
            raise BadRequest(f"error decoding YAML: {problem}") from None
        if len(found) != 1:
            raise BadRequest(f"one document was expected, {len(found)} came")
        return found[0].value
    raise UnsupportedMediaType(
        f"the body of the request was in an unknown format - accepted media types include: application/json, "
        f"application/yaml, {PROTOBUF}"
    )


def read_patch(body: bytes, media: str, *, custom: bool = False) -> tuple[Any, Any]:
    """A patch and its kind. Raises ``BadRequest`` or ``UnsupportedMediaType``."""
    how = PATCHES.get(media)
    if custom and how in (None, "strategic"):
        known = ", ".join(name for name, kind in PATCHES.items() if kind != "strategic")
        raise UnsupportedMediaType(
            f"the body of the request was in an unknown format - accepted media types include: {known}"
        )
    if how is None:  # a route of a built-in kind that consumes it does not exist
        raise UnsupportedMediaType("415: Unsupported Media Type", details={})
    return read_value(body, "application/yaml" if media.endswith("yaml") else "application/json"), how


def repeated(body: bytes) -> str:
    """The keys that a YAML body gives more than once, in the words of its reader; empty when there are none."""
    found = [twice for document in documents.parse(body) for twice in document.duplicates]
    lines = "".join(f'\n  line {twice.line}: key "{twice.key}" already set in map' for twice in found)
    return f"error converting YAML to JSON: yaml: unmarshal errors:{lines}" if found else ""


class _Pairs(dict[str, Any]):
    """A JSON object that remembers the names that came more than once."""

    twice: tuple[str, ...] = ()

    @classmethod
    def of(cls, pairs: list[tuple[str, Any]]) -> _Pairs:
        made = cls(pairs)
        if len(made) != len(pairs):
            seen: set[str] = set()
            twice = [name for name, _ in pairs if name in seen or seen.add(name)]  # type: ignore[func-returns-value]
            made.twice = tuple(dict.fromkeys(twice))
        return made


def duplicates(body: bytes, value: Any) -> list[str]:
    """The paths of fields that a JSON body, read as ``value``, gives more than once."""
    if body.count(b'"') == orjson.dumps(value).count(b'"'):
        return []  # a field that is dropped takes its quotes along; this is so on nearly every request
    out: list[str] = []
    _find_twice(json.loads(body, object_pairs_hook=_Pairs.of), "", out)
    return out


def _find_twice(value: Any, path: str, out: list[str]) -> None:
    if isinstance(value, _Pairs):
        lead = f"{path}." if path else ""
        out += [lead + name for name in value.twice]
        for name, below in value.items():
            _find_twice(below, lead + name, out)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _find_twice(item, f"{path}[{index}]", out)


def list_of(kind: str, api_version: str, items: list[bytes], revision: str, token: str, remaining: int) -> bytes:
    """A list, put together from its items' JSON."""
    meta = list_meta(revision, token, remaining)
    head = orjson.dumps({"kind": kind, "apiVersion": api_version, "metadata": meta})
    return b"".join((head[:-1], b',"items":[', b",".join(items), b"]}"))


def list_meta(revision: str, token: str, remaining: int) -> Object:
    """``ListMeta``."""
    meta: Object = {"resourceVersion": revision}
    if token:
        meta["continue"] = token
        if remaining:
            meta["remainingItemCount"] = remaining
    return meta


def event_line(type_: str, body: bytes) -> bytes:
    """One line of a watch."""
    return b"".join((b'{"type":"', type_.encode(), b'","object":', body, b"}\n"))


def number(query: Mapping[str, str], name: str) -> int:
    """A number in a query; 0 when it is not there. Raises ``BadRequest``."""
    text = query.get(name, "")
    if not text:
        return 0
    try:
        return int(text)
    except ValueError:
        raise BadRequest(f'strconv.ParseInt: parsing "{text}": invalid syntax: {name} must be a number') from None
