"""Kubernetes' ``quantity`` and ``semver``. A library.

Source: ``k8s.io/apiserver/pkg/cel/library/{quantity,semverlib}.go``; blang/semver v4 for what a version is.
"""

from __future__ import annotations

import json
import re
from fractions import Fraction
from functools import cache
from typing import Any

from trueup.cel.functions import Implementation, Overload, name_type, overloads
from trueup.cel.problems import CelError
from trueup.cel.types import struct
from trueup.cel.values import INT_MAX, Opaque
from trueup.kube import quantity

QUANTITY_TYPE = struct("kubernetes.Quantity")
SEMVER_TYPE = struct("kubernetes.Semver")
name_type("Quantity", QUANTITY_TYPE)
name_type("Semver", SEMVER_TYPE)
_FORM = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?", re.ASCII)


class Quantity(Opaque):
    """An amount."""

    __slots__ = ("number", "text")
    type_name = "kubernetes.Quantity"

    def __init__(self, number: Fraction, text: str) -> None:
        self.number = number
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Quantity) and self.number == other.number

    def __hash__(self) -> int:
        return hash(self.number)

    def __str__(self) -> str:
        return self.text


def _parse(text: str) -> Quantity:
    if not text:
        raise CelError("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")
    if not _FORM.fullmatch(text):
        if not re.fullmatch(r"[+-]?[0-9.]+[eEinumkKMGTP]*[-+]?[0-9]*", text, re.ASCII):
            raise CelError(quantity.WRONG)
        raise CelError("unable to parse quantity's suffix")
    try:
        return Quantity(quantity.parse(text), text)
    except ValueError as error:
        raise CelError(str(error)) from error


def _is_quantity(text: str) -> bool:
    try:
        _parse(text)
    except CelError:
        return False
    return True


def _whole(amount: Quantity) -> bool:
    return amount.number.denominator == 1 and abs(amount.number) < INT_MAX  # larger ones are cut down to the largest


def _integer(amount: Quantity) -> int:
    if not _whole(amount):
        raise CelError("cannot convert value to integer")
    return amount.number.numerator


def _sum(left: Quantity, right: Quantity | int) -> Quantity:
    number = left.number + (right.number if isinstance(right, Quantity) else right)
    return Quantity(number, quantity.format_quantity(number, left.text))


def _difference(left: Quantity, right: Quantity | int) -> Quantity:
    number = left.number - (right.number if isinstance(right, Quantity) else right)
    return Quantity(number, quantity.format_quantity(number, left.text))


def _order(left: Any, right: Any) -> int:
    return int(left > right) - int(left < right)


class Semver(Opaque):
    """A version by the letter of Semantic Versioning 2."""

    __slots__ = ("build", "numbers", "pre")
    type_name = "kubernetes.Semver"

    def __init__(self, numbers: tuple[int, int, int], pre: tuple[str, ...], build: str) -> None:
        self.numbers = numbers
        self.pre = pre
        self.build = build

    def key(self) -> tuple[Any, ...]:
        """What versions are ordered by."""
        parts = tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in self.pre)
        return (*self.numbers, not self.pre, parts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Semver) and self.key() == other.key()

    def __hash__(self) -> int:
        return hash(self.key())

    def __str__(self) -> str:
        text = ".".join(map(str, self.numbers)) + (f"-{'.'.join(self.pre)}" if self.pre else "")
        return f"{text}+{self.build}" if self.build else text


_PART = re.compile(r"[0-9A-Za-z-]+")


def _semver(text: str, normalize: bool = False) -> Semver:
    if normalize:
        text = _normalized(text)
    if not text:
        raise CelError("Version string empty")
    parts = text.split(".", 2)
    if len(parts) != 3:
        raise CelError("No Major.Minor.Patch elements found")
    rest, _, build = parts[2].partition("+")
    patch, _, pre = rest.partition("-")
    has_build, has_pre = "+" in parts[2], "-" in rest
    numbers = tuple(
        _number(name, part) for name, part in zip(("major", "minor", "patch"), (*parts[:2], patch), strict=True)
    )
    identifiers = tuple(pre.split(".")) if has_pre else ()
    for part in identifiers:
        _identifier("prerelease", part, pre=True)
    for part in build.split(".") if has_build else ():
        _identifier("build", part, pre=False)
    return Semver((numbers[0], numbers[1], numbers[2]), identifiers, build)


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise CelError(f"Invalid character(s) found in {name} number {json.dumps(text)}")
    if len(text) > 1 and text[0] == "0":
        raise CelError(f"{name.capitalize()} number must not contain leading zeroes {json.dumps(text)}")
    return int(text)


def _identifier(kind: str, part: str, pre: bool) -> None:
    if not part:
        raise CelError("Prerelease is empty" if pre else "Build meta data is empty")
    if not _PART.fullmatch(part):
        where = "prerelease" if pre else "build meta data"
        raise CelError(f"Invalid character(s) found in {where} {json.dumps(part)}")
    if pre and part.isdigit() and len(part) > 1 and part[0] == "0":
        raise CelError(f"Numeric PreRelease version must not contain leading zeroes {json.dumps(part)}")


def _normalized(text: str) -> str:
    parts = text.removeprefix("v").split(".", 2)
    for place, part in enumerate(parts):
        if len(part) > 1:
            bare = part.lstrip("0")
            parts[place] = bare if bare and bare[0] in "0123456789" else f"0{bare}"
    if len(parts) < 3:
        if any(sign in parts[-1] for sign in "+-"):
            raise CelError("short version cannot contain PreRelease/Build meta data")
        parts += ["0"] * (3 - len(parts))
    return ".".join(parts)


def _is_semver(text: str, normalize: bool = False) -> bool:
    try:
        _semver(text, normalize)
    except CelError:
        return False
    return True


_ROWS: list[tuple[str, str, Implementation | None]] = [
    ("string_to_quantity", "quantity(string): Quantity", _parse),
    ("is_quantity_string", "isQuantity(string): bool", _is_quantity),
    ("quantity_sign", "sign(Quantity): int", lambda amount: _order(amount.number, 0)),
    ("quantity_is_greater_than", "Quantity::isGreaterThan(Quantity): bool", lambda a, b: a.number > b.number),
    ("quantity_is_less_than", "Quantity::isLessThan(Quantity): bool", lambda a, b: a.number < b.number),
    ("quantity_compare_to", "Quantity::compareTo(Quantity): int", lambda a, b: _order(a.number, b.number)),
    ("quantity_get_float", "Quantity::asApproximateFloat(): double", lambda amount: float(amount.number)),
    ("quantity_get_int", "Quantity::asInteger(): int", _integer),
    ("quantity_is_integer", "Quantity::isInteger(): bool", _whole),
    ("quantity_add", "Quantity::add(Quantity): Quantity", _sum),
    ("quantity_add_int", "Quantity::add(int): Quantity", _sum),
    ("quantity_sub", "Quantity::sub(Quantity): Quantity", _difference),
    ("quantity_sub_int", "Quantity::sub(int): Quantity", _difference),
    ("string_to_semver", "semver(string): Semver", _semver),
    ("is_semver_string", "isSemver(string): bool", _is_semver),
    ("semver_is_greater_than", "Semver::isGreaterThan(Semver): bool", lambda a, b: a.key() > b.key()),
    ("semver_is_less_than", "Semver::isLessThan(Semver): bool", lambda a, b: a.key() < b.key()),
    ("semver_compare_to", "Semver::compareTo(Semver): int", lambda a, b: _order(a.key(), b.key())),
    ("semver_major", "Semver::major(): int", lambda version: version.numbers[0]),
    ("semver_minor", "Semver::minor(): int", lambda version: version.numbers[1]),
    ("semver_patch", "Semver::patch(): int", lambda version: version.numbers[2]),
    ("string_bool_to_semver", "semver(string, bool): Semver", _semver),
    ("is_semver_string_bool", "isSemver(string, bool): bool", _is_semver),
]


@cache
def amounts() -> tuple[Overload, ...]:
    """``quantity`` and ``semver``."""
    return tuple(overloads(_ROWS))
