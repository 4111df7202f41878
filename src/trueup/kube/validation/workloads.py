"""What keeps pods running. Sources: Kubernetes ``pkg/apis/apps/validation``; replication controllers: ``core/validation``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trueup.kube import selectors
from trueup.kube.names import Object
from trueup.kube.problems import Cause
from trueup.kube.validation import claims as volume_claims
from trueup.kube.validation import formats, object_meta
from trueup.kube.validation.causes import (
    Causes,
    each_invalid,
    forbidden,
    invalid,
    invalid_go,
    not_negative,
    not_supported,
    required,
    show_go,
)  # fmt: skip
from trueup.kube.validation.pods import template

_TEMPLATE = "spec.template"
_KEPT = ("Retain", "Delete")
_NO_MATCH = "`selector` does not match template `labels`"


def deployment(obj: Object) -> Causes:
    """apps/v1 Deployment."""
    spec = obj.get("spec") or {}
    yield from not_negative("spec.replicas", spec.get("replicas"))
    yield from _selects(spec, "deployment", "invalid label selector")
    strategy = spec.get("strategy") or {}
    kind, rolling = strategy.get("type"), strategy.get("rollingUpdate")
    if kind == "Recreate":
        if rolling is not None:
            text = "may not be specified when strategy `type` is 'Recreate'"
            yield forbidden("spec.strategy.rollingUpdate", text)
    elif kind == "RollingUpdate":
        yield from _rolling(rolling or {}, "spec.strategy.rollingUpdate")
    else:
        yield _unknown("spec.strategy", strategy, ("maxUnavailable", "maxSurge"), '"Recreate", "RollingUpdate"')
    yield from not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    yield from not_negative("spec.revisionHistoryLimit", spec.get("revisionHistoryLimit"))
    deadline = spec.get("progressDeadlineSeconds")
    yield from not_negative("spec.progressDeadlineSeconds", deadline)
    if deadline is not None and deadline <= (spec.get("minReadySeconds") or 0):
        yield invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds")


def _unknown(path: str, strategy: Object, fields: tuple[str, ...], known: str) -> Cause:
    """A strategy is shown as a whole."""
    text = f"Unsupported value: {show_go(_strategy(strategy, fields))}: supported values: {known}"
    return Cause("FieldValueNotSupported", text, path)


def _strategy(found: Object, fields: tuple[str, ...]) -> Object:
    rolling = found.get("rollingUpdate")
    if rolling is not None:
        rolling = {f"{name[0].upper()}{name[1:]}": rolling.get(name, 0) for name in fields}
    return {"Type": found.get("type") or "", "RollingUpdate": rolling}


def replica_set(obj: Object) -> Causes:
    """apps/v1 ReplicaSet."""
    spec = obj.get("spec") or {}
    yield from not_negative("spec.replicas", spec.get("replicas"))
    yield from not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    yield from _selects(spec, "deployment", "invalid label selector")


def stateful_set(obj: Object, *, again: bool = False) -> Causes:
    """apps/v1 StatefulSet. ``again``: in an update, where what cannot change may be wrong."""
    spec = obj.get("spec") or {}
    policy = spec.get("podManagementPolicy") or ""
    if not policy:
        yield required("spec.podManagementPolicy")
    elif policy not in ("OrderedReady", "Parallel"):
        yield invalid("spec.podManagementPolicy", policy, "must be 'OrderedReady' or 'Parallel'")
    yield from _ordered(spec.get("updateStrategy") or {}, "spec.updateStrategy")
    kept = spec.get("persistentVolumeClaimRetentionPolicy") or {}
    for name in ("whenDeleted", "whenScaled"):
        if kept and kept.get(name) not in _KEPT:
            path = f"spec.persistentVolumeClaimRetentionPolicy.{name}"
            yield not_supported(path, kept.get(name) or "", _KEPT)
    wanted = spec.get("volumeClaimTemplates") or ()
    for index, claim in enumerate(() if again else wanted):
        yield from volume_claims.claim_spec(claim.get("spec") or {}, f"spec.volumeClaimTemplates[{index}].spec")
    yield from not_negative("spec.replicas", spec.get("replicas"))
    yield from not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    yield from not_negative("spec.ordinals.start", (spec.get("ordinals") or {}).get("start"))
    service = spec.get("serviceName")
    if service and not again:
        yield from each_invalid("spec.serviceName", service, formats.label(service))
    names = [str((one.get("metadata") or {}).get("name") or "") for one in wanted]
    added = {name: {"name": name, "persistentVolumeClaim": {"claimName": name}} for name in names}
    yield from _selects(spec, "statefulset", "", added)


def _ordered(found: Object, path: str) -> Causes:
    kind, rolling = found.get("type") or "", found.get("rollingUpdate")
    if not kind:
        yield required(path)
    elif kind == "OnDelete":
        if rolling is not None:
            shown = {"Partition": rolling.get("partition") or 0, "MaxUnavailable": None}
            yield invalid_go(f"{path}.rollingUpdate", shown, "only allowed for updateStrategy 'RollingUpdate'")
    elif kind == "RollingUpdate":
        yield from not_negative(f"{path}.rollingUpdate.partition", (rolling or {}).get("partition"))
    else:
        if rolling is not None:
            rolling = {"Partition": rolling.get("partition") or 0, "MaxUnavailable": None}
        yield invalid_go(path, {"Type": kind, "RollingUpdate": rolling}, "must be 'RollingUpdate' or 'OnDelete'")


def daemon_set(obj: Object) -> Causes:
    """apps/v1 DaemonSet."""
    spec = obj.get("spec") or {}
    yield from _selects(spec, "daemonset", None)
    yield from not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type") == "RollingUpdate":
        yield from _one_by_one(strategy.get("rollingUpdate") or {}, "spec.updateStrategy.rollingUpdate")
    elif strategy.get("type") != "OnDelete":
        yield _unknown("spec.updateStrategy", strategy, ("maxUnavailable", "maxSurge"), '"RollingUpdate", "OnDelete"')
    yield from not_negative("spec.revisionHistoryLimit", spec.get("revisionHistoryLimit"))


def replication_controller(obj: Object) -> Causes:
    """v1 ReplicationController."""
    spec = obj.get("spec") or {}
    yield from not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    wanted = spec.get("selector") or {}
    if not wanted:
        yield required("spec.selector")
    yield from not_negative("spec.replicas", spec.get("replicas"))
    found = spec.get("template")
    if found is None:
        yield required(_TEMPLATE)
        return
    labels = (found.get("metadata") or {}).get("labels")
    if any((labels or {}).get(key) != value for key, value in wanted.items()):
        yield invalid(f"{_TEMPLATE}.metadata.labels", labels, _NO_MATCH)
    yield from template(found, _TEMPLATE)
    yield from _runs_always(found, "ReplicationController")


def _selects(spec: Object, word: str, unreadable: str | None, claims: Mapping[str, Object] | None = None) -> Causes:
    """The selector is there, is not empty, and selects the template's pods; the template is right.

    ``unreadable``: what is said of one that cannot be read, beside why; the template is not looked at then.
    """
    found, wanted = spec.get("template") or {}, spec.get("selector")
    labels = (found.get("metadata") or {}).get("labels")
    problems = [*object_meta.selector(wanted, "spec.selector")]
    readable = not problems
    if wanted is None and unreadable is not None:
        yield required("spec.selector")
    yield from problems
    if wanted is not None and not (wanted.get("matchLabels") or wanted.get("matchExpressions")):
        yield invalid("spec.selector", wanted, f"empty selector is invalid for {word}")
    elif not readable and unreadable is not None:
        shown = f": {unreadable}" if unreadable else ""
        yield Cause("FieldValueInvalid", f"Invalid value: {show_go(wanted)}{shown}", "spec.selector")
        return
    elif readable and (wanted is None or not selectors.label_selector(wanted).matches(labels or {})):
        yield invalid(f"{_TEMPLATE}.metadata.labels", labels, _NO_MATCH)
    if claims and ((found.get("spec") or {}).keys() & {"hostname", "subdomain"}):
        found = {**found, "spec": {k: v for k, v in found["spec"].items() if k not in ("hostname", "subdomain")}}
    yield from template(found, _TEMPLATE, claims)
    yield from _runs_always(found, {"statefulset": "StatefulSet", "daemonset": "DaemonSet"}.get(word, "ReplicaSet"))


def _runs_always(found: Object, kind: str) -> Causes:
    spec = found.get("spec") or {}
    if spec.get("restartPolicy") != "Always":
        yield not_supported(f"{_TEMPLATE}.spec.restartPolicy", spec.get("restartPolicy") or "", ("Always",))
    if spec.get("activeDeadlineSeconds") is not None:
        yield forbidden(f"{_TEMPLATE}.spec.activeDeadlineSeconds", f"activeDeadlineSeconds in {kind} is not Supported")


def _one_by_one(found: Object, path: str) -> Causes:
    """A daemon set goes down or comes up in advance, not both."""
    unavailable, surge = found.get("maxUnavailable", 0), found.get("maxSurge", 0)
    pairs = (("maxUnavailable", unavailable), ("maxSurge", surge))
    for name, value in pairs:
        yield from each_invalid(f"{path}.{name}", value, formats.count_or_percent(value))
    for name, value in pairs:
        yield from _at_most_all(value, f"{path}.{name}")
    if _number(unavailable) and _number(surge):
        yield invalid(f"{path}.maxSurge", surge, "may not be set when maxUnavailable is non-zero")
    elif not _number(unavailable) and not _number(surge):
        yield required(f"{path}.maxUnavailable", "cannot be 0 when maxSurge is 0")


def _number(value: Any) -> int:
    """A number, or that of percents; what is neither counts as none."""
    if isinstance(value, int):
        return value
    text = str(value).removesuffix("%")
    return int(text) if value != text and text.isdecimal() else 0


def _at_most_all(value: Any, path: str) -> Causes:
    if isinstance(value, str) and _number(value) > 100:
        yield invalid(path, value, "must not be greater than 100%")


def _rolling(found: Object, path: str) -> Causes:
    unavailable, surge = found.get("maxUnavailable", 0), found.get("maxSurge", 0)
    for name, value in (("maxUnavailable", unavailable), ("maxSurge", surge)):
        yield from each_invalid(f"{path}.{name}", value, formats.count_or_percent(value))
    if not _number(unavailable) and not _number(surge):
        yield invalid(f"{path}.maxUnavailable", unavailable, "may not be 0 when `maxSurge` is 0")
    yield from _at_most_all(unavailable, f"{path}.maxUnavailable")
