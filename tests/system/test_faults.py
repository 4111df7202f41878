"""`kill -9` at random moments of a sync: on restart it converges, and nothing that has effects is done twice."""

from __future__ import annotations

import os
import random
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.system.cluster import needs_kubectl
from tests.system.program import Program, Repository, eventually, program

pytestmark = [pytest.mark.system, needs_kubectl]
KILLS = int(os.environ.get("TRUEUP_KILLS", "5"))
URL = "https://git.example.com/faults.git"

JOB = """apiVersion: batch/v1
kind: Job
metadata:
  generateName: migrate-
  annotations:
    argocd.argoproj.io/hook: PreSync
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers: [{name: migrate, image: "example.com/migrate:%(n)d"}]
"""
CONFIG = """apiVersion: v1
kind: ConfigMap
metadata:
  name: %(name)s
  annotations: {argocd.argoproj.io/sync-wave: "%(wave)d"}
data: {round: "%(n)d"}
"""


def files(repository: Repository, n: int) -> str:
    """One round's desired state; its commit."""
    repository.write("app/hook.yaml", JOB % {"n": n})
    for wave in range(4):
        repository.write(f"app/config-{wave}.yaml", CONFIG % {"name": f"config-{wave}", "wave": wave, "n": n})
    return repository.commit(f"round {n}")


APPLICATION = f"""apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {{name: faults, namespace: argocd}}
spec:
  project: default
  source: {{repoURL: {URL}, path: app}}
  destination: {{server: https://kubernetes.default.svc, namespace: faults}}
  syncPolicy:
    automated: {{prune: true, selfHeal: true}}
    syncOptions: [CreateNamespace=true]
"""


def rounds(running: Program) -> set[str]:
    """The rounds that the live config maps show."""
    found = running.get("configmaps", "-n", "faults") or {"items": []}
    return {o["data"].get("round", "") for o in found["items"] if o["metadata"]["name"].startswith("config-")}


def images(running: Program) -> list[str]:
    """The images of all hook jobs that ever ran here (they are kept)."""
    jobs: list[dict[str, Any]] = (running.get("jobs", "-n", "faults") or {"items": []})["items"]
    return [job["spec"]["template"]["spec"]["containers"][0]["image"] for job in jobs]


def test_kill_9_in_the_middle_of_syncs(tmp_path: Path) -> None:
    """Each round: a commit, a kill at a random moment, a restart; the round arrives, its hook ran exactly once."""
    chance = random.Random(4711)
    repository = Repository.of(tmp_path / "repo")
    files(repository, 0)
    with program(tmp_path / "run", "--map", f"{URL}={repository.folder}") as running:
        running.kubectl("apply", "-f", "-", given=APPLICATION)
        eventually(lambda: rounds(running) == {"0"})
        for n in range(1, KILLS + 1):
            files(repository, n)
            threading.Event().wait(chance.uniform(0.0, 1.6))  # the moment of the fault, not a wait for anything
            running.kill()
            running.start()
            eventually(lambda n=n: rounds(running) == {str(n)}, within=60)
            eventually(lambda: _settled(running))

        ran = images(running)
        assert sorted(ran) == sorted({f"example.com/migrate:{n}" for n in range(KILLS + 1)} & set(ran))
        assert f"example.com/migrate:{KILLS}" in ran


def _settled(running: Program) -> bool:
    app = running.get("application", "faults", "-n", "argocd")
    return bool(app["status"]["sync"]["status"] == "Synced" and app["status"]["operationState"]["phase"] == "Succeeded")
