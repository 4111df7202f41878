"""What Kubernetes fills in when a built-in object leaves it out. Called by the API server on every write.

``apply_defaults`` changes a fresh object in place. Source: the defaulting functions of each API group
(``pkg/apis/<group>/<version>/defaults.go``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from trueup.kube.names import Kind, Object


def apply_defaults(kind: Kind, obj: Object) -> None:
    """Fill in what is missing; kinds without defaults stay as they are."""
    rule = _RULES.get((kind.group, kind.kind))
    if rule is not None:
        rule(obj)


def _section(obj: Object, name: str) -> Object:
    found = obj.get(name)
    if found is None:
        found = obj[name] = {}
    return found if isinstance(found, dict) else {}


def _fill(obj: Object, **values: Any) -> None:
    for name, value in values.items():
        if obj.get(name) is None:
            obj[name] = value


def pod_spec(spec: Object) -> None:
    """A pod's or a pod template's spec."""
    _fill(
        spec,
        restartPolicy="Always",
        terminationGracePeriodSeconds=30,
        dnsPolicy="ClusterFirst",
        securityContext={},
        schedulerName="default-scheduler",
    )
    if spec.get("hostNetwork"):
        for container in _dicts(spec, "containers"):
            for port in _dicts(container, "ports"):
                _fill(port, hostPort=port.get("containerPort"))
    if spec.get("serviceAccountName") and not spec.get("serviceAccount"):
        spec["serviceAccount"] = spec["serviceAccountName"]
    for part in ("initContainers", "containers", "ephemeralContainers"):
        for container in _dicts(spec, part):
            _container(container)
    for volume in _dicts(spec, "volumes"):
        _volume(volume)


def _container(container: Object) -> None:
    image = str(container.get("image") or "")
    if not container.get("imagePullPolicy") and image:
        name = image.partition("@")[0].rsplit("/", 1)[-1]
        tag = name.partition(":")[2]
        latest = "@" not in image and tag in ("", "latest")
        container["imagePullPolicy"] = "Always" if latest else "IfNotPresent"
    _fill(container, resources={}, terminationMessagePath="/dev/termination-log", terminationMessagePolicy="File")
    for port in _dicts(container, "ports"):
        _fill(port, protocol="TCP")
    resources = container["resources"]
    if isinstance(resources, dict) and isinstance(resources.get("limits"), dict):
        requests = resources.get("requests") or {}
        missing = {name: value for name, value in resources["limits"].items() if name not in requests}
        if missing:
            resources["requests"] = {**requests, **missing}
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if isinstance(container.get(probe), dict):
            _probe(container[probe])
    for hook in (container.get("lifecycle") or {}).values():
        if isinstance(hook, dict) and isinstance(hook.get("httpGet"), dict):
            _fill(hook["httpGet"], path="/", scheme="HTTP")
    for variable in _dicts(container, "env"):
        reference = (variable.get("valueFrom") or {}).get("fieldRef")
        if isinstance(reference, dict):
            _fill(reference, apiVersion="v1")


def _probe(probe: Object) -> None:
    _fill(probe, timeoutSeconds=1, periodSeconds=10, successThreshold=1, failureThreshold=3)
    if isinstance(probe.get("httpGet"), dict):
        _fill(probe["httpGet"], path="/", scheme="HTTP")
    if isinstance(probe.get("grpc"), dict):
        _fill(probe["grpc"], service="")


def _volume(volume: Object) -> None:
    for name in ("configMap", "secret", "downwardAPI", "projected"):
        if isinstance(volume.get(name), dict):
            _fill(volume[name], defaultMode=420)
    if isinstance(volume.get("hostPath"), dict):
        _fill(volume["hostPath"], type="")
    if isinstance(volume.get("projected"), dict):
        for source in _dicts(volume["projected"], "sources"):
            if isinstance(source.get("serviceAccountToken"), dict):
                _fill(source["serviceAccountToken"], expirationSeconds=3600)
            for item in _dicts(source.get("downwardAPI") or {}, "items"):
                if isinstance(item.get("fieldRef"), dict):
                    _fill(item["fieldRef"], apiVersion="v1")
    if isinstance(volume.get("ephemeral"), dict):
        claim = (volume["ephemeral"].get("volumeClaimTemplate") or {}).get("spec")
        if isinstance(claim, dict):
            _fill(claim, volumeMode="Filesystem")
    known = set(volume) - {"name"}
    if not known:
        volume["emptyDir"] = {}


def _template(spec: Object) -> None:
    template = _section(spec, "template")
    pod_spec(_section(template, "spec"))


def _pod(obj: Object) -> None:
    spec = _section(obj, "spec")
    _fill(spec, enableServiceLinks=True)
    pod_spec(spec)


def _deployment(obj: Object) -> None:
    spec = _section(obj, "spec")
    _fill(spec, replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600)
    strategy = _section(spec, "strategy")
    _fill(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        _fill(_section(strategy, "rollingUpdate"), maxUnavailable="25%", maxSurge="25%")
    _template(spec)


def _replica_set(obj: Object) -> None:
    spec = _section(obj, "spec")
    _fill(spec, replicas=1)
    _template(spec)


def _stateful_set(obj: Object) -> None:
    spec = _section(obj, "spec")
    _fill(spec, replicas=1, revisionHistoryLimit=10, podManagementPolicy="OrderedReady", serviceName="")
    strategy = _section(spec, "updateStrategy")
    _fill(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        _fill(_section(strategy, "rollingUpdate"), partition=0)
    _fill(spec, persistentVolumeClaimRetentionPolicy={"whenDeleted": "Retain", "whenScaled": "Retain"})
    for claim in _dicts(spec, "volumeClaimTemplates"):
        _fill(claim, apiVersion="v1", kind="PersistentVolumeClaim")
        _fill(_section(claim, "spec"), volumeMode="Filesystem")
        _fill(claim, status={"phase": "Pending"})
    _template(spec)


def _daemon_set(obj: Object) -> None:
    spec = _section(obj, "spec")
    _fill(spec, revisionHistoryLimit=10)
    strategy = _section(spec, "updateStrategy")
    _fill(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        _fill(_section(strategy, "rollingUpdate"), maxUnavailable=1, maxSurge=0)
    _template(spec)


def _job_spec(spec: Object) -> None:
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    _fill(spec, parallelism=1, backoffLimit=6, completionMode="NonIndexed", suspend=False, manualSelector=None)
    if spec.get("manualSelector") is None:
        spec.pop("manualSelector", None)
    _fill(spec, podReplacementPolicy="Failed" if spec.get("podFailurePolicy") else "TerminatingOrFailed")
    _template(spec)


def _job(obj: Object) -> None:
    _job_spec(_section(obj, "spec"))


def _cron_job(obj: Object) -> None:
    spec = _section(obj, "spec")
    _fill(spec, concurrencyPolicy="Allow", suspend=False, successfulJobsHistoryLimit=3, failedJobsHistoryLimit=1)
    job = _section(_section(spec, "jobTemplate"), "spec")
    _template(job)


def _service(obj: Object) -> None:
    spec = _section(obj, "spec")
    _fill(spec, sessionAffinity="None", type="ClusterIP")
    if spec["sessionAffinity"] == "ClientIP":
        _fill(_section(_section(spec, "sessionAffinityConfig"), "clientIP"), timeoutSeconds=10800)
    for port in _dicts(spec, "ports"):
        _fill(port, protocol="TCP")
        if port.get("targetPort") in (None, "", 0):
            port["targetPort"] = port.get("port")
    if spec["type"] in ("NodePort", "LoadBalancer"):
        _fill(spec, externalTrafficPolicy="Cluster")
    if spec["type"] == "LoadBalancer":
        _fill(spec, allocateLoadBalancerNodePorts=True)
    if spec["type"] != "ExternalName":
        _fill(spec, internalTrafficPolicy="Cluster")
    _fill(_section(obj, "status"), loadBalancer={})


def _secret(obj: Object) -> None:
    import base64

    _fill(obj, type="Opaque")
    strings = obj.pop("stringData", None)
    if isinstance(strings, dict):
        data = {**(obj.get("data") or {})}
        data.update({name: base64.b64encode(str(value).encode()).decode() for name, value in strings.items()})
        obj["data"] = data


def _claim(obj: Object) -> None:
    _fill(_section(obj, "spec"), volumeMode="Filesystem")
    _fill(_section(obj, "status"), phase="Pending")


def _volume_object(obj: Object) -> None:
    _fill(_section(obj, "spec"), volumeMode="Filesystem", persistentVolumeReclaimPolicy="Retain")
    _fill(_section(obj, "status"), phase="Pending")


def _storage_class(obj: Object) -> None:
    _fill(obj, reclaimPolicy="Delete", volumeBindingMode="Immediate")


def _namespace(obj: Object) -> None:
    meta = _section(obj, "metadata")
    if meta.get("name"):
        labels = meta.get("labels")
        if not isinstance(labels, dict):
            labels = meta["labels"] = {}
        labels.setdefault("kubernetes.io/metadata.name", meta["name"])
    _fill(_section(obj, "status"), phase="Active")


def _node(obj: Object) -> None:
    meta = _section(obj, "metadata")
    _fill(obj, spec={}, status={})
    if not isinstance(meta.get("labels"), dict):
        meta["labels"] = {}


def _autoscaler(obj: Object) -> None:
    spec = _section(obj, "spec")
    _fill(spec, minReplicas=1)
    if obj.get("apiVersion") == "autoscaling/v2" and not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": 80}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]


def _network_policy(obj: Object) -> None:
    spec = _section(obj, "spec")
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]
    for direction in ("ingress", "egress"):
        for rule in _dicts(spec, direction):
            for port in _dicts(rule, "ports"):
                _fill(port, protocol="TCP")


def _binding(obj: Object) -> None:
    reference = obj.get("roleRef")
    if isinstance(reference, dict):
        _fill(reference, apiGroup="rbac.authorization.k8s.io")
    for subject in _dicts(obj, "subjects"):
        if subject.get("apiGroup") is None and subject.get("kind") in ("User", "Group"):
            subject["apiGroup"] = "rbac.authorization.k8s.io"


def _webhooks(obj: Object) -> None:
    for hook in _dicts(obj, "webhooks"):
        _fill(
            hook,
            failurePolicy="Fail",
            matchPolicy="Equivalent",
            namespaceSelector={},
            objectSelector={},
            timeoutSeconds=10,
        )
        if obj.get("kind") == "MutatingWebhookConfiguration":
            _fill(hook, reinvocationPolicy="Never")
        service = (hook.get("clientConfig") or {}).get("service")
        if isinstance(service, dict):
            _fill(service, port=443)
        for rule in _dicts(hook, "rules"):
            _fill(rule, scope="*")


def _definition(obj: Object) -> None:
    spec = _section(obj, "spec")
    names = _section(spec, "names")
    if names.get("kind"):
        _fill(names, singular=str(names["kind"]).lower(), listKind=f"{names['kind']}List")
    _fill(spec, conversion={"strategy": "None"})


def _endpoint_slice(obj: Object) -> None:
    for port in _dicts(obj, "ports"):
        _fill(port, name="", protocol="TCP")


def _endpoints(obj: Object) -> None:
    for subset in _dicts(obj, "subsets"):
        for port in _dicts(subset, "ports"):
            _fill(port, protocol="TCP")


def _ingress(obj: Object) -> None:
    _fill(_section(obj, "status"), loadBalancer={})


def _lease(obj: Object) -> None:
    _fill(obj, spec={})


def _csr(obj: Object) -> None:
    _fill(_section(obj, "spec"), usages=["digital signature", "key encipherment"])


def _dicts(obj: Any, name: str) -> list[Object]:
    found = obj.get(name) if isinstance(obj, dict) else None
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


_RULES: Mapping[tuple[str, str], Callable[[Object], None]] = {
    ("", "Pod"): _pod,
    ("", "PodTemplate"): lambda obj: pod_spec(_section(_section(obj, "template"), "spec")),
    ("", "ReplicationController"): _replica_set,
    ("", "Service"): _service,
    ("", "Secret"): _secret,
    ("", "PersistentVolumeClaim"): _claim,
    ("", "PersistentVolume"): _volume_object,
    ("", "Namespace"): _namespace,
    ("", "Node"): _node,
    ("", "Endpoints"): _endpoints,
    ("apps", "Deployment"): _deployment,
    ("apps", "ReplicaSet"): _replica_set,
    ("apps", "StatefulSet"): _stateful_set,
    ("apps", "DaemonSet"): _daemon_set,
    ("batch", "Job"): _job,
    ("batch", "CronJob"): _cron_job,
    ("autoscaling", "HorizontalPodAutoscaler"): _autoscaler,
    ("networking.k8s.io", "NetworkPolicy"): _network_policy,
    ("networking.k8s.io", "Ingress"): _ingress,
    ("rbac.authorization.k8s.io", "RoleBinding"): _binding,
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): _binding,
    ("storage.k8s.io", "StorageClass"): _storage_class,
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"): _webhooks,
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"): _webhooks,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _definition,
    ("discovery.k8s.io", "EndpointSlice"): _endpoint_slice,
    ("coordination.k8s.io", "Lease"): _lease,
    ("certificates.k8s.io", "CertificateSigningRequest"): _csr,
}
