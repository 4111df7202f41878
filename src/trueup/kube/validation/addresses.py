"""Addresses and ranges of addresses. Source: apimachinery ``util/validation/ip.go``; ``ValidateEndpointIP``.

Go's older reading, which took leading zeros for decimal, tells what is an address at all; today's tells what of it is refused.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from trueup.kube.validation.causes import Causes, invalid, required
from trueup.kube.validation.formats import label, subdomain

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_ZEROS = re.compile(r"(?<![0-9a-fA-F:.])0+(?=[0-9])|(?<=\.)0+(?=[0-9])")


def _read(text: str) -> tuple[Address | None, bool]:
    """An address, and whether zeros had to be taken away."""
    try:
        return ipaddress.ip_address(text), False
    except ValueError:
        pass  # it may have leading zeros, which Python refuses at once
    if "." in text and "%" not in text:
        head, _, last = text.rpartition(":")
        plain = f"{head}:{_ZEROS.sub('', last)}" if head else _ZEROS.sub("", last)
        try:
            return ipaddress.ip_address(plain), True
        except ValueError:
            return None, False
    return None, False


def address(path: str, text: str, *, canonical: bool = True) -> Causes:
    """An address; ``canonical``: of a field that wants it in its one form."""
    found, zeros = _read(text) if "%" not in text else (None, False)
    if found is None:
        yield invalid(path, text, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")
    elif zeros:
        yield invalid(path, text, "must not have leading 0s")
    elif _is_mapped(found):
        yield invalid(path, text, "must not be an IPv4-mapped IPv6 address")
    elif canonical and text != str(found):
        yield invalid(path, text, f'must be in canonical form ("{found}")')


def block(path: str, text: str, *, canonical: bool = True) -> Causes:
    """A range of addresses as an address and a length."""
    head, slash, length = text.partition("/")
    found, zeros = _read(head) if "%" not in head else (None, False)
    if found is None or not slash or not re.fullmatch("[0-9]+", length) or int(length) > found.max_prefixlen:
        yield invalid(path, text, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)")
        return
    network = ipaddress.ip_network((found, int(length)), strict=False)
    if zeros or (length != "0" and length.startswith("0")):
        yield invalid(path, text, "must not have leading 0s in IP or prefix length")
    elif _is_mapped(found):
        yield invalid(path, text, "must not have an IPv4-mapped IPv6 address")
    elif found != network.network_address:
        yield invalid(path, text, "must not have bits set beyond the prefix length")
    elif canonical and text != str(network):
        yield invalid(path, text, f'must be in canonical form ("{network}")')


def odd(path: str, text: str) -> Iterator[str]:
    """Warnings of an address that is taken but not as it should be. Source: apimachinery ``GetWarningsForIP``."""
    found, zeros = _read(text) if "%" not in text else (None, False)
    if found is None:
        return
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    if zeros or mapped:
        yield f'{path}: non-standard IP address "{text}" is invalid: use "{mapped or found}"'
    elif found.version == 6 and text != str(found):
        yield f'{path}: IPv6 address "{text}" should be in RFC 5952 canonical format ("{found}")'


def odd_block(path: str, text: str) -> Iterator[str]:
    """The same of a range: ``GetWarningsForCIDR``."""
    network = network_of(text)
    if network is None:
        return
    head, _, length = text.partition("/")
    found, zeros = _read(head)
    assert found is not None
    told = False
    if found != network.network_address:
        told = True
        alone = f"{found}/{found.max_prefixlen}"
        yield f'{path}: CIDR value "{text}" is ambiguous in this context (should be "{network}" or "{alone}"?)'
    if zeros or (length != "0" and length.startswith("0")) or _is_mapped(found):
        yield f'{path}: non-standard CIDR value "{text}" is invalid: use "{network}"'
    elif not told and found.version == 6 and text != str(network):
        yield f'{path}: IPv6 CIDR value "{text}" should be in RFC 5952 canonical format ("{network}")'


def _is_mapped(found: Address) -> bool:
    return isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None


def network_of(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """The range that a text names; None where it is none."""
    head, slash, length = text.partition("/")
    found, _ = _read(head) if "%" not in head else (None, False)
    if found is None or not slash or not re.fullmatch("[0-9]+", length) or int(length) > found.max_prefixlen:
        return None
    return ipaddress.ip_network((found, int(length)), strict=False)


def endpoint(path: str, text: str) -> Causes:
    """An address that something listens at."""
    found, _ = _read(text)
    if found is None:
        yield invalid(path, text, "must be a valid IP address")
        return
    if found.is_unspecified:
        yield invalid(path, text, f"may not be unspecified ({text})")
    if found.is_loopback:
        yield invalid(path, text, "may not be in the loopback range (127.0.0.0/8, ::1/128)")
    if found.is_link_local:
        yield invalid(path, text, "may not be in the link-local range (169.254.0.0/16, fe80::/10)")
    if found in _LINK_LOCAL_GROUPS[found.version]:
        yield invalid(path, text, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)")


_LINK_LOCAL_GROUPS = {4: ipaddress.ip_network("224.0.0.0/24"), 6: ipaddress.ip_network("ff02::/16")}


def domain(path: str, name: str) -> Causes:
    """A fully qualified name of two parts at least."""
    if not name:
        yield required(path)
        return
    bare = name.removesuffix(".")
    if problems := subdomain(bare):
        yield invalid(path, bare, ",".join(problems))
        return
    parts = bare.split(".")
    if len(parts) < 2:
        yield invalid(path, bare, "should be a domain with at least two segments separated by dots")
        return
    for part in parts:
        if problems := label(part):
            yield invalid(path, part, ",".join(problems))
            return
