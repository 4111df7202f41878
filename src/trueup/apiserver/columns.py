"""The columns that `kubectl get` shows for each built-in kind. Pure; read by `tables`.

Source: ``pkg/printers/internalversion/printers.go``; ``apimachinery duration.HumanDuration``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trueup.apiserver.versions import convert
from trueup.kube.names import Object
from trueup.timing.rfc3339 import parse_time

Cell = Callable[[Object, float], Any]


@dataclass(frozen=True, slots=True)
class Column:
    """One column; ``priority`` above 0 is shown with ``-o wide`` alone."""

    name: str
    type: str
    description: str
    cell: Cell
    format: str = ""
    priority: int = 0


def human_duration(seconds: float) -> str:
    """``45s``, ``5m10s``, ``3h5m``, ``2d3h``, ``400d``, ``2y10d``."""
    s = int(seconds)
    if s < -1:
        return "<invalid>"
    if s < 0:
        return "0s"
    if s < 120:
        return f"{s}s"
    m = s // 60
    if m < 10:
        return f"{m}m" if s % 60 == 0 else f"{m}m{s % 60}s"
    if m < 180:
        return f"{m}m"
    h = m // 60
    if h < 8:
        return f"{h}h" if m % 60 == 0 else f"{h}h{m % 60}m"
    if h < 48:
        return f"{h}h"
    d = h // 24
    if d < 8:
        return f"{d}d" if h % 24 == 0 else f"{d}d{h % 24}h"
    if d < 730:
        return f"{d}d"
    y = d // 365
    if y < 8:
        return f"{y}y" if d % 365 == 0 else f"{y}y{d % 365}d"
    return f"{y}y"


def since(text: Any, now: float) -> str:
    """The age of a timestamp."""
    return human_duration(now - parse_time(str(text))) if text else "<unknown>"


def age(obj: Object, now: float) -> str:
    """The age of an object."""
    return since(obj["metadata"].get("creationTimestamp"), now)


def _at(path: str, default: Any = "") -> Cell:
    parts = path.split(".")

    def cell(obj: Object, now: float) -> Any:
        value: Any = obj
        for part in parts:
            value = value.get(part) if isinstance(value, dict) else None
        return default if value is None else value

    return cell


def _text(name: str, cell: Cell, *, wide: bool = False) -> Column:
    return Column(name, "string", "", cell, priority=int(wide))


def _number(name: str, cell: Cell, *, wide: bool = False) -> Column:
    return Column(name, "integer", "", cell, "int32", int(wide))


AGE = Column("Age", "string", "", age)


def _count(path: str) -> Cell:
    get = _at(path)
    return lambda obj, now: len(get(obj, now) or ())


def _joined(path: str, empty: str = "<none>") -> Cell:
    get = _at(path)
    return lambda obj, now: ",".join(map(str, get(obj, now) or ())) or empty


def _containers(of: str, path: str) -> Cell:
    get = _at(path)
    return lambda obj, now: ",".join(str(c.get(of) or "") for c in get(obj, now) or ())


def _selector(obj: Object, now: float) -> str:
    selector = (obj.get("spec") or {}).get("selector")
    labels = selector.get("matchLabels", selector) if isinstance(selector, dict) else None
    return ",".join(f"{k}={v}" for k, v in sorted((labels or {}).items()) if isinstance(v, str)) or "<none>"


def _ready(obj: Object, now: float) -> str:
    status, spec = obj.get("status") or {}, obj.get("spec") or {}
    return f"{status.get('readyReplicas') or 0}/{spec.get('replicas') or 0}"


def _template() -> Sequence[Column]:
    where = "spec.template.spec.containers"
    return (
        _text("Containers", _containers("name", where), wide=True),
        _text("Images", _containers("image", where), wide=True),
        _text("Selector", _selector, wide=True),
    )


# --- pods --------------------------------------------------------------------------------------------------------


def pod_status(obj: Object, now: float = 0) -> str:
    """The one word that sums a pod up (printPod)."""
    status, meta = obj.get("status") or {}, obj["metadata"]
    reason = str(status.get("reason") or status.get("phase") or "Pending")
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("reason") == "SchedulingGated":
            reason = "SchedulingGated"
    initializing = False
    inits = (obj.get("spec") or {}).get("initContainers") or ()
    for index, container in enumerate(status.get("initContainerStatuses") or ()):
        state = container.get("state") or {}
        ended, waiting = state.get("terminated"), state.get("waiting")
        if ended is not None and ended.get("exitCode") == 0:
            continue
        if ended is not None:
            reason = f"Init:{ended.get('reason') or 'ExitCode:' + str(ended.get('exitCode'))}"
        elif waiting and waiting.get("reason") not in (None, "", "PodInitializing"):
            reason = f"Init:{waiting['reason']}"
        else:
            reason = f"Init:{index}/{len(inits)}"
        initializing = True
        break
    if not initializing:
        reason = _container_reason(status, reason)
    if meta.get("deletionTimestamp"):
        return "Unknown" if status.get("reason") == "NodeLost" else "Terminating"
    return reason


def _container_reason(status: Object, reason: str) -> str:
    running = False
    for container in reversed(status.get("containerStatuses") or ()):
        state = container.get("state") or {}
        waiting, ended = state.get("waiting"), state.get("terminated")
        if waiting and waiting.get("reason"):
            reason = waiting["reason"]
        elif ended and ended.get("reason"):
            reason = ended["reason"]
        elif ended:
            signal = ended.get("signal")
            reason = f"Signal:{signal}" if signal else f"ExitCode:{ended.get('exitCode')}"
        elif container.get("ready") and state.get("running"):
            running = True
    if reason == "Completed" and running:
        ready = any(c.get("type") == "Ready" and c.get("status") == "True" for c in status.get("conditions") or ())
        reason = "Running" if ready else "NotReady"
    return reason


def _pod_ready(obj: Object, now: float) -> str:
    statuses = (obj.get("status") or {}).get("containerStatuses") or ()
    return f"{sum(bool(s.get('ready')) for s in statuses)}/{len((obj.get('spec') or {}).get('containers') or ())}"


def _restarts(obj: Object, now: float) -> str:
    statuses = (obj.get("status") or {}).get("containerStatuses") or ()
    count = sum(int(s.get("restartCount") or 0) for s in statuses)
    ends = [((s.get("lastState") or {}).get("terminated") or {}).get("finishedAt") for s in statuses]
    last = max((end for end in ends if end), default="")
    return f"{count} ({since(last, now)} ago)" if count and last else str(count)


def _gates(obj: Object, now: float) -> str:
    gates = (obj.get("spec") or {}).get("readinessGates") or ()
    if not gates:
        return "<none>"
    conditions = {c.get("type"): c.get("status") for c in (obj.get("status") or {}).get("conditions") or ()}
    return f"{sum(conditions.get(g.get('conditionType')) == 'True' for g in gates)}/{len(gates)}"


# --- others ------------------------------------------------------------------------------------------------------


def _external(obj: Object, now: float) -> str:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    given = list(spec.get("externalIPs") or ())
    if spec.get("type") == "LoadBalancer":
        points = (status.get("loadBalancer") or {}).get("ingress") or ()
        given += [p.get("ip") or p.get("hostname") for p in points]
        return ",".join(given) or "<pending>"
    if spec.get("type") == "ExternalName":
        return str(spec.get("externalName") or "")
    return ",".join(given) or "<none>"


def _ports(obj: Object, now: float) -> str:
    out = []
    for port in (obj.get("spec") or {}).get("ports") or ():
        node = f":{port['nodePort']}" if port.get("nodePort") else ""
        out.append(f"{port.get('port')}{node}/{port.get('protocol', 'TCP')}")
    return ",".join(out) or "<none>"


def _job_status(obj: Object, now: float) -> str:
    for condition in (obj.get("status") or {}).get("conditions") or ():
        if condition.get("status") == "True" and condition.get("type") in ("Complete", "Failed", "Suspended"):
            return str(condition["type"])
    failing = any(
        c.get("type") == "FailureTarget" and c.get("status") == "True"
        for c in (obj.get("status") or {}).get("conditions") or ()
    )
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    return "FailureTarget" if failing else "Running"


def _completions(obj: Object, now: float) -> str:
    spec, done = obj.get("spec") or {}, (obj.get("status") or {}).get("succeeded") or 0
    if spec.get("completions") is not None:
        return f"{done}/{spec['completions']}"
    parallel = spec.get("parallelism") or 1
    return f"{done}/1 of {parallel}" if parallel > 1 else f"{done}/1"


def _job_duration(obj: Object, now: float) -> str:
    status = obj.get("status") or {}
    if not status.get("startTime"):
        return ""
    end = parse_time(status["completionTime"]) if status.get("completionTime") else now
    return human_duration(end - parse_time(status["startTime"]))


def _node_status(obj: Object, now: float) -> str:
    ready = next((c for c in (obj.get("status") or {}).get("conditions") or () if c.get("type") == "Ready"), None)
    word = "Unknown" if ready is None else "Ready" if ready.get("status") == "True" else "NotReady"
    return f"{word},SchedulingDisabled" if (obj.get("spec") or {}).get("unschedulable") else word


def _node_roles(obj: Object, now: float) -> str:
    lead = "node-role.kubernetes.io/"
    return (
        ",".join(sorted(k[len(lead) :] for k in obj["metadata"].get("labels") or {} if k.startswith(lead))) or "<none>"
    )


def _node_address(kind: str) -> Cell:
    def cell(obj: Object, now: float) -> str:
        addresses = (obj.get("status") or {}).get("addresses") or ()
        return next((str(a["address"]) for a in addresses if a.get("type") == kind), "<none>")

    return cell


def _endpoints(obj: Object, now: float) -> str:
    found = [
        f"{address['ip']}:{port['port']}"
        for subset in obj.get("subsets") or ()
        for address in subset.get("addresses") or ()
        for port in subset.get("ports") or [{"port": ""}]
    ]
    return _more(found)


def _more(found: list[str]) -> str:
    if not found:
        return "<none>"
    return ",".join(found[:3]) + (f" + {len(found) - 3} more..." if len(found) > 3 else "")


def _slice_ports(obj: Object, now: float) -> str:
    return ",".join(str(p.get("port") or "*") for p in obj.get("ports") or ()) or "<unset>"


def _slice_points(obj: Object, now: float) -> str:
    found = [address for endpoint in obj.get("endpoints") or () for address in endpoint.get("addresses") or ()]
    return _more(found) if found else "<unset>"


def _hosts(obj: Object, now: float) -> str:
    return _more_hosts([r.get("host") or "*" for r in (obj.get("spec") or {}).get("rules") or ()])


def _more_hosts(hosts: list[str]) -> str:
    named = [host for host in hosts if host != "*"]
    if not named:
        return "*"
    return ",".join(named[:3]) + (f" + {len(named) - 3} more..." if len(named) > 3 else "")


def _balancer(obj: Object, now: float) -> str:
    points = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    return ",".join(str(p.get("ip") or p.get("hostname")) for p in points)


def _ingress_ports(obj: Object, now: float) -> str:
    return "80, 443" if (obj.get("spec") or {}).get("tls") else "80"


_MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}


def _modes(path: str) -> Cell:
    get = _at(path)
    return lambda obj, now: ",".join(_MODES.get(mode, mode) for mode in get(obj, now) or ())


def _phase(obj: Object, now: float) -> str:
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    return str((obj.get("status") or {}).get("phase") or "")


def _role_ref(obj: Object, now: float) -> str:
    ref = obj.get("roleRef") or {}
    return f"{ref.get('kind')}/{ref.get('name')}"


def _claim(obj: Object, now: float) -> str:
    ref = (obj.get("spec") or {}).get("claimRef")
    return f"{ref.get('namespace')}/{ref.get('name')}" if ref else ""


def _event_object(obj: Object, now: float) -> str:
    about = obj.get("involvedObject") or {}
    return f"{str(about.get('kind') or '').lower()}/{about.get('name')}"


def _event_seen(obj: Object, now: float) -> str:
    series = obj.get("series") or {}
    last = series.get("lastObservedTime") or obj.get("lastTimestamp") or obj.get("eventTime")
    return since(last or obj["metadata"].get("creationTimestamp"), now)


def _event_source(obj: Object, now: float) -> str:
    source = obj.get("source") or {}
    parts = (
        source.get("component") or obj.get("reportingComponent"),
        source.get("host") or obj.get("reportingInstance"),
    )
    return ", ".join(str(part) for part in parts if part)


def _as_core(cell: Cell) -> Cell:
    """The cell of an event that is written as ``events.k8s.io`` writes it."""
    return lambda obj, now: cell(convert(obj, "v1"), now)


def _targets(obj: Object, now: float) -> str:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    out = []
    current = {
        (m.get("resource") or {}).get("name"): (m.get("resource") or {}).get("current") or {}
        for m in status.get("currentMetrics") or ()
    }
    for metric in spec.get("metrics") or ():
        resource = metric.get("resource") or {}
        target = resource.get("target") or {}
        have = current.get(resource.get("name")) or {}
        if target.get("averageUtilization") is not None:
            now_ = have.get("averageUtilization")
            shown = f"{now_}%" if now_ is not None else "<unknown>"
            out.append(f"{resource.get('name')}: {shown}/{target['averageUtilization']}%")
        else:
            out.append(
                f"{resource.get('name') or metric.get('type')}: <unknown>/{target.get('averageValue') or target.get('value')}"
            )
    return ", ".join(out) or "<none>"


def _reference(obj: Object, now: float) -> str:
    ref = (obj.get("spec") or {}).get("scaleTargetRef") or {}
    return f"{ref.get('kind')}/{ref.get('name')}"


def _or(path: str, default: str) -> Cell:
    get = _at(path)
    return lambda obj, now: get(obj, now) if get(obj, now) not in ("", None) else default


def _available(obj: Object, now: float) -> str:
    for condition in (obj.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "Available":
            return str(condition["status"]) if condition["status"] == "True" else f"False ({condition.get('reason')})"
    return "True"


def _default_class(obj: Object, now: float) -> bool:
    marks = obj["metadata"].get("annotations") or {}
    return marks.get("storageclass.kubernetes.io/is-default-class") == "true"


_EVENT = (
    _text("Last Seen", _event_seen),
    _text("Type", _at("type")),
    _text("Reason", _at("reason")),
    _text("Object", _event_object),
    _text("Subobject", _at("involvedObject.fieldPath"), wide=True),
    _text("Source", _event_source, wide=True),
    _text("Message", lambda obj, now: str(obj.get("message") or "").strip()),
    _text("First Seen", lambda obj, now: since(obj.get("firstTimestamp") or obj.get("eventTime"), now), wide=True),
    _number("Count", lambda obj, now: (obj.get("series") or {}).get("count") or obj.get("count") or 1, wide=True),
    Column("Name", "string", "", _at("metadata.name"), "name", 1),
)

NAMELESS = frozenset({"Event"})
"""Kinds whose columns do not begin with the name."""

BUILT_IN: Mapping[tuple[str, str], Sequence[Column]] = {
    ("", "Pod"): (
        _text("Ready", _pod_ready),
        _text("Status", pod_status),
        _text("Restarts", _restarts),
        AGE,
        _text("IP", _or("status.podIP", "<none>"), wide=True),
        _text("Node", _or("spec.nodeName", "<none>"), wide=True),
        _text("Nominated Node", _or("status.nominatedNodeName", "<none>"), wide=True),
        _text("Readiness Gates", _gates, wide=True),
    ),
    ("apps", "Deployment"): (
        _text("Ready", _ready),
        _number("Up-to-date", _at("status.updatedReplicas", 0)),
        _number("Available", _at("status.availableReplicas", 0)),
        AGE,
        *_template(),
    ),
    ("apps", "ReplicaSet"): (
        _number("Desired", _at("spec.replicas", 0)),
        _number("Current", _at("status.replicas", 0)),
        _number("Ready", _at("status.readyReplicas", 0)),
        AGE,
        *_template(),
    ),
    ("", "ReplicationController"): (
        _number("Desired", _at("spec.replicas", 0)),
        _number("Current", _at("status.replicas", 0)),
        _number("Ready", _at("status.readyReplicas", 0)),
        AGE,
        *_template(),
    ),
    ("apps", "StatefulSet"): (_text("Ready", _ready), AGE, *_template()[:2]),
    ("apps", "DaemonSet"): (
        _number("Desired", _at("status.desiredNumberScheduled", 0)),
        _number("Current", _at("status.currentNumberScheduled", 0)),
        _number("Ready", _at("status.numberReady", 0)),
        _number("Up-to-date", _at("status.updatedNumberScheduled", 0)),
        _number("Available", _at("status.numberAvailable", 0)),
        _text(
            "Node Selector",
            lambda obj, now: (
                ",".join(
                    f"{k}={v}" for k, v in sorted((_at("spec.template.spec.nodeSelector")(obj, now) or {}).items())
                )
                or "<none>"
            ),
        ),
        AGE,
        *_template(),
    ),
    ("apps", "ControllerRevision"): (
        _text(
            "Controller",
            lambda obj, now: next(
                (f"{o['kind'].lower()}.apps/{o['name']}" for o in obj["metadata"].get("ownerReferences") or ()),
                "<none>",
            ),
        ),
        _number("Revision", _at("revision", 0)),
        AGE,
    ),
    ("batch", "Job"): (
        _text("Status", _job_status),
        _text("Completions", _completions),
        _text("Duration", _job_duration),
        AGE,
        *_template(),
    ),
    ("batch", "CronJob"): (
        _text("Schedule", _at("spec.schedule")),
        _text("Timezone", _or("spec.timeZone", "<none>")),
        _text("Suspend", lambda obj, now: str(bool((obj.get("spec") or {}).get("suspend")))),
        _number("Active", _count("status.active")),
        _text(
            "Last Schedule",
            lambda obj, now: (
                since((obj.get("status") or {}).get("lastScheduleTime"), now)
                if (obj.get("status") or {}).get("lastScheduleTime")
                else "<none>"
            ),
        ),
        AGE,
        _text("Containers", _containers("name", "spec.jobTemplate.spec.template.spec.containers"), wide=True),
        _text("Images", _containers("image", "spec.jobTemplate.spec.template.spec.containers"), wide=True),
        _text("Selector", lambda obj, now: "<none>", wide=True),
    ),
    ("", "Service"): (
        _text("Type", _at("spec.type")),
        _text("Cluster-IP", _or("spec.clusterIP", "<none>")),
        _text("External-IP", _external),
        _text("Port(s)", _ports),
        AGE,
        _text("Selector", _selector, wide=True),
    ),
    ("", "Endpoints"): (_text("Endpoints", _endpoints), AGE),
    ("discovery.k8s.io", "EndpointSlice"): (
        _text("AddressType", _at("addressType")),
        _text("Ports", _slice_ports),
        _text("Endpoints", _slice_points),
        AGE,
    ),
    ("networking.k8s.io", "Ingress"): (
        _text("Class", _or("spec.ingressClassName", "<none>")),
        _text("Hosts", _hosts),
        _text("Address", _balancer),
        _text("Ports", _ingress_ports),
        AGE,
    ),
    ("networking.k8s.io", "IngressClass"): (
        _text("Controller", _at("spec.controller")),
        _text("Parameters", lambda obj, now: "<none>"),
        AGE,
    ),
    ("networking.k8s.io", "NetworkPolicy"): (
        _text(
            "Pod-Selector",
            lambda obj, now: (
                ",".join(f"{k}={v}" for k, v in sorted((_at("spec.podSelector.matchLabels")(obj, now) or {}).items()))
                or "<none>"
            ),
        ),
        AGE,
    ),
    ("", "ConfigMap"): (
        _number("Data", lambda obj, now: len(obj.get("data") or {}) + len(obj.get("binaryData") or {})),
        AGE,
    ),
    ("", "Secret"): (_text("Type", _at("type")), _number("Data", _count("data")), AGE),
    ("", "ServiceAccount"): (_number("Secrets", _count("secrets")), AGE),
    ("", "Namespace"): (_text("Status", _at("status.phase")), AGE),
    ("", "Node"): (
        _text("Status", _node_status),
        _text("Roles", _node_roles),
        AGE,
        _text("Version", _at("status.nodeInfo.kubeletVersion")),
        _text("Internal-IP", _node_address("InternalIP"), wide=True),
        _text("External-IP", _node_address("ExternalIP"), wide=True),
        _text("OS-Image", _or("status.nodeInfo.osImage", "<unknown>"), wide=True),
        _text("Kernel-Version", _or("status.nodeInfo.kernelVersion", "<unknown>"), wide=True),
        _text("Container-Runtime", _or("status.nodeInfo.containerRuntimeVersion", "<unknown>"), wide=True),
    ),
    ("", "PersistentVolumeClaim"): (
        _text("Status", _phase),
        _text("Volume", _at("spec.volumeName")),
        _text("Capacity", _at("status.capacity.storage")),
        _text("Access Modes", _modes("status.accessModes")),
        _text("StorageClass", _at("spec.storageClassName")),
        _text("VolumeAttributesClass", _or("spec.volumeAttributesClassName", "<unset>")),
        AGE,
        _text("VolumeMode", _at("spec.volumeMode"), wide=True),
    ),
    ("", "PersistentVolume"): (
        _text("Capacity", _at("spec.capacity.storage")),
        _text("Access Modes", _modes("spec.accessModes")),
        _text("Reclaim Policy", _at("spec.persistentVolumeReclaimPolicy")),
        _text("Status", _phase),
        _text("Claim", _claim),
        _text("StorageClass", _at("spec.storageClassName")),
        _text("VolumeAttributesClass", _or("spec.volumeAttributesClassName", "<unset>")),
        _text("Reason", _at("status.reason")),
        AGE,
        _text("VolumeMode", _at("spec.volumeMode"), wide=True),
    ),
    ("storage.k8s.io", "StorageClass"): (
        _text("Provisioner", _at("provisioner")),
        _text("ReclaimPolicy", _at("reclaimPolicy", "Delete")),
        _text("VolumeBindingMode", _at("volumeBindingMode", "Immediate")),
        Column("AllowVolumeExpansion", "string", "", _at("allowVolumeExpansion", False)),
        AGE,
    ),
    ("", "Event"): _EVENT,
    ("events.k8s.io", "Event"): tuple(
        Column(each.name, each.type, "", _as_core(each.cell), each.format, each.priority) for each in _EVENT
    ),
    ("rbac.authorization.k8s.io", "Role"): (Column("Created At", "date", "", _at("metadata.creationTimestamp")),),
    ("rbac.authorization.k8s.io", "ClusterRole"): (
        Column("Created At", "date", "", _at("metadata.creationTimestamp")),
    ),
    ("rbac.authorization.k8s.io", "RoleBinding"): (_text("Role", _role_ref), AGE),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): (_text("Role", _role_ref), AGE),
    ("autoscaling", "HorizontalPodAutoscaler"): (
        _text("Reference", _reference),
        _text("Targets", _targets),
        _text("MinPods", lambda obj, now: str((obj.get("spec") or {}).get("minReplicas") or "<unset>")),
        _number("MaxPods", _at("spec.maxReplicas", 0)),
        _number("Replicas", _at("status.currentReplicas", 0)),
        AGE,
    ),
    ("policy", "PodDisruptionBudget"): (
        _text("Min Available", lambda obj, now: str(_at("spec.minAvailable", "N/A")(obj, now))),
        _text("Max Unavailable", lambda obj, now: str(_at("spec.maxUnavailable", "N/A")(obj, now))),
        _number("Allowed Disruptions", _at("status.disruptionsAllowed", 0)),
        AGE,
    ),
    ("coordination.k8s.io", "Lease"): (_text("Holder", _at("spec.holderIdentity")), AGE),
    ("scheduling.k8s.io", "PriorityClass"): (
        _number("Value", _at("value", 0)),
        Column("Global-Default", "boolean", "", _at("globalDefault", False)),
        AGE,
        _text("PreemptionPolicy", _at("preemptionPolicy", "PreemptLowerPriority")),
    ),
    ("apiextensions.k8s.io", "CustomResourceDefinition"): (
        Column("Created At", "date", "", _at("metadata.creationTimestamp")),
    ),
    ("apiregistration.k8s.io", "APIService"): (
        _text("Service", lambda obj, now: "Local" if not (obj.get("spec") or {}).get("service") else "Remote"),
        _text("Available", _available),
        AGE,
    ),
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"): (_number("Webhooks", _count("webhooks")), AGE),
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"): (_number("Webhooks", _count("webhooks")), AGE),
    ("", "ResourceQuota"): (
        _text("Request", lambda obj, now: _quota(obj, False)),
        _text("Limit", lambda obj, now: _quota(obj, True)),
        AGE,
    ),
    ("", "LimitRange"): (Column("Created At", "date", "", _at("metadata.creationTimestamp")),),
    ("node.k8s.io", "RuntimeClass"): (_text("Handler", _at("handler")), AGE),
    ("certificates.k8s.io", "CertificateSigningRequest"): (
        AGE,
        _text("SignerName", _at("spec.signerName")),
        _text("Requestor", _at("spec.username")),
        _text("RequestedDuration", _or("spec.expirationSeconds", "<none>")),
        _text(
            "Condition",
            lambda obj, now: (
                ",".join(str(c.get("type")) for c in (obj.get("status") or {}).get("conditions") or ()) or "Pending"
            ),
        ),
    ),
}


def _quota(obj: Object, limits: bool) -> str:
    status = obj.get("status") or {}
    hard, used = status.get("hard") or {}, status.get("used") or {}
    return ", ".join(
        f"{k}: {used.get(k, '0')}/{v}" for k, v in sorted(hard.items()) if k.startswith("limits.") == limits
    )
