"""Formats and patterns of strings, as the API server checks them in custom objects. Pure; called by `kube.schema`.

A string and the format's name or the pattern's text in, a verdict out. Formats that Kubernetes does not know are not
checked. Patterns are Go's (RE2); what Python spells differently is translated. Source: ``kube-openapi/pkg/validation/
strfmt``; Go ``regexp/syntax``.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Callable, Mapping
from functools import lru_cache
from urllib.parse import urlsplit

_HOST = re.compile(
    r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,62}[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,62}[a-zA-Z0-9])?)*\.?"
)
_UUID = r"(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?%s[0-9a-f]{3}-?%s[0-9a-f]{3}-?[0-9a-f]{12}"


def _full(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern)
    return lambda text: compiled.fullmatch(text) is not None


def _address(version: int) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            return ipaddress.ip_address(text).version == version
        except ValueError:
            return False

    return check


def _network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return "/" in text


def _uri(text: str) -> bool:
    """Go's ``url.ParseRequestURI``: absolute, or an absolute path."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return bool(parts.scheme or text.startswith("/")) and " " not in text


def _host(text: str) -> bool:
    return 0 < len(text) <= 255 and _HOST.fullmatch(text) is not None


def _email(text: str) -> bool:
    name, _, host = text.rpartition("@")
    return bool(name) and " " not in name and _host(host)


_FORMATS: Mapping[str, Callable[[str], bool]] = {
    "date-time": _full(
        r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])[Tt](?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d+)?"
        r"(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)"
    ),
    "date": _full(r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"),
    "duration": _full(
        r"[+-]?(?:0|(?:\s*\d+(?:\.\d*)?\s*(?:ns|nanos?|us|µs|micros?|ms|millis?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?"
        r"|hours?|d|days?|w|wks?|weeks?)\s*)+)"
    ),
    "byte": _full(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"),
    "ipv4": _address(4),
    "ipv6": _address(6),
    "cidr": _network,
    "mac": _full(r"(?i)(?:[0-9a-f]{2}[:-]){5}(?:[0-9a-f]{2})(?:(?:[:-][0-9a-f]{2}){2})?"),
    "uri": _uri,
    "hostname": _host,
    "email": _email,
    "uuid": _full(_UUID % ("[0-9a-f]", "[0-9a-f]")),
    "uuid3": _full(_UUID % ("3", "[0-9a-f]")),
    "uuid4": _full(_UUID % ("4", "[89ab]")),
    "uuid5": _full(_UUID % ("5", "[89ab]")),
    "hexcolor": _full(r"#?(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})"),
    "k8s-short-name": lambda text: len(text) <= 63 and bool(re.fullmatch(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?", text)),
    "k8s-long-name": lambda text: (
        len(text) <= 253
        and bool(re.fullmatch(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*", text))
    ),
}


def is_of_format(text: str, form: str) -> bool:
    """Whether a string is of a format; true for a format that nobody knows."""
    check = _FORMATS.get(form.replace("datetime", "date-time"))
    return check is None or check(text)


_CLASSES = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "digit": "0-9", "lower": "a-z", "upper": "A-Z", "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f", "space": r"\t\n\v\f\r ", "blank": r"\t ", "punct": r"!-/:-@\[-`{-~", "print": " -~",
    "graph": "!-~", "cntrl": r"\x00-\x1f\x7f", "ascii": r"\x00-\x7f",
}  # fmt: skip
_TOKEN = re.compile(
    r"\\Q(?P<quoted>.*?)(?:\\E|\Z)|\\(?P<category>[pP](?:\{\^?\w+\}|\w))|\\(?P<escaped>.)|\[:(?P<class>\^?\w+):\]"
    r"|\(\?(?P<flags>[imsU-]+)(?P<scope>[:)])|(?P<look>\(\?(?:[=!>#]|<[=!]|P[=>]))|(?P<one>.)",
    re.DOTALL,
)


@lru_cache(maxsize=2048)
def pattern(text: str) -> re.Pattern[str] | None:
    """A Go pattern as Python's; None where it is none, or where Python has no way to say it."""
    spelled = _Spelling().spell(text)
    if spelled is None:
        return None
    try:
        return re.compile(spelled, re.ASCII)
    except (re.error, OverflowError, RecursionError):
        return None


class _Spelling:
    """Spells one pattern anew. Flags within a pattern, ``a(?i)b|c``, hold to the end of their group: Python wants that said."""

    def __init__(self) -> None:
        self._out: list[str] = []
        self._open: list[list[str]] = [[]]
        """For each open group the flags that were turned on in it."""
        self._lines = False

    def spell(self, text: str) -> str | None:
        """The pattern in Python's way; None where there is none."""
        inside = False
        for token in _TOKEN.finditer(text):
            if token["quoted"] is not None:
                self._out.append(re.escape(token["quoted"]))
            elif token["category"] is not None:
                found = _category(token["category"], inside)
                if found is None:
                    return None
                self._out.append(found)
            elif token["class"] is not None:
                self._out.append(_CLASSES.get(token["class"], token[0]) if inside else token[0])
            elif token["escaped"] is not None:
                if token["escaped"] in "123456789":  # RE2 knows no references back
                    return None
                self._out.append({"z": r"\Z", "C": "(?s:.)"}.get(token["escaped"], token[0]))
            elif inside:
                inside = token[0] != "]" or self._out[-1] == "[" or self._out[-2:] == ["[", "^"]
                self._out.append(token[0])
            elif token["look"] is not None:
                return None
            elif token["flags"] is not None:
                if "U" in token["flags"]:
                    return None
                self._flagged(token["flags"], token["scope"])
            else:
                inside = token["one"] == "["
                self._plain(token["one"])
        return "".join(self._out) + ")" * len(self._open[-1]) if len(self._open) == 1 else None

    def _flagged(self, flags: str, scope: str) -> None:
        self._lines = self._lines or "m" in flags
        self._out.append(f"(?{flags}:")
        if scope == ")":
            self._open[-1].append(f"(?{flags}:")
        else:
            self._open.append([])

    def _plain(self, one: str) -> None:
        if one == "(":
            self._open.append([])
        elif one == ")" and len(self._open) > 1:
            self._out.append(")" * len(self._open.pop()))
        elif one == "|" and self._open[-1]:
            one = ")" * len(self._open[-1]) + "|" + "".join(self._open[-1])
        elif one == "$" and not self._lines:
            one = r"\Z"
        self._out.append(one)


@lru_cache(maxsize=64)
def _category(name: str, inside: bool) -> str | None:
    """``\\p{Lu}`` as a class of characters; None for what is no general category, such as a script."""
    bare = name[1:].strip("{}")
    negative = (name[0] == "P") != bare.startswith("^")
    bare = bare.lstrip("^")
    if len(bare) > 2 or bare[0] not in "LMNPSZC" or (negative and inside):
        return None
    ranges: list[list[int]] = []
    for code in range(0x110000):
        if unicodedata.category(chr(code)).startswith(bare):
            if ranges and ranges[-1][1] == code - 1:
                ranges[-1][1] = code
            else:
                ranges.append([code, code])
    listed = "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges)
    if not listed:
        return None
    return listed if inside else f"[{'^' if negative else ''}{listed}]"


def matches(text: str, go_pattern: str) -> bool:
    """Whether a pattern is found in a string; true where the pattern cannot be translated (definitions say so)."""
    compiled = pattern(go_pattern)
    return compiled is None or compiled.search(text) is not None
