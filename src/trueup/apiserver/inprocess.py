"""A client of the hub in the same process: the same verbs, no wire. Objects that it hands out are shared: read only."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing

from trueup.apiserver import scaling, virtual
from trueup.apiserver.hub import Hub
from trueup.apiserver.policy import MASTERS
from trueup.apiserver.rbac import Attributes, known_as, to_impersonate
from trueup.apiserver.registry import Served
from trueup.apiserver.request import Write
from trueup.apiserver.users import ADMIN, User
from trueup.apiserver.verbs import prepare, read
from trueup.apiserver.verbs.create import create
from trueup.apiserver.verbs.delete import DeleteOptions, delete
from trueup.apiserver.verbs.patch import patch
from trueup.apiserver.verbs.update import update
from trueup.apiserver.verbs.watch import BOOKMARK_EVERY, Change, Watcher, bookmark
from trueup.kube.names import Kind, Object, Ref
from trueup.kube.problems import MethodNotAllowed
from trueup.ports import Client, Listing, PatchType, Propagation, ResourceInfo, WatchEvent


class InProcessClient:
    """`ports.Client` straight on the hub's verbs, as one user."""

    def __init__(self, hub: Hub, user: User = ADMIN) -> None:
        self._hub, self._user = hub, user
        self._bound = MASTERS not in user.groups
        self._resources: tuple[int, Sequence[ResourceInfo]] = (-1, ())

    def _served(self, verb: str, kind: Kind, namespace: str, name: str = "", subresource: str = "") -> Served:
        """What is served of a kind, if the user may do this to it. Raises ``NotFound``, ``Forbidden``."""
        served = self._hub.serves(kind)
        if not subresource and verb not in served.verbs:
            raise MethodNotAllowed("the server does not allow this method on the requested resource")
        if self._bound:
            space = name if served.storage == "namespaces" else _space(served, namespace)
            wanted = Attributes(verb, kind.group, served.resource.name, subresource, space, name)
            self._hub.authorizer.authorize(self._user, wanted)
        return served

    def _write(
        self, manager: str, dry_run: bool, subresource: str = "", force: bool = False, validation: str = "Warn"
    ) -> Write:
        return Write(
            user=self._user,
            manager=manager or "trueup",
            dry_run=dry_run,
            validation=validation,
            force=force,
            subresource=subresource,
        )

    async def get(self, ref: Ref) -> Object:
        served = self._served("get", ref.kind, ref.namespace, ref.name)
        return await read.get(self._hub, served, _space(served, ref.namespace), ref.name)

    async def list(
        self, kind: Kind, namespace: str = "", *, labels: str = "", fields: str = "", limit: int = 0, page: str = ""
    ) -> Listing:
        served = self._served("list", kind, namespace)
        return await read.listing(
            self._hub, served, _space(served, namespace), labels=labels, fields=fields, limit=limit, page=page
        )

    async def watch(
        self, kind: Kind, namespace: str = "", *, revision: str, labels: str = "", fields: str = ""
    ) -> AsyncIterator[WatchEvent]:
        served = self._served("watch", kind, namespace)
        with Watcher(self._hub, served, _space(served, namespace), labels=labels, fields=fields) as watcher:
            await watcher.prime(revision)
            for change in watcher.past(revision):
                yield self._event(served, change)
            async with aclosing(watcher.changes(BOOKMARK_EVERY)) as changes:
                async for live in changes:
                    if live is not None:
                        yield self._event(served, live)
                    else:
                        yield WatchEvent("BOOKMARK", bookmark(served, watcher.revision))

    def _event(self, served: Served, change: Change) -> WatchEvent:
        return WatchEvent(change.type, self._hub.as_version(served, change.entry.obj))

    async def create(self, obj: Object, *, manager: str = "", dry_run: bool = False) -> Object:
        namespace = (obj.get("metadata") or {}).get("namespace") or ""
        served = self._served("create", Kind.of(obj), namespace)
        if virtual.is_virtual(served):
            return await virtual.create(
                self._hub, self._hub.authorizer, served, namespace, prepare.copy(obj), self._user
            )
        return await create(self._hub, served, namespace, prepare.copy(obj), self._write(manager, dry_run))

    async def update(self, obj: Object, *, subresource: str = "", manager: str = "", dry_run: bool = False) -> Object:
        ref = Ref.of(obj)
        served = self._served("update", ref.kind, ref.namespace, ref.name, subresource)
        write = self._write(manager, dry_run, subresource)
        if subresource == "scale":
            return await scaling.scale(self._hub, served, ref.namespace, ref.name, obj, None, write)
        return await update(self._hub, served, ref.namespace, ref.name, prepare.copy(obj), write)

    async def patch(
        self,
        ref: Ref,
        body: object,
        how: PatchType,
        *,
        subresource: str = "",
        manager: str = "",
        force: bool = False,
        dry_run: bool = False,
    ) -> Object:
        served = self._served("patch", ref.kind, ref.namespace, ref.name, subresource)
        write = self._write(manager, dry_run, subresource, force)
        if subresource == "scale":
            space = _space(served, ref.namespace)
            return await scaling.scale(self._hub, served, space, ref.name, body, how, write)
        return await patch(self._hub, served, _space(served, ref.namespace), ref.name, body, how, write)

    async def apply(
        self, obj: Object, *, manager: str, force: bool = True, subresource: str = "", dry_run: bool = False
    ) -> Object:
        return await self.patch(
            Ref.of(obj), obj, "apply", manager=manager, force=force, subresource=subresource, dry_run=dry_run
        )

    async def delete(
        self,
        ref: Ref,
        *,
        propagation: Propagation | None = None,
        grace: int | None = None,
        uid: str = "",
        revision: str = "",
        dry_run: bool = False,
    ) -> None:
        served = self._served("delete", ref.kind, ref.namespace, ref.name)
        options = DeleteOptions(propagation=propagation or "", grace=grace, uid=uid, revision=revision)
        await delete(self._hub, served, _space(served, ref.namespace), ref.name, options, self._write("", dry_run))

    async def resources(self) -> Sequence[ResourceInfo]:
        if self._resources[0] != self._hub.registry.generation:
            found = tuple(
                ResourceInfo(
                    resource=served.resource,
                    kind=served.kind,
                    namespaced=served.namespaced,
                    verbs=served.verbs,
                    singular=served.singular,
                    short_names=served.short_names,
                    categories=served.categories,
                    subresources=frozenset(served.subresources),
                )
                for served in self._hub.registry.all()
            )
            self._resources = (self._hub.registry.generation, found)
        return self._resources[1]

    async def version(self) -> str:
        return self._hub.types.git_version

    def acting_as(self, user: str, groups: Sequence[str] = ()) -> Client:
        if self._bound:
            for wanted in to_impersonate(user, groups):
                self._hub.authorizer.authorize(self._user, wanted)
        return InProcessClient(self._hub, known_as(user, groups))


def _space(served: Served, namespace: str) -> str:
    return namespace if served.namespaced else ""
