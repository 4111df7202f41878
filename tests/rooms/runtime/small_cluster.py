"""A cluster in memory for the tests of the runtime: list in pages, watch with history, failures on demand."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from typing import Any

from trueup.kube.names import Kind, Object, Ref
from trueup.kube.problems import AlreadyExists, ApiProblem, Expired, not_found
from trueup.merge.jsonpatch import merge_patch
from trueup.ports import Client, EventType, Listing, PatchType, Propagation, ResourceInfo, WatchEvent

MAP = Kind("", "v1", "ConfigMap")


def config_map(name: str, namespace: str = "default", **data: str) -> Object:
    """A ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": data}


class SmallCluster:
    """Implements ``ports.Client`` over one dict and a log."""

    def __init__(self, served: Sequence[Kind] = (MAP,)) -> None:
        self.served = set(served)
        self.objects: dict[Ref, Object] = {}
        self.log: list[tuple[int, EventType, Object]] = []
        self.revision = 0
        self.floor = 0
        """Watches from before this revision are too old."""
        self.problems: dict[str, list[ApiProblem]] = defaultdict(list)
        """The next failures of a verb."""
        self.calls: list[str] = []
        self.watches = 0
        self._changed = asyncio.Event()
        self._cut = 0

    # -- for tests

    def put(self, obj: Object) -> Object:
        """Somebody writes an object."""
        ref = Ref.of(obj)
        old = self.objects.get(ref)
        self.revision += 1
        uid = old["metadata"]["uid"] if old else f"uid-{self.revision}"
        meta = {
            **obj["metadata"],
            "uid": uid,
            "resourceVersion": str(self.revision),
            "managedFields": [{"manager": "x"}],
        }
        new = {**obj, "metadata": meta}
        self.objects[ref] = new
        self._append("MODIFIED" if old else "ADDED", new)
        return new

    def drop(self, ref: Ref) -> None:
        """Somebody deletes an object."""
        old = self.objects.pop(ref)
        self.revision += 1
        meta = {**old["metadata"], "resourceVersion": str(self.revision)}
        self._append("DELETED", {**old, "metadata": meta})

    def bookmark(self, kind: Kind) -> None:
        """The server tells how far it is."""
        obj = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"resourceVersion": str(self.revision)}}
        self._append("BOOKMARK", obj)

    def cut(self) -> None:
        """All watches end."""
        self._cut += 1
        self._wake()

    def forget(self) -> None:
        """The history is compacted, and all watches end."""
        self.floor = self.revision
        self.cut()

    def _append(self, type: EventType, obj: Object) -> None:
        self.log.append((self.revision, type, obj))
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _enter(self, verb: str, kind: Kind) -> None:
        self.calls.append(f"{verb} {kind.kind}")
        if self.problems[verb]:
            raise self.problems[verb].pop(0)
        if kind not in self.served:
            raise not_found(kind.kind.lower(), "")

    # -- ports.Client

    async def get(self, ref: Ref) -> Object:
        self._enter("get", ref.kind)
        if ref not in self.objects:
            raise not_found(ref.kind.kind.lower(), ref.name)
        return self.objects[ref]

    async def list(
        self, kind: Kind, namespace: str = "", *, labels: str = "", fields: str = "", limit: int = 0, page: str = ""
    ) -> Listing:
        await asyncio.sleep(0)
        self._enter("list", kind)
        items = [
            obj for ref, obj in sorted(self.objects.items()) if ref.kind == kind and namespace in ("", ref.namespace)
        ]
        start = int(page or 0)
        end = start + limit if limit else len(items)
        return Listing(items[start:end], str(self.revision), str(end) if end < len(items) else "")

    async def watch(
        self, kind: Kind, namespace: str = "", *, revision: str, labels: str = "", fields: str = ""
    ) -> AsyncIterator[WatchEvent]:
        await asyncio.sleep(0)
        self._enter("watch", kind)
        if int(revision) < self.floor:
            raise Expired("too old resource version")
        self.watches += 1
        try:
            position, cut = 0, self._cut
            while cut == self._cut:
                changed = self._changed
                while position < len(self.log):
                    at, type, obj = self.log[position]
                    position += 1
                    if (at > int(revision) or type == "BOOKMARK") and Kind.of(obj) == kind:
                        yield WatchEvent(type, obj)
                await changed.wait()
        finally:
            self.watches -= 1

    async def create(self, obj: Object, *, manager: str = "", dry_run: bool = False) -> Object:
        self._enter("create", Kind.of(obj))
        if Ref.of(obj) in self.objects:
            raise AlreadyExists(f"{Ref.of(obj)} is there")
        return self.put(obj)

    async def update(self, obj: Object, *, subresource: str = "", manager: str = "", dry_run: bool = False) -> Object:
        self._enter("update", Kind.of(obj))
        return self.put(obj)

    async def patch(
        self, ref: Ref, body: object, how: PatchType, *, subresource: str = "", manager: str = "",
        force: bool = False, dry_run: bool = False,
    ) -> Object:  # fmt: skip
        self._enter("patch", ref.kind)
        if ref not in self.objects:
            raise not_found(ref.kind.kind.lower(), ref.name)
        patched: Any = merge_patch(self.objects[ref], body)
        return self.put(patched)

    async def apply(
        self, obj: Object, *, manager: str, force: bool = True, subresource: str = "", dry_run: bool = False
    ) -> Object:
        self._enter("apply", Kind.of(obj))
        return self.put(obj)

    async def delete(
        self,
        ref: Ref,
        *,
        propagation: Propagation | None = None,
        uid: str = "",
        revision: str = "",
        dry_run: bool = False,
    ) -> None:
        self._enter("delete", ref.kind)
        self.drop(ref)

    async def resources(self) -> Sequence[ResourceInfo]:
        return ()

    async def version(self) -> str:
        return "v1.36.0"

    def acting_as(self, user: str, groups: Sequence[str] = ()) -> Client:
        return self
