"""Ranges of Service addresses beside the first: ready once they are kept from vanishing, and kept while they are needed.

Source: kube-controller-manager ``pkg/controller/servicecidrs`` (KEP-1880). The API server gives addresses of what is ready.
"""

from collections.abc import Iterable
from ipaddress import ip_address, ip_network

from trueup.families.builtin.kinds import IP_ADDRESS, SERVICE_CIDR
from trueup.families.builtin.tools import change, now, with_condition, write_status
from trueup.family import Controller, Result, Tools
from trueup.kube.names import Key, Object
from trueup.kube.objects import meta

FINALIZER = "networking.k8s.io/service-cidr-finalizer"
_AGAIN = 10.0
_READY: Object = {"type": "Ready", "status": "True", "reason": "", "message": "Kubernetes Service CIDR is ready"}
_HELD: Object = {
    "type": "Ready",
    "status": "False",
    "reason": "Terminating",
    "message": (
        "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR"
    ),
}


def needed(one: Object, others: Iterable[Object], addresses: Iterable[str]) -> bool:
    """Whether an address is in this range and in no other."""
    own = [ip_network(text) for text in one["spec"].get("cidrs") or ()]
    rest = [ip_network(text) for other in others for text in other["spec"].get("cidrs") or ()]
    for text in addresses:
        address = ip_address(text)
        if any(address in each for each in own) and not any(address in each for each in rest):
            return True
    return False


async def reconcile(tools: Tools, key: Key) -> Result:
    """Say that it is ready; let one go that nobody needs."""
    cache = tools.cache(SERVICE_CIDR)
    one = cache.get(key)
    if one is None:
        return Result()
    held = meta(one).get("finalizers") or []
    if meta(one).get("deletionTimestamp"):
        return await _let_go(tools, one, [each for each in cache.list() if meta(each)["name"] != key.name])
    if FINALIZER not in held:
        changed = await change(tools, one, {"metadata": {"finalizers": [*held, FINALIZER]}})
        if changed is None:
            return Result()
        one = changed
    await _say(tools, one, _READY)
    return Result()


async def _say(tools: Tools, one: Object, condition: Object) -> None:
    status = one.get("status") or {}
    said = with_condition(status.get("conditions") or (), condition, now(tools))
    await write_status(tools, one, {**status, "conditions": said})


async def _let_go(tools: Tools, one: Object, others: list[Object]) -> Result:
    """Unless Services have addresses of it: they are looked for again, for they are too many to be watched for this."""
    listed = await tools.client.list(IP_ADDRESS)
    if needed(one, others, (str(meta(each)["name"]) for each in listed.items)):
        await _say(tools, one, _HELD)
        return Result(after=_AGAIN)
    held = meta(one).get("finalizers") or []
    if FINALIZER in held:
        about = {"finalizers": [name for name in held if name != FINALIZER]}
        await change(tools, one, {"metadata": {**about, "resourceVersion": meta(one)["resourceVersion"]}})
    return Result()


CONTROLLER = Controller("service-cidr", SERVICE_CIDR, reconcile)
