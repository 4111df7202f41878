"""Bodies in: JSON, YAML and protobuf to objects and patches; lists and watches out of JSON that is there already.

Called by what answers requests; what leaves in other forms is made by `answers`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson

from trueup.kube import documents, go_json
from trueup.kube.go_json import GoJsonError, word
from trueup.kube.names import Object
from trueup.kube.problems import BadRequest, TooLarge, UnsupportedMediaType
from trueup.kube.reading import Decimal, Struct

UNREADABLE = (
    "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, "
    "application/vnd.kubernetes.protobuf"
)
MAX_BODY = 3 * 1024 * 1024
MOST_FIELDS = 50_000
"""Fields and items of one document. Kubernetes' own bound is what etcd takes, 1.5 MB with every field told again in the
managed fields, which is about as many; far from it the work of one request would keep all others waiting."""
DEEPEST = 230
"""Levels of one document: what is kept as JSON may have 254, of which managed fields take some. Kubernetes' bound is 10,000."""
_FEWEST_BYTES = 4
"""Of a field or an item: documents too short to have too many are not counted."""
PROTOBUF = "application/vnd.kubernetes.protobuf"
PATCHES: Mapping[str, Any] = {
    "application/json-patch+json": "json",
    "application/merge-patch+json": "merge",
    "application/strategic-merge-patch+json": "strategic",
    "application/apply-patch+yaml": "apply",
}


def media_type(headers: Mapping[str, str]) -> str:
    """The body's media type, without parameters; empty when the header cannot be read."""
    return _media(headers.get("content-type", "application/json"))


@lru_cache(maxsize=256)
def _media(content_type: str) -> str:
    media, *parameters = content_type.split(";")
    if any(one.strip() and "=" not in one for one in parameters):
        return ""
    return media.strip().lower()


def read_object(body: bytes, media: str, kind: str = "", *, custom: bool = False, title: str = "") -> Object:
    """An object out of a request's body, which ought to be of a kind. Raises ``BadRequest`` or ``UnsupportedMediaType``.

    ``custom``: of a kind that has no Go type, so that it must be named; ``title``: how a refusal of one that is not begins,
    where unknown fields are ignored.

    Source: apimachinery ``json.Serializer``, apiserver ``transformDecodeError``.
    """
    if media == PROTOBUF:
        from trueup.kube.protobuf import decode

        if not body.startswith(b"k8s\0"):
            raise _unrecognized(
                body, kind, "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"
            )
        found = decode(body)
        _check_size(found, len(body))
        return found
    try:
        value = read_value(body, media)
    except GoJsonError as problem:
        raise _unrecognized(body, kind, f"{_PARSE}{problem}") from None
    except documents.YamlProblem as problem:
        raise _unrecognized(body, kind, _go_yaml(problem)) from None
    if value is None:
        value = {}
    if not isinstance(value, dict):
        struct = (
            'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'
        )
        raise _unrecognized(body, kind, f"{_PARSE}json: cannot unmarshal {word(value)} into Go value of type {struct}")
    for name in ("apiVersion", "kind"):
        if value.get(name) is not None and not isinstance(value[name], str):
            said = f"json: cannot unmarshal {word(value[name])} into Go struct field .{name} of type string"
            raise _unrecognized(body, kind, _PARSE + said)
    if custom and not value.get("kind"):
        why = f"Object 'Kind' is missing in '{body.decode(errors='replace')}'"
        raise BadRequest(title + why) if title else _unrecognized(body, kind, why)
    return value


_PARSE = "couldn't get version/kind; json parse error: "


def _unrecognized(body: bytes, kind: str, why: str) -> BadRequest:
    if not kind:
        return BadRequest(why)
    shown = body[:30].decode(errors="replace") if body.startswith(b"{") else body[:30].hex()
    shown = "<empty>" if not body else f"{shown} ..." if len(body) > 30 else shown
    return BadRequest(f"the object provided is unrecognized (must be of type {kind}): {why} ({shown})")


def _go_yaml(problem: documents.YamlProblem) -> str:
    if problem.message.startswith("unsupported value: "):
        return f"json: {problem.message}"
    return f"yaml: {f'line {problem.go_line}: ' if problem.go_line else ''}{problem.message}"


def read_value(body: bytes, media: str) -> Any:
    """JSON or YAML. Raises ``GoJsonError`` for what is no JSON, ``YamlProblem`` for what is no YAML."""
    if len(body) > MAX_BODY:
        raise TooLarge(f"Request entity too large: limit is {MAX_BODY}")
    if media.endswith("json") or media == "":
        value = go_json.loads(body)
        _check_size(value, len(body))
        if body.count(b"{") + body.count(b"[") > DEEPEST and _deeper(value):
            raise GoJsonError("exceeded max depth")
        return value
    if media.endswith("yaml"):
        return _yaml(body)
    raise UnsupportedMediaType(UNREADABLE)


def _yaml(body: bytes) -> Any:
    """The first document: go-yaml does not look at what comes behind it."""
    try:
        found = documents.parse_first(body, most=2 * MOST_FIELDS)
    except documents.TooManyNodes:
        raise TooLarge(f"Request entity too large: limit is {MOST_FIELDS} fields") from None
    if found is None:
        return None
    _check_size(found.value, len(body))
    if len(body) > DEEPEST and _deeper(found.value):
        raise BadRequest("error decoding YAML: exceeded max depth")
    return found.value


def _check_size(value: Any, size: int) -> None:
    """Raises ``TooLarge`` when there are more fields and items than one request may bring."""
    if size < MOST_FIELDS * _FEWEST_BYTES:
        return
    count, left = 0, [value] if isinstance(value, dict | list) else []
    while left:
        each = left.pop()
        below = each.values() if isinstance(each, dict) else each
        count += len(each)
        if count > MOST_FIELDS:
            raise TooLarge(f"Request entity too large: limit is {MOST_FIELDS} fields")
        left += [one for one in below if isinstance(one, dict | list) and one]


def _deeper(value: Any) -> bool:
    """Whether a document has more levels than it may; the writer of JSON counts them best."""
    for _ in range(_WRITABLE - DEEPEST):
        value = [value]
    try:
        orjson.dumps(value)
    except TypeError as problem:
        return TOO_DEEP in str(problem)
    return False


_WRITABLE = 254
TOO_DEEP = "Recursion limit reached"
"""How orjson says that something has more levels than it writes."""


def patch_kind(media: str, *, custom: bool) -> Any:
    """What kind of patch a media type is. Raises ``UnsupportedMediaType``."""
    how = PATCHES.get(media)
    if not how or (custom and how == "strategic"):
        if not custom:
            refused = UnsupportedMediaType("415: Unsupported Media Type")
            refused.generic = True
            raise refused
        known = "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
        raise UnsupportedMediaType(
            f"the body of the request was in an unknown format - accepted media types include: {known}"
        )
    return how


def readable(media: str) -> bool:
    """Whether objects are read from a media type."""
    return media in ("application/json", "application/yaml", PROTOBUF)


def read_patch(body: bytes, media: str, *, custom: bool = False, loosely: bool = False) -> tuple[Any, Any]:
    """A patch and its kind. Raises ``BadRequest`` or ``UnsupportedMediaType``.

    ``loosely``: without field validation it is read by other code in Kubernetes, which has other words.
    """
    how = patch_kind(media, custom=custom)
    if how == "apply":
        return _read_apply(body, media), how
    try:
        value = read_value(body, "application/json")
    except GoJsonError as problem:
        if loosely and how == "merge":
            raise BadRequest("Invalid JSON Patch") from None
        lead = "" if how == "strategic" or loosely else "error decoding patch: "
        raise BadRequest(f"{lead}{problem}") from None
    if how == "json":
        for wrong in [] if value is None else [value] if not isinstance(value, list) else value:
            if wrong is value or (not isinstance(wrong, dict) and wrong is not None):
                slices = "" if isinstance(value, list) else "[]"
                raise BadRequest(
                    f"{'' if loosely else 'error decoding patch: '}json: cannot unmarshal {word(wrong)} into Go value of type "
                    f"{slices}handlers.jsonPatchOp"
                )
        return value or [], how
    if how == "merge" and (value is None or (loosely and not isinstance(value, dict))):
        raise BadRequest("Invalid JSON Patch")
    if value is not None and not isinstance(value, dict):
        lead = "" if how == "strategic" else "error decoding patch: "
        raise BadRequest(f"{lead}json: cannot unmarshal {word(value)} into Go value of type map[string]interface {{}}")
    return value or {}, how


def _read_apply(body: bytes, media: str) -> Any:
    """An applied configuration, which is YAML whatever its media type says."""
    try:
        value = read_value(body, "application/json")
    except GoJsonError:
        try:
            value = read_value(body, "application/yaml")
        except documents.YamlProblem as problem:
            raise BadRequest(f"error decoding YAML: error converting YAML to JSON: {_go_yaml(problem)}") from None
    if value is not None and not isinstance(value, dict):
        raise BadRequest(
            "error decoding YAML: error unmarshaling JSON: while decoding JSON: "
            f"json: cannot unmarshal {word(value)} into Go value of type map[string]interface {{}}"
        )
    return value or {}


def repeated(body: bytes) -> str:
    """The keys that a YAML body gives more than once, in the words of its reader; empty when there are none."""
    first = documents.parse_first(body)
    found = first.duplicates if first is not None else ()
    lines = "".join(f'\n  line {twice.line}: key "{twice.key}" already set in map' for twice in found)
    return f"yaml: unmarshal errors:{lines}" if found else ""


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
    """The paths of fields that a JSON body, read as ``value``, gives more than once.

    Raises ``GoJsonError`` for a number that no float64 holds.
    """
    written = orjson.dumps(value)
    go_json.check_finite(body, written)
    if body.count(b'"') == written.count(b'"'):
        return []  # a field that is dropped takes its quotes along; this is so on nearly every request
    out: list[str] = []
    _find_twice(json.loads(body, object_pairs_hook=_Pairs.of), "", out)
    return out


_DECIMAL = re.compile(rb"[:,\[]\s*-?\d+(?:[.eE]|\d{18})")
"""What may be a number that is not written as a whole one, or is too large for one; or part of a text."""


def check_numbers(body: bytes, struct: Struct) -> None:
    """Raises ``WrongType`` where a JSON body has ``1.0`` or ``1e2`` for a whole number, which Go does not read from it."""
    if _DECIMAL.search(body):
        struct.check(json.loads(body, parse_float=Decimal), lambda *_: None)


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
        found = int(text)
    except ValueError:
        raise BadRequest(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None
    if not -(1 << 63) <= found < 1 << 63:
        raise BadRequest(f'strconv.ParseInt: parsing "{text}": value out of range')
    return found
