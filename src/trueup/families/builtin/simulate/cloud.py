"""Addresses for load balancers and ingresses, out of the ranges that are kept for documentation (RFC 5737): they lead nowhere."""

import hashlib

from trueup.families.builtin.kinds import INGRESS, SERVICE
from trueup.families.builtin.tools import write_status
from trueup.family import Controller, Result, Tools
from trueup.kube.names import Key, Object
from trueup.kube.objects import meta, uid

_MANAGER = "cloud-controller-manager"
_NETWORKS = ("198.51.100", "203.0.113")


def address(obj: Object) -> str:
    """An address that stays the object's own; few are enough, for nothing listens there."""
    number = int.from_bytes(hashlib.sha256(uid(obj).encode()).digest()[:4])
    return f"{_NETWORKS[number % 2]}.{1 + (number // 2) % 254}"


def service_status(service: Object) -> Object | None:
    """The status that a Service should have; None: it is not the cloud's to say."""
    spec, status = service["spec"], service.get("status") or {}
    if spec.get("type") != "LoadBalancer":
        return {"loadBalancer": {}} if (status.get("loadBalancer") or {}).get("ingress") else None
    if spec.get("loadBalancerClass") or (status.get("loadBalancer") or {}).get("ingress"):
        return None
    given = spec.get("loadBalancerIP") or address(service)
    return {**status, "loadBalancer": {"ingress": [{"ip": given, "ipMode": "VIP"}]}}


async def reconcile_service(tools: Tools, key: Key) -> Result:
    """A load balancer gets an address, once."""
    service = tools.cache(SERVICE).get(key)
    if service is None or meta(service).get("deletionTimestamp"):
        return Result()
    status = service_status(service)
    if status is not None:
        await write_status(tools, service, status, manager=_MANAGER)
    return Result()


async def reconcile_ingress(tools: Tools, key: Key) -> Result:
    """So does an Ingress."""
    ingress = tools.cache(INGRESS).get(key)
    if ingress is None or meta(ingress).get("deletionTimestamp"):
        return Result()
    status = ingress.get("status") or {}
    if not (status.get("loadBalancer") or {}).get("ingress"):
        await write_status(
            tools, ingress, {**status, "loadBalancer": {"ingress": [{"ip": address(ingress)}]}}, manager=_MANAGER
        )
    return Result()


SERVICES = Controller("simulated-load-balancer", SERVICE, reconcile_service)
INGRESSES = Controller("simulated-ingress", INGRESS, reconcile_ingress)
