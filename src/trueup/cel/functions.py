"""How functions are declared, and how a call finds its overload while it runs. Used by the libraries and the planner.

A signature reads ``string.indexOf(string, int): int``; one capital is a type that the call decides.
Source: cel-go ``common/decls/decls.go``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from trueup.cel import types
from trueup.cel.problems import CelError
from trueup.cel.types import Type
from trueup.cel.values import (
    Duration,
    KeyedList,
    Message,
    Opaque,
    Optional,
    SetList,
    Timestamp,
    TypeValue,
    Uint,
)

Implementation = Callable[..., Any]


class Overload(NamedTuple):
    """One signature of a function and what carries it out; operators that short-circuit have nothing to call."""

    id: str
    function: str
    member: bool
    params: tuple[Type, ...]
    result: Type
    call: Implementation | None


_NAMED: dict[str, Type] = {
    "dyn": types.DYN,
    "null": types.NULL,
    "bool": types.BOOL,
    "int": types.INT,
    "uint": types.UINT,
    "double": types.DOUBLE,
    "string": types.STRING,
    "bytes": types.BYTES,
    "timestamp": types.TIMESTAMP,
    "duration": types.DURATION,
    "type": types.TYPE,
}
_SPLIT = re.compile(r"[A-Za-z_][\w]*|[(),]")
_SIGNATURE = re.compile(r"(?:(?P<target>.+?)::)?(?P<name>[^(]+)\((?P<params>.*)\): (?P<result>.+)")


def name_type(word: str, of: Type) -> None:
    """Let signatures use a library's type by a short word."""
    _NAMED[word] = of


def parse_type(text: str) -> Type:
    """A type as signatures write it."""
    found = _types(text)
    assert len(found) == 1, text
    return found[0]


def _types(text: str) -> list[Type]:
    tokens = _SPLIT.findall(text)
    place = 0

    def several() -> list[Type]:
        nonlocal place
        found = []
        while place < len(tokens) and tokens[place] != ")":
            if tokens[place] == ",":
                place += 1
            found.append(one())
        return found

    def one() -> Type:
        nonlocal place
        word = tokens[place]
        place += 1
        inner: list[Type] = []
        if place < len(tokens) and tokens[place] == "(":
            place += 1
            inner = several()
            place += 1
        if word == "list":
            return types.list_of(inner[0])
        if word == "map":
            return types.map_of(inner[0], inner[1])
        if word == "optional":
            return types.optional_of(inner[0])
        if word == "type" and inner:
            return types.type_of_type(inner[0])
        return types.param(word) if len(word) == 1 else _NAMED[word]

    return several()


def overload(identity: str, signature: str, call: Implementation | None) -> Overload:
    """An overload from its signature; ``string::size(): int`` is called on its first value."""
    match = _SIGNATURE.fullmatch(signature)
    assert match is not None, signature
    params = tuple(_types(match["params"]))
    member = match["target"] is not None
    if member:
        params = (parse_type(match["target"]), *params)
    return Overload(identity, match["name"], member, params, parse_type(match["result"]), call)


def overloads(rows: Iterable[tuple[str, str, Implementation | None]]) -> list[Overload]:
    """Several at once."""
    return [overload(*row) for row in rows]


# --- at run time -------------------------------------------------------------------------------------------------

_CLASSES: Mapping[str, tuple[type, ...]] = {
    "null_type": (type(None),),
    "bool": (bool,),
    "int": (int,),
    "uint": (Uint,),
    "double": (float,),
    "string": (str,),
    "bytes": (bytes,),
    "timestamp": (Timestamp,),
    "duration": (Duration,),
    "type": (TypeValue,),
    "list": (list, SetList, KeyedList),
}


def accepts(wanted: Type, given: type) -> bool:
    """Whether a parameter takes values of a class."""
    kind = wanted.kind
    if kind in ("dyn", "any", "param"):
        return True
    classes = _CLASSES.get(kind)
    if classes is not None:
        return given in classes or (wanted.nullable and given is type(None))
    if kind == "map":
        return issubclass(given, dict)
    if kind == "opaque" and wanted.name == "optional_type":
        return given is Optional
    if issubclass(given, Opaque):
        return given.type_name == wanted.name
    return kind == "struct" and issubclass(given, (dict, Message))


def chooser(candidates: Sequence[Overload]) -> Callable[[Sequence[Any]], Implementation]:
    """What picks the overload for values; remembers what it picked for their classes."""
    known: dict[tuple[type, ...], Implementation] = {}

    def choose(args: Sequence[Any]) -> Implementation:
        classes = tuple([arg.__class__ for arg in args])
        found = known.get(classes)
        if found is None:
            found = known[classes] = _resolve(candidates, classes)
        return found

    return choose


def _resolve(candidates: Sequence[Overload], classes: tuple[type, ...]) -> Implementation:
    for each in candidates:
        if each.call and len(each.params) == len(classes) and all(map(accepts, each.params, classes)):
            return each.call
    raise NoSuchOverload("no such overload")


class NoSuchOverload(CelError):
    """No overload takes the values."""
