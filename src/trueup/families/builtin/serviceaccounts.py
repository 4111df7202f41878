"""Each namespace has a ``default`` ServiceAccount. Source: ``pkg/controller/serviceaccount``."""

from trueup.families.builtin.kinds import NAMESPACE, SERVICE_ACCOUNT
from trueup.families.builtin.tools import create
from trueup.family import Controller, Result, Tools, Watch
from trueup.kube.names import Key, Object
from trueup.kube.objects import meta
from trueup.kube.problems import AlreadyExists, Forbidden, NotFound


async def reconcile(tools: Tools, key: Key) -> Result:
    """Make it where it is missing."""
    namespace = tools.cache(NAMESPACE).get(key)
    if namespace is None or meta(namespace).get("deletionTimestamp"):
        return Result()
    if tools.cache(SERVICE_ACCOUNT).get(Key(key.name, "default")) is None:
        account = {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": "default", "namespace": key.name},
        }
        try:
            await create(tools, account)
        except (AlreadyExists, Forbidden, NotFound):  # made by somebody else, or the namespace is on its way out
            return Result()
    return Result()


def _namespace(account: Object) -> list[Key]:
    return [Key("", meta(account)["namespace"])] if meta(account).get("name") == "default" else []


CONTROLLER = Controller("service-account", NAMESPACE, reconcile, watches=(Watch(SERVICE_ACCOUNT, keys=_namespace),))
