"""Rendering a folder on disk, by the renderers that the controllers use. Called by the commands and by `trueup.testing`.

What is not needed is not loaded: a command that renders an overlay takes as long as its imports.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trueup.kube.limits import Allowance, Limits
from trueup.ports import Rendered, RenderRequest, Target
from trueup.render.choose import choose
from trueup.source.folder import DirTree

if TYPE_CHECKING:
    from trueup.render.workers import Workers


async def render_folder(
    folder: Path,
    target: Target,
    tool: str = "",
    options: Mapping[str, Any] | None = None,
    limits: Limits | None = None,
) -> Rendered:
    """What a folder on disk renders to. ``options``: the tool's own."""
    import asyncio

    root, path, name = _placed(folder)
    tree = DirTree(root)
    if (tool or choose(tree, path)) == "kustomize":
        return await asyncio.to_thread(render_kustomization, folder, target, options, limits)
    import tempfile

    from trueup.render.render import Render

    with tempfile.TemporaryDirectory(prefix="trueup-") as temporary:
        renderer = Render(Path(temporary), limits=limits)
        chosen = {"releaseName": name, "namespace": target.namespace, **(options or {})}
        try:
            return await renderer.render(RenderRequest(tree, path, target, tool=tool, options=chosen))
        finally:
            renderer.close()


def is_kustomization(folder: Path) -> bool:
    """Whether a folder is rendered by kustomize where nobody says by what."""
    root, path, _ = _placed(folder)
    return choose(DirTree(root), path) == "kustomize"


def is_chart(folder: Path) -> bool:
    """Whether a folder is rendered by Helm where nobody says by what."""
    root, path, _ = _placed(folder)
    return choose(DirTree(root), path) == "helm"


def render_kustomization(
    folder: Path,
    target: Target,
    options: Mapping[str, Any] | None = None,
    limits: Limits | None = None,
    mapping: Mapping[str, Path] | None = None,
) -> Rendered:
    """What a kustomization on disk builds to. It may name bases anywhere, as for ``kustomize build``."""
    from trueup.app.reach import Reach
    from trueup.render import kustomize
    from trueup.render.cache import RecordingTree, looked_at
    from trueup.render.outside import Look
    from trueup.render.watch import Watch

    root, _, _ = _placed(folder)
    start, folder = str(root).strip("/"), folder.resolve()
    top = Path(folder.anchor)
    notes: dict[Look, str] = {}
    tree = RecordingTree(DirTree(top), notes)
    with ExitStack() as stack, Watch().bounded(Allowance(limits or Limits()), str(folder)):
        found, warnings = kustomize.render(
            tree,
            str(folder.relative_to(top)),
            options or {},
            target,
            lambda: _workers(stack, limits),
            outside=Reach(mapping or {}).outside.noting(notes),
        )
    origins = [replace(origin, path=_below(origin.path, start)) for _, origin in found]
    below = {(name, question, _below(path, start)): said for (name, question, path), said in notes.items()}
    return Rendered([obj for obj, _ in found], origins, *looked_at(below, tuple(warnings)))


def _workers(stack: ExitStack, limits: Limits | None) -> Workers:
    from trueup.render.workers import Workers

    made = Workers(1, limits)
    stack.callback(made.close)
    return made


def _below(path: str, start: str) -> str:
    """A file's path seen from the repository."""
    return path.removeprefix(f"{start}/")


def _placed(folder: Path) -> tuple[Path, str, str]:
    """The repository that a folder is in (so that bases beside it can be read), its path in there, and its name."""
    folder = folder.resolve()
    root = next((parent for parent in (folder, *folder.parents) if (parent / ".git").exists()), folder)
    return root, str(folder.relative_to(root)), folder.name
