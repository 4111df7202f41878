"""Rules that Kubernetes checks beyond the schema: names, labels, selectors, immutable fields. Called by the API server.

Objects in, causes out, worded as Kubernetes words them. Source: ``pkg/apis/*/validation``, apimachinery ``validation``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from trueup.kube import selectors
from trueup.kube.names import Kind, Object
from trueup.kube.problems import Cause

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_DNS1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_CONFIG_KEY = re.compile(r"[-._a-zA-Z0-9]+")

_SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_DNS1035_TEXT = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and "
    "end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    "'[a-z]([-a-z0-9]*[a-z0-9])?')"
)
_VALUE_TEXT = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end "
    "with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_QUALIFIED_TEXT = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
_PATH_NAMES = frozenset({"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"})


def metadata(kind: Kind, obj: Object) -> Iterator[Cause]:
    """Names, labels and annotations."""
    meta = obj["metadata"]
    name = str(meta.get("name") or "")
    if not name:
        yield Cause("FieldValueRequired", "Required value: name or generateName is required", "metadata.name")
    else:
        for text in name_problems(kind, name):
            yield Cause("FieldValueInvalid", f'Invalid value: "{name}": {text}', "metadata.name")
    for key, value in (meta.get("labels") or {}).items():
        yield from _qualified(key, "metadata.labels")
        if not isinstance(value, str) or not _VALUE.fullmatch(value) or len(value) > 63:
            detail = "must be no more than 63 characters" if isinstance(value, str) and len(value) > 63 else _VALUE_TEXT
            yield Cause("FieldValueInvalid", f'Invalid value: "{value}": {detail}', "metadata.labels")
    for key in meta.get("annotations") or ():
        yield from _qualified(key, "metadata.annotations")


def name_problems(kind: Kind, name: str) -> Iterator[str]:
    """Why a name is not allowed."""
    if kind.kind in _PATH_NAMES and kind.group == "rbac.authorization.k8s.io":
        if name in (".", ".."):
            yield f"may not be '{name}'"
        for part in ("/", "%"):
            if part in name:
                yield f"may not contain '{part}'"
        return
    if kind.kind == "Namespace" and not kind.group:
        if not _LABEL.fullmatch(name):
            yield _LABEL_TEXT
        if len(name) > 63:
            yield "must be no more than 63 characters"
        return
    if kind.kind == "Service" and not kind.group:
        if not _DNS1035.fullmatch(name):
            yield _DNS1035_TEXT
        if len(name) > 63:
            yield "must be no more than 63 characters"
        return
    if not _SUBDOMAIN.fullmatch(name):
        yield _SUBDOMAIN_TEXT
    if len(name) > 253:
        yield "must be no more than 253 characters"


def _qualified(key: str, path: str) -> Iterator[Cause]:
    prefix, slash, name = key.rpartition("/")
    if slash and not _SUBDOMAIN.fullmatch(prefix.lower() if path.endswith("annotations") else prefix):
        yield Cause("FieldValueInvalid", f'Invalid value: "{key}": prefix part {_SUBDOMAIN_TEXT}', path)
    if not _QUALIFIED.fullmatch(name):
        yield Cause("FieldValueInvalid", f'Invalid value: "{key}": {_QUALIFIED_TEXT}', path)
    elif len(name) > 63:
        yield Cause("FieldValueInvalid", f'Invalid value: "{key}": name part must be no more than 63 characters', path)


def required(
    value: Any, schema: Mapping[str, Any], resolve: Callable[[str], Mapping[str, Any]], path: str = ""
) -> Iterator[Cause]:
    """Required fields of a built-in object that are missing or empty."""
    ref = schema.get("$ref")
    if ref:
        schema = resolve(str(ref))
    if isinstance(value, dict):
        for name in schema.get("required") or ():
            found = value.get(name)
            if found is None or found == "":
                yield Cause("FieldValueRequired", "Required value", f"{path}.{name}" if path else name)
        properties = schema.get("properties") or {}
        further = schema.get("additionalProperties")
        for name, below in value.items():
            if name == "status" and not path:
                continue
            sub = properties.get(name) or (further if isinstance(further, Mapping) else None)
            if sub is not None and isinstance(below, (dict, list)):
                yield from required(below, sub, resolve, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        items = schema.get("items") or {}
        for index, item in enumerate(value):
            if isinstance(item, (dict, list)):
                yield from required(item, items, resolve, f"{path}[{index}]")


def rules(kind: Kind, obj: Object) -> Iterator[Cause]:
    """What a built-in kind demands beyond its schema."""
    rule = _RULES.get((kind.group, kind.kind))
    if rule is not None:
        yield from rule(obj)


def immutable(kind: Kind, new: Object, old: Object) -> Iterator[Cause]:
    """What may not change in an update."""
    for name in ("name", "namespace", "uid", "creationTimestamp"):
        was, now = old["metadata"].get(name), new["metadata"].get(name)
        if was != now:
            yield Cause("FieldValueInvalid", f'Invalid value: "{now}": field is immutable', f"metadata.{name}")
    for path in _IMMUTABLE.get((kind.group, kind.kind), ()):
        was, now = _at(old, path), _at(new, path)
        if was != now and (was is not None or path not in _SETTABLE):
            yield Cause("FieldValueInvalid", f"Invalid value: {_show(now)}: field is immutable", path)
    if kind.kind == "StatefulSet" and kind.group == "apps":
        free = {"replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit", "minReadySeconds",
                "persistentVolumeClaimRetentionPolicy"}  # fmt: skip
        was, now = ({k: v for k, v in (o.get("spec") or {}).items() if k not in free} for o in (old, new))
        if was != now:
            yield Cause(
                "FieldValueForbidden",
                "Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
                "'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' "
                "are forbidden",
                "spec",
            )
    if kind.kind in ("ConfigMap", "Secret") and not kind.group and old.get("immutable"):
        if not new.get("immutable"):
            yield Cause("FieldValueForbidden", "Forbidden: field is immutable when `immutable` is set", "immutable")
        for part in ("data", "binaryData"):
            if old.get(part) != new.get(part):
                yield Cause("FieldValueForbidden", "Forbidden: field is immutable when `immutable` is set", part)


_IMMUTABLE: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("apps", "Deployment"): ("spec.selector",),
    ("apps", "ReplicaSet"): ("spec.selector",),
    ("apps", "DaemonSet"): ("spec.selector",),
    ("batch", "Job"): ("spec.selector", "spec.template", "spec.completionMode"),
    ("", "Secret"): ("type",),
    ("", "PersistentVolumeClaim"): ("spec.storageClassName", "spec.accessModes", "spec.volumeName"),
    ("rbac.authorization.k8s.io", "RoleBinding"): ("roleRef",),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): ("roleRef",),
    ("storage.k8s.io", "StorageClass"): ("provisioner", "parameters", "reclaimPolicy"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"): (
        "spec.group",
        "spec.scope",
        "spec.names.kind",
        "spec.names.plural",
    ),
}
_SETTABLE = frozenset({"spec.volumeName", "spec.storageClassName"})


def _at(obj: Any, path: str) -> Any:
    for part in path.split("."):
        if not isinstance(obj, dict):
            return None
        obj = obj.get(part)
    return obj


def _show(value: Any) -> str:
    import json

    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def _selector_matches_template(obj: Object) -> Iterator[Cause]:
    spec = obj.get("spec") or {}
    selector = spec.get("selector")
    if selector is None:
        return
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    if not (selector.get("matchLabels") or selector.get("matchExpressions")):
        yield Cause(
            "FieldValueInvalid",
            "Invalid value: {}: empty selector is invalid for " + obj["kind"].lower(),
            "spec.selector",
        )
    elif not selectors.label_selector(selector).matches(labels):
        yield Cause(
            "FieldValueInvalid",
            f"Invalid value: {_show(labels)}: `selector` does not match template `labels`",
            "spec.template.metadata.labels",
        )
    yield from _pod_template(spec)


def _pod_template(spec: Object) -> Iterator[Cause]:
    yield from _pod_spec((spec.get("template") or {}).get("spec") or {}, "spec.template.spec")


def _pod(obj: Object) -> Iterator[Cause]:
    yield from _pod_spec(obj.get("spec") or {}, "spec")


def _pod_spec(spec: Object, path: str) -> Iterator[Cause]:
    containers = spec.get("containers") or []
    if not containers:
        yield Cause("FieldValueRequired", "Required value", f"{path}.containers")
    names: set[str] = set()
    volumes = {volume.get("name") for volume in spec.get("volumes") or ()}
    for part in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(part) or ()):
            at, name = f"{path}.{part}[{index}]", str(container.get("name") or "")
            if name in names:
                yield Cause("FieldValueDuplicate", f'Duplicate value: "{name}"', f"{at}.name")
            elif name and not _LABEL.fullmatch(name):
                yield Cause("FieldValueInvalid", f'Invalid value: "{name}": {_LABEL_TEXT}', f"{at}.name")
            names.add(name)
            if not container.get("image"):
                yield Cause("FieldValueRequired", "Required value", f"{at}.image")
            for mount_index, mount in enumerate(container.get("volumeMounts") or ()):
                if mount.get("name") not in volumes:
                    yield Cause(
                        "FieldValueNotFound",
                        f'Not found: "{mount.get("name")}"',
                        f"{at}.volumeMounts[{mount_index}].name",
                    )


def _job(obj: Object) -> Iterator[Cause]:
    spec = obj.get("spec") or {}
    yield from _pod_template(spec)
    policy = ((spec.get("template") or {}).get("spec") or {}).get("restartPolicy")
    if policy not in ("OnFailure", "Never"):
        yield Cause(
            "FieldValueNotSupported",
            f'Unsupported value: "{policy}": supported values: "OnFailure", "Never"',
            "spec.template.spec.restartPolicy",
        )


def _cron_job(obj: Object) -> Iterator[Cause]:
    spec = obj.get("spec") or {}
    for cause in _job({"spec": ((spec.get("jobTemplate") or {}).get("spec") or {})}):
        yield Cause(cause.reason, cause.message, cause.field.replace("spec.", "spec.jobTemplate.spec.", 1))
    schedule = str(spec.get("schedule") or "")
    if schedule and not schedule.startswith("@") and len(schedule.split()) != 5:
        detail = f"expected exactly 5 fields, found {len(schedule.split())}: [{' '.join(schedule.split())}]"
        yield Cause("FieldValueInvalid", f'Invalid value: "{schedule}": {detail}', "spec.schedule")


def _service(obj: Object) -> Iterator[Cause]:
    spec = obj.get("spec") or {}
    ports = spec.get("ports") or []
    if not ports and spec.get("type") != "ExternalName" and spec.get("clusterIP") != "None":
        yield Cause("FieldValueRequired", "Required value", "spec.ports")
    names: set[str] = set()
    for index, port in enumerate(ports):
        name = str(port.get("name") or "")
        if len(ports) > 1 and not name:
            yield Cause("FieldValueRequired", "Required value", f"spec.ports[{index}].name")
        if name and name in names:
            yield Cause("FieldValueDuplicate", f'Duplicate value: "{name}"', f"spec.ports[{index}].name")
        names.add(name)
        number = port.get("port")
        if not isinstance(number, int) or not 0 < number < 65536:
            yield Cause(
                "FieldValueInvalid",
                f"Invalid value: {number}: must be between 1 and 65535, inclusive",
                f"spec.ports[{index}].port",
            )
    kind = spec.get("type")
    if kind not in ("ClusterIP", "NodePort", "LoadBalancer", "ExternalName"):
        known = '"ClusterIP", "ExternalName", "LoadBalancer", "NodePort"'
        yield Cause("FieldValueNotSupported", f'Unsupported value: "{kind}": supported values: {known}', "spec.type")


def _config(obj: Object) -> Iterator[Cause]:
    for part in ("data", "binaryData"):
        for key in obj.get(part) or ():
            if not _CONFIG_KEY.fullmatch(key):
                detail = (
                    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or "
                    "'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
                )
                yield Cause("FieldValueInvalid", f'Invalid value: "{key}": {detail}', f"{part}[{key}]")


_RULES: Mapping[tuple[str, str], Callable[[Object], Iterator[Cause]]] = {
    ("", "Pod"): _pod,
    ("", "Service"): _service,
    ("", "ConfigMap"): _config,
    ("", "Secret"): _config,
    ("apps", "Deployment"): _selector_matches_template,
    ("apps", "ReplicaSet"): _selector_matches_template,
    ("apps", "StatefulSet"): _selector_matches_template,
    ("apps", "DaemonSet"): _selector_matches_template,
    ("batch", "Job"): _job,
    ("batch", "CronJob"): _cron_job,
}
