"""A data key taken apart and put together: Shamir's secret sharing over the field of 256 elements. Pure.

Called by `keys.py`. A part is a value for each byte of the secret, and at its end the point at which they were taken.
Source: SOPS, ``shamir/shamir.go``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce

from trueup.sops.problems import Malformed


def _multiply(a: int, b: int) -> int:
    product = 0
    while b:
        if b & 1:
            product ^= a
        a <<= 1
        if a & 0x100:
            a ^= 0x11B
        b >>= 1
    return product


def _inverse(a: int) -> int:
    return reduce(_multiply, [a] * 254)  # a ** 255 is 1


def split(secret: bytes, parts: int, threshold: int, entropy: Callable[[int], bytes]) -> list[bytes]:
    """So many parts, of which any ``threshold`` give the secret: a random polynomial for each byte of it."""
    if not 2 <= threshold <= parts <= 255:
        raise Malformed(
            f"{parts} key groups with a threshold of {threshold}: it must be at least 2, and no more than there are groups"
        )
    random = entropy(len(secret) * (threshold - 1))
    rows = [[byte, *random[at :: len(secret)]] for at, byte in enumerate(secret)]
    return [bytes([*(_at(row, point) for row in rows), point]) for point in range(1, parts + 1)]


def _at(coefficients: Sequence[int], point: int) -> int:
    value = 0
    for coefficient in reversed(coefficients):
        value = _multiply(value, point) ^ coefficient
    return value


def combine(parts: Sequence[bytes]) -> bytes:
    """The secret: the polynomials through all points, at zero."""
    points = [part[-1] for part in parts if part]
    if len(points) != len(parts) or len({len(part) for part in parts}) != 1 or len(set(points)) != len(points):
        raise Malformed("the parts of the data key do not fit together")
    weights = []
    for mine in points:
        others = [point for point in points if point != mine]
        above = reduce(_multiply, others, 1)
        below = reduce(_multiply, [mine ^ other for other in others], 1)
        weights.append(_multiply(above, _inverse(below)))
    return bytes(
        reduce(int.__xor__, (_multiply(weight, part[i]) for weight, part in zip(weights, parts, strict=True)))
        for i in range(len(parts[0]) - 1)
    )
