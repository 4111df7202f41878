"""Quantities such as ``500m`` and ``1.5Gi``: to numbers, and to the one spelling that Kubernetes stores.

Called by `reading` on every write, by admission (quota, limits) and by whoever sums resources up. Text in, number or text out.
Source: apimachinery ``api/resource`` ``quantity.go`` and ``suffix.go``.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache

WRONG = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
_PARTS = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?([eEinumkKMGTP]*[-+]?[0-9]*)")
_EXPONENT = re.compile(r"[eE]([-+]?[0-9]+)")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_DECIMAL_SUFFIX = {power: suffix for suffix, power in _DECIMAL.items()}
_BINARY_SUFFIX = {0: "", **{power: suffix for suffix, power in _BINARY.items()}}
_MOST = (1 << 63) - 1
"""The greatest amount that there is; larger ones are cut down to it."""


def parse(value: str | int | float) -> Fraction:
    """The number that a quantity stands for, exactly. Raises ``ValueError`` as Kubernetes words it."""
    return _parse(str(value))[0]


@lru_cache(maxsize=4096)
def canonical(value: str) -> str:
    """The spelling that Kubernetes answers: the greatest suffix that leaves an integer. Raises ``ValueError``."""
    number, form = _parse(value)
    return _spell(number, form)


@lru_cache(maxsize=4096)
def canonical_resource(value: str) -> str:
    """As `canonical`, of an amount in a list of resources: those are rounded up to thousandths."""
    number, form = _parse(value)
    thousandths = number * 1000
    return _spell(Fraction(-(-thousandths.numerator // thousandths.denominator), 1000), form)


def format_quantity(number: Fraction | int, like: str = "") -> str:
    """A number in the form (decimal, binary, exponent) of another quantity, for sums."""
    return _spell(Fraction(number), _parse(like)[1] if like else "decimal")


@lru_cache(maxsize=4096)
def _parse(text: str) -> tuple[Fraction, str]:
    found = _PARTS.fullmatch(text.strip())
    if found is None or not found.group():  # without digits it is nothing of its unit: ``k`` is 0, as to Kubernetes
        raise ValueError(WRONG)
    sign, whole, part, suffix = found.group(1), found.group(2), found.group(3) or "", found.group(4)
    scale, form = _scale(suffix)
    number = Fraction(int(whole + part or "0"), 10 ** len(part)) * scale
    nanos = number * 10**9
    if nanos.denominator != 1:
        number = Fraction(-(-nanos.numerator // nanos.denominator), 10**9)
    if number > _MOST:
        number = Fraction(_MOST)
    return (-number if sign == "-" else number), form


def _scale(suffix: str) -> tuple[Fraction, str]:
    power = _DECIMAL.get(suffix)
    if power is not None:
        return Fraction(10) ** power, "decimal"
    power = _BINARY.get(suffix)
    if power is not None:
        return Fraction(1024) ** power, "binary"
    found = _EXPONENT.fullmatch(suffix)
    if found is None or len(found[1]) > 4:
        raise ValueError(WRONG if found is None else "unable to parse quantity's suffix")
    return Fraction(10) ** int(found[1]), "exponent"


def _spell(number: Fraction, form: str) -> str:
    if not number:
        return "0"
    if form == "binary" and number.denominator == 1 and abs(number) >= 1024:
        mantissa, power = number.numerator, 0
        while mantissa % 1024 == 0 and power < 6:
            mantissa //= 1024
            power += 1
        return f"{mantissa}{_BINARY_SUFFIX[power]}"
    nanos = number * 10**9
    mantissa, power = nanos.numerator, -9
    while mantissa % 1000 == 0 and power < 18:
        mantissa //= 1000
        power += 3
    if form == "exponent":
        return f"{mantissa}e{power}" if power else str(mantissa)
    return f"{mantissa}{_DECIMAL_SUFFIX[power]}"
