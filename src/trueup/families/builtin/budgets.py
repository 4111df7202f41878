"""PodDisruptionBudgets: how many pods may go. Source: ``pkg/controller/disruption``.

A budget's selector may be an expression, so a pod's change wakes the budgets of its namespace.
"""

from collections.abc import Iterable, Sequence

from trueup.families.builtin import pods, rollout
from trueup.families.builtin.kinds import BUDGET, POD, REPLICA_SET, REPLICATION_CONTROLLER, STATEFUL_SET
from trueup.families.builtin.tools import seconds, with_condition, write_status
from trueup.family import Controller, Result, Tools, Watch
from trueup.kube.names import Key, Object
from trueup.kube.objects import controller_of, labels, meta
from trueup.kube.selectors import label_selector
from trueup.timing.rfc3339 import format_time

_SPACE = "namespace"
_SCALED = {kind.kind: kind for kind in (REPLICA_SET, STATEFUL_SET, REPLICATION_CONTROLLER)}
_EVICTED_WITHIN = 120.0


def status(budget: Object, found: Sequence[Object], expected: int, moment: float) -> Object:
    """The numbers, and whether a pod may be evicted."""
    spec, before, stamp = budget["spec"], budget.get("status") or {}, format_time(moment)
    disrupted = _disrupted(before, found, moment)
    healthy = sum(
        pods.ready(pod) and not meta(pod).get("deletionTimestamp") and meta(pod)["name"] not in disrupted
        for pod in found
    )
    if spec.get("maxUnavailable") is not None:
        wanted = max(0, expected - rollout.portion(spec["maxUnavailable"], expected, up=True))
    else:
        least = spec.get("minAvailable", 1)
        expected = expected if isinstance(least, str) else len(found)
        wanted = rollout.portion(least, expected, up=True)
    allowed = max(0, healthy - wanted) if expected else 0
    word, reason = ("True", "SufficientPods") if allowed else ("False", "InsufficientPods")
    generation = meta(budget).get("generation") or 1
    said = {
        "type": "DisruptionAllowed",
        "status": word,
        "reason": reason,
        "message": "",
        "observedGeneration": generation,
    }
    return {
        "conditions": with_condition(before.get("conditions") or [], said, stamp),
        "currentHealthy": healthy,
        "desiredHealthy": wanted,
        "disruptionsAllowed": allowed,
        "expectedPods": expected,
        "observedGeneration": generation,
        **({"disruptedPods": disrupted} if disrupted else {}),
    }


def _disrupted(before: Object, found: Sequence[Object], moment: float) -> dict[str, str]:
    """Pods that are being evicted and were not seen to go yet; after two minutes nobody waits for it."""
    there = {meta(pod)["name"] for pod in found if not meta(pod).get("deletionTimestamp")}
    noted = before.get("disruptedPods") or {}
    return {name: at for name, at in noted.items() if name in there and moment - seconds(at) < _EVICTED_WITHIN}


async def reconcile(tools: Tools, key: Key) -> Result:
    """Count, and say so."""
    budget = tools.cache(BUDGET).get(key)
    if budget is None or meta(budget).get("deletionTimestamp"):
        return Result()
    selector = label_selector(budget["spec"].get("selector"))
    every = tools.cache(POD).list(key.namespace)
    matching = [pod for pod in every if selector.matches(labels(pod))]
    found = [pod for pod in matching if pods.phase(pod) not in ("Succeeded", "Failed")]
    new = status(budget, found, _expected(tools, key.namespace, found), tools.clock.now())
    if not matching and new != budget.get("status"):
        tools.events.record(budget, "Normal", "NoPods", "No matching pods found")
    await write_status(tools, budget, new)
    return Result(after=_EVICTED_WITHIN if new.get("disruptedPods") else None)


def _expected(tools: Tools, namespace: str, found: Sequence[Object]) -> int:
    """What the pods' controllers are asked for; pods without one count for themselves."""
    controllers: dict[str, int] = {}
    single = 0
    for pod in found:
        owner = controller_of(pod)
        kind = _SCALED.get(str(owner.get("kind"))) if owner else None
        scaled = tools.cache(kind).get(Key(namespace, owner["name"])) if owner and kind else None
        if owner and scaled is not None:
            controllers[owner["uid"]] = rollout.size(scaled)
        else:
            single += 1
    return sum(controllers.values()) + single


def _namespace(obj: Object) -> Iterable[str]:
    yield meta(obj).get("namespace") or ""


CONTROLLER = Controller(
    "disruption-budget",
    BUDGET,
    reconcile,
    index={_SPACE: _namespace},
    watches=(
        Watch(POD, by={_SPACE: _namespace}),
        Watch(REPLICA_SET),
        Watch(STATEFUL_SET),
        Watch(REPLICATION_CONTROLLER),
    ),
)
