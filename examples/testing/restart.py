"""A script: restart every Deployment of a namespace, as `kubectl rollout restart` does."""

import sys
from datetime import UTC, datetime

from kubernetes import client, config


def restart_all(namespace: str) -> list[str]:
    """The names of what was restarted."""
    apps = client.AppsV1Api()
    names = [deployment.metadata.name for deployment in apps.list_namespaced_deployment(namespace).items]
    now = {"kubectl.kubernetes.io/restartedAt": datetime.now(UTC).isoformat()}
    for name in names:
        apps.patch_namespaced_deployment(name, namespace, {"spec": {"template": {"metadata": {"annotations": now}}}})
    return names


if __name__ == "__main__":
    config.load_kube_config()
    print("\n".join(restart_all(sys.argv[1])))
