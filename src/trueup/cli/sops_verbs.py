"""`trueup sops`: decrypt, encrypt, rotate, set and unset. Called by `sops.py`. Source: SOPS, ``cmd/sops``."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from trueup.cli.sops_files import (
    BAD_PATH,
    CONFLICT,
    UNREADABLE,
    fail,
    file_of,
    keys_given,
    now,
    put,
    replaced,
    services,
    told,
    versioned,
    wish_of,
)
from trueup.sops import Malformed, Opening, SopsProblem, Wish, encrypted, formats, paths, rotated, yaml_writing
from trueup.sops.metadata import Metadata


def decrypt(name: str | None, options: Mapping[str, Any]) -> None:
    """What is in a file, or one value of it."""
    file = file_of(name, options)
    place = _place(str(options.get("extract") or ""))
    opening = file.open(services(), options)
    with told(file.name):
        if place:
            data = _extracted(opening, place, file.output, file.style)
        else:
            data = formats.write(opening.documents, file.output, file.style)
    put(file, data, in_place=bool(options.get("in_place")), output=options.get("output"))


def _extracted(opening: Opening, place: paths.Path, form: formats.Format, style: formats.Style) -> bytes:
    found = paths.get(opening.documents[0], place)
    if isinstance(found, str):
        return found.encode("utf-8", "surrogateescape")
    if isinstance(found, dict):
        return formats.write([found], form, style)
    if form == "yaml":
        return yaml_writing.value(found, style.yaml or yaml_writing.INDENT).encode()
    return formats.json_text(found, style).encode()


def encrypt(name: str | None, options: Mapping[str, Any]) -> None:
    """A plain file, encrypted."""
    file = file_of(name, options)
    if file.path is None and not options.get("filename_override"):
        fail("--filename-override is needed when the standard input is read: rules go by it", CONFLICT)
    data, keys = file.read(), services()
    wish = versioned(wish_of(file, options), keys)
    with told(file.name):
        done = encrypted(
            data, file.input, wish, keys, now=now(), entropy=secrets.token_bytes, into=file.output, style=file.style
        )
    put(file, done, in_place=bool(options.get("in_place")), output=options.get("output"))


def rotate(name: str, options: Mapping[str, Any]) -> None:
    """A file under a new data key, with other keys where that is asked."""
    file, keys = file_of(name, options), services()
    opening = file.open(keys, options)
    added = versioned(Wish((keys_given(options, "add_"),)), keys).groups[0]
    removed = {key.identity[:2] for key in keys_given(options, "rm_")}
    with told(file.name):
        documents, metadata = rotated(
            replace(opening, metadata=_changed(opening.metadata, added, removed)), keys, now(), secrets.token_bytes
        )
    done = file.encrypted(documents, metadata)
    put(file, done, in_place=bool(options.get("in_place")), output=options.get("output"))


def _changed(metadata: Metadata, added: tuple[Any, ...], removed: set[tuple[str, str]]) -> Metadata:
    first, *others = metadata.groups
    there = {key.identity for key in first}
    groups = ((*first, *(key for key in added if key.identity not in there)), *others)
    return replace(
        metadata, groups=tuple(tuple(key for key in group if key.identity not in removed) for group in groups)
    )


def set_value(name: str, place: str, value: str | None, options: Mapping[str, Any]) -> None:
    """One value, changed in the file."""
    steps, new = _place(place), _value(value, options)
    if not steps:
        fail("no place is named: '[\"key\"]' is one", BAD_PATH)
    _changed_file(name, options, lambda document: paths.set_(document, steps, new))


def unset(name: str, place: str, options: Mapping[str, Any]) -> None:
    """One value, removed from the file."""
    steps = _place(place)
    if not steps:
        fail("no place is named: '[\"key\"]' is one", BAD_PATH)
    _changed_file(name, options, lambda document: paths.unset(document, steps))


def _changed_file(name: str, options: Mapping[str, Any], change: Any) -> None:
    """The first document changed, everything else as it was written."""
    file, keys = file_of(name, options), services()
    opening = file.open(keys, options, again=True)
    with told(file.name):
        try:
            first = change(opening.documents[0])
        except paths.NotThere:
            if options.get("idempotent"):
                return
            raise
        if options.get("idempotent") and _same(first, opening.documents[0]):
            return
        if not isinstance(first, dict) or "sops" in first:
            raise SopsProblem("the key 'sops' is SOPS's own: choose another one")
        documents, metadata = opening.sealed([first, *opening.documents[1:]], now())
    assert file.path is not None, "a verb that changes a file has one"
    replaced(file.path, file.encrypted(documents, metadata))


def _same(one: Any, other: Any) -> bool:
    """Whether values are the same, down to their types."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(_same(below, other[key]) for key, below in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


def _place(text: str) -> list[str | int]:
    try:
        return paths.parse(text)
    except Malformed as problem:
        fail(str(problem), BAD_PATH)


def _value(value: str | None, options: Mapping[str, Any]) -> Any:
    """From the command line, a file, or the standard input."""
    by_file, by_stdin = options.get("value_file"), options.get("value_stdin")
    if by_file and by_stdin:
        fail("--value-file and --value-stdin cannot be used together", CONFLICT)
    if bool(by_stdin) == (value is not None):
        fail("the value is missing: it is given as JSON" if not by_stdin else "with --value-stdin no value is given")
    if by_stdin:
        text = sys.stdin.read()
    elif by_file:
        try:
            text = Path(str(value)).read_text()
        except (OSError, UnicodeDecodeError):
            fail(f"{value}: cannot be read", UNREADABLE)
    else:
        text = str(value)
    with told("the value"):
        return paths.value_of(text)
