"""Rules of pods and pod templates. Source: Kubernetes ``core/validation``, ValidatePodCreate, ValidatePodSpec."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from trueup.kube.names import Object
from trueup.kube.validation import (
    addresses,
    affinity,
    containers,
    formats,
    object_meta,
    paths,
    pod_resources,
    resources,
    security,
    volumes,
)  # fmt: skip
from trueup.kube.validation.causes import (
    Causes,
    duplicate,
    each_invalid,
    forbidden,
    invalid,
    invalid_go,
    not_found,
    one_of,
    required,
    too_long,
)  # fmt: skip
from trueup.kube.validation.tolerations import tolerations

_DNS = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_RESTART = ("Always", "OnFailure", "Never")
_PREEMPTIONS = ("PreemptLowerPriority", "Never")
_LONGEST_HOSTNAME = 64
_MOST_SECONDS = (1 << 31) - 1
_MOST_SERVERS, _MOST_SEARCHES, _LONGEST_SEARCHES = 3, 32, 2048
MIRROR = "kubernetes.io/config.mirror"
_COST = "controller.kubernetes.io/pod-deletion-cost"
_TOLERATIONS = "scheduler.alpha.kubernetes.io/tolerations"
APP_ARMOR = "container.apparmor.security.beta.kubernetes.io/"
_NAMED = (
    ("serviceAccountName", formats.subdomain),
    ("nodeName", formats.subdomain),
)


def pod(obj: Object) -> Causes:
    """v1 Pod."""
    spec, meta = obj.get("spec") or {}, obj["metadata"]
    notes = meta.get("annotations")
    if notes:
        yield from _notes(notes, spec, "metadata.annotations")
    yield from pod_spec(spec, "spec", pod_name=meta.get("name") or "", notes=notes, is_pod=True)
    if not spec.get("serviceAccountName"):
        yield from _tokens(spec.get("volumes") or ())
    for part in ("containers", "initContainers"):
        for index, one in enumerate(spec.get(part) or ()):
            yield from containers.image_spaces(one, f"spec.{part}[{index}]")


def _tokens(found: Iterable[Object]) -> Causes:
    for index, volume in enumerate(found):
        for number, source in enumerate((volume.get("projected") or {}).get("sources") or ()):
            if source.get("serviceAccountToken") is not None:
                path = f"spec.volumes[{index}].projected.sources[{number}].serviceAccountToken"
                yield forbidden(path, "must not be specified when serviceAccountName is not set")


def _notes(notes: Mapping[str, str], spec: Object, path: str) -> Causes:
    """Annotations that mean something for pods."""
    if MIRROR in notes and not spec.get("nodeName"):
        yield invalid(f"{path}[{MIRROR}]", notes[MIRROR], "must set spec.nodeName if mirror pod annotation is set")
    if notes.get(_TOLERATIONS):
        try:
            found = orjson.loads(notes[_TOLERATIONS])
        except ValueError as problem:
            yield invalid(path, _TOLERATIONS, str(problem))
        else:
            yield from tolerations(found, f"{path}.{_TOLERATIONS}", once=False)
    cost = notes.get(_COST)
    if cost is not None and (formats.decimal(cost) or not -(1 << 31) <= int(cost) < 1 << 31):
        yield invalid(f"{path}[{_COST}]", cost, "must be a 32bit integer")
    for key, value in notes.items():
        if key.startswith(APP_ARMOR):
            yield from _app_armor(key, value, spec, path)
        elif key.startswith(_SECCOMP):
            yield from _seccomp(value, f"{path}.{key}")


_SECCOMP = ("seccomp.security.alpha.kubernetes.io/pod", "container.seccomp.security.alpha.kubernetes.io/")


def _app_armor(key: str, value: str, spec: Object, path: str) -> Causes:
    name = key.removeprefix(APP_ARMOR)
    if all(one.get("name") != name for _, one in containers.every(spec, "")):
        yield invalid(f"{path}[{key}]", name, "container not found")
    if value and value not in ("runtime/default", "unconfined") and not value.startswith("localhost/"):
        yield invalid(f"{path}[{key}]", value, f'invalid AppArmor profile name: "{value}"')


def _seccomp(value: str, path: str) -> Causes:
    if value in ("runtime/default", "docker/default", "unconfined"):
        return
    if value.startswith("localhost/"):
        yield from paths.descending(value.removeprefix("localhost/"), path)
    else:
        yield invalid(path, value, "must be a valid seccomp profile")


def template(found: Any, path: str, claims: Mapping[str, Object] | None = None) -> Causes:
    """A pod template. ``claims``: volumes that a stateful set adds."""
    found = found or {}
    meta, spec = found.get("metadata") or {}, found.get("spec") or {}
    notes = meta.get("annotations")
    yield from object_meta.labels(meta.get("labels"), f"{path}.labels")
    yield from object_meta.annotation_keys(notes, f"{path}.annotations")
    if notes:
        yield from _notes(notes, spec, f"{path}.annotations")
    yield from pod_spec(spec, f"{path}.spec", claims=claims)
    if spec.get("ephemeralContainers"):
        yield forbidden(f"{path}.spec.ephemeralContainers", "ephemeral containers not allowed in pod template")


def pod_spec(
    spec: Object,
    path: str,
    *,
    claims: Mapping[str, Object] | None = None,
    pod_name: str = "",
    notes: Mapping[str, str] | None = None,
    is_pod: bool = False,
) -> Causes:
    """What a pod is made of."""
    found = spec.get("volumes") or ()
    if claims:  # volumes of claims take the place of those of the same name
        found = [*(one for one in found if one.get("name") not in claims), *claims.values()]
    known, problems = volumes.volumes(found, f"{path}.volumes", pod_name, is_pod=is_pod)
    yield from problems
    if spec.get("resourceClaims"):
        yield from _claims(spec["resourceClaims"], f"{path}.resourceClaims", mirror=MIRROR in (notes or ()))
    yield from _containers(spec, path, known)
    yield from pod_resources.pod_resources(spec, path)
    if spec.get("hostNetwork"):
        yield from _host_network(spec, path, is_pod=is_pod)
    yield from one_of(f"{path}.restartPolicy", spec.get("restartPolicy"), _RESTART)
    yield from one_of(f"{path}.dnsPolicy", spec.get("dnsPolicy"), _DNS)
    yield from object_meta.labels(spec.get("nodeSelector"), f"{path}.nodeSelector")
    yield from security.of_pod(spec, f"{path}.securityContext")
    yield from _placed(spec, path)
    yield from security.host_process(spec, path, containers.every(spec, path))
    if spec.get("hostUsers") is False:
        yield from _own_users(spec, path)
    yield from _named(spec, path)
    yield from _rest(spec, path)
    yield from _file_keys(spec, path)


def _containers(spec: Object, path: str, known: Mapping[str, Any]) -> Causes:
    around = containers.Around(
        known,
        frozenset(claim["name"] for claim in spec.get("resourceClaims") or () if claim.get("name")),
        spec.get("terminationGracePeriodSeconds"),
        spec.get("os"),
        spec.get("restartPolicy") or "",
        spec.get("hostUsers") is not False,
    )
    main, initial = spec.get("containers") or [], spec.get("initContainers") or []
    yield from containers.main(main, f"{path}.containers", around)
    if initial:
        yield from containers.initial(initial, f"{path}.initContainers", main, around)
    if spec.get("ephemeralContainers"):
        at = f"{path}.ephemeralContainers"
        yield from containers.ephemeral(spec["ephemeralContainers"], at, [*main, *initial], around)


def _claims(found: Iterable[Object], path: str, *, mirror: bool) -> Causes:
    names: set[str] = set()
    for index, claim in enumerate(found):
        if mirror:
            yield forbidden("", "static pods do not support resource claims")
            continue
        at, name = f"{path}[{index}]", claim.get("name") or ""
        if not name:
            yield required(f"{at}.name")
        elif name in names:
            yield duplicate(f"{at}.name", name)
        else:
            yield from each_invalid(f"{at}.name", name, formats.label(name))
            names.add(name)
        one, many = claim.get("resourceClaimName"), claim.get("resourceClaimTemplateName")
        shown = {"Name": name, "ResourceClaimName": one, "ResourceClaimTemplateName": many}
        if one is not None and many is not None:
            text = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"
            yield invalid_go(at, shown, text)
        if one is None and many is None:
            yield invalid_go(at, shown, "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`")
        for field, value in (("resourceClaimName", one), ("resourceClaimTemplateName", many)):
            if value is not None:
                yield from each_invalid(f"{at}.{field}", value, formats.subdomain(value))


def _host_network(spec: Object, path: str, *, is_pod: bool) -> Causes:
    for index, container in enumerate(spec.get("containers") or ()):
        for number, port in enumerate(container.get("ports") or ()):
            host, own = port.get("hostPort") or 0, port.get("containerPort") or 0
            if host != own and (is_pod or host):
                at = f"{path}.containers[{index}].ports[{number}].hostPort"
                yield invalid(at, host, "must match `containerPort` when `hostNetwork` is true")


def _placed(spec: Object, path: str) -> Causes:
    """Where it runs, what it resolves, what it waits for."""
    if spec.get("affinity"):
        yield from affinity.affinity(spec["affinity"], f"{path}.affinity")
    yield from _dns(spec.get("dnsConfig"), spec.get("dnsPolicy"), f"{path}.dnsConfig")
    for index, gate in enumerate(spec.get("readinessGates") or ()):
        kind = gate.get("conditionType") or ""
        yield from each_invalid(f"{path}.readinessGates[{index}].conditionType", kind, formats.qualified(kind))
    seen: set[str] = set()
    for index, gate in enumerate(spec.get("schedulingGates") or ()):
        at, name = f"{path}.schedulingGates[{index}]", gate.get("name") or ""
        yield from each_invalid(at, name, formats.qualified(name))
        if name in seen:
            yield duplicate(at, name)
        seen.add(name)
    if spec.get("topologySpreadConstraints"):
        yield from affinity.spread(spec["topologySpreadConstraints"], f"{path}.topologySpreadConstraints")


def _dns(found: Any, policy: Any, path: str) -> Causes:
    if policy == "None":
        if found is None:
            yield required(path, "must provide `dnsConfig` when `dnsPolicy` is None")
            return
        if not found.get("nameservers"):
            text = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            yield required(f"{path}.nameservers", text)
            return
    if found is None:
        return
    servers, searches = found.get("nameservers") or [], found.get("searches") or []
    if len(servers) > _MOST_SERVERS:
        yield invalid(f"{path}.nameservers", servers, f"must not have more than {_MOST_SERVERS} nameservers")
    for index, server in enumerate(servers):
        yield from addresses.address(f"{path}.nameservers[{index}]", server, canonical=False)
    if len(searches) > _MOST_SEARCHES:
        yield invalid(f"{path}.searches", searches, f"must not have more than {_MOST_SEARCHES} search paths")
    if len(" ".join(searches)) > _LONGEST_SEARCHES:
        text = f"must not have more than {_LONGEST_SEARCHES} characters (including spaces) in the search list"
        yield invalid(f"{path}.searches", searches, text)
    for index, search in enumerate(searches):
        if search != ".":
            bare = search.removesuffix(".")
            yield from each_invalid(f"{path}.searches[{index}]", bare, formats.search_domain(bare))
    for index, option in enumerate(found.get("options") or ()):
        if not option.get("name"):
            yield required(f"{path}.options[{index}]", "must not be empty")


def _own_users(spec: Object, path: str) -> Causes:
    """A pod with users of its own shares less with its host."""
    for field, shown in (("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")):
        if spec.get(field):
            yield forbidden(f"{path}.{shown}", "when `hostUsers` is false")
    for at, container in containers.every(spec, path):
        if container.get("volumeDevices"):
            yield forbidden(f"{at}.volumeDevices", "when `hostUsers` is false")


def _named(spec: Object, path: str) -> Causes:
    override = spec.get("hostnameOverride")
    if override is not None:
        yield from _override(spec, str(override), f"{path}.hostnameOverride")
    for name, problems in _NAMED:
        value = spec.get(name)
        if value:
            yield from each_invalid(f"{path}.{name}", value, problems(value))
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= _MOST_SECONDS:
        yield invalid(f"{path}.activeDeadlineSeconds", deadline, f"must be between 1 and {_MOST_SECONDS}, inclusive")
    for name in ("hostname", "subdomain"):
        value = spec.get(name)
        if value:
            yield from each_invalid(f"{path}.{name}", value, formats.label(value))


def _override(spec: Object, name: str, path: str) -> Causes:
    if spec.get("setHostnameAsFQDN"):
        yield forbidden(path, "may not be specified when setHostnameAsFQDN is true")
    if spec.get("hostNetwork"):
        yield forbidden(path, "may not be specified when hostNetwork is true")
    if len(name) > _LONGEST_HOSTNAME:
        yield too_long(path, _LONGEST_HOSTNAME)
    yield from each_invalid(path, name, formats.subdomain(name))


def _rest(spec: Object, path: str) -> Causes:
    if spec.get("tolerations"):
        yield from tolerations(spec["tolerations"], f"{path}.tolerations", once=False)
    for index, alias in enumerate(spec.get("hostAliases") or ()):
        at = f"{path}.hostAliases[{index}]"
        yield from addresses.address(f"{at}.ip", alias.get("ip") or "", canonical=False)
        for number, name in enumerate(alias.get("hostnames") or ()):
            yield from each_invalid(f"{at}.hostnames[{number}]", name, formats.subdomain(name))
    priority, runtime, preempts = (spec.get(k) for k in ("priorityClassName", "runtimeClassName", "preemptionPolicy"))
    if priority:
        yield from each_invalid(f"{path}.priorityClassName", priority, formats.subdomain(priority))
    if runtime is not None:
        yield from each_invalid(f"{path}.runtimeClassName", runtime, formats.subdomain(runtime))
    if preempts is not None:
        yield from one_of(f"{path}.preemptionPolicy", preempts, _PREEMPTIONS)
    if spec.get("overhead") is not None:
        yield from resources.requirements({"limits": spec["overhead"]}, f"{path}.overhead")
    if spec.get("os") is not None:
        yield from security.system(spec, path, [*containers.every(spec, path)])
    group = spec.get("schedulingGroup")
    if group is not None:
        name, at = group.get("podGroupName"), f"{path}.schedulingGroup.podGroupName"
        if name is None:
            yield invalid(at, None, "must specify one of: `podGroupName`")
        else:
            yield from each_invalid(at, name, formats.subdomain(name))


def _file_keys(spec: Object, path: str) -> Causes:
    """Variables from files are read from volumes that are empty at first."""
    sources = {volume.get("name") or "": volume for volume in spec.get("volumes") or ()}
    for at, container in containers.every(spec, path):
        for index, variable in enumerate(container.get("env") or ()):
            source = (variable.get("valueFrom") or {}).get("fileKeyRef")
            if source is None:
                continue
            where, name = f"{at}.env[{index}].valueFrom.fileKeyRef.volumeName", source.get("volumeName") or ""
            if name not in sources:
                yield not_found(where, name)
            elif sources[name].get("emptyDir") is None:
                yield invalid(where, name, "referenced volume must be of type emptyDir")
