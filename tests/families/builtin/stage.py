"""An embedded cluster with this family's controllers at work, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from trueup.apiserver.hub import Hub
from trueup.apiserver.inprocess import InProcessClient
from trueup.apiserver.opening import open_hub
from trueup.families.builtin import FAMILY
from trueup.family import Tools
from trueup.kube.names import Kind, Object, Ref
from trueup.kube.problems import NotFound
from trueup.kube.types import load
from trueup.runtime.clock import VirtualClock
from trueup.runtime.manager import Manager
from trueup.store.log import MemoryLog
from trueup.store.state import Store

START = 1_700_000_000.0


class Stage:
    """``async with Stage() as stage``: create objects, wait for what becomes of them."""

    def __init__(self) -> None:
        self.clock = VirtualClock(START)
        self.hub: Hub
        self.client: InProcessClient
        self.manager: Manager
        self._task: asyncio.Task[None]
        self.writes = 0

    async def __aenter__(self) -> Stage:
        self.hub = await open_hub(Store(MemoryLog()), load(), self.clock)
        self.client = InProcessClient(self.hub)
        self.manager = Manager(self.client, self.clock)
        manager = self.manager
        tools = Tools(self.client, manager.cache, manager.events, self.clock, manager.live)
        for controller in FAMILY.controllers:
            manager.add(controller, tools)
        self._task = asyncio.create_task(manager.run())
        await manager.ready.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.manager.stop()
        await self._task
        await self.hub.close()

    async def create(self, obj: Object) -> Object:
        """As a person would."""
        return await self.client.create(obj)

    async def get(self, kind: Kind, name: str, namespace: str = "default") -> Object | None:
        """The object, or None."""
        try:
            return await self.client.get(Ref(kind, namespace, name))
        except NotFound:
            return None

    async def list(self, kind: Kind, namespace: str = "default") -> list[Object]:
        """The objects in a namespace."""
        return (await self.client.list(kind, namespace)).items

    async def until(self, kind: Kind, name: str, holds: Callable[[Any], object], namespace: str = "default") -> Object:
        """The object as soon as ``holds(object)``; fails after an hour of the cluster's time."""
        end = self.clock.now() + 3600
        while True:
            found = await self.get(kind, name, namespace)
            if holds(found):
                return found or {}
            assert self.clock.now() < end, f"{kind.kind} {name} never came to it: {found}"
            await self.clock.sleep(0.05)

    async def pause(self, seconds: float) -> None:
        """Let the cluster's time pass."""
        await self.clock.sleep(seconds)


def deployment(name: str = "web", replicas: int = 3, **spec: Any) -> Object:
    """A Deployment of one container."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": template(name),
            **spec,
        },
    }


def template(app: str = "web", image: str = "web:1", annotations: dict[str, str] | None = None, **spec: Any) -> Object:
    """A pod template; annotations are given without their prefix."""
    marks = {f"simulate.trueup.dev/{name}": value for name, value in (annotations or {}).items()}
    return {
        "metadata": {"labels": {"app": app}, **({"annotations": marks} if marks else {})},
        "spec": {"containers": [{"name": "main", "image": image, "command": ["serve"]}], **spec},
    }


def job(name: str = "once", annotations: dict[str, str] | None = None, **spec: Any) -> Object:
    """A Job of one pod."""
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"template": template(name, annotations=annotations, restartPolicy="Never"), **spec},
    }


def conditions(obj: Object) -> dict[str, str]:
    """Condition type -> status."""
    return {one["type"]: one["status"] for one in (obj.get("status") or {}).get("conditions") or ()}
