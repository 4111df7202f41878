"""What whoever writes pods and templates is warned of. Source: Kubernetes ``pkg/api/{pod/warnings,node/util}.go``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from trueup.kube.names import Object
from trueup.kube.quantity import parse
from trueup.kube.validation import formats
from trueup.kube.validation.containers import every

Warnings = Iterator[str]

_LABELS = {
    "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
    "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
    "failure-domain.beta.kubernetes.io/region": 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
    "failure-domain.beta.kubernetes.io/zone": 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
    "beta.kubernetes.io/instance-type": 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
    "app.kubernetes.io/created-by": "deprecated since v1.9",
    "scheduler.alpha.kubernetes.io/preferAvoidPods": "deprecated since v1.22; use Taints and Tolerations instead",
    "node-role.kubernetes.io/master": 'use "node-role.kubernetes.io/control-plane" instead',
}
_NOTES = {
    "scheduler.alpha.kubernetes.io/critical-pod": 'non-functional in v1.16+; use the "priorityClassName" field instead',
    "security.alpha.kubernetes.io/sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
    "security.alpha.kubernetes.io/unsafe-sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
}
_SECCOMP = 'non-functional in v1.27+; use the "seccompProfile" field instead'
_OF_POD, _OF_CONTAINER = "seccomp.security.alpha.kubernetes.io/pod", "container.seccomp.security.alpha.kubernetes.io/"
_VOLUMES = {
    "photonPersistentDisk": "deprecated in v1.11, non-functional in v1.16+",
    "gitRepo": "deprecated in v1.11, and disabled by default in v1.33+",
    "scaleIO": "deprecated in v1.16, non-functional in v1.22+",
    "flocker": "deprecated in v1.22, non-functional in v1.25+",
    "storageos": "deprecated in v1.22, non-functional in v1.25+",
    "quobyte": "deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "deprecated in v1.25, non-functional in v1.26+",
    "cephfs": "deprecated in v1.28, non-functional in v1.31+",
    "rbd": "deprecated in v1.28, non-functional in v1.31+",
}
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_NO_POD = "a null labelSelector results in matching no pod"
_SIZES = ("memory", "ephemeral-storage")


def pod(obj: Object) -> Warnings:
    """v1 Pod."""
    problems = formats.label(str(obj["metadata"].get("name") or ""))
    if problems:
        text = "this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended"
        yield f"metadata.name: {text}: [{' '.join(problems)}]"
    yield from _all(obj, "")


def template(found: Any, path: str) -> Warnings:
    """A pod template."""
    if isinstance(found, dict):
        yield from _all(found, f"{path}.")


def _all(found: Object, path: str) -> Warnings:
    spec, notes = found.get("spec") or {}, (found.get("metadata") or {}).get("annotations") or {}
    at = f"{path}spec"
    yield from _nodes(spec, at)
    for key, text in _NOTES.items() if notes else ():
        if key in notes:
            yield f"{path}metadata.annotations[{key}]: {text}"
    for index, volume in enumerate(spec.get("volumes") or ()):
        yield from _volume(volume, f"{at}.volumes[{index}]")
    yield from _twice(spec.get("hostAliases") or (), "ip", f"{at}.hostAliases")
    yield from _twice(spec.get("imagePullSecrets") or (), "name", f"{at}.imagePullSecrets")
    for index, secret in enumerate(spec.get("imagePullSecrets") or ()):
        if not secret.get("name"):
            yield f'{at}.imagePullSecrets[{index}].name: invalid empty name ""'
    yield from _fractions(spec.get("overhead"), f"{at}.overhead")
    if _OF_POD in notes and not (spec.get("securityContext") or {}).get("seccompProfile"):
        yield f"{path}metadata.annotations[{_OF_POD}]: {_SECCOMP}"
    containers = [*every(spec, at)]
    for where, container in containers:
        key = f"{_OF_CONTAINER}{container.get('name') or ''}"
        if key in notes and not (container.get("securityContext") or {}).get("seccompProfile"):
            yield f"{path}metadata.annotations[{key}]: {_SECCOMP}"
        yield from _container(container, where)
    yield from _ports(containers)
    grace = spec.get("terminationGracePeriodSeconds")
    if grace is not None and grace < 0:
        yield f"{at}.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1"
    yield from _terms(spec.get("affinity") or {}, f"{at}.affinity")


def _nodes(spec: Object, path: str) -> Warnings:
    for key in spec.get("nodeSelector") or ():
        if key in _LABELS:
            yield f"{path}.nodeSelector[{key}]: {_LABELS[key]}"
    nodes = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    at = f"{path}.affinity.nodeAffinity"
    for index, term in enumerate((nodes.get(_REQUIRED) or {}).get("nodeSelectorTerms") or ()):
        yield from _term(term, f"{at}.{_REQUIRED}.nodeSelectorTerms[{index}]", values=False)
    for index, wish in enumerate(nodes.get(_PREFERRED) or ()):
        yield from _term(wish.get("preference") or {}, f"{at}.{_PREFERRED}[{index}].preference", values=True)
    for index, wish in enumerate(spec.get("topologySpreadConstraints") or ()):
        at, key = f"{path}.topologySpreadConstraints[{index}]", wish.get("topologyKey") or ""
        if key in _LABELS:
            yield f"{at}.topologyKey: {key} is {_LABELS[key]}"
        if wish.get("labelSelector") is None:
            yield f"{at}.labelSelector: {_NO_POD}"


def _term(term: Object, path: str, *, values: bool) -> Warnings:
    for index, wish in enumerate(term.get("matchExpressions") or ()):
        at, key = f"{path}.matchExpressions[{index}]", wish.get("key") or ""
        if key in _LABELS:
            yield f"{at}.key: {key} is {_LABELS[key]}"
        for place, value in enumerate(wish.get("values") or ()) if values else ():
            for problem in formats.label_value(value):
                yield f"{at}.values[{place}]: {value} is invalid, {problem}"


def _volume(volume: Object, path: str) -> Warnings:
    for kind, source in volume.items():
        if kind in _VOLUMES and source is not None:
            yield f"{path}.{'storageOS' if kind == 'storageos' else kind}: {_VOLUMES[kind]}"
    claim = ((volume.get("ephemeral") or {}).get("volumeClaimTemplate") or {}).get("spec")
    if claim:
        yield from claim_sizes(claim, f"{path}.ephemeral.volumeClaimTemplate.spec")
    for source in (volume.get("projected") or {}).get("sources") or ():
        if not source:
            yield f'volume "{volume.get("name") or ""}" (Projected) has no sources provided'


def claim_sizes(spec: Object, path: str) -> Warnings:
    """Sizes of a claim that are no whole bytes."""
    for part in ("requests", "limits"):
        found = (spec.get("resources") or {}).get(part)
        yield from _fractions(found, f"{path}.resources.{part}", ("storage",))


def volume(obj: Object) -> Warnings:
    """v1 PersistentVolume. Source: ``pkg/api/persistentvolume/util.go``."""
    spec = obj.get("spec") or {}
    if spec.get("persistentVolumeReclaimPolicy") == "Recycle":
        text = "The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning."
        yield f"spec.persistentVolumeReclaimPolicy: {text}"
    terms = (((spec.get("nodeAffinity") or {}).get("required")) or {}).get("nodeSelectorTerms") or ()
    for index, term in enumerate(terms):
        yield from _term(term, f"spec.nodeAffinity.required.nodeSelectorTerms[{index}]", values=False)
    for kind in spec:
        if kind in _OLD_VOLUMES and spec[kind] is not None:
            yield f"spec.{'storageOS' if kind == 'storageos' else kind}: {_VOLUMES[kind]}"


_OLD_VOLUMES = frozenset({"cephfs", "photonPersistentDisk", "scaleIO", "storageos", "glusterfs", "rbd"})


def _twice(found: Iterable[Object], name: str, path: str) -> Warnings:
    seen: set[str] = set()
    for index, one in enumerate(found):
        value = one.get(name) or ""
        if value in seen:
            yield f'{path}[{index}].{name}: duplicate {name} "{value}"'
        seen.add(value)


def _fractions(found: Any, path: str, names: tuple[str, ...] = _SIZES) -> Warnings:
    for name in names if found else ():
        value = found.get(name)
        if value is not None and str(value).endswith(("m", "u", "n")) and parse(value).denominator != 1:
            yield f'{path}[{name}]: fractional byte value "{value}" is invalid, must be an integer'


def _container(found: Object, path: str) -> Warnings:
    resources = found.get("resources") or {}
    for name in _SIZES:
        for part in ("limits", "requests"):
            yield from _fractions(resources.get(part), f"{path}.resources.{part}", (name,))
    seen: set[str] = set()
    for index, variable in enumerate(found.get("env") or ()):
        name, value = variable.get("name") or "", variable.get("value") or ""
        reference = f"$({name})"
        if name in seen and (variable.get("valueFrom") is not None or value == reference or reference not in value):
            text = f'hides previous definition of "{name}", which may be dropped when using apply'
            yield f"{path}.env[{index}]: {text}"
        seen.add(name)


def _ports(containers: Iterable[tuple[str, Object]]) -> Warnings:
    named: dict[str, str] = {}
    names: list[str] = []
    numbered: dict[tuple[Any, Any], list[tuple[str, Object]]] = {}
    for path, container in containers:
        for index, port in enumerate(container.get("ports") or ()):
            at, name = f"{path}.ports[{index}]", port.get("name")
            before = numbered.setdefault((port.get("containerPort"), port.get("protocol")), [])
            for other, earlier in before:
                text = _beside(port, earlier)
                if text:
                    yield f"{at}: {text} port definition with {other}"
            before.append((at, port))
            if name and name in named:
                first = named[name]
                text = f"services and probes that select ports by name will use {first}"
                names.append(f'{at}: duplicate port name "{name}" with {first}, {text}')
            elif name:
                named[name] = at
    yield from names


def _beside(port: Object, other: Object) -> str:
    """How two ports of one number stand to each other."""
    hosts = [(one.get("hostIP") or "", one.get("hostPort") or 0) for one in (port, other)]
    (ip, number), (other_ip, other_number) = hosts
    if hosts[0] == hosts[1]:
        return "duplicate"
    if not number or not other_number:
        return "overlapping"
    return "dangerously ambiguous" if number == other_number and bool(ip) != bool(other_ip) else ""


def _terms(affinity: Object, path: str) -> Warnings:
    for part in ("podAffinity", "podAntiAffinity"):
        found = affinity.get(part) or {}
        for index, term in enumerate(found.get(_REQUIRED) or ()):
            if term.get("labelSelector") is None:
                yield f"{path}.{part}.{_REQUIRED}[{index}].labelSelector: {_NO_POD}"
        for index, wish in enumerate(found.get(_PREFERRED) or ()):
            if (wish.get("podAffinityTerm") or {}).get("labelSelector") is None:
                yield f"{path}.{part}.{_PREFERRED}[{index}].podAffinityTerm.labelSelector: {_NO_POD}"
