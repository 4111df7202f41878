"""Metadata of SOPS in formats that know no nesting: ``pgp__list_0__map_fp`` means ``pgp[0].fp``. Pure.

Called by `formats.py`. Source: SOPS, ``stores/flatten.go``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from trueup.sops.problems import Malformed

_STEP = re.compile(r"__(map|list)_")
_LONGEST = 1000


def folded(flat: Mapping[str, str]) -> dict[str, Any]:
    """The nested metadata."""
    root: dict[str, Any] = {}
    for written, value in flat.items():
        first, *rest = _STEP.split(written)
        steps: list[str | int] = [first]
        for how, name in zip(rest[::2], rest[1::2], strict=True):
            steps.append(_position(written, name) if how == "list" else name)
        _place(root, steps, value, written)
    return root


def _position(written: str, name: str) -> int:
    if not name.isascii() or not name.isdigit() or len(name) > 4 or int(name) >= _LONGEST:
        raise Malformed(f"{written!r} is no place in a list")
    return int(name)


def _place(root: Any, steps: list[str | int], value: str, written: str) -> None:
    at = root
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        if isinstance(at, list) != isinstance(step, int):
            raise Malformed(f"{written!r} contradicts another key")
        if isinstance(at, list):
            at.extend({} for _ in range(int(step) + 1 - len(at)))
        below: Any = (
            value if following is None else (at[step] if _has(at, step) else [] if isinstance(following, int) else {})
        )
        if following is not None and not isinstance(below, (dict, list)):
            raise Malformed(f"{written!r} contradicts another key")
        if isinstance(following, int) and below == {}:
            below = []
        at[step] = below
        at = below


def _has(at: Any, step: str | int) -> bool:
    return step in at if isinstance(at, dict) else True


def flattened(nested: Mapping[str, Any]) -> dict[str, str]:
    """The other way round, its keys in order."""
    return dict(sorted(_flat("", nested)))


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, below in value.items():
            yield from _flat(f"{prefix}__map_{key}" if prefix else key, below)
    elif isinstance(value, (list, tuple)):
        for number, below in enumerate(value):
            yield from _flat(f"{prefix}__list_{number}", below)
    else:
        yield prefix, str(value)
