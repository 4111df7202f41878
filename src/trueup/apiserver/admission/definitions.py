"""No new objects of a definition that is going. Source: apiextensions-apiserver ``crdHandler.serveResource``."""

from __future__ import annotations

from trueup.apiserver import crds
from trueup.apiserver.registry import Served
from trueup.apiserver.request import Write
from trueup.kube.names import Object


async def admit(served: Served, operation: str, obj: Object, old: Object | None, write: Write) -> None:
    """Raises ``MethodNotAllowed``."""
    if operation == "CREATE" and served.crd is not None:
        crds.check_creation(served.crd)
