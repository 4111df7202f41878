"""Whose place an important pod takes. Pure; called by `scheduler` for a pod that fits nowhere.

Source: kube-scheduler ``framework/preemption`` and the plugin DefaultPreemption; Kubernetes documentation "Pod Priority and
Preemption".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from trueup.families.builtin.simulate import room
from trueup.families.builtin.simulate.fitting import Misfit, Wanted, counted, misfit
from trueup.families.builtin.simulate.sites import Site
from trueup.kube.names import Object
from trueup.kube.objects import labels, meta, uid
from trueup.kube.selectors import label_selector

_NONE = "No preemption victims found for incoming pod"
_USELESS = "Preemption is not helpful for scheduling"
_MANY = 100
"""As many nodes are tried."""
PREEMPTED = "PreemptionByScheduler"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A node, who would have to leave it, and how many budgets that would break."""

    site: Site
    victims: Sequence[Object]
    violations: int


def ineligible(pod: Object, site: Site | None, found: Misfit | None) -> str:
    """Why a pod may not take a place; ``site``: where room is being made for it already, ``found``: what it lacks there."""
    if pod["spec"].get("preemptionPolicy") == "Never":
        return "not eligible due to preemptionPolicy=Never."
    if site is None or (found is not None and found.final):
        return ""
    if any(_priority(one) < _priority(pod) and _leaving(one) for one in site.pods.values()):
        return "not eligible due to a terminating pod on the nominated node."
    return ""


def _leaving(pod: Object) -> bool:
    said = (pod.get("status") or {}).get("conditions") or ()
    return bool(meta(pod).get("deletionTimestamp")) and any(
        one["type"] == "DisruptionTarget" and one["status"] == "True" and one.get("reason") == PREEMPTED for one in said
    )


def candidates(
    want: Wanted, failed: Mapping[str, Misfit], sites: Sequence[Site], budgets: Sequence[Object]
) -> tuple[list[Candidate], str]:
    """The nodes where others leaving helps; if there is none, why."""
    out: list[Candidate] = []
    reasons: list[str] = []
    tried = 0
    for site in sites:
        if failed[site.name].final:
            reasons.append(_USELESS)
        elif tried < _MANY:
            tried += 1
            found = victims(want, site, budgets)
            if isinstance(found, Candidate):
                out.append(found)
            else:
                reasons += found
    return out, f"0/{len(sites)} nodes are available: {counted(reasons)}."


def useless(count: int) -> str:
    """Said of all nodes when no pod's leaving would help."""
    return f"0/{count} nodes are available: {count} {_USELESS}."


def best(found: Iterable[Candidate]) -> Candidate:
    """Few broken budgets, then victims of low priority, few of them, and young ones."""

    def rank(one: Candidate) -> tuple[int, int, int, int, str]:
        priorities = [_priority(victim) for victim in one.victims]
        highest = max(priorities)
        oldest = min(_born(victim) for victim in one.victims if _priority(victim) == highest)
        return one.violations, highest, sum(each + 2**31 for each in priorities), len(one.victims), _reversed(oldest)

    return min(found, key=rank)


def victims(want: Wanted, site: Site, budgets: Sequence[Object]) -> Candidate | list[str]:
    """The fewest pods whose leaving makes room on a node; or why even that of all less important ones does not."""
    lower = [pod for pod in site.pods.values() if _priority(pod) < want.priority]
    if not lower:
        return [_NONE]
    lower.sort(key=lambda pod: (-_priority(pod), _born(pod)))  # the most important first
    trial = replace(site, used=dict(site.used), pods=dict(site.pods), ports=dict(site.ports))
    for pod in lower:
        _move(want, trial, pod, -1)
    try:
        why = misfit(want, trial)
        if why is not None:
            return list(why.reasons)
        breaking, others = _by_budget(lower, budgets)
        out: list[Object] = []
        violations = 0
        for pod in [*breaking, *others]:  # who need not go stays, whom a budget guards before all others
            _move(want, trial, pod, 1)
            if misfit(want, trial) is not None:
                _move(want, trial, pod, -1)
                out.append(pod)
                violations += any(one is pod for one in breaking)
    finally:
        for pod in lower:
            if uid(pod) not in trial.pods:
                _move(want, trial, pod, 1)
    out.sort(key=lambda pod: (-_priority(pod), _born(pod)))
    return Candidate(site, out, violations) if out else [_NONE]


def _move(want: Wanted, site: Site, pod: Object, sign: int) -> None:
    """A pod leaves a node that is tried out, or comes back; the neighbourhood is put right in the end."""
    for name, value in room.asked(pod).items():
        site.used[name] = site.used.get(name, 0) + sign * value
    for port in room.ports(pod):
        left = site.ports.pop(port, 0) + sign
        if left > 0:
            site.ports[port] = left
    if sign > 0:
        site.pods[uid(pod)] = pod
    else:
        site.pods.pop(uid(pod), None)
    if want.around is not None:
        want.around.without(pod, site, sign)


def _by_budget(pods: Iterable[Object], budgets: Sequence[Object]) -> tuple[list[Object], list[Object]]:
    """Pods whose leaving breaks a budget, and the others."""
    left = [int((one.get("status") or {}).get("disruptionsAllowed") or 0) for one in budgets]
    breaking: list[Object] = []
    others: list[Object] = []
    for pod in pods:
        broken = False
        for number, budget in enumerate(budgets):
            given = budget["spec"].get("selector")
            if not given or meta(budget)["namespace"] != meta(pod)["namespace"] or not labels(pod):
                continue
            if not label_selector(given).matches(labels(pod)):
                continue
            if meta(pod)["name"] in ((budget.get("status") or {}).get("disruptedPods") or {}):
                continue
            left[number] -= 1
            broken |= left[number] < 0
        (breaking if broken else others).append(pod)
    return breaking, others


def _priority(pod: Object) -> int:
    return int(pod["spec"].get("priority") or 0)


def _born(pod: Object) -> str:
    return str((pod.get("status") or {}).get("startTime") or meta(pod).get("creationTimestamp") or "")


def _reversed(text: str) -> str:
    """Later times come first."""
    return "".join(chr(0x10FFFF - ord(letter)) for letter in text)
