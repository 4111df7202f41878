"""Rules of built-in kinds, in the words in which kube-apiserver refuses."""

import copy
import json
from typing import Any

import pytest
import yaml

from tests.corpora import corpus
from trueup.kube.defaults import apply_defaults
from trueup.kube.names import Kind, Object
from trueup.kube.types import load
from trueup.kube.validation import Rules, metadata

POD = "containers: [{name: web, image: nginx}]"
TEMPLATE = f"template: {{metadata: {{labels: {{app: web}}}}, spec: {{{POD}}}}}"
SELECTOR = "selector: {matchLabels: {app: web}}"
LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an "
    "alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end "
    "with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)


def written(text: str) -> Object:
    """A short form as the API server has it before it checks."""
    obj: Object = yaml.safe_load(text)
    obj.setdefault("metadata", {"name": "web"})
    kind = Kind.of(obj)
    struct = load().struct(kind)
    assert struct is not None
    struct.settle(obj)
    apply_defaults(kind, obj)
    return obj


def rules(obj: Object) -> Rules:
    kind = Kind.of(obj)
    return Rules(kind, load().definition_name(kind), load().definitions)


def wrong(text: str) -> list[str]:
    """What is wrong with an object, as kubectl shows it."""
    obj = written(text)
    causes = [*metadata(Kind.of(obj), obj), *rules(obj).check(obj)]
    return [f"{cause.field}: {cause.message}" for cause in causes]


def changed(text: str, **changes: Any) -> list[str]:
    """What is wrong with changing an object: ``spec__replicas=3`` sets ``spec.replicas``."""
    old = written(text)
    new = copy.deepcopy(old)
    for path, value in changes.items():
        *above, name = path.split("__")
        holder = new
        for part in above:
            holder = holder[int(part)] if isinstance(holder, list) else holder.setdefault(part, {})
        holder[name] = value
    return [f"{cause.field}: {cause.message}" for cause in rules(new).check_update(new, old)]


def test_published_objects_break_only_rules_about_their_values() -> None:
    """Every rule can read every field of its kind: the round-trip data is walked without an accident."""
    types, total = load("1.37"), 0
    for path in sorted((corpus("k8s-api") / "testdata/HEAD").glob("*.json")):
        obj = json.loads(path.read_text())
        kind = Kind.of(obj)
        if types.by_kind(kind) is None:
            continue
        total += 1
        found = Rules(kind, types.definition_name(kind), types.definitions)
        assert [cause for cause in found.check(obj) if not cause.message] == []
        assert list(found.check_update(obj, copy.deepcopy(obj))) == []
    print(f"k8s-api walked by the rules: {total} of {total}")


@pytest.mark.parametrize(
    "text",
    [
        f"{{apiVersion: v1, kind: Pod, spec: {{{POD}}}}}",
        f"{{apiVersion: apps/v1, kind: Deployment, spec: {{{SELECTOR}, {TEMPLATE}}}}}",
        f"{{apiVersion: apps/v1, kind: StatefulSet, spec: {{{SELECTOR}, {TEMPLATE}}}}}",
        f"{{apiVersion: apps/v1, kind: DaemonSet, spec: {{{SELECTOR}, {TEMPLATE}}}}}",
        "{apiVersion: v1, kind: Service, spec: {ports: [{port: 80, targetPort: http}]}}",
        "{apiVersion: v1, kind: ConfigMap, data: {a.b: c}}",
        "{apiVersion: v1, kind: Event, involvedObject: {kind: Pod}}",
        "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: 'system:web'}}",
        "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4}",
        "{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass}",
        "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, spec: {ingress: [{}]}}",
        "{apiVersion: v1, kind: ServiceAccount}",
    ],
)
def test_short_forms_that_are_fine(text: str) -> None:
    """What people write every day is not refused."""
    assert wrong(text) == []


@pytest.mark.parametrize(
    ("meta", "problem"),
    [
        ("{name: Web}", f'metadata.name: Invalid value: "Web": {SUBDOMAIN}'),
        ("{}", "metadata.name: Required value: name or generateName is required"),
        (
            "{name: web, labels: {a/b/c: d}}",
            "metadata.labels: Invalid value: \"a/b/c\": a valid label key must consist of alphanumeric characters, '-', '_' or "
            "'.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used "
            "for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. "
            "'example.com/MyName')",
        ),
        (
            "{name: web, labels: {a: b c}}",
            'metadata.labels: Invalid value: "b c": a valid label must be an empty string or consist of alphanumeric characters, '
            "'-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or "
            "'12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
        ),
        (
            "{name: web, ownerReferences: [{apiVersion: v1, kind: Pod, name: a}]}",
            'metadata.ownerReferences.uid: Invalid value: "": must not be empty',
        ),
    ],
)
def test_metadata(meta: str, problem: str) -> None:
    """Names, labels and owners."""
    assert wrong(f"{{apiVersion: v1, kind: ConfigMap, metadata: {meta}}}") == [problem]


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        (
            f"{{apiVersion: apps/v1, kind: Deployment, spec: {{{TEMPLATE}}}}}",
            [
                "spec.selector: Required value",
                'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`',
            ],
        ),
        (
            f"{{apiVersion: apps/v1, kind: Deployment, spec: {{selector: {{matchLabels: {{app: x}}}}, {TEMPLATE}}}}}",
            [
                'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`',
            ],
        ),
        (
            f"{{apiVersion: apps/v1, kind: StatefulSet, spec: {{selector: {{}}, {TEMPLATE}}}}}",
            ["spec.selector: Invalid value: {}: empty selector is invalid for statefulset"],
        ),
        (
            f"{{apiVersion: apps/v1, kind: Deployment, spec: {{replicas: -1, {SELECTOR}, {TEMPLATE}, "
            "strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 0}}}}",
            [
                "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
                "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0",
            ],
        ),
        (
            f"{{apiVersion: apps/v1, kind: DaemonSet, spec: {{{SELECTOR}, {TEMPLATE}, "
            "updateStrategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 1}}}}",
            [
                "spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero",
            ],
        ),
        (
            f"{{apiVersion: batch/v1, kind: Job, spec: {{{TEMPLATE}}}}}",
            ['spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'],
        ),
        (
            "{apiVersion: batch/v1, kind: CronJob, spec: {schedule: '* * 99 * *', jobTemplate: {spec: {template: {spec: "
            f"{{restartPolicy: Never, {POD}}}}}}}}}}}}}",
            ['spec.schedule: Invalid value: "* * 99 * *": end of range (99) above maximum (31): 99'],
        ),
    ],
)
def test_workloads(text: str, problems: list[str]) -> None:
    """Selectors, strategies, restart policies and schedules."""
    assert wrong(text) == problems


AT = "spec.containers[0]"


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ("{}", "spec.containers: Required value"),
        ("{containers: [{name: Web, image: nginx}]}", f'{AT}.name: Invalid value: "Web": {LABEL}'),
        ("{containers: [{name: web}]}", f"{AT}.image: Required value"),
        (
            f"{{{POD}, restartPolicy: Maybe}}",
            'spec.restartPolicy: Unsupported value: "Maybe": supported values: "Always", "OnFailure", "Never"',
        ),
        ("{containers: [{name: a, image: b}, {name: a, image: b}]}", 'spec.containers[1].name: Duplicate value: "a"'),
        (
            "{containers: [{name: a, image: b, ports: [{containerPort: 70000}]}]}",
            f"{AT}.ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
        ),
        (
            "{containers: [{name: a, image: b, volumeMounts: [{name: x, mountPath: /x}]}]}",
            f'{AT}.volumeMounts[0].name: Not found: "x"',
        ),
        (
            "{containers: [{name: a, image: b, resources: {requests: {cpu: 2}, limits: {cpu: 1}}}]}",
            f'{AT}.resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1',
        ),
        (
            "{containers: [{name: a, image: b, livenessProbe: {}}]}",
            f"{AT}.livenessProbe: Required value: must specify a handler type",
        ),
        (
            "{containers: [{name: a, image: b, env: [{name: A, valueFrom: {secretKeyRef: {name: x}}}]}]}",
            f"{AT}.env[0].valueFrom.secretKeyRef.key: Required value",
        ),
        (
            f"{{{POD}, hostnameOverride: a, hostNetwork: true}}",
            "spec.hostnameOverride: Forbidden: may not be specified when hostNetwork is true",
        ),
        (
            f"{{{POD}, hostnameOverride: a, setHostnameAsFQDN: true}}",
            "spec.hostnameOverride: Forbidden: may not be specified when setHostnameAsFQDN is true",
        ),
        (
            f"{{{POD}, hostnameOverride: {65 * 'a'}}}",
            "spec.hostnameOverride: Too long: may not be more than 64 bytes",
        ),
    ],
)
def test_pods(spec: str, problem: str) -> None:
    """Containers, their ports, mounts, resources and probes."""
    assert wrong(f"{{apiVersion: v1, kind: Pod, spec: {spec}}}") == [problem]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{apiVersion: v1, kind: Service, spec: {}}", "spec.ports: Required value"),
        (
            "{apiVersion: v1, kind: Service, spec: {ports: [{port: 0, targetPort: 80}]}}",
            "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive",
        ),
        (
            "{apiVersion: v1, kind: Service, spec: {type: Nope, ports: [{port: 80}]}}",
            'spec.type: Unsupported value: "Nope": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"',
        ),
        (
            "{apiVersion: v1, kind: ConfigMap, data: {a b: c}}",
            "data[a b]: Invalid value: \"a b\": a valid config key must consist of alphanumeric characters, '-', '_' or '.' "
            "(e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
        ),
        (
            "{apiVersion: v1, kind: Secret, type: kubernetes.io/tls, data: {tls.crt: ''}}",
            "data[tls.key]: Required value",
        ),
        (
            "{apiVersion: v1, kind: PersistentVolumeClaim, spec: {accessModes: [ReadWriteOnce]}}",
            "spec.resources[storage]: Required value",
        ),
        (
            "{apiVersion: networking.k8s.io/v1, kind: Ingress, spec: {rules: [{http: {paths: [{path: a, pathType: Prefix, "
            "backend: {service: {name: web, port: {number: 80}}}}]}}]}}",
            'spec.rules[0].http.paths[0].path: Invalid value: "a": must be an absolute path',
        ),
        (
            "{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, rules: [{apiGroups: [''], resources: [pods]}]}",
            "rules[0].verbs: Required value: verbs must contain at least one value",
        ),
        (
            "{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, roleRef: {kind: Role, name: a}, "
            "subjects: [{kind: Pod, name: a}]}",
            'subjects[0].kind: Unsupported value: "Pod": supported values: "ServiceAccount", "User", "Group"',
        ),
        (
            "{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, spec: {maxReplicas: 1, minReplicas: 2, "
            "scaleTargetRef: {kind: Deployment, name: web}}}",
            "spec.maxReplicas: Invalid value: 1: must be greater than or equal to `minReplicas`",
        ),
        (
            "{apiVersion: v1, kind: LimitRange, spec: {limits: [{type: Pod, min: {cpu: 2}, max: {cpu: 1}}]}}",
            'spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1',
        ),
        (
            "{apiVersion: networking.k8s.io/v1, kind: Ingress}",
            "spec: Invalid value: null: either `defaultBackend` or `rules` must be specified",
        ),
        (
            "{apiVersion: policy/v1, kind: PodDisruptionBudget, spec: {minAvailable: many}}",
            'spec.minAvailable: Invalid value: "many": a valid percent string must be a numeric string followed by an ending '
            "'%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
        ),
        (
            "{apiVersion: certificates.k8s.io/v1beta1, kind: ClusterTrustBundle, spec: {}}",
            "spec.trustBundle: Required value",
        ),
    ],
)
def test_other_kinds(text: str, problem: str) -> None:
    """One thing wrong with each of the everyday kinds; the last has no rule but its definition."""
    assert wrong(text) == [problem]


DEPLOYMENT = f"{{apiVersion: apps/v1, kind: Deployment, spec: {{{SELECTOR}, {TEMPLATE}}}}}"
STATEFUL = f"{{apiVersion: apps/v1, kind: StatefulSet, spec: {{{SELECTOR}, {TEMPLATE}}}}}"
BOUND = (
    "{apiVersion: v1, kind: PersistentVolumeClaim, status: {phase: Bound, capacity: {storage: 1Gi}}, "
    "spec: {accessModes: [ReadWriteOnce], volumeName: a, resources: {requests: {storage: 2Gi}}}}"
)


@pytest.mark.parametrize(
    ("text", "changes", "problem"),
    [
        (
            DEPLOYMENT,
            {"spec__selector": {"matchLabels": {"app": "x"}}},
            'spec.selector: Invalid value: {"matchLabels":{"app":"x"}}: field is immutable',
        ),
        (
            STATEFUL,
            {"spec__serviceName": "other"},
            "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
            "'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are "
            "forbidden",
        ),
        (
            "{apiVersion: v1, kind: Secret, immutable: true, data: {a: Yg==}}",
            {"data": {"a": "Yw=="}},
            "data: Forbidden: field is immutable when `immutable` is set",
        ),
        ("{apiVersion: v1, kind: Secret}", {"type": "x"}, 'type: Invalid value: "x": field is immutable'),
        (
            BOUND,
            {"spec__resources__requests__storage": "1Gi"},
            "spec.resources.requests.storage: Forbidden: field can not be less than status.capacity",
        ),
        (
            BOUND,
            {"spec__accessModes": ["ReadWriteMany"]},
            "spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound "
            'claims\n@@ -1,6 +1,6 @@\n {\n  "AccessModes": [\n-  "ReadWriteOnce"\n+  "ReadWriteMany"\n  ],\n  "Selector": null,\n'
            '  "Resources": {\n',
        ),
        (
            "{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, roleRef: {kind: Role, name: a}}",
            {"roleRef__name": "b"},
            'roleRef: Invalid value: {"APIGroup":"rbac.authorization.k8s.io","Kind":"Role","Name":"b"}: cannot change roleRef',
        ),
        (
            "{apiVersion: storage.k8s.io/v1, kind: StorageClass, provisioner: a}",
            {"provisioner": "b"},
            'provisioner: Invalid value: "b": field is immutable',
        ),
        (
            f"{{apiVersion: batch/v1, kind: Job, "
            f"spec: {{manualSelector: true, template: {{spec: {{restartPolicy: Never, {POD}}}}}}}}}",
            {"spec__completions": 5},
            "spec.completions: Invalid value: 5: field is immutable",
        ),
    ],
)
def test_what_may_not_change(text: str, changes: dict[str, Any], problem: str) -> None:
    """Immutable fields are refused in the words of their kind."""
    assert changed(text, **changes) == [problem]


def test_what_may_change() -> None:
    """Replicas, templates, a claim that grows, a pod's image and its first node."""
    pod = f"{{apiVersion: v1, kind: Pod, spec: {{{POD}}}}}"

    assert changed(DEPLOYMENT, spec__replicas=3) == []
    assert changed(STATEFUL, spec__minReadySeconds=3) == []
    assert changed(BOUND, spec__resources__requests__storage="3Gi") == []
    assert changed(pod, spec__containers__0__image="nginx:2") == []
    assert changed(pod, spec__hostname="x")[0].startswith(
        "spec: Forbidden: pod updates may not change fields other than"
    )


@pytest.mark.parametrize(
    ("spec", "problems"),
    [
        ("{hard: {pods: '3'}, scopes: [BestEffort]}", []),
        ("{hard: {cpu: '2', pods: '3'}, scopes: [NotBestEffort, Terminating]}", []),
        ("{hard: {count/jobs.batch: '3'}, scopes: [BestEffort]}", []),
        ("{hard: {cpu: '2'}, scopes: [BestEffort]}", ['["BestEffort"]: unsupported scope applied to resource']),
        ("{hard: {pods: '3'}, scopes: [Sometimes]}", ['["Sometimes"]: unsupported scope']),
        ("{hard: {pods: '3'}, scopes: [Terminating, NotTerminating]}", ['["Terminating","NotTerminating"]: conflicting scopes']),
    ],
)  # fmt: skip
def test_scopes_of_quotas(spec: str, problems: list[str]) -> None:
    """A scope limits what it can select, and no two say the contrary of each other."""
    expected = [f"spec.scopes: Invalid value: {problem}" for problem in problems]
    assert expected == wrong(f"{{apiVersion: v1, kind: ResourceQuota, spec: {spec}}}")


@pytest.mark.parametrize(
    ("space", "about", "fine"),
    [("shop", "shop", True), ("default", "", True), ("shop", "", False), ("shop", "other", False)],
)
def test_events_are_beside_what_they_are_about(space: str, about: str, fine: bool) -> None:
    """In its namespace; those about cluster-scoped objects in ``default``."""
    involved = f"{{kind: Pod, namespace: '{about}'}}"
    text = f"{{apiVersion: v1, kind: Event, metadata: {{name: e, namespace: {space}}}, involvedObject: {involved}}}"
    expected = f'involvedObject.namespace: Invalid value: "{about}": does not match event.namespace'
    assert ([] if fine else [expected]) == wrong(text)
