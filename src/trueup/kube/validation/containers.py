"""Containers of pods: what all have, and what only some may. Source: Kubernetes ``core/validation``,
validateContainerCommon, validateContainers, validateInitContainers, validateEphemeralContainers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trueup.kube.names import Object
from trueup.kube.validation import environment, formats, mounts, probes, resources, security
from trueup.kube.validation.causes import (
    Causes,
    duplicate,
    each_invalid,
    forbidden,
    invalid,
    not_found,
    not_supported,
    one_of,
    required,
    too_many,
)  # fmt: skip

_PROTOCOLS = ("SCTP", "TCP", "UDP")
_PULL = ("Always", "IfNotPresent", "Never")
_MESSAGES = ("FallbackToLogsOnError", "File")
_RESIZED = ("cpu", "memory")
_RESIZES = ("NotRequired", "RestartContainer")
_RESTARTS = ("Always", "Never", "OnFailure")
_MOST_RULES, _MOST_CODES = 20, 255
_NOT_EPHEMERAL = (
    "ports", "resources", "resizePolicy", "restartPolicy", "restartPolicyRules", "livenessProbe", "readinessProbe",
    "startupProbe", "lifecycle",
)  # fmt: skip
_ONLY_SIDECARS = "may not be set for init containers without restartPolicy=Always"


@dataclass(frozen=True, slots=True)
class Around:
    """What a container finds in its pod."""

    volumes: Mapping[str, Any]
    claims: frozenset[str]
    grace: int | None
    system: Any
    restarts: str
    host_users: bool


def every(spec: Object, path: str) -> Iterable[tuple[str, Object]]:
    """All containers of a pod, and where they are, in the order in which Kubernetes visits them."""
    for part in ("initContainers", "containers", "ephemeralContainers"):
        for index, one in enumerate(spec.get(part) or ()):
            yield f"{path}.{part}[{index}]", one


def main(found: Sequence[Object], path: str, around: Around) -> Causes:
    """``containers``."""
    if not found:
        yield required(path)
        return
    names: set[str] = set()
    for index, one in enumerate(found):
        at, name = f"{path}[{index}]", one.get("name") or ""
        yield from _common(one, at, around)
        if name in names:
            yield duplicate(f"{at}.name", name)
        names.add(name)
        yield from _runs(one, at, around)
        yield from _restarts(one, at)
    yield from _host_ports(found, path)


def initial(found: Sequence[Object], path: str, others: Sequence[Object], around: Around) -> Causes:
    """``initContainers``, the ones that stay as sidecars among them."""
    names = {one.get("name") or "" for one in others}
    for index, one in enumerate(found):
        at, name, policy = f"{path}[{index}]", one.get("name") or "", one.get("restartPolicy")
        yield from _common(one, at, around)
        yield from _restarts(one, at)
        if name in names:
            yield duplicate(f"{at}.name", name)
        elif name:
            names.add(name)
        yield from _host_ports([one], path)
        if policy == "Always":
            yield from _runs(one, at, around)
            continue
        for field in ("lifecycle", *probes.PROBES):
            if one.get(field) is not None:
                yield forbidden(f"{at}.{field}", _ONLY_SIDECARS)
        for number, resize in enumerate(one.get("resizePolicy") or ()):
            if resize.get("restartPolicy") == "RestartContainer":
                text = "must not be set to 'RestartContainer' for non-sidecar initContainers"
                yield invalid(f"{at}.resizePolicy[{number}].restartPolicy", "RestartContainer", text)


def ephemeral(found: Sequence[Object], path: str, others: Sequence[Object], around: Around) -> Causes:
    """``ephemeralContainers``."""
    rest = {one.get("name") or "" for one in others}
    names = set(rest)
    for index, one in enumerate(found):
        at, name, target = f"{path}[{index}]", one.get("name") or "", one.get("targetContainerName")
        yield from _common(one, at, around)
        yield from image_spaces(one, at)
        if name in names:
            yield duplicate(f"{at}.name", name)
        names.add(name)
        if target and target not in rest:
            yield not_found(f"{at}.targetContainerName", target)
        for field in _NOT_EPHEMERAL:
            if one.get(field):
                yield forbidden(f"{at}.{field}", "cannot be set for an Ephemeral Container")
        for number, mount in enumerate(one.get("volumeMounts") or ()):
            for field in ("subPath", "subPathExpr"):
                if mount.get(field):
                    where = f"{at}.volumeMounts[{number}].{field}"
                    yield forbidden(where, "cannot be set for an Ephemeral Container")


def image_spaces(container: Object, path: str) -> Causes:
    """What templates are forgiven and pods are not."""
    image = container.get("image") or ""
    if image != image.strip():
        yield invalid(f"{path}.image", image, "must not have leading or trailing whitespace")


def _common(found: Object, path: str, around: Around) -> Causes:
    name = found.get("name") or ""
    if not name:
        yield required(f"{path}.name")
    else:
        yield from each_invalid(f"{path}.name", name, formats.label(name))
    if not found.get("image"):
        yield required(f"{path}.image")
    policy = found.get("terminationMessagePolicy") or ""
    if policy not in _MESSAGES:
        yield not_supported(f"{path}.terminationMessagePolicy", policy, ("File", "FallbackToLogsOnError"))
    if found.get("ports"):
        yield from _ports(found["ports"], f"{path}.ports")
    if found.get("env"):
        yield from environment.variables(found["env"], f"{path}.env")
    if found.get("envFrom"):
        yield from environment.sources(found["envFrom"], f"{path}.envFrom")
    yield from mounts.mounts(found, around.volumes, path)
    yield from one_of(f"{path}.imagePullPolicy", found.get("imagePullPolicy"), _PULL)
    if found.get("resources"):
        yield from resources.requirements(found["resources"], f"{path}.resources", around.claims)
    if found.get("resizePolicy"):
        yield from _resizes(found["resizePolicy"], f"{path}.resizePolicy", around.restarts)
    if found.get("securityContext"):
        at = f"{path}.securityContext"
        yield from security.of_container(found["securityContext"], at, host_users=around.host_users)


def _runs(found: Object, path: str, around: Around) -> Causes:
    """Hooks and probes."""
    if found.get("lifecycle") is not None:
        yield from probes.lifecycle(found["lifecycle"], f"{path}.lifecycle", around.grace, around.system)
    yield from probes.probes(found, path, around.grace)


def _ports(found: Iterable[Object], path: str) -> Causes:
    seen: set[str] = set()
    for index, port in enumerate(found):
        at, name, number = f"{path}[{index}]", port.get("name"), port.get("containerPort") or 0
        if name:
            problems = formats.port_name(name)
            yield from each_invalid(f"{at}.name", name, problems)
            if not problems and name in seen:
                yield duplicate(f"{at}.name", name)
            if not problems:
                seen.add(name)
        if not number:
            yield required(f"{at}.containerPort")
        else:
            yield from each_invalid(f"{at}.containerPort", number, formats.port_number(number))
        if port.get("hostPort"):
            yield from each_invalid(f"{at}.hostPort", port["hostPort"], formats.port_number(port["hostPort"]))
        yield from one_of(f"{at}.protocol", port.get("protocol"), _PROTOCOLS)


def _host_ports(found: Sequence[Object], path: str) -> Causes:
    """A port of the host goes to one port of the pod."""
    seen: set[str] = set()
    for index, container in enumerate(found):
        for number, port in enumerate(container.get("ports") or ()):
            if not port.get("hostPort"):
                continue
            key = f"{port.get('protocol') or ''}/{port.get('hostIP') or ''}/{port['hostPort']}"
            if key in seen:
                yield duplicate(f"{path}[{index}].ports[{number}].hostPort", key)
            seen.add(key)


def _resizes(found: Iterable[Object], path: str, restarts: str) -> Causes:
    seen: set[str] = set()
    for index, one in enumerate(found):
        name, policy = one.get("resourceName") or "", one.get("restartPolicy") or ""
        if name in seen:
            yield duplicate(f"{path}[{index}]", name)
        seen.add(name)
        yield from one_of(path, name, _RESIZED)
        yield from one_of(path, policy, _RESIZES)
        if restarts == "Never" and policy != "NotRequired":
            yield invalid(path, policy, "must be 'NotRequired' when pod `restartPolicy` is 'Never'")


def _restarts(found: Object, path: str) -> Causes:
    """``restartPolicy`` and ``restartPolicyRules`` of a container."""
    policy, rules = found.get("restartPolicy"), found.get("restartPolicyRules") or ()
    if policy is None and rules:
        yield required(f"{path}.restartPolicy", "must specify restartPolicy when restart rules are used")
    elif policy is not None and policy not in _RESTARTS:
        yield not_supported(f"{path}.restartPolicy", policy, _RESTARTS)
    if len(rules) > _MOST_RULES:
        yield too_many(f"{path}.restartPolicyRules", len(rules), _MOST_RULES)
    for index, rule in enumerate(rules):
        yield from _restart_rule(rule, f"{path}.restartPolicyRules[{index}]")


def _restart_rule(rule: Object, path: str) -> Causes:
    action, codes = rule.get("action") or "", rule.get("exitCodes")
    if action not in _ACTIONS:
        yield not_supported(f"{path}.action", action, _ACTIONS)
    if codes is None:
        yield required(f"{path}.exitCodes", "must be specified")
        return
    operator, values = codes.get("operator") or "", codes.get("values") or ()
    if operator not in ("In", "NotIn"):
        yield not_supported(f"{path}.exitCodes.operator", operator, ("In", "NotIn"))
    if len(values) > _MOST_CODES:
        yield too_many(f"{path}.exitCodes.values", len(values), _MOST_CODES)


_ACTIONS = ("Restart", "RestartAllContainers")
