"""Genuine kubectl against `trueup apiserver`: workloads that move, though nothing runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.system.cluster import needs_kubectl
from tests.system.program import eventually

pytestmark = [pytest.mark.system, needs_kubectl]


@dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl with the kubeconfig that the server wrote."""

    config: Path

    def __call__(self, *args: str, given: str = "", check: bool = True) -> str:
        environment = {**os.environ, "KUBECONFIG": str(self.config), "HOME": str(self.config.parent)}
        done = subprocess.run(
            ["kubectl", *args], capture_output=True, text=True, env=environment, input=given, timeout=60, check=False
        )
        assert not check or done.returncode == 0, f"kubectl {' '.join(args)}: {done.stderr}"
        return done.stdout + ("" if check else done.stderr)

    def get(self, *args: str) -> Any:
        return json.loads(self("get", *args, "-o", "json"))


@pytest.fixture(scope="module")
def kubectl(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubectl]:
    """A server in a process of its own, for the whole file."""
    home = tmp_path_factory.mktemp("apiserver")
    config = home / "kubeconfig"
    command = [sys.executable, "-m", "trueup.cli.main", "apiserver", "--memory", "--listen", "127.0.0.1:0"]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--state", str(home / "state"), "--kubeconfig-out", str(config)],
            cwd=home,
            stdout=log,
            stderr=log,
        )
    try:
        eventually(lambda: config.exists() or process.poll() is not None)
        assert process.poll() is None, (home / "log").read_text()
        made = Kubectl(config)
        eventually(
            lambda: made("get", "serviceaccounts", "default", "-o", "name", check=False) == "serviceaccount/default\n"
        )
        yield made
    finally:
        process.terminate()
        assert process.wait(30) == 0, (home / "log").read_text()


def deployed(kubectl: Kubectl, name: str, *args: str) -> None:
    """A deployment that has rolled out."""
    kubectl("create", "deployment", name, "--image=nginx:1", *args)
    kubectl("rollout", "status", f"deployment/{name}", "--timeout=30s")


def test_rollout_is_followed_to_its_end(kubectl: Kubectl) -> None:
    """`rollout status`, `history` and `undo` see a rollout as they would on real nodes."""
    deployed(kubectl, "roll", "--replicas=2")
    kubectl("set", "image", "deployment/roll", "nginx=nginx:2")
    said = kubectl("rollout", "status", "deployment/roll", "--timeout=30s")
    assert said.endswith('deployment "roll" successfully rolled out\n')
    history = kubectl("rollout", "history", "deployment/roll").splitlines()
    assert [line.split()[0] for line in history[2:] if line] == ["1", "2"]
    kubectl("rollout", "undo", "deployment/roll")
    kubectl("rollout", "status", "deployment/roll", "--timeout=30s")
    assert kubectl.get("deployment", "roll")["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx:1"


def test_scale_makes_and_removes_pods(kubectl: Kubectl) -> None:
    """Pods come and go with the number that is asked for."""
    deployed(kubectl, "many")
    kubectl("scale", "deployment/many", "--replicas=3")
    kubectl("wait", "deployment/many", "--for=jsonpath={.status.readyReplicas}=3", "--timeout=30s")
    assert len(kubectl.get("pods", "-l", "app=many")["items"]) == 3
    kubectl("scale", "deployment/many", "--replicas=1")
    eventually(lambda: len(kubectl.get("pods", "-l", "app=many")["items"]) == 1)


def test_wait_for_conditions(kubectl: Kubectl) -> None:
    """Deployments become available, jobs complete."""
    deployed(kubectl, "ready")
    kubectl("wait", "--for=condition=Available", "deployment/ready", "--timeout=30s")
    kubectl("create", "job", "once", "--image=busybox", "--", "true")
    said = kubectl("wait", "--for=condition=Complete", "job/once", "--timeout=30s")
    assert said == "job.batch/once condition met\n"


def test_logs_say_that_they_are_simulated(kubectl: Kubectl) -> None:
    """`kubectl logs` answers, and does not pretend."""
    deployed(kubectl, "talk")
    assert "nothing runs" in kubectl("logs", "deployment/talk")


def test_exec_says_why_it_cannot(kubectl: Kubectl) -> None:
    """What needs a container is refused with the reason."""
    deployed(kubectl, "closed")
    assert "simulated" in kubectl("exec", "deployment/closed", "--", "ls", check=False)


def test_deleting_takes_what_it_owns(kubectl: Kubectl) -> None:
    """A deployment goes with its replica sets and pods; a namespace with everything in it."""
    deployed(kubectl, "owner", "--replicas=2")
    kubectl("delete", "deployment", "owner")
    eventually(lambda: not kubectl.get("replicasets,pods", "-l", "app=owner")["items"])
    kubectl("create", "namespace", "full")
    kubectl("create", "configmap", "held", "-n", "full")
    kubectl("delete", "namespace", "full", "--timeout=30s")
    assert "NotFound" in kubectl("get", "namespace", "full", check=False)


def test_orphans_stay(kubectl: Kubectl) -> None:
    """`--cascade=orphan` lets what is owned live on."""
    deployed(kubectl, "parent")
    kubectl("delete", "deployment", "parent", "--cascade=orphan")
    left = kubectl.get("replicasets", "-l", "app=parent")["items"]
    assert [each["metadata"].get("ownerReferences") for each in left] == [None]
    kubectl("delete", "replicasets", "-l", "app=parent")


NODE = """
apiVersion: v1
kind: Node
metadata: {name: %s, labels: {pool: drained}, annotations: {simulate.trueup.dev/simulated: "true"}}
"""


def _places(kubectl: Kubectl, name: str) -> set[str]:
    """Where the pods of a deployment are that are not on their way out."""
    found = kubectl.get("pods", "-l", f"app={name}")["items"]
    return {one["spec"].get("nodeName", "") for one in found if not one["metadata"].get("deletionTimestamp")}


def test_a_node_is_cordoned_drained_and_taken_back(kubectl: Kubectl) -> None:
    """Its pods go elsewhere, one by one where a budget guards them; a DaemonSet's stay; then it takes pods again."""
    for name in ("pool-1", "pool-2"):
        kubectl("apply", "-f", "-", given=NODE % name)
        kubectl("wait", f"node/{name}", "--for=condition=Ready", "--timeout=30s")
    spread = {"topologyKey": "kubernetes.io/hostname", "maxSkew": 1, "whenUnsatisfiable": "ScheduleAnyway"}
    pod_spec = {
        "nodeSelector": {"pool": "drained"},
        "topologySpreadConstraints": [{**spread, "labelSelector": {"matchLabels": {"app": "move"}}}],
    }
    kubectl("create", "deployment", "move", "--image=nginx:1", "--replicas=4")
    kubectl("patch", "deployment", "move", "-p", json.dumps({"spec": {"template": {"spec": pod_spec}}}))
    kubectl("rollout", "status", "deployment/move", "--timeout=30s")
    eventually(lambda: _places(kubectl, "move") == {"pool-1", "pool-2"})
    kubectl("create", "poddisruptionbudget", "move", "--selector=app=move", "--min-available=3")
    eventually(lambda: kubectl.get("pdb", "move").get("status", {}).get("disruptionsAllowed") == 1)

    kubectl("cordon", "pool-1")
    eventually(lambda: "unschedulable" in json.dumps(kubectl.get("node", "pool-1")["spec"].get("taints")))
    assert "SchedulingDisabled" in kubectl("get", "node", "pool-1")
    said = kubectl("drain", "pool-1", "--timeout=60s", "--ignore-daemonsets")
    assert " evicted\n" in said
    assert said.rstrip().endswith("node/pool-1 drained")
    kubectl("rollout", "status", "deployment/move", "--timeout=30s")
    assert _places(kubectl, "move") == {"pool-2"}

    kubectl("uncordon", "pool-1")
    eventually(lambda: not kubectl.get("node", "pool-1")["spec"].get("taints"))
    kubectl("scale", "deployment/move", "--replicas=6")
    kubectl("rollout", "status", "deployment/move", "--timeout=30s")
    assert _places(kubectl, "move") == {"pool-1", "pool-2"}
    kubectl("delete", "deployment/move", "pdb/move")
    eventually(lambda: not kubectl.get("pods", "-l", "app=move")["items"])
    kubectl("delete", "node/pool-1", "node/pool-2")


def test_a_taint_drives_pods_away(kubectl: Kubectl) -> None:
    """`kubectl taint` with NoExecute: who does not bear it goes, and waits for the right reason."""
    kubectl("apply", "-f", "-", given=(NODE % "gpu-1").replace("drained", "gpu"))
    kubectl("wait", "node/gpu-1", "--for=condition=Ready", "--timeout=30s")
    override = {"spec": {"nodeSelector": {"pool": "gpu"}, "containers": [{"name": "main", "image": "nginx:1"}]}}
    kubectl("run", "chased", "--image=nginx:1", "--overrides", json.dumps(override))
    kubectl("wait", "pod/chased", "--for=condition=Ready", "--timeout=30s")
    kubectl("taint", "node", "gpu-1", "busy=yes:NoExecute")
    kubectl("wait", "pod/chased", "--for=delete", "--timeout=30s")
    kubectl("run", "waits", "--image=nginx:1", "--overrides", json.dumps(override))
    kubectl("wait", "pod/waits", "--for=condition=PodScheduled=False", "--timeout=30s")
    eventually(lambda: "1 node(s) had untolerated taint(s)" in kubectl("describe", "pod", "waits"))
    kubectl("taint", "node", "gpu-1", "busy-")
    kubectl("wait", "pod/waits", "--for=condition=Ready", "--timeout=30s")
    kubectl("delete", "pod/waits")
    kubectl("delete", "node/gpu-1")


@pytest.mark.parametrize("kind", ["daemonset", "statefulset"])
def test_rollout_undo_of_a_set(kubectl: Kubectl, kind: str) -> None:
    """`rollout history` lists its revisions, `rollout undo` takes up the one before."""
    own = {"serviceName": "back"} if kind == "statefulset" else {}
    kinds = {"daemonset": "DaemonSet", "statefulset": "StatefulSet"}
    container = {"name": "main", "image": "nginx:1"}
    spec = {
        "selector": {"matchLabels": {"app": kind}},
        "template": {"metadata": {"labels": {"app": kind}}, "spec": {"containers": [container]}},
        **own,
    }
    made = {"apiVersion": "apps/v1", "kind": kinds[kind], "metadata": {"name": "back"}, "spec": spec}
    kubectl("apply", "-f", "-", given=json.dumps(made))
    kubectl("rollout", "status", f"{kind}/back", "--timeout=30s")
    kubectl("set", "image", f"{kind}/back", "main=nginx:2")
    kubectl("rollout", "status", f"{kind}/back", "--timeout=30s")
    history = kubectl("rollout", "history", f"{kind}/back").splitlines()
    assert [line.split()[0] for line in history[2:] if line] == ["1", "2"]
    kubectl("rollout", "undo", f"{kind}/back")
    kubectl("rollout", "status", f"{kind}/back", "--timeout=30s")
    (pod,) = kubectl.get("pods", "-l", f"app={kind}")["items"]
    assert pod["spec"]["containers"][0]["image"] == "nginx:1"
    kubectl("delete", kind, "back")


def test_autoscale_follows_a_simulated_load(kubectl: Kubectl) -> None:
    """The load is told in an annotation; `get hpa` shows it, the deployment grows."""
    kubectl("create", "deployment", "busy", "--image=nginx:1", "--replicas=1")
    kubectl("set", "resources", "deployment/busy", "--requests=cpu=100m")
    kubectl("rollout", "status", "deployment/busy", "--timeout=30s")
    kubectl("annotate", "deployment", "busy", "simulate.trueup.dev/cpu=200m")
    metric = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}},
    }
    scaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "busy"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "busy"},
            "minReplicas": 1,
            "maxReplicas": 9,
            "metrics": [metric],
        },
    }
    kubectl("apply", "-f", "-", given=json.dumps(scaler))
    kubectl("wait", "deployment/busy", "--for=jsonpath={.status.readyReplicas}=4", "--timeout=30s")
    kubectl("wait", "hpa/busy", "--for=condition=AbleToScale", "--timeout=30s")
    assert "SuccessfulRescale" in kubectl("describe", "hpa", "busy")
    kubectl("delete", "hpa/busy", "deployment/busy")


def test_a_description_tells_a_pods_life(kubectl: Kubectl) -> None:
    """Scheduled, pulled, created and started, by scheduler and kubelet."""
    kubectl("run", "told", "--image=nginx:1")
    kubectl("wait", "pod/told", "--for=condition=Ready", "--timeout=30s")
    eventually(lambda: "Container started" in kubectl("describe", "pod", "told"))
    lines = [line.split() for line in kubectl("describe", "pod", "told").partition("Events:")[2].splitlines()[3:]]
    assert [(line[1], line[3]) for line in lines if line] == [
        ("Scheduled", "default-scheduler"),
        ("Pulled", "kubelet"),
        ("Created", "kubelet"),
        ("Started", "kubelet"),
    ]
    kubectl("delete", "pod/told")
