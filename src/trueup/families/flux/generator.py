"""ArtifactGenerator: artifacts composed of others, told as ExternalArtifacts. The shell.

Source of the behaviour: Flux's source-watcher (``ArtifactGeneratorReconciler``). Its files are where they were, see
`composition.py`; a source that changes, and an ExternalArtifact that is tampered with, wake it.
"""

from __future__ import annotations

from collections.abc import Sequence

from trueup.delivery.tools import DeliveryTools
from trueup.families.flux import artifact as files
from trueup.families.flux import status as words
from trueup.families.flux.checkout import IncludeUnavailable
from trueup.families.flux.compose import CopyProblem
from trueup.families.flux.composition import ORIGIN, NotHere, Output, SourceMissing, observed, outputs
from trueup.families.flux.status import Condition, not_ready, ready
from trueup.families.flux.types import EXTERNAL_ARTIFACT, GENERATOR, RECONCILE_AT
from trueup.family import Result
from trueup.kube.names import Key, Object, Ref
from trueup.kube.problems import NotFound
from trueup.merge.jsonpatch import diff_merge
from trueup.ports import SourceProblem
from trueup.timing.rfc3339 import format_time

MANAGER = "source-watcher"
FINALIZER = "source.extensions.fluxcd.io/finalizer"
OWNER = "source.extensions.fluxcd.io/generator"
DISABLED = "source.extensions.fluxcd.io/reconcile"
_RETRY, _INTERVAL = 30.0, 3600.0


async def reconcile(tools: DeliveryTools, key: Key) -> Result:
    """Bring the ExternalArtifacts to what the sources hold now."""
    ref = Ref(GENERATOR, key.namespace, key.name)
    raw = tools.writes.latest(ref, tools.cache(GENERATOR).get(key))
    if raw is None:
        return Result()
    if raw["metadata"].get("deletionTimestamp"):
        return await _let_go(tools, ref, raw)
    if str((raw["metadata"].get("annotations") or {}).get(DISABLED) or "").lower() == "disabled":
        return Result()
    if wrong := _invalid(raw):
        await _write(tools, raw, _stalled("ValidationFailed", wrong), {})
        return Result()
    raw = await _held(tools, ref, raw)
    try:
        _, digest = observed(tools, raw)
        made = await outputs(tools, raw)
    except NotHere as refusal:
        await _write(tools, raw, _stalled("NotSupported", str(refusal)), {})
        return Result()
    except (SourceMissing, SourceProblem, IncludeUnavailable) as missing:
        await _write(tools, raw, [not_ready("SourceFetchFailed", f"get sources failed: {missing}")], {})
        return Result(after=_RETRY)
    except CopyProblem as problem:
        await _write(tools, raw, [not_ready("BuildFailed", str(problem))], {})
        return Result(after=_RETRY)
    inventory = [await _told(tools, raw, output) for output in made]
    kept = {(entry["namespace"], entry["name"]) for entry in inventory}
    old = (raw.get("status") or {}).get("inventory") or ()
    await _remove(tools, [entry for entry in old if (entry["namespace"], entry["name"]) not in kept])
    done = ready("Succeeded", f"reconciliation succeeded, generated {len(made)} artifact(s)")
    await _write(tools, raw, [done], {"inventory": inventory, "observedSourcesDigest": digest})
    return Result(after=_INTERVAL)


def _invalid(raw: Object) -> str:
    """What is wrong with the spec beyond its schema; empty when nothing is."""
    spec = raw.get("spec") or {}
    if spec.get("pathPattern"):
        return "spec.pathPattern is not supported yet: name the artifacts"
    aliases: set[str] = set()
    for source in spec.get("sources") or ():
        if source["alias"] in aliases:
            return f"duplicate source alias '{source['alias']}' found"
        aliases.add(source["alias"])
    names: set[str] = set()
    for entry in spec.get("artifacts") or ():
        if entry["name"] in names:
            return f"duplicate artifact name '{entry['name']}' found"
        names.add(entry["name"])
        alias = str(entry.get("revision") or "").removeprefix("@")
        if alias and alias not in aliases:
            return f"artifact {entry['name']} revision source alias '{alias}' not found"
    return ""


async def _told(tools: DeliveryTools, raw: Object, output: Output) -> Object:
    """The ExternalArtifact of an output as it should be; the line of the inventory."""
    meta, common = raw["metadata"], (raw.get("spec") or {}).get("commonMetadata") or {}
    ref = Ref(EXTERNAL_ARTIFACT, meta.get("namespace") or "", output.name)
    labels = {
        **(common.get("labels") or {}),
        "app.kubernetes.io/managed-by": MANAGER,
        OWNER: str(meta.get("uid") or ""),
    }
    wanted: Object = {
        "apiVersion": EXTERNAL_ARTIFACT.api_version,
        "kind": EXTERNAL_ARTIFACT.kind,
        "metadata": {
            "name": output.name,
            "namespace": ref.namespace,
            "labels": labels,
            **({"annotations": dict(common["annotations"])} if common.get("annotations") else {}),
        },
        "spec": {
            "sourceRef": {
                "apiVersion": GENERATOR.api_version,
                "kind": GENERATOR.kind,
                "name": meta["name"],
                "namespace": ref.namespace,
            }
        },
    }
    live = tools.cache(EXTERNAL_ARTIFACT).get(Key(ref.namespace, output.name))
    if live is None or live.get("spec") != wanted["spec"] or not _has(live, labels, common.get("annotations") or {}):
        live = await tools.client.apply(wanted, manager=MANAGER)
    status = _status(tools, live, output)
    if changed := diff_merge(live.get("status") or {}, status):
        await tools.client.patch(ref, {"status": changed}, "merge", subresource="status", manager=MANAGER)
        text = f"ExternalArtifact/{ref.namespace}/{ref.name} reconciled with revision {output.revision}"
        tools.events.record(raw, "Normal", "Ready", text)
    filename = status["artifact"]["path"].rpartition("/")[2]
    return {"name": ref.name, "namespace": ref.namespace, "digest": output.digest, "filename": filename}


def _has(live: Object, labels: Object, annotations: Object) -> bool:
    meta = live["metadata"]
    return (
        labels.items() <= (meta.get("labels") or {}).items()
        and annotations.items() <= (meta.get("annotations") or {}).items()
    )


def _status(tools: DeliveryTools, live: Object, output: Output) -> Object:
    old = live.get("status") or {}
    before = old.get("artifact") or {}
    path = (
        f"externalartifact/{live['metadata']['namespace']}/{output.name}/{output.digest.rpartition(':')[2][:12]}.tar.gz"
    )
    same = before.get("digest") == output.digest and before.get("revision") == output.revision
    stored: Object = {
        "revision": output.revision,
        "digest": output.digest,
        "size": files.size(output.tree),
        "path": path,
        "url": f"trueup://artifacts/{path}",
        "lastUpdateTime": before["lastUpdateTime"] if same else format_time(tools.clock.now()),
        **({"metadata": {ORIGIN: output.origin}} if output.origin else {}),
    }
    generation = int(live["metadata"].get("generation") or 0)
    told = [ready("Succeeded", "Artifact is ready")]
    return {
        "artifact": stored,
        "conditions": words.conditions(old.get("conditions") or (), told, generation, tools.clock.now()),
    }


async def _held(tools: DeliveryTools, ref: Ref, raw: Object) -> Object:
    """Before anything is made, be sure to hear of the end."""
    finalizers = list(raw["metadata"].get("finalizers") or ())
    if FINALIZER in finalizers:
        return raw
    held = await tools.client.patch(
        ref, {"metadata": {"finalizers": [*finalizers, FINALIZER]}}, "merge", manager=MANAGER
    )
    tools.writes.note(ref, held)
    return held


async def _let_go(tools: DeliveryTools, ref: Ref, raw: Object) -> Result:
    finalizers = list(raw["metadata"].get("finalizers") or ())
    if FINALIZER not in finalizers:
        return Result()
    await _remove(tools, (raw.get("status") or {}).get("inventory") or ())
    rest = [name for name in finalizers if name != FINALIZER]
    try:
        await tools.client.patch(ref, {"metadata": {"finalizers": rest or None}}, "merge", manager=MANAGER)
    except NotFound:
        return Result()
    return Result()


async def _remove(tools: DeliveryTools, entries: Sequence[Object]) -> None:
    for entry in entries:
        try:
            await tools.client.delete(Ref(EXTERNAL_ARTIFACT, entry["namespace"], entry["name"]))
        except NotFound:
            continue


async def _write(tools: DeliveryTools, raw: Object, told: Sequence[Condition], changes: Object) -> None:
    """Write the status if it says anything new, and tell a failure as an event."""
    old, meta = raw.get("status") or {}, raw["metadata"]
    status: Object = {**old, **changes}
    known = old.get("conditions") or ()
    status["conditions"] = words.conditions(known, told, int(meta.get("generation") or 0), tools.clock.now())
    asked = (meta.get("annotations") or {}).get(RECONCILE_AT)
    if asked:
        status["lastHandledReconcileAt"] = asked
    changed = diff_merge(old, status)
    if not changed:
        return
    ref = Ref(GENERATOR, meta.get("namespace") or "", meta["name"])
    try:
        answer = await tools.client.patch(ref, {"status": changed}, "merge", subresource="status", manager=MANAGER)
    except NotFound:
        return
    tools.writes.note(ref, answer)
    before: Object = next((c for c in known if c.get("type") == "Ready"), {})
    if told[0].status == "False" and before.get("message") != told[0].message:
        tools.events.record(raw, "Warning", told[0].reason, told[0].message)


def _stalled(reason: str, message: str) -> list[Condition]:
    return [not_ready(reason, message), Condition("Stalled", "True", reason, message)]
