"""Each pod of a Job that ends is counted once, whoever deletes it: a finalizer keeps it until it is. Pure; called by `jobs`.

A pod that has ended is listed as uncounted, then let go, and counted once that is seen. Source: kube-controller-manager
``pkg/controller/job/job_controller.go`` (``trackJobStatusAndRemoveFinalizers``); Kubernetes documentation "Job termination and
cleanup".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from trueup.families.builtin import job_policies as policies
from trueup.families.builtin import pods
from trueup.kube.names import Object
from trueup.kube.objects import meta, uid

FINALIZER = "batch.kubernetes.io/job-tracking"
COUNTED = "uncountedTerminatedPods"


@dataclass(slots=True)
class Tally:
    """How many pods have succeeded and failed; what the status says of it; who may go now."""

    succeeded: int = 0
    failed: int = 0
    counted: dict[str, int] = field(default_factory=dict)
    uncounted: dict[str, list[str]] = field(default_factory=dict)
    done: set[int] = field(default_factory=set)
    release: list[Object] = field(default_factory=list)


def tracked(pod: Object) -> bool:
    """Whether a pod waits to be counted."""
    return FINALIZER in (meta(pod).get("finalizers") or ())


def tally(job: Object, owned: Sequence[Object], found: policies.Failures) -> Tally:
    """Count: what was counted, what is listed, and what has ended since."""
    status, spec = job.get("status") or {}, job["spec"]
    out = Tally()
    ended = [pod for pod in owned if pods.phase(pod) == "Succeeded"]
    if spec.get("completionMode") == "Indexed":
        out.done = policies.parse_spans(str(status.get("completedIndexes") or ""))
        out.done |= {policies.index_of(pod) for pod in ended}
        out.succeeded = out.counted["succeeded"] = len(out.done)
        out.release += filter(tracked, ended)
    else:
        out.succeeded = _one(out, "succeeded", status, owned, ended)
    failed = [*found.counted, *(pod for pod in owned if _lost(spec, pod))]
    out.failed = _one(out, "failed", status, owned, failed)
    judged = {uid(pod) for pod in failed}
    out.release += [
        pod for pod in owned if pods.phase(pod) == "Failed" and tracked(pod) and uid(pod) not in judged
    ]  # a policy says that it is none
    return out


def _lost(spec: Object, pod: Object) -> bool:
    """A pod that somebody deletes has failed, unless only what has really failed is replaced."""
    if pods.phase(pod) in ("Succeeded", "Failed") or not meta(pod).get("deletionTimestamp"):
        return False
    return replaced(spec) != "Failed"


def replaced(spec: Object) -> str:
    """When pods are replaced that are on their way out."""
    return str(
        spec.get("podReplacementPolicy") or ("Failed" if spec.get("podFailurePolicy") else "TerminatingOrFailed")
    )


def _one(out: Tally, name: str, status: Object, owned: Iterable[Object], ended: Iterable[Object]) -> int:
    """One of the two counts: listed pods that were let go are counted, others that have ended are listed."""
    waits = {uid(pod): pod for pod in owned if tracked(pod)}
    listed: Sequence[str] = ((status.get(COUNTED) or {}).get(name)) or ()
    still = [one for one in listed if one in waits]
    fresh = [uid(pod) for pod in ended if uid(pod) in waits and uid(pod) not in still]
    out.counted[name] = int(status.get(name) or 0) + len(listed) - len(still)
    if still or fresh:
        out.uncounted[name] = [*still, *fresh]
        out.release += [waits[one] for one in out.uncounted[name]]
    return out.counted[name] + len(still) + len(fresh)


def without(pod: Object) -> Object:
    """The patch that lets a pod go."""
    kept = [name for name in meta(pod).get("finalizers") or () if name != FINALIZER]
    return {"metadata": {"uid": uid(pod), "finalizers": kept or None}}


def strays(pods: Iterable[Object], jobs: Collection[str]) -> list[Object]:
    """Pods that wait to be counted by a Job that is no more."""
    owners = ((pod, [one.get("uid") for one in meta(pod).get("ownerReferences") or ()]) for pod in pods if tracked(pod))
    return [pod for pod, uids in owners if not any(one in jobs for one in uids)]
