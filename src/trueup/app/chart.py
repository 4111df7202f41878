"""One chart rendered for a command, as ``helm template`` would: from a folder, an archive, a repository or a registry.

Called by the command line. What is not needed is not loaded, and the engine runs in this process: a render takes little
more than starting to. It has the limits of every render.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trueup.kube.limits import Allowance, Limits
from trueup.ports import ChartSpec, Origin, Rendered, RenderProblem, SourceProblem, Target, Tree
from trueup.render import helm, helm_chart
from trueup.render.cache import RecordingTree, looked_at
from trueup.render.helm_flags import ValueFlags, values_of
from trueup.render.helm_order import hooks
from trueup.render.here import Here
from trueup.render.outside import Look, Outside
from trueup.render.watch import Watch
from trueup.source.folder import DirTree

if TYPE_CHECKING:
    from trueup.render.objects import Found
    from trueup.source.charts import ChartFetcher

_SECONDS = 90.0
_MOST_RENDERED = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Remote:
    """Where a chart is that is no file here, and what opens it."""

    repository: str = ""
    version: str = ""
    secret: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    pass_credentials: bool = False
    keyring: bytes = b""
    mapping: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChartFlags:
    """What a command says of a chart. ``options`` are `render.helm`'s own."""

    options: Mapping[str, Any] = field(default_factory=dict)
    values: ValueFlags = ValueFlags()  # noqa: RUF009 - frozen
    remote: Remote = Remote()
    shown: Sequence[str] = ()
    no_hooks: bool = False
    post_renderer: Sequence[str] = ()
    """A program and its arguments, which the user allows to run."""


def render_chart(what: str, target: Target, flags: ChartFlags, limits: Limits | None = None) -> Rendered:
    """What a chart renders to. Raises `RenderProblem` and `SourceProblem`."""
    charts = _Charts(flags.remote)
    values = values_of(flags.values, lambda file: _read(file, charts))
    opened, path, name = _opened(what, charts)
    notes: dict[Look, str] = {}
    tree = RecordingTree(opened, notes)
    options = {"releaseName": name, "namespace": target.namespace, **flags.options, "valuesObject": values}
    with Watch().bounded(Allowance(limits or Limits()), what):
        found = helm.render(tree, path, options, target, {}, Here(), Outside(charts=charts))
    if flags.no_hooks:
        found = [one for one in found if not hooks(one[0])]
    if flags.post_renderer:
        found = _post_rendered(found, flags.post_renderer)
    if flags.shown:
        found = _shown(found, path, flags.shown)
    return Rendered([obj for obj, _ in found], [origin for _, origin in found], *looked_at(notes, ()))


def is_remote(what: str, flags: ChartFlags) -> bool:
    """Whether a chart is elsewhere, or packed."""
    return (
        bool(flags.remote.repository) or what.startswith("oci://") or (what.endswith(".tgz") and Path(what).is_file())
    )


def _opened(what: str, charts: _Charts) -> tuple[Tree, str, str]:
    """The chart's tree, its folder there, and what a release of it is called."""
    if what.endswith(".tgz") and Path(what).is_file():
        from trueup.source.archive import ArchiveTree

        tree = ArchiveTree(Path(what).read_bytes(), name=what, chart=True)
        return tree, "", Path(what).stem.rpartition("-")[0] or Path(what).stem
    if charts.remote.repository or what.startswith("oci://"):
        return charts.chart(what), "", what.rpartition("/")[2]
    folder = Path(what).resolve()
    root = next((parent for parent in (folder, *folder.parents) if (parent / ".git").exists()), Path(folder.anchor))
    return DirTree(root), str(folder.relative_to(root)), folder.name


def read_flag(file: str) -> bytes:
    """What a flag names: a file on this machine or on the web, or what is handed in."""
    return _read(file, _Charts(Remote()))


def _read(file: str, charts: _Charts) -> bytes:
    if file.strip() == "-":
        return sys.stdin.buffer.read()
    if file.startswith(("https://", "http://")):
        return charts.read(file)
    try:
        return Path(file).read_bytes()
    except OSError as problem:
        raise RenderProblem(f"{file}: {problem.strerror}") from None


class _Charts:
    """``ports.Charts`` for a command, which has nothing else to wait for. Archives are kept in the user's cache."""

    def __init__(self, remote: Remote) -> None:
        self.remote = remote

    def chart(self, what: str) -> Tree:
        """The chart that the command is about."""
        remote = self.remote
        url, chart = (what, "") if what.startswith("oci://") else (remote.repository, what)
        if not chart:
            url, _, chart = url.rpartition("/")  # so that versions are read as Helm reads them
        spec = ChartSpec(url, chart, remote.version, remote.secret, remote.pass_credentials, remote.keyring)
        return self._fetched(spec)[1]

    def repository(self, named: str) -> str:
        """URLs as they are: the names of repositories are another program's settings."""
        if named.startswith(("@", "alias:")):
            raise SourceProblem(
                "RepositoryNotFound", f"no repository definition for {named}: write its URL", retry=False
            )
        return named

    def fetch(self, repository: str, name: str, version: str) -> tuple[str, Tree]:
        """A dependency, shown the command's credentials if it is in the command's repository."""
        from trueup.source.download import origin

        own = self.remote.repository and origin(self.remote.repository) == origin(repository)
        trust = {
            key: value for key, value in self.remote.secret.items() if own or key in ("ca.crt", "insecure", "plainHTTP")
        }
        return self._fetched(ChartSpec(self.repository(repository), name, version, trust))

    def read(self, url: str) -> bytes:
        """A values file on the web."""
        import asyncio

        return asyncio.run(self._fetcher().read(url))

    def _fetched(self, spec: ChartSpec) -> tuple[str, Tree]:
        import asyncio

        artifact = asyncio.run(self._fetcher().fetch(spec))
        return artifact.name, artifact.tree

    def _fetcher(self) -> ChartFetcher:
        from trueup.runtime.clock import SystemClock
        from trueup.source.charts import ChartFetcher

        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return ChartFetcher(home / "trueup" / "charts", clock=SystemClock(), mapping=self.remote.mapping)


# --- what helm template does with its manifests --------------------------------------------------------------------


def _shown(found: list[Found], path: str, shown: Sequence[str]) -> list[Found]:
    """The objects of the templates to show, in the order of the flags."""
    out: list[Found] = []
    for pattern in shown:
        matching = [one for one in found if helm_chart.matches(pattern, _inside(one[1].path, path))]
        if not matching:
            raise RenderProblem(f"could not find template {pattern} in chart", field="--show-only")
        out += matching
    return out


def _inside(path: str, chart: str) -> str:
    return path.removeprefix(f"{chart}/") if chart else path


def _post_rendered(found: list[Found], command: Sequence[str]) -> list[Found]:
    """What a program makes of the manifests: those of hooks are not shown to it."""
    import subprocess

    from trueup.kube.yaml_printing import dump_all
    from trueup.render.objects import objects, read

    ordinary = [obj for obj, _ in found if not hooks(obj)]
    given = dump_all(ordinary).encode()
    try:
        done = subprocess.run(list(command), input=given, capture_output=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise RenderProblem(f"error while running post render on files: {problem}", field="--post-renderer") from None
    if done.returncode:
        why = done.stderr.decode("utf-8", "replace").strip()[-1000:]
        raise RenderProblem(f"error while running command {command[0]}: {why}", field="--post-renderer")
    if len(done.stdout) > _MOST_RENDERED:
        raise RenderProblem(f"the post-renderer gave more than {_MOST_RENDERED} bytes", field="--post-renderer")
    origin = Origin("post-renderer", 0, "helm")
    after = [
        one
        for text in read(done.stdout, "post-renderer")
        for one in objects(text.value, replace(origin, line=text.line))
    ]
    if not after:
        raise RenderProblem(f"post-renderer {command[0]!r} produced empty output", field="--post-renderer")
    return after + [one for one in found if hooks(one[0])]
