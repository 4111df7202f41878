"""The five formats of files: read into documents with the metadata apart, and written again. Pure.

Called by `opening.py`. JSON, dotenv, INI and binary are written byte for byte as SOPS does it; YAML is written as the same data
(comments, quotes and folding are not kept). Source: SOPS, ``stores``, ``cmd/sops/formats``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import yaml

from trueup.sops import flat, ini
from trueup.sops.cipher import Moment
from trueup.sops.problems import Malformed, SopsProblem
from trueup.sops.walk import Comment

Format = Literal["yaml", "json", "dotenv", "ini", "binary"]
_ENDINGS: Mapping[str, Format] = {".yaml": "yaml", ".yml": "yaml", ".json": "json", ".env": "dotenv", ".ini": "ini"}
_PREFIX = "sops_"
_DEEPEST = 200
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


def read(data: bytes, form: Format) -> Encrypted:
    """A file that SOPS wrote."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as problem:
        raise Malformed("the file is not UTF-8") from problem
    return _READERS[form](text)


def write(documents: list[Any], form: Format) -> bytes:
    """The decrypted documents."""
    return _WRITERS[form](documents).encode("utf-8", "surrogateescape")


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


class _Loader(yaml.CSafeLoader):
    """YAML 1.2's scalars, as the library has them that SOPS reads with; of timestamps the text is kept."""


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
     "-+.0123456789"),
    ("int", r"[-+]?(?:0|[1-9][0-9_]*)|[-+]?0[0-7_]+|[-+]?0x[0-9a-fA-F_]+|[-+]?0b[01_]+|[-+]?0o[0-7_]+", "-+0123456789"),
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    ("timestamp", r"\d{4}-\d\d?-\d\d?(?:(?:[Tt]|[ \t]+)\d\d?:\d\d:\d\d(?:\.\d*)?(?:[ \t]*(?:Z|[-+]\d\d?(?::\d\d)?))?)?",
     "0123456789"),
):  # fmt: skip
    for _sign in _first:
        resolvers = _Loader.yaml_implicit_resolvers.setdefault("" if _sign == "\0" else _sign, [])
        resolvers.insert(0, (f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z")))


def _integer(loader: yaml.Loader, node: yaml.ScalarNode) -> int:
    text = str(loader.construct_scalar(node)).replace("_", "")
    bare = text.lstrip("+-")
    base = {"0x": 16, "0b": 2, "0o": 8}.get(bare[:2], 8 if len(bare) > 1 and bare[0] == "0" else 10)
    return int(text, base)


def _text(loader: yaml.Loader, node: yaml.ScalarNode) -> str:
    return Moment(loader.construct_scalar(node))


_Loader.add_constructor("tag:yaml.org,2002:int", _integer)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _text)


class _Dumper(yaml.CSafeDumper):
    """A value of several lines as a block; every other text in quotes where it needs them."""


def _block(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _block)
_Dumper.add_representer(Moment, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:timestamp", str(text)))


def _read_yaml(text: str) -> Encrypted:
    try:
        _bounded(text)
        return _apart([document for document in yaml.load_all(text, _Loader) if document is not None])
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as problem:
        where = getattr(problem, "problem_mark", None)
        raise Malformed(f"not valid YAML{f' at line {where.line + 1}' if where else ''}") from problem


def _bounded(text: str) -> None:
    """The loader recurses in C, without a limit of its own: what is nested deeper is refused before it sees it."""
    depth = 0
    for event in yaml.parse(text, yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _DEEPEST:
                raise Malformed("the document is nested too deep")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _write_yaml(documents: list[Any]) -> str:
    return "---\n".join(
        yaml.dump(document, Dumper=_Dumper, sort_keys=False, indent=4, allow_unicode=True, width=10**9)
        for document in documents
    )


# JSON


def _read_json(text: str) -> Encrypted:
    try:
        return _apart([json.loads(text)])
    except (ValueError, RecursionError) as problem:
        raise Malformed("not valid JSON") from problem


def _write_json(documents: list[Any]) -> str:
    return json.dumps(documents[0], indent="\t", ensure_ascii=False) + "\n"


def _write_binary(documents: list[Any]) -> str:
    value = documents[0].get("data")
    if not isinstance(value, str):
        raise SopsProblem("the file holds no binary data")
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


def _write_dotenv(documents: list[Any]) -> str:
    lines = []
    for key, value in documents[0].items():
        if isinstance(value, (dict, list)):
            raise SopsProblem(f"a dotenv file has no place for what {key!r} holds")
        lines.append(f"#{key.text}\n" if isinstance(key, Comment) else f"{key}={_plain(value)}\n")
    return "".join(lines)


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).replace("\n", "\\n")


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
_WRITERS: Mapping[Format, Callable[[list[Any]], str]] = {
    "yaml": _write_yaml, "json": _write_json, "binary": _write_binary, "dotenv": _write_dotenv,
    "ini": lambda documents: ini.write(documents[0]),
}  # fmt: skip
