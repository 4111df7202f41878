"""NamespaceLifecycle: nothing new in namespaces that are not there or going; some namespaces stay.

Source: apiserver ``pkg/admission/plugin/namespace/lifecycle``.
"""

from __future__ import annotations

from trueup.apiserver.registry import Served
from trueup.apiserver.request import Write
from trueup.kube.names import Object
from trueup.kube.problems import Cause, Forbidden, not_found
from trueup.store.state import Store

_IMMORTAL = frozenset({"default", "kube-system", "kube-public"})


class NamespaceLifecycle:
    """Reads the stored namespaces."""

    def __init__(self, store: Store) -> None:
        self._namespaces = store.bucket("namespaces")

    async def admit(self, served: Served, operation: str, obj: Object, old: Object | None, write: Write) -> None:
        """Before anything is made of a new object. Raises ``NotFound`` and ``Forbidden``."""
        if operation == "CREATE" and served.namespaced:
            self._check(served, obj)

    async def keep(self, served: Served, operation: str, obj: Object, old: Object | None, write: Write) -> None:
        """Raises ``Forbidden`` for the deletion of a namespace that stays."""
        if operation == "DELETE" and served.storage == "namespaces" and obj["metadata"]["name"] in _IMMORTAL:
            name = obj["metadata"]["name"]
            raise Forbidden(f'namespaces "{name}" is forbidden: this namespace may not be deleted')

    def _check(self, served: Served, obj: Object) -> None:
        namespace = obj["metadata"].get("namespace") or ""
        entry = self._namespaces.newest("", namespace)
        if entry is None:
            raise not_found("namespaces", namespace)
        if entry.obj["metadata"].get("deletionTimestamp"):
            name = obj["metadata"].get("name") or obj["metadata"].get("generateName")
            text = f"unable to create new content in namespace {namespace} because it is being terminated"
            why = Cause("NamespaceTerminating", f"namespace {namespace} is being terminated", "metadata.namespace")
            raise Forbidden(
                f'{served.resource.group_resource} "{name}" is forbidden: {text}',
                causes=[why],
                details={"name": name, "kind": served.resource.name},
            )
