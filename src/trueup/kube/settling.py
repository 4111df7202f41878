"""Built-in objects in the form that Kubernetes answers, as its Go types would write them. Pure; called by `reading`.

Nulls and empty values that JSON leaves out are gone, structs that it always shows are there, quantities and times have their one
spelling. The object is known to fit. Source: the facts in `messages`; Go's ``encoding/json``.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from trueup.kube.names import Object
from trueup.kube.quantity import canonical, canonical_resource
from trueup.kube.times import format_micro, format_time, parse_time

if TYPE_CHECKING:
    from trueup.kube.reading import Member, Struct


def settle(obj: Object, struct: Struct) -> None:
    """Put the object into the form that Kubernetes answers, in place."""
    members = struct.members
    gone: list[str] | None = None
    for name, value in obj.items():
        member = members.get(name)
        if (value is None and not (member is not None and member.null)) or (
            not value and member is not None and _is_left_out(value, member)
        ):
            gone = [*gone, name] if gone else [name]
        elif member is not None:
            leaf = member.leaf
            if leaf == "any" or value is None:
                continue
            if leaf == "string":
                if member.many:
                    _fill(value)
                continue
            if member.struct is not None:
                if not member.many:
                    settle(value, member.struct)
                else:
                    _settle_many(value, member.struct)
            elif leaf in _SPELLING:
                _spell(obj, name, value, member)
            elif member.many:
                _fill(value, False if leaf == "bool" else 0)
            elif type(value) is float and leaf.startswith("int"):
                obj[name] = int(value)
    if gone:
        for name in gone:
            del obj[name]
    for member in struct.zeros:
        if member.name not in obj:
            zero = member.zero
            if member.struct is not None and not member.null:
                obj[member.name] = zero = {}
                settle(zero, member.struct)
            else:
                obj[member.name] = zero


def _settle_many(items: Any, struct: Struct) -> None:
    """Go reads a null among structs as one that says nothing."""
    for key, item in enumerate(items) if isinstance(items, list) else items.items():
        if item is None:
            item = items[key] = {}
        settle(item, struct)


def _fill(found: Any, zero: Any = "") -> None:
    """Go reads a null among texts, numbers or truths as their zero."""
    if isinstance(found, dict):
        if None in found.values():
            found.update({name: zero for name, each in found.items() if each is None})
    elif None in found:
        found[:] = [zero if each is None else each for each in found]


def _is_left_out(value: Any, member: Member) -> bool:
    """Whether Go's JSON leaves the zero out: never structs, unless they say so."""
    if not member.drop:
        return False
    if member.many or member.leaf in (
        "string",
        "bytes",
        "bool",
        "int32",
        "int64",
        "double",
        "float",
        "uint32",
        "uint64",
    ):
        return True
    return member.leaf == "struct" and member.field is not None and member.field.omitzero


def _spell(obj: Object, name: str, value: Any, member: Member) -> None:
    how = _SPELLING[member.leaf]
    if not member.many:
        obj[name] = how(value)
    elif member.many == "list":
        obj[name] = [how(item) if item is not None else None for item in value]
    else:
        amounts = member.leaf == "quantity"
        how = _resource if amounts else how
        for key, item in value.items():
            if item is not None:
                value[key] = how(item)
            elif amounts or member.leaf == "bytes":
                value[key] = "0" if amounts else ""  # Go reads a null as none of it


def _quantity(value: Any) -> Any:
    return canonical(str(value))


def _resource(value: Any) -> Any:
    return canonical_resource(str(value))


def _time(value: Any) -> Any:
    if isinstance(value, str) and len(value) == 20 and value[-1] == "Z":
        return value
    return format_time(parse_time(value)[0])


def _micro(value: Any) -> Any:
    return format_micro(*parse_time(value))


def _int_or_string(value: Any) -> Any:
    return int(value) if isinstance(value, float) else value


def _bytes(value: str | list[int | None]) -> str:
    """Go decodes, past line ends and spare bits, and encodes again; it takes a list of numbers for bytes too."""
    if isinstance(value, list):
        return b64encode(bytes(int(number or 0) for number in value)).decode()
    if not value.endswith("=") and "\n" not in value and "\r" not in value:
        return value
    return b64encode(b64decode(value)).decode()


_SPELLING: Mapping[str, Callable[[Any], Any]] = {
    "quantity": _quantity,
    "time": _time,
    "micro": _micro,
    "int-or-string": _int_or_string,
    "bytes": _bytes,
}
