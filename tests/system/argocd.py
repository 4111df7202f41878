"""A running program and one Git repository for many Applications, each with a folder of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.system.program import Program, Repository, eventually, program

URL = "https://git.example.com/everything.git"
HERE = "https://kubernetes.default.svc"
AUTOMATED = {"automated": {"prune": True, "selfHeal": True}}
HOOK = "argocd.argoproj.io/hook"
WAVE = "argocd.argoproj.io/sync-wave"
OPTIONS = "argocd.argoproj.io/sync-options"


def config(name: str, annotations: dict[str, str] | None = None, **data: str) -> dict[str, Any]:
    """A ConfigMap."""
    meta: dict[str, Any] = {"name": name, **({"annotations": annotations} if annotations else {})}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


def deployment(
    name: str, annotations: dict[str, str] | None = None, pod: dict[str, str] | None = None
) -> dict[str, Any]:
    """A Deployment of one pod; ``pod`` are annotations that steer the simulation."""
    labels = {"app": name}
    template = {"metadata": {"labels": labels, "annotations": pod or {}}, "spec": {"containers": [container(name)]}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    meta = {"name": name, "annotations": annotations or {}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}


def job(name: str, annotations: dict[str, str] | None = None, pod: dict[str, str] | None = None) -> dict[str, Any]:
    """A Job that ends at once; a name with a dash at its end is generated."""
    meta = {"generateName" if name.endswith("-") else "name": name, "annotations": annotations or {}}
    template = {
        "metadata": {"annotations": pod or {}},
        "spec": {"restartPolicy": "Never", "containers": [container(name)]},
    }
    spec = {"backoffLimit": 0, "template": template}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": spec}


def container(name: str) -> dict[str, Any]:
    return {"name": name.strip("-"), "image": f"example.com/{name.strip('-')}:1"}


@dataclass
class Everything:
    """The program, the repository, and how to speak of Applications."""

    running: Program
    repository: Repository

    def files(self, folder: str, *objects: dict[str, Any], message: str = "") -> str:
        """A folder that holds exactly these objects, committed; the commit."""
        self.put(folder, *objects)
        return self.repository.commit(message or f"write {folder}")

    def put(self, folder: str, *objects: dict[str, Any]) -> None:
        """A folder that holds exactly these objects, not committed yet."""
        for old in (self.repository.folder / folder).glob("*.json"):
            old.unlink()
        self.repository.write(f"{folder}/.keep", "")
        for n, obj in enumerate(objects):
            self.repository.write(f"{folder}/{n:02}-{obj['kind'].lower()}.json", json.dumps(obj, indent=1) + "\n")

    def app(self, name: str, policy: dict[str, Any] | None = None, **changes: Any) -> None:
        """Apply an Application for the folder of its name, into the namespace of its name, which is made."""
        meta = changes.pop("metadata", {})
        namespace = meta.get("namespace", "argocd")
        if "destination" not in changes:
            self.kubectl("create", "namespace", name, check=False)
        spec = {
            "project": "default",
            "source": {"repoURL": URL, "path": name},
            "destination": {"server": HERE, "namespace": name},
            "syncPolicy": policy or {},
            **changes,
        }
        if "sources" in spec:
            del spec["source"]
        self.apply(
            {
                "apiVersion": "argoproj.io/v1alpha1",
                "kind": "Application",
                "metadata": {"name": name, "namespace": namespace, **meta},
                "spec": spec,
            }
        )

    def apply(self, *objects: dict[str, Any]) -> None:
        self.kubectl("apply", "-f", "-", given=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))

    def kubectl(self, *args: str, check: bool = True, given: str | None = None) -> str:
        return self.running.kubectl(*args, check=check, given=given)

    def get(self, kind: str, name: str, namespace: str) -> Any:
        """An object, or None."""
        return self.running.get(kind, name, "-n", namespace)

    def data(self, namespace: str) -> dict[str, dict[str, str]]:
        """The data of the ConfigMaps of a namespace, by name."""
        items = self.running.get("configmaps", "-n", namespace)["items"]
        return {o["metadata"]["name"]: o.get("data", {}) for o in items if o["metadata"]["name"] != "kube-root-ca.crt"}

    def patch(self, name: str, body: dict[str, Any]) -> None:
        """A merge patch on an Application."""
        self.kubectl("patch", "application", name, "-n", "argocd", "--type=merge", "-p", json.dumps(body))

    def sync(self, name: str, **sync: Any) -> None:
        """Ask for an operation, as Argo CD's own clients write it."""
        retry = {"retry": sync.pop("retry")} if "retry" in sync else {}
        self.patch(name, {"operation": {"initiatedBy": {"username": "ada"}, "sync": sync, **retry}})

    def status(self, name: str) -> dict[str, Any]:
        """An Application's status; empty before there is any."""
        found = self.get("application", name, "argocd")
        status: dict[str, Any] = (found or {}).get("status") or {}
        return status

    def until(self, name: str, check: Callable[[dict[str, Any]], Any], *, within: float = 20.0) -> dict[str, Any]:
        """The first status that a check holds for."""
        last: dict[str, Any] = {}

        def holds() -> bool:
            nonlocal last
            last = self.status(name)
            try:
                return bool(check(last))
            except (KeyError, IndexError):
                return False

        try:
            eventually(holds, within=within)
        except AssertionError:
            raise AssertionError(f"{name} is still {json.dumps(last, indent=1)}\n{self.running.log[-2000:]}") from None
        return last

    def synced(self, name: str, revision: str = "", health: str = "Healthy") -> dict[str, Any]:
        """Wait until an Application is Synced and its health as said, at a revision if one is given."""
        return self.until(
            name,
            lambda s: (
                s["sync"]["status"] == "Synced"
                and s["health"]["status"] == health
                and revision in ("", s["sync"].get("revision"))
            ),
        )

    def ended(self, name: str, phase: str, since: str = "") -> dict[str, Any]:
        """Wait until the last operation ended so; ``since``: it began later than that."""

        def over(s: dict[str, Any]) -> bool:
            state = s["operationState"]
            return bool(state["phase"] == phase and state.get("finishedAt") and state["startedAt"] >= since)

        state: dict[str, Any] = self.until(name, over)["operationState"]
        return state

    def conditions(self, name: str) -> dict[str, str]:
        """The conditions by type."""
        return {c["type"]: c["message"] for c in self.status(name).get("conditions") or ()}

    def condition(self, name: str, kind: str, text: str) -> str:
        """Wait for a condition whose message a pattern is found in."""
        found = eventually(lambda: (m := self.conditions(name).get(kind)) is not None and re.search(text, m) and m)
        return str(found)


def results(state: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The results of an operation by ``phase Kind/name``."""
    return {
        f"{entry['syncPhase']} {entry['kind']}/{entry['name']}": entry
        for entry in state["syncResult"].get("resources") or ()
    }


@contextmanager
def everything(home: Path) -> Iterator[Everything]:
    """All of it, up and empty."""
    repository = Repository.of(home / "repository")
    with program(home / "run", "--map", f"{URL}={repository.folder}") as running:
        yield Everything(running, repository)
