"""Cluster addresses and families of Services: brought in step, then checked before anything is given. Pure.

Called by the API server's allocation, and for what may not change by `updates`. Sources: Kubernetes
``registry/core/service/storage`` (``normalizeClusterIPs``); ``ValidateServiceClusterIPsRelatedFields`` and
``upgradeDowngradeClusterIPsErrs`` of ``pkg/apis/core/validation``.
"""

from __future__ import annotations

import ipaddress

from trueup.kube.names import Object
from trueup.kube.validation.causes import Causes, duplicate, invalid, not_supported

_FAMILIES = ("IPv4", "IPv6")
_POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")


def in_step(spec: Object, before: Object) -> None:
    """``clusterIP`` and ``clusterIPs`` as one, where only one of them was given or changed; in place."""
    had, had_all = before.get("clusterIP") or "", list(before.get("clusterIPs") or ())
    one, all_ = spec.get("clusterIP") or "", list(spec.get("clusterIPs") or ())
    if not had:
        if one and not all_:
            all_ = [one]
    elif one == had:
        all_ = all_ or had_all
    elif all_ == had_all or not all_:
        all_ = [one] if one else []
    spec["clusterIP"], spec["clusterIPs"] = one, all_


def related(spec: Object) -> Causes:
    """What is wrong with addresses and families, by themselves and with each other."""
    one, all_ = spec.get("clusterIP") or "", list(spec.get("clusterIPs") or ())
    families, policy = list(spec.get("ipFamilies") or ()), spec.get("ipFamilyPolicy")
    if one and all_ and all_[0] != one:
        yield invalid("spec.clusterIPs", all_, "first value must match `clusterIP`")
    elif all_ and not one:
        yield invalid("spec.clusterIPs", all_, "must be empty when `clusterIP` is not specified")
    for index, family in enumerate(families):
        if family not in _FAMILIES:
            yield not_supported(f"spec.ipFamilies[{index}]", family, _FAMILIES)
        if family in families[:index]:
            yield duplicate(f"spec.ipFamilies[{index}]", family)
    if policy is not None and policy not in _POLICIES:
        yield not_supported("spec.ipFamilyPolicy", policy, _POLICIES)
    wrong = list(_misread(all_))
    yield from wrong
    if len(all_) > 2:
        yield invalid("spec.clusterIPs", all_, "may only hold up to 2 values")
    if wrong or "None" in all_:
        return
    kinds = [_family(address) for address in all_]
    if len(all_) > 1 and sorted(kinds) != list(_FAMILIES):
        yield invalid("spec.clusterIPs", all_, "may specify no more than one IP for each IP family")
    for index, (address, kind, family) in enumerate(zip(all_, kinds, families, strict=False)):
        if kind != family and family in _FAMILIES:
            why = f"expected an {family} value as indicated by `ipFamilies[{index}]`"
            yield invalid(f"spec.clusterIPs[{index}]", address, why)


def configured(spec: Object, before: Object) -> Causes:
    """What a cluster that has IPv4 alone cannot give. Source: ``storage/alloc.go``, initIPFamilyFields."""
    policy, families = spec.get("ipFamilyPolicy") or before.get("ipFamilyPolicy"), list(spec.get("ipFamilies") or ())
    every = list(spec.get("clusterIPs") or ())
    same = families == list(before.get("ipFamilies") or ()) and every == list(before.get("clusterIPs") or ())
    if same and policy == before.get("ipFamilyPolicy") == "PreferDualStack":
        return
    bare = (spec.get("clusterIP") or before.get("clusterIP")) == "None" and not spec.get("selector")
    if policy == "SingleStack" or (policy is None and not bare):
        if same and len(families) > 1:
            families = spec["ipFamilies"] = families[:1]
        text = "must be 'RequireDualStack' or 'PreferDualStack' when multiple"
        if len(every) == 2:
            yield invalid("spec.ipFamilyPolicy", "SingleStack", f"{text} cluster IPs are specified")
        if len(families) == 2:
            yield invalid("spec.ipFamilyPolicy", "SingleStack", f"{text} IP families are specified")
    for index, address in enumerate(every[len(families) :], len(families)):
        if address != "None" and _family(address) != "IPv4":
            yield invalid(f"spec.clusterIPs[{index}]", every, f"{_family(address)} is not configured on this cluster")
    if bare:
        return
    if policy == "RequireDualStack":
        yield invalid("spec.ipFamilyPolicy", policy, "this cluster is not configured for dual-stack services")
    for index, family in enumerate(families):
        if family != "IPv4":
            yield invalid(f"spec.ipFamilies[{index}]", family, "not configured on this cluster")


def _misread(all_: list[str]) -> Causes:
    """What is no address."""
    for index, address in enumerate(all_):
        if address == "None" and index == 0:
            if len(all_) > 1:
                yield invalid("spec.clusterIPs", all_, "'None' must be the first and only value")
        elif not _family(address):
            path = f"spec.clusterIPs[{index}]"
            yield invalid(path, address, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")


def _family(address: str) -> str:
    try:
        return f"IPv{ipaddress.ip_address(address).version}"
    except ValueError:
        return ""


def kept(new: Object, old: Object) -> Causes:
    """The first address stays as long as there is one."""
    now, was = new.get("spec") or {}, old.get("spec") or {}
    if "ExternalName" in (now.get("type"), was.get("type")):
        return
    after, before = list(now.get("clusterIPs") or ()), list(was.get("clusterIPs") or ())
    if before and after and after[0] != before[0]:
        yield invalid("spec.clusterIPs[0]", after, "may not change once set")
