"""The group scheduling.k8s.io. Source: Kubernetes ``pkg/apis/scheduling/validation/validation.go``."""

from __future__ import annotations

from trueup.kube.names import Object
from trueup.kube.validation.causes import Causes, forbidden, not_supported, required

_MOST_IMPORTANT = 1_000_000_000
_PREEMPTIONS = ("PreemptLowerPriority", "Never")
_OF_THE_SYSTEM = {"system-node-critical": 2_000_001_000, "system-cluster-critical": 2_000_000_000}


def priority_class(obj: Object) -> Causes:
    """PriorityClass."""
    name, value = str(obj["metadata"].get("name") or ""), obj.get("value") or 0
    if name.startswith("system-"):
        text = "priority class names with 'system-' prefix are reserved for system use only"
        if name not in _OF_THE_SYSTEM:
            yield forbidden("metadata.name", f"{text}. error: {name} is not a known system priority class")
        elif value != _OF_THE_SYSTEM[name]:
            wanted = f"value of {name} PriorityClass must be {_OF_THE_SYSTEM[name]}"
            yield forbidden("metadata.name", f"{text}. error: {wanted}")
        elif obj.get("globalDefault"):
            wanted = f"globalDefault of {name} PriorityClass must be false"
            yield forbidden("metadata.name", f"{text}. error: {wanted}")
    elif value > _MOST_IMPORTANT:
        yield forbidden("value", f"maximum allowed value of a user defined priority is {_MOST_IMPORTANT}")
    policy = obj.get("preemptionPolicy")
    if policy == "":
        yield required("preemptionPolicy")
    elif policy is not None and policy not in _PREEMPTIONS:
        yield not_supported("preemptionPolicy", policy, _PREEMPTIONS)
