"""What a repository's refs are, and which commit a spec names among them. Pure.

Called by `fetcher` over the answer of ``git ls-remote`` or of a local repository.
Source of the rules: Argo CD's "Tracking strategies" and Flux's GitRepository ``spec.ref``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from trueup.kube import semver
from trueup.ports import GitSpec, SourceProblem

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_ABBREVIATED = re.compile(r"[0-9a-f]{7,39}")


@dataclass(frozen=True, slots=True)
class Refs:
    """Full ref names and their commits (tags peeled); ``head`` is the branch that HEAD stands for."""

    commits: Mapping[str, str]
    head: str = ""


@dataclass(frozen=True, slots=True)
class Named:
    """The commit that was meant, and the branch or tag it was found by; a commit may be abbreviated."""

    commit: str
    name: str = ""


def parse_ls_remote(text: str) -> Refs:
    """The answer of ``git ls-remote --symref``."""
    commits: dict[str, str] = {}
    head = ""
    for line in text.splitlines():
        left, _, name = line.partition("\t")
        if left.startswith("ref: "):
            head = left[5:] if name == "HEAD" else head
        elif name.endswith("^{}"):
            commits[name[:-3]] = left  # an annotated tag: what it points at, not the tag object
        elif name and name not in commits:
            commits[name] = left
    return Refs(commits, head)


def is_commit(text: str) -> bool:
    """Whether this is a full commit id, which needs no question to the remote."""
    return bool(_COMMIT.fullmatch(text))


def named(spec: GitSpec, refs: Refs) -> Named:
    """The commit of a spec. Raises ``SourceProblem`` naming what was looked for."""
    if spec.semver:
        return _of_range(spec.semver, refs)
    ref = spec.ref or "HEAD"
    if is_commit(ref):
        return Named(ref)
    if ref == "HEAD":
        if "HEAD" not in refs.commits:
            raise SourceProblem("RevisionNotFound", "the repository has no commit yet: HEAD names nothing")
        return Named(refs.commits["HEAD"], refs.head.removeprefix("refs/heads/"))
    for full, name in ((ref, _short(ref)), (f"refs/heads/{ref}", ref), (f"refs/tags/{ref}", ref)):
        if full.startswith("refs/") and full in refs.commits:
            return Named(refs.commits[full], name)
    if _ABBREVIATED.fullmatch(ref):
        return Named(ref)
    raise SourceProblem("RevisionNotFound", f"no branch, tag or commit {ref!r} in the repository")


def _of_range(text: str, refs: Refs) -> Named:
    tags = {
        name.removeprefix("refs/tags/"): commit
        for name, commit in refs.commits.items()
        if name.startswith("refs/tags/")
    }
    try:
        tag = semver.newest(text, tags)
    except semver.RangeProblem as problem:
        raise SourceProblem("InvalidRange", str(problem), retry=False) from None
    if tag is None:
        raise SourceProblem("RevisionNotFound", f"no tag of the repository is in the range {text!r}")
    return Named(tags[tag], tag)


def _short(ref: str) -> str:
    for prefix in ("refs/heads/", "refs/tags/"):
        if ref.startswith(prefix):
            return ref[len(prefix) :]
    return ref
