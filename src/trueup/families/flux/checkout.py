"""A GitRepository's artifact as a tree: the commit, its submodules, what it includes, less what it ignores. The shell.

Called by `source.py` with the spec, and by `inputs.py` with what the status says was stored.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from trueup.delivery.tools import DeliveryTools
from trueup.families.flux import artifact
from trueup.families.flux.credentials import credentials
from trueup.families.flux.sourceignore import Rules
from trueup.families.flux.status import commit_of
from trueup.families.flux.types import GIT_REPOSITORY, GitRepository
from trueup.kube.names import Key, Object
from trueup.ports import Artifact, GitSpec, SourceProblem, Tree

_KNOWN: WeakKeyDictionary[Tree, dict[tuple[str | None, tuple[str, ...]], Rules]] = WeakKeyDictionary()
"""What has been read of trees that are still in use; every Kustomization of a source asks anew."""
_DEEPEST = 5
"""Includes of includes, submodules of submodules: more is a circle or an attack."""


class IncludeUnavailable(Exception):
    """An included GitRepository cannot be had yet; ``reason`` is Flux's word."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Include:
    """One entry of ``spec.include``, with the revision and the digest of the artifact that was, or is to be, included."""

    name: str
    from_path: str
    to_path: str
    revision: str
    digest: str

    @classmethod
    def parse(cls, entry: Mapping[str, Any], artifact: Mapping[str, Any]) -> Include:
        name = str((entry.get("repository") or {}).get("name") or "")
        to_path = str(entry.get("toPath") or "") or name
        revision, digest = str(artifact.get("revision") or ""), str(artifact.get("digest") or "")
        return cls(name, str(entry.get("fromPath") or ""), to_path, revision, digest)


@dataclass(frozen=True, slots=True)
class Content:
    """What decides over an artifact's files besides the commit."""

    ignore: str | None = None
    sparse: tuple[str, ...] = ()
    recurse: bool = False
    includes: tuple[Include, ...] = ()

    @classmethod
    def wanted(cls, tools: DeliveryTools, repository: GitRepository) -> Content:
        """What the spec says now. Raises ``IncludeUnavailable``."""
        spec = repository.raw.get("spec") or {}
        includes = []
        for entry in spec.get("include") or ():
            includes.append(Include.parse(entry, included(tools, repository, Include.parse(entry, {}).name)))
        return cls(
            spec.get("ignore"),
            tuple(spec.get("sparseCheckout") or ()),
            bool(spec.get("recurseSubmodules")),
            tuple(includes),
        )

    @classmethod
    def stored(cls, repository: GitRepository) -> Content:
        """What the status says the artifact was made of."""
        status = repository.raw.get("status") or {}
        pairs = zip(status.get("observedInclude") or (), status.get("includedArtifacts") or (), strict=False)
        return cls(
            status.get("observedIgnore"),
            tuple(status.get("observedSparseCheckout") or ()),
            bool(status.get("observedRecurseSubmodules")),
            tuple(Include.parse(entry, kept) for entry, kept in pairs),
        )


def included(tools: DeliveryTools, repository: GitRepository, name: str) -> Object:
    """The artifact of an included repository, as its status has it. Raises ``IncludeUnavailable``."""
    other = tools.cache(GIT_REPOSITORY).get(Key(repository.key.namespace, name))
    if other is None:
        raise IncludeUnavailable("NotFound", f"could not get resource for include '{name}': it does not exist")
    stored: Object | None = (other.get("status") or {}).get("artifact")
    if not stored:
        raise IncludeUnavailable("NoArtifact", f"no artifact available for include '{name}'")
    return stored


async def checkout(
    tools: DeliveryTools, repository: GitRepository, commit: str, content: Content, deep: int = 0
) -> Artifact:
    """The artifact of a commit. Raises ``SourceProblem``, ``ApiProblem`` and ``IncludeUnavailable``."""
    if deep > _DEEPEST:
        raise SourceProblem("IncludeTooDeep", f"includes are nested deeper than {_DEEPEST}", retry=False)
    spec = repository.git_spec(await credentials(tools, repository))
    found = await tools.fetcher.fetch(spec, commit)
    tree = await _with_submodules(tools, spec, found.tree) if content.recurse else found.tree
    mounts: dict[str, Tree] = {}
    for include in content.includes:
        other = tools.cache(GIT_REPOSITORY).get(Key(repository.key.namespace, include.name))
        if other is None:
            raise IncludeUnavailable("NotFound", f"could not get resource for include '{include.name}'")
        included = GitRepository.parse(other)
        made = await checkout(tools, included, commit_of(include.revision), Content.stored(included), deep + 1)
        mounts[artifact.clean(include.to_path)] = _part(made.tree, include)
    if mounts:
        tree = artifact.Mounted(tree, mounts)
    kept = artifact.Selected(tree, await _rules(tree, content), content.sparse)
    _check_sparse(kept, content.sparse)
    return replace(found, tree=kept)


async def _rules(tree: Tree, content: Content) -> Rules:
    """The rules of a tree; its ignore files are looked for once."""
    key = (content.ignore, content.sparse)
    known = _KNOWN.setdefault(tree, {})
    if key not in known:
        known[key] = await asyncio.to_thread(artifact.rules_of, tree, *key)
    return known[key]


def _part(tree: Tree, include: Include) -> Tree:
    if not include.from_path:
        return tree
    if tree.kind(include.from_path) != "folder":
        text = f"failed to copy '{include.name}' include from {include.from_path} to {include.to_path}: no such folder"
        raise SourceProblem("CopyFailure", text)
    return artifact.Part(tree, include.from_path)


def _check_sparse(tree: Tree, sparse: tuple[str, ...]) -> None:
    for path in sparse:
        if tree.kind(path) == "none":
            text = f"failed to sparse checkout directories : sparse checkout dir '{path}' does not exist in repository"
            raise SourceProblem("GitOperationFailed", text)


async def _with_submodules(tools: DeliveryTools, spec: GitSpec, tree: Tree, deep: int = 0) -> Tree:
    """Submodules in the place of their empty folders. Credentials go to the host that they are for, to no other."""
    if deep > _DEEPEST:
        raise SourceProblem("SubmoduleTooDeep", f"submodules are nested deeper than {_DEEPEST}", retry=False)
    mounts: dict[str, Tree] = {}
    for folder, (written, commit) in artifact.submodules(tree).items():
        url = artifact.submodule_url(spec.url, written)
        below = GitSpec(url, ref=commit, secret=spec.secret if _same_host(spec.url, url) else {})
        found = await tools.fetcher.fetch(below, commit)
        mounts[folder] = await _with_submodules(tools, below, found.tree, deep + 1)
    return artifact.Mounted(tree, mounts) if mounts else tree


def _same_host(one: str, other: str) -> bool:
    first, second = urlsplit(one), urlsplit(other)
    return bool(first.hostname) and (first.scheme, first.netloc.rpartition("@")[2]) == (
        second.scheme,
        second.netloc.rpartition("@")[2],
    )
