"""How a Deployment's ReplicaSets are sized on the way to its new template. Pure; called by `deployments.py`.

Source: kube-controller-manager ``pkg/controller/deployment`` (``rolling.go``, ``recreate.go``, ``util/deployment_util.go``).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from trueup.kube.names import Object
from trueup.kube.objects import annotations, uid

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
DESIRED, MOST = "deployment.kubernetes.io/desired-replicas", "deployment.kubernetes.io/max-replicas"


def portion(value: object, of: int, *, up: bool) -> int:
    """``25%`` or a number, as a number of ``of``."""
    if isinstance(value, str) and value.endswith("%"):
        exact = int(value[:-1]) * of / 100
        return math.ceil(exact) if up else math.floor(exact)
    return int(str(value or 0))


def bounds(deployment: Object) -> tuple[int, int]:
    """(maxSurge, maxUnavailable) in pods; both zero would never get anywhere, so one pod may be unavailable then."""
    spec = deployment["spec"]
    strategy = spec.get("strategy") or {}
    wanted = spec.get("replicas", 1)
    if strategy.get("type") == "Recreate" or not wanted:
        return 0, 0
    rolling = strategy.get("rollingUpdate") or {}
    surge = portion(rolling.get("maxSurge", "25%"), wanted, up=True)
    unavailable = portion(rolling.get("maxUnavailable", "25%"), wanted, up=False)
    if not surge and not unavailable:
        unavailable = 1
    return surge, min(unavailable, wanted)


def same_template(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """Whether two pod templates are equal but for the hash label."""
    if a.get("spec") != b.get("spec"):
        return False
    return _without_hash(a.get("metadata") or {}) == _without_hash(b.get("metadata") or {})


def _without_hash(metadata: Mapping[str, Any]) -> Object:
    labels = {name: value for name, value in (metadata.get("labels") or {}).items() if name != HASH_LABEL}
    rest = {name: value for name, value in metadata.items() if name not in ("labels", "creationTimestamp") and value}
    return {**rest, "labels": labels}


def find_new(deployment: Object, replica_sets: Sequence[Object]) -> Object | None:
    """The oldest ReplicaSet that has the Deployment's template."""
    template = deployment["spec"]["template"]
    return next((one for one in replica_sets if same_template(one["spec"].get("template") or {}, template)), None)


def size(replica_set: Object) -> int:
    """The pods that it is asked for."""
    return int(replica_set["spec"].get("replicas", 1))


def counted(replica_sets: Iterable[Object], name: str) -> int:
    """A status field summed."""
    return sum(int((one.get("status") or {}).get(name) or 0) for one in replica_sets)


def rolling(deployment: Object, new: Object, old: Sequence[Object]) -> dict[str, int]:
    """The next sizes, by uid, of those ReplicaSets that change in a rolling update: up first, down once that is done."""
    wanted = deployment["spec"].get("replicas", 1)
    surge, unavailable = bounds(deployment)
    target = _grown(wanted, surge, new, old)
    if target != size(new):
        return {uid(new): target}
    return _shrunk(wanted - unavailable, new, old)


def recreate(deployment: Object, new: Object | None, old: Sequence[Object], old_pods: int) -> dict[str, int]:
    """All old ReplicaSets down to nothing; the new one up when no old pod is left."""
    down = {uid(one): 0 for one in old if size(one)}
    if down or old_pods or new is None:
        return down
    wanted = deployment["spec"].get("replicas", 1)
    return {uid(new): wanted} if size(new) != wanted else {}


def first_size(deployment: Object, old: Sequence[Object]) -> int:
    """How large a new ReplicaSet is made."""
    wanted = int(deployment["spec"].get("replicas", 1))
    if (deployment["spec"].get("strategy") or {}).get("type") == "Recreate":
        return 0 if any(map(size, old)) or counted(old, "replicas") else wanted
    surge, _ = bounds(deployment)
    return max(0, min(wanted + surge - sum(map(size, old)), wanted))


def was_scaled(deployment: Object, replica_sets: Iterable[Object]) -> bool:
    """Whether somebody has changed its size since its ReplicaSets were told of it. Source: ``isScalingEvent``."""
    wanted = str(deployment["spec"].get("replicas", 1))
    told = (annotations(one).get(DESIRED) for one in replica_sets if size(one))
    return any(one is not None and one.isdigit() and one != wanted for one in told)


def scaled(deployment: Object, new: Object | None, old: Sequence[Object]) -> dict[str, int]:
    """Sizes while paused, or right after somebody changed the Deployment's size: all ReplicaSets in proportion.

    Source: ``pkg/controller/deployment/sync.go`` (``scale``).
    """
    wanted = int(deployment["spec"].get("replicas", 1))
    every = [*old, *([new] if new is not None else [])]
    active = [one for one in every if size(one)]
    if len(active) < 2:
        chosen = active or ([new] if new is not None else list(old[-1:]))
        return {uid(one): wanted for one in chosen}
    done = new is not None and size(new) == wanted == counted([new], "availableReplicas")
    if new is not None and done and annotations(new).get(DESIRED) == str(wanted):
        return {uid(one): 0 for one in active if one is not new}
    if (deployment["spec"].get("strategy") or {}).get("type") == "Recreate":
        return {}
    return _proportional(deployment, wanted, active)


def _proportional(deployment: Object, wanted: int, active: Sequence[Object]) -> dict[str, int]:
    """What is to be added or taken is shared by size, the largest first; the largest takes what is left over."""
    surge, _ = bounds(deployment)
    allowed = wanted + surge if wanted else 0
    change = allowed - sum(map(size, active))
    # Of the same size the newer grow first and the older shrink first.
    ages = range(len(active)) if change < 0 else range(len(active), 0, -1)
    ordered = [
        one for *_, one in sorted(zip((-size(one) for one in active), ages, active, strict=True), key=lambda t: t[:2])
    ]
    sizes = {uid(one): size(one) for one in ordered}
    done = 0
    for one in ordered if change else ():
        share = _share(deployment, one, wanted, allowed)
        part = min(share, change - done) if change > 0 else max(share, change - done)
        sizes[uid(one)] += part
        done += part
    if change and ordered:
        first = uid(ordered[0])
        sizes[first] = max(0, sizes[first] + change - done)
    return sizes


def _share(deployment: Object, one: Object, wanted: int, allowed: int) -> int:
    if not wanted:
        return -size(one)
    text = annotations(one).get(MOST) or ""
    before = int(text) if text.isdigit() else 0
    before = before or int((deployment.get("status") or {}).get("replicas") or 0)
    if not before:
        return 0
    return math.floor(size(one) * allowed / before + 0.5) - size(one)


def _grown(wanted: int, surge: int, new: Object, old: Sequence[Object]) -> int:
    if size(new) >= wanted:
        return wanted
    total = size(new) + sum(map(size, old))
    return size(new) + max(0, min(wanted + surge - total, wanted - size(new)))


def _shrunk(least: int, new: Object, old: Sequence[Object]) -> dict[str, int]:
    """Old pods that never became available go first, then available ones as far as enough remain."""
    running = sum(map(size, old))
    if not running:
        return {}
    missing = size(new) - counted([new], "availableReplicas")
    room = size(new) + running - least - missing
    if room <= 0:
        return {}
    sizes = {uid(one): size(one) for one in old}
    cleaned = 0
    for one in old:
        unhealthy = size(one) - counted([one], "availableReplicas")
        step = max(0, min(unhealthy, room - cleaned, size(one)))
        sizes[uid(one)] -= step
        cleaned += step
    spare = counted([new, *old], "availableReplicas") - least
    for one in old:
        step = max(0, min(spare, sizes[uid(one)], room - cleaned))
        sizes[uid(one)] -= step
        spare, cleaned = spare - step, cleaned + step
    return {uid(one): sizes[uid(one)] for one in old if sizes[uid(one)] != size(one)}
