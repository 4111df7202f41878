"""Versions and version ranges: which tag does ``~1.4`` name. Pure.

Called by `source` (which tag) and `render` (may this chart run on this Kubernetes).

Source of the rules: Masterminds/semver v3, which Argo CD, Flux and Helm share, quirks included: a pre-release matches
only a constraint that names one, ``>1.2`` means ``>=1.3``, ``0.0.0`` with a tilde accepts all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import total_ordering

_VERSION = re.compile(
    r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+([0-9A-Za-z.-]+))?"
)
_PART = r"v?([0-9]+|[xX*])(?:\.([0-9]+|[xX*]))?(?:\.([0-9]+|[xX*]))?(-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?"
_CONSTRAINT = re.compile(rf"\s*(=|!=|>=|=>|<=|=<|~>|>|<|~|\^)?\s*{_PART}\s*")
_HYPHEN = re.compile(rf"(?<![\w.])({_PART})\s+-\s+({_PART})")
_CANONICAL = {"=>": ">=", "=<": "<=", "~>": "~", None: "="}


@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class Version:
    """A semantic version; missing minor and patch numbers are zero. Build metadata does not count."""

    major: int
    minor: int = 0
    patch: int = 0
    pre: str = ""
    original: str = ""

    @classmethod
    def parse(cls, text: str) -> Version | None:
        """None for what is no version."""
        found = _VERSION.fullmatch(text)
        if not found:
            return None
        major, minor, patch, pre, _ = found.groups()
        return cls(int(major), int(minor or 0), int(patch or 0), pre or "", text)

    def _key(self) -> tuple[object, ...]:
        parts = tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in self.pre.split("."))
        return (self.major, self.minor, self.patch, not self.pre, parts if self.pre else ())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self._key() == other._key()

    def __lt__(self, other: Version) -> bool:
        return self._key() < other._key()

    def __hash__(self) -> int:
        return hash(self._key())


@dataclass(frozen=True, slots=True)
class _Constraint:
    """One comparison. ``given``: how many numbers were written out, 0 for ``*``."""

    sign: str
    version: Version
    given: int

    def allows(self, version: Version) -> bool:
        if version.pre and not self.version.pre:
            return False
        con, same_major = self.version, version.major == self.version.major
        match self.sign:
            case "=":
                return self._tilde(version) if self.given < 3 else version == con
            case "!=":
                return not (self._tilde(version) if self.given < 3 else version == con)
            case ">":
                return self._greater(version)
            case "<":
                return version < con
            case ">=":
                return version >= con
            case "<=":
                if self.given == 3:
                    return version <= con
                return version.major < con.major or (same_major and (version.minor <= con.minor or self.given == 1))
            case "~":
                return self._tilde(version)
            case _:
                return self._caret(version)

    def _greater(self, version: Version) -> bool:
        con = self.version
        if self.given == 3:
            return version > con
        if version.major != con.major:
            return version.major > con.major
        return self.given == 2 and version.minor > con.minor

    def _tilde(self, version: Version) -> bool:
        con = self.version
        if version < con:
            return False
        if self.given == 0 or (self.given == 3 and not (con.major or con.minor or con.patch)):
            return True
        return version.major == con.major and (version.minor == con.minor or self.given == 1)

    def _caret(self, version: Version) -> bool:
        con = self.version
        if version < con:
            return False
        if con.major > 0 or self.given <= 1:
            return version.major == con.major or self.given == 0
        if version.major > 0:
            return False
        if con.minor > 0 or self.given == 2:
            return version.minor == con.minor
        return version.minor == 0 and version.patch == con.patch


class RangeProblem(ValueError):
    """A range that cannot be read."""


def parse_range(text: str) -> list[list[_Constraint]]:
    """Alternatives (``||``) of constraints that must all hold (``,`` or space). Raises `RangeProblem`."""
    return [_all_of(part, text) for part in text.split("||")]


def _all_of(part: str, text: str) -> list[_Constraint]:
    part = _HYPHEN.sub(lambda found: f">={found[1]} <={found[6]}", part)
    out: list[_Constraint] = []
    at = 0
    while at < len(part):
        if part[at] in ", ":
            at += 1
            continue
        found = _CONSTRAINT.match(part, at)
        if not found:
            raise RangeProblem(f"improper constraint: {text}")
        out.append(_constraint(found))
        at = found.end()
    if not out:
        raise RangeProblem(f"improper constraint: {text or 'it is empty'}")
    return out


def _constraint(found: re.Match[str]) -> _Constraint:
    sign, major, minor, patch, pre = found.groups()
    given = 0
    for number in (major, minor, patch):
        if number is None or number in "xX*":
            break
        given += 1
    numbers = [int(number) if at < given else 0 for at, number in enumerate((major, minor, patch))]
    version = Version(numbers[0], numbers[1], numbers[2], (pre or "")[1:])
    return _Constraint(_CANONICAL.get(sign, sign or "="), version, given)


def allows(text: str, version: Version) -> bool:
    """Whether a range takes a version."""
    return any(all(one.allows(version) for one in part) for part in parse_range(text))


def newest(text: str, tags: Iterable[str]) -> str | None:
    """The tag of the highest version that a range takes; tags that are no versions are passed over."""
    parts = parse_range(text)
    versions = (version for tag in tags if (version := Version.parse(tag)))
    taken = [v for v in versions if any(all(one.allows(v) for one in part) for part in parts)]
    return max(taken).original if taken else None
