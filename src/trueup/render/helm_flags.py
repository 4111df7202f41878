"""Values as Helm's own flags give them: ``--values`` and all ``--set``. Pure.

Called by the `app` room for a command. Source: Helm's ``values.Options.MergeValues``: files in their order, then JSON,
typed, text, files' contents and literal ones, whatever order they are written in.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from trueup.ports import RenderProblem
from trueup.render.helm_values import mapping, merged
from trueup.render.strvals import SetProblem, Way, set_into


@dataclass(frozen=True, slots=True)
class ValueFlags:
    """The flags of one command, each as often as it was given."""

    files: Sequence[str] = ()
    json: Sequence[str] = ()
    value: Sequence[str] = ()
    string: Sequence[str] = ()
    file: Sequence[str] = ()
    literal: Sequence[str] = ()


def values_of(flags: ValueFlags, read: Callable[[str], bytes]) -> dict[str, Any]:
    """The values, files read by ``read``. Raises `RenderProblem` naming the flag."""
    values: dict[str, Any] = {}
    for file in flags.files:
        values = merged(values, mapping(read(file), file))
    for text in flags.json:
        if text.lstrip().startswith("{"):
            values = merged(values, _whole(text))
        else:
            _set(values, text, "json", read)
    rest: Sequence[tuple[Way, Sequence[str]]] = (
        ("value", flags.value), ("string", flags.string), ("file", flags.file), ("literal", flags.literal),
    )  # fmt: skip
    for way, texts in rest:
        for text in texts:
            _set(values, text, way, read)
    return values


def _whole(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise RenderProblem(f"{text!r} is no JSON: {problem}", field="--set-json") from None
    assert isinstance(value, dict)
    return value


def _set(values: dict[str, Any], text: str, way: Way, read: Callable[[str], bytes]) -> None:
    try:
        set_into(values, text, way, lambda file: read(file).decode("utf-8", "replace"))
    except SetProblem as problem:
        flag = "--set" if way == "value" else f"--set-{way}"
        raise RenderProblem(f"{flag}: {problem}", field=flag) from None
