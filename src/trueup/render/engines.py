"""The foreign engines behind narrow functions: Jsonnet and Helm. Runs in worker processes, and in commands that render once.

Called by `worker` and `here`. Each job takes one JSON-like value and a way to ask the parent; each engine is imported when first
used, for Helm's library alone takes 85 MB.
"""

from __future__ import annotations

import gzip
import importlib
import json
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

Ask = Callable[[dict[str, Any]], dict[str, Any]]
_MOST_BYTES = 32 * 1024 * 1024
_MOST_LOADED = 8 * 1024 * 1024
"""Of archives whose charts stay loaded; a loaded one takes a few times as much."""


def jsonnet(job: Mapping[str, Any], ask: Ask) -> str:
    """JSON text of one file, by the engine that Argo CD has in it. The file and its imports are asked for; every path is one
    of the tree, with a slash before it."""
    import _gojsonnet

    missing: list[str] = []

    def load(base: str, path: str) -> tuple[str, bytes]:
        answer = ask({"base": base.strip("/"), "path": path})
        if "error" not in answer:
            return f"/{answer['path']}", answer["content"]
        # The engine's Python face reads past the end of what an import callback raises, so the error is made of Jsonnet.
        missing.append(answer["error"])
        return f"{_STAND_IN}{len(missing)}", f"error {json.dumps(answer['error'])}".encode()

    try:
        text = _evaluated(_gojsonnet, job, ask, load)
    except RuntimeError as problem:
        if not missing:
            raise
        lines = str(problem).split("\n")
        raise RuntimeError("\n".join(line for line in lines if _STAND_IN not in line)) from None
    if missing:  # and only its text was wanted
        raise RuntimeError(missing[0])
    return text


_STAND_IN = "stand-in for a missing import "


def _evaluated(engine: Any, job: Mapping[str, Any], ask: Ask, load: Callable[[str, str], tuple[str, bytes]]) -> str:
    text: str = engine.evaluate_snippet(
        f"/{job['file']}",
        ask({"main": job["file"]})["content"].decode("utf-8", "replace"),
        ext_vars=job["ext_vars"],
        ext_codes=job["ext_codes"],
        tla_vars=job["tla_vars"],
        tla_codes=job["tla_codes"],
        import_callback=load,
    )
    return text


class _Archives:
    """Packed charts by their digest; the longest unused is let go.

    Loaded charts are kept only where that is safe: the library takes disabled dependencies out of a chart that it renders,
    and the next render of the same chart would lack them.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0

    def get(self, digest: str, ask: Ask) -> bytes:
        known = self._kept.pop(digest, None)
        if known is None:
            known = ask({"archive": digest})["content"]
            self._bytes += len(known)
        self._kept[digest] = known
        while self._bytes > _MOST_BYTES and len(self._kept) > 1:
            self._bytes -= len(self._kept.popitem(last=False)[1])
        return known


_archives = _Archives()


class _Charts:
    """Loaded charts by their digest, of those that depend on none: rendering changes nothing in them."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Any] = OrderedDict()
        self._bytes: dict[str, int] = {}

    @contextmanager
    def opened(self, digest: str, ask: Ask, *, alone: bool) -> Iterator[Any]:
        """A chart; one that depends on others is loaded each time."""
        import helm_python

        known = self._kept.pop(digest, None)
        if known is None:
            archive = _archives.get(digest, ask)
            known = helm_python.Chart.load_archive(archive)
            self._bytes[digest] = len(archive)
        try:
            yield known
        except BaseException:
            alone = False
            raise
        finally:
            if alone:
                self._kept[digest] = known
            else:
                known.close()
                del self._bytes[digest]
        while sum(self._bytes.values()) > _MOST_LOADED and len(self._kept) > 1:
            gone, chart = self._kept.popitem(last=False)
            chart.close()
            del self._bytes[gone]


_charts = _Charts()


def helm(job: Mapping[str, Any], ask: Ask) -> dict[str, Any]:
    """The rendered templates of a chart, its CRDs and its dependencies, as Helm's library gives them."""
    import helm_python

    with _charts.opened(job["digest"], ask, alone=not job["dependencies"] and not job["nested"]) as chart:
        dependencies = chart.dependencies if job["dependencies"] else []
        crds = chart.crds if job["crds"] else []  # each question costs as much as a small render
        if job["lookup"] and b"lookup" in gzip.decompress(_archives.get(job["digest"], ask)):
            from trueup.render.lookup_server import serving

            with (
                serving(ask) as kubeconfig,
                helm_python.Config(kubeconfig_content=kubeconfig, storage_driver="memory") as config,
            ):
                files = _rendered("helm_render_with_config", job, config._raw(), chart._raw())
        else:
            files = _rendered("helm_render", job, chart._raw())
        return {"files": files, "crds": crds, "dependencies": dependencies}


def _rendered(function: str, job: Mapping[str, Any], *handles: Any) -> Any:
    """The library's Python face does not pass the Kubernetes version on; its C interface does."""
    from helm_python import _native

    return json.loads(_native.call_string(function, *handles, json.dumps(job["values"]), json.dumps(job["options"])))


def helm_values(job: Mapping[str, Any], ask: Ask) -> dict[str, Any]:
    """A chart's values with overrides laid over."""
    import helm_python

    with helm_python.Chart.load_archive(_archives.get(job["digest"], ask)) as chart:
        return {"values": chart.merge_values(job["values"])}


def helm_lint(job: Mapping[str, Any], ask: Ask) -> dict[str, Any]:
    """What is the matter with a chart on disk."""
    import helm_python

    found: dict[str, Any] = helm_python.lint(job["path"], job["values"], **job["options"])
    return found


def helm_show(job: Mapping[str, Any], ask: Ask) -> str:
    """A part of a chart on disk as text."""
    import helm_python

    text: str = helm_python.show(job["path"], output_format=job["what"])
    return text


def helm_listed(job: Mapping[str, Any], ask: Ask) -> list[dict[str, Any]]:
    """The dependencies of a chart on disk, and whether they are there."""
    import helm_python

    found: list[dict[str, Any]] = helm_python.dependency_list(job["path"])
    return found


_MODULES = {"jsonnet": "_gojsonnet", "helm": "helm_python", "helm_values": "helm_python"} | dict.fromkeys(
    ("helm_lint", "helm_show", "helm_listed"), "helm_python"
)


def load(job: str) -> bool:
    """Import the engine of a job; whether it was not there before."""
    module = _MODULES[job]
    before = module in sys.modules
    importlib.import_module(module)
    return not before


JOBS: Mapping[str, Callable[[Mapping[str, Any], Ask], Any]] = {
    "jsonnet": jsonnet,
    "helm": helm,
    "helm_values": helm_values,
    "helm_lint": helm_lint,
    "helm_show": helm_show,
    "helm_listed": helm_listed,
}
