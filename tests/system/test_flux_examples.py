"""The kustomize-controller's own end-to-end run, on its own examples: overlays, dependencies, impersonation, managed fields.

The examples follow a repository by tags and branches; here a folder with the same files answers for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.corpora import corpus
from tests.system.cluster import needs_kubectl
from tests.system.program import Program, Repository, eventually, program

pytestmark = [pytest.mark.system, needs_kubectl]

URL = "https://github.com/stefanprodan/podinfo"
NAMESPACE = "kustomize-system"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A cluster with the example's repository at hand, and its namespace."""
    home = tmp_path_factory.mktemp("examples")
    podinfo = Repository.of(home / "podinfo", corpus("realworld/podinfo"))
    for file in (podinfo.folder / "deploy").rglob("kustomization.yaml"):
        for script in re.findall(r"scripts/\S+\.sh", file.read_text()):  # the corpora hold no scripts
            podinfo.write(str(file.parent.relative_to(podinfo.folder) / script), "#!/bin/sh\n")
    podinfo.commit("the scripts")
    podinfo.git("branch", "master")
    for tag in ("6.3.5", "6.9.0"):
        podinfo.git("tag", tag)
    beginning = Repository.of(home / "beginning")
    beginning.write("begin/kustomization.yaml", "resources: [namespace.yaml]\n")
    beginning.write("begin/namespace.yaml", f"apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {NAMESPACE}\n")
    beginning.commit("begin")
    arguments = (str(beginning.folder), "--path", "begin", "--map", f"{URL}={podinfo.folder}")
    with program(home / "run", *arguments) as made:
        eventually(lambda: made.get("namespace", NAMESPACE))
        yield made


def examples(name: str) -> str:
    """A folder of the controller's examples."""
    return str(corpus(f"flux-kustomize-controller/config/testdata/{name}"))


def ready(running: Program, namespace: str, *names: str) -> None:
    for name in names:
        running.kubectl("-n", namespace, "wait", f"kustomization/{name}", "--for=condition=Ready", "--timeout=45s")


def test_overlays(running: Program) -> None:
    """Two environments of one repository, by a branch and by a range of tags, with health checks that name no version."""
    running.kubectl("-n", NAMESPACE, "apply", "-k", examples("overlays"))
    ready(running, NAMESPACE, "webapp-staging", "webapp-production")
    found = running.get("gitrepositories", "-n", NAMESPACE)["items"]

    revisions = {item["metadata"]["name"]: item["status"]["artifact"]["revision"].split("@")[0] for item in found}
    assert revisions["webapp-releases"] == "6.9.0"
    assert running.get("deployment", "frontend", "-n", "production")["status"]["readyReplicas"] >= 1
    print("2 of 2 overlays")


def test_dependencies(running: Program) -> None:
    """Common before backend before frontend."""
    running.kubectl("-n", NAMESPACE, "apply", "-k", examples("dependencies"))
    ready(running, NAMESPACE, "common", "backend", "frontend")

    assert running.get("deployment", "frontend", "-n", "webapp")["status"]["readyReplicas"] >= 1
    print("3 of 3 dependencies")


def test_impersonation(running: Program) -> None:
    """As a service account with a role in its own namespace; deleted, it takes its objects along."""
    running.kubectl("apply", "-f", examples("impersonation"))
    ready(running, "impersonation", "podinfo")
    running.kubectl("-n", "impersonation", "delete", "kustomization/podinfo")

    eventually(lambda: running.get("deployment", "podinfo", "-n", "impersonation") is None)


def test_managed_fields(running: Program, tmp_path: Path) -> None:
    """Nothing stays kubectl's that a Kustomization takes over."""
    manifests = tmp_path / "podinfo.yaml"
    manifests.write_text(running.kubectl("kustomize", str(corpus("realworld/podinfo/kustomize"))))
    running.kubectl("create", "namespace", "managed-fields")
    running.kubectl("-n", "managed-fields", "apply", "-f", str(manifests))
    running.kubectl("-n", "managed-fields", "apply", "-f", examples("managed-fields"))
    ready(running, "managed-fields", "podinfo")

    def managers() -> set[str]:
        found = running.get("deployment", "podinfo", "-n", "managed-fields", "--show-managed-fields")
        return {entry["manager"] for entry in found["metadata"]["managedFields"]}

    assert not [name for name in managers() if "kubectl" in name]
    assert "kustomize-controller" in managers()
    found = running.get("deployment", "podinfo", "-n", "managed-fields")
    assert "kubectl.kubernetes.io/last-applied-configuration" not in found["metadata"].get("annotations", {})
