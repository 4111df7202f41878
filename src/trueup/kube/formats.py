"""Formats of strings, as the API server checks them in custom objects. Pure; called by `kube.schema`.

A string and the format's name in, a verdict out. Formats that Kubernetes does not know are not checked.
Source: ``kube-openapi/pkg/validation/strfmt``.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
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
