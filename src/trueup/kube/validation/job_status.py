"""What the status of a job may say, and come to say. Source: Kubernetes ``pkg/apis/batch/validation``, ValidateJobUpdateStatus.

What did not change is not asked about again: ``getStatusValidationOptions`` of ``registry/batch/job/strategy.go``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from trueup.kube.names import Object
from trueup.kube.problems import Cause
from trueup.kube.times import parse_time
from trueup.kube.validation.causes import Causes, duplicate, invalid, not_negative, required
from trueup.kube.validation.jobs import count_of

_CONDITIONS = "status.conditions"


def job(new: Object, old: Object) -> Causes:
    """batch/v1 Job."""
    now, was, spec = new.get("status") or {}, old.get("status") or {}, new.get("spec") or {}
    for name in ("active", "succeeded", "failed", "ready", "terminating"):
        yield from not_negative(f"status.{name}", now.get(name))
    yield from _uncounted(now)
    yield from _ends(now, was, spec)
    yield from _times(now, was, spec)
    yield from _indexes(now, was, spec)
    if _changed(now, was, "ready", "active") and (now.get("ready") or 0) > (now.get("active") or 0):
        yield invalid("status.ready", now["ready"], "cannot set more ready pods than active")
    yield from _steps(now, was, spec)


def _true(status: Object, kind: str, word: str = "True") -> bool:
    return any(one.get("type") == kind and one.get("status") == word for one in status.get("conditions") or ())


def _finished(status: Object) -> bool:
    return _true(status, "Complete") or _true(status, "Failed")


def _changed(now: Object, was: Object, *names: str) -> bool:
    return any(now.get(name) != was.get(name) for name in names)


def _said(detail: str) -> Cause:
    """Of the conditions as a whole, which are not shown."""
    return Cause("FieldValueInvalid", f"Invalid value: {detail}", _CONDITIONS)


def _uncounted(now: Object) -> Causes:
    found, seen = now.get("uncountedTerminatedPods") or {}, set()
    for part in ("succeeded", "failed"):
        for index, uid in enumerate(found.get(part) or ()):
            path = f"status.uncountedTerminatedPods.{part}[{index}]"
            if not uid:
                yield invalid(path, uid, "must not be empty")
            elif uid in seen:
                yield duplicate(path, uid)
            seen.add(uid)


def _ends(now: Object, was: Object, spec: Object) -> Causes:
    """Which conditions go together."""
    complete, failed, target, met = (
        _true(now, kind) for kind in ("Complete", "Failed", "FailureTarget", "SuccessCriteriaMet")
    )
    new = {
        kind: _true(now, kind) != _true(was, kind)
        for kind in ("Complete", "Failed", "FailureTarget", "SuccessCriteriaMet")
    }
    if complete and failed and (new["Complete"] or new["Failed"]):
        yield _said("cannot set Complete=True and Failed=true conditions")
    if complete and target and (new["Complete"] or new["FailureTarget"]):
        yield _said("cannot set Complete=True and FailureTarget=true conditions")
    if failed and not target and (new["Failed"] or _changed(now, was, "failedIndexes")):
        yield _said("cannot set Failed=True condition without the FailureTarget=true condition")
    if complete and not met and (new["Complete"] or new["SuccessCriteriaMet"]):
        yield _said("cannot set Complete=True condition without the SuccessCriteriaMet=true condition")
    if _finished(now):
        yield from _finished_with(now, was, spec, new=_finished(was) != _finished(now))
    if met and failed:
        yield _said("cannot set SuccessCriteriaMet=True and Failed=true conditions")
    if met and target:
        yield _said("cannot set SuccessCriteriaMet=True and FailureTarget=true conditions")
    if spec.get("successPolicy") is not None and complete and not met:
        yield _said("cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True")


def _finished_with(now: Object, was: Object, spec: Object, *, new: bool) -> Causes:
    """What is over by then."""
    if (new or _changed(now, was, "active")) and (now.get("active") or 0) > 0:
        yield invalid("status.active", now["active"], "active>0 is invalid for finished job")
    bare = bool(spec.get("suspend")) and spec.get("completions") == 0
    if (new or _changed(now, was, "startTime")) and not bare and now.get("startTime") is None:
        yield required("status.startTime", "startTime is required for finished job")
    found = now.get("uncountedTerminatedPods") or {}
    if (new or _changed(now, was, "uncountedTerminatedPods")) and (found.get("failed") or found.get("succeeded")):
        shown = {"Succeeded": found.get("succeeded"), "Failed": found.get("failed")}
        yield invalid("status.uncountedTerminatedPods", shown, "must be empty for finished job")
    if (new or _changed(now, was, "terminating")) and (now.get("terminating") or 0) > 0:
        yield invalid("status.terminating", now["terminating"], "terminating>0 is invalid for finished job")


def _times(now: Object, was: Object, spec: Object) -> Causes:
    complete, done, began = _true(now, "Complete"), now.get("completionTime"), now.get("startTime")
    if complete != _true(was, "Complete") or _changed(now, was, "completionTime"):
        if done is not None and not complete:
            text = "cannot set completionTime when there is no Complete=True condition"
            yield invalid("status.completionTime", done, text)
        if done is None and complete:
            yield required("status.completionTime", "completionTime is required for Complete jobs")
    if _changed(now, was, "startTime", "completionTime") and began and done and parse_time(done) < parse_time(began):
        yield invalid("status.completionTime", done, "must be equal to or after `startTime`")
    if done is not None and was.get("completionTime") is not None and _changed(now, was, "completionTime"):
        yield invalid("status.completionTime", done, "field is immutable")
    resuming = _true(was, "Suspended") and _true(now, "Suspended", "False")
    if was.get("startTime") is not None and began != was["startTime"] and not resuming and not spec.get("suspend"):
        yield invalid("status.startTime", began, "field is immutable for unsuspended job once set")


def _indexes(now: Object, was: Object, spec: Object) -> Causes:
    done, failed, most = now.get("completedIndexes") or "", now.get("failedIndexes"), spec.get("completions")
    path, failed_path = "status.completedIndexes", "status.failedIndexes"
    if _changed(now, was, "completedIndexes"):
        if most is not None and (why := _unreadable(done, most)):
            yield invalid(path, done, f"error parsing completedIndexes: {why}")
        if done and spec.get("completionMode") != "Indexed":
            yield invalid(path, done, "cannot set non-empty completedIndexes when non-indexed completion mode")
    if failed is not None and _changed(now, was, "failedIndexes"):
        limited = spec.get("backoffLimitPerIndex") is not None
        if most is not None and limited and (why := _unreadable(failed, most)):
            yield invalid(failed_path, failed, f"error parsing failedIndexes: {why}")
        if not limited:
            yield invalid(failed_path, failed, "cannot set non-null failedIndexes when backoffLimitPerIndex is null")
    if failed is None or most is None or not _changed(now, was, "failedIndexes", "completedIndexes"):
        return
    if not _unreadable(done, most) and not _unreadable(failed, most):
        both = set(_numbers(done)) & set(_numbers(failed))
        if both:
            yield invalid(failed_path, failed, f"failedIndexes and completedIndexes overlap at index: {min(both)}")


def _unreadable(indexes: str, most: Any) -> str:
    try:
        count_of(indexes, most)
    except ValueError as problem:
        return str(problem)
    return ""


def _numbers(indexes: str) -> Iterator[int]:
    for part in indexes.split(",") if indexes else ():
        low, _, high = part.partition("-")
        yield from range(int(low), int(high or low) + 1)


def _steps(now: Object, was: Object, spec: Object) -> Causes:
    """What has come to pass stays so."""
    for kind in ("Failed", "Complete", "FailureTarget"):
        if _true(was, kind) and not _true(now, kind):
            yield _said(f"cannot disable the terminal {kind}=True condition")
    if (now.get("failed") or 0) < (was.get("failed") or 0):
        yield invalid("status.failed", now.get("failed") or 0, "cannot decrease the failed counter")
    elastic = spec.get("completionMode") == "Indexed" and spec.get("completions") == spec.get("parallelism")
    if not elastic and (now.get("succeeded") or 0) < (was.get("succeeded") or 0):
        yield invalid("status.succeeded", now.get("succeeded") or 0, "cannot decrease the succeeded counter")
    met, before = _true(now, "SuccessCriteriaMet"), _true(was, "SuccessCriteriaMet")
    if before and not met:
        yield _said("cannot disable the SuccessCriteriaMet=True condition")
    if _true(was, "Complete") and not before and met:
        yield _said("cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions")
