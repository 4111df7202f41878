"""StatefulSets: pods with a name and a volume of their own, in order. Source: ``pkg/controller/statefulset``."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from trueup.families.builtin import pods
from trueup.families.builtin.kinds import CLAIM, POD, REVISION, STATEFUL_SET
from trueup.families.builtin.revisions import HASH, revision_of
from trueup.families.builtin.tools import (
    OFFERED,
    OWNED,
    REFUSED_AGAIN,
    SELECTING,
    change,
    claim,
    controlled,
    create,
    make_pod,
    owner_keys,
    owner_reference,
    remove,
    write_status,
)
from trueup.family import Controller, Result, Tools, Watch
from trueup.kube.names import Key, Object
from trueup.kube.objects import labels, meta, uid
from trueup.kube.problems import AlreadyExists
from trueup.kube.selectors import label_selector

_NAME = "statefulset.kubernetes.io/pod-name"
_INDEX = "apps.kubernetes.io/pod-index"


@dataclass(slots=True)
class Step:
    """Pods to make (ordinals), pods to delete; when to look again for one that is not available yet."""

    create: list[int] = field(default_factory=list)
    delete: list[Object] = field(default_factory=list)
    after: float | None = None


def ordinal(stateful_set: Object, pod: Object) -> int:
    """The number at the end of its name; -1 when it is none of the set's names."""
    prefix, _, number = str(meta(pod).get("name")).rpartition("-")
    return int(number) if prefix == meta(stateful_set)["name"] and number.isdigit() else -1


def decide(stateful_set: Object, owned: Sequence[Object], update: str, moment: float) -> Step:
    """The next step: what has failed goes, what is missing comes, what is too much or outdated goes; in order."""
    spec, step = stateful_set["spec"], Step()
    first = int((spec.get("ordinals") or {}).get("start") or 0)
    wanted = range(first, first + spec.get("replicas", 1))
    ordered = spec.get("podManagementPolicy") != "Parallel"
    there = {ordinal(stateful_set, pod): pod for pod in owned}
    for number in wanted:
        pod = there.get(number)
        if pod is None:
            step.create.append(number)
        elif meta(pod).get("deletionTimestamp"):
            pass
        elif pods.phase(pod) in ("Failed", "Succeeded"):
            step.delete.append(pod)
        elif not ordered or _settled(spec, pod, moment, step):
            continue
        if ordered:
            return step
    if step.create or step.delete:
        return step
    surplus = sorted((number for number in there if number not in wanted), reverse=True)
    for number in surplus:
        if not meta(there[number]).get("deletionTimestamp"):
            step.delete.append(there[number])
        if ordered:
            return step
    if not surplus:
        _outdated(
            spec, step, [(number, there[number]) for number in reversed(wanted) if number in there], update, moment
        )
    return step


def _partition(spec: Object) -> int:
    """The first ordinal that follows the template."""
    rolling = (spec.get("updateStrategy") or {}).get("rollingUpdate") or {}
    return int((spec.get("ordinals") or {}).get("start") or 0) + int(rolling.get("partition") or 0)


def _settled(spec: Object, pod: Object, moment: float, step: Step) -> bool:
    wait = pods.available_in(pod, float(spec.get("minReadySeconds") or 0), moment)
    if wait:
        step.after = wait
    return wait == 0


def _outdated(spec: Object, step: Step, numbered: Sequence[tuple[int, Object]], update: str, moment: float) -> None:
    """The highest pod of an older revision goes, once all above it are available."""
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return
    partition = _partition(spec)
    for number, pod in numbered:
        if number < partition:
            return
        if labels(pod).get(HASH) != update:
            if not meta(pod).get("deletionTimestamp"):
                step.delete.append(pod)
            return
        if not _settled(spec, pod, moment, step):
            return


def status(stateful_set: Object, owned: Sequence[Object], update: str, moment: float) -> Object:
    """The counts and revisions; the current revision becomes the update once all pods have it."""
    spec, before = stateful_set["spec"], stateful_set.get("status") or {}
    wanted = spec.get("replicas", 1)
    alive = [pod for pod in owned if not meta(pod).get("deletionTimestamp")]
    current = before.get("currentRevision") or update
    updated = sum(labels(pod).get(HASH) == update for pod in alive)
    min_ready = float(spec.get("minReadySeconds") or 0)
    ready = sum(map(pods.ready, alive))
    if current != update and updated == wanted == ready == len(owned):
        current = update
    out: Object = {
        "observedGeneration": meta(stateful_set).get("generation") or 1,
        "replicas": len(owned),
        "availableReplicas": sum(pods.available_in(pod, min_ready, moment) == 0 for pod in alive),
        "collisionCount": before.get("collisionCount") or 0,
        "currentRevision": current,
        "updateRevision": update,
    }
    counts = {
        "readyReplicas": ready,
        "updatedReplicas": updated,
        "currentReplicas": sum(labels(pod).get(HASH) == current for pod in alive),
    }
    return out | {name: count for name, count in counts.items() if count}


def claims(stateful_set: Object, number: int) -> list[Object]:
    """The volume claims of one pod."""
    name = meta(stateful_set)["name"]
    wanted = ((stateful_set["spec"].get("selector") or {}).get("matchLabels")) or {}
    policy = stateful_set["spec"].get("persistentVolumeClaimRetentionPolicy") or {}
    out = []
    for template in stateful_set["spec"].get("volumeClaimTemplates") or ():
        about: Object = {
            "name": f"{template['metadata']['name']}-{name}-{number}",
            "namespace": meta(stateful_set)["namespace"],
            "labels": {**(template["metadata"].get("labels") or {}), **wanted},
        }
        if template["metadata"].get("annotations"):
            about["annotations"] = template["metadata"]["annotations"]
        if policy.get("whenDeleted") == "Delete":
            about["ownerReferences"] = [owner_reference(stateful_set)]
        out.append(
            {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": about, "spec": template.get("spec") or {}}
        )
    return out


def new_pod(stateful_set: Object, template: Mapping[str, object], number: int, revision: str) -> Object:
    """The pod of one ordinal."""
    name = f"{meta(stateful_set)['name']}-{number}"
    marks = {_NAME: name, _INDEX: str(number), HASH: revision}
    pod = pods.from_template(stateful_set, template, name=name, labels=marks)
    spec = {**pod["spec"], "hostname": name, "subdomain": stateful_set["spec"].get("serviceName") or ""}
    if stateful_set["spec"].get("volumeClaimTemplates"):
        mounted = {one["metadata"]["name"] for one in stateful_set["spec"]["volumeClaimTemplates"]}
        kept = [one for one in spec.get("volumes") or () if one.get("name") not in mounted]
        own = [{"name": one, "persistentVolumeClaim": {"claimName": f"{one}-{name}"}} for one in sorted(mounted)]
        spec["volumes"] = [*kept, *own]
    return {**pod, "spec": spec}


async def reconcile(tools: Tools, key: Key) -> Result:
    """One step in order, then the status."""
    stateful_set = tools.cache(STATEFUL_SET).get(key)
    if stateful_set is None or meta(stateful_set).get("deletionTimestamp"):
        return Result()
    update = await revision_of(tools, stateful_set)
    name = meta(update)["name"]
    moment = tools.clock.now()
    selector = label_selector(stateful_set["spec"].get("selector"))
    every = await claim(tools, stateful_set, POD, selector, lambda pod: ordinal(stateful_set, pod) >= 0)
    owned = [pod for pod in every if ordinal(stateful_set, pod) >= 0]
    for pod in owned:
        await _retain(tools, stateful_set, pod)
    step = decide(stateful_set, owned, name, moment)
    after = step.after
    for pod in step.delete:
        await remove(tools, pod)
        text = f"delete Pod {meta(pod)['name']} in StatefulSet {key.name} successful"
        tools.events.record(stateful_set, "Normal", "SuccessfulDelete", text)
    for number in step.create:
        revision, template = _template_for(tools, stateful_set, update, number)
        if not await _claims(tools, stateful_set, number):
            after = 1.0  # one of its name is on its way out: the pod must not find that
            break
        made = await make_pod(tools, stateful_set, new_pod(stateful_set, template, number, revision))
        if made is None:
            after = REFUSED_AGAIN
            break
        owned.append(made)
    await write_status(tools, stateful_set, status(stateful_set, owned, name, moment))
    return Result(after=after)


async def _claims(tools: Tools, stateful_set: Object, number: int) -> bool:
    """Make the claims of one pod that are missing; whether all are there to be used."""
    name = meta(stateful_set)["name"]
    for wanted in claims(stateful_set, number):
        known = tools.cache(CLAIM).get(Key.of(wanted))
        if known is not None:
            if meta(known).get("deletionTimestamp"):
                return False
            continue
        with suppress(AlreadyExists):  # the cache had not heard of it yet
            await create(tools, wanted)
            text = f"create Claim {meta(wanted)['name']} Pod {name}-{number} in StatefulSet {name} success"
            tools.events.record(stateful_set, "Normal", "SuccessfulCreate", text)
    return True


async def _retain(tools: Tools, stateful_set: Object, pod: Object) -> None:
    """Whose end is a claim's end, as the retention policy says."""
    number = ordinal(stateful_set, pod)
    for wanted in claims(stateful_set, number):
        known = tools.cache(CLAIM).get(Key.of(wanted))
        if known is None or meta(known).get("deletionTimestamp"):
            continue
        have = meta(known).get("ownerReferences") or []
        owners = retained(stateful_set, pod, have)
        if owners != have:
            about = {"ownerReferences": owners or None, "uid": uid(known)}
            await change(tools, known, {"metadata": about})


def retained(stateful_set: Object, pod: Object, owners: Sequence[Object]) -> list[Object]:
    """The owners that a claim is to have. Source: ``updateClaimOwnerRefForSetAndPod``."""
    spec = stateful_set["spec"]
    policy = spec.get("persistentVolumeClaimRetentionPolicy") or {}
    out = [one for one in owners if one.get("uid") not in (uid(stateful_set), uid(pod))]
    if any(one.get("controller") for one in out):
        return out
    first = int((spec.get("ordinals") or {}).get("start") or 0)
    surplus = not first <= ordinal(stateful_set, pod) < first + spec.get("replicas", 1)
    if policy.get("whenScaled") == "Delete" and surplus:
        out.append(owner_reference(pod))
    elif policy.get("whenDeleted") == "Delete":
        out.append(owner_reference(stateful_set))
    return out


def _template_for(tools: Tools, stateful_set: Object, update: Object, number: int) -> tuple[str, Object]:
    """Below the partition a pod comes back as it was."""
    current = (stateful_set.get("status") or {}).get("currentRevision")
    if current and number < _partition(stateful_set["spec"]):
        for one in controlled(tools, stateful_set, REVISION):
            if meta(one)["name"] == current:
                return current, one["data"]["spec"]["template"]
    return meta(update)["name"], stateful_set["spec"]["template"]


CONTROLLER = Controller(
    "statefulset",
    STATEFUL_SET,
    reconcile,
    index=SELECTING,
    watches=(
        Watch(POD, keys=owner_keys(STATEFUL_SET), by=OFFERED, index=OWNED),
        Watch(REVISION, index=OWNED),
        Watch(CLAIM),
    ),
)
