"""Makes the repositories that benchmarks deliver: N applications of 20 objects each, as plain manifests."""

from __future__ import annotations

import subprocess
from pathlib import Path

from trueup.kube.documents import dump
from trueup.kube.names import Object

URL = "https://git.example.com/fleet.git"


def objects_of(app: str) -> list[Object]:
    """Twenty objects of an app as people write them: a workload, its service, its settings."""
    labels = {"app": app}
    pod = {
        "metadata": {"labels": labels},
        "spec": {
            "containers": [
                {
                    "name": "web",
                    "image": "registry.example.com/web:1.4.2",
                    "ports": [{"containerPort": 8080, "name": "http"}],
                    "env": [{"name": f"SETTING_{i}", "value": f"value {i}"} for i in range(6)],
                    "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
                    "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}},
                }
            ]
        },
    }
    found: list[Object] = [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web", "labels": labels},
            "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": pod},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web"},
            "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": "http", "name": "http"}]},
        },
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "web"}},
    ]
    found += [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": f"settings-{i}", "labels": labels},
            "data": {f"key-{k}": f"value {k} of {app}" for k in range(10)},
        }
        for i in range(20 - len(found))
    ]
    return found


def application(app: str) -> Object:
    """Its Application, automated."""
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": app, "namespace": "argocd"},
        "spec": {
            "project": "default",
            "source": {"repoURL": URL, "path": f"apps/{app}", "targetRevision": "HEAD"},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": app},
            "syncPolicy": {
                "automated": {"prune": True, "selfHeal": True},
                "syncOptions": ["CreateNamespace=true"],
            },
        },
    }


def project(namespace: str) -> Object:
    """The project that allows everything, as a fresh Argo CD has it."""
    spec = {
        "sourceRepos": ["*"],
        "destinations": [{"server": "*", "namespace": "*"}],
        "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
    }
    meta = {"name": "default", "namespace": namespace}
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": meta, "spec": spec}


def repository(namespace: str) -> Object:
    """The source of all Kustomizations."""
    return {
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "GitRepository",
        "metadata": {"name": "fleet", "namespace": namespace},
        "spec": {"interval": "10m", "url": URL, "ref": {"branch": "main"}},
    }


def kustomization(app: str, namespace: str) -> Object:
    """An app's Kustomization."""
    return {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": app, "namespace": namespace},
        "spec": {
            "interval": "10m",
            "path": f"./apps/{app}",
            "prune": True,
            "targetNamespace": app,
            "sourceRef": {"kind": "GitRepository", "name": "fleet"},
        },
    }


def write(folder: Path, count: int, prefix: str = "app") -> list[str]:
    """A Git repository with that many apps; their names."""
    names = [f"{prefix}-{index:04d}" for index in range(count)]
    for name in names:
        target = folder / "apps" / name
        target.mkdir(parents=True)
        (target / "all.yaml").write_text("---\n".join(dump(obj) for obj in objects_of(name)))
    commit(folder, "begin")
    return names


def commit(folder: Path, message: str) -> None:
    """Commit everything, as nobody in particular."""
    who = ["-c", "user.name=bench", "-c", "user.email=bench@example.com"]
    if not (folder / ".git").exists():
        subprocess.run(["git", "init", "-q", "-b", "main"], cwd=folder, check=True)
    subprocess.run(["git", "add", "-A"], cwd=folder, check=True)
    subprocess.run(["git", *who, "commit", "-q", "-m", message], cwd=folder, check=True)
