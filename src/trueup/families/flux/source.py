"""GitRepository: resolve, fetch, keep the artifact in the status. The shell; words are in `status.py`.

Source of the behaviour: Flux's source-controller (``GitRepositoryReconciler``, ``summarize``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from trueup.delivery.tools import DeliveryTools
from trueup.families.flux import artifact as files
from trueup.families.flux import status as words
from trueup.families.flux.checkout import Content, IncludeUnavailable, checkout, included
from trueup.families.flux.credentials import credentials
from trueup.families.flux.status import Condition, not_ready, ready
from trueup.families.flux.types import FINALIZER, GIT_REPOSITORY, RECONCILE_AT, GitRepository
from trueup.family import Result
from trueup.kube.names import Key, Object, Ref
from trueup.kube.problems import ApiProblem, NotFound
from trueup.merge.jsonpatch import diff_merge
from trueup.ports import Artifact, SourceProblem
from trueup.timing.rfc3339 import format_time, parse_time

MANAGER = "source-controller"
_FIRST_RETRY, _LAST_RETRY = 2.0, 900.0
"""A failure is tried again after as long as it has lasted so far, within these bounds: that doubles, and needs no memory."""
_INCLUDE_RETRY = 30.0


@dataclass(frozen=True, slots=True)
class Report:
    """What a run came to. ``done``: this generation has been looked at to its end (observedGeneration)."""

    conditions: Sequence[Condition]
    done: bool
    changes: Object = field(default_factory=dict)
    """Further status fields; None takes one away."""
    event: tuple[str, str] | None = None
    """Reason and message of a success worth telling."""


async def reconcile(tools: DeliveryTools, key: Key) -> Result:
    """Bring the artifact to what the spec names now."""
    ref = Ref(GIT_REPOSITORY, key.namespace, key.name)
    raw = tools.writes.latest(ref, tools.cache(GIT_REPOSITORY).get(key))
    if raw is None:
        return Result()
    if raw["metadata"].get("deletionTimestamp"):
        return await let_go(tools, ref, raw)
    try:
        repository = GitRepository.parse(raw)
    except ValueError as problem:
        await write(tools, raw, _stalled("InvalidSpec", str(problem)))
        return Result()
    if repository.suspend:
        return Result()
    unsupported = _unsupported(raw)
    if unsupported:
        await write(tools, raw, _stalled("NotSupported", unsupported))
        return Result()
    if _asked(raw):
        tools.fetcher.forget([repository.url])
    try:
        async with asyncio.timeout(repository.timeout):
            return await fetch(tools, raw, repository)
    except IncludeUnavailable as missing:
        condition = Condition("IncludeUnavailable", "True", missing.reason, str(missing))
        await write(tools, raw, _failed(raw, condition))
        return Result(after=_INCLUDE_RETRY)
    except SourceProblem as problem:
        return await failed(tools, raw, repository, problem)
    except TimeoutError:
        late = SourceProblem("GitOperationFailed", f"unable to clone '{repository.url}': context deadline exceeded")
        return await failed(tools, raw, repository, late)
    except ApiProblem as problem:
        what = f"failed to get secret '{key.namespace}/{repository.secret}': {problem.message}"
        await write(tools, raw, _failed(raw, Condition("FetchFailed", "True", "AuthenticationFailed", what)))
        return Result(after=_retry_after(tools, raw, repository.interval))


async def fetch(tools: DeliveryTools, raw: Object, repository: GitRepository) -> Result:
    """Ask the remote; store an artifact when its revision, or what decides over its files, is another one."""
    content = Content.wanted(tools, repository)
    spec = repository.git_spec(await credentials(tools, repository))
    commit = await tools.fetcher.resolve(spec)
    old = (raw.get("status") or {}).get("artifact") or {}
    if words.commit_of(str(old.get("revision") or "")) == commit and content == Content.stored(repository):
        found = await tools.fetcher.fetch(spec, commit)
        if old["revision"] == artifact_name(raw, found):
            await write(tools, raw, Report(_stored(old["revision"]), True, event=_recovered(raw, found)))
            return Result(after=repository.interval)
    found = await checkout(tools, repository, commit, content)
    stored = await asyncio.to_thread(_artifact, raw, found)
    stored["lastUpdateTime"] = format_time(tools.clock.now())
    told = f"stored artifact for commit '{_headline(found)}'"
    event = ("NewArtifact", told) if old.get("digest") != stored["digest"] else _recovered(raw, found)
    await write(
        tools,
        raw,
        Report(_stored(stored["revision"]), True, {"artifact": stored, **_observed(tools, repository, content)}, event),
    )
    return Result(after=repository.interval)


async def failed(tools: DeliveryTools, raw: Object, repository: GitRepository, problem: SourceProblem) -> Result:
    """A remote that cannot be read; the old artifact stays usable."""
    said = str(problem)
    message = said if said.startswith("failed to") else f"failed to checkout and determine revision: {said}"
    await write(tools, raw, _failed(raw, Condition("FetchFailed", "True", problem.reason, message)))
    return Result(after=_retry_after(tools, raw, repository.interval) if problem.retry else repository.interval)


async def let_go(tools: DeliveryTools, ref: Ref, raw: Object) -> Result:
    """Nothing of an artifact is kept that would have to be removed: only a finalizer that Flux itself once put on goes."""
    finalizers = list(raw["metadata"].get("finalizers") or ())
    if FINALIZER in finalizers:
        rest = [name for name in finalizers if name != FINALIZER]
        try:
            await tools.client.patch(ref, {"metadata": {"finalizers": rest or None}}, "merge", manager=MANAGER)
        except NotFound:
            return Result()
    return Result()


def artifact_name(raw: Object, artifact: Artifact) -> str:
    """The revision in Flux's form."""
    ref = (raw.get("spec") or {}).get("ref") or {}
    name = ref.get("name") or artifact.name
    if ref.get("commit") and not ref.get("name"):
        name = ref.get("branch") or ""
    return words.artifact_revision(str(name), artifact.revision)


async def write(tools: DeliveryTools, raw: Object, report: Report) -> None:
    """Write the status if it says anything new, and tell it as an event."""
    old = raw.get("status") or {}
    meta = raw["metadata"]
    status: Object = {name: value for name, value in {**old, **report.changes}.items() if value is not None}
    generation = int(meta.get("generation") or 0)
    if report.done:
        status["observedGeneration"] = generation
    known = old.get("conditions") or ()
    status["conditions"] = words.conditions(known, report.conditions, generation, tools.clock.now())
    asked = (meta.get("annotations") or {}).get(RECONCILE_AT)
    if asked:
        status["lastHandledReconcileAt"] = asked
    changed = diff_merge(old, status)
    if not changed:
        return
    ref = Ref(GIT_REPOSITORY, meta.get("namespace") or "", meta["name"])
    try:
        answer = await tools.client.patch(ref, {"status": changed}, "merge", subresource="status", manager=MANAGER)
    except NotFound:
        return
    tools.writes.note(ref, answer)
    stored = status.get("artifact") or {}
    if report.event is not None:
        about = {
            "source.toolkit.fluxcd.io/revision": str(stored.get("revision")),
            "source.toolkit.fluxcd.io/digest": str(stored.get("digest")),
        }
        tools.events.record(raw, "Normal", *report.event, annotations=about)
        return
    told = report.conditions[0]
    before: Object = next((c for c in known if c.get("type") == "Ready"), {})
    if told.status == "False" and (before.get("status"), before.get("message")) != (told.status, told.message):
        tools.events.record(raw, "Warning", told.reason, told.message)


def _artifact(raw: Object, found: Artifact) -> Object:
    meta = raw["metadata"]
    path = f"gitrepository/{meta.get('namespace')}/{meta['name']}/{found.revision}.tar.gz"
    return {
        "revision": artifact_name(raw, found),
        "digest": files.digest(found.tree),
        "size": files.size(found.tree),
        "path": path,
        "url": f"trueup://artifacts/{path}",
    }


def _observed(tools: DeliveryTools, repository: GitRepository, content: Content) -> Object:
    """What the artifact was made of, for the next run to compare with and for the Kustomizations to build from."""
    spec = repository.raw.get("spec") or {}
    return {
        "observedIgnore": content.ignore,
        "observedSparseCheckout": list(content.sparse) or None,
        "observedRecurseSubmodules": content.recurse or None,
        "observedInclude": list(spec.get("include") or ()) or None,
        "includedArtifacts": [included(tools, repository, one.name) for one in content.includes] or None,
    }


def _headline(found: Artifact) -> str:
    """A commit's first line, cut as Flux cuts it."""
    first = found.message.split("\n", 1)[0]
    return first if len(first) <= 50 else f"{first[:47]}..."


def _recovered(raw: Object, found: Artifact) -> tuple[str, str] | None:
    """What is told when a failure is over."""
    bad = ("FetchFailed", "IncludeUnavailable", "StorageOperationFailed")
    was = any(c.get("type") in bad for c in (raw.get("status") or {}).get("conditions") or ())
    return ("Succeeded", f"stored artifact for commit '{_headline(found)}'") if was else None


def _stored(revision: str) -> list[Condition]:
    message = f"stored artifact for revision '{revision}'"
    return [ready("Succeeded", message), Condition("ArtifactInStorage", "True", "Succeeded", message)]


def _failed(raw: Object, condition: Condition) -> Report:
    """Not ready for this reason; tried again; what was stored before stays usable."""
    artifact = (raw.get("status") or {}).get("artifact")
    under_way = "reconciliation in progress" if artifact else "building artifact"
    again = Condition("Reconciling", "True", "ProgressingWithRetry", under_way)
    kept = _stored(artifact["revision"])[1:] if artifact else []
    return Report([not_ready(condition.reason, condition.message), condition, again, *kept], False)


def _stalled(reason: str, message: str) -> Report:
    return Report([not_ready(reason, message), Condition("Stalled", "True", reason, message)], True)


def _asked(raw: Object) -> bool:
    asked = (raw["metadata"].get("annotations") or {}).get(RECONCILE_AT)
    return bool(asked) and asked != (raw.get("status") or {}).get("lastHandledReconcileAt")


def _retry_after(tools: DeliveryTools, raw: Object, interval: float) -> float:
    """As long again as it has been failing, at most the interval."""
    ready_now: Object = next(
        (c for c in (raw.get("status") or {}).get("conditions") or () if c.get("type") == "Ready"), {}
    )
    since = ready_now.get("lastTransitionTime") if ready_now.get("status") == "False" else None
    lasted = tools.clock.now() - parse_time(str(since)) if since else 0.0
    return min(max(lasted, _FIRST_RETRY), _LAST_RETRY, max(interval, _FIRST_RETRY))


def _unsupported(raw: Object) -> str:
    spec = raw.get("spec") or {}
    for name in ("verify", "proxySecretRef"):
        if spec.get(name):
            return f"spec.{name} is not supported yet: remove it to fetch without"
    if spec.get("provider") not in (None, "", "generic"):
        return f"spec.provider {spec['provider']} is not supported yet: use generic with a secretRef"
    return ""
