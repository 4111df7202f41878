"""Sequences of writes whose results must be the same on every Kubernetes: objects, owners of fields, refusals.

A step is a name and a call; what it answers, or how it is refused, is compared. ``space`` is the namespace to be used, and part
of the names of what lives in none.
"""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from trueup.kube.names import Kind, Object, Ref
from trueup.ports import Client

Call = Callable[[Client], Awaitable[Object]]
Step = tuple[str, Call]
DEPLOYMENT = Kind("apps", "v1", "Deployment")
POD = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}


def obj(api_version: str, kind: str, name: str, space: str = "", **rest: Any) -> Object:
    """An object; without a namespace when ``space`` is empty."""
    metadata = {"name": name, **({"namespace": space} if space else {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **copy.deepcopy(rest)}


def apply(what: Object, manager: str, *, force: bool = True, dry_run: bool = False) -> Call:
    """Server-side apply."""
    return lambda client: client.apply(what, manager=manager, force=force, dry_run=dry_run)


def patch(ref: Ref, body: object, how: Any, manager: str, subresource: str = "") -> Call:
    """Any other patch."""
    return lambda client: client.patch(ref, body, how, manager=manager, subresource=subresource)


def changed(ref: Ref, change: Callable[[Object], None], manager: str) -> Call:
    """Read, change, write back."""

    async def call(client: Client) -> Object:
        live = copy.deepcopy(await client.get(ref))
        change(live)
        return await client.update(live, manager=manager)

    return call


# --- a Deployment that many hands write ---


def web(space: str) -> Object:
    """A Deployment with a little of everything."""
    container = {
        "name": "web",
        "image": "r/web:1",
        "ports": [{"containerPort": 80, "name": "http"}, {"containerPort": 80, "protocol": "UDP"}],
        "env": [
            {"name": "A", "value": "1"},
            {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        ],
        "resources": {"requests": {"cpu": "0.05", "memory": "64Mi"}, "limits": {"memory": "1024M", "cpu": 1}},
        "volumeMounts": [{"name": "v", "mountPath": "/v"}],
        "readinessProbe": {"httpGet": {"path": "/r", "port": "http"}},
        "livenessProbe": {"exec": {"command": ["a"]}},
        "lifecycle": {"preStop": {"exec": {"command": ["x"]}}},
    }
    pod = {
        "securityContext": {"runAsNonRoot": True},
        "volumes": [
            {"name": "v", "configMap": {"name": "x", "items": [{"key": "k", "path": "p"}]}},
            {"name": "e", "emptyDir": {}},
            {"name": "pr", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
        ],
        "initContainers": [{"name": "i", "image": "i"}],
        "containers": [container],
    }
    made = obj("apps/v1", "Deployment", "web", space)
    made["metadata"] |= {"labels": {"app": "web"}, "annotations": {"a": "b"}}
    made["spec"] = {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": pod},
    }
    return copy.deepcopy(made)


def container_of(deployment: Object) -> Object:
    """Its first container."""
    return deployment["spec"]["template"]["spec"]["containers"][0]  # type: ignore[no-any-return]


def deployment(space: str) -> list[Step]:
    """Appliers, editors, a scaler and a controller share one Deployment."""
    ref = Ref(DEPLOYMENT, space, "web")
    second, less, twice, moved = web(space), web(space), web(space), web(space)
    container_of(second)["image"] = "r/web:2"
    del less["spec"]["replicas"], less["metadata"]["annotations"]
    container_of(less)["env"].pop()
    container_of(twice)["env"] = [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]
    moved["spec"]["selector"] = {"matchLabels": {"app": "other"}}
    containers = [{"name": "web", "env": [{"name": "C", "value": "3"}]}, {"name": "side", "image": "s"}]
    condition = {"type": "Available", "status": "True"} | dict.fromkeys(
        ("lastTransitionTime", "lastUpdateTime"), "2024-01-01T00:00:00Z"
    )
    status = {"observedGeneration": 1, "replicas": 4, "conditions": [condition]}

    def args(live: Object) -> None:
        container_of(live)["args"] = ["u"]
        del live["metadata"]["managedFields"]

    def reset(live: Object) -> None:
        live["metadata"]["managedFields"] = [{}]

    return [
        ("apply", apply(web(space), "m1")),
        ("apply by another conflicts", apply(second, "m2", force=False)),
        ("apply by force", apply(second, "m2")),
        (
            "strategic",
            patch(ref, {"spec": {"template": {"spec": {"containers": containers}}}}, "strategic", "hand"),
        ),
        (
            "merge",
            patch(
                ref,
                {"metadata": {"labels": {"new": "x"}, "annotations": {"a": None}}, "spec": {"replicas": 5}},
                "merge",
                "hand",
            ),
        ),
        (
            "json",
            patch(
                ref,
                [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "j"}],
                "json",
                "jp",
            ),
        ),
        ("json test fails", patch(ref, [{"op": "test", "path": "/spec/replicas", "value": 7}], "json", "jp")),
        ("scale", patch(ref, {"spec": {"replicas": 4}}, "merge", "scaler", "scale")),
        ("scaled", lambda client: client.get(ref)),
        ("status", patch(ref, {"status": status}, "merge", "controller", "status")),
        ("the first wants less", apply(less, "m1")),
        ("the second wants less", apply(less, "m2")),
        ("update", changed(ref, args, "upd")),
        ("owners are reset", changed(ref, reset, "upd")),
        ("apply after the reset", apply(web(space), "m1")),
        ("one key twice", apply(twice, "m3")),
        ("an immutable field", apply(moved, "m3")),
        ("nothing new", apply(web(space), "m1")),
        ("dry run", apply(second, "m4", dry_run=True)),
    ]


def refusals(space: str) -> list[Step]:
    """What is refused, and in which words."""
    selector = {"matchLabels": {"a": "b"}}
    bad = {"replicas": -1, "selector": {"matchLabels": {"a": "c"}}, "template": POD}
    unknown = {"bogus": 1, "selector": selector, "template": POD}
    return [
        ("invalid", apply(obj("apps/v1", "Deployment", "bad", space, spec=bad), "m")),
        ("unknown field", apply(obj("apps/v1", "Deployment", "unknown", space, spec=unknown), "m")),
        ("no such namespace", apply(obj("v1", "ConfigMap", "x", f"{space}-not", data={}), "m")),
        ("no such object", lambda client: client.get(Ref(DEPLOYMENT, space, "nobody"))),
        ("bad name", lambda client: client.create(obj("v1", "ConfigMap", "Bad_Name", space))),
        (
            "one key in two maps",
            lambda client: client.create(
                obj("v1", "ConfigMap", "clash", space, data={"a": "x"}, binaryData={"a": "AA=="})
            ),
        ),
        ("create", lambda client: client.create(obj("v1", "ConfigMap", "once", space, data={"a": "x"}), manager="c")),
        ("create again", lambda client: client.create(obj("v1", "ConfigMap", "once", space))),
        (
            "a stale update",
            lambda client: client.update(
                {**obj("v1", "ConfigMap", "once", space), "metadata": _stale("once", space)}, manager="u"
            ),
        ),
    ]


def _stale(name: str, space: str) -> Object:
    return {"name": name, "namespace": space, "resourceVersion": "1"}


# --- one of each kind: applied, labelled by hand, applied again ---


def of_each_kind(space: str) -> Iterable[Object]:
    """One object of most built-in kinds."""
    selector = {"matchLabels": {"a": "b"}}
    group = "none.example.com"
    rules = [{"apiGroups": [group], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["nones"]}]
    storage = {"requests": {"storage": "1Gi"}}
    claim = {"accessModes": ["ReadWriteOnce"], "resources": storage}
    once = {"spec": {"restartPolicy": "OnFailure", "containers": [{"name": "c", "image": "i"}]}}
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    rbac = "rbac.authorization.k8s.io"
    yield obj(
        "v1", "Service", "s1", space, spec={"selector": {"a": "b"}, "ports": [{"port": 80, "targetPort": "http"}]}
    )
    ports = [{"port": 80, "name": "a"}, {"port": 443, "name": "b", "protocol": "UDP"}]
    yield obj("v1", "Service", "s2", space, spec={"type": "LoadBalancer", "ports": ports})
    yield obj("v1", "Service", "s3", space, spec={"clusterIP": "None", "ports": [{"port": 80}]})
    yield obj("v1", "Service", "s4", space, spec={"type": "ExternalName", "externalName": "x.example.com"})
    yield obj("v1", "Secret", "sec", space, stringData={"a": "b"}, data={"c": "ZA=="})
    yield obj("v1", "ConfigMap", "cm", space, data={"a": "b"}, binaryData={"x": "AA=="})
    yield obj("v1", "ServiceAccount", "sa", space, imagePullSecrets=[{"name": "x"}])
    yield obj("v1", "PersistentVolumeClaim", "pvc", space, spec=claim)
    volume = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/x"}}
    yield obj("v1", "PersistentVolume", f"pv-{space}", spec=volume)
    yield obj(
        "v1", "LimitRange", "lr", space, spec={"limits": [{"type": "PersistentVolumeClaim", "min": {"storage": "1Mi"}}]}
    )
    yield obj("v1", "ResourceQuota", "rq", space, spec={"hard": {"pods": "100"}})
    yield obj("v1", "PodTemplate", "pt", space, template=POD)
    yield obj("v1", "ReplicationController", "rc", space, spec={"template": POD})
    yield obj("v1", "Endpoints", "ep", space, subsets=[{"addresses": [{"ip": "1.2.3.4"}], "ports": [{"port": 80}]}])
    claims = [{"metadata": {"name": "d"}, "spec": claim}]
    stateful = {"serviceName": "s3", "selector": selector, "template": POD, "volumeClaimTemplates": claims}
    yield obj("apps/v1", "StatefulSet", "ss", space, spec=stateful)
    yield obj("apps/v1", "DaemonSet", "ds", space, spec={"selector": selector, "template": POD})
    yield obj("apps/v1", "ReplicaSet", "rs", space, spec={"selector": selector, "template": POD})
    yield obj("batch/v1", "Job", "job", space, spec={"template": once})
    yield obj(
        "batch/v1", "CronJob", "cj", space, spec={"schedule": "* * * * *", "jobTemplate": {"spec": {"template": once}}}
    )
    utilization = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}
    scaling = {
        "maxReplicas": 3,
        "scaleTargetRef": target,
        "metrics": [{"type": "Resource", "resource": utilization}],
        "behavior": {"scaleDown": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}]}},
    }
    yield obj("autoscaling/v2", "HorizontalPodAutoscaler", "hpa", space, spec=scaling)
    scaling = {"maxReplicas": 3, "scaleTargetRef": target, "targetCPUUtilizationPercentage": 50}
    yield obj("autoscaling/v1", "HorizontalPodAutoscaler", "hpa1", space, spec=scaling)
    yield obj("policy/v1", "PodDisruptionBudget", "pdb", space, spec={"minAvailable": 1, "selector": selector})
    backend = {"service": {"name": "s", "port": {"name": "http"}}}
    rule = {"host": "h.example.com", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    ingress = {"rules": [rule], "tls": [{"hosts": ["h"], "secretName": "t"}]}
    yield obj("networking.k8s.io/v1", "Ingress", "ing", space, spec=ingress)
    block = {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}
    policy = {"podSelector": {}, "ingress": [{"ports": [{"port": 80}], "from": [block]}]}
    yield obj("networking.k8s.io/v1", "NetworkPolicy", "np", space, spec=policy)
    yield obj("networking.k8s.io/v1", "IngressClass", f"ic-{space}", spec={"controller": "example.com/x"})
    yield obj(f"{rbac}/v1", "Role", "role", space, rules=[{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}])
    subjects = [{"kind": "ServiceAccount", "name": "sa"}, {"kind": "User", "name": "u"}]
    reference = {"kind": "Role", "name": "role", "apiGroup": rbac}
    yield obj(f"{rbac}/v1", "RoleBinding", "rb", space, roleRef=reference, subjects=subjects)
    aggregated = {"clusterRoleSelectors": [{"matchLabels": {"x": space}}]}
    yield obj(f"{rbac}/v1", "ClusterRole", f"cr-{space}", aggregationRule=aggregated, rules=[])
    yield obj("storage.k8s.io/v1", "StorageClass", f"sc-{space}", provisioner="x", parameters={"a": "b"})
    yield obj("scheduling.k8s.io/v1", "PriorityClass", f"pc-{space}", value=5)
    endpoints = [{"addresses": ["1.2.3.4"], "conditions": {"ready": True}}]
    yield obj(
        "discovery.k8s.io/v1",
        "EndpointSlice",
        "eps",
        space,
        addressType="IPv4",
        endpoints=endpoints,
        ports=[{"port": 80}],
    )
    yield obj(
        "coordination.k8s.io/v1", "Lease", "lease", space, spec={"holderIdentity": "x", "leaseDurationSeconds": 5}
    )
    said = {
        "action": "a",
        "reason": "r",
        "type": "Normal",
        "reportingController": "x",
        "reportingInstance": "y",
        "note": "n",
    }
    about = {"kind": "Pod", "name": "p", "namespace": space}
    moment = "2024-01-01T00:00:00.000000Z"
    yield obj("events.k8s.io/v1", "Event", "ev", space, eventTime=moment, regarding=about, **said)
    hook = {
        "name": "a.example.com",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Ignore",
        "clientConfig": {"url": "https://x.invalid/"},
        "rules": rules,
    }
    admission = "admissionregistration.k8s.io/v1"
    yield obj(admission, "ValidatingWebhookConfiguration", f"vw-{space}", webhooks=[hook])
    validations = {"matchConstraints": {"resourceRules": rules}, "validations": [{"expression": "true"}]}
    yield obj(admission, "ValidatingAdmissionPolicy", f"vap-{space}", spec=validations)
    yield obj("resource.k8s.io/v1", "DeviceClass", f"dc-{space}", spec={})
    yield obj("node.k8s.io/v1", "RuntimeClass", f"rc-{space}", handler="h")
    limited = {"nominalConcurrencyShares": 5, "limitResponse": {"type": "Reject"}}
    flow = "flowcontrol.apiserver.k8s.io/v1"
    yield obj(flow, "PriorityLevelConfiguration", f"pl-{space}", spec={"type": "Limited", "limited": limited})


def kinds(space: str) -> dict[str, list[Step]]:
    """The three steps for one object of each kind."""
    found = {}
    for what in of_each_kind(space):
        again = {**what, "metadata": {**what["metadata"], "annotations": {"z": "1"}}}
        found[f"{what['kind']} {what['metadata']['name'].removesuffix(f'-{space}')}"] = [
            ("apply", apply(what, "m1")),
            ("label", patch(Ref.of(what), {"metadata": {"labels": {"x": "y"}}}, "merge", "hand")),
            ("apply again", apply(again, "m1")),
        ]
    return found


# --- custom objects ---


def definition(space: str) -> Object:
    """A custom kind whose schema has keyed lists, sets and a part left open."""
    integer, text = {"type": "integer"}, {"type": "string"}
    ports = {
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["port"],
        "items": {"type": "object", "required": ["port"], "properties": {"port": integer, "name": text}},
    }
    spec = {
        "size": {"type": "integer", "default": 3},
        "count": integer,
        "ratio": {"type": "number"},
        "flag": {"type": "boolean"},
        "name": text,
        "colour": {"type": "string", "enum": ["red", "blue"]},
        "either": {"x-kubernetes-int-or-string": True},
        "ports": ports,
        "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": text},
        "any": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    }
    schema = {
        "type": "object",
        "properties": {
            "spec": {"type": "object", "properties": spec},
            "status": {"type": "object", "properties": {"x": text}},
        },
    }
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": schema},
    }
    group = f"{space}.example.com"
    names = {"plural": "widgets", "kind": "Widget", "singular": "widget", "listKind": "WidgetList"}
    made = {"group": group, "scope": "Namespaced", "names": names, "versions": [version]}
    return obj("apiextensions.k8s.io/v1", "CustomResourceDefinition", f"widgets.{group}", spec=made)


def widget(space: str, **spec: Any) -> Object:
    """A custom object."""
    return obj(f"{space}.example.com/v1", "Widget", "w", space, spec=spec)


def custom(space: str) -> list[Step]:
    """Two appliers and a status on one custom object."""
    first = widget(space, ports=[{"port": 1}, {"port": 2, "name": "b"}], tags=["a", "b"], any={"q": [1, {"r": 2}]})
    ref = Ref.of(first)
    return [
        ("apply", apply(first, "m1")),
        ("by another", apply(widget(space, ports=[{"port": 2, "name": "c"}, {"port": 3}], tags=["c"]), "m2")),
        ("status", patch(ref, {"status": {"x": "1"}}, "merge", "st", "status")),
        ("no status by the main way", patch(ref, {"status": {"x": "2"}}, "merge", "st")),
        ("less", apply(widget(space, ports=[{"port": 2}], tags=["b"]), "m1")),
        ("nothing", apply(widget(space), "m2")),
        ("strategic is not for custom kinds", patch(ref, {"spec": {"size": 4}}, "strategic", "hand")),
        ("merge", patch(ref, {"spec": {"ports": [{"port": 9}], "name": "x"}}, "merge", "hand")),
    ]


def values(space: str) -> list[Step]:
    """Values of the wrong type, in built-in and custom kinds."""

    def deployed(spec: Object | None = None, container: Object | None = None, pod: Object | None = None) -> Object:
        main = {"name": "c", "image": "i", **(container or {})}
        template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [main], **(pod or {})}}
        whole = {"selector": {"matchLabels": {"a": "b"}}, "template": template, **(spec or {})}
        return obj("apps/v1", "Deployment", "d", space, spec=whole)

    def env(value: Any) -> Object:
        return deployed(container={"env": [{"name": "A", "value": value}]})

    def named(what: Object, **metadata: Any) -> Object:
        return {**what, "metadata": {**what["metadata"], **metadata}}

    wrong: dict[str, Object] = {
        "env int": env(5),
        "env bool": env(True),
        "env float": env(1.5),
        "label int": named(deployed(), labels={"v": 5}),
        "annotation bool": named(deployed(), annotations={"v": True}),
        "replicas text": deployed({"replicas": "two"}),
        "replicas bool": deployed({"replicas": True}),
        "replicas float": deployed({"replicas": 1.5}),
        "replicas map": deployed({"replicas": {"a": 1}}),
        "paused text": deployed({"paused": "x"}),
        "paused int": deployed({"paused": 3}),
        "containers map": deployed(pod={"containers": {"a": 1}}),
        "containers text": deployed(pod={"containers": "x"}),
        "container text": deployed(pod={"containers": ["x"]}),
        "spec text": {**deployed(), "spec": "x"},
        "spec list": {**deployed(), "spec": [1]},
        "metadata unknown": named(deployed(), bogus="x"),
        "command text": deployed(container={"command": "x"}),
        "command int": deployed(container={"command": [1]}),
        "cpu bool": deployed(container={"resources": {"limits": {"cpu": True}}}),
        "cpu map": deployed(container={"resources": {"limits": {"cpu": {"a": 1}}}}),
        "cpu bad": deployed(container={"resources": {"limits": {"cpu": "abc"}}}),
        "port text": deployed(container={"ports": [{"containerPort": "x"}]}),
        "toleration unknown": deployed(pod={"tolerations": [{"bogus": 1}]}),
        "env unknown": deployed(container={"env": [{"name": "A", "valu": "x"}]}),
        "ports unknown": deployed(container={"ports": [{"containerPort": 80, "prtocol": "TCP"}]}),
        "top unknown": {**deployed(), "bogus": 1},
        "selector unknown": deployed({"selector": {"matchLabels": {"a": "b"}, "x": 1}}),
        "probe port map": deployed(container={"readinessProbe": {"tcpSocket": {"port": {}}}}),
        "data int": obj("v1", "ConfigMap", "x", space, data={"a": 1}),
        "data map": obj("v1", "ConfigMap", "x", space, data={"a": {"b": 1}}),
        "data null": obj("v1", "ConfigMap", "x", space, data={"a": None}),
        "data list": obj("v1", "ConfigMap", "x", space, data=[1]),
        "data misspelt": obj("v1", "ConfigMap", "x", space, dta={"a": "1"}),
        "custom unknown": widget(space, nope=1),
        "custom int": widget(space, size="x"),
        "custom float": widget(space, count=1.5),
        "custom null": widget(space, count=None),
        "custom null with default": widget(space, size=None),
        "custom list": widget(space, ports=5),
        "custom item": widget(space, ports=[{"port": 1, "x": 2}]),
        "custom text": widget(space, name=5),
        "custom either": widget(space, either=True),
        "custom bool": widget(space, flag="x"),
        "custom number": widget(space, ratio={}),
        "custom set": widget(space, tags=[{"a": 1}]),
        "custom enum": widget(space, colour="green"),
        "custom metadata": named(widget(space), bogus=1),
        "custom top": {**widget(space), "bogus": 1},
    }
    return [(name, apply(what, "m", dry_run=True)) for name, what in wrong.items()]
