"""Places in a document, as the command names them: ``["key"][0]``. Values there are read, set and removed. Pure.

Called by the command. Source: SOPS, ``sops.go`` (``Truncate``, ``Set``, ``Unset``), ``cmd/sops/main.go`` (``parseTreePath``).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from trueup.sops.cipher import Comment
from trueup.sops.problems import Malformed, SopsProblem

Path = Sequence[str | int]


class NotThere(SopsProblem):
    """The document has no such place."""


def parse(text: str) -> list[str | int]:
    """Steps: keys in quotes, places in lists as numbers."""
    steps: list[str | int] = []
    for part in text.split("["):
        if not part:
            continue
        if part[-1] != "]" or len(part) < 2:
            raise Malformed(f'{text!r} is no place in a document: ["key"][0] is one')
        inner = part[:-1]
        if inner[0] in "\"'":
            steps.append(inner[1:-1])
        elif inner.isdigit():
            steps.append(int(inner))
        else:
            raise Malformed(f"{text!r} is no place in a document: {inner!r} is neither a key in quotes nor a number")
    return steps


def value_of(text: str) -> Any:
    """A value as JSON has it."""
    try:
        return json.loads(text)
    except ValueError:
        raise Malformed("the value is not JSON: put a text in double quotes") from None  # its message may hold it


def get(document: Any, path: Path) -> Any:
    """What is at a place."""
    at = document
    for step in path:
        if isinstance(step, int):
            listed = _entries(at) if isinstance(at, list) else None
            if listed is None or step >= len(listed):
                raise NotThere(f"there is no entry [{step}]")
            at = at[listed[step]]
        elif isinstance(at, dict) and step in at:
            at = at[step]
        else:
            raise NotThere(f"there is no key [{step!r}]")
    return at


def set_(document: Any, path: Path, value: Any) -> Any:
    """The document with a value at a place, which is made where it is not there; what is in its way is replaced."""
    if not path:
        return value
    step, rest = path[0], path[1:]
    if isinstance(document, dict) and isinstance(step, str):
        return {**document, step: set_(document.get(step), rest, value)}
    if isinstance(document, list) and isinstance(step, int):
        places = _entries(document)
        if step >= len(places):
            return [*document, set_(None, rest, value)]
        return [set_(one, rest, value) if at == places[step] else one for at, one in enumerate(document)]
    if isinstance(document, (dict, list)):
        raise Malformed(f"[{step!r}] is no place in a {'mapping' if isinstance(document, dict) else 'list'}")
    return [set_(None, rest, value)] if isinstance(step, int) else {step: set_(None, rest, value)}


def unset(document: Any, path: Path) -> Any:
    """The document without what is at a place."""
    get(document, path)
    step, rest = path[0], path[1:]
    if isinstance(step, str):
        changed = [
            (key, unset(one, rest) if key == step else one) for key, one in document.items() if rest or key != step
        ]
        return dict(changed)
    place = _entries(document)[step]
    return [unset(one, rest) if at == place else one for at, one in enumerate(document) if rest or at != place]


def _entries(listed: list[Any]) -> list[int]:
    """Where the entries of a list are among its comments."""
    return [at for at, one in enumerate(listed) if not isinstance(one, Comment)]
