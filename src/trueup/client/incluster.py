"""Access with the service account that a pod is given. Called by `kubeconfig.load` when there is no kubeconfig.

Source: client-go ``rest.InClusterConfig``.
"""

from __future__ import annotations

import os
from pathlib import Path

from trueup.client.access import AccessProblem, ClusterAccess

IN_CLUSTER = "in-cluster"
"""The context of such an access."""
_FOLDER = Path("/var/run/secrets/kubernetes.io/serviceaccount")


def available(folder: Path = _FOLDER) -> bool:
    """Whether this runs in a pod with a service account."""
    return bool(os.environ.get("KUBERNETES_SERVICE_HOST")) and (folder / "token").is_file()


def load(folder: Path = _FOLDER) -> ClusterAccess:
    """The pod's access. Raises ``AccessProblem`` outside of a pod."""
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host or not (folder / "token").is_file():
        raise AccessProblem("this is no pod with a service account: give a kubeconfig")
    ca, namespace = folder / "ca.crt", folder / "namespace"
    return ClusterAccess(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        ca=ca.read_bytes() if ca.is_file() else b"",
        token_file=folder / "token",
        namespace=namespace.read_text().strip() if namespace.is_file() else "default",
        context=IN_CLUSTER,
    )
