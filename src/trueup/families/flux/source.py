"""GitRepository: resolve, fetch, keep the artifact in the status. The shell; words are in `status.py`.

Source of the behaviour: Flux's source-controller.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping

from trueup.delivery.tools import DeliveryTools
from trueup.families.flux import status as words
from trueup.families.flux.status import Condition, not_ready, ready
from trueup.families.flux.types import GIT_REPOSITORY, RECONCILE_AT, GitRepository
from trueup.family import Result
from trueup.kube.names import Key, Kind, Object, Ref
from trueup.kube.problems import ApiProblem, NotFound
from trueup.merge.jsonpatch import diff_merge
from trueup.ports import Artifact, SourceProblem
from trueup.timing.rfc3339 import format_time

SECRET = Kind("", "v1", "Secret")
MANAGER = "source-controller"
RETRY_AFTER = 10.0


async def reconcile(tools: DeliveryTools, key: Key) -> Result:
    """Bring the artifact to what the spec names now."""
    ref = Ref(GIT_REPOSITORY, key.namespace, key.name)
    raw = tools.writes.latest(ref, tools.cache(GIT_REPOSITORY).get(key))
    if raw is None or raw["metadata"].get("deletionTimestamp"):
        return Result()
    try:
        repository = GitRepository.parse(raw)
    except ValueError as problem:
        await write(tools, raw, None, [not_ready("InvalidSpec", str(problem)), _stalled(str(problem))])
        return Result()
    if repository.suspend:
        return Result()
    unsupported = _unsupported(raw)
    if unsupported:
        await write(tools, raw, None, [not_ready("NotSupported", unsupported), _stalled(unsupported)])
        return Result()
    asked = (raw["metadata"].get("annotations") or {}).get(RECONCILE_AT)
    if asked and asked != (raw.get("status") or {}).get("lastHandledReconcileAt"):
        tools.fetcher.forget([repository.url])
    try:
        spec = repository.git_spec(await credentials(tools, repository))
        artifact = await tools.fetcher.fetch(spec, await tools.fetcher.resolve(spec))
    except SourceProblem as problem:
        message = f"failed to checkout and determine revision: {problem}"
        failed = Condition("FetchFailed", "True", problem.reason, message)
        await write(tools, raw, None, [not_ready(problem.reason, message), failed, *_in_storage(raw)])
        return Result(after=RETRY_AFTER if problem.retry else repository.interval)
    except ApiProblem as problem:
        await write(tools, raw, None, [not_ready("AuthenticationFailed", problem.message), *_in_storage(raw)])
        return Result(after=RETRY_AFTER)
    await write(tools, raw, _artifact(raw, artifact), _stored(artifact_name(raw, artifact)))
    return Result(after=repository.interval)


async def credentials(tools: DeliveryTools, repository: GitRepository) -> Mapping[str, bytes]:
    """The data of ``secretRef``; a Secret that is not there is a ``NotFound`` that names it."""
    if not repository.secret:
        return {}
    secret = await tools.client.get(Ref(SECRET, repository.key.namespace, repository.secret))
    return {name: base64.b64decode(value) for name, value in (secret.get("data") or {}).items()}


def artifact_name(raw: Object, artifact: Artifact) -> str:
    """The revision in Flux's form."""
    ref = (raw.get("spec") or {}).get("ref") or {}
    name = ref.get("name") or artifact.name
    if ref.get("commit") and not ref.get("branch"):
        name = ""
    return words.artifact_revision(str(name), artifact.revision)


async def write(tools: DeliveryTools, raw: Object, artifact: Object | None, new: list[Condition]) -> None:
    """Write the status if it says anything new."""
    old = raw.get("status") or {}
    meta = raw["metadata"]
    status: Object = dict(old)
    generation = int(meta.get("generation") or 0)
    status["observedGeneration"] = generation
    status["conditions"] = words.conditions(old.get("conditions") or (), new, generation, tools.clock.now())
    if artifact is not None:
        status["artifact"] = artifact
        status["artifact"]["lastUpdateTime"] = (
            old["artifact"]["lastUpdateTime"]
            if (old.get("artifact") or {}).get("revision") == artifact["revision"]
            else format_time(tools.clock.now())
        )
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
    told = new[0]
    if (old.get("artifact") or {}).get("revision") != (status.get("artifact") or {}).get("revision"):
        tools.events.record(raw, "Normal", "NewArtifact", told.message)
    elif told.status == "False":
        tools.events.record(raw, "Warning", told.reason, told.message)


def _artifact(raw: Object, artifact: Artifact) -> Object:
    meta = raw["metadata"]
    path = f"gitrepository/{meta.get('namespace')}/{meta['name']}/{artifact.revision}"
    return {
        "revision": artifact_name(raw, artifact),
        "digest": f"sha1:{artifact.tree.digest('')}",
        "path": path,
        "url": f"trueup://artifacts/{path}",
    }


def _stored(revision: str) -> list[Condition]:
    message = f"stored artifact for revision '{revision}'"
    return [ready("Succeeded", message), Condition("ArtifactInStorage", "True", "Succeeded", message)]


def _in_storage(raw: Object) -> list[Condition]:
    """The old artifact stays usable while a fetch fails."""
    artifact = (raw.get("status") or {}).get("artifact")
    return _stored(artifact["revision"])[1:] if artifact else []


def _stalled(message: str) -> Condition:
    return Condition("Stalled", "True", "InvalidSpec", message)


def _unsupported(raw: Object) -> str:
    spec = raw.get("spec") or {}
    for field in ("verify", "include", "proxySecretRef", "recurseSubmodules"):
        if spec.get(field):
            return f"spec.{field} is not supported yet: remove it to fetch without"
    if spec.get("provider") not in (None, "", "generic"):
        return f"spec.provider {spec['provider']} is not supported yet: use generic with a secretRef"
    return ""
