"""The live objects of one cluster: each kind is watched from the moment it is first asked for. Implements `ports.Live`.

Called by manager (for its own cluster), by delivery and families through the port, by the `app` room for each destination.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from trueup.kube.names import Key, Kind, Object, Ref
from trueup.kube.objects import owner_uids
from trueup.ports import Client, Clock, WatchEvent
from trueup.runtime.informer import Change, Informer
from trueup.runtime.metrics import Metrics
from trueup.runtime.tasks import Tasks
from trueup.timing.backoff import Backoff

log = logging.getLogger("trueup.runtime.live")

_CRD = Kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition")
_LOOK_AGAIN, _LOOK_ANYWAY = 60.0, 3600.0
_LOOK_SOON = Backoff(base=0.2, cap=60.0)
"""For a kind whose definition is there: discovery follows a definition's conditions by a moment."""


class LiveCache:
    """Informers by kind, an index of owners across kinds, listeners for every change. ``await close()`` at the end."""

    def __init__(self, client: Client, clock: Clock, *, namespace: str = "", metrics: Metrics | None = None) -> None:
        self.client = client
        self._clock, self._namespace, self._metrics = clock, namespace, metrics
        self._informers: dict[Kind, Informer] = {}
        self._kept: set[Kind] = set()
        self._owned: dict[str, dict[str, Object]] = {}
        self._listeners: list[Callable[[WatchEvent], None]] = []
        self._tasks = Tasks("live")

    # --- ports.Live ---

    async def get(self, ref: Ref) -> Object | None:
        """The live object, or None. Raises the problem when its kind cannot be listed."""
        return (await self._ready(ref.kind)).get(Key(ref.namespace, ref.name))

    async def list(self, kind: Kind, namespace: str = "") -> Sequence[Object]:
        """The live objects of a kind."""
        return (await self._ready(kind)).list(namespace)

    def owned(self, uid: str) -> Sequence[Object]:
        """Objects of the watched kinds that name ``uid`` as an owner."""
        return tuple(self._owned.get(uid, {}).values())

    def note(self, obj: Object) -> None:
        """Take in the answer to a write of one's own."""
        informer = self._informers.get(Kind.of(obj))
        if informer is None or not informer.synced:
            return
        key = Key.of(obj)
        old = informer.get(key)
        informer.note(obj)
        new = informer.get(key)
        if new is not None and new is not old:  # the watch will tell of it as if it had been so before
            if old is not None:
                self._disown(old)
            self._own(new)

    def subscribe(self, listener: Callable[[WatchEvent], None]) -> None:
        """``listener`` hears every change of every watched kind, and what is there already as added."""
        self._listeners.append(listener)
        for informer in self._informers.values():
            for obj in informer.list():
                listener(WatchEvent("ADDED", obj))

    # --- for the manager ---

    def informer(self, kind: Kind, *, keep: bool = True) -> Informer:
        """The shared informer of a kind, started when it is new. ``keep``: a kind that is not served yet is waited for."""
        if keep:
            self._kept.add(kind)
        informer = self._informers.get(kind)
        if informer is None:
            informer = self._informers[kind] = Informer(
                self.client, kind, self._clock, namespace=self._namespace, metrics=self._metrics
            )
            informer.listen(self._changed)
            self._tasks.start(self._run(informer), str(kind))
        return informer

    @property
    def kinds(self) -> Sequence[Kind]:
        """The watched kinds."""
        return tuple(self._informers)

    async def failure(self) -> BaseException:
        """Waits until an informer fails by a bug, and answers why."""
        return await self._tasks.failure()

    async def close(self) -> None:
        """Ends every watch."""
        await self._tasks.close()

    # --- within ---

    async def _ready(self, kind: Kind) -> Informer:
        informer = self._informers.get(kind)
        if informer is None:
            informer = self.informer(kind, keep=False)
        if not informer.synced:
            await informer.wait()
        return informer

    async def _run(self, informer: Informer) -> None:
        """Until its kind is not served; a kind that somebody keeps is looked for again when its definition comes."""
        misses = 0
        try:
            while True:
                await informer.run()
                if informer.kind not in self._kept:
                    return
                log.info("%s is not served; waiting for its definition", informer.kind)
                definitions = self.informer(_CRD) if informer.kind != _CRD else informer
                misses = misses + 1 if _defines(definitions, informer.kind) else 0
                if misses:
                    await informer.pause(_LOOK_SOON.delay(misses))
                    continue
                # Without sight of definitions only asking again now and then is left.
                await informer.pause(_LOOK_AGAIN if definitions.problem else _LOOK_ANYWAY)
        finally:
            if self._informers.get(informer.kind) is informer:
                del self._informers[informer.kind]

    def _changed(self, type: Change, obj: Object, old: Object | None) -> None:
        if old is not None:
            self._disown(old)
        if type != "DELETED":
            self._own(obj)
        if obj.get("kind") == _CRD.kind and type != "DELETED":
            self._defined(obj)
        event = WatchEvent(type, obj)
        for listener in self._listeners:
            try:
                listener(event)
            except Exception:  # one listener's bug must not silence the others
                log.exception("a listener failed on %s", Ref.of(obj))

    def _defined(self, crd: Object) -> None:
        """A definition came or changed: informers that stand for its kind look again."""
        for kind, informer in list(self._informers.items()):
            if _names(crd, kind) and not informer.synced:
                informer.nudge()

    def _own(self, obj: Object) -> None:
        own = str(obj["metadata"].get("uid") or "")
        for uid in owner_uids(obj):
            self._owned.setdefault(uid, {})[own] = obj

    def _disown(self, obj: Object) -> None:
        own = str(obj["metadata"].get("uid") or "")
        for uid in owner_uids(obj):
            children = self._owned.get(uid)
            if children is not None:
                children.pop(own, None)
                if not children:
                    del self._owned[uid]


def _names(crd: Object, kind: Kind) -> bool:
    """Whether a definition is that of a kind, in whatever version."""
    spec = crd.get("spec") or {}
    return ((spec.get("names") or {}).get("kind"), spec.get("group")) == (kind.kind, kind.group)


def _defines(definitions: Informer, kind: Kind) -> bool:
    """Whether one of the definitions says that this kind and version is served."""
    for crd in definitions.list():
        versions = (crd.get("spec") or {}).get("versions") or ()
        conditions = (crd.get("status") or {}).get("conditions") or ()
        if (
            _names(crd, kind)
            and any(version.get("name") == kind.version and version.get("served") for version in versions)
            and any(c.get("type") == "Established" and c.get("status") == "True" for c in conditions)
        ):
            return True
    return False
