"""One cluster in a thread of its own, in memory. Called by tests; what comes in are objects as dicts or YAML.

The thread runs the event loop of API server and controllers, so that a test may block as it likes, use any client over
``kubeconfig``, or the methods here, which speak to the server without a wire.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from trueup.app.embedded import Embedded
from trueup.app.serve import Serving, serving
from trueup.health.judge import judge
from trueup.kube.documents import parse
from trueup.kube.names import Object, Ref
from trueup.kube.problems import Expired
from trueup.kube.types import DEFAULT_VERSION
from trueup.ports import Client, ResourceInfo, Target
from trueup.settings import Settings
from trueup.testing.kinds import find

if TYPE_CHECKING:
    from trueup.app.up import Running

T = TypeVar("T")
Check = Callable[[Object], Any]
MANAGER = "trueup-testing"


class NotInTime(AssertionError):
    """What was waited for did not come; the text says what there is instead."""


class Cluster:
    """A Kubernetes API with the controllers that Kubernetes runs itself and simulated workloads.

    ``source`` (a folder or URL) and ``mapping`` bring a repository to life in it, as ``trueup up`` does. ``simulate=False``
    runs no controllers: objects stay as they are written. Started by ``with`` or ``start``; every method but these raises
    ``kube.problems.ApiProblem`` for what the API refuses.
    """

    def __init__(
        self,
        *,
        kubernetes_version: str = DEFAULT_VERSION,
        simulate: bool = True,
        source: str | Path = "",
        mapping: Mapping[str, str | Path] | None = None,
    ) -> None:
        self._settings = Settings(
            state=None,
            port=0,
            kubernetes_version=kubernetes_version,
            simulate=simulate,
            source=str(source),
            mapping={url: Path(folder) for url, folder in (mapping or {}).items()},
            families=() if source else ("builtin",),
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="trueup cluster", daemon=True)
        self._started: asyncio.Future[Embedded] = self._loop.create_future()
        self._end = asyncio.Event()
        self._cluster: Embedded | None = None

    def start(self) -> Self:
        """Returns when the API answers."""
        self._thread.start()
        self._cluster = self._ask(self._wait_for_start())
        return self

    def stop(self) -> None:
        """Ends the server and its controllers; nothing remains."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._end.set)
            self._thread.join()
        if not self._loop.is_closed():
            self._loop.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # --- how others reach it ---

    @property
    def url(self) -> str:
        """Where the API answers, e.g. ``https://127.0.0.1:43211``."""
        return self._running.server.url

    @property
    def kubeconfig(self) -> Path:
        """For clients of any kind; an administrator's."""
        return self._running.kubeconfig

    # --- objects ---

    def apply(self, what: str | Path | Object | Iterable[Object], *, namespace: str = "default") -> list[Object]:
        """Server-side apply of YAML, a file, an object or several, in order; as they are stored then.

        Objects of a namespaced kind that name none go to ``namespace``.
        """
        return self._ask(self._apply(list(_objects(what)), namespace))

    def render(
        self, folder: str | Path, *, namespace: str = "default", values: Mapping[str, Any] | None = None
    ) -> list[Object]:
        """What a chart, a kustomization or a plain folder renders to for this cluster. ``values``: a chart's.

        Raises ``ports.RenderProblem`` with file and line.
        """
        return self._ask(self._render(Path(folder), namespace, values))

    def get(self, kind: str, name: str, *, namespace: str = "default") -> Object:
        """One object. ``kind`` as kubectl takes it: ``deploy``, ``deployments.apps``, ``Deployment``. Raises ``NotFound``."""
        return self._ask(self._get(kind, name, namespace))

    def delete(self, kind: str, name: str, *, namespace: str = "default") -> None:
        """Delete it; finalizers and the garbage collector do the rest. Raises ``NotFound``."""
        self._ask(self._delete(kind, name, namespace))

    def wait(
        self, kind: str, name: str, check: Check | None = None, *, namespace: str = "default", timeout: float = 30.0
    ) -> Object:
        """The object as soon as ``check`` finds it good; without one, as soon as it is healthy.

        Raises ``NotInTime`` after ``timeout`` seconds, with the object's health and its last events.
        """
        return self._ask(self._wait(kind, name, check or _healthy, namespace, timeout))

    def wait_gone(self, kind: str, name: str, *, namespace: str = "default", timeout: float = 30.0) -> None:
        """Returns when there is no such object any more. Raises ``NotInTime``."""
        self._ask(self._wait_gone(kind, name, namespace, timeout))

    # --- within the thread ---

    @property
    def _running(self) -> Embedded:
        if self._cluster is None:
            raise RuntimeError("the cluster has not been started: use it in a `with` block, or call start()")
        return self._cluster

    @property
    def _client(self) -> Client:
        return self._running.client

    def _ask(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _wait_for_start(self) -> Embedded:
        return await self._started

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        try:
            async with self._starting() as now:
                self._started.set_result(now.cluster)
                await self._end.wait()
        except Exception as problem:  # whatever keeps it from starting is raised where the start is awaited
            if self._started.done():
                raise
            self._started.set_exception(problem)

    def _starting(self) -> AbstractAsyncContextManager[Running | Serving]:
        if not self._settings.source:
            return serving(self._settings, lambda line: None)
        from trueup.app.up import running  # Git, renderers and HTTP clients take as long to load as a whole cluster

        return running(self._settings, lambda line: None)

    async def _find(self, kind: str) -> ResourceInfo:
        return find(kind, await self._client.resources())

    async def _ref(self, kind: str, name: str, namespace: str) -> Ref:
        info = await self._find(kind)
        return Ref(info.kind, namespace if info.namespaced else "", name)

    async def _apply(self, objects: list[Object], namespace: str) -> list[Object]:
        stored = []
        for obj in objects:
            info = await self._find(f"{obj.get('apiVersion') or ''}/{obj.get('kind') or ''}")
            meta = dict(obj.get("metadata") or {})
            if info.namespaced:
                meta.setdefault("namespace", namespace)
            stored.append(await self._client.apply({**obj, "metadata": meta}, manager=MANAGER))
        return stored

    async def _render(self, folder: Path, namespace: str, values: Mapping[str, Any] | None) -> list[Object]:
        from trueup.app.folder import render_folder  # as in _starting

        target = Target(await self._client.version(), namespace=namespace)
        return (await render_folder(folder, target, options={"valuesObject": dict(values)} if values else {})).objects

    async def _get(self, kind: str, name: str, namespace: str) -> Object:
        return await self._client.get(await self._ref(kind, name, namespace))

    async def _list(self, kind: str, namespace: str, labels: str) -> list[Object]:
        info = await self._find(kind)
        return list((await self._client.list(info.kind, namespace, labels=labels)).items)

    async def _delete(self, kind: str, name: str, namespace: str) -> None:
        await self._client.delete(await self._ref(kind, name, namespace), propagation="Background")

    async def _wait(self, kind: str, name: str, check: Check, namespace: str, timeout: float) -> Object:
        ref = await self._ref(kind, name, namespace)
        last: Object | None = None
        try:
            async with asyncio.timeout(timeout):
                async for last in self._versions(ref):
                    if last is not None and check(last):
                        return last
        except TimeoutError:
            raise NotInTime(await self._instead(ref, last, timeout)) from None
        raise AssertionError("versions go on for ever")

    async def _wait_gone(self, kind: str, name: str, namespace: str, timeout: float) -> None:
        ref = await self._ref(kind, name, namespace)
        last: Object | None = None
        try:
            async with asyncio.timeout(timeout):
                async for last in self._versions(ref):
                    if last is None:
                        return
        except TimeoutError:
            raise NotInTime(await self._instead(ref, last, timeout)) from None

    async def _versions(self, ref: Ref) -> AsyncIterator[Object | None]:
        """The object as it is and at each change, None while it is not there; without end."""
        only = f"metadata.name={ref.name}"
        while True:
            listing = await self._client.list(ref.kind, ref.namespace, fields=only)
            yield listing.items[0] if listing.items else None
            try:
                async for event in self._client.watch(ref.kind, ref.namespace, revision=listing.revision, fields=only):
                    if event.type != "BOOKMARK":
                        yield None if event.type == "DELETED" else event.object
            except Expired:
                continue

    async def _instead(self, ref: Ref, last: Object | None, timeout: float) -> str:
        """What there is in place of what was waited for."""
        if last is None:
            return f"{ref}: not there after {timeout:g} s"
        health = judge(last)
        lines = [f"{ref}: {health.status} after {timeout:g} s" + (f" ({health.message})" if health.message else "")]
        lines += [
            f"  {condition.get('type')}={condition.get('status')} {condition.get('message') or ''}".rstrip()
            for condition in (last.get("status") or {}).get("conditions") or ()
        ]
        chosen = f"involvedObject.uid={last['metadata'].get('uid')}"
        found = await self._client.list(
            find("events", await self._client.resources()).kind, ref.namespace, fields=chosen
        )
        lines += [f"  {event.get('reason')}: {event.get('message')}" for event in found.items[-5:]]
        return "\n".join(lines)

    # --- last, for within the class it hides the built-in name ---

    def list(self, kind: str, *, namespace: str = "", labels: str = "") -> list[Object]:
        """All objects of a kind, of every namespace unless one is named."""
        return self._ask(self._list(kind, namespace, labels))


def _healthy(obj: Object) -> bool:
    return judge(obj).status == "Healthy"


def _short(obj: Object) -> str:
    text = repr(obj)
    return text if len(text) <= 200 else f"{text[:200]}…"


def _objects(what: str | Path | Object | Iterable[Object]) -> Iterable[Object]:
    """YAML as text or in a file, an object, several, or a List of them. Raises ``YamlProblem``, ``TypeError``, ``ValueError``."""
    if isinstance(what, Path):
        what = what.read_text()
    if isinstance(what, str):
        what = [document.value for document in parse(what) if document.value is not None]
    for obj in [what] if isinstance(what, dict) else what:
        if not isinstance(obj, dict):
            raise TypeError(f"no Kubernetes object, but {obj!r}: a file is told from YAML by being a pathlib.Path")
        if not obj.get("apiVersion") or not obj.get("kind"):
            raise ValueError(f"an object has an apiVersion and a kind, this one has not: {_short(obj)}")
        if str(obj.get("kind") or "").endswith("List") and "items" in obj:
            yield from obj["items"] or ()
        else:
            yield obj
