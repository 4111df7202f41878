"""Which pods stand behind a Service: EndpointSlices and Endpoints. Source: ``pkg/controller/endpointslice`` (and endpoints).

A Service finds its pods by its own labels' index: each pair of its selector is listed under the namespace, so that a pod's
change wakes the few Services that name one of its labels.
"""

from collections.abc import Iterable, Mapping, Sequence

import orjson

from trueup.families.builtin import pods, slices
from trueup.families.builtin.kinds import ENDPOINT_SLICE, ENDPOINTS, NODE, POD, SERVICE
from trueup.families.builtin.tools import MANAGER, create, owner_reference, remove
from trueup.family import Controller, Result, Tools, Watch
from trueup.kube.names import Key, Object, Ref
from trueup.kube.objects import labels, meta, uid
from trueup.kube.problems import AlreadyExists, Forbidden, NotFound
from trueup.kube.selectors import set_selector

_LABEL, _SELECTS, _SLICES = "label", "selects", "service"
_SERVICE_NAME = "kubernetes.io/service-name"
_MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
_MANAGER = "endpointslice-controller.k8s.io"
_FULL = 1000
"""Addresses of the older object."""


def pairs(namespace: str, found: Iterable[tuple[str, str]]) -> Iterable[str]:
    """Labels as index values."""
    return (f"{namespace}/{name}={value}" for name, value in found)


def by_label(pod: Object) -> Iterable[str]:
    """For the pods' index."""
    return pairs(meta(pod).get("namespace") or "", labels(pod).items())


def by_selector(service: Object) -> Iterable[str]:
    """For the Services' index."""
    return pairs(meta(service).get("namespace") or "", ((service.get("spec") or {}).get("selector") or {}).items())


def behind(service: Object, candidates: Sequence[Object]) -> list[Object]:
    """The selected pods that have an address and have not ended, by name."""
    selector = set_selector(service["spec"].get("selector"))
    found = [
        pod
        for pod in candidates
        if selector.matches(labels(pod))
        and (pod.get("status") or {}).get("podIP")
        and pods.phase(pod) not in ("Succeeded", "Failed")
    ]
    return sorted(found, key=lambda pod: str(meta(pod)["name"]))


def ports(service: Object, pod: Object | None) -> list[Object]:
    """The ports as pods have them: a target by name is looked up in the pod."""
    out = []
    for port in service["spec"].get("ports") or ():
        wanted = port.get("targetPort", port["port"])
        number = wanted if isinstance(wanted, int) else _named(pod, wanted)
        if service["spec"].get("clusterIP") == "None" and "targetPort" not in port:
            number = port["port"]
        if number:
            one = {"name": port.get("name") or "", "port": number, "protocol": port.get("protocol") or "TCP"}
            if port.get("appProtocol"):
                one["appProtocol"] = port["appProtocol"]
            out.append(one)
    return out


def _named(pod: Object | None, name: str) -> int:
    for container in ((pod or {}).get("spec") or {}).get("containers") or ():
        for port in container.get("ports") or ():
            if port.get("name") == name:
                return int(port["containerPort"])
    return 0


def _counts(service: Object, pod: Object) -> bool:
    """Whether traffic may go to it. A Service that publishes all does so to the end."""
    if service["spec"].get("publishNotReadyAddresses"):
        return True
    return pods.ready(pod) and not meta(pod).get("deletionTimestamp")


def _hostname(service: Object, pod: Object) -> Object:
    """The name by which a pod of this (headless) Service can be found, as those of a StatefulSet."""
    spec = pod["spec"]
    named = spec.get("hostname") and spec.get("subdomain") == meta(service)["name"]
    return {"hostname": spec["hostname"]} if named else {}


def _hints(service: Object, node: str | None, zone: str) -> Object:
    """From where an endpoint is to be used. Source: ``endpointslice/trafficdist``."""
    near = service["spec"].get("trafficDistribution")
    if near not in ("PreferClose", "PreferSameZone", "PreferSameNode") or not zone:
        return {}
    hints: Object = {"forZones": [{"name": zone}]}
    return {"hints": hints | ({"forNodes": [{"name": node}]} if near == "PreferSameNode" and node else {})}


def _reference(pod: Object) -> Object:
    return {"kind": "Pod", "namespace": meta(pod)["namespace"], "name": meta(pod)["name"], "uid": uid(pod)}


def groups(service: Object, found: Sequence[Object]) -> list[tuple[list[Object], list[Object]]]:
    """The ports and the pods that have them: a target by name may be another number in each pod."""
    out: dict[bytes, tuple[list[Object], list[Object]]] = {}
    for pod in found:
        has = ports(service, pod)
        out.setdefault(orjson.dumps(has), (has, []))[1].append(pod)
    return list(out.values())


def slices_of(
    service: Object, found: Sequence[Object], zones: Mapping[str, str] | None = None, there: Sequence[Object] = ()
) -> list[Object]:
    """The EndpointSlices of a Service, an empty one where no pod is behind it. ``zones``: by node; ``there``: its slices."""
    by_ports = groups(service, found) or [([], [])]
    used = [orjson.dumps(has) for has, _ in by_ports]
    of_ports: dict[bytes, list[Object]] = {}
    for one in sorted(there, key=lambda one: str(meta(one)["name"])):
        of_ports.setdefault(orjson.dumps(one.get("ports") or []), []).append(one)
    spare = [str(meta(one)["name"]) for ports, some in of_ports.items() if ports not in used for one in some]
    names = slices.Names(service, spare, [str(meta(one)["name"]) for one in there])
    out = []
    for key, (has, behind_it) in zip(used, by_ports, strict=True):
        endpoints = [_endpoint(service, pod, zones or {}) for pod in behind_it]
        known = of_ports.get(key, ())
        held = slices.spread(endpoints, known, names)
        if not held:
            held = {str(meta(known[0])["name"]) if known else names.take(): []}
        out += [_slice(service, name, has, some) for name, some in held.items()]
    return out


def _endpoint(service: Object, pod: Object, zones: Mapping[str, str]) -> Object:
    gone, node = bool(meta(pod).get("deletionTimestamp")), pod["spec"].get("nodeName")
    zone = zones.get(node or "", "")
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {"ready": _counts(service, pod), "serving": pods.ready(pod), "terminating": gone},
        "nodeName": node,
        "targetRef": _reference(pod),
        **({"zone": zone} if zone else {}),
        **_hostname(service, pod),
        **_hints(service, node, zone),
    }


def _slice(service: Object, name: str, has: list[Object], found: list[Object]) -> Object:
    marks = {**labels(service), _SERVICE_NAME: meta(service)["name"], _MANAGED_BY: _MANAGER}
    if service["spec"].get("clusterIP") == "None":
        marks["service.kubernetes.io/headless"] = ""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": name,
            "namespace": meta(service)["namespace"],
            "labels": marks,
            "ownerReferences": [owner_reference(service)],
        },
        "addressType": "IPv4",
        "endpoints": found,
        "ports": has,
    }


def endpoints_of(service: Object, found: Sequence[Object]) -> Object:
    """The older Endpoints object: one subset for each set of ports."""
    subsets = []
    for has, behind_it in groups(service, found[:_FULL]):
        up: list[Object] = []
        down: list[Object] = []
        for pod in behind_it:
            if meta(pod).get("deletionTimestamp") and not service["spec"].get("publishNotReadyAddresses"):
                continue
            address = {"ip": pod["status"]["podIP"], "nodeName": pod["spec"].get("nodeName"), **_hostname(service, pod)}
            (up if _counts(service, pod) else down).append({**address, "targetRef": _reference(pod)})
        subset: Object = {"ports": has, **({"addresses": up} if up else {})}
        if up or down:
            subsets.append(subset | ({"notReadyAddresses": down} if down else {}))
    return {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {
            "name": meta(service)["name"],
            "namespace": meta(service)["namespace"],
            "labels": {**labels(service), "endpoints.kubernetes.io/managed-by": "endpoint-controller"},
            "ownerReferences": [],
        },
        **({"subsets": subsets} if subsets else {}),
    }


async def reconcile(tools: Tools, key: Key) -> Result:
    """Both objects say which pods are there; a Service without a selector keeps what people wrote."""
    service = tools.cache(SERVICE).get(key)
    if service is None:
        await _remove_endpoints(tools, key)
        return Result()
    selector = service["spec"].get("selector") or {}
    if not selector or service["spec"].get("type") == "ExternalName" or meta(service).get("deletionTimestamp"):
        return Result()
    cache = tools.cache(POD)
    lists = [cache.by_index(_LABEL, value) for value in pairs(key.namespace, selector.items())]
    found = behind(service, min(lists, key=len))
    zones = {name: _zone(tools, name) for name in {pod["spec"].get("nodeName") or "" for pod in found}}
    there = list(tools.cache(ENDPOINT_SLICE).by_index(_SLICES, f"{key.namespace}/{key.name}"))
    wanted = slices_of(service, found, zones, there)
    for one in wanted:
        await _write(tools, one, ("endpoints", "ports"))
    names = {meta(one)["name"] for one in wanted}
    for one in there:
        if meta(one)["name"] not in names:
            await remove(tools, one)
    await _write(tools, endpoints_of(service, found), ("subsets",))
    return Result()


def _zone(tools: Tools, node: str) -> str:
    found = tools.cache(NODE).get(Key("", node))
    return labels(found).get("topology.kubernetes.io/zone", "") if found is not None else ""


async def _remove_endpoints(tools: Tools, key: Key) -> None:
    """The Service is gone; its slices have it for an owner, its Endpoints bear its name alone."""
    found = tools.cache(ENDPOINTS).get(key)
    if found is not None and labels(found).get("endpoints.kubernetes.io/managed-by") == "endpoint-controller":
        try:
            await tools.client.delete(Ref.of(found), uid=uid(found))
        except NotFound:
            return


async def _write(tools: Tools, wanted: Object, parts: Sequence[str]) -> None:
    cache = tools.cache(ENDPOINT_SLICE if wanted["kind"] == "EndpointSlice" else ENDPOINTS)
    known = cache.get(Key.of(wanted))
    if known is None:
        if not wanted["metadata"]["ownerReferences"]:
            wanted["metadata"].pop("ownerReferences")
        try:
            await create(tools, wanted)
            return
        except AlreadyExists:
            known = await tools.client.get(Ref.of(wanted))
        except (Forbidden, NotFound):  # its namespace is on its way out
            return
    same = all((known.get(part) or []) == (wanted.get(part) or []) for part in parts)
    if same and labels(known) == wanted["metadata"]["labels"]:
        return
    patch: Object = {part: wanted.get(part) or [] for part in parts}
    marks: Object = {name: None for name in labels(known) if name not in wanted["metadata"]["labels"]}
    patch["metadata"] = {"labels": {**marks, **wanted["metadata"]["labels"]}}
    try:
        tools.live.note(await tools.client.patch(Ref.of(wanted), patch, "merge", manager=MANAGER))
    except NotFound:
        return


def _service_of(one: Object) -> Iterable[str]:
    """Which Service a slice of ours is of, as an index value."""
    if labels(one).get(_MANAGED_BY) == _MANAGER:
        yield f"{meta(one).get('namespace')}/{labels(one).get(_SERVICE_NAME)}"


def _wakes(one: Object) -> Iterable[Key]:
    """A slice that somebody deletes or edits is put right."""
    for value in _service_of(one):
        namespace, _, name = value.partition("/")
        yield Key(namespace, name)


def _same_name(one: Object) -> Iterable[Key]:
    yield Key.of(one)


CONTROLLER = Controller(
    "endpoints",
    SERVICE,
    reconcile,
    index={_SELECTS: by_selector},
    watches=(
        Watch(POD, by={_SELECTS: by_label}, index={_LABEL: by_label}),
        Watch(ENDPOINT_SLICE, keys=_wakes, index={_SLICES: _service_of}),
        Watch(ENDPOINTS, keys=_same_name),
        Watch(NODE),
    ),
)
