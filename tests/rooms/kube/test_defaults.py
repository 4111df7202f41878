"""What Kubernetes fills in: the objects below are what kube-apiserver answers to the short forms."""

from typing import Any

import pytest
import yaml

from trueup.kube.defaults import apply_defaults
from trueup.kube.defaults.pods import pull_policy
from trueup.kube.names import Kind, Object
from trueup.kube.types import load


def stored(text: str) -> Object:
    """A short form, settled and filled in."""
    obj: Object = yaml.safe_load(text)
    kind = Kind.of(obj)
    struct = load().struct(kind)
    assert struct is not None
    struct.settle(obj)
    apply_defaults(kind, obj)
    return obj


def spec_of(text: str) -> Any:
    return stored(text)["spec"]


CONTAINER = {
    "name": "web",
    "image": "nginx",
    "imagePullPolicy": "Always",
    "resources": {},
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
}
POD = {
    "containers": [CONTAINER],
    "dnsPolicy": "ClusterFirst",
    "restartPolicy": "Always",
    "schedulerName": "default-scheduler",
    "securityContext": {},
    "terminationGracePeriodSeconds": 30,
}
TEMPLATE = "template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: nginx}]}}"


def test_a_pod() -> None:
    """A pod of one container."""
    found = spec_of("{apiVersion: v1, kind: Pod, spec: {containers: [{name: web, image: nginx}]}}")

    assert found == {**POD, "enableServiceLinks": True}


def test_a_pod_that_says_more() -> None:
    """Requests follow limits, probes and references have their rest, an account stands under both of its names."""
    found = spec_of("""
        apiVersion: v1
        kind: Pod
        spec:
          hostNetwork: true
          serviceAccountName: web
          volumes: [{name: scratch}, {name: settings, configMap: {name: settings}}]
          containers:
          - name: web
            image: nginx:1.27
            ports: [{containerPort: 80}]
            resources: {limits: {cpu: 1000m, memory: 1024Mi}, requests: {cpu: 0.5}}
            readinessProbe: {httpGet: {port: 80}}
            env: [{name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]
    """)
    container = found["containers"][0]

    assert container["ports"] == [{"containerPort": 80, "hostPort": 80, "protocol": "TCP"}]
    assert container["resources"] == {
        "limits": {"cpu": "1", "memory": "1Gi"},
        "requests": {"cpu": "500m", "memory": "1Gi"},
    }
    assert container["readinessProbe"] == {
        "httpGet": {"path": "/", "port": 80, "scheme": "HTTP"},
        "failureThreshold": 3,
        "periodSeconds": 10,
        "successThreshold": 1,
        "timeoutSeconds": 1,
    }
    assert container["env"][0]["valueFrom"]["fieldRef"]["apiVersion"] == "v1"
    assert (found["serviceAccount"], found["serviceAccountName"]) == ("web", "web")
    assert found["volumes"] == [
        {"name": "scratch", "emptyDir": {}},
        {"name": "settings", "configMap": {"name": "settings", "defaultMode": 420}},
    ]


def test_a_negative_time_to_stop_is_a_second_in_pods_alone() -> None:
    """A template keeps what it says."""
    given = "terminationGracePeriodSeconds: -1, containers: [{name: web, image: nginx}]"
    pod = spec_of(f"{{apiVersion: v1, kind: Pod, spec: {{{given}}}}}")
    template = spec_of(f"{{apiVersion: apps/v1, kind: Deployment, spec: {{template: {{spec: {{{given}}}}}}}}}")
    assert pod["terminationGracePeriodSeconds"] == 1
    assert template["template"]["spec"]["terminationGracePeriodSeconds"] == -1


def test_a_template_keeps_limits_and_ports_as_given() -> None:
    """What only a pod is given is not given to the template that makes it."""
    found = spec_of("""
        apiVersion: apps/v1
        kind: Deployment
        spec: {template: {spec: {hostNetwork: true, containers: [
          {name: web, image: nginx, ports: [{containerPort: 80}], resources: {limits: {cpu: 1}}}]}}}
    """)["template"]["spec"]

    assert "enableServiceLinks" not in found
    assert found["containers"][0]["ports"] == [{"containerPort": 80, "protocol": "TCP"}]
    assert found["containers"][0]["resources"] == {"limits": {"cpu": "1"}}


def test_a_deployment() -> None:
    """Replicas, strategy, history, deadline, and the pod template."""
    found = stored(
        f"{{apiVersion: apps/v1, kind: Deployment, spec: {{selector: {{matchLabels: {{app: web}}}}, {TEMPLATE}}}}}"
    )

    assert found == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {},
        "spec": {
            "progressDeadlineSeconds": 600,
            "replicas": 1,
            "revisionHistoryLimit": 10,
            "selector": {"matchLabels": {"app": "web"}},
            "strategy": {"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}, "type": "RollingUpdate"},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": POD},
        },
        "status": {},
    }


def test_a_stateful_set() -> None:
    """Ordered, kept claims, claims that are pending."""
    found = spec_of(f"""
        apiVersion: apps/v1
        kind: StatefulSet
        spec:
          {TEMPLATE}
          volumeClaimTemplates: [{{metadata: {{name: data}}, spec: {{accessModes: [ReadWriteOnce]}}}}]
    """)
    claim = found.pop("volumeClaimTemplates")[0]
    found.pop("template")

    assert found == {
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
        "podManagementPolicy": "OrderedReady",
        "replicas": 1,
        "revisionHistoryLimit": 10,
        "updateStrategy": {"rollingUpdate": {"partition": 0}, "type": "RollingUpdate"},
    } | {key: found[key] for key in ("serviceName",) if key in found}
    assert claim["status"] == {"phase": "Pending"}
    assert claim["spec"] == {"accessModes": ["ReadWriteOnce"], "resources": {}, "volumeMode": "Filesystem"}


def test_a_daemon_set() -> None:
    """One at a time."""
    found = spec_of(f"{{apiVersion: apps/v1, kind: DaemonSet, spec: {{{TEMPLATE}}}}}")

    assert found["updateStrategy"] == {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}, "type": "RollingUpdate"}


def test_a_job_and_its_labels() -> None:
    """A job runs once, and takes its template's labels when it has none."""
    found = stored(f"{{apiVersion: batch/v1, kind: Job, spec: {{{TEMPLATE}}}}}")
    spec = {key: value for key, value in found["spec"].items() if key != "template"}

    assert spec == {
        "backoffLimit": 6,
        "completionMode": "NonIndexed",
        "completions": 1,
        "manualSelector": False,
        "parallelism": 1,
        "podReplacementPolicy": "TerminatingOrFailed",
        "suspend": False,
    }
    assert found["metadata"]["labels"] == {"app": "web"}


def test_a_cron_job_leaves_its_jobs_defaults_to_them() -> None:
    """Only the pods of the jobs to be are filled in."""
    found = spec_of(f"{{apiVersion: batch/v1, kind: CronJob, spec: {{jobTemplate: {{spec: {{{TEMPLATE}}}}}}}}}")
    job = found["jobTemplate"]["spec"]

    assert (found["concurrencyPolicy"], found["suspend"]) == ("Allow", False)
    assert (found["successfulJobsHistoryLimit"], found["failedJobsHistoryLimit"]) == (3, 1)
    assert list(job) == ["template"]
    assert job["template"]["spec"]["schedulerName"] == "default-scheduler"


def test_a_service() -> None:
    """Ports lead to themselves, traffic goes anywhere; a status is shown."""
    found = stored("{apiVersion: v1, kind: Service, spec: {type: LoadBalancer, ports: [{port: 80}]}}")

    assert found["spec"] == {
        "allocateLoadBalancerNodePorts": True,
        "externalTrafficPolicy": "Cluster",
        "internalTrafficPolicy": "Cluster",
        "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
        "sessionAffinity": "None",
        "type": "LoadBalancer",
    }
    assert found["status"] == {"loadBalancer": {}}


def test_a_secret_given_as_text() -> None:
    """Text becomes data and wins over it."""
    found = stored("{apiVersion: v1, kind: Secret, data: {a: b2xk}, stringData: {a: new, b: two}}")

    assert (found["type"], found["data"], "stringData" in found) == ("Opaque", {"a": "bmV3", "b": "dHdv"}, False)


def test_an_autoscaler_of_the_second_version() -> None:
    """It looks at the processor; a behavior is completed in both directions."""
    found = spec_of("""
        {apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, spec: {maxReplicas: 3,
         scaleTargetRef: {kind: Deployment, name: web}, behavior: {scaleUp: {stabilizationWindowSeconds: 60}}}}
    """)

    assert found["metrics"][0]["resource"]["target"] == {"averageUtilization": 80, "type": "Utilization"}
    assert found["behavior"]["scaleUp"]["stabilizationWindowSeconds"] == 60
    assert found["behavior"]["scaleDown"] == {
        "policies": [{"periodSeconds": 15, "type": "Percent", "value": 100}],
        "selectPolicy": "Max",
    }


def test_limits_of_containers_follow_from_each_other() -> None:
    """A maximum is the default limit, that the default request."""
    found = spec_of("{apiVersion: v1, kind: LimitRange, spec: {limits: [{type: Container, max: {cpu: 2}}]}}")

    assert found["limits"] == [
        {"type": "Container", "max": {"cpu": "2"}, "default": {"cpu": "2"}, "defaultRequest": {"cpu": "2"}}
    ]


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        (
            "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, spec: {egress: [{}]}}",
            "policyTypes",
            ["Ingress", "Egress"],
        ),
        ("{apiVersion: v1, kind: PersistentVolumeClaim, spec: {}}", "volumeMode", "Filesystem"),
        ("{apiVersion: v1, kind: PersistentVolume, spec: {}}", "persistentVolumeReclaimPolicy", "Retain"),
        ("{apiVersion: storage.k8s.io/v1, kind: CSIDriver, spec: {}}", "volumeLifecycleModes", ["Persistent"]),
        (
            "{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, spec: {names: {kind: Widget, plural: ws}}}",
            "names",
            {"kind": "Widget", "listKind": "WidgetList", "plural": "ws", "singular": "widget"},
        ),
    ],
)
def test_single_fields(text: str, path: str, value: object) -> None:
    """One field each of kinds with few defaults."""
    assert spec_of(text)[path] == value


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("registry:5000/nginx", "Always"),
        ("registry:5000/nginx:1.27", "IfNotPresent"),
        ("nginx@sha256:0000", "IfNotPresent"),
    ],
)
def test_images_that_may_change_are_pulled(image: str, policy: str) -> None:
    """A port of the registry is no tag; a digest never changes."""
    assert pull_policy(image) == policy


def test_defaults_are_settled_and_filled_once() -> None:
    """Filling in again changes nothing."""
    once = stored(f"{{apiVersion: apps/v1, kind: Deployment, spec: {{{TEMPLATE}}}}}")
    again = yaml.safe_load(yaml.safe_dump(once))
    struct = load().struct(Kind.of(once))
    assert struct is not None
    struct.settle(again)
    apply_defaults(Kind.of(once), again)

    assert again == once
