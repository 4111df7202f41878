"""An operator: each Site gets a Deployment of its own, which goes with it."""

from typing import Any

import kopf
import kubernetes


@kopf.on.create("sites.example.com")
@kopf.on.update("sites.example.com", field="spec")
def deploy(spec: Any, name: str, namespace: str, patch: kopf.Patch, **_: Any) -> None:
    """Make the Deployment as the Site says, and say so in its status."""
    labels = {"site": name}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": spec["replicas"],
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "web", "image": spec["image"]}]},
            },
        },
    }
    kopf.adopt(deployment)
    kubernetes.config.load_kube_config()
    apps = kubernetes.dynamic.DynamicClient(kubernetes.client.ApiClient()).resources.get(
        api_version="apps/v1", kind="Deployment"
    )
    apps.server_side_apply(body=deployment, field_manager="sites", force_conflicts=True)
    patch.status["deployed"] = spec["image"]
