"""The core group, but for pods. Pure. Source: ``pkg/registry/core``."""

from __future__ import annotations

import uuid
from base64 import b64decode
from collections.abc import Iterator, Mapping
from typing import Any

from trueup.apiserver.strategies.pods import POD
from trueup.apiserver.strategy import UNCOUNTED, Moment, Strategy
from trueup.kube.names import Object
from trueup.kube.problems import Cause
from trueup.kube.validation import pod_warnings, services
from trueup.kube.validation.causes import invalid, required


def _volume_warnings(new: Object, old: Object | None) -> Iterator[str]:
    return pod_warnings.volume(new)


def _claim_warnings(new: Object, old: Object | None) -> Iterator[str]:
    return pod_warnings.claim_sizes(new.get("spec") or {}, "spec")


def _whole_claim(obj: Object, moment: Moment) -> None:
    """Where it copies from is said with a group, if an empty one."""
    for name in ("dataSource", "dataSourceRef"):
        source = (obj.get("spec") or {}).get(name)
        if source is not None:
            source.setdefault("apiGroup", None)


def _template_warnings(new: Object, old: Object | None) -> Iterator[str]:
    return pod_warnings.template(new.get("template"), "template")


def of_template(new: Object, old: Object | None) -> Iterator[str]:
    """Warnings of what makes pods by a template, whenever more than metadata and status is new."""
    if old is not None and new["metadata"].get("generation") == old["metadata"].get("generation"):
        return iter(())
    return pod_warnings.template((new.get("spec") or {}).get("template"), "spec.template")


def of_new_template(new: Object, old: Object | None) -> Iterator[str]:
    """The same where the template itself has to be new: a DaemonSet counts it by itself."""
    made = (new.get("spec") or {}).get("template")
    if old is not None and made == (old.get("spec") or {}).get("template"):
        return iter(())
    return pod_warnings.template(made, "spec.template")


def _of_controlled_template(new: Object, old: Object | None) -> Iterator[str]:
    """Of a ReplicationController that changes it is the old template that Kubernetes warns of."""
    if old is None:
        return of_template(new, old)
    return of_template({**new, "spec": old.get("spec")}, old)


def _changed_service(obj: Object, old: Object, moment: Moment) -> None:
    """What belongs to the old type and was not changed goes with it. Source: ``service/strategy.go``, dropTypeDependentFields."""
    spec, before = obj["spec"], old["spec"]
    kind = spec.get("type")
    if before.get("type") != "ExternalName" and kind == "ExternalName":
        if all(spec.get(name) == before.get(name) for name in ("clusterIP", "clusterIPs")):
            spec.pop("clusterIP", None), spec.pop("clusterIPs", None)
        _drop_same(spec, before, "ipFamilies")
        _drop_same(spec, before, "ipFamilyPolicy")
    if before.get("type") in _ON_NODES and kind not in _ON_NODES:
        known = {port.get("nodePort") for port in before.get("ports") or ()} | {0, None}
        if all(port.get("nodePort") in known for port in spec.get("ports") or ()):
            for port in spec.get("ports") or ():
                port.pop("nodePort", None)
    if services.watched(before) and not services.watched(spec):
        _drop_same(spec, before, "healthCheckNodePort")
    if services.reached(before) and not services.reached(spec):
        _drop_same(spec, before, "externalTrafficPolicy")
    if before.get("type") == "LoadBalancer" and kind != "LoadBalancer":
        _drop_same(spec, before, "allocateLoadBalancerNodePorts")
        _drop_same(spec, before, "loadBalancerClass")
    if kind != "LoadBalancer" and (obj.get("status") or {}).get("loadBalancer"):
        obj["status"] = {**obj["status"], "loadBalancer": {}}


def _checked_service(obj: Object, old: Object | None) -> Iterator[Cause]:
    """One that was given no addresses, for its status made it. Source: ``ValidateServiceClusterIPsRelatedFields``."""
    spec = obj["spec"]
    if spec.get("clusterIP") and not spec.get("clusterIPs") and spec.get("type") != "ExternalName":
        yield required("spec.clusterIPs")


_ON_NODES = ("NodePort", "LoadBalancer")


def _drop_same(spec: Object, before: Mapping[str, Any], name: str) -> None:
    if name in spec and spec[name] == before.get(name):
        del spec[name]


def _new_namespace(obj: Object, moment: Moment) -> None:
    given = (obj.get("spec") or {}).get("finalizers") or []
    added = [] if "kubernetes" in given else ["kubernetes"]
    obj["spec"] = {**(obj.get("spec") or {}), "finalizers": [*given, *added]}


def _new_limit_range(obj: Object, moment: Moment) -> None:
    """One without a name gets one. Source: ``core/limitrange/strategy.go``."""
    meta = obj["metadata"]
    meta["name"] = meta.get("name") or str(uuid.uuid5(uuid.NAMESPACE_OID, meta["uid"]))


def _whole_limits(obj: Object, moment: Moment) -> None:
    """Go prints a list of no limits as null."""
    spec = obj.setdefault("spec", {})
    spec["limits"] = spec.get("limits") or None


def _namespace_phase(obj: Object, old: Object | None) -> Iterator[Cause]:
    """The phase says whether it is going. Source: ``ValidateNamespaceStatusUpdate``."""
    if old is None or obj.get("status") == old.get("status"):
        return
    going, phase = bool(old["metadata"].get("deletionTimestamp")), (obj.get("status") or {}).get("phase")
    if going and phase != "Terminating":
        yield invalid("status.Phase", phase, "may only be 'Terminating' if `deletionTimestamp` is not empty")
    if not going and phase != "Active":
        yield invalid("status.Phase", phase, "may only be 'Active' if `deletionTimestamp` is empty")


def _named_namespace(obj: Object, moment: Moment) -> None:
    """Its name is a label of it, also when it was made up after the defaults."""
    meta = obj["metadata"]
    meta["labels"] = {**(meta.get("labels") or {}), "kubernetes.io/metadata.name": meta["name"]}


def _changed_namespace(obj: Object, old: Object, moment: Moment) -> None:
    """A namespace's own finalizers change by its ``finalize`` subresource alone."""
    if moment.subresource == "":
        kept = (old.get("spec") or {}).get("finalizers")
        obj["spec"] = {**(obj.get("spec") or {}), "finalizers": kept or []}


def _namespace_held(obj: Object) -> bool:
    return bool((obj.get("spec") or {}).get("finalizers"))


def _namespace_going(obj: Object) -> Object:
    return {**obj, "status": {**(obj.get("status") or {}), "phase": "Terminating"}}


def _new_volume(obj: Object, moment: Moment) -> None:
    obj["status"] = {**(obj.get("status") or {}), "lastPhaseTransitionTime": moment.now}


def _changed_volume(obj: Object, old: Object, moment: Moment) -> None:
    since = (old.get("status") or {}).get("lastPhaseTransitionTime")
    if since:
        obj["status"] = {"lastPhaseTransitionTime": since, **(obj.get("status") or {})}


def _selected_node(obj: Object) -> Object:
    return {"metadata": obj["metadata"], "spec": {"unschedulable": bool((obj.get("spec") or {}).get("unschedulable"))}}


def counted(obj: Object) -> Object:
    """For kinds that are selected by how many there are: none is said to be 0."""
    status = obj.get("status") or {}
    counts = {"replicas": status.get("replicas") or 0, "successful": status.get("succeeded") or 0}
    return {**obj, "status": {**status, **counts}}


_RETURNED = Strategy(counts_generations=False, returns_deleted=True)
_NAMESPACE = Strategy(
    returns_deleted=True,
    counts_generations=False,
    keeps_status=True,
    create=_new_namespace,
    check=_namespace_phase,
    canonical=_named_namespace,
    update=_changed_namespace,
    held=_namespace_held,
    going=_namespace_going,
    selectable=frozenset({"status.phase"}),
)
_TIMES = ("FirstTimestamp", "LastTimestamp")
_ABOUT = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")


def _selected_event(obj: Object) -> Object:
    """By the names of both groups; the source is one word."""
    about = obj.get("involvedObject") or obj.get("regarding")
    reporting = obj.get("reportingComponent") or obj.get("reportingController")
    source = (obj.get("source") or obj.get("deprecatedSource") or {}).get("component") or reporting
    words = {"reportingComponent": reporting, "reportingController": reporting, "source": source}
    return {
        "metadata": obj["metadata"],
        **{name: obj.get(name) for name in ("reason", "type")},
        **words,
        "involvedObject": about,
        "regarding": about,
    }


def event(about: str, *others: str) -> Strategy:
    """An Event's strategy; the groups have different names for whom it is about."""
    names = (*(f"{about}.{name}" for name in _ABOUT), "reason", "type", *others)
    lead = "" if about == "involvedObject" else "deprecated"
    times = ("eventTime", *(f"{lead}{name}" if lead else name[0].lower() + name[1:] for name in _TIMES))

    def canonical(obj: Object, moment: Moment) -> None:
        """Go prints times that never were as null."""
        for name in times:
            obj.setdefault(name, None)
        if obj.get("series") is not None:
            obj["series"].setdefault("lastObservedTime", None)

    return Strategy(
        counts_generations=False, selectable=frozenset(names), selected=_selected_event, canonical=canonical
    )


def _secret_warnings(new: Object, old: Object | None) -> Iterator[str]:
    """Source: ``secret/strategy.go``, warningsForSecret."""
    data = new.get("data") or {}
    if new.get("type") != "kubernetes.io/tls":
        return
    try:
        certificate, key = (b64decode(data.get(name) or "") for name in ("tls.crt", "tls.key"))
    except ValueError:
        return
    if b"-----BEGIN " not in certificate:
        yield "tls: failed to find any PEM data in certificate input"
    elif b"-----BEGIN " not in key:
        yield "tls: failed to find any PEM data in key input"


ROWS: Mapping[str, Strategy] = {
    "ComponentStatus": UNCOUNTED,
    "ConfigMap": UNCOUNTED,
    "Endpoints": UNCOUNTED,
    "Event": event("involvedObject", "reportingComponent", "source"),
    "LimitRange": Strategy(counts_generations=False, create=_new_limit_range, canonical=_whole_limits),
    "Namespace": _NAMESPACE,
    "Node": Strategy(
        counts_generations=False,
        keeps_status=True,
        selectable=frozenset({"spec.unschedulable"}),
        selected=_selected_node,
    ),
    "PersistentVolume": Strategy(
        counts_generations=False,
        create=_new_volume,
        update=_changed_volume,
        returns_deleted=True,
        warnings=_volume_warnings,
    ),
    "PersistentVolumeClaim": Strategy(
        counts_generations=False, returns_deleted=True, warnings=_claim_warnings, canonical=_whole_claim
    ),
    "Pod": POD,
    "ReplicationController": Strategy(
        selectable=frozenset({"status.replicas"}), selected=counted, orphans=True, warnings=_of_controlled_template
    ),
    "PodTemplate": Strategy(returns_deleted=True, warnings=_template_warnings),
    "ResourceQuota": _RETURNED,
    "Secret": Strategy(counts_generations=False, selectable=frozenset({"type"}), warnings=_secret_warnings),
    "Service": Strategy(
        counts_generations=False,
        keeps_status=True,
        update=_changed_service,
        warnings=services.warnings,
        check=_checked_service,
        returns_deleted=True,
        selectable=frozenset({"spec.clusterIP", "spec.type"}),
    ),
    "ServiceAccount": _RETURNED,
}
