"""Container images of a workload, for reports. Source: gitops-engine ``kube.GetResourceImages``."""

from __future__ import annotations

from typing import Any

from trueup.kube.names import Object

_TEMPLATES: dict[str, tuple[str, ...]] = {
    "Pod": ("spec",),
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
}
_WORKLOAD = ("spec", "template", "spec")


def images_of(obj: Object) -> tuple[str, ...]:
    """The images that an object runs, sorted, each once; none for what runs nothing."""
    here: Any = obj
    for name in _TEMPLATES.get(str(obj.get("kind")), _WORKLOAD):
        here = here.get(name)
        if not isinstance(here, dict):
            return ()
    found = set()
    for field in ("containers", "initContainers"):
        for container in here.get(field) or ():
            if isinstance(container, dict) and isinstance(image := container.get("image"), str):
                found.add(image)
    return tuple(sorted(found))
