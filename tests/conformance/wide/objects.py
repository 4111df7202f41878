"""One valid object of each kind, to start sequences from; the kinds that ``sequences.of_each_kind`` does not know come here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.conformance.sequences import obj, of_each_kind, web
from trueup.kube.names import Object

ADMISSION = "admissionregistration.k8s.io/v1"
RBAC = "rbac.authorization.k8s.io"
STORAGE = "storage.k8s.io/v1"
LEFT_OUT = frozenset({"CertificateSigningRequest", "IPAddress", "ValidatingAdmissionPolicy"})
"""Requests for certificates name their users, who are not the same. Addresses are printed with a cell more than there are
columns. Policies' types are checked and told in their status at once here, and by a controller elsewhere. FlowSchemas and
APIServices get their status at any time, and are not made at all."""
SIGNING_REQUEST = (
    "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlISE1HNENBUUF3RERFS01BZ0dBMVVFQXd3QllUQlpNQk1HQnlx"
    "R1NNNDlBZ0VHQ0NxR1NNNDlBd0VIQTBJQQpCRFVFYWpXL01PWjkyQitWSkd3eGdrYnBiZ0FOOWVWSzVrV3FxM2w1MnBBdEtkcllF"
    "aVY1ZytZc1kySnZsNlduCmVQWVNlU0FranEydnZQQWVJUzVQMUlHZ0FEQUtCZ2dxaGtqT1BRUURBZ05KQURCR0FpRUE3WTBub1pN"
    "ZklrS2IKYlQrUE5rREFNaUNZT1RXY0REWWV0bjlsNjFzNWEyNENJUUNSTEhtOVhLUXJOcTZyT3UvUG1DL1NvU3EwOXJyOQo0T3JF"
    "emJmbUx1OTBMQT09Ci0tLS0tRU5EIENFUlRJRklDQVRFIFJFUVVFU1QtLS0tLQo="
)
GROUP = "wide.example.com"


def bases(space: str) -> list[Object]:
    """One valid object of each kind; what lives in no namespace is named after it."""
    parts = (of_each_kind, _workloads, _cluster, _rules, _devices, customs)
    found = [made for part in parts for made in part(space) if made["kind"] not in LEFT_OUT]
    for made in found:
        if made.pop(
            "aggregationRule", None
        ):  # what it gathers is written at any time, and by nobody without controllers
            made["rules"] = []
    return found


def _workloads(space: str) -> Iterator[Object]:
    yield web(space)
    container = {
        "name": "c",
        "image": "i:1",
        "ports": [{"containerPort": 80, "name": "http"}],
        "resources": {"requests": {"cpu": "100m"}, "limits": {"memory": "1Gi"}},
        "env": [{"name": "A", "value": "1"}],
        "volumeMounts": [{"name": "v", "mountPath": "/v"}],
        "livenessProbe": {"httpGet": {"path": "/", "port": 80}},
        "securityContext": {"runAsUser": 1, "capabilities": {"drop": ["ALL"]}},
    }
    spec = {
        "containers": [container],
        "initContainers": [{"name": "i", "image": "i", "restartPolicy": "Always"}],
        "volumes": [{"name": "v", "emptyDir": {"sizeLimit": "1Gi"}}, {"name": "s", "secret": {"secretName": "x"}}],
        "tolerations": [{"key": "a", "operator": "Exists", "effect": "NoSchedule"}],
        "affinity": {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}]
                }
            }
        },
        "topologySpreadConstraints": [
            {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {}}
        ],
    }
    yield obj("v1", "Pod", "pod", space, spec=spec)
    yield obj("v1", "Pod", "small", space, spec={"containers": [{"name": "c", "image": "i"}]})
    yield obj("apps/v1", "ControllerRevision", "rev", space, data={"a": 1}, revision=1)
    yield obj("v1", "ConfigMap", "text", space, data={"a": "b", "c": "d"})
    said: dict[str, Any] = {"reason": "r", "message": "m", "type": "Normal"}
    yield obj("v1", "Event", "core", space, involvedObject={"kind": "Pod", "name": "p", "namespace": space}, **said)
    yield obj("v1", "Secret", "tls", space, type="kubernetes.io/tls", data={"tls.crt": "YQ==", "tls.key": "YQ=="})
    yield obj("v1", "Secret", "auth", space, type="kubernetes.io/basic-auth", stringData={"username": "a"})


def _cluster(space: str) -> Iterator[Object]:
    yield obj("v1", "Namespace", f"ns-{space}")
    yield obj("v1", "Node", f"node-{space}", spec={"taints": [{"key": "a", "effect": "NoSchedule"}]})
    driver = {"attachRequired": False, "volumeLifecycleModes": ["Ephemeral"]}
    yield obj(STORAGE, "CSIDriver", f"csi-{space}", spec=driver)
    yield obj(
        STORAGE, "CSINode", f"csin-{space}", spec={"drivers": [{"name": "d", "nodeID": "n", "topologyKeys": ["zone"]}]}
    )
    attached = {"attacher": "a", "nodeName": "n", "source": {"persistentVolumeName": "v"}}
    yield obj(STORAGE, "VolumeAttachment", f"va-{space}", spec=attached)
    yield obj(STORAGE, "VolumeAttributesClass", f"vac-{space}", driverName="d.example.com", parameters={"a": "b"})
    yield obj(STORAGE, "CSIStorageCapacity", "cap", space, storageClassName="sc", capacity="1Gi")
    yield obj(
        "certificates.k8s.io/v1",
        "CertificateSigningRequest",
        f"csr-{space}",
        spec={"request": SIGNING_REQUEST, "signerName": "example.com/s", "usages": ["digital signature"]},
    )


def _rules(space: str) -> Iterator[Object]:
    reference = {"kind": "ClusterRole", "name": "view", "apiGroup": RBAC}
    yield obj(
        f"{RBAC}/v1", "ClusterRoleBinding", f"crb-{space}", roleRef=reference, subjects=[{"kind": "User", "name": "u"}]
    )
    rules = [{"nonResourceURLs": ["/x"], "verbs": ["get"]}, {"apiGroups": ["a"], "resources": ["b/c"], "verbs": ["*"]}]
    yield obj(f"{RBAC}/v1", "ClusterRole", f"plain-{space}", rules=rules)
    match = [
        {"apiGroups": ["none.example.com"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["nones"]}
    ]
    hook = {
        "name": "a.example.com",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Ignore",
        "clientConfig": {"service": {"namespace": "a", "name": "b", "path": "/p"}},
        "rules": match,
        "matchConditions": [{"name": "c", "expression": "object.metadata.name == 'x'"}],
    }
    yield obj(ADMISSION, "MutatingWebhookConfiguration", f"mw-{space}", webhooks=[hook])
    bound = {"policyName": "none", "validationActions": ["Deny"]}
    yield obj(ADMISSION, "ValidatingAdmissionPolicyBinding", f"vapb-{space}", spec=bound)
    mutation = {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": "Object{}"}}
    policy = {"matchConstraints": {"resourceRules": match}, "reinvocationPolicy": "Never", "mutations": [mutation]}
    yield obj(ADMISSION, "MutatingAdmissionPolicy", f"map-{space}", spec=policy)
    yield obj(ADMISSION, "MutatingAdmissionPolicyBinding", f"mapb-{space}", spec={"policyName": "none"})


def _devices(space: str) -> Iterator[Object]:
    group = "resource.k8s.io/v1"
    requests = {"devices": {"requests": [{"name": "r", "exactly": {"deviceClassName": "d.example.com"}}]}}
    yield obj(group, "ResourceClaim", "claim", space, spec=requests)
    yield obj(group, "ResourceClaimTemplate", "template", space, spec={"spec": requests})
    pool = {"name": "p", "generation": 1, "resourceSliceCount": 1}
    devices = [{"name": "d", "attributes": {"a": {"string": "x"}}, "capacity": {"m": {"value": "1Gi"}}}]
    spec = {"driver": "d.example.com", "nodeName": "n", "pool": pool, "devices": devices}
    yield obj(group, "ResourceSlice", f"slice-{space}", spec=spec)
    parent = {"resource": "services", "name": "s", "namespace": "default"}
    low = int(space.rpartition("-")[2] or 0) if space.rpartition("-")[2].isdigit() else 0
    address = f"10.77.{low // 250 % 250}.{low % 250 + 1}"
    yield obj("networking.k8s.io/v1", "IPAddress", address, spec={"parentRef": parent})


def customs(space: str) -> list[Object]:
    """Custom objects of each shape of ``definitions``."""
    ruled = {
        "size": 3,
        "mode": "a",
        "start": "2024-01-01T00:00:00Z",
        "names": ["a", "b"],
        "limits": {"min": 1, "max": 5},
    }
    valued = {
        "count": 5,
        "ratio": 1.5,
        "code": "abc",
        "colour": "red",
        "when": "2024-01-01T00:00:00Z",
        "host": "web",
        "of": "x",
    }
    listed = {
        "sets": ["a", "b"],
        "keyed": [{"key": "a", "value": 1}, {"key": "b"}],
        "double": [{"port": 80, "protocol": "TCP"}, {"port": 80, "protocol": "UDP"}],
        "atoms": [{"a": 1}],
        "whole": {"a": "b"},
        "open": {"x": [1, {"y": None}]},
    }
    versioned = {"size": 1, "colour": "red", "replicas": 2}
    return [
        obj(f"{GROUP}/v1", "Ruled", "ruled", space, spec=ruled),
        obj(f"{GROUP}/v1", "Valued", "valued", space, spec=valued),
        obj(f"{GROUP}/v1", "Listed", "listed", space, spec=listed),
        obj(f"{GROUP}/v1", "Versioned", "versioned", space, spec=versioned),
        obj(f"{GROUP}/v1beta1", "Versioned", "older", space, spec=versioned),
        obj(f"{GROUP}/v1", "Wide", f"wide-{space}", spec={"any": {"a": "b"}, "numbers": {"a": 1}}),
    ]
