"""Deletes the objects of a definition that is being deleted, then lets the definition go. Runs beside the hub.

Source: apiextensions-apiserver ``controller/finalizer/crd_finalizer.go``.
"""

from __future__ import annotations

from trueup.apiserver.crds import CLEANUP, CRD, CRD_KIND, with_condition
from trueup.apiserver.following import Following
from trueup.apiserver.hub import Hub
from trueup.apiserver.request import Write
from trueup.apiserver.verbs import prepare
from trueup.apiserver.verbs.delete import DeleteOptions, delete
from trueup.apiserver.verbs.update import Change, change
from trueup.kube.names import Kind, Object
from trueup.kube.problems import NotFound
from trueup.store.state import Bucket, Event, Listener

_UNREVIEWED = Write(manager="kube-apiserver", reviewed=False)


class Draining:
    """Takes up a definition when it is going, and again as its objects go."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._work = Following("deleting the objects of a definition", self._drain)
        self.run = self._work.run
        self._followed: dict[str, Listener] = {}
        self._definitions = hub.store.bucket(CRD.group_resource)
        self._definitions.listeners.append(self._hear)
        for _, name, entry in self._definitions.scan():
            if _is_going(entry.obj):
                self._work.take(name)

    def _hear(self, event: Event) -> None:
        if event.type != "DELETED" and _is_going(event.entry.obj):
            self._work.take(event.name)

    def _follow(self, name: str, bucket: Bucket) -> None:
        def hear(event: Event) -> None:
            if event.type == "DELETED":
                self._work.take(name)

        if name not in self._followed:
            self._followed[name] = hear
            bucket.listeners.append(hear)

    async def _drain(self, name: str) -> None:
        entry, bucket = self._definitions.get("", name), self._hub.store.bucket(name)
        if entry is not None and _is_going(entry.obj):
            self._follow(name, bucket)
            await self._say_so(name)
            await self._delete_all(name, bucket)
            if bucket.count():
                return
            await self._let_go(name)
        followed = self._followed.pop(name, None)
        if followed is not None:
            bucket.listeners.remove(followed)

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


def _is_going(definition: Object) -> bool:
    meta = definition["metadata"]
    return bool(meta.get("deletionTimestamp")) and CLEANUP in (meta.get("finalizers") or ())
