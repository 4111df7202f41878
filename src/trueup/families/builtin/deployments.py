"""Deployments: ReplicaSets that follow the template. Decisions stand in `rollout.py`, status in `rollout_status.py`."""

from collections.abc import Sequence

from trueup.families.builtin import pods, rollout, rollout_status
from trueup.families.builtin.kinds import DEPLOYMENT, POD, REPLICA_SET
from trueup.families.builtin.replicasets import TELLS_OF_TERMINATING
from trueup.families.builtin.rollout import DESIRED, HASH_LABEL, MOST, REVISION
from trueup.families.builtin.tools import (
    OWNED,
    adopt,
    change,
    controlled,
    create,
    minor,
    owner_keys,
    owner_reference,
    remove,
    short_hash,
    write_status,
)
from trueup.family import Controller, Result, Tools, Watch
from trueup.kube.names import Key, Object, Ref
from trueup.kube.objects import annotations, controller_of, labels, meta, uid
from trueup.kube.problems import AlreadyExists
from trueup.kube.selectors import label_selector

_NOT_COPIED = frozenset(
    {
        "kubectl.kubernetes.io/last-applied-configuration",
        REVISION,
        "deployment.kubernetes.io/revision-history",
        DESIRED,
        MOST,
    }
)


async def reconcile(tools: Tools, key: Key) -> Result:
    """One step of the rollout, then the status."""
    deployment = tools.cache(DEPLOYMENT).get(key)
    if deployment is None:
        return Result()
    owned = controlled(tools, deployment, REPLICA_SET)
    created = False
    new = rollout.find_new(deployment, owned)
    if not meta(deployment).get("deletionTimestamp"):
        taken = await adopt(tools, deployment, REPLICA_SET, label_selector(deployment["spec"].get("selector")))
        owned, new = [*owned, *taken], new or rollout.find_new(deployment, taken)
        if new is None and not deployment["spec"].get("paused"):
            new = await _new_replica_set(tools, deployment, owned)
            if new is None:
                return Result(after=0.05)
            created = True
            owned = [*owned, new]
        owned = await _step(tools, deployment, new, owned)
        new = rollout.find_new(deployment, owned)
    old = [one for one in owned if new is None or uid(one) != uid(new)]
    status, after = rollout_status.status(deployment, new, old, tools.clock.now(), created=created)
    if await minor(tools) >= TELLS_OF_TERMINATING:
        status |= rollout_status.terminating(owned)
    if not meta(deployment).get("deletionTimestamp"):
        await _number(tools, deployment, new)
        if rollout_status.complete(deployment, status):
            await _forget(tools, deployment, old)
    await write_status(tools, deployment, status)
    return Result(after=after)


async def _new_replica_set(tools: Tools, deployment: Object, old: Sequence[Object]) -> Object | None:
    """None when its name is another template's: the collision is counted, the next name differs."""
    spec, about = deployment["spec"], meta(deployment)
    collisions = (deployment.get("status") or {}).get("collisionCount") or 0
    template = spec["template"]
    suffix = short_hash([template, collisions])
    marked = {**((template.get("metadata") or {}).get("labels") or {}), HASH_LABEL: suffix}
    selector = spec.get("selector") or {}
    selector = {**selector, "matchLabels": {**(selector.get("matchLabels") or {}), HASH_LABEL: suffix}}
    replica_set: Object = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "namespace": about["namespace"],
            "name": f"{about['name']}-{suffix}",
            "labels": marked,
            "annotations": _annotations(deployment, _next_revision(old)),
            "ownerReferences": [owner_reference(deployment)],
        },
        "spec": {
            "replicas": rollout.first_size(deployment, old),
            "selector": selector,
            "template": {**template, "metadata": {**(template.get("metadata") or {}), "labels": marked}},
        },
    }
    if spec.get("minReadySeconds"):
        replica_set["spec"]["minReadySeconds"] = spec["minReadySeconds"]
    try:
        made = await create(tools, replica_set)
        if made["spec"]["replicas"]:
            _tell_scaled(tools, deployment, made, 0, made["spec"]["replicas"])
        return made
    except AlreadyExists:
        there = await tools.client.get(Ref.of(replica_set))
        if (controller_of(there) or {}).get("uid") == uid(deployment) and rollout.same_template(
            there["spec"]["template"], template
        ):
            tools.live.note(there)  # our own: the cache had not heard of it yet
            return there
        counted = {"status": {"collisionCount": collisions + 1}}
        await change(tools, deployment, counted, subresource="status")
        return None


async def _step(tools: Tools, deployment: Object, new: Object | None, owned: Sequence[Object]) -> list[Object]:
    """Size the ReplicaSets as far as may be now; answers them as they are then."""
    old = [one for one in owned if new is None or uid(one) != uid(new)]
    if deployment["spec"].get("paused") or new is None or rollout.was_scaled(deployment, owned):
        sizes = rollout.scaled(deployment, new, old)
    elif (deployment["spec"].get("strategy") or {}).get("type") == "Recreate":
        sizes = rollout.recreate(deployment, new, old, _pods_left(tools, old))
    else:
        sizes = rollout.rolling(deployment, new, old)
    out = []
    for one in owned:
        patch: Object = {}
        if sizes.get(uid(one), rollout.size(one)) != rollout.size(one):
            patch["spec"] = {"replicas": sizes[uid(one)]}
        wanted = _annotations(deployment, _revision(one) if one is not new else _next_revision(old, one))
        if one is not new:  # it learns what the sizes are measured by, whenever it is sized
            wanted = {name: wanted[name] for name in (DESIRED, MOST)} if uid(one) in sizes else {}
        if any(annotations(one).get(name) != value for name, value in wanted.items()):
            patch["metadata"] = {"annotations": wanted}
        changed = await change(tools, one, patch) if patch else one
        if changed is not None:
            out.append(changed)
            if rollout.size(changed) != rollout.size(one):
                _tell_scaled(tools, deployment, one, rollout.size(one), rollout.size(changed))
    return out


def _tell_scaled(tools: Tools, deployment: Object, replica_set: Object, before: int, after: int) -> None:
    word, name = "up" if after > before else "down", meta(replica_set)["name"]
    text = f"Scaled {word} replica set {name} from {before} to {after}"
    tools.events.record(deployment, "Normal", "ScalingReplicaSet", text)


def _pods_left(tools: Tools, replica_sets: Sequence[Object]) -> int:
    return sum(
        pods.phase(pod) not in ("Succeeded", "Failed") for one in replica_sets for pod in controlled(tools, one, POD)
    )


async def _number(tools: Tools, deployment: Object, new: Object | None) -> None:
    """The Deployment carries the revision of its new ReplicaSet."""
    if new is not None and annotations(deployment).get(REVISION) != annotations(new).get(REVISION):
        patch = {"metadata": {"annotations": {REVISION: annotations(new).get(REVISION)}}}
        # With the status, as Kubernetes does: an annotation written otherwise counts as a new generation.
        await change(tools, deployment, patch, subresource="status")


async def _forget(tools: Tools, deployment: Object, old: Sequence[Object]) -> None:
    """Empty ReplicaSets beyond the history limit go, lowest revisions first."""
    empty = [one for one in old if not rollout.size(one) and not rollout.counted([one], "replicas")]
    over = len(empty) - int(deployment["spec"].get("revisionHistoryLimit", 10))
    for one in sorted(empty, key=_revision)[: max(0, over)]:
        await remove(tools, one)


def _revision(replica_set: Object) -> int:
    text = annotations(replica_set).get(REVISION) or "0"
    return int(text) if text.isdigit() else 0


def _next_revision(old: Sequence[Object], new: Object | None = None) -> int:
    """One more than any old ReplicaSet has; a ReplicaSet that is ahead already keeps its own."""
    least = max(map(_revision, old), default=0) + 1
    return max(least, _revision(new)) if new is not None else least


def _annotations(deployment: Object, revision: int) -> dict[str, str]:
    surge, _ = rollout.bounds(deployment)
    wanted = deployment["spec"].get("replicas", 1)
    copied = {name: value for name, value in annotations(deployment).items() if name not in _NOT_COPIED}
    return {**copied, REVISION: str(revision), DESIRED: str(wanted), MOST: str(wanted + surge)}


def _grandparent(pod: Object) -> list[Key]:
    """A pod that goes may be the last old one that a Recreate waits for; its Deployment's name is in its ReplicaSet's."""
    suffix = labels(pod).get(HASH_LABEL)
    owner: Object = next(iter(meta(pod).get("ownerReferences") or ()), {})
    if not suffix or not meta(pod).get("deletionTimestamp") or owner.get("kind") != "ReplicaSet":
        return []
    return [Key(meta(pod)["namespace"], str(owner["name"]).removesuffix(f"-{suffix}"))]


CONTROLLER = Controller(
    "deployment",
    DEPLOYMENT,
    reconcile,
    watches=(Watch(REPLICA_SET, keys=owner_keys(DEPLOYMENT), index=OWNED), Watch(POD, keys=_grandparent, index=OWNED)),
)
