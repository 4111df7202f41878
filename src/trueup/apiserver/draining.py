"""Deletes the objects of a definition that is being deleted, then lets the definition go. Runs beside the hub.

Source: apiextensions-apiserver ``controller/finalizer/crd_finalizer.go``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

from trueup.apiserver.crds import CLEANUP, CRD, CRD_KIND, with_condition
from trueup.apiserver.hub import Hub
from trueup.apiserver.request import Write
from trueup.apiserver.verbs import prepare
from trueup.apiserver.verbs.delete import DeleteOptions, delete
from trueup.apiserver.verbs.update import Change, change
from trueup.kube.names import Kind, Object
from trueup.kube.problems import ApiProblem, NotFound
from trueup.store.state import Bucket, Event, StoreProblem

_log = logging.getLogger("trueup.apiserver")
_UNREVIEWED = Write(manager="kube-apiserver", reviewed=False)
_AGAIN = 1.0
"""Seconds until a failed attempt is repeated."""


class Draining:
    """Woken by every change of a definition that is going, and of what is left of its objects."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._wake = asyncio.Event()
        self._followed: set[str] = set()
        self._definitions = hub.store.bucket(CRD.group_resource)
        self._definitions.listeners.append(self._hear)
        self._wake.set()

    def _hear(self, event: Event) -> None:
        if event.type == "DELETED" or event.entry.obj["metadata"].get("deletionTimestamp"):
            self._wake.set()

    def _hear_object(self, event: Event) -> None:
        if event.type == "DELETED":
            self._wake.set()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            for name in list(self._going()):
                try:
                    await self._drain(name)
                except (ApiProblem, StoreProblem) as problem:
                    _log.warning("deleting the objects of %s failed, trying again: %s", name, problem)
                    asyncio.get_running_loop().call_later(_AGAIN, self._wake.set)

    def _going(self) -> Iterator[str]:
        for _, name, entry in self._definitions.scan():
            meta = entry.obj["metadata"]
            if meta.get("deletionTimestamp") and CLEANUP in (meta.get("finalizers") or ()):
                yield name

    async def _drain(self, name: str) -> None:
        bucket = self._hub.store.bucket(name)
        if name not in self._followed:
            self._followed.add(name)
            bucket.listeners.append(self._hear_object)
        await self._say_so(name)
        await self._delete_all(name, bucket)
        if bucket.count():
            return
        bucket.listeners.remove(self._hear_object)
        self._followed.discard(name)
        await self._let_go(name)

    async def _delete_all(self, name: str, bucket: Bucket) -> None:
        served = next((one for one in self._hub.registry.all() if one.custom and one.storage == name), None)
        for space, each, entry in list(bucket.scan()):
            if served is None:
                # Nothing of it is served any more, so nobody could take finalizers off: it goes with its definition.
                await self._hub.store.remove(bucket, space, each, entry.revision, entry.obj)
            elif not entry.obj["metadata"].get("deletionTimestamp"):
                own = self._hub.registry.of_kind(Kind.of(entry.obj)) or served  # no webhook has to be there for that
                try:
                    await delete(self._hub, own, space, each, DeleteOptions(), _UNREVIEWED)
                except NotFound:
                    continue

    async def _say_so(self, name: str) -> None:
        def marked(stored: Object) -> tuple[Object, bool]:
            new = prepare.copy(stored)
            reason, message = "InstanceDeletionInProgress", "CustomResource deletion is in progress"
            with_condition(new, "Terminating", "True", reason, message, self._hub.now())
            return new, False

        await self._change(name, marked, "status")

    async def _let_go(self, name: str) -> None:
        def without(stored: Object) -> tuple[Object, bool]:
            meta = stored["metadata"]
            kept = [each for each in meta.get("finalizers") or () if each != CLEANUP]
            return {**prepare.copy(stored), "metadata": {**meta, "finalizers": kept}}, False

        await self._change(name, without, "")

    async def _change(self, name: str, make: Change, subresource: str) -> None:
        write = Write(manager="kube-apiserver", subresource=subresource)
        try:
            await change(self._hub, self._hub.serves(CRD_KIND), "", name, make, write)
        except NotFound:
            return
