"""What names, labels, keys and ports must look like: what is wrong with one, in Kubernetes' words; nothing when it is right.

Answers are remembered, for the same names come again with every write. Source: apimachinery ``util/validation``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

Problems = tuple[str, ...]
Rule = Callable[[str], Problems]

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_DNS1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = f"({_QUALIFIED})?"
_CONFIG_KEY = "[-._a-zA-Z0-9]+"
_is_label = re.compile(_LABEL).fullmatch
_is_subdomain = re.compile(_SUBDOMAIN).fullmatch
_is_dns1035 = re.compile(_DNS1035).fullmatch
_is_qualified = re.compile(_QUALIFIED).fullmatch
_is_value = re.compile(_VALUE).fullmatch
_is_config_key = re.compile(_CONFIG_KEY).fullmatch
_is_wildcard = re.compile(rf"\*\.{_SUBDOMAIN}").fullmatch
_HEADER = "[-A-Za-z0-9]+"
_SEARCH_LABEL = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SEARCH = rf"{_SEARCH_LABEL}(\.{_SEARCH_LABEL})*"
_is_header = re.compile(_HEADER).fullmatch
_is_search = re.compile(_SEARCH).fullmatch
_is_integer = re.compile("0|-?[1-9][0-9]*").fullmatch
_REASON = r"[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?"
_is_reason = re.compile(_REASON).fullmatch
_REASON_TEXT = (
    "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters or "
    "'_,:', and must end with an alphanumeric character or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName',  or "
    f"'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for validation is '{_REASON}')"
)
_is_env_name = re.compile(r"[ -<>-~]+").fullmatch
_is_percent = re.compile("[0-9]+%").fullmatch
_ENDS = "and must start and end with an alphanumeric character"


def _shape(text: str, pattern: str, *examples: str) -> str:
    return f"{text} (e.g. {',  or '.join(f'{chr(39)}{e}{chr(39)}' for e in examples)}, regex used for validation is '{pattern}')"


_LABEL_TEXT = _shape(
    f"a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', {_ENDS}",
    _LABEL, "my-name", "123-abc",
)  # fmt: skip
_SUBDOMAIN_TEXT = _shape(
    f"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', {_ENDS}",
    _SUBDOMAIN, "example.com",
)  # fmt: skip
_DNS1035_TEXT = _shape(
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end "
    "with an alphanumeric character",
    _DNS1035, "my-name", "abc-123",
)  # fmt: skip
_QUALIFIED_TEXT = _shape(
    f"must consist of alphanumeric characters, '-', '_' or '.', {_ENDS}",
    _QUALIFIED, "MyName", "my.name", "123-abc",
)  # fmt: skip
_VALUE_TEXT = _shape(
    f"a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', {_ENDS}",
    _VALUE, "MyValue", "my_value", "12345",
)  # fmt: skip
_CONFIG_KEY_TEXT = _shape(
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
    _CONFIG_KEY, "key.name", "KEY_NAME", "key-name",
)  # fmt: skip
_WILDCARD_TEXT = _shape(
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case "
    "alphanumeric characters, '-' or '.' and end with an alphanumeric character",
    rf"\*\.{_SUBDOMAIN}", "*.example.com",
)  # fmt: skip
_PERCENT_TEXT = _shape(
    "a valid percent string must be a numeric string followed by an ending '%'", "[0-9]+%", "1%", "93%"
)

_HEADER_TEXT = _shape("a valid HTTP header must consist of alphanumeric characters or '-'", _HEADER, "X-Header-Name")
_SEARCH_TEXT = _shape(
    f"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', {_ENDS}",
    _SEARCH, "example.com",
)  # fmt: skip
_INTEGER_TEXT = "must be a valid decimal integer in canonical form"


def _most(length: int, unit: str = "characters") -> str:
    return f"must be no more than {length} {unit}"


@lru_cache(maxsize=8192)
def label(text: str) -> Problems:
    """A DNS label: namespaces, containers, volumes."""
    otherwise = "must not contain dots" if _is_subdomain(text) else _LABEL_TEXT
    return _checked(text, 63, _is_label(text) is not None, otherwise)


@lru_cache(maxsize=8192)
def subdomain(text: str) -> Problems:
    """A DNS subdomain: most names."""
    return _checked(text, 253, _is_subdomain(text) is not None, _SUBDOMAIN_TEXT)


@lru_cache(maxsize=1024)
def dns1035(text: str) -> Problems:
    """The older, stricter label: services."""
    return _checked(text, 63, _is_dns1035(text) is not None, _DNS1035_TEXT)


@lru_cache(maxsize=1024)
def host(text: str) -> Problems:
    """A host of an ingress: a subdomain, or a wildcard of one."""
    if re.fullmatch(r"[0-9.]+|[0-9a-fA-F:]*:[0-9a-fA-F:.]*", text):
        return ("must be a DNS name, not an IP address",)
    if "*" in text:
        return _checked(text, 253, _is_wildcard(text) is not None, _WILDCARD_TEXT)
    return subdomain(text)


def _checked(text: str, most: int, right: bool, otherwise: str, unit: str = "characters") -> Problems:
    found = () if len(text) <= most else (_most(most, unit),)
    return found if right else (*found, otherwise)


@lru_cache(maxsize=8192)
def qualified(key: str) -> Problems:
    """A label's or annotation's key, a finalizer: a name, after a domain and a slash if it likes."""
    found: list[str] = []
    prefix, slash, name = key.partition("/")
    if not slash:
        name = key
    elif "/" in name:
        with_prefix = " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        return (f"a valid label key {_QUALIFIED_TEXT}{with_prefix}",)
    elif not prefix:
        found.append("prefix part must be non-empty")
    else:
        right = _is_subdomain(prefix) is not None
        found += (f"prefix part {each}" for each in _checked(prefix, 253, right, _SUBDOMAIN_TEXT, "bytes"))
    if not name:
        found.append("name part must be non-empty")
    elif len(name) > 63:
        found.append(f"name part {_most(63, 'bytes')}")
    if not _is_qualified(name):
        found.append(f"name part {_QUALIFIED_TEXT}")
    return tuple(found)


@lru_cache(maxsize=8192)
def label_value(text: str) -> Problems:
    """A label's value."""
    return _checked(text, 63, _is_value(text) is not None, _VALUE_TEXT, "bytes")


@lru_cache(maxsize=4096)
def config_key(text: str) -> Problems:
    """A key of a ConfigMap or Secret."""
    found = _checked(text, 253, _is_config_key(text) is not None, _CONFIG_KEY_TEXT)
    if text == ".":
        return (*found, "must not be '.'")
    if text == "..":
        return (*found, "must not be '..'")
    return (*found, "must not start with '..'") if text.startswith("..") else found


@lru_cache(maxsize=4096)
def env_name(text: str) -> Problems:
    """The name of an environment variable: any printable ASCII but the equals sign, since Kubernetes 1.34."""
    if _is_env_name(text):
        return ()
    return ("a valid environment variable name must consist only of printable ASCII characters other than '='",)


def path_prefix(text: str) -> Problems:
    """What a name made up from a prefix can begin with in a path."""
    return tuple(f"may not contain '{sign}'" for sign in ("/", "%") if sign in text)


def reason(text: str) -> Problems:
    """Why a condition is as it is, in one word."""
    return () if _is_reason(text) else (_REASON_TEXT,)


def path_segment(text: str) -> Problems:
    """A name that only must fit into a URL: roles and their bindings."""
    if text in (".", ".."):
        return (f"may not be '{text}'",)
    return tuple(f"may not contain '{part}'" for part in ("/", "%") if part in text)


@lru_cache(maxsize=1024)
def port_name(text: str) -> Problems:
    """The name of a port. Source: RFC 6335."""
    found: list[str] = []
    if len(text) > 15:
        found.append(_most(15))
    if not re.fullmatch("[-a-z0-9]+", text):
        found.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search("[a-z]", text):
        found.append("must contain at least one letter (a-z)")
    if "--" in text:
        found.append("must not contain consecutive hyphens")
    if text.startswith("-") or text.endswith("-"):
        found.append("must not begin or end with a hyphen")
    return tuple(found)


def port_number(number: object) -> Problems:
    """A port."""
    if isinstance(number, int) and 1 <= number <= 65535:
        return ()
    return ("must be between 1 and 65535, inclusive",)


def count_or_percent(value: object) -> Problems:
    """A number of pods, or their share."""
    if isinstance(value, int):
        return () if value >= 0 else ("must be greater than or equal to 0",)
    if _is_percent(str(value)):
        return ()
    return (_PERCENT_TEXT,)


@lru_cache(maxsize=256)
def header_name(text: str) -> Problems:
    """The name of an HTTP header."""
    if _is_header(text):
        return ()
    return (_HEADER_TEXT,)


@lru_cache(maxsize=256)
def search_domain(text: str) -> Problems:
    """A domain in which names are looked up: a subdomain that may have underscores."""
    return _checked(text, 253, _is_search(text) is not None, _SEARCH_TEXT)


def decimal(text: str) -> Problems:
    """A whole number, written as people write it."""
    if not text:
        return ("must be non-empty",)
    return () if _is_integer(text) else (_INTEGER_TEXT,)
