"""RuntimeClass: the class has to be there, and says what a pod costs besides and where it may run.

Source: ``plugin/pkg/admission/runtimeclass``.
"""

from __future__ import annotations

from trueup.apiserver.admission.plugin import forbidden, new_pod
from trueup.apiserver.registry import Served
from trueup.apiserver.request import Write
from trueup.kube.names import Object
from trueup.kube.quantity import parse
from trueup.store.state import Store


class RuntimeClass:
    """Reads the stored classes."""

    def __init__(self, store: Store) -> None:
        self._classes = store.bucket("runtimeclasses.node.k8s.io")

    async def admit(self, served: Served, operation: str, obj: Object, old: Object | None, write: Write) -> None:
        """Fill in overhead, node selector and tolerations. Raises ``Forbidden``."""
        if not new_pod(served, operation, write):
            return
        spec = obj["spec"]
        found = self._found(served, obj)
        fixed = ((found or {}).get("overhead") or {}).get("podFixed") or {}
        if spec.get("overhead") and not _same(spec["overhead"], fixed):
            why = "doesn't match RuntimeClass's defined Overhead" if fixed else ""
            raise forbidden(
                served,
                obj,
                f"pod rejected: Pod's Overhead {why}"
                if why
                else "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead",
            )
        if fixed:
            spec["overhead"] = dict(fixed)
        scheduling = (found or {}).get("scheduling") or {}
        selector = spec.get("nodeSelector") or {}
        for key, value in (scheduling.get("nodeSelector") or {}).items():
            if selector.get(key, value) != value:
                theirs = f"runtimeClass.scheduling.nodeSelector[{key}] = {value}"
                raise forbidden(served, obj, f"conflict: {theirs}; pod.spec.nodeSelector[{key}] = {selector[key]}")
        if scheduling.get("nodeSelector"):
            spec["nodeSelector"] = {**selector, **scheduling["nodeSelector"]}
        more = [one for one in scheduling.get("tolerations") or () if one not in (spec.get("tolerations") or ())]
        if more:
            spec["tolerations"] = [*(spec.get("tolerations") or ()), *more]

    def _found(self, served: Served, pod: Object) -> Object | None:
        name = pod["spec"].get("runtimeClassName")
        if name is None:
            return None
        entry = self._classes.newest("", name)
        if entry is None:
            raise forbidden(served, pod, f'pod rejected: RuntimeClass "{name}" not found')
        return entry.obj


def _same(a: Object, b: Object) -> bool:
    return a.keys() == b.keys() and all(parse(a[name]) == parse(b[name]) for name in a)
