"""`Render`: a source folder in, objects with their origins out. The shell of this room; implements ``ports.Renderer``.

Made by the `app` room, called by delivery and by the commands that render. Rendering is synchronous and happens in a few
threads (foreign engines in worker processes behind them); equal inputs are rendered once, see `cache`.
"""

from __future__ import annotations

import asyncio
import hashlib
import posixpath
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from trueup.kube.limits import Allowance, Limits, weight
from trueup.ports import Origin, Rendered, RenderProblem, RenderRequest, Tree
from trueup.render import helm, jsonnet, kustomize, plain
from trueup.render.cache import VARIANTS, Cache, Kept, RecordingTree, encode, folders, looked_at, that_holds
from trueup.render.choose import choose
from trueup.render.objects import Found
from trueup.render.outside import OUTSIDE, Look, Outside
from trueup.render.parsed import Parsed
from trueup.render.shelf import Shelf
from trueup.render.watch import Watch
from trueup.render.workers import Workers


class _Inputs:
    """A request with every tree wrapped, so that what is read is written down."""

    def __init__(self, request: RenderRequest, path: str) -> None:
        self.request, self.path = request, path
        self.notes: dict[Look, str] = {}
        self.warnings: list[str] = []
        self.tree: Tree = RecordingTree(request.tree, self.notes)
        self.others: dict[str, Tree] = {
            name: RecordingTree(tree, self.notes, name) for name, tree in request.others.items()
        }
        self.outside = Outside.of(request).noting(self.notes)

    @property
    def options(self) -> Mapping[str, Any]:
        return self.request.options


@dataclass(frozen=True, slots=True)
class Engines:
    """What renders share: worker processes, and files as they were parsed. Kustomize reads YAML in its own way."""

    workers: Workers
    parsed: Parsed
    parsed_by_kustomize: Parsed


class Render:
    """``folder`` is the room's own place on disk; ``workers`` bounds threads and worker processes alike. ``shared`` is a
    folder through which replicas have their renders in common."""

    def __init__(
        self, folder: Path, *, workers: int = 2, limits: Limits | None = None, shared: Path | None = None
    ) -> None:
        self._folder, self._limits = folder, limits or Limits()
        self._shelf = Shelf(shared) if shared else None
        self._watch = Watch()
        self.rendered = 0
        """How many renders there were; what is answered from memory is none."""
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="render")
        self._engines = Engines(Workers(workers, self._limits), Parsed(), Parsed())
        self._cache = Cache()
        self._running: dict[tuple[bytes, tuple[tuple[str, str], ...]], asyncio.Task[Kept]] = {}

    async def render(self, request: RenderRequest) -> Rendered:
        """The objects of a source. Raises ``RenderProblem``; every caller gets objects of its own."""
        path = _normal(request.path)
        key = _key(request, path)
        trees = {"": request.tree, **request.others}
        roots = {name: _identity(tree) for name, tree in trees.items()}
        return (self._remembered(key, trees, roots) or await self._once(key, request, path, roots)).rendered()

    def _remembered(self, key: bytes, trees: Mapping[str, Tree], roots: Mapping[str, str]) -> Kept | None:
        """What is known of the same trees, or of others in which a unit's folders are the same."""
        if not all(roots.values()):
            return None
        kept = self._cache.same_trees(key, roots)
        if kept is not None:
            self._cache.used(key)
        elif known := self._cache.same_folders(key, trees):
            kept = known.now_of(roots)
            self._cache.keep(key, kept, instead=known)
        return kept

    @property
    def workers(self) -> Workers:
        """The worker processes, for who watches over them."""
        return self._engines.workers

    def close(self) -> None:
        """End the threads and worker processes."""
        self._engines.workers.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _once(self, key: bytes, request: RenderRequest, path: str, roots: dict[str, str]) -> Kept:
        """Equal requests at one time share one render; a waiter's leaving does not end it for the others."""
        trees = {"": request.tree, **request.others}
        same = (key, tuple((name, roots[name] or str(id(tree))) for name, tree in sorted(trees.items())))
        task = self._running.get(same)
        if task is None:
            loop = asyncio.get_running_loop()
            work = loop.run_in_executor(self._threads, self._work, key, request, path, roots)
            task = asyncio.ensure_future(_result(work))
            self._running[same] = task
            task.add_done_callback(lambda done: self._done(same, done))
        return await asyncio.shield(task)

    def _done(self, same: tuple[bytes, tuple[tuple[str, str], ...]], task: asyncio.Task[Kept]) -> None:
        self._running.pop(same, None)
        if not task.cancelled():
            task.exception()  # told to those who waited; if all have left, to nobody

    def _work(self, key: bytes, request: RenderRequest, path: str, roots: dict[str, str]) -> Kept:
        """In a thread: answer from memory if what a former render read is unchanged, else render."""
        trees = {"": request.tree, **request.others}
        outside = Outside.of(request)
        known = self._cache.same_files(key, trees, outside)
        if known is not None:
            return self._again(key, known, trees, roots, path)
        if self._shelf is None or not all(roots.values()):
            kept = self._rendered(_Inputs(request, path), trees, roots)
            self._cache.keep(key, kept)
            return kept
        with self._shelf.held(key):
            found = self._shelf.find(key)
            known = that_holds(found, trees, outside)
            if known is not None:
                return self._again(key, known, trees, roots, path)
            kept = self._rendered(_Inputs(request, path), trees, roots)
            self._cache.keep(key, kept)
            self._shelf.put(key, [kept, *found[: VARIANTS - 1]])
            return kept

    def _again(
        self, key: bytes, known: Kept, trees: Mapping[str, Tree], roots: dict[str, str], path: str
    ) -> Kept:  # fmt: skip
        """What is known, of these trees."""
        stands = folders(path, trees, known.notes) if all(roots.values()) else None
        kept = replace(known, roots=roots, folders=stands)
        self._cache.keep(key, kept, instead=known)
        return kept

    def _rendered(self, inputs: _Inputs, trees: Mapping[str, Tree], roots: dict[str, str]) -> Kept:
        """One render, or why there is none. Raises ``RenderProblem`` for what another time may be otherwise."""
        self.rendered += 1
        allowance, notes = Allowance(self._limits), inputs.notes
        body, problem = b"", None
        origins: tuple[Origin, ...] = ()
        try:
            with self._watch.bounded(allowance, inputs.path):
                found = self._found(inputs)
                objects = [one[0] for one in found]
                allowance.spend(weight(objects, allowance.limits.total))
                body, origins = encode(objects), tuple(one[1] for one in found)
        except RenderProblem as said:
            if allowance.by_chance:
                raise
            problem = (said.message, said.path, said.line, said.field)
        stands = folders(inputs.path, trees, notes) if all(roots.values()) else None
        live = any(question in OUTSIDE for _, question, _ in notes)
        looked = looked_at(notes, tuple(inputs.warnings))
        return Kept(body, origins, looked, notes, roots, stands, problem, live)

    def _found(self, inputs: _Inputs) -> list[Found]:
        path = inputs.path
        try:
            kind = inputs.tree.kind(path)
            if kind == "none":
                raise RenderProblem("there is no such folder in the repository", path=path)
            if kind == "file":
                return self._single(inputs)
            tool = inputs.request.tool or choose(inputs.tree, path)
            if tool not in _TOOLS:
                raise RenderProblem(
                    f"the tool {tool!r} is not supported (helm, kustomize, directory and jsonnet are)", path=path
                )
            return _TOOLS[tool](inputs, self._engines)
        except PermissionError as problem:
            raise RenderProblem(str(problem), path=path) from None
        except OSError as problem:
            raise RenderProblem(f"cannot be read: {problem}", path=path) from None

    def _single(self, inputs: _Inputs) -> list[Found]:
        """A path that is one file."""
        folder, _, name = inputs.path.rpartition("/")
        if name.endswith(".jsonnet"):
            options = inputs.options.get("jsonnet") or {}
            return jsonnet.render(inputs.tree, inputs.path, folder, options, self._engines.workers)
        return _plain(inputs, folder, {"include": _quoted(name)}, self._engines)


def _directory(inputs: _Inputs, engines: Engines) -> list[Found]:
    return _plain(inputs, inputs.path, inputs.options, engines)


def _plain(inputs: _Inputs, folder: str, options: Mapping[str, Any], engines: Engines) -> list[Found]:
    return plain.render(inputs.tree, folder, options, engines.workers, engines.parsed)


def _helm(inputs: _Inputs, engines: Engines) -> list[Found]:
    return helm.render(
        inputs.tree,
        inputs.path,
        inputs.options,
        inputs.request.target,
        inputs.others,
        engines.workers,
        inputs.outside,
        engines.parsed,
    )


def _kustomize(inputs: _Inputs, engines: Engines) -> list[Found]:
    found, warnings = kustomize.render(
        inputs.tree,
        inputs.path,
        inputs.options,
        inputs.request.target,
        lambda: engines.workers,
        engines.parsed_by_kustomize,
        inputs.outside,
    )
    inputs.warnings += warnings
    return found


_TOOLS: Mapping[str, Callable[[_Inputs, Engines], list[Found]]] = {
    "directory": _directory,
    "jsonnet": _directory,
    "helm": _helm,
    "kustomize": _kustomize,
}


async def _result(work: asyncio.Future[Kept]) -> Kept:
    return await work


def _identity(tree: Tree) -> str:
    """The id of an immutable tree's content. A folder on disk has none: it may be huge, and different a moment later."""
    return str(getattr(tree, "identity", ""))


def _normal(path: str) -> str:
    """``./apps//web/`` -> ``apps/web``; the root is empty."""
    normal = posixpath.normpath(path or ".")
    if normal.startswith(("/", "..")):
        raise RenderProblem(f"{path}: a source's path is relative and stays in its repository")
    return "" if normal == "." else normal


def _key(request: RenderRequest, path: str) -> bytes:
    """Everything but the trees."""
    target = request.target
    asked = [
        path,
        request.tool,
        request.options,
        [target.kubernetes_version, list(target.api_versions), target.namespace],
        sorted(request.others),
        Outside.of(request).allowed,
    ]
    return hashlib.sha256(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS, default=dict)).digest()


def _quoted(name: str) -> str:
    return "".join(f"\\{char}" if char in "*?[]{}\\," else char for char in name)
