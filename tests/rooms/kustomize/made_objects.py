"""Objects of many kinds made up from a seed, which refer to each other by a few names. Called by `made_overlays`."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import yaml

NAMES = ("web", "db", "cache", "conf", "web-conf", "a.b")
NAMESPACES = ("default", "apps", "kube-system")
IMAGES = (
    "nginx",
    "nginx:1.19",
    "registry.io:5000/team/web:v1",
    "redis@sha256:" + "ab" * 32,
    "docker.io/library/db:2",
    "$(IMG)",
)
ODD = (
    "true",
    "yes",
    "1",
    "1.0",
    "0x1F",
    "null",
    "~",
    "",
    " padded ",
    "a: b",
    "# no",
    "multi\nline\n",
    "0o7",
    "1e3",
    "é☃",
    "'",
    '"',
    "- x",
    "{a}",
    "*x",
    "&y",
    "!t",
    "%p",
    "@at",
    "`b`",
    "2020-01-01",
    "12:30:45",
    ".5",
    "+1",
    "1_000",
    "tab\there",
    "${VAR}",
    "$(VAR)",
    "a" * 130,
    "back\\slash",
    "no",
    "on",
    "=",
    "trailing: ",
    "1.",
    "-.inf",
    "NaN",
    "0b1",
)
"""Text that YAML takes for something else when nobody quotes it."""


def pick(r: Random, *choices: Any) -> Any:
    """One of them."""
    return r.choice(choices)


def maybe(r: Random, chance: float) -> bool:
    """Whether something happens."""
    return r.random() < chance


def name(r: Random) -> str:
    """A name that something else may have, too."""
    return r.choice(NAMES)


def scalar(r: Random) -> Any:
    """Any scalar."""
    kind = r.randrange(6)
    if kind == 0:
        return r.choice((0, 1, -5, 80, 2**40, 0.5, 1e21, 3.0, 1.5e-7))
    if kind == 1:
        return r.choice((True, False, None))
    return r.choice(ODD) if kind == 2 else r.choice(("x", "z", "prod", "web", "info"))


def marks(r: Random, odd: float = 0.1) -> dict[str, Any]:
    """Labels or annotations."""
    keys = r.sample(("app", "tier", "team", "app.kubernetes.io/name", "example.com/x"), r.randrange(0, 3))
    return {key: r.choice(ODD) if maybe(r, odd) else r.choice(("web", "db", "front", "v1")) for key in keys}


def meta(r: Random, named: str = "", *, namespaced: bool = True) -> dict[str, Any]:
    """Metadata."""
    out: dict[str, Any] = {"name": named or name(r)}
    if namespaced and maybe(r, 0.25):
        out["namespace"] = r.choice(NAMESPACES)
    if maybe(r, 0.4):
        out["labels"] = marks(r, 0.03)
    if maybe(r, 0.3):
        out["annotations"] = marks(r)
    return out


def container(r: Random, named: str = "main") -> dict[str, Any]:
    """A container, with references to ConfigMaps and Secrets."""
    out: dict[str, Any] = {"name": named, "image": r.choice(IMAGES)}
    if maybe(r, 0.4):
        out["env"] = [env(r, key) for key in r.sample(("A", "B", "HOST", "PORT"), r.randrange(1, 4))]
    if maybe(r, 0.3):
        out["envFrom"] = [{r.choice(("configMapRef", "secretRef")): {"name": name(r)}}]
    if maybe(r, 0.4):
        out["ports"] = [
            {"containerPort": p, **({"protocol": "TCP"} if maybe(r, 0.5) else {})}
            for p in r.sample((80, 443, 8080), r.randrange(1, 3))
        ]
    if maybe(r, 0.2):
        out["args"] = [r.choice(ODD) if maybe(r, 0.3) else "--v=$(HOST)" for _ in range(r.randrange(1, 4))]
    if maybe(r, 0.2):
        out["volumeMounts"] = [{"name": "v", "mountPath": "/v"}]
    return out


def env(r: Random, key: str) -> dict[str, Any]:
    """An environment variable."""
    if maybe(r, 0.5):
        return {"name": key, "value": r.choice(ODD) if maybe(r, 0.3) else "x"}
    field = r.choice(("configMapKeyRef", "secretKeyRef"))
    return {"name": key, "valueFrom": {field: {"name": name(r), "key": "k"}}}


def pod(r: Random) -> dict[str, Any]:
    """A pod template."""
    spec: dict[str, Any] = {
        "containers": [container(r, one) for one in r.sample(("main", "side", "log"), r.randrange(1, 3))]
    }
    if maybe(r, 0.2):
        spec["initContainers"] = [container(r, "init")]
    if maybe(r, 0.3):
        spec["volumes"] = [
            r.choice(
                (
                    {"name": "v", "configMap": {"name": name(r)}},
                    {"name": "v", "secret": {"secretName": name(r)}},
                    {"name": "v", "persistentVolumeClaim": {"claimName": name(r)}},
                    {
                        "name": "v",
                        "projected": {"sources": [{"configMap": {"name": name(r)}}, {"secret": {"name": name(r)}}]},
                    },
                    {"name": "v", "emptyDir": {}},
                )
            )
        ]
    if maybe(r, 0.3):
        spec["serviceAccountName"] = name(r)
    if maybe(r, 0.1):
        spec["imagePullSecrets"] = [{"name": name(r)}]
    return {"metadata": {"labels": {"app": "web", **marks(r, 0.02)}}, "spec": spec}


def workload(kind: str) -> Callable[[Random], dict[str, Any]]:
    """A maker of Deployments and the like."""

    def make(r: Random) -> dict[str, Any]:
        spec: dict[str, Any] = {"selector": {"matchLabels": {"app": "web"}}, "template": pod(r)}
        if maybe(r, 0.5) and kind != "DaemonSet":
            spec["replicas"] = r.randrange(1, 5)
        if kind == "StatefulSet":
            spec["serviceName"] = name(r)
            if maybe(r, 0.5):
                spec["volumeClaimTemplates"] = [
                    {
                        "metadata": {"name": "data", **({"labels": marks(r, 0)} if maybe(r, 0.5) else {})},
                        "spec": {"accessModes": ["ReadWriteOnce"]},
                    }
                ]
        return {"apiVersion": "apps/v1", "kind": kind, "metadata": meta(r), "spec": spec}

    return make


def data(r: Random) -> dict[str, Any]:
    """What a ConfigMap holds."""
    return {
        key: r.choice(ODD) if maybe(r, 0.3) else "v"
        for key in r.sample(("k", "key.txt", "HOST", "n"), r.randrange(1, 4))
    }


def simple(
    version: str, kind: str, body: Callable[[Random], dict[str, Any]], *, namespaced: bool = True
) -> Callable[[Random], dict[str, Any]]:
    """A maker of objects of a kind."""
    return lambda r: {"apiVersion": version, "kind": kind, "metadata": meta(r, namespaced=namespaced), **body(r)}


def binding(kind: str) -> Callable[[Random], dict[str, Any]]:
    """A maker of bindings of roles."""

    def make(r: Random) -> dict[str, Any]:
        subject: dict[str, Any] = {
            "kind": r.choice(("ServiceAccount", "ServiceAccount", "User")),
            "name": r.choice((*NAMES, "default")),
        }
        if maybe(r, 0.6):
            subject["namespace"] = r.choice(NAMESPACES)
        role = "ClusterRole" if kind == "ClusterRoleBinding" or maybe(r, 0.4) else "Role"
        return {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": kind,
            "metadata": meta(r, namespaced=kind == "RoleBinding"),
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role, "name": name(r)},
            "subjects": [subject],
        }

    return make


def ingress(r: Random) -> dict[str, Any]:
    """An Ingress to a Service."""
    backend = {"service": {"name": name(r), "port": {"number": 80}}}
    spec: dict[str, Any] = {
        "rules": [
            {"host": "x.example.com", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
        ]
    }
    if maybe(r, 0.4):
        spec["tls"] = [{"hosts": ["x.example.com"], "secretName": name(r)}]
    if maybe(r, 0.3):
        spec["defaultBackend"] = {"service": {"name": name(r), "port": {"number": 80}}}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": meta(r), "spec": spec}


MAKERS: tuple[Callable[[Random], dict[str, Any]], ...] = (
    workload("Deployment"),
    workload("Deployment"),
    workload("StatefulSet"),
    workload("DaemonSet"),
    ingress,
    simple("v1", "ConfigMap", lambda r: {"data": data(r)}),
    simple("v1", "ConfigMap", lambda r: {"data": data(r)}),
    simple("v1", "Secret", lambda r: {"type": "Opaque", "stringData": data(r)}),
    simple(
        "v1",
        "Service",
        lambda r: {"spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": pick(r, 80, "http")}]}},
    ),
    simple("v1", "Service", lambda r: {"spec": {"ports": [{"port": 80}, {"port": 443, "protocol": "TCP"}]}}),
    simple("v1", "ServiceAccount", lambda r: {"secrets": [{"name": name(r)}]} if maybe(r, 0.4) else {}),
    simple("v1", "Namespace", lambda r: {}, namespaced=False),
    simple("v1", "PersistentVolumeClaim", lambda r: {"spec": {"volumeName": name(r), "storageClassName": name(r)}}),
    simple("v1", "PersistentVolume", lambda r: {"spec": {"capacity": {"storage": "1Gi"}}}, namespaced=False),
    simple("v1", "Pod", lambda r: {"spec": pod(r)["spec"]}),
    simple("batch/v1", "Job", lambda r: {"spec": {"template": pod(r)}}),
    simple(
        "batch/v1",
        "CronJob",
        lambda r: {"spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": pod(r)}}}},
    ),
    simple(
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        lambda r: {
            "spec": {
                "minReplicas": 1,
                "scaleTargetRef": {
                    "apiVersion": "apps/v1",
                    "kind": pick(r, "Deployment", "StatefulSet"),
                    "name": name(r),
                },
            }
        },
    ),
    simple(
        "policy/v1",
        "PodDisruptionBudget",
        lambda r: {"spec": {"selector": {"matchLabels": {"app": "web"}}, "minAvailable": pick(r, 1, "50%")}},
    ),
    simple(
        "networking.k8s.io/v1",
        "NetworkPolicy",
        lambda r: {
            "spec": {
                "podSelector": {"matchLabels": {"app": "web"}},
                "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "web"}}}]}],
            }
        },
    ),
    simple(
        "rbac.authorization.k8s.io/v1",
        "Role",
        lambda r: {
            "rules": [
                {
                    "apiGroups": [""],
                    "resources": [pick(r, "secrets", "configmaps")],
                    "resourceNames": [name(r)],
                    "verbs": ["get"],
                }
            ]
        },
    ),
    simple(
        "rbac.authorization.k8s.io/v1",
        "ClusterRole",
        lambda r: {"rules": [{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["*"]}]},
        namespaced=False,
    ),
    binding("RoleBinding"),
    binding("ClusterRoleBinding"),
    simple("storage.k8s.io/v1", "StorageClass", lambda r: {"provisioner": "x"}, namespaced=False),
    simple(
        "admissionregistration.k8s.io/v1",
        "ValidatingWebhookConfiguration",
        lambda r: {
            "webhooks": [
                {
                    "name": "w.example.com",
                    "clientConfig": {"service": {"name": name(r), "namespace": r.choice(NAMESPACES)}},
                }
            ]
        },
        namespaced=False,
    ),
    simple(
        "apiregistration.k8s.io/v1",
        "APIService",
        lambda r: {"spec": {"service": {"name": name(r), "namespace": r.choice(NAMESPACES)}}},
        namespaced=False,
    ),
    simple(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        lambda r: {"spec": {"group": "example.com", "names": {"kind": "Widget", "plural": "widgets"}}},
        namespaced=False,
    ),
    simple(
        "example.com/v1",
        "Widget",
        lambda r: {
            "spec": {
                "secretRef": {"name": name(r)},
                "image": r.choice(IMAGES),
                "list": [scalar(r) for _ in range(r.randrange(4))],
                "deep": {"a": {"b": scalar(r)}},
            }
        },
    ),
    simple(
        "example.com/v1",
        "Gadget",
        lambda r: {
            "spec": {
                "replicas": 2,
                "template": {"metadata": {"labels": {"x": "z"}}},
                "items": [{"name": "a", "v": scalar(r)}, {"name": "b"}],
            }
        },
    ),
)


class Single(yaml.SafeDumper):
    """Quotes all text by single quotes."""


class Double(yaml.SafeDumper):
    """By double quotes."""


Single.add_representer(str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="'"))
Double.add_representer(str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"'))


def text(r: Random, value: Any) -> str:
    """A value as YAML, in one of the ways that people have."""
    style = r.randrange(10)
    if style == 0:
        return str(yaml.safe_dump(value, default_flow_style=True, width=10_000, allow_unicode=maybe(r, 0.5)))
    if style == 1:
        return yaml.dump(value, Dumper=pick(r, Single, Double), sort_keys=False)
    indent = pick(r, 2, 2, 4)
    return str(
        yaml.safe_dump(value, sort_keys=maybe(r, 0.3), indent=indent, width=pick(r, 40, 80, 10_000), allow_unicode=True)
    )


def stream(r: Random, values: list[Any]) -> str:
    """Several documents in one file."""
    out = "---\n" if maybe(r, 0.3) else ""
    parts = []
    for value in values:
        part = text(r, value)
        if maybe(r, 0.2):
            part = "# head\n" + part
        if maybe(r, 0.1):
            part = part.replace("\nmetadata:", "\n# between\nmetadata:  # behind", 1)
        parts.append(part)
    return out + pick(r, "---\n", "---\n", "\n---\n\n", "--- # next\n").join(parts) + ("---\n" if maybe(r, 0.1) else "")


def objects(r: Random, count: int) -> list[dict[str, Any]]:
    """Objects, seldom two with one id."""
    found: list[dict[str, Any]] = []
    seen = set()
    for _ in range(count):
        obj = r.choice(MAKERS)(r)
        id = obj["kind"], obj["metadata"]["name"], obj["metadata"].get("namespace", "default")
        if id in seen and not maybe(r, 0.01):
            continue
        seen.add(id)
        found.append(obj)
    return found
