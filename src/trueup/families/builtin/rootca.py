"""Each namespace has the ConfigMap ``kube-root-ca.crt``: whom to trust when speaking to the API server.

The certificate comes from where the API server publishes it. Source: ``pkg/controller/certificates/rootcacertpublisher``.
"""

from trueup.families.builtin.kinds import CONFIG_MAP, NAMESPACE
from trueup.families.builtin.tools import change, create
from trueup.family import Controller, Result, Tools, Watch
from trueup.kube.names import Key, Object
from trueup.kube.objects import meta
from trueup.kube.problems import AlreadyExists, Forbidden, NotFound

NAME = "kube-root-ca.crt"
_SOURCE = Key("kube-system", "extension-apiserver-authentication")
_ABOUT = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the "
_NOTE = {
    "kubernetes.io/description": _ABOUT
    + "internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters."
}


async def reconcile(tools: Tools, key: Key) -> Result:
    """Make it where it is missing, correct it where it was changed."""
    if not key.name:  # what it is made of has come
        for one in tools.cache(NAMESPACE).list():
            await reconcile(tools, Key.of(one))
        return Result()
    namespace, source = tools.cache(NAMESPACE).get(key), tools.cache(CONFIG_MAP).get(_SOURCE)
    if namespace is None or source is None or meta(namespace).get("deletionTimestamp"):
        return Result()
    data = {"ca.crt": (source.get("data") or {}).get("client-ca-file", "")}
    found = tools.cache(CONFIG_MAP).get(Key(key.name, NAME))
    try:
        if found is None:
            about = {"name": NAME, "namespace": key.name, "annotations": _NOTE}
            await create(tools, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": about, "data": data})
        elif found.get("data") != data:
            gone = dict.fromkeys(found.get("data") or {})
            await change(tools, found, {"metadata": {"annotations": _NOTE}, "data": {**gone, **data}})
    except (AlreadyExists, Forbidden, NotFound):  # made by somebody else, or the namespace is on its way out
        return Result()
    return Result()


def _namespace(config_map: Object) -> list[Key]:
    if Key.of(config_map) == _SOURCE:
        return [Key("", "")]
    return [Key("", meta(config_map)["namespace"])] if meta(config_map).get("name") == NAME else []


CONTROLLER = Controller("root-ca", NAMESPACE, reconcile, watches=(Watch(CONFIG_MAP, keys=_namespace),))
