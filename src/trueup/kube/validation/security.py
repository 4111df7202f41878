"""Security contexts of pods and containers. Source: Kubernetes ``core/validation``, validatePodSpecSecurityContext,
ValidateSecurityContext, validateWindowsSecurityContextOptions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from trueup.kube.names import Object
from trueup.kube.validation import formats, paths
from trueup.kube.validation.causes import (
    Causes,
    duplicate,
    each_invalid,
    forbidden,
    invalid,
    invalid_go,
    not_supported,
    required,
    too_long,
)  # fmt: skip

_PROFILES = ("Localhost", "RuntimeDefault", "Unconfined")
_CHANGES = ("Always", "OnRootMismatch")
_GROUPS = ("Merge", "Strict")
_LONGEST_PROFILE = 4095
_SEGMENT = r"[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SYSCTL = rf"({_SEGMENT}[\./])*{_SEGMENT}"
_is_sysctl = re.compile(_SYSCTL).fullmatch
_LONGEST_SYSCTL = 253
_LONGEST_SPEC = 64 * 1024
_has_controls = re.compile(r"[\x00-\x1f\x7f]").search
_is_netbios = re.compile(r"""[^\\/:*?"<>|.][^\\/:*?"<>|]{0,14}""").fullmatch
_DNS = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_is_domain = re.compile(rf"{_DNS}(?:\.{_DNS})*").fullmatch
_has_refused = re.compile(r"""["/\\:;|=,+*?<>@\[\]]""").search
_is_blank = re.compile(r"[. ]+").fullmatch
_ID = "must be between 0 and 2147483647, inclusive"
_MOST_ID = (1 << 31) - 1
_SPECIAL = {"kernel.shm_rmid_forced": "ipc"}
_OF_IPC = ("kernel.shm", "kernel.msg", "fs.mqueue.")


def _id(value: int | None, path: str) -> Causes:
    if value is not None and not 0 <= value <= _MOST_ID:
        yield invalid(path, value, _ID)


def of_pod(spec: Object, path: str) -> Causes:
    """``securityContext`` of a pod."""
    found = spec.get("securityContext")
    if not found:
        return
    for name in ("fsGroup", "runAsUser", "runAsGroup"):
        yield from _id(found.get(name), f"{path}.{name}")
    for index, group in enumerate(found.get("supplementalGroups") or ()):
        yield from _id(group, f"{path}.supplementalGroups[{index}]")
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        text = "ShareProcessNamespace and HostPID cannot both be enabled"
        yield invalid(f"{path}.shareProcessNamespace", True, text)
    if found.get("sysctls"):
        yield from _sysctls(found["sysctls"], f"{path}.sysctls", spec)
    yield from _out_of(found.get("fsGroupChangePolicy"), _CHANGES, f"{path}.fsGroupChangePolicy")
    yield from _profiles(found, path)
    yield from _out_of(found.get("supplementalGroupsPolicy"), _GROUPS, f"{path}.supplementalGroupsPolicy")
    yield from _out_of(found.get("seLinuxChangePolicy"), ("Recursive",), f"{path}.seLinuxChangePolicy")


def _out_of(value: str | None, known: tuple[str, ...], path: str) -> Causes:
    if value is not None and value not in known:
        yield not_supported(path, value, known)


def of_container(found: Object, path: str, *, host_users: bool) -> Causes:
    """``securityContext`` of a container."""
    yield from _id(found.get("runAsUser"), f"{path}.runAsUser")
    yield from _id(found.get("runAsGroup"), f"{path}.runAsGroup")
    mount = found.get("procMount")
    yield from _out_of(mount, ("Default", "Unmasked"), f"{path}.procMount")
    if mount == "Unmasked" and host_users:
        yield invalid(f"{path}.procMount", mount, "`hostUsers` must be false to use `Unmasked`")
    yield from _seccomp(found.get("seccompProfile"), f"{path}.seccompProfile")
    if found.get("allowPrivilegeEscalation") is False:
        text = "cannot set `allowPrivilegeEscalation` to false and"
        if found.get("privileged"):
            yield invalid_go(path, _shown(found), f"{text} `privileged` to true")
        for _ in filter("CAP_SYS_ADMIN".__eq__, (found.get("capabilities") or {}).get("add") or ()):
            yield invalid_go(path, _shown(found), f"{text} `capabilities.Add` CAP_SYS_ADMIN")
    yield from _windows(found.get("windowsOptions"), f"{path}.windowsOptions")
    yield from _app_armor(found.get("appArmorProfile"), f"{path}.appArmorProfile")


_SHOWN: dict[str, tuple[str, ...]] = {
    "capabilities": ("add", "drop"),
    "privileged": (),
    "seLinuxOptions": ("user", "role", "type", "level"),
    "windowsOptions": ("gmsaCredentialSpecName", "gmsaCredentialSpec", "runAsUserName", "hostProcess"),
    "runAsUser": (),
    "runAsGroup": (),
    "runAsNonRoot": (),
    "readOnlyRootFilesystem": (),
    "allowPrivilegeEscalation": (),
    "procMount": (),
    "seccompProfile": ("type", "localhostProfile"),
    "appArmorProfile": ("type", "localhostProfile"),
}
"""The fields of a security context as Kubernetes orders them when it shows one."""
_TEXTS = frozenset({"user", "role", "type", "level"})
_WORDS = {"seLinuxOptions": "SELinuxOptions", "gmsaCredentialSpecName": "GMSACredentialSpecName"}


def _shown(found: Object) -> Object:
    """A security context as it stands in a message: in Kubernetes' own form, where all fields have values."""
    shown: Object = {}
    for name, below in _SHOWN.items():
        value = found.get(name)
        if value is not None and below:
            value = {_word(field): value.get(field, "" if field in _TEXTS else None) for field in below}
        shown[_word(name)] = value
    return shown


def _word(name: str) -> str:
    return (
        _WORDS.get(name) or f"GMSA{name[4:]}"
        if name.startswith("gmsa")
        else _WORDS.get(name, name[0].upper() + name[1:])
    )


def _profiles(found: Object, path: str) -> Causes:
    yield from _seccomp(found.get("seccompProfile"), f"{path}.seccompProfile")
    yield from _windows(found.get("windowsOptions"), f"{path}.windowsOptions")
    yield from _app_armor(found.get("appArmorProfile"), f"{path}.appArmorProfile")


def _seccomp(found: Any, path: str) -> Causes:
    if found is None:
        return
    kind, local = found.get("type") or "", found.get("localhostProfile")
    if not kind:
        yield required(f"{path}.type", "type is required when seccompProfile is set")
    else:
        yield from _out_of(kind, _PROFILES, f"{path}.type")
    if kind == "Localhost":
        if local is None:
            yield required(f"{path}.localhostProfile", "must be set when seccomp type is Localhost")
        else:
            yield from paths.descending(local, f"{path}.localhostProfile")
    elif local is not None:
        shown = {"Type": kind, "LocalhostProfile": local}
        yield invalid_go(f"{path}.localhostProfile", shown, "can only be set when seccomp type is Localhost")


def _app_armor(found: Any, path: str) -> Causes:
    if found is None:
        return
    kind, local, at = found.get("type") or "", found.get("localhostProfile"), f"{path}.localhostProfile"
    if kind == "Localhost":
        if not local:
            yield required(at, "must be set when AppArmor type is Localhost")
        elif local != local.strip():
            yield invalid(at, local, "must not be padded with whitespace")
        if len(local or "") > _LONGEST_PROFILE:
            yield too_long(at, _LONGEST_PROFILE)
    elif kind in _PROFILES:
        if local is not None:
            yield invalid(at, local, "can only be set when AppArmor type is Localhost")
    elif not kind:
        yield required(f"{path}.type", "type is required when appArmorProfile is set")
    else:
        yield not_supported(f"{path}.type", kind, _PROFILES)


def _sysctls(found: Iterable[Object], path: str, spec: Object) -> Causes:
    names: set[str] = set()
    for index, one in enumerate(found):
        name, at = one.get("name") or "", f"{path}[{index}].name"
        if not name:
            yield required(at)
        elif len(name) > _LONGEST_SYSCTL or _is_sysctl(name) is None:
            yield invalid(at, name, f"must have at most {_LONGEST_SYSCTL} characters and match regex ^{_SYSCTL}$")
        elif name in names:
            yield duplicate(at, name)
        dotted = name.replace("/", ".")
        if spec.get("hostNetwork") and dotted.startswith("net."):
            yield invalid(at, name, "may not be specified when 'hostNetwork' is true")
        elif spec.get("hostIPC") and (dotted == "kernel.sem" or dotted.startswith(_OF_IPC)):
            yield invalid(at, name, "may not be specified when 'hostIPC' is true")
        names.add(name)


def _windows(found: Any, path: str) -> Causes:
    if found is None:
        return
    name, spec, user = (found.get(k) for k in ("gmsaCredentialSpecName", "gmsaCredentialSpec", "runAsUserName"))
    if name is not None:
        yield from each_invalid(f"{path}.gmsaCredentialSpecName", name, formats.subdomain(name))
    if spec == "":
        yield invalid(f"{path}.gmsaCredentialSpec", spec, "gmsaCredentialSpec cannot be an empty string")
    elif spec is not None and len(spec) > _LONGEST_SPEC:
        yield invalid(f"{path}.gmsaCredentialSpec", spec, "gmsaCredentialSpec size must be under 64 KiB")
    if user is not None:
        yield from each_invalid(f"{path}.runAsUserName", user, (f"runAsUserName{text}" for text in _user(user)))


def _user(text: str) -> Iterable[str]:
    """What is wrong with the name of a Windows user, after its domain if it has one."""
    if not text:
        yield " cannot be an empty string"
        return
    if _has_controls(text):
        yield " cannot contain control characters"
        return
    if text.count("\\") > 1:
        yield " cannot contain more than one backslash"
        return
    domain, slash, user = text.rpartition("\\")
    if len(domain) >= 256:
        yield "'s Domain length must be under 256 characters"
    if slash and not (_is_netbios(domain) or _is_domain(domain)):
        yield "'s Domain doesn't match the NetBios nor the DNS format"
    if not user:
        yield "'s User cannot be empty"
    elif len(user) > 104:
        yield "'s User length must not be longer than 104 characters"
    if _is_blank(user):
        yield "'s User cannot contain only periods or spaces"
    if _has_refused(user):
        yield r"""'s User cannot contain the following characters: "/\:;|=,+*?<>@[]"""


def host_process(spec: Object, path: str, containers: Iterable[tuple[str, Object]]) -> Causes:
    """Windows containers that run as the host's own processes: all or none of a pod's."""
    of_all = _host_process(spec.get("securityContext"))
    count = as_host = 0
    for at, container in containers:
        count += 1
        own = _host_process(container.get("securityContext"))
        if of_all is not None and own is not None and own != of_all:
            text = f"pod hostProcess value must be identical if both are specified, was {str(of_all).lower()}"
            yield invalid(f"{at}.securityContext.windowsOptions.hostProcess", own, text)
        as_host += bool(of_all if own is None else own)
    if not as_host:
        return
    if as_host != count:
        text = "If pod contains any hostProcess containers then all containers must be HostProcess containers"
        yield invalid(path, "", text)
    if not spec.get("hostNetwork"):
        yield invalid(
            f"{path}.hostNetwork", False, "hostNetwork must be true if pod contains any hostProcess containers"
        )


def _host_process(context: Any) -> bool | None:
    return ((context or {}).get("windowsOptions") or {}).get("hostProcess")


_NOT_WINDOWS = (
    "securityContext.appArmorProfile", "securityContext.seLinuxOptions", "hostUsers", "hostPID", "hostIPC",
    "securityContext.seccompProfile", "securityContext.fsGroup", "securityContext.fsGroupChangePolicy",
    "securityContext.sysctls", "shareProcessNamespace", "securityContext.runAsUser", "securityContext.runAsGroup",
    "securityContext.supplementalGroups", "securityContext.supplementalGroupsPolicy",
    "securityContext.seLinuxChangePolicy",
)  # fmt: skip
_FLAGS = ("hostPID", "hostIPC", "securityContext.sysctls")
_NOT_OF_WINDOWS_CONTAINERS = (
    "appArmorProfile", "seLinuxOptions", "seccompProfile", "capabilities", "readOnlyRootFilesystem", "privileged",
    "allowPrivilegeEscalation", "procMount", "runAsUser", "runAsGroup",
)  # fmt: skip


def system(spec: Object, path: str, containers: Iterable[tuple[str, Object]]) -> Causes:
    """What a pod of one operating system may not say."""
    name, context = spec["os"].get("name") or "", spec.get("securityContext") or {}
    if not name:
        yield required(f"{path}.os.name")
    elif name == "linux":
        text = "windows options cannot be set for a linux pod"
        for at, holder in ((path, spec), *containers):
            if (holder.get("securityContext") or {}).get("windowsOptions") is not None:
                yield forbidden(f"{at}.securityContext.windowsOptions", text)
    elif name == "windows":
        text = "cannot be set for a windows pod"
        for field in _NOT_WINDOWS:
            part, _, last = field.rpartition(".")
            value = (context if part else spec).get(last)
            if value if field in _FLAGS else value is not None:
                yield forbidden(f"{path}.{field}", text)
        for at, container in containers:
            for field in _NOT_OF_WINDOWS_CONTAINERS:
                if (container.get("securityContext") or {}).get(field) is not None:
                    yield forbidden(f"{at}.securityContext.{field}", text)
    else:
        yield not_supported(f"{path}.os", name, ("linux", "windows"))
