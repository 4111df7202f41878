"""What an ArtifactGenerator's artifacts are at this moment. The shell.

Called by `generator.py`, which tells of them, and by `inputs.py`, which builds from them: nothing is stored, for equal sources
make equal trees. Source of the behaviour: source-watcher (``observeSources``, ``Build``, ``setArtifactRevisions``).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trueup.delivery.tools import DeliveryTools
from trueup.families.flux import artifact as files
from trueup.families.flux.checkout import Content, checkout
from trueup.families.flux.compose import Copy, CopyProblem, compose
from trueup.families.flux.sourceignore import rules
from trueup.families.flux.status import commit_of
from trueup.families.flux.types import EXTERNAL_ARTIFACT, GENERATOR, GIT_REPOSITORY, GitRepository
from trueup.kube.names import Key, Object
from trueup.ports import Artifact, Tree

ORIGIN = "org.opencontainers.image.revision"
_DEEPEST = 5
"""Artifacts made of artifacts: more is a circle."""
_KEPT = 64


class SourceMissing(Exception):
    """A source of a generator that cannot be had yet."""


class NotHere(Exception):
    """What a generator asks for and this version does not do; waiting does not help."""


@dataclass(frozen=True, slots=True)
class Output:
    """One artifact of a generator."""

    name: str
    tree: Tree
    digest: str
    revision: str
    origin: str = ""


_MADE: OrderedDict[tuple[str, int, str], tuple[Output, ...]] = OrderedDict()
"""The last compositions, by generator, generation and sources: every Kustomization of one asks anew."""


@dataclass(frozen=True, slots=True)
class _Source:
    """A source as it stands in its object's status."""

    raw: Object
    digest: str
    revision: str
    origin: str

    def __str__(self) -> str:
        url = self.raw["status"]["artifact"].get("url") or ""
        return f"digest={self.digest},revision={self.revision},url={url}"


def observed(tools: DeliveryTools, raw: Object) -> tuple[dict[str, _Source], str]:
    """The sources by alias, and a digest of how they stand. Raises ``SourceMissing`` and ``NotHere``."""
    found: dict[str, _Source] = {}
    for entry in (raw.get("spec") or {}).get("sources") or ():
        kind, alias = str(entry.get("kind")), str(entry.get("alias"))
        key = Key(str(entry.get("namespace") or raw["metadata"].get("namespace") or ""), str(entry.get("name")))
        known = {GIT_REPOSITORY.kind: GIT_REPOSITORY, EXTERNAL_ARTIFACT.kind: EXTERNAL_ARTIFACT}.get(kind)
        if known is None:
            raise NotHere(f"source '{kind}/{key}': {kind} sources are not supported yet: use a GitRepository")
        source = tools.cache(known).get(key)
        if source is None:
            raise SourceMissing(f"unable to get source '{key}': {kind} not found")
        stored = (source.get("status") or {}).get("artifact")
        if not stored:
            raise SourceMissing(f"source '{kind}/{key}' is not ready")
        origin = str((stored.get("metadata") or {}).get(ORIGIN) or "")
        found[alias] = _Source(source, str(stored.get("digest") or ""), str(stored["revision"]), origin)
    said = "|".join(sorted(f"{alias}=[{source}]" for alias, source in found.items()))
    return found, f"sha256:{hashlib.sha256(said.encode()).hexdigest()}"


async def outputs(tools: DeliveryTools, raw: Object, deep: int = 0) -> tuple[Output, ...]:
    """All artifacts. Raises ``SourceMissing``, ``NotHere``, ``CopyProblem`` and what `checkout` raises."""
    if deep > _DEEPEST:
        raise CopyProblem(f"artifacts are made of each other deeper than {_DEEPEST}")
    sources, digest = observed(tools, raw)
    meta = raw["metadata"]
    key = (str(meta.get("uid")), int(meta.get("generation") or 0), digest)
    known = _MADE.get(key)
    if known is None:
        trees = {alias: await _tree(tools, source, deep) for alias, source in sources.items()}
        wanted: Sequence[Object] = (raw.get("spec") or {}).get("artifacts") or ()
        known = _MADE[key] = tuple([await asyncio.to_thread(_output, entry, sources, trees) for entry in wanted])
        while len(_MADE) > _KEPT:
            _MADE.popitem(last=False)
    _MADE.move_to_end(key)
    return known


def _output(entry: Object, sources: Mapping[str, _Source], trees: Mapping[str, Tree]) -> Output:
    name = str(entry.get("name") or "")
    copies = [Copy.parse(copy) for copy in entry.get("copy") or ()]
    if any(copy.strategy == "Extract" for copy in copies):
        raise NotHere(f"artifact '{name}': the copy strategy Extract is not supported yet")
    try:
        tree = files.Selected(compose(copies, trees), rules(()))
    except CopyProblem as problem:
        raise CopyProblem(f"{name} build failed: {problem}") from problem
    digest = files.digest(tree)
    revision = f"latest@{digest}"
    if (said := sources.get(str(entry.get("revision") or "").removeprefix("@"))) is not None:
        revision = said.revision
    said = sources.get(str(entry.get("originRevision") or "").removeprefix("@"))
    return Output(name, tree, digest, revision, (said.origin or said.revision) if said is not None else "")


async def _tree(tools: DeliveryTools, source: _Source, deep: int) -> Tree:
    if source.raw.get("kind") == EXTERNAL_ARTIFACT.kind:
        return (await external(tools, source.raw, deep + 1)).tree
    repository = GitRepository.parse(source.raw)
    return (await checkout(tools, repository, commit_of(source.revision), Content.stored(repository))).tree


async def external(tools: DeliveryTools, raw: Object, deep: int = 0) -> Artifact:
    """The files of an ExternalArtifact, as its status says they were composed. Raises as ``outputs`` does."""
    ref = (raw.get("spec") or {}).get("sourceRef") or {}
    name = f"{raw['metadata'].get('namespace')}/{raw['metadata']['name']}"
    if ref.get("kind") != GENERATOR.kind:
        raise NotHere(f"ExternalArtifact '{name}' is not of an ArtifactGenerator: its files are nowhere to be had")
    key = Key(str(ref.get("namespace") or raw["metadata"].get("namespace") or ""), str(ref.get("name")))
    generator = tools.cache(GENERATOR).get(key)
    if generator is None:
        raise SourceMissing(f"ArtifactGenerator '{key}' of ExternalArtifact '{name}' not found")
    stored = raw["status"]["artifact"]
    for output in await outputs(tools, generator, deep):
        if output.name == raw["metadata"]["name"] and output.digest == stored.get("digest"):
            return Artifact(str(stored["revision"]), "", output.tree)
    raise SourceMissing(f"ExternalArtifact '{name}' is about to be made anew")
