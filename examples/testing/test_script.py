"""The restart script against a Kubernetes API of this test's own."""

from kubernetes import config
from restart import restart_all

from trueup.testing import Cluster

WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: nginx}]}
"""


def test_every_pod_is_replaced(cluster: Cluster) -> None:
    """A restart ends with as many pods as before, all of them new."""
    cluster.apply(WEB)
    cluster.wait("deployment", "web")
    before = {pod["metadata"]["name"] for pod in cluster.list("pods", labels="app=web")}
    config.load_kube_config()

    assert restart_all("default") == ["web"]

    cluster.wait("deployment", "web", lambda found: found["status"]["observedGeneration"] == 2)
    cluster.wait("deployment", "web")
    pods = [pod["metadata"] for pod in cluster.list("pods", labels="app=web")]
    after = {pod["name"] for pod in pods if "deletionTimestamp" not in pod}
    assert len(after) == 3
    assert not before & after
