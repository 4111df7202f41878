"""Formats of strings, as the API server checks them in custom objects. Pure; called by `kube.schema`.

A string and the format's name in, a verdict out. Formats that Kubernetes does not know are not checked.
Source: ``kube-openapi/pkg/validation/strfmt``.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from datetime import date
from urllib.parse import urlsplit

from trueup.kube.patterns import pattern

_HOST = (
    r"^([a-zA-Z0-9\p{S}\p{L}]((-?[a-zA-Z0-9\p{S}\p{L}]{0,62})?)"
    r"|([a-zA-Z0-9\p{S}\p{L}](([a-zA-Z0-9-\p{S}\p{L}]{0,61}[a-zA-Z0-9\p{S}\p{L}])?)(\.)){1,}([a-zA-Z\p{L}]){2,63})$"
)
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\x80-\U0010ffff-]+"
_MAIL = re.compile(rf'(?:{_ATOM}(?:\.{_ATOM})*|"(?:[^"\\]|\\.)*")@(?:{_ATOM}(?:\.{_ATOM})*|\[[^\[\]]*\])')
_CLOCK = re.compile(r"([0-9]{2}):([0-9]{2}):([0-9]{2})(.[0-9]+)?(z|[+-][0-9]{2}:[0-9]{2})")
_UUID = r"(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?%s[0-9a-f]{3}-?%s[0-9a-f]{3}-?[0-9a-f]{12}"


def _full(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern)
    return lambda text: compiled.fullmatch(text) is not None


def _address(sign: str) -> Callable[[str], bool]:
    """What Go reads as an address and has this sign in it: one of either family may be written in the other's."""

    def check(text: str) -> bool:
        try:
            ipaddress.ip_address(text)
        except ValueError:
            return False
        return sign in text and "%" not in text

    return check


def _date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return text.isascii() and len(text) == len("2006-01-02")


def _date_time(text: str) -> bool:
    day, *clock = text.lower().split("t")
    found = _CLOCK.fullmatch(clock[0]) if clock else None
    return found is not None and _date(day) and found[1] <= "23" and found[2] <= "59" and found[3] <= "59"


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
        port = parts.netloc.rpartition("@")[2].rpartition("]")[2].partition(":")[2]
    except ValueError:
        return False
    if any(char < " " or char == "\x7f" for char in text) or (port and not port.isdigit()) or " " in parts.netloc:
        return False
    return bool(parts.scheme or text.startswith("/")) and not re.search(
        r"%(?![0-9A-Fa-f]{2})", parts.netloc + parts.path
    )


def _host(text: str) -> bool:
    labels = text.split(".")
    return len(text) <= 255 and pattern(_HOST).found(text) and all(len(label.encode()) <= 63 for label in labels)


def _email(text: str) -> bool:
    """Go's ``mail.ParseAddress``: a name may stand before an address in angle brackets."""
    _, opened, within = text.rstrip().partition("<")
    if opened:
        return within.endswith(">") and _MAIL.fullmatch(within[:-1].strip()) is not None
    return _MAIL.fullmatch(text.strip()) is not None


_FORMATS: Mapping[str, Callable[[str], bool]] = {
    "date-time": _date_time,
    "date": _date,
    "duration": _full(
        r"[+-]?(?:0|(?:\s*\d+(?:\.\d*)?\s*(?:ns|nanos?|us|µs|micros?|ms|millis?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?"
        r"|hours?|d|days?|w|wks?|weeks?)\s*)+)"
    ),
    "byte": _full(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})"),
    "ipv4": _address("."),
    "ipv6": _address(":"),
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


_NUMBERS: Mapping[str, tuple[str, ...]] = {"integer": ("int32", "int64"), "number": ("float", "double")}


def is_known(form: str, kind: str) -> bool:
    """Whether values of a type are checked for a format."""
    if kind in ("", "string"):
        return form in _FORMATS or form.replace("-", "") in _FORMATS or form == "datetime"
    return form in _NUMBERS.get(kind, ())


def is_of_format(text: str, form: str) -> bool:
    """Whether a string is of a format; true for a format that nobody knows."""
    check = _FORMATS.get(form.replace("datetime", "date-time"))
    return check is None or check(text)
