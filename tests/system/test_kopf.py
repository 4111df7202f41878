"""An operator written with kopf, unchanged, over the wire: it sees, patches, adopts, retries and lets go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kopf.testing import KopfRunner

from tests.hookserver import Authority
from tests.system.program import eventually
from trueup.kube.problems import ApiProblem
from trueup.testing import Cluster

pytestmark = pytest.mark.system

OPERATOR = Path(__file__).parent / "clients" / "operator_of_lamps.py"
CHECKS = OPERATOR.with_name("operator_of_checks.py")
DEFINITION = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: lamps.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {kind: Lamp, plural: lamps}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, properties: {room: {type: string}, watts: {type: integer}}}
          status: {type: object, x-kubernetes-preserve-unknown-fields: true}
"""


def lamp(**spec: Any) -> dict[str, Any]:
    """One on the desk."""
    return {"apiVersion": "example.com/v1", "kind": "Lamp", "metadata": {"name": "desk"}, "spec": spec}


def test_an_operator_by_kopf(cluster: Cluster) -> None:
    """Handlers of all kinds do their work, from the first object to the last."""
    cluster.apply(DEFINITION)
    cluster.wait("crd", "lamps.example.com")

    def status(check: Any) -> dict[str, Any]:
        found: dict[str, Any] = cluster.wait("lamp", "desk", lambda found: check(found.get("status") or {}))
        return found

    with KopfRunner(["run", "--all-namespaces", "--standalone", "--verbose", str(OPERATOR)]) as runner:
        cluster.apply(lamp(room="study", watts=40))
        made = status(lambda said: said.get("create"))
        assert made["status"]["create"] == {"tries": 3}
        assert made["metadata"]["labels"] == {"lit": "yes"}
        assert made["metadata"]["finalizers"] == ["lamps.example.com/finalizer"]
        [owner] = cluster.get("configmap", "desk-child")["metadata"]["ownerReferences"]
        assert (owner["name"], owner["uid"]) == ("desk", made["metadata"]["uid"])

        cluster.apply(lamp(room="study", watts=60))
        status(lambda said: said.get("watts") == "40 to 60")
        cluster.apply(lamp(room="hall", watts=60))
        status(lambda said: said.get("rooms") == ["hall"] and said.get("ticks") == 3)

        cluster.apply(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "bulb", "labels": {"lamp": "desk"}}}
        )
        cluster.delete("lamp", "desk")
        cluster.wait_gone("lamp", "desk")
        cluster.wait_gone("configmap", "desk-child")
        eventually(lambda: "PutOut" in [event["reason"] for event in cluster.list("events", namespace="default")])

    assert runner.exception is None
    assert runner.exit_code == 0
    assert "saw ADDED" in runner.output
    assert "burns no more" in runner.output
    assert "Traceback" not in runner.output


def test_admission_handlers_by_kopf(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """kopf configures its own webhooks, which refuse and complete what is written."""
    authority = Authority(tmp_path)
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    authority.server("127.0.0.1")
    monkeypatch.setenv("HOOK_CERTIFICATES", str(tmp_path))
    cluster.apply(DEFINITION)
    cluster.wait("crd", "lamps.example.com")

    def refusal(labels: dict[str, str] | None = None, **spec: Any) -> str:
        made = lamp(**spec)
        made["metadata"]["labels"] = labels or {}
        try:
            cluster.apply(made)
        except ApiProblem as problem:
            return f"{problem.code} {problem.message}"
        return ""

    with KopfRunner(["run", "--all-namespaces", "--standalone", "--verbose", str(CHECKS)]) as runner:
        eventually(lambda: "555" in refusal(room="not-allowed"))
        lead = 'admission webhook "lazy.spec.room.auto.example.com" denied the request'
        assert refusal(room="not-allowed") == f"555 {lead}: I'm too lazy anyway. Go away!"
        assert refusal(room="wrong").endswith("denied the request: Meh! I don't like it. Change the room.")
        assert refusal({"complete": "please"}, room="study") == ""
        assert cluster.get("lamp", "desk")["spec"] == {"room": "study", "watts": 123}

    assert runner.exception is None
    assert runner.exit_code == 0
    assert "Traceback" not in runner.output
