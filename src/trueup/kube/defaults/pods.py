"""Defaults of pods and pod templates. Source: Kubernetes ``pkg/apis/core/v1/defaults.go``."""

from __future__ import annotations

import re
from typing import Any

from trueup.kube.defaults.filling import each, fill, part, section
from trueup.kube.names import Object

CONTAINERS = ("initContainers", "containers", "ephemeralContainers")
_MODE = 0o644
_VOLUMES: dict[str, dict[str, Any]] = {
    "configMap": {"defaultMode": _MODE},
    "secret": {"defaultMode": _MODE},
    "downwardAPI": {"defaultMode": _MODE},
    "projected": {"defaultMode": _MODE},
    "hostPath": {"type": ""},
    "iscsi": {"iscsiInterface": "default"},
    "rbd": {"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"},
    "azureDisk": {"cachingMode": "ReadWrite", "fsType": "ext4", "readOnly": False, "kind": "Shared"},
    "scaleIO": {"storageMode": "ThinProvisioned", "fsType": "xfs"},
}
_is_image = re.compile(r"(?:[A-Za-z0-9.-]+(?::[0-9]+)?/)?[a-z0-9][a-z0-9._/-]*(?::\w[\w.-]{0,127})?").fullmatch
_LONGEST_NAME = 255
_OF_PODS = frozenset({"cpu", "memory"})
_PROBE = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}


def pod(obj: Object) -> None:
    """A pod: what its template would have, and what only a pod is given."""
    spec = section(obj, "spec")
    limits = part(spec, "resources", "limits")
    for name, value in (limits or {}).items():
        if name in _OF_PODS or name.startswith("hugepages-"):
            section(spec["resources"], "requests").setdefault(name, value)
    if spec.get("enableServiceLinks") is None:
        spec["enableServiceLinks"] = True
    for name in ("initContainers", "containers"):
        for container in each(spec, name):
            _requests_from_limits(container)
            if spec.get("hostNetwork"):
                for port in each(container, "ports"):
                    if not port.get("hostPort") and port.get("containerPort"):
                        port["hostPort"] = port["containerPort"]
    grace = spec.get("terminationGracePeriodSeconds")
    if isinstance(grace, int) and grace < 0:  # of pods alone: templates keep what they say
        spec["terminationGracePeriodSeconds"] = 1
    pod_spec(spec)


def pod_template(obj: Object) -> None:
    """What stands under ``template``."""
    pod_spec(section(section(obj, "template"), "spec"))


def pod_spec(spec: Object) -> None:
    """A pod's or a pod template's spec."""
    if not spec.get("dnsPolicy"):
        spec["dnsPolicy"] = "ClusterFirst"
    if not spec.get("restartPolicy"):
        spec["restartPolicy"] = "Always"
    if not spec.get("schedulerName"):
        spec["schedulerName"] = "default-scheduler"
    if spec.get("securityContext") is None:
        spec["securityContext"] = {}
    if spec.get("terminationGracePeriodSeconds") is None:
        spec["terminationGracePeriodSeconds"] = 30
    spec.pop("schedulingGroup", None)  # dropped, as its gate is closed
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account:
        # The older name of the field is kept in step: the conversion from the internal type writes both.
        spec["serviceAccountName"] = spec["serviceAccount"] = account
    for name in CONTAINERS:
        for container in each(spec, name):
            _container(container)
    for volume in each(spec, "volumes"):
        _volume(volume)


def _requests_from_limits(container: Object) -> None:
    limits = part(container, "resources", "limits")
    if limits:
        requests = section(container["resources"], "requests")
        for name, value in limits.items():
            requests.setdefault(name, value)


def _container(container: Object) -> None:
    if not container.get("imagePullPolicy"):
        container["imagePullPolicy"] = pull_policy(str(container.get("image") or ""))
    if container.get("resources") is None:
        container["resources"] = {}
    if not container.get("terminationMessagePath"):
        container["terminationMessagePath"] = "/dev/termination-log"
    if not container.get("terminationMessagePolicy"):
        container["terminationMessagePolicy"] = "File"
    for port in each(container, "ports"):
        if not port.get("protocol"):
            port["protocol"] = "TCP"
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        probe = container.get(name)
        if isinstance(probe, dict):
            fill(probe, **_PROBE)
            _action(probe)
    hooks = container.get("lifecycle")
    if hooks and hooks.pop("stopSignal", None) is not None and not hooks:
        del container["lifecycle"]  # dropped, as its gate is closed
    for hook in (container.get("lifecycle") or {}).values():
        if isinstance(hook, dict):
            _action(hook)
    for variable in each(container, "env"):
        _field_reference(variable.get("valueFrom"))


def _action(holder: Object) -> None:
    get = holder.get("httpGet")
    if isinstance(get, dict):
        fill(get, path="/", scheme="HTTP")
    grpc = holder.get("grpc")
    if isinstance(grpc, dict):
        fill(grpc, service="")


def _field_reference(holder: Any) -> None:
    reference = holder.get("fieldRef") if isinstance(holder, dict) else None
    if isinstance(reference, dict):
        fill(reference, apiVersion="v1")


def pull_policy(image: str) -> str:
    """``Always`` for what may change under its name: the tag ``latest``, which is meant when none is given."""
    name, at, _ = image.partition("@")
    tag = name.rsplit("/", 1)[-1].partition(":")[2]
    if len(name) > _LONGEST_NAME or _is_image(name) is None:
        return "IfNotPresent"  # what is no image's name has no tag
    return "Always" if tag == "latest" or (not tag and not at) else "IfNotPresent"


def _volume(volume: Object) -> None:
    if not any(name != "name" and value is not None for name, value in volume.items()):
        volume["emptyDir"] = {}
        return
    for name, source in volume.items():
        if not isinstance(source, dict):
            continue
        defaults = _VOLUMES.get(name)
        if defaults:
            fill(source, **defaults)
        if name == "projected":
            _projected(source)
        elif name == "downwardAPI":
            for item in each(source, "items"):
                _field_reference(item)
        elif name == "ephemeral":
            claim = part(source, "volumeClaimTemplate", "spec")
            if claim is not None:
                fill(claim, volumeMode="Filesystem")
        elif name == "image":
            fill(source, pullPolicy=pull_policy(str(source.get("reference") or "")))


def _projected(projected: Object) -> None:
    for source in each(projected, "sources"):
        for kind in ("clusterTrustBundle", "podCertificate"):
            source.pop(kind, None)  # dropped, as the gates of their APIs are closed
        token = source.get("serviceAccountToken")
        if isinstance(token, dict):
            fill(token, expirationSeconds=3600)
        for item in each(source.get("downwardAPI"), "items"):
            _field_reference(item)


def volume_source(spec: Object) -> None:
    """The kinds of volume that a pod and a persistent volume share."""
    for name in ("hostPath", "iscsi", "rbd", "azureDisk", "scaleIO"):
        source = spec.get(name)
        if isinstance(source, dict):
            fill(source, **_VOLUMES[name])
