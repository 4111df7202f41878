"""What an admission plugin is. Called by the hub for every write; source: Kubernetes documentation, "Admission Control"."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from trueup.apiserver.registry import Served
from trueup.apiserver.request import Write
from trueup.kube.names import Object
from trueup.kube.problems import Forbidden

Admission = Callable[[Served, str, Object, Object | None, Write], Awaitable[None]]
"""(what is served, CREATE | UPDATE | DELETE, object, old object, how it is meant): changes in place, or raises.

Mutating ones come before the kind's strategy and checks, validating ones after them and change nothing.
"""


class Settling(Protocol):
    """A plugin that reserves: told when a write is over, whether it succeeded or not."""

    def settle(self, served: Served, obj: Object) -> None:
        """What the object reserved and does not hold now is free again."""
        ...


def forbidden(served: Served, obj: Object, why: str) -> Forbidden:
    """``pods "web" is forbidden: …``. Source: apiserver ``admission.NewForbidden``."""
    meta, resource = obj["metadata"], served.resource
    name = meta.get("name") or meta.get("generateName") or "Unknown"
    details: Object = {"name": name, "kind": resource.name, **({"group": resource.group} if resource.group else {})}
    return Forbidden(f'{resource.group_resource} "{name}" is forbidden: {why}', details=details)


def new_pod(served: Served, operation: str, write: Write) -> bool:
    """Whether a pod is being created."""
    return operation == "CREATE" and served.storage == "pods" and write.subresource == ""
