"""Field paths: read them from text, then get, set and remove what they name in a document.

Called by whatever names fields by text: ignore rules, patches of dialects, replacements, custom columns. Two writings are
read: dotted (``spec.containers[0].image``, ``metadata.annotations['a.b/c']``, ``metadata.annotations.a\\.b/c``) and JSON
pointer (RFC 6901, ``/spec/containers/0/image``). Documents handed in stay as they are; what a change does not touch is shared.
"""

from __future__ import annotations

import re
from typing import Any

Step = str | int
Path = tuple[Step, ...]
"""Field names and list positions. A JSON pointer's digits stay text: only the document says whether they are a position."""

_DOTTED = re.compile(r"\.?((?:\\.|[^.\[\]\\])+)|\[(?:'((?:\\.|[^'\\])*)'|\"((?:\\.|[^\"\\])*)\"|(-?\d+))\]")
_ABSENT: Any = object()


def dotted(text: str) -> Path:
    """From ``spec.containers[0].image``; a leading dot is allowed, a backslash keeps the next sign as it is."""
    steps: list[Step] = []
    position = 0
    while position < len(text):
        found = _DOTTED.match(text, position)
        if found is None or (position and text[position] not in ".["):
            raise ValueError(f"{text!r} is no field path: cannot read {text[position:]!r}")
        position = found.end()
        name, single, double, index = found.groups()
        if index is not None:
            steps.append(int(index))
        else:
            steps.append(
                re.sub(r"\\(.)", r"\1", name if name is not None else single if single is not None else double)
            )
    return tuple(steps)


def pointer(text: str) -> Path:
    """From ``/spec/containers/0/image``; empty text is the whole document."""
    if not text:
        return ()
    if not text.startswith("/"):
        raise ValueError(f"{text!r} is no JSON pointer: it does not begin with /")
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in text[1:].split("/"))


def as_dotted(path: Path) -> str:
    """As people write it: ``spec.containers[0].image``."""
    out = ""
    for step in path:
        if isinstance(step, int):
            out += f"[{step}]"
        elif re.search(r"[.\[\]'\\]", step) or not step:
            quoted = step.replace("\\", "\\\\").replace("'", "\\'")
            out += f"['{quoted}']"
        else:
            out += f".{step}" if out else step
    return out


def as_pointer(path: Path) -> str:
    """As a JSON pointer."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def get(doc: Any, path: Path, default: Any = None) -> Any:
    """What the path names, or ``default`` when there is nothing."""
    value = doc
    for step in path:
        value = _child(value, step)
        if value is _ABSENT:
            return default
    return value


def has(doc: Any, path: Path) -> bool:
    """Whether the path names something, be it null."""
    return get(doc, path, _ABSENT) is not _ABSENT


def put(doc: Any, path: Path, value: Any) -> Any:
    """A document with the value at the path; maps on the way are made, a list takes its own positions and ``-``, its end.

    Raises ``ValueError`` when a scalar stands in the way or a position is beyond the end.
    """
    if not path:
        return value
    step, rest = path[0], path[1:]
    if isinstance(doc, list):
        items = list(doc)
        at = _position(items, step)
        if at is None:
            raise ValueError(f"{step!r} is no position in a list of {len(items)}")
        if at == len(items):
            items.append(put({}, rest, value) if rest else value)
        else:
            items[at] = put(items[at], rest, value)
        return items
    if doc is not None and not isinstance(doc, dict):
        raise ValueError(f"{step!r} cannot be set in {doc!r}")
    name = str(step)
    out = dict(doc or {})
    out[name] = put(out.get(name), rest, value)
    return out


def remove(doc: Any, path: Path) -> Any:
    """A document without what the path names; the document itself when there is nothing."""
    if not path or not has(doc, path):
        return doc
    step, rest = path[0], path[1:]
    if isinstance(doc, list):
        at = _position(doc, step)
        assert at is not None  # has() found it
        return [*doc[:at], *([remove(doc[at], rest)] if rest else []), *doc[at + 1 :]]
    name = str(step)
    if rest:
        return {**doc, name: remove(doc[name], rest)}
    return {key: value for key, value in doc.items() if key != name}


def _child(value: Any, step: Step) -> Any:
    if isinstance(value, dict):
        return value.get(str(step), _ABSENT)
    if isinstance(value, list):
        at = _position(value, step)
        return value[at] if at is not None and at < len(value) else _ABSENT
    return _ABSENT


def _position(items: list[Any], step: Step) -> int | None:
    """A list position up to the end itself; None for what is none."""
    if step == "-":
        return len(items)
    if isinstance(step, str):
        if not step.isdigit() or (len(step) > 1 and step[0] == "0"):
            return None
        step = int(step)
    at = step + len(items) if step < 0 else step
    return at if 0 <= at <= len(items) else None
