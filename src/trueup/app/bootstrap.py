"""How `trueup up SOURCE` begins: the source as a GitRepository, its first folder as a Kustomization.

The beginning is a unit like any other: it has a history, prunes, heals, and `trueup why bootstrap` explains it. Where a
Kustomization cannot deliver it (a chart, Applications all over the tree), it is an Application.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pygit2

from trueup.app.convention import Beginning
from trueup.kube.names import Kind, Object, Ref
from trueup.kube.problems import NotFound
from trueup.ports import Client, SourceProblem

NAMESPACE = "trueup-system"
SOURCE = "source"
NAME = "bootstrap"
ARGOCD = "argocd"
FLUX = "flux-system"


@dataclass(frozen=True, slots=True)
class Start:
    """Where to begin: the URL that the units will name, and the folder that answers it, if it is a local one."""

    url: str
    folder: Path | None = None


def start_of(source: str, mapping: Mapping[str, Path]) -> Start:
    """What SOURCE means. A local repository goes by the URL that is mapped to it, or by its remote's, so that objects that
    name it find it here.

    Raises ``SourceProblem`` when there is no such folder.
    """
    if "://" in source or source.startswith("git@"):
        return Start(source)
    folder = Path(source).expanduser().resolve()
    if not folder.is_dir():
        raise SourceProblem("NotFound", f"{source} is neither a folder nor a URL", retry=False)
    mapped = next((url for url, at in mapping.items() if at.expanduser().resolve() == folder), "")
    return Start(mapped or _remote(folder) or f"https://localhost/{folder.name}.git", folder)


def _remote(folder: Path) -> str:
    """The URL of a repository's ``origin``; empty for a folder inside one and for what is no repository."""
    if not (folder / ".git").exists() and not (folder / "HEAD").exists():
        return ""
    try:
        url = str(pygit2.Repository(str(folder)).remotes["origin"].url or "")
    except (KeyError, pygit2.GitError):
        return ""
    return url if url.startswith(("https://", "http://", "ssh://")) else ""


def objects(start: Start, found: Beginning) -> list[Object]:
    """What is applied to begin."""
    wanted: list[Object] = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}]
    if found.chart or found.files:
        wanted.append(_application(start, found))
    else:
        wanted += [_repository(start, NAMESPACE, SOURCE), _kustomization(found)]
    if found.flux_system:
        wanted.append(_repository(start, FLUX, FLUX))
    return wanted


def _repository(start: Start, namespace: str, name: str) -> Object:
    return {
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "GitRepository",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"interval": "1m", "url": start.url, "ref": {"name": "HEAD"}},
    }


def _kustomization(found: Beginning) -> Object:
    return {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {
            "name": NAME,
            "namespace": NAMESPACE,
            "annotations": {"trueup.dev/default-namespace": "default"},  # as for `kubectl apply -k`
        },
        "spec": {
            "interval": "10m",
            "path": f"./{found.folder}",
            "prune": True,
            "wait": not found.holds_units,
            "sourceRef": {"kind": "GitRepository", "name": SOURCE},
        },
    }


def _application(start: Start, found: Beginning) -> Object:
    source: Object = {"repoURL": start.url, "path": found.folder or ".", "targetRevision": "HEAD"}
    if found.files:
        source["directory"] = {"recurse": True, "include": "{" + ",".join(map(_literally, found.files)) + "}"}
    if found.chart:
        source["helm"] = {"releaseName": _release(found.folder or start.url.removesuffix(".git"))}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": NAME, "namespace": ARGOCD},
        "spec": {
            "project": "default",
            "source": source,
            "destination": {"name": "in-cluster", "namespace": ARGOCD if found.files else "default"},
            "syncPolicy": {"automated": {"prune": True, "selfHeal": True}},
        },
    }


def _release(path: str) -> str:
    """A release is called after its chart's folder, as people call it."""
    return re.sub(r"[^a-z0-9]+", "-", path.rpartition("/")[2].lower()).strip("-")[:53] or NAME


def _literally(path: str) -> str:
    """A path as a pattern that only it matches."""
    return "".join(f"\\{char}" if char in "*?[]{}\\," else char for char in path)


_UNITS = (
    Ref(Kind("argoproj.io", "v1alpha1", "Application"), ARGOCD, NAME),
    Ref(Kind("kustomize.toolkit.fluxcd.io", "v1", "Kustomization"), NAMESPACE, NAME),
)


async def begin(client: Client, start: Start, found: Beginning) -> None:
    """Apply it; again after a restart changes nothing. A beginning of the other kind, from an earlier start, goes."""
    wanted = objects(start, found)
    for obj in wanted:
        await client.apply(obj, manager="trueup")
    for ref in set(_UNITS) - {Ref.of(obj) for obj in wanted}:
        try:
            await client.delete(ref)
        except NotFound:
            continue
