"""INI files as SOPS reads and writes them. Pure.

Called by `formats.py`. Sources: SOPS, ``stores/ini``; gopkg.in/ini.v1, with which it reads (all kinds of quotes) and writes
(aligned, a blank line between sections).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from trueup.sops.cipher import Comment
from trueup.sops.problems import Malformed, SopsProblem

LONG = '"""'


def read(text: str) -> dict[str, Any]:
    """Sections in order, each with its keys and, as keys of their own, its comments."""
    sections: dict[str, Any] = {"DEFAULT": {}}
    at, pending = sections["DEFAULT"], []
    lines = iter(text.removeprefix("\ufeff").splitlines())
    for line in lines:
        bare = line.strip()
        if not bare:
            continue
        if bare[0] in ";#":
            pending.append(bare.lstrip(f"{bare[0]} "))
        elif bare[0] == "[":
            if "]" not in bare:
                raise Malformed("a section's name is not closed")
            at = sections.setdefault(bare[1 : bare.rindex("]")], {})
            if pending:
                at[Comment("\n".join(pending))] = None
            pending = []
        else:
            key, value = _pair(bare, lines)
            at[key] = value
            if pending:
                at[Comment("\n".join(pending))] = None
            pending = []
    return sections


def _pair(line: str, lines: Iterator[str]) -> tuple[str, str]:
    places = [place for place in (line.find("="), line.find(":")) if place > 0]
    if not places:
        raise Malformed("a line is neither a section, nor a comment, nor a key and its value")
    key, value = line[: min(places)].strip(), line[min(places) + 1 :].strip()
    if value.startswith(LONG):
        whole = value[3:]
        while LONG not in whole:
            following = next(lines, None)
            if following is None:
                raise Malformed(f"the value of {key!r} is not closed")
            whole += "\n" + following
        return key, whole[: whole.index(LONG)]
    if value.startswith("`") and value.find("`", 1) > 0:
        return key, value[1 : value.index("`", 1)]
    for sign in (" #", " ;"):
        value = value.split(sign, 1)[0].rstrip()
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        value = value[1:-1]
    return key, value


def write(sections: dict[str, Any]) -> str:
    """As SOPS prints them; the section of no name is left out when nothing is in it."""
    for name, items in sections.items():
        if not isinstance(name, Comment) and not isinstance(items, dict):
            raise SopsProblem(f"an INI file has no place for {name!r}: it holds sections of keys and values")
    return "\n".join(
        _section(name, items)
        for name, items in sections.items()
        if not isinstance(name, Comment) and (items or name != "DEFAULT")
    )


def _section(name: str, items: dict[Any, Any]) -> str:
    lines: list[str] = []
    remarks: dict[str, str] = {}
    above, last = "", ""
    for key in items:
        if not isinstance(key, Comment):
            last = key
        elif last:
            remarks[last] = key.text
        else:
            above = key.text
    lines += [f"; {line}" for line in above.splitlines()]
    if name != "DEFAULT":
        lines.append(f"[{name}]")
    keys = [key for key in items if not isinstance(key, Comment)]
    width = max((len(key) for key in keys), default=0)
    for key in keys:
        lines += [f"; {line}" for line in remarks.get(key, "").splitlines()]
        lines.append(f"{key:<{width}} = {_written(items[key])}")
    return "\n".join(lines) + "\n"


def _written(value: Any) -> str:
    if isinstance(value, (dict, list)):
        raise SopsProblem("an INI file has no place for a value that holds others")
    text = ("true" if value else "false") if isinstance(value, bool) else "" if value is None else str(value)
    if "\n" in text or "`" in text:
        return f"{LONG}{text}{LONG}"
    if any(sign in text for sign in "#;"):
        return f"`{text}`"
    if text.strip() != text:
        return f'"{text}"'
    return text
