"""Pod Security Standards: what a pod may not do at the levels baseline and restricted. Pure; called by admission.

Source: Kubernetes documentation "Pod Security Standards"; ``pod-security-admission/policy``. Each rule answers with what is
wrong, in the words that its original uses, or with nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trueup.kube.names import Object

LEVELS = ("privileged", "baseline", "restricted")
LATEST = (1, 1 << 30)
Version = tuple[int, int]
Spec = Mapping[str, Any]

_LEAD = "pod-security.kubernetes.io/"
_CAPABILITIES = frozenset(
    {
        "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP",
        "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
    }
)  # fmt: skip
_SELINUX = frozenset({"", "container_t", "container_init_t", "container_kvm_t"})
_SYSCTLS: Sequence[tuple[int, frozenset[str]]] = (
    (0, frozenset({"kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies",
                   "net.ipv4.ping_group_range", "net.ipv4.ip_unprivileged_port_start"})),
    (27, frozenset({"net.ipv4.ip_local_reserved_ports"})),
    (29, frozenset({"net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
                    "net.ipv4.tcp_keepalive_probes"})),
    (32, frozenset({"net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"})),
)  # fmt: skip
_SECCOMP = ("Localhost", "RuntimeDefault")
_VOLUMES = frozenset(
    {
        "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected", "secret",
    }
)  # fmt: skip
_APPARMOR = "container.apparmor.security.beta.kubernetes.io/"


@dataclass(frozen=True, slots=True)
class Policy:
    """A level of a version; the version's own spelling is kept for messages."""

    level: str = "privileged"
    version: Version = LATEST
    spelled: str = "latest"

    def __str__(self) -> str:
        return f"{self.level}:{self.spelled}"


Wrong = tuple[str, str, str]
"""A label, its value, and why it cannot be."""


def policies(labels: Mapping[str, str]) -> tuple[dict[str, Policy], list[Wrong]]:
    """What a namespace's labels ask for by mode: ``enforce``, ``audit``, ``warn``; and what is wrong with them."""
    out: dict[str, Policy] = {}
    wrong: list[Wrong] = []
    for mode in ("enforce", "audit", "warn"):
        out[mode], found = _policy(labels, mode)
        wrong += found
    named = labels.get(_LEAD + "enforce")
    if _LEAD + "warn" not in labels and named in LEVELS[1:]:
        given = out["warn"] if _LEAD + "warn-version" in labels else out["enforce"]
        out["warn"] = Policy(named, given.version, given.spelled)
    return out, wrong


def _policy(labels: Mapping[str, str], mode: str) -> tuple[Policy, list[Wrong]]:
    wrong: list[Wrong] = []
    level = labels.get(_LEAD + mode, "privileged")
    if level not in LEVELS:
        wrong.append((_LEAD + mode, level, f"must be one of {', '.join(LEVELS)}"))
        level = "restricted" if mode == "enforce" else "privileged"
    given = labels.get(f"{_LEAD}{mode}-version", "latest")
    major, _, minor = given.partition(".")
    if major == "v1" and minor.isdigit():
        return Policy(level, (1, int(minor)), given), wrong
    if given != "latest":
        wrong.append((f"{_LEAD}{mode}-version", given, 'must be "latest" or "v1.x"'))
    return Policy(level), wrong


def reasons(wanted: Policy, metadata: Object, spec: Spec) -> str:
    """As `violations`, without the details."""
    return ", ".join(reason for reason, _ in _found(wanted, metadata, spec))


def violations(wanted: Policy, metadata: Object, spec: Spec) -> str:
    """Everything that a pod does against a policy; empty when it keeps to it."""
    return ", ".join(f"{reason} ({detail})" for reason, detail in _found(wanted, metadata, spec))


def _found(wanted: Policy, metadata: Object, spec: Spec) -> Iterator[tuple[str, str]]:
    if wanted.level == "privileged":
        return
    minor = wanted.version[1]
    rules = [*_BASELINE]
    if wanted.level == "restricted":
        overridden = {name for name, since in _OVERRIDES.items() if minor >= since}
        rules = [(name, rule) for name, rule in _BASELINE if name not in overridden] + [*_RESTRICTED]
    pod = _Pod(metadata, spec, minor)
    for _, rule in rules:
        problem = rule(pod)
        if problem is not None:
            yield problem


class _Pod:
    """A pod as the rules look at it."""

    def __init__(self, metadata: Object, spec: Spec, minor: int) -> None:
        self.annotations: Mapping[str, str] = metadata.get("annotations") or {}
        self.spec, self.minor = spec, minor
        self.context: Spec = spec.get("securityContext") or {}
        self.containers: list[Spec] = [
            one for part in ("initContainers", "containers", "ephemeralContainers") for one in spec.get(part) or ()
        ]
        self.windows = (spec.get("os") or {}).get("name") == "windows" and minor >= 25
        self.own_users = spec.get("hostUsers") is False and minor >= 35

    def where(self, holds: Callable[[Spec], object]) -> list[str]:
        """The names of containers of which something holds."""
        return [one["name"] for one in self.containers if holds(one)]


_Rule = Callable[[_Pod], "tuple[str, str] | None"]


def _context(container: Spec) -> Spec:
    return container.get("securityContext") or {}


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _many(word: str, names: Sequence[str]) -> str:
    return f"{word if len(names) == 1 else word + 's'} {_quoted(names)}"


def _setters(*, pod: object, names: Sequence[str]) -> str:
    return " and ".join([*(["pod"] if pod else []), *([_many("container", names)] if names else [])])


def _host_namespaces(pod: _Pod) -> tuple[str, str] | None:
    found = [f"{name}=true" for name in ("hostNetwork", "hostPID", "hostIPC") if pod.spec.get(name)]
    return ("host namespaces", ", ".join(found)) if found else None


def _host_path(pod: _Pod) -> tuple[str, str] | None:
    found = [one["name"] for one in pod.spec.get("volumes") or () if one.get("hostPath") is not None]
    return ("hostPath volumes", _many("volume", found)) if found else None


def _host_ports(pod: _Pod) -> tuple[str, str] | None:
    ports: set[str] = set()

    def uses(container: Spec) -> bool:
        own = {str(port["hostPort"]) for port in container.get("ports") or () if port.get("hostPort")}
        ports.update(own)
        return bool(own)

    names = pod.where(uses)
    if not names:
        return None
    verb, word = "uses" if len(names) == 1 else "use", "hostPort" if len(ports) == 1 else "hostPorts"
    return "hostPort", f"{_many('container', names)} {verb} {word} {', '.join(sorted(ports))}"


def _hosts(container: Spec) -> Iterator[str]:
    life = container.get("lifecycle") or {}
    handlers = [container.get(name) for name in ("livenessProbe", "readinessProbe", "startupProbe")]
    for handler in (*handlers, life.get("postStart"), life.get("preStop")):
        for kind in ("httpGet", "tcpSocket"):
            host = ((handler or {}).get(kind) or {}).get("host")
            if host:
                yield host


def _host_probes(pod: _Pod) -> tuple[str, str] | None:
    if pod.minor < 34:
        return None
    hosts = {host for one in pod.containers for host in _hosts(one)}
    names = sorted(set(pod.where(lambda one: any(_hosts(one)))))
    if not names:
        return None
    verb, lead = "uses" if len(names) == 1 else "use", "probe or lifecycle host"
    word = lead if len(hosts) == 1 else lead + "s"
    return lead, f"{_many('container', names)} {verb} {word} {_quoted(sorted(hosts))}"


def _privileged(pod: _Pod) -> tuple[str, str] | None:
    names = pod.where(lambda one: _context(one).get("privileged"))
    return (
        ("privileged", f"{_many('container', names)} must not set securityContext.privileged=true") if names else None
    )


def _proc_mount(pod: _Pod) -> tuple[str, str] | None:
    if pod.own_users:
        return None
    names = pod.where(lambda one: _context(one).get("procMount", "Default") != "Default")
    kinds = sorted({_context(one)["procMount"] for one in pod.containers if one["name"] in names})
    text = f"{_many('container', names)} must not set securityContext.procMount to {_quoted(kinds)}"
    return ("procMount", text) if names else None


def _added(container: Spec) -> Sequence[str]:
    return (_context(container).get("capabilities") or {}).get("add") or ()


def _capabilities(pod: _Pod) -> tuple[str, str] | None:
    names = pod.where(lambda one: set(_added(one)) - _CAPABILITIES)
    bad = sorted({name for one in pod.containers for name in _added(one)} - _CAPABILITIES)
    text = f"{_many('container', names)} must not include {_quoted(bad)} in securityContext.capabilities.add"
    return ("non-default capabilities", text) if names else None


def _selinux(pod: _Pod) -> tuple[str, str] | None:
    allowed = _SELINUX | ({"container_engine_t"} if pod.minor >= 31 else set())
    types: set[str] = set()
    roles: set[str] = set()

    def bad(context: Spec) -> bool:
        options = context.get("seLinuxOptions") or {}
        own = {options.get("type") or ""} - allowed
        set_too = {name for name in ("user", "role") if options.get(name)}
        types.update(own)
        roles.update(set_too)
        return bool(own or set_too)

    setters = _setters(pod=bad(pod.context), names=pod.where(lambda one: bad(_context(one))))
    if not setters:
        return None
    data = [_many("type", sorted(types))] if types else []
    data += [f"{name} may not be set" for name in ("user", "role") if name in roles]
    return "seLinuxOptions", f"{setters} set forbidden securityContext.seLinuxOptions: {'; '.join(data)}"


def _seccomp_type(context: Spec) -> str | None:
    profile = context.get("seccompProfile")
    return None if profile is None else str(profile.get("type") or "")


def _seccomp(pod: _Pod) -> tuple[str, str] | None:
    return _bad_seccomp(pod) if pod.minor >= 19 else None


def _bad_seccomp(pod: _Pod) -> tuple[str, str] | None:
    values: set[str] = set()

    def bad(context: Spec) -> bool:
        found = _seccomp_type(context)
        if found is None or found in _SECCOMP:
            return False
        values.add(found)
        return True

    setters = _setters(pod=bad(pod.context), names=pod.where(lambda one: bad(_context(one))))
    text = f"{setters} must not set securityContext.seccompProfile.type to {_quoted(sorted(values))}"
    return ("seccompProfile", text) if setters else None


def _sysctls(pod: _Pod) -> tuple[str, str] | None:
    allowed = {name for since, names in _SYSCTLS if pod.minor >= since for name in names}
    found = [one["name"] for one in pod.context.get("sysctls") or () if one["name"] not in allowed]
    return ("forbidden sysctls", ", ".join(found)) if found else None


def _host_process(pod: _Pod) -> tuple[str, str] | None:
    def bad(context: Spec) -> bool:
        return bool((context.get("windowsOptions") or {}).get("hostProcess"))

    setters = _setters(pod=bad(pod.context), names=pod.where(lambda one: bad(_context(one))))
    text = f"{setters} must not set securityContext.windowsOptions.hostProcess=true"
    return ("hostProcess", text) if setters else None


def _apparmor(pod: _Pod) -> tuple[str, str] | None:
    values: set[str] = set()

    def bad(context: Spec) -> bool:
        profile = context.get("appArmorProfile")
        if profile is None or profile.get("type") in ("RuntimeDefault", "Localhost"):
            return False
        values.add(str(profile.get("type") or ""))
        return True

    setters = [_setters(pod=bad(pod.context), names=pod.where(lambda one: bad(_context(one))))]
    notes = sorted(
        f'{name}="{value}"'
        for name, value in pod.annotations.items()
        if name.startswith(_APPARMOR) and value not in ("", "runtime/default") and not value.startswith("localhost/")
    )
    if notes:
        setters.append("annotation" if len(notes) == 1 else "annotations")
    said = [*sorted(values), *notes]
    who = " and ".join(filter(None, setters))
    reason = "forbidden AppArmor profile" if len(said) == 1 else "forbidden AppArmor profiles"
    return (reason, f"{who} must not set AppArmor profile type to {_quoted(said)}") if who else None


def _escalation(pod: _Pod) -> tuple[str, str] | None:
    if pod.windows or pod.minor < 8:
        return None
    names = pod.where(lambda one: _context(one).get("allowPrivilegeEscalation") is not False)
    text = f"{_many('container', names)} must set securityContext.allowPrivilegeEscalation=false"
    return ("allowPrivilegeEscalation != false", text) if names else None


def _dropped(pod: _Pod) -> tuple[str, str] | None:
    if pod.windows or pod.minor < 22:
        return None
    keeping = pod.where(lambda one: "ALL" not in ((_context(one).get("capabilities") or {}).get("drop") or ()))
    adding = pod.where(lambda one: set(_added(one)) - {"NET_BIND_SERVICE"})
    bad = sorted({name for one in pod.containers for name in _added(one)} - {"NET_BIND_SERVICE"})
    details = []
    if keeping:
        details.append(f'{_many("container", keeping)} must set securityContext.capabilities.drop=["ALL"]')
    if adding:
        text = f"must not include {_quoted(bad)} in securityContext.capabilities.add"
        details.append(f"{_many('container', adding)} {text}")
    return ("unrestricted capabilities", "; ".join(details)) if details else None


def _volumes(pod: _Pod) -> tuple[str, str] | None:
    names, kinds = [], set()
    for volume in pod.spec.get("volumes") or ():
        sources = {key for key, value in volume.items() if key != "name" and value is not None}
        if not sources & _VOLUMES:
            names.append(volume["name"])
            kinds.add(min(sources, default="unknown"))
    if not names:
        return None
    verb, word = "uses" if len(names) == 1 else "use", "restricted volume type"
    types = word if len(kinds) == 1 else word + "s"
    return "restricted volume types", f"{_many('volume', names)} {verb} {types} {_quoted(sorted(kinds))}"


def _non_root(pod: _Pod) -> tuple[str, str] | None:
    if pod.own_users:
        return None
    word, said = "runAsNonRoot", pod.context.get("runAsNonRoot")
    explicit = pod.where(lambda one: _context(one).get(word) is False)
    setters = _setters(pod=said is False, names=explicit)
    if setters:
        return "runAsNonRoot != true", f"{setters} must not set securityContext.runAsNonRoot=false"
    silent = [] if said else pod.where(lambda one: _context(one).get(word) is None)
    text = f"pod or {_many('container', silent)} must set securityContext.runAsNonRoot=true"
    return ("runAsNonRoot != true", text) if silent else None


def _not_user_zero(pod: _Pod) -> tuple[str, str] | None:
    if pod.own_users or pod.minor < 23:
        return None
    setters = _setters(
        pod=pod.context.get("runAsUser") == 0, names=pod.where(lambda one: _context(one).get("runAsUser") == 0)
    )
    return ("runAsUser=0", f"{setters} must not set runAsUser=0") if setters else None


def _seccomp_said(pod: _Pod) -> tuple[str, str] | None:
    if pod.windows or pod.minor < 19:
        return None
    bad = _bad_seccomp(pod)
    if bad is not None:
        return bad
    silent = [] if _seccomp_type(pod.context) else pod.where(lambda one: _seccomp_type(_context(one)) is None)
    lead = f"pod or {_many('container', silent)} must set securityContext.seccompProfile.type to"
    return ("seccompProfile", f'{lead} "RuntimeDefault" or "Localhost"') if silent else None


_BASELINE: Sequence[tuple[str, _Rule]] = (
    ("appArmorProfile", _apparmor),
    ("capabilities_baseline", _capabilities),
    ("hostNamespaces", _host_namespaces),
    ("hostPathVolumes", _host_path),
    ("hostPorts", _host_ports),
    ("hostProbesAndHostLifecycle", _host_probes),
    ("privileged", _privileged),
    ("procMount", _proc_mount),
    ("seLinuxOptions", _selinux),
    ("seccompProfile_baseline", _seccomp),
    ("sysctls", _sysctls),
    ("windowsHostProcess", _host_process),
)
_RESTRICTED: Sequence[tuple[str, _Rule]] = (
    ("allowPrivilegeEscalation", _escalation),
    ("capabilities_restricted", _dropped),
    ("restrictedVolumes", _volumes),
    ("runAsNonRoot", _non_root),
    ("runAsUser", _not_user_zero),
    ("seccompProfile_restricted", _seccomp_said),
)
_OVERRIDES = {"capabilities_baseline": 22, "hostPathVolumes": 0, "seccompProfile_baseline": 19}
"""Baseline rules that a restricted one says again, from a version on."""
