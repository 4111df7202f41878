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
