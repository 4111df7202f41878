"""What a Job makes of pods that failed, and when enough have succeeded. Pure; called by `jobs`.

Source: kube-controller-manager ``pkg/controller/job`` (``pod_failure_policy.go``, ``success_policy.go``,
``backoff_utils.go``); Kubernetes documentation "Jobs", "Pod failure policy", "Success policy", "Backoff limit per index".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trueup.families.builtin import pods
from trueup.kube.names import Object
from trueup.kube.objects import annotations as notes_of
from trueup.kube.objects import meta

INDEX = "batch.kubernetes.io/job-completion-index"
FAILURES = "batch.kubernetes.io/job-index-failure-count"


@dataclass(slots=True)
class Failures:
    """What a Job's failed pods come to."""

    counted: list[Object] = field(default_factory=list)
    """Those that the back-off limit counts."""
    fatal: str = ""
    """Why the whole Job has failed, if a rule says so."""
    indexes: set[int] = field(default_factory=set)
    """Indexes that are given up."""
    by_index: dict[int, int] = field(default_factory=dict)
    """How often an index has failed."""


def index_of(pod: Object) -> int:
    """The completion index of a pod."""
    return int(notes_of(pod).get(INDEX) or 0)


def failures(job: Object, owned: Sequence[Object]) -> Failures:
    """Judge every failed pod by the Job's policies."""
    spec, out = job["spec"], Failures()
    limit = spec.get("backoffLimitPerIndex")
    for pod in owned:
        known = int(notes_of(pod).get(FAILURES) or 0)  # those whose pods are no more
        if limit is not None and known:
            out.by_index[index_of(pod)] = max(out.by_index.get(index_of(pod), 0), known)
        if pods.phase(pod) != "Failed":
            continue
        action, why = _judged(spec.get("podFailurePolicy") or {}, pod)
        if action == "FailJob":
            out.fatal = out.fatal or why
        if action == "Ignore":
            continue
        out.counted.append(pod)
        if limit is not None:
            index = index_of(pod)
            out.by_index[index] = max(out.by_index.get(index, 0), known + 1)
            if action == "FailIndex" or out.by_index[index] > limit:
                out.indexes.add(index)
    return out


def _judged(policy: Mapping[str, Any], pod: Object) -> tuple[str, str]:
    """The action of the first rule that a failed pod matches, and how a failure of the Job is worded."""
    where = f"{meta(pod).get('namespace')}/{meta(pod)['name']}"
    for number, rule in enumerate(policy.get("rules") or ()):
        action = str(rule.get("action"))
        tail = f"matching {action} rule at index {number}"
        if rule.get("onExitCodes"):
            found = _exited(pod, rule["onExitCodes"])
            if found is not None:
                code = found["state"]["terminated"]["exitCode"]
                return action, f"Container {found['name']} for pod {where} failed with exit code {code} {tail}"
        else:
            held = _condition(pod, rule.get("onPodConditions") or ())
            if held:
                return action, f"Pod {where} has condition {held} {tail}"
    return "Count", ""


def _exited(pod: Object, wanted: Mapping[str, Any]) -> Object | None:
    status = pod.get("status") or {}
    for one in (*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ())):
        ended = (one.get("state") or {}).get("terminated")
        if ended is None or wanted.get("containerName", one["name"]) != one["name"] or not ended.get("exitCode"):
            continue
        if (ended["exitCode"] in (wanted.get("values") or ())) == (wanted.get("operator") == "In"):
            found: Object = one
            return found
    return None


def _condition(pod: Object, patterns: Sequence[Mapping[str, Any]]) -> str:
    for one in (pod.get("status") or {}).get("conditions") or ():
        if any(one["type"] == each.get("type") and one["status"] == each.get("status", "True") for each in patterns):
            return str(one["type"])
    return ""


def success(job: Object, done: set[int]) -> str:
    """The rule by which enough indexes have succeeded; empty when none says so."""
    for number, rule in enumerate((job["spec"].get("successPolicy") or {}).get("rules") or ()):
        count, wanted = rule.get("succeededCount"), rule.get("succeededIndexes")
        have = done if wanted is None else done & parse_spans(wanted)
        whole = wanted is not None and have == parse_spans(wanted)
        if have and (whole or (count is not None and len(have) >= count)):
            return f"Matched rules at index {number}"
    return ""


def failure(job: Object, found: Failures, done: set[int]) -> tuple[str, str] | None:
    """Reason and message of a Job that has failed by its policies."""
    spec = job["spec"]
    if found.fatal:
        return "PodFailurePolicy", found.fatal
    if spec.get("backoffLimitPerIndex") is None:
        return None
    most = spec.get("maxFailedIndexes")
    if most is not None and len(found.indexes) > most:
        return "MaxFailedIndexesExceeded", "Job has exceeded the specified maximal number of failed indexes"
    if found.indexes and len(found.indexes | done) >= int(spec.get("completions") or 0):
        return "FailedIndexes", "Job has failed indexes"
    return None


def spans(numbers: Iterable[int]) -> str:
    """``0-2,4``."""
    out: list[list[int]] = []
    for number in sorted(numbers):
        if out and number == out[-1][-1] + 1:
            out[-1] = [out[-1][0], number]
        else:
            out.append([number])
    return ",".join("-".join(map(str, span)) for span in out)


def parse_spans(text: str) -> set[int]:
    """The numbers of ``0-2,4``."""
    out: set[int] = set()
    for part in filter(None, (each.strip() for each in text.split(","))):
        first, _, last = part.partition("-")
        out.update(range(int(first), int(last or first) + 1))
    return out
