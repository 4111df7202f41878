"""Events of both groups, which are one kind. Source: Kubernetes ``pkg/apis/core/validation/events.go``."""

from __future__ import annotations

from trueup.kube.names import Object
from trueup.kube.problems import Cause
from trueup.kube.validation import formats
from trueup.kube.validation.causes import Causes, each_invalid, in_order, invalid, required, unchanged

_SHORT, _LONG = 128, 1024
_RENAMED = {
    "involvedObject": "regarding", "source": "deprecatedSource", "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp", "count": "deprecatedCount", "message": "note",
}  # fmt: skip
_KEPT = (
    "involvedObject", "reason", "message", "source", "firstTimestamp", "lastTimestamp", "count", "reason", "type",
    "eventTime", "action", "related", "reportingController", "reportingInstance",
)  # fmt: skip
"""In the order of Kubernetes, which looks at reasons twice."""
_TEXTS = frozenset({"action", "message", "reason", "reportingController", "reportingInstance", "type"})


def event(obj: Object) -> Causes:
    """v1 Event."""
    yield from _common(obj, "involvedObject", "message", "reportingComponent")


def new_event(obj: Object) -> Causes:
    """events.k8s.io Event: what holds of every one. Fields are told by the names that they have in v1."""
    yield from _common(obj, "regarding", "note", "reportingController")


def _common(obj: Object, about: str, text: str, reporter: str) -> Causes:
    space, theirs = obj["metadata"].get("namespace") or "", (obj.get(about) or {}).get("namespace") or ""
    path = "involvedObject.namespace"
    if not obj.get("eventTime"):
        if space not in ("", "default") if not theirs else space != theirs:
            yield invalid(path, theirs, "does not match event.namespace")
        return
    if not theirs and space not in ("default", "kube-system"):
        yield invalid(path, theirs, "does not match event.namespace")
    controller, instance = obj.get(reporter) or "", obj.get("reportingInstance") or ""
    if not controller:
        yield required(reporter)
    yield from each_invalid(reporter, controller, formats.qualified(controller))
    for name, value, most in (
        ("reportingInstance", instance, _SHORT),
        ("action", obj.get("action") or "", _SHORT),
        ("reason", obj.get("reason") or "", _SHORT),
        ("message", obj.get(text) or "", _LONG),
    ):
        if not value and name != "message":
            yield required(name)
        if len(value.encode()) > most:
            yield invalid(name, "", f"can have at most {most} characters")


def strictly(new: Object, old: Object | None) -> Causes:
    """What events.k8s.io asks of events besides."""
    if old is None:
        yield from _series(new)
        if not new.get("eventTime"):
            yield required("eventTime")
        if new.get("type") not in ("Normal", "Warning"):
            yield invalid("type", "", f"has invalid value: {new.get('type') or ''}")
        for name in ("firstTimestamp", "lastTimestamp", "count"):
            if new.get(_RENAMED[name]):
                yield invalid(name, "", "needs to be unset")
        if any((new.get("deprecatedSource") or {}).values()):
            yield invalid("source", "", "needs to be unset")
        return
    if new.get("series") != old.get("series"):
        yield from _series(new)
    for name in _KEPT:
        field = _RENAMED.get(name, name)
        if name in ("involvedObject", "related"):
            yield from _same_object(name, new.get(field), old.get(field))
            continue
        nothing = "" if name in _TEXTS else None
        yield from unchanged(name, new.get(field) or nothing, old.get(field) or nothing)


def _same_object(name: str, new: Object | None, old: Object | None) -> Causes:
    """What an event is about, shown as the Go struct that it is; what else it is about may be nothing."""
    if (new or None) != (old or None):
        found = new or {}
        shown = None if new is None and name == "related" else {go: found.get(field) or "" for go, field in _ABOUT}
        yield Cause("FieldValueInvalid", f"Invalid value: {in_order(shown)}: field is immutable", name)


_ABOUT = (
    ("Kind", "kind"), ("Namespace", "namespace"), ("Name", "name"), ("UID", "uid"), ("APIVersion", "apiVersion"),
    ("ResourceVersion", "resourceVersion"), ("FieldPath", "fieldPath"),
)  # fmt: skip


def _series(obj: Object) -> Causes:
    series = obj.get("series")
    if series is not None:
        if (series.get("count") or 0) < 2:
            yield invalid("series.count", "", "should be at least 2")
        if not series.get("lastObservedTime"):
            yield required("series.lastObservedTime")
