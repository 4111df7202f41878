"""Names of signers and of bundles of trust. Source: Kubernetes ``core/validation/names.go``."""

from __future__ import annotations

from trueup.kube.validation import formats
from trueup.kube.validation.causes import Causes, each_invalid, invalid, required, too_long

_PARTS = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
_LONGEST_DOMAIN = 253
_LONGEST = 571
"""A domain, a slash and a path of a namespace and a name."""


def signer_name(name: str, path: str) -> Causes:
    """A domain and a path below it; of several bad labels the first is told."""
    if not name:
        yield required(path)
        return
    if name.count("/") != 1:
        yield invalid(path, name, _PARTS)
        return
    domain, _, rest = name.partition("/")
    labels = domain.split(".")
    if len(domain) > _LONGEST_DOMAIN:
        yield too_long(path, _LONGEST_DOMAIN)
    yield from _first(labels, domain, path, formats.label)
    if len(labels) < 2:
        yield invalid(path, domain, "should be a domain with at least two segments separated by dots")
    yield from _first(rest.split("."), rest, path, formats.subdomain)
    if len(rest) > _LONGEST - _LONGEST_DOMAIN - 1:
        yield too_long(path, _LONGEST - _LONGEST_DOMAIN - 1)


def _first(labels: list[str], whole: str, path: str, rule: formats.Rule) -> Causes:
    for label in labels:
        problems = rule(label)
        if problems:
            yield from each_invalid(path, whole, (f'validating label "{label}": {problem}' for problem in problems))
            return


def bundle_name(name: str) -> formats.Problems:
    """A bundle's name, after its signer's where it has one."""
    signer, _, last = name.rpartition(":")
    if ":" not in name:
        return formats.subdomain(name)
    if not signer:
        return ('ClusterTrustBundle without signer name must not have ":" in its name',)
    return formats.subdomain(last)
