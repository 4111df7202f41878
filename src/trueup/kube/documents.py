"""YAML and JSON documents as Kubernetes reads them, and objects as kubectl prints them.

Called by every room that meets a manifest: renderers, kustomize, the API server (``application/yaml``), the commands.
Bytes come in, `Document` values leave; `dump` goes the other way. Positions are kept: the line of each document, and
`line_of` finds the line of a field when an error has to name it.

Source of the rules: sigs.k8s.io/yaml 1.6 over its go-yaml v2 (scalars, merge keys, alias limits), and
k8s.io/apimachinery's YAML-or-JSON decoder (a stream that opens with a brace is tried as JSON first).
"""

from __future__ import annotations

import itertools
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from trueup.kube.yaml_printing import dump, dump_all
from trueup.kube.yaml_reading import Dialect, Document, Duplicate, Reader, TooManyNodes, YamlProblem

__all__ = [
    "Dialect",
    "Document",
    "Duplicate",
    "TooManyNodes",
    "YamlProblem",
    "dump",
    "dump_all",
    "line_of",
    "parse",
    "parse_first",
    "parse_one",
]


def parse(
    data: bytes | str, path: str = "", *, strict: bool = False, dialect: Dialect | None = None, most: int = sys.maxsize
) -> list[Document]:
    """The documents of a file, empty ones left out. Raises `YamlProblem`; when strict, for a duplicate key too.

    ``most``: how many nodes a document may have, where its author is not trusted.
    """
    documents = _json(data, path, strict)
    if documents is None:
        pieces = _pieces(data) if isinstance(data, bytes) and b"\n..." in data else None
        if pieces is None:
            documents = _documents(data, path, dialect, most)
        else:
            documents = [
                Document(
                    one.value, one.line + lines, path, tuple(Duplicate(d.key, d.line + lines) for d in one.duplicates)
                )
                for lines, piece in pieces
                for one in _first_documents(piece, path, lines, dialect, most)
            ]
    if strict:
        for document in documents:
            for twice in document.duplicates:
                raise YamlProblem(path, twice.line, f'key "{twice.key}" already set in map')
    return documents


def _documents(data: bytes | str, path: str, dialect: Dialect | None, most: int) -> list[Document]:
    try:
        return _all(Reader(data, path, dialect=dialect), most)
    except YamlProblem as problem:
        if not isinstance(data, bytes) or not problem.message.endswith("octet"):
            raise
    # What is no UTF-8 is no reason to refuse a file: it becomes the sign for that.
    return _all(Reader(data.decode("utf-8", "replace"), path, dialect=dialect), most)


def _all(reader: Reader, most: int) -> list[Document]:
    reader.most = most
    return [document for document in reader.documents() if document.value is not None]


def _pieces(data: bytes) -> list[tuple[int, bytes]] | None:
    """What stands between lines that begin with ``---``, and how many lines are before it. Behind the end of a document
    (``...``) nothing is read until the next such line. None where a piece is in need of what is before: of directives."""
    out, begin, lines = [], 0, 0
    if data.startswith(b"%") or b"\n%" in data:
        return None
    while (end := data.find(b"\n---", begin)) >= 0:
        out.append((lines, data[begin : end + 1]))
        lines += data.count(b"\n", begin, end + 1)
        begin = end + 1
    return [*out, (lines, data[begin:])]


def _first_documents(
    piece: bytes, path: str, lines: int, dialect: Dialect | None, most: int
) -> Iterator[Document]:  # fmt: skip
    try:
        reader = Reader(piece, path, dialect=dialect)
        reader.most = most
        yield from (document for document in itertools.islice(reader.documents(), 1) if document.value is not None)
    except YamlProblem as problem:
        raise YamlProblem(path, problem.line + lines if problem.line else 0, problem.message) from None


def parse_first(data: bytes, *, most: int = sys.maxsize) -> Document | None:
    """The first document of a YAML stream, whatever comes behind it; None when there is none. Raises `YamlProblem`."""
    reader = Reader(data, "")
    reader.most = most
    return next(reader.documents(), None)


def parse_one(data: bytes | str, path: str = "", *, strict: bool = False) -> Any:
    """The value of the first document, None when there is none."""
    documents = parse(data, path, strict=strict)
    return documents[0].value if documents else None


def line_of(data: bytes | str, document: int, field: Sequence[str | int]) -> int:
    """The line of a field in the n-th document that `parse` gave, or of its nearest parent; 0 if there is no such document.

    Reads the file again: only errors ask.
    """
    reader = Reader(data, "", marks=True)
    found = [lines for value, lines in zip(reader.documents(), reader.lines, strict=False) if value.value is not None]
    if document >= len(found):
        return 0
    lines = found[document]
    for depth in range(len(field), -1, -1):
        line = lines.get(tuple(field[:depth]))
        if line:
            return line
    return 0


# --- JSON --------------------------------------------------------------------------------------------------------


def _json(data: bytes | str, path: str, strict: bool) -> list[Document] | None:
    """The documents when the stream is JSON, None when it has to be read as YAML."""
    if data[:256].lstrip()[:1] not in (b"{", "{"):
        return None
    if not strict:
        try:
            return [Document(orjson.loads(data), _first_line(data), path)]
        except orjson.JSONDecodeError:
            pass
    try:
        text = data.decode() if isinstance(data, bytes) else data
        return list(_json_stream(text, path))
    except (ValueError, RecursionError):
        return None  # flow mappings of YAML look alike; the YAML reader has the last word and the better message


def _json_stream(text: str, path: str) -> Iterator[Document]:
    """Objects one after the other, as a JSON stream has them."""
    twice: list[Duplicate] = []

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        out = dict(found)
        if len(out) != len(found):
            counts = Counter(key for key, _ in found)
            twice.extend(Duplicate(key, 0) for key, count in counts.items() if count > 1)
        return out

    decoder = json.JSONDecoder(object_pairs_hook=pairs, parse_constant=_no_constant)
    at = len(text) - len(text.lstrip())
    while at < len(text):
        line = text.count("\n", 0, at) + 1
        value, end = decoder.raw_decode(text, at)
        yield Document(value, line, path, tuple(twice))
        twice.clear()
        at = end + len(text[end:]) - len(text[end:].lstrip())


def _no_constant(name: str) -> Any:
    raise ValueError(f"invalid JSON: {name}")


def _first_line(data: bytes | str) -> int:
    head = data[: len(data) - len(data.lstrip())]
    return (head.count(b"\n") if isinstance(head, bytes) else head.count("\n")) + 1
