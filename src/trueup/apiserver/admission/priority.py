"""Priority: a pod's number comes from its PriorityClass. Source: ``plugin/pkg/admission/priority``."""

from __future__ import annotations

from trueup.apiserver.admission.plugin import forbidden, new_pod
from trueup.apiserver.registry import Served
from trueup.apiserver.request import Write
from trueup.kube.names import Object
from trueup.store.state import Store

_CLASSES = "priorityclasses.scheduling.k8s.io"


class Priority:
    """Reads the stored classes."""

    def __init__(self, store: Store) -> None:
        self._classes = store.bucket(_CLASSES)

    async def admit(self, served: Served, operation: str, obj: Object, old: Object | None, write: Write) -> None:
        """Fill in the number. Raises ``Forbidden``."""
        if new_pod(served, operation, write):
            self._resolve(served, obj)
        elif operation == "UPDATE" and served.storage == "pods" and old is not None:
            for field in ("priority", "preemptionPolicy"):
                if field not in obj["spec"] and field in old["spec"]:
                    obj["spec"][field] = old["spec"][field]

    async def check(self, served: Served, operation: str, obj: Object, old: Object | None, write: Write) -> None:
        """Only one class is everybody's. Raises ``Forbidden``."""
        if served.storage != _CLASSES or operation == "DELETE" or not obj.get("globalDefault"):
            return
        there = self._default()
        if there is not None and (old is None or there["metadata"]["name"] != obj["metadata"]["name"]):
            name = there["metadata"]["name"]
            raise forbidden(
                served, obj, f"PriorityClass {name} is already marked as default. Only one default can exist"
            )

    def _default(self) -> Object | None:
        found = [entry.obj for *_, entry in self._classes.scan() if entry.obj.get("globalDefault")]
        return min(found, key=lambda one: int(one.get("value") or 0), default=None)

    def _resolve(self, served: Served, pod: Object) -> None:
        spec = pod["spec"]
        name = spec.get("priorityClassName")
        if name:
            entry = self._classes.newest("", name)
            if entry is None:
                raise forbidden(served, pod, f"no PriorityClass with name {name} was found")
            found: Object = entry.obj
        else:
            found = self._default() or {"preemptionPolicy": "PreemptLowerPriority"}
            if "metadata" in found:
                spec["priorityClassName"] = found["metadata"]["name"]
        number, policy = int(found.get("value") or 0), found.get("preemptionPolicy")
        if spec.get("priority", number) != number:
            given = f"the integer value of priority ({spec['priority']}) must not be provided in pod spec; "
            raise forbidden(
                served, pod, f"{given}priority admission controller computed {number} from the given PriorityClass name"
            )
        if policy and spec.get("preemptionPolicy", policy) != policy:
            given = (
                f"the string value of PreemptionPolicy ({spec['preemptionPolicy']}) must not be provided in pod spec; "
            )
            raise forbidden(
                served, pod, f"{given}priority admission controller computed {policy} from the given PriorityClass name"
            )
        spec["priority"] = number
        if policy:
            spec["preemptionPolicy"] = policy
