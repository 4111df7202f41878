"""The five formats of files: read into documents with the metadata apart, and written again. Pure.

Called by `editing.py`. All are written as SOPS does it: comments, where a format has them, stay with what they are about.
Source: SOPS, ``stores``, ``cmd/sops/formats``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from trueup.sops import flat, ini, yaml_reading, yaml_writing
from trueup.sops.cipher import Comment
from trueup.sops.problems import Malformed, SopsProblem

Format = Literal["yaml", "json", "dotenv", "ini", "binary"]
_ENDINGS: Mapping[str, Format] = {".yaml": "yaml", ".yml": "yaml", ".json": "json", ".env": "dotenv", ".ini": "ini"}
_PREFIX = "sops_"
_EXACT = 2.0**53
_MARKS: Mapping[Format, bytes] = {
    "dotenv": b"sops_mac=ENC[",
    "ini": b"[sops]",
    "json": b'"mac": "ENC[',
    "yaml": b"mac: ENC[",
}


def format_of(path: str) -> Format:
    """By the ending of a file's name."""
    return next((found for ending, found in _ENDINGS.items() if path.endswith(ending)), "binary")


def marked(data: bytes) -> Format | None:
    """The format that a text was encrypted in, by the mark that SOPS leaves; None: it is not encrypted."""
    found = next((name for name, mark in _MARKS.items() if mark in data), None)
    return "binary" if found == "json" and _enveloped(data) else found


def _enveloped(data: bytes) -> bool:
    try:
        return set(json.loads(data)) == {"data", "sops"}
    except (ValueError, TypeError):
        return False


@dataclass(frozen=True, slots=True)
class Encrypted:
    """A file as read: its documents without the metadata, and the metadata."""

    documents: list[Any]
    metadata: Any


@dataclass(frozen=True, slots=True)
class Style:
    """How far lines are indented: ``stores`` of a rules file, ``--indent``."""

    yaml: int = 0
    """Spaces; 0: as SOPS does it."""
    json: int = -1
    """Spaces; -1: a tab."""


USUAL = Style()


def read(data: bytes, form: Format) -> Encrypted:
    """A file that SOPS wrote."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as problem:
        raise Malformed("the file is not UTF-8") from problem
    return _READERS[form](text)


def read_plain(data: bytes, form: Format) -> list[Any]:
    """A file that is to be encrypted."""
    if form == "binary":
        return [{"data": data.decode("utf-8", "surrogateescape")}]
    found = read(data, form)
    if found.metadata is not None:
        raise SopsProblem(
            "the file is encrypted already: edit it instead; if it is not, rename its "
            + ("keys that begin with 'sops_'" if form == "dotenv" else "entry 'sops'")
        )
    if not found.documents:
        raise Malformed("the file is empty: it must hold at least one document")
    return found.documents


def write(documents: list[Any], form: Format, style: Style = USUAL) -> bytes:
    """The decrypted documents."""
    return _WRITERS[form](documents, style).encode("utf-8", "surrogateescape")


def write_encrypted(documents: list[Any], metadata: dict[str, Any], form: Format, style: Style = USUAL) -> bytes:
    """Encrypted documents, each with the metadata in it."""
    if form == "dotenv":
        added: dict[str, Any] = {_PREFIX + key: value for key, value in flat.flattened(metadata).items()}
    elif form == "ini":
        added = {"sops": {key: value.replace("\n", "\\n") for key, value in flat.flattened(metadata).items()}}
    else:
        added = {"sops": metadata}
    for document in documents:
        if taken := next((key for key in document if key in added), None):
            raise SopsProblem(f"the key {taken!r} is SOPS's own: rename it")
    return write([{**document, **added} for document in documents], "json" if form == "binary" else form, style)


def _apart(documents: list[Any]) -> Encrypted:
    kept, metadata = [], None
    for document in documents:
        if not isinstance(document, dict):
            raise Malformed("a document is not a mapping")
        if metadata is None:
            metadata = document.get("sops")
        kept.append({key: value for key, value in document.items() if key != "sops"})
    return Encrypted(kept, metadata)


# YAML


def _read_yaml(text: str) -> Encrypted:
    return _apart(yaml_reading.documents(text))


def _write_yaml(documents: list[Any], style: Style) -> str:
    return yaml_writing.written(documents, style.yaml or yaml_writing.INDENT)


# JSON


def _whole(text: str) -> int | float:
    number = int(text)
    return number if -(2**63) <= number < 2**63 else float(text)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Malformed("a key stands twice in an object")
    return found


def _read_json(text: str) -> Encrypted:
    try:
        return _apart([json.loads(text, parse_int=_whole, object_pairs_hook=_once)])
    except (ValueError, RecursionError) as problem:
        where = f" at line {problem.lineno}" if isinstance(problem, json.JSONDecodeError) else ""
        raise Malformed(f"not valid JSON{where}") from problem


def _write_json(documents: list[Any], style: Style) -> str:
    return json_text(documents[0] if documents else {}, style) + "\n"


def json_text(value: Any, style: Style) -> str:
    """A value as Go's ``encoding/json`` prints it."""
    indent = "\t" if style.json < 0 else " " * style.json
    try:
        text = json.dumps(bare(value), indent=indent, ensure_ascii=False, allow_nan=False)
    except ValueError as problem:
        raise SopsProblem("JSON has no place for a number that is infinite or none") from problem
    for sign, code in _ESCAPED:
        text = text.replace(sign, code)
    return text.encode("utf-8", "replace").decode() if any("\ud800" <= char <= "\udfff" for char in text) else text


_ESCAPED = (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026"), ("\u2028", "\\u2028"), ("\u2029", "\\u2029"))
"""What Go writes by its code."""


def bare(value: Any) -> Any:
    """Without comments, which JSON does not have; nor has it two kinds of numbers."""
    if isinstance(value, dict):
        return {key: bare(below) for key, below in value.items() if not isinstance(key, Comment)}
    if isinstance(value, list):
        return [bare(below) for below in value if not isinstance(below, Comment)]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT else value


def _write_binary(documents: list[Any], style: Style) -> str:
    value = documents[0].get("data") if documents else None
    if not isinstance(value, str):
        raise SopsProblem("the file holds no binary data: choose another output type")
    return value


# dotenv and INI


def _read_dotenv(text: str) -> Encrypted:
    items: dict[Any, Any] = {}
    metadata: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith("#"):
            items[Comment(line[1:])] = None
        elif line:
            key, sign, value = line.partition("=")
            if not sign:
                raise Malformed(f"line {number} has no '='")
            value = value.replace("\\n", "\n")
            if key.startswith(_PREFIX):
                metadata[key.removeprefix(_PREFIX)] = value
            else:
                items[key] = value
    return Encrypted([items], flat.folded(metadata) if metadata else None)


def _write_dotenv(documents: list[Any], style: Style) -> str:
    lines = []
    for key, value in (documents[0] if documents else {}).items():
        if isinstance(value, (dict, list)):
            raise SopsProblem(f"a dotenv file has no place for what {key!r} holds")
        lines.append(f"#{key.text}\n" if isinstance(key, Comment) else f"{key}={_plain(value)}\n")
    return "".join(lines)


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value).replace("\n", "\\n")


def env_pairs(document: dict[Any, Any]) -> dict[str, str]:
    """A document's values as environment variables."""
    for key, value in document.items():
        if isinstance(value, (dict, list)):
            raise SopsProblem(f"the environment has no place for what {key!r} holds")
        if isinstance(key, str) and "=" in key:
            raise SopsProblem(f"the key {key!r} has a '=' in it: no environment variable is called so")
    return {
        key: value if isinstance(value, str) else _plain(value)
        for key, value in document.items()
        if not isinstance(key, Comment)
    }


def _write_ini(documents: list[Any], style: Style) -> str:
    return ini.write(documents[0] if documents else {})


def _read_ini(text: str) -> Encrypted:
    sections = ini.read(text)
    written = sections.pop("sops", None)
    if written is None:
        return Encrypted([sections], None)
    metadata = {key: value.replace("\\n", "\n") for key, value in written.items() if isinstance(key, str)}
    return Encrypted([sections], flat.folded(metadata))


_READERS: Mapping[Format, Callable[[str], Encrypted]] = {
    "yaml": _read_yaml, "json": _read_json, "binary": _read_json, "dotenv": _read_dotenv, "ini": _read_ini,
}  # fmt: skip
_WRITERS: Mapping[Format, Callable[[list[Any], Style], str]] = {
    "yaml": _write_yaml, "json": _write_json, "binary": _write_binary, "dotenv": _write_dotenv, "ini": _write_ini,
}  # fmt: skip
