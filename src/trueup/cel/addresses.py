"""Kubernetes' ``ip`` and ``cidr``. A library.

Source: ``k8s.io/apiserver/pkg/cel/library/{ip,cidr}.go``; Go ``net/netip`` for what it reads and how it words errors.
"""

from __future__ import annotations

import ipaddress
import json
from functools import cache

from trueup.cel.functions import Implementation, Overload, name_type, overloads
from trueup.cel.problems import CelError
from trueup.cel.types import Type, opaque
from trueup.cel.values import Opaque

IP_TYPE = opaque("net.IP")
CIDR_TYPE = opaque("net.CIDR")
name_type("IP", IP_TYPE)
name_type("CIDR", CIDR_TYPE)
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class IP(Opaque):
    """An address."""

    __slots__ = ("address",)
    type_name = "net.IP"

    def __init__(self, address: _Address) -> None:
        self.address = address

    def size(self) -> int:
        """Its bytes."""
        return self.address.max_prefixlen // 8

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IP) and self.address == other.address

    def __hash__(self) -> int:
        return hash(self.address)

    def __str__(self) -> str:
        return str(self.address)


class CIDR(Opaque):
    """An address and how many of its bits name a network."""

    __slots__ = ("address", "bits")
    type_name = "net.CIDR"

    def __init__(self, address: _Address, bits: int) -> None:
        self.address = address
        self.bits = bits

    def size(self) -> int:
        """The bytes of its prefix."""
        return -(-self.bits // 8)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CIDR) and (self.address, self.bits) == (other.address, other.bits)

    def __hash__(self) -> int:
        return hash((self.address, self.bits))

    def __str__(self) -> str:
        return f"{self.address}/{self.bits}"

    def masked(self) -> CIDR:
        """The same network by its first address."""
        shift = self.address.max_prefixlen - self.bits
        return CIDR(type(self.address)(int(self.address) >> shift << shift), self.bits)

    def covers(self, address: _Address) -> bool:
        """Whether an address is in the network."""
        shift = self.address.max_prefixlen - self.bits
        return address.version == self.address.version and int(address) >> shift == int(self.address) >> shift


def parse_ip(text: str) -> IP:
    """An address. Raises ``CelError``."""
    if "%" in text and ":" in text:
        raise CelError(f"IP address {json.dumps(text)} with zone value is not allowed")
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise CelError(
            f"IP Address {json.dumps(text)} parse error during conversion from string: "
            f"ParseAddr({json.dumps(text)}): {_why(text)}"
        ) from None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        raise CelError(f"IPv4-mapped IPv6 address {json.dumps(text)} is not allowed")
    return IP(address)


def _why(text: str) -> str:
    """Why Go's ``netip`` does not read an address."""
    for char in text:
        if char == ".":
            return _why_not_4(text)
        if char == ":":
            return _why_not_6(text)
    return "unable to parse IP"


def _why_not_6(text: str) -> str:
    """Go's ``parseIPv6``, as far as to its first complaint."""
    rest, filled, ellipsis = text, 0, -1
    if rest.startswith("::"):
        ellipsis, rest = 0, rest[2:]
        if not rest:
            return ""
    while filled < 16:
        digits = len(rest) - len(rest.lstrip("0123456789abcdefABCDEF"))
        if digits > 4:
            return f"each group must have 4 or less digits (at {json.dumps(rest)})"
        if digits == 0:
            return f"each colon-separated field must have at least one digit (at {json.dumps(rest)})"
        if rest[digits : digits + 1] == ".":
            if ellipsis < 0 and filled != 12:
                return f"embedded IPv4 address must replace the final 2 fields of the address (at {json.dumps(rest)})"
            if filled + 4 > 16:
                return f"too many hex fields to fit an embedded IPv4 at the end of the address (at {json.dumps(rest)})"
            return _why_not_4(rest)
        filled += 2
        rest = rest[digits:]
        if not rest:
            break
        if rest[0] != ":":
            return f"unexpected character, want colon (at {json.dumps(rest)})"
        if len(rest) == 1:
            return f"colon must be followed by more characters (at {json.dumps(rest)})"
        rest = rest[1:]
        if rest[0] == ":":
            if ellipsis >= 0:
                return f"multiple :: in address (at {json.dumps(rest)})"
            ellipsis, rest = filled, rest[1:]
            if not rest:
                break
    if rest:
        return f"trailing garbage after address (at {json.dumps(rest)})"
    return (
        "address string too short"
        if filled < 16 and ellipsis < 0
        else "the :: must expand to at least one field of zeros"
    )


def _why_not_4(text: str) -> str:
    parts = text.split(".")
    for part in parts:
        if not part:
            return "IPv4 field must have at least one digit"
        if not (part.isascii() and part.isdecimal()):
            return "unexpected character"
        if len(part) > 1 and part[0] == "0":
            return "IPv4 field has octet with leading zero"
        if int(part) > 255:
            return "IPv4 field has value >255"
    return "IPv4 address too short" if len(parts) < 4 else "IPv4 address too long"


def parse_cidr(text: str) -> CIDR:
    """A network. Raises ``CelError``."""
    start = "network address parse error during conversion from string: "

    def bad(why: str) -> CelError:
        return CelError(f"{start}{start}netip.ParsePrefix({json.dumps(text)}): {why}")

    host, slash, bits = text.rpartition("/")
    if not slash:
        raise bad("no '/'")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        raise CelError(
            f"{start}{start}netip.ParsePrefix({json.dumps(text)}): ParseAddr({json.dumps(host)}): {_why(host)}"
        ) from None
    if "%" in host:
        raise bad("IPv6 zones cannot be present in a prefix")
    if not (bits.isascii() and bits.isdecimal()) or (len(bits) > 1 and bits[0] == "0"):
        raise bad(f"bad bits after slash: {json.dumps(bits)}")
    if int(bits) > address.max_prefixlen:
        raise bad("prefix length out of range")
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        raise CelError(f"{start}IPv4-mapped IPv6 address {json.dumps(text)} is not allowed")
    return CIDR(address, int(bits))


def _is_ip(text: str) -> bool:
    try:
        parse_ip(text)
    except CelError:
        return False
    return True


def _is_cidr(text: str) -> bool:
    try:
        parse_cidr(text)
    except CelError:
        return False
    return True


def _global(ip: IP) -> bool:
    address = ip.address
    broadcast = address.version == 4 and int(address) == 0xFFFFFFFF
    return not (
        broadcast
        or address.is_unspecified
        or address.is_loopback
        or address.is_multicast
        or (address.is_link_local and not address.is_multicast)
    )


def _local_multicast(ip: IP) -> bool:
    raw = ip.address.packed
    return raw[:3] == b"\xe0\x00\x00" if len(raw) == 4 else raw[0] == 0xFF and raw[1] & 0x0F == 2


def _contains(outer: CIDR, inner: CIDR) -> bool:
    return outer.bits <= inner.bits and outer.covers(inner.address)


_ROWS: list[tuple[str, str, Implementation | None]] = [
    ("string_to_ip", "ip(string): IP", parse_ip),
    ("ip_family", "IP::family(): int", lambda ip: ip.address.version),
    ("ip_is_canonical", "ip.isCanonical(string): bool", lambda text: str(parse_ip(text)) == text),
    ("ip_is_unspecified", "IP::isUnspecified(): bool", lambda ip: ip.address.is_unspecified),
    ("ip_is_loopback", "IP::isLoopback(): bool", lambda ip: ip.address.is_loopback),
    ("ip_is_link_local_multicast", "IP::isLinkLocalMulticast(): bool", _local_multicast),
    ("ip_is_link_local_unicast", "IP::isLinkLocalUnicast(): bool", lambda ip: ip.address.is_link_local),
    ("ip_is_global_unicast", "IP::isGlobalUnicast(): bool", _global),
    ("is_ip", "isIP(string): bool", _is_ip),
    ("ip_to_string", "string(IP): string", str),
    ("string_to_cidr", "cidr(string): CIDR", parse_cidr),
    ("cidr_contains_ip_string", "CIDR::containsIP(string): bool", lambda net, text: net.covers(parse_ip(text).address)),
    ("cidr_contains_ip_ip", "CIDR::containsIP(IP): bool", lambda net, ip: net.covers(ip.address)),
    (
        "cidr_contains_cidr_string",
        "CIDR::containsCIDR(string): bool",
        lambda net, text: _contains(net, parse_cidr(text)),
    ),
    ("cidr_contains_cidr", "CIDR::containsCIDR(CIDR): bool", _contains),
    ("cidr_ip", "CIDR::ip(): IP", lambda net: IP(net.address)),
    ("cidr_prefix_length", "CIDR::prefixLength(): int", lambda net: net.bits),
    ("cidr_masked", "CIDR::masked(): CIDR", CIDR.masked),
    ("is_cidr", "isCIDR(string): bool", _is_cidr),
    ("cidr_to_string", "string(CIDR): string", str),
]
TYPES: dict[str, Type] = {"net.IP": IP_TYPE, "net.CIDR": CIDR_TYPE}


@cache
def addresses() -> tuple[Overload, ...]:
    """``ip`` and ``cidr``."""
    return tuple(overloads(_ROWS))
