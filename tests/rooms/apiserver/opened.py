"""A hub that keeps nothing, at a time that stands still, for tests of what surrounds the verbs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from trueup.apiserver.hub import Hub
from trueup.apiserver.opening import open_hub
from trueup.kube.names import Object
from trueup.kube.types import load
from trueup.store.log import MemoryLog
from trueup.store.state import Store

NOW = 1_800_000_000.0


class Still:
    """`ports.Clock` that never moves."""

    def now(self) -> float:
        return NOW

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("nothing waits for time here")


@asynccontextmanager
async def opened() -> AsyncIterator[Hub]:
    """A fresh cluster."""
    hub = await open_hub(Store(MemoryLog()), load(), Still())
    try:
        yield hub
    finally:
        await hub.close()


def definition(
    plural: str = "crontabs", kind: str = "CronTab", *, spec: Object | None = None, **version: object
) -> Object:
    """A CustomResourceDefinition of one version; ``spec`` is the schema of the objects' spec."""
    schema = {"type": "object", "properties": {"spec": spec or {"type": "object"}, "status": {"type": "object"}}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.stable.example.com"},
        "spec": {
            "group": "stable.example.com",
            "scope": "Namespaced",
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List"},
            "versions": [
                {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}, **version}
            ],
        },
    }


def custom(name: str = "one", *, kind: str = "CronTab", version: str = "v1", **spec: object) -> Object:
    """An object of that definition."""
    return {
        "apiVersion": f"stable.example.com/{version}",
        "kind": kind,
        "metadata": {"name": name, "namespace": "default"},
        "spec": dict(spec),
    }
