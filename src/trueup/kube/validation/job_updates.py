"""What may change of a job. Source: Kubernetes ``pkg/apis/batch/validation``, ValidateJobUpdate; ``batch/job/strategy.go``."""

from __future__ import annotations

from trueup.kube import selectors
from trueup.kube.names import Object
from trueup.kube.problems import BadRequest
from trueup.kube.validation.causes import Causes, invalid, required, unchanged

_FIXED = ("completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy")


def job(new: Object, old: Object) -> Causes:
    """batch/v1 Job."""
    now, was = new.get("spec") or {}, old.get("spec") or {}
    if now == was:
        return
    yield from own_labels(new, old)
    yield from _completions(now, was)
    yield from unchanged("spec.selector", now.get("selector"), was.get("selector"))
    yield from _template(now.get("template") or {}, was.get("template") or {}, old)
    for name in _FIXED:
        yield from unchanged(f"spec.{name}", now.get(name), was.get(name))


def own_labels(new: Object, old: Object) -> Causes:
    """A selector that was made up, and the labels that it selects by, stay what they were made."""
    spec, meta = new.get("spec") or {}, new["metadata"]
    if spec.get("manualSelector"):
        return
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    try:
        selector = selectors.label_selector(spec.get("selector"))
    except BadRequest:
        selector = None  # the check of the job tells
    if selector is not None and not selector.matches(labels or {}):
        yield invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`")
    if spec.get("selector") is None:
        yield required("spec.selector")
        return
    before = (((old.get("spec") or {}).get("template") or {}).get("metadata") or {}).get("labels") or {}
    wanted = {"controller-uid": meta.get("uid"), "job-name": meta.get("name") or ""}
    prefixed = {f"batch.kubernetes.io/{name}": value for name, value in wanted.items()}
    if all(name in before for name in prefixed):
        wanted |= prefixed
    labels = labels or {}
    for name, value in wanted.items():
        path = f"spec.template.metadata.labels[{name}]"
        if name not in labels:
            yield required(path, f"must be '{value}'")
        elif labels[name] != value:
            yield invalid(path, labels, f"must be '{value}'")
    if selector is not None and not selector.matches(wanted):
        yield invalid("spec.selector", spec["selector"], "`selector` not auto-generated")


def _completions(now: Object, was: Object) -> Causes:
    after = now.get("completions")
    if now.get("completionMode") != "Indexed":
        yield from unchanged("spec.completions", after, was.get("completions"))
    elif after not in (None, was.get("completions"), now.get("parallelism")):
        yield invalid("spec.completions", after, "can only be modified in tandem with spec.parallelism")


def _template(after: Object, before: Object, old: Object) -> Causes:
    """Where the pods of a job that waits may run, and what they are given, may change."""
    spec, status = old.get("spec") or {}, old.get("status") or {}
    if after == before:
        return
    waits = any(
        one.get("type") == "Suspended" and one.get("status") == "True" for one in status.get("conditions") or ()
    )
    free = bool(spec.get("suspend")) and (waits or not status.get("startTime")) and not status.get("active")
    if not free:
        yield from unchanged("spec.template", after, before)
        return
    now, was = after.get("spec") or {}, before.get("spec") or {}
    if _fixed(now, was) != _fixed(was, was):
        yield invalid("spec.template.spec", now, "field is immutable")


def _fixed(spec: Object, was: Object) -> Object:
    """What stays of such a pod."""
    kept = {
        name: value for name, value in spec.items() if name not in ("nodeSelector", "tolerations", "schedulingGates")
    }
    affinity = {name: value for name, value in (spec.get("affinity") or {}).items() if name != "nodeAffinity"}
    kept["affinity"] = affinity or None
    for part in ("containers", "initContainers"):
        now, before = spec.get(part) or [], was.get(part) or []
        if len(now) == len(before):
            kept[part] = [
                {k: v for k, v in one.items() if k != "resources"} if one.get("name") == other.get("name") else one
                for one, other in zip(now, before, strict=True)
            ]
    return kept
