"""Whether a type may stand where another is wanted, and what that says of the types a call decides. Used by the checker.

Source: cel-go ``checker/types.go`` and ``checker/mapping.go``.
"""

from __future__ import annotations

from collections.abc import Sequence

from trueup.cel.types import DYN, Type, is_dyn, list_of, map_of, opaque, type_of_type

Mapping = dict[Type, Type]
_NULLABLE = frozenset({"opaque", "struct", "any", "duration", "timestamp"})
_CONTAINERS = frozenset({"opaque", "list", "map"})


def assignable(known: Mapping, given: Type, wanted: Type) -> Mapping | None:
    """What is known once ``given`` stands for ``wanted``; None where it may not."""
    if given is wanted and not given.params and given.kind != "param":
        return known
    trial = dict(known)
    return trial if _fits(trial, given, wanted) else None


def all_assignable(known: Mapping, given: Sequence[Type], wanted: Sequence[Type]) -> Mapping | None:
    """The same for a call's arguments."""
    if len(given) != len(wanted):
        return None
    trial = dict(known)
    return trial if all(_fits(trial, one, other) for one, other in zip(given, wanted, strict=True)) else None


def _fits(known: Mapping, given: Type, wanted: Type) -> bool:
    if wanted.kind == "param":
        valid, had = _substituted(known, given, wanted)
        if valid or had:
            return valid
    if given.kind == "param":
        return _substituted(known, wanted, given)[0]
    if is_dyn(given) or is_dyn(wanted) or given.kind == "error" or wanted.kind == "error":
        return True
    if given.kind == "null_type":
        return _takes_null(wanted)
    if wanted.kind == "null_type":
        return _takes_null(given)
    kind = given.kind
    if kind == "type":
        return wanted.kind == "type"
    if kind in _CONTAINERS:
        return (
            wanted.kind == kind
            and given.name == wanted.name
            and len(given.params) == len(wanted.params)
            and all(_fits(known, one, other) for one, other in zip(given.params, wanted.params, strict=True))
        )
    return kind == wanted.kind and given.name == wanted.name


def _takes_null(of: Type) -> bool:
    return of.kind in _NULLABLE or of.kind == "null_type" or of.nullable


def _substituted(known: Mapping, given: Type, wanted: Type) -> tuple[bool, bool]:
    """Whether the parameter ``wanted`` may stand for ``given``, and whether it stood for something already."""
    if given == wanted:
        return True, True
    held = known.get(wanted)
    if held is not None:
        if given == held:
            return True, True
        if _fits(known, given, held):
            general = most_general(given, held)
            if _absent(known, wanted, general):
                known[wanted] = general
            return True, True
        return False, True
    if _absent(known, wanted, given):
        known[wanted] = given
        return True, False
    return False, False


def _absent(known: Mapping, of: Type, within: Type) -> bool:
    """Whether a parameter does not occur in a type."""
    if of == within:
        return False
    if within.kind == "param":
        held = known.get(within)
        return held is None or _absent(known, of, held)
    return all(_absent(known, of, inner) for inner in within.params)


def most_general(first: Type, second: Type) -> Type:
    """The wider of two types that fit each other."""
    return first if _wider(first, second) else second


def _wider(first: Type, second: Type) -> bool:
    if is_dyn(first) or first.kind == "param":
        return True
    if is_dyn(second) or second.kind == "param" or first.kind != second.kind:
        return False
    if first.kind in _CONTAINERS:
        return (
            first.name == second.name
            and len(first.params) == len(second.params)
            and all(map(_wider, first.params, second.params))
        )
    return first.kind == "type" or first == second


def substitute(known: Mapping, of: Type, to_dyn: bool) -> Type:
    """A type with its parameters filled in; those that nothing decided become ``dyn`` where asked."""
    held = known.get(of)
    if held is not None:
        return substitute(known, held, to_dyn)
    kind = of.kind
    if kind == "param":
        return DYN if to_dyn else of
    if not of.params:
        return of
    inner = tuple([substitute(known, each, to_dyn) for each in of.params])
    if inner == of.params:
        return of
    if kind == "list":
        return list_of(inner[0])
    if kind == "map":
        return map_of(inner[0], inner[1])
    return type_of_type(inner[0]) if kind == "type" else opaque(of.name, *inner)
