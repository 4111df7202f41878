"""Kubernetes' ``format.…`` and ``url``. A library.

Source: ``k8s.io/apiserver/pkg/cel/library/{format,urls}.go``; Go ``net/url``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any
from urllib.parse import SplitResult, parse_qs, quote, unquote, urlsplit

from trueup.cel.functions import Implementation, Overload, name_type, overloads
from trueup.cel.problems import CelError
from trueup.cel.types import struct
from trueup.cel.values import Opaque, Optional
from trueup.kube import formats

FORMAT_TYPE = struct("kubernetes.NamedFormat")
URL_TYPE = struct("kubernetes.URL")
name_type("Format", FORMAT_TYPE)
name_type("URL", URL_TYPE)
Check = Callable[[str], "list[str]"]

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LABEL_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_LABEL_WORDS = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an "
    "alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_LABEL_1035_WORDS = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and "
    "end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    "'[a-z]([-a-z0-9]*[a-z0-9])?')"
)
_SUBDOMAIN_WORDS = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end "
    "with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_VALUE_WORDS = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end "
    "with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_NAME_WORDS = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)


def _name(regex: re.Pattern[str], most: int, words: str, prefix: bool = False) -> Check:
    def check(text: str) -> list[str]:
        if prefix and len(text) > 1 and text.endswith("-"):
            text = text[:-2] + "a"
        found = [f"must be no more than {most} characters"] if len(text.encode()) > most else []
        return found if regex.fullmatch(text) else [*found, words]

    return check


def _label_value(text: str) -> list[str]:
    found = ["must be no more than 63 characters"] if len(text.encode()) > 63 else []
    return found if not text or _QUALIFIED.fullmatch(text) else [*found, _VALUE_WORDS]


def _qualified(text: str) -> list[str]:
    found: list[str] = []
    parts = text.split("/")
    if len(parts) > 2:
        words = _NAME_WORDS.replace("name part must consist", "a qualified name must consist")
        tail = " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        return [words + tail]
    if len(parts) == 2:
        prefix = parts[0]
        if not prefix:
            found.append("prefix part must be non-empty")
        else:
            found += [f"prefix part {each}" for each in _name(_SUBDOMAIN, 253, _SUBDOMAIN_WORDS)(prefix)]
    name = parts[-1]
    if not name:
        found.append("name part must be non-empty")
    elif len(name.encode()) > 63:
        found.append("name part must be no more than 63 characters")
    if not _QUALIFIED.fullmatch(name):
        found.append(_NAME_WORDS)
    return found


def _openapi(form: str, words: str) -> Check:
    return lambda text: [] if formats.is_of_format(text, form) else [words]


class Format(Opaque):
    """A named format."""

    __slots__ = ("check", "longest", "name")
    type_name = "kubernetes.NamedFormat"

    def __init__(self, name: str, check: Check, longest: int) -> None:
        self.name = name
        self.check = check
        self.longest = longest

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return hash(self.name)

    def __str__(self) -> str:
        return self.name


def _uri(text: str) -> list[str]:
    try:
        parse_url(text)
    except CelError as error:
        return [str(error).removeprefix("URL parse error during conversion from string: ")]
    return []


_FORMATS: Mapping[str, Format] = {
    "dns1123Label": Format("DNS1123Label", _name(_LABEL, 63, _LABEL_WORDS), 30),
    "dns1123Subdomain": Format("DNS1123Subdomain", _name(_SUBDOMAIN, 253, _SUBDOMAIN_WORDS), 60),
    "dns1035Label": Format("DNS1035Label", _name(_LABEL_1035, 63, _LABEL_1035_WORDS), 30),
    "qualifiedName": Format("QualifiedName", _qualified, 60),
    "dns1123LabelPrefix": Format("DNS1123LabelPrefix", _name(_LABEL, 63, _LABEL_WORDS, prefix=True), 30),
    "dns1123SubdomainPrefix": Format(
        "DNS1123SubdomainPrefix", _name(_SUBDOMAIN, 253, _SUBDOMAIN_WORDS, prefix=True), 60
    ),
    "dns1035LabelPrefix": Format("DNS1035LabelPrefix", _name(_LABEL_1035, 63, _LABEL_1035_WORDS, prefix=True), 30),
    "labelValue": Format("LabelValue", _label_value, 40),
    "uri": Format("URI", _uri, 1000),
    "uuid": Format("uuid", _openapi("uuid", "does not match the UUID format"), 83),
    "byte": Format("byte", _openapi("byte", "invalid base64"), 84),
    "date": Format("date", _openapi("date", "invalid date"), 135),
    "datetime": Format("datetime", _openapi("date-time", "invalid datetime"), 135),
}


def _named(name: str) -> Optional:
    found = _FORMATS.get(name)
    return Optional(found) if found is not None else Optional(present=False)


def _validate(form: Format, text: str) -> Optional:
    found: list[Any] = form.check(text)
    return Optional(found) if found else Optional(present=False)


class URL(Opaque):
    """An absolute URL, or an absolute path."""

    __slots__ = ("parts", "text")
    type_name = "kubernetes.URL"

    def __init__(self, text: str, parts: SplitResult) -> None:
        self.text = text
        self.parts = parts

    def __eq__(self, other: object) -> bool:
        return isinstance(other, URL) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __str__(self) -> str:
        return self.text

    @property
    def host(self) -> str:
        """Host and port."""
        return self.parts.netloc.rpartition("@")[2]

    @property
    def hostname(self) -> str:
        """The host alone, without brackets."""
        host = self.host
        if host.startswith("["):
            return host[1 : host.find("]")]
        return host.rpartition(":")[0] if ":" in host else host

    @property
    def port(self) -> str:
        """The port as text."""
        host = self.host
        tail = host[host.find("]") + 1 :] if host.startswith("[") else host
        return tail.rpartition(":")[2] if ":" in tail else ""


_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2}).{0,2}")


def parse_url(text: str) -> URL:
    """An absolute URL or path. Raises ``CelError``."""

    def bad(why: str) -> CelError:
        return CelError(f"URL parse error during conversion from string: parse {json.dumps(text)}: {why}")

    if any(ord(char) < 0x20 or ord(char) == 0x7F for char in text):
        raise bad("net/url: invalid control character in URL")
    if not text:
        raise bad("empty url")
    scheme = _SCHEME.match(text)
    if text.startswith(":"):
        raise bad("missing protocol scheme")
    if not scheme and not text.startswith("/"):
        colon = text.find(":")
        if 0 < colon < (text.find("/") if "/" in text else len(text)):
            raise bad("first path segment in URL cannot contain colon")
        raise bad("invalid URI for request")
    if scheme and not text[scheme.end() :]:
        raise bad("invalid URI for request")
    try:
        parts = urlsplit(text)
    except ValueError:
        raise bad("missing ']' in host") from None
    host = parts.netloc.rpartition("@")[2]
    if " " in host or "<" in host or ">" in host or '"' in host:
        sign = next(char for char in host if char in ' <>"')
        raise bad(f"invalid character {json.dumps(sign)} in host name")
    port = URL(text, parts).port
    if port and not port.isdecimal():
        raise bad(f"invalid port {json.dumps(':' + port)} after host")
    escape = _BAD_ESCAPE.search(parts.path)
    if escape:
        raise bad(f"invalid URL escape {json.dumps(escape.group())}")
    return URL(text, parts)


def _is_url(text: str) -> bool:
    try:
        parse_url(text)
    except CelError:
        return False
    return True


def _query(url: URL) -> dict[str, Any]:
    return parse_qs(url.parts.query, keep_blank_values=True)


def _path(url: URL) -> str:
    path = url.parts.path
    return (
        path if quote(unquote(path), safe="/:@&=+$,;~!*'()") == path else quote(unquote(path), safe="/:@&=+$,;~!*'()")
    )


_ROWS: list[tuple[str, str, Implementation | None]] = [
    ("format-validate", "Format::validate(string): optional(list(string))", _validate),
    ("format-named", "format.named(string): optional(Format)", _named),
    *((f"format.{name}", f"format.{name}(): Format", lambda form=form: form) for name, form in _FORMATS.items()),
    ("string_to_url", "url(string): URL", parse_url),
    ("url_get_scheme", "URL::getScheme(): string", lambda url: url.parts.scheme),
    ("url_get_host", "URL::getHost(): string", lambda url: url.host),
    ("url_get_hostname", "URL::getHostname(): string", lambda url: url.hostname),
    ("url_get_port", "URL::getPort(): string", lambda url: url.port),
    ("url_get_escaped_path", "URL::getEscapedPath(): string", _path),
    ("url_get_query", "URL::getQuery(): map(string, list(string))", _query),
    ("is_url_string", "isURL(string): bool", _is_url),
]


@cache
def named_formats() -> tuple[Overload, ...]:
    """``format.…`` and ``url``."""
    return tuple(overloads(_ROWS))
