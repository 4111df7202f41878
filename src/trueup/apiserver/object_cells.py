"""Cells of what is no workload: services, storage, events, roles, webhooks. Pure; used by `columns`.

Source: ``pkg/printers/internalversion/printers.go``.
"""

from __future__ import annotations

from collections.abc import Iterator

from trueup.apiserver.cells import NONE, Cell, conditions, shortened, since, value
from trueup.apiserver.versions import convert
from trueup.kube.names import Object

_WELL = {"True": "Healthy", "False": "Unhealthy"}


def component(name: str) -> Cell:
    """What a component's condition ``Healthy`` says."""

    def cell(obj: Object, now: float) -> str:
        found: Object = next((one for one in obj.get("conditions") or () if one.get("type") == "Healthy"), {})
        return _WELL.get(str(found.get(name)), "Unknown") if name == "status" else str(found.get(name) or "")

    return cell


def service_external(obj: Object, now: float) -> str:
    """Addresses from outside the cluster."""
    spec = obj.get("spec") or {}
    given = list(spec.get("externalIPs") or ())
    if spec.get("type") == "LoadBalancer":
        return ",".join([*_balancer(obj), *given]) or "<pending>"
    if spec.get("type") == "ExternalName":
        return ",".join(filter(None, [spec.get("externalName"), *given])) or NONE
    return ",".join(given) or NONE


def _balancer(obj: Object) -> Iterator[str]:
    seen = set()
    for point in value(obj, "status.loadBalancer.ingress") or ():
        shown = str(point.get("ip") or point.get("hostname") or "")
        if shown and shown not in seen:
            seen.add(shown)
            yield shown


def balancer(obj: Object, now: float) -> str:
    """Where the load balancer is."""
    return ",".join(_balancer(obj))


def service_ports(obj: Object, now: float) -> str:
    """``80:30000/TCP,443/TCP``."""
    out = []
    for port in value(obj, "spec.ports") or ():
        node = f":{port['nodePort']}" if port.get("nodePort") else ""
        out.append(f"{port.get('port')}{node}/{port.get('protocol', 'TCP')}")
    return ",".join(out) or NONE


def endpoints(obj: Object, now: float) -> str:
    """``10.0.0.1:80,10.0.0.2:80``."""
    found = []
    for subset in obj.get("subsets") or ():
        addresses = [str(each.get("ip")) for each in subset.get("addresses") or ()]
        ports = subset.get("ports") or ()
        found += [f"{ip}:{port.get('port')}" for port in ports for ip in addresses] if ports else addresses
    return shortened(found)


def slice_ports(obj: Object, now: float) -> str:
    """The ports of an EndpointSlice."""
    ports = [str(each.get("port") or "*") for each in obj.get("ports") or ()]
    return shortened(ports) if ports else "<unset>"


def slice_points(obj: Object, now: float) -> str:
    """The addresses of an EndpointSlice."""
    found = [str(each) for point in obj.get("endpoints") or () for each in point.get("addresses") or ()]
    return shortened(found) if found else "<unset>"


def ingress_hosts(obj: Object, now: float) -> str:
    """The hosts that are named; ``*`` when none is."""
    named = [str(rule["host"]) for rule in value(obj, "spec.rules") or () if rule.get("host")]
    return shortened(named) if named else "*"


def ingress_ports(obj: Object, now: float) -> str:
    return "80, 443" if value(obj, "spec.tls") else "80"


def ingress_parameters(obj: Object, now: float) -> str:
    """``kind.group/name``."""
    ref = value(obj, "spec.parameters")
    if not ref:
        return NONE
    group = f".{ref['apiGroup']}" if ref.get("apiGroup") else ""
    return f"{ref.get('kind')}{group}/{ref.get('name')}"


_MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}


def modes(path: str) -> Cell:
    """Access modes, shortened."""
    return lambda obj, now: ",".join(_MODES.get(each, str(each)) for each in dict.fromkeys(value(obj, path) or ()))


def bound(cell: Cell) -> Cell:
    """A claim shows what it got only when it is bound."""
    return lambda obj, now: cell(obj, now) if value(obj, "spec.volumeName") else ""


def phase(obj: Object, now: float) -> str:
    """A volume's phase, or that it is going."""
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    return str(value(obj, "status.phase") or "")


def claim(obj: Object, now: float) -> str:
    ref = value(obj, "spec.claimRef")
    return f"{ref.get('namespace')}/{ref.get('name')}" if ref else ""


def class_name(obj: Object, now: float) -> str:
    """A storage class's name, marked where it is the default one."""
    notes = obj["metadata"].get("annotations") or {}
    keys = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")
    mark = " (default)" if any(notes.get(key) == "true" for key in keys) else ""
    return f"{obj['metadata']['name']}{mark}"


def role_ref(obj: Object, now: float) -> str:
    ref = obj.get("roleRef") or {}
    return f"{ref.get('kind')}/{ref.get('name')}"


def subjects(kind: str) -> Cell:
    """Whom a role is bound to, of one kind."""

    def cell(obj: Object, now: float) -> str:
        found = [each for each in obj.get("subjects") or () if each.get("kind") == kind]
        if kind == "ServiceAccount":
            return ", ".join(f"{each.get('namespace') or ''}/{each.get('name')}" for each in found)
        return ", ".join(str(each.get("name")) for each in found)

    return cell


def event_object(obj: Object, now: float) -> str:
    """What an event is about."""
    about = obj.get("involvedObject") or {}
    kind = str(about.get("kind") or "").lower()
    return f"{kind}/{about['name']}" if about.get("name") else kind


def event_first(obj: Object, now: float) -> str:
    return since(obj.get("firstTimestamp") or obj.get("eventTime"), now)


def event_last(obj: Object, now: float) -> str:
    series = obj.get("series") or {}
    last = series.get("lastObservedTime") or obj.get("lastTimestamp")
    return since(last, now) if last else event_first(obj, now)


def event_count(obj: Object, now: float) -> int:
    return int((obj.get("series") or {}).get("count") or obj.get("count") or 1)


def event_source(obj: Object, now: float) -> str:
    source = obj.get("source") or {}
    component = source.get("component") or obj.get("reportingComponent") or ""
    host = source.get("host") or obj.get("reportingInstance") or ""
    return f"{component}, {host}" if host else str(component)


def as_core(cell: Cell) -> Cell:
    """The cell of an event that is written as ``events.k8s.io`` writes it."""
    return lambda obj, now: cell(convert(obj, "v1"), now)


def service_of(obj: Object, now: float) -> str:
    """Who answers for an API."""
    ref = value(obj, "spec.service")
    return f"{ref.get('namespace')}/{ref.get('name')}" if ref else "Local"


def available(obj: Object, now: float) -> str:
    """``False (MissingEndpoints)``."""
    found = conditions(obj).get("Available")
    if found is None:
        return "Unknown"
    return "True" if found.get("status") == "True" else f"{found.get('status')} ({found.get('reason')})"


def quota(*, limits: bool) -> Cell:
    """Used of allowed: what counts as limits, or everything else."""

    def cell(obj: Object, now: float) -> str:
        hard, used = value(obj, "status.hard") or {}, value(obj, "status.used") or {}
        return ", ".join(
            f"{key}: {used.get(key, '0')}/{each}"
            for key, each in sorted(hard.items())
            if key.startswith("limits.") == limits
        )

    return cell


def signing(obj: Object, now: float) -> str:
    """``Approved,Issued``."""
    found = conditions(obj)
    shown: list[str] = [each for each in ("Approved", "Denied", "Failed") if each in found]
    return ",".join((shown or ["Pending"]) + (["Issued"] if value(obj, "status.certificate") else []))


def controller(obj: Object, now: float) -> str:
    """``deployment.apps/web``."""
    for owner in obj["metadata"].get("ownerReferences") or ():
        if owner.get("controller"):
            group = str(owner.get("apiVersion") or "").rpartition("/")[0]
            kind = str(owner.get("kind") or "").lower()
            return f"{kind}.{group}/{owner.get('name')}" if group else f"{kind}/{owner.get('name')}"
    return NONE


def suspended(obj: Object, now: float) -> str:
    found = value(obj, "spec.suspend")
    return "<unset>" if found is None else str(bool(found))


def param_kind(obj: Object, now: float) -> str:
    """``group/version/Kind``."""
    found = value(obj, "spec.paramKind")
    return f"{found.get('apiVersion')}/{found.get('kind')}" if found else "<unset>"


def param_ref(obj: Object, now: float) -> str:
    found = value(obj, "spec.paramRef")
    if not found:
        return "<unset>"
    namespace = found.get("namespace") or "*"
    return f"{namespace}/{found['name']}" if found.get("name") else f"{namespace}/*"


def parent(obj: Object, now: float) -> str:
    """Whose address it is: ``services/default/kubernetes``."""
    found = value(obj, "spec.parentRef")
    if not found:
        return NONE
    resource = ".".join(filter(None, (found.get("resource"), found.get("group")))).lower()
    return "/".join(filter(None, (resource, found.get("namespace"), found.get("name"))))


def audiences(obj: Object, now: float) -> str:
    """Whom a driver's tokens are for."""
    found = value(obj, "spec.tokenRequests")
    return "<unset>" if found is None else ",".join(str(one.get("audience") or "") for one in found)


def claim_state(obj: Object, now: float) -> str:
    """``allocated,reserved`` and the like."""
    going = bool(obj["metadata"].get("deletionTimestamp"))
    allocated, reserved = value(obj, "status.allocation"), value(obj, "status.reservedFor")
    states = ["deleted"] if going else []
    if allocated is not None:
        states += ["allocated", *(["reserved"] if reserved else [])]
    elif not going:
        states.append("pending")
    return ",".join(states)


def dangling(obj: Object, now: float) -> str:
    """Whether a flow's level is missing."""
    held = (one for one in value(obj, "status.conditions") or () if one.get("type") == "Dangling")
    return next((str(one.get("status")) for one in held), "?")
