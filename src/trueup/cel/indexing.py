"""Reading lists by place and maps by key. Used by the standard library and the planner's reading.

Source: cel-go ``common/types/{list,map}.go``: what reading what is not there says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trueup.cel import numbers
from trueup.cel.escaping import unescaped
from trueup.cel.problems import CelError
from trueup.cel.values import NONE, Optional, Uint, key_of, type_name_of


def at_index(items: list[Any], place: Any) -> Any:
    """``list[place]``; a whole number in another type will do. Raises ``CelError``."""
    if place.__class__ is float:
        if not place.is_integer():
            raise CelError(f"unsupported index value {numbers.show_double(place)} in list")
        place = int(place)
    if not 0 <= place < len(items):
        raise CelError(f"index out of bounds: {int(place)}")
    return items[place]


def at_key(held: dict[Any, Any], key: Any) -> Any:
    """``map[key]``. Raises ``CelError``."""
    try:
        return held[key_of(key)]
    except KeyError:
        may_be_key(key)
        raise CelError(f"no such key: {shown_key(key)}") from None
    except TypeError:
        may_be_key(key)
        raise CelError(f"no such key: {type_name_of(key)}") from None


def shown_key(key: Any) -> str:
    """A key as messages write it."""
    if key.__class__ is bool:
        return "true" if key else "false"
    if key.__class__ is float:
        return numbers.show_double(key)
    return str(int(key)) if key.__class__ is Uint else str(key)


def optional_at(held: Any, place: Any) -> Optional:
    """``value[?place]``, and ``optional[place]``: nothing where there is nothing. Raises ``CelError``."""
    if isinstance(held, Optional):
        return optional_at(held.value(), place) if held.present else held
    may_be_key(place)
    if isinstance(held, dict):
        try:
            return Optional(held[key_of(place)])
        except (KeyError, TypeError):
            plain = unescaped(place) if place.__class__ is str and "__" in place else ""
            return Optional(held[plain]) if plain and plain in held else NONE
    if isinstance(held, list):
        may_index(place)
        if place.__class__ is float and not place.is_integer():
            return Optional(at_index(held, place))
        return Optional(held[int(place)]) if 0 <= place < len(held) else NONE
    return NONE


_NO_KEYS: Mapping[type, str] = {
    Optional: "*types.Optional",
    list: "[]interface {}",
    dict: "map[string]interface {}",
    type(None): "<nil>",
}


def may_be_key(place: Any) -> None:
    """Raises ``CelError`` for what can be no key, in cel-go's words."""
    if place.__class__ in _NO_KEYS:
        raise CelError(f"invalid qualifier type: {_NO_KEYS[place.__class__]}")


def may_index(place: Any) -> None:
    """Raises ``CelError`` for what no place in a list can be."""
    may_be_key(place)
    if place.__class__ is bool or not isinstance(place, (int, float)):
        raise CelError(f"unsupported index type '{type_name_of(place)}' in list")
