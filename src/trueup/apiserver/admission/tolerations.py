"""DefaultTolerationSeconds: pods bear a lost node for five minutes. Source: ``plugin/pkg/admission/defaulttolerationseconds``."""

from __future__ import annotations

from trueup.apiserver.registry import Served
from trueup.apiserver.request import Write
from trueup.kube.names import Object

_SECONDS = 300
_TAINTS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


async def admit(served: Served, operation: str, obj: Object, old: Object | None, write: Write) -> None:
    """Add what the pod does not say itself."""
    if served.storage != "pods" or operation == "DELETE" or write.subresource:
        return
    given = list(obj["spec"].get("tolerations") or ())
    for taint in _TAINTS:
        if not any(_tolerates(one, taint) for one in given):
            given.append({"key": taint, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": _SECONDS})
    obj["spec"]["tolerations"] = given


def _tolerates(toleration: Object, taint: str) -> bool:
    return (toleration.get("key") or taint) == taint and (toleration.get("effect") or "NoExecute") == "NoExecute"
