"""The group node.k8s.io. Source: Kubernetes ``pkg/apis/node/validation/validation.go``."""

from __future__ import annotations

from trueup.kube.names import Object
from trueup.kube.validation import formats, object_meta
from trueup.kube.validation.causes import Causes, each_invalid, required
from trueup.kube.validation.resources import requirements
from trueup.kube.validation.tolerations import tolerations


def runtime_class(obj: Object) -> Causes:
    """RuntimeClass."""
    handler = obj.get("handler") or ""
    if handler:
        yield from each_invalid("handler", handler, formats.label(handler))
    else:
        yield required("handler")
    fixed = (obj.get("overhead") or {}).get("podFixed")
    if fixed:
        yield from requirements({"limits": fixed}, "overhead")
    scheduling = obj.get("scheduling")
    if scheduling is not None:
        yield from object_meta.labels(scheduling.get("nodeSelector"), "scheduling.nodeSelector")
        yield from tolerations(scheduling.get("tolerations") or [], "scheduling.tolerations", once=True)
