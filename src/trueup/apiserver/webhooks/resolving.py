"""Where a webhook's Service leads: to an address behind it, for nothing answers at a cluster's addresses here.

Called for each call of a webhook that names a Service. Source: apiserver ``pkg/util/proxy/proxy.go``
(``ResolveEndpoint``, which a kube-apiserver outside the Pod network uses as well).
"""

from __future__ import annotations

from collections.abc import Iterator

from trueup.kube.names import Object
from trueup.store.state import Store

Address = tuple[str, int]
_SERVICE = "kubernetes.io/service-name"
_SIMULATED = "simulate.trueup.dev/simulated"


class Unroutable(Exception):
    """There is no address behind the Service; says why."""


def resolve(store: Store, namespace: str, name: str, port: int) -> Address:
    """Host and port to connect to. Raises ``Unroutable``."""
    entry = store.bucket("services").newest(namespace, name)
    if entry is None:
        raise Unroutable(f'service "{name}" not found')
    spec = entry.obj.get("spec") or {}
    if spec.get("type") == "ExternalName":
        return str(spec.get("externalName")), port
    wanted = next((each for each in spec.get("ports") or () if each.get("port") == port), None)
    if wanted is None:
        raise Unroutable(f'no service port {port} found for service "{name}"')
    simulated = 0
    for address, target in _endpoints(store, namespace, name, str(wanted.get("name") or "")):
        if not _simulated(store, namespace, target):
            return address
        simulated += 1
    why = f'no endpoints available for service "{name}"'
    if simulated:
        why += ": its pods are simulated, and none of them listens; call the webhook by clientConfig.url"
    raise Unroutable(why)


def _endpoints(store: Store, namespace: str, name: str, port: str) -> Iterator[tuple[Address, Object]]:
    """Addresses that are ready, with the objects that they stand for."""
    for *_, slice_ in store.bucket("endpointslices.discovery.k8s.io").scan(namespace):
        found = slice_.obj
        if (found["metadata"].get("labels") or {}).get(_SERVICE) != name:
            continue
        number = _number(found, port)
        for endpoint in found.get("endpoints") or () if number else ():
            if (endpoint.get("conditions") or {}).get("ready") is not False:
                for address in endpoint.get("addresses") or ():
                    yield (str(address), number), endpoint.get("targetRef") or {}
    entry = store.bucket("endpoints").newest(namespace, name)
    for subset in () if entry is None else entry.obj.get("subsets") or ():
        number = _number(subset, port)
        for each in subset.get("addresses") or () if number else ():
            yield (str(each.get("ip")), number), each.get("targetRef") or {}


def _number(holder: Object, name: str) -> int:
    """The number of a named port; 0 where there is none."""
    return next((int(p.get("port") or 0) for p in holder.get("ports") or () if (p.get("name") or "") == name), 0)


def _simulated(store: Store, namespace: str, target: Object) -> bool:
    """Whether an address is that of a Pod on a simulated node."""
    if target.get("kind") != "Pod":
        return False
    pod = store.bucket("pods").newest(target.get("namespace") or namespace, str(target.get("name")))
    node = store.bucket("nodes").newest("", str((pod.obj.get("spec") or {}).get("nodeName"))) if pod else None
    return node is not None and (node.obj["metadata"].get("annotations") or {}).get(_SIMULATED) == "true"
