"""EndpointSlices of Endpoints that people write for Services without a selector.

Source: ``pkg/controller/endpointslicemirroring``.
"""

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address
from typing import Any

from trueup.families.builtin.kinds import ENDPOINT_SLICE, ENDPOINTS, SERVICE
from trueup.families.builtin.tools import change, create, owner_reference, remove
from trueup.family import Controller, Result, Tools, Watch
from trueup.kube.names import Key, Object
from trueup.kube.objects import annotations, labels, meta
from trueup.kube.problems import Forbidden, NotFound

_SLICES = "mirrored"
_SERVICE_NAME = "kubernetes.io/service-name"
_MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
_MANAGER = "endpointslicemirroring-controller.k8s.io"
_SKIP = "endpointslice.kubernetes.io/skip-mirror"
_LEADER = "control-plane.alpha.kubernetes.io/leader"
_NOT_COPIED = ("endpoints.kubernetes.io/last-change-trigger-time", "kubectl.kubernetes.io/last-applied-configuration")
_FULL = 1000
"""Addresses of one subset that are mirrored."""

Port = tuple[str, int, str, str]
"""Name, number, protocol, application protocol."""
Address = tuple[str, str, bool]
"""Address, uid of what is there, whether it is ready."""


def mirrored(endpoints: Object, service: Object | None) -> bool:
    """Whether these Endpoints are to have slices of the same content."""
    if service is None or service["spec"].get("selector") or meta(endpoints).get("deletionTimestamp"):
        return False
    return labels(endpoints).get(_SKIP) != "true" and _LEADER not in annotations(endpoints)


def slices_of(endpoints: Object) -> list[Object]:
    """The slices without their names: one for each family of addresses and set of ports that the same addresses have."""
    out = []
    for ports, found in _repacked(endpoints.get("subsets") or ()):
        families: dict[str, list[Object]] = {}
        for given, ready in found[:_FULL]:
            if (known := _endpoint(given, ready)) is not None:
                families.setdefault(known[0], []).append(known[1])
        out += [_slice(endpoints, family, ports, here) for family, here in families.items()]
    return out


def _repacked(subsets: Iterable[Mapping[str, Any]]) -> list[tuple[list[Port], list[tuple[Object, bool]]]]:
    """Ports that are open at the same addresses belong together, however the subsets are cut. Source: ``RepackSubsets``."""
    by_port: dict[Port | None, dict[tuple[str, str], tuple[Object, bool]]] = {}
    for subset in subsets:
        ports: list[Port | None] = [_port(one) for one in subset.get("ports") or ()]
        for port in ports or [None]:
            there = by_port.setdefault(port, {})
            for ready, name in ((True, "addresses"), (False, "notReadyAddresses")):
                for given in subset.get(name) or ():
                    there.setdefault(
                        (given["ip"], str((given.get("targetRef") or {}).get("uid") or "")), (given, ready)
                    )
    groups: dict[frozenset[Address], tuple[list[Port], list[tuple[Object, bool]]]] = {}
    for port, there in by_port.items():
        same = frozenset((ip, uid, ready) for (ip, uid), (_, ready) in there.items())
        group = groups.setdefault(same, ([], [*there.values()]))
        if port is not None:
            group[0].append(port)
    return [*groups.values()]


def _port(given: Mapping[str, Any]) -> Port:
    return (given.get("name") or "", int(given["port"]), given.get("protocol") or "TCP", given.get("appProtocol") or "")


def _endpoint(given: Object, ready: bool) -> tuple[str, Object] | None:
    try:
        ip = ip_address(given["ip"])
    except ValueError:
        return None
    endpoint: Object = {"addresses": [str(ip)], "conditions": {"ready": ready}}
    endpoint |= {name: given[name] for name in ("targetRef", "nodeName", "hostname") if given.get(name)}
    return f"IPv{ip.version}", endpoint


def _slice(endpoints: Object, family: str, ports: Sequence[Port], found: list[Object]) -> Object:
    name, notes = meta(endpoints)["name"], annotations(endpoints)
    about: Object = {
        "generateName": f"{name}-",
        "namespace": meta(endpoints)["namespace"],
        "labels": {**labels(endpoints), _SERVICE_NAME: name, _MANAGED_BY: _MANAGER},
        "annotations": {key: value for key, value in notes.items() if key not in _NOT_COPIED},
        "ownerReferences": [owner_reference({**endpoints, "apiVersion": "v1", "kind": "Endpoints"})],
    }
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": about if about["annotations"] else {k: v for k, v in about.items() if k != "annotations"},
        "addressType": family,
        "endpoints": found,
        "ports": [
            {"name": name, "port": number, "protocol": protocol, **({"appProtocol": app} if app else {})}
            for name, number, protocol, app in ports
        ],
    }


async def reconcile(tools: Tools, key: Key) -> Result:
    """Slices follow their Endpoints: what fits is kept under its name, what is left over goes."""
    endpoints = tools.cache(ENDPOINTS).get(key)
    there = sorted(tools.cache(ENDPOINT_SLICE).by_index(_SLICES, str(key)), key=lambda one: str(meta(one)["name"]))
    wanted = []
    if endpoints is not None and mirrored(endpoints, tools.cache(SERVICE).get(key)):
        wanted = slices_of(endpoints)
    for one in wanted:
        fits = next((old for old in there if _alike(old, one)), None)
        if fits is not None:
            there.remove(fits)
            await _renew(tools, fits, one)
        elif not await _made(tools, one):
            return Result()
    for old in there:
        await remove(tools, old)
    return Result()


async def _made(tools: Tools, wanted: Object) -> bool:
    try:
        await create(tools, wanted)
    except (Forbidden, NotFound):  # its namespace is on its way out
        return False
    return True


async def _renew(tools: Tools, old: Object, new: Object) -> None:
    patch: Object = {}
    if (old.get("endpoints") or []) != new["endpoints"]:
        patch["endpoints"] = new["endpoints"]
    about = {}
    for name, read in (("labels", labels), ("annotations", annotations)):
        have, want = read(old), meta(new).get(name) or {}
        if have != want:
            about[name] = {**dict.fromkeys(have.keys() - want.keys()), **want}
    if about:
        patch["metadata"] = about
    if patch:
        await change(tools, old, patch)


def _alike(old: Object, new: Object) -> bool:
    """A slice's ports and family of addresses cannot change."""
    return old.get("addressType") == new["addressType"] and {_port(one) for one in old.get("ports") or ()} == {
        _port(one) for one in new["ports"]
    }


def _of(one: Object) -> Iterable[Key]:
    if labels(one).get(_MANAGED_BY) == _MANAGER:
        yield Key(meta(one).get("namespace") or "", labels(one).get(_SERVICE_NAME) or "")


def _index(one: Object) -> Iterable[str]:
    return map(str, _of(one))


def _same_name(one: Object) -> Iterable[Key]:
    yield Key.of(one)


CONTROLLER = Controller(
    "endpointslice-mirroring",
    ENDPOINTS,
    reconcile,
    watches=(Watch(SERVICE, keys=_same_name), Watch(ENDPOINT_SLICE, keys=_of, index={_SLICES: _index})),
)
