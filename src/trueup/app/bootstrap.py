"""How `trueup up SOURCE` begins: the source as a GitRepository, its first folder as a Kustomization.

The beginning is a unit like any other: it has a history, prunes, heals, and `trueup why bootstrap` explains it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pygit2

from trueup.kube.names import Object
from trueup.ports import Client, GitSpec, SourceProblem, Tree
from trueup.source.fetcher import GitFetcher

NAMESPACE = "trueup-system"
SOURCE = "source"
NAME = "bootstrap"
_KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")


@dataclass(frozen=True, slots=True)
class Start:
    """Where to begin: the URL that the units will name, and the folder that answers it, if it is a local one."""

    url: str
    folder: Path | None = None


def start_of(source: str) -> Start:
    """What SOURCE means. A local repository goes by its remote's URL, so that objects that name it find it here.

    Raises ``SourceProblem`` when there is no such folder.
    """
    if "://" in source or source.startswith("git@"):
        return Start(source)
    folder = Path(source).expanduser().resolve()
    if not folder.is_dir():
        raise SourceProblem("NotFound", f"{source} is neither a folder nor a URL", retry=False)
    return Start(_remote(folder) or f"https://localhost/{folder.name}.git", folder)


def _remote(folder: Path) -> str:
    """The URL of a repository's ``origin``; empty for a folder inside one and for what is no repository."""
    if not (folder / ".git").exists() and not (folder / "HEAD").exists():
        return ""
    try:
        url = str(pygit2.Repository(str(folder)).remotes["origin"].url or "")
    except (KeyError, pygit2.GitError):
        return ""
    return url if url.startswith(("https://", "http://", "ssh://")) else ""


async def first_folder(fetcher: GitFetcher, start: Start, path: str) -> tuple[str, str]:
    """The folder to begin with and why: the one asked for, else what convention says.

    A kustomization at the top, the only folder of ``clusters/``, the usual names, else the top as it is.
    Raises ``SourceProblem`` when several would do or none is there.
    """
    artifact = await fetcher.fetch(GitSpec(start.url))
    tree = artifact.tree
    if path:
        wanted = path.strip("/").removeprefix("./")
        if wanted not in ("", ".") and tree.kind(wanted) != "folder":
            raise SourceProblem(
                "NotFound", f"{start.url} has no folder {wanted} at {artifact.revision[:7]}", retry=False
            )
        return wanted if wanted != "." else "", "as asked for"
    if any(tree.kind(name) == "file" for name in _KUSTOMIZATIONS):
        return "", "the kustomization at the top"
    clusters = _folders(tree, "clusters")
    if len(clusters) == 1:
        return f"clusters/{clusters[0]}", "the only folder in clusters/"
    if clusters:
        names = ", ".join(f"clusters/{name}" for name in clusters)
        raise SourceProblem("Ambiguous", f"several folders to begin with: choose one by --path ({names})", retry=False)
    for name in ("bootstrap", "argocd", "apps", "base", "deploy", "manifests", "kustomize"):
        if tree.kind(name) == "folder":
            return name, f"the folder {name}/"
    return "", "the top of the repository"


def _folders(tree: Tree, path: str) -> list[str]:
    if tree.kind(path) != "folder":
        return []
    return [name for name in tree.list(path) if tree.kind(f"{path}/{name}") == "folder"]


def objects(start: Start, folder: str) -> list[Object]:
    """What is applied to begin."""
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {
            "apiVersion": "source.toolkit.fluxcd.io/v1",
            "kind": "GitRepository",
            "metadata": {"name": SOURCE, "namespace": NAMESPACE},
            "spec": {"interval": "1m", "url": start.url, "ref": {"name": "HEAD"}},
        },
        {
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
            "kind": "Kustomization",
            "metadata": {"name": NAME, "namespace": NAMESPACE},
            "spec": {
                "interval": "10m",
                "path": f"./{folder}",
                "prune": True,
                "sourceRef": {"kind": "GitRepository", "name": SOURCE},
            },
        },
    ]


async def begin(client: Client, start: Start, folder: str) -> None:
    """Apply it; again after a restart changes nothing."""
    for obj in objects(start, folder):
        await client.apply(obj, manager="trueup")
