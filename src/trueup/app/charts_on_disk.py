"""What commands ask of charts on disk besides rendering them: lint, a look inside, their dependencies. By Helm's library."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trueup.app.chart import read_flag
from trueup.ports import RenderProblem
from trueup.render.helm_flags import ValueFlags, values_of
from trueup.render.here import Here
from trueup.render.jobs import WorkerProblem

SEVERITIES = ("UNKNOWN", "INFO", "WARNING", "ERROR")


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a lint. ``severity``: one of `SEVERITIES`."""

    severity: str
    path: str
    message: str


@dataclass(frozen=True, slots=True)
class Linted:
    """What was found in one chart; whether it fails."""

    path: str
    findings: Sequence[Finding]
    failed: bool


def lint(path: str, values: ValueFlags, options: Mapping[str, Any]) -> Linted:
    """Examine a chart. Raises `RenderProblem` for values that cannot be read."""
    report = _run("helm_lint", path, values=values_of(values, read_flag), options=dict(options))
    findings = [Finding(SEVERITIES[one["severity"]], one["path"], one["error"]) for one in report["messages"]]
    if not findings:
        findings = [Finding("ERROR", "", error) for error in report["errors"]]
    return Linted(path, findings, bool(report["errors"]))


def inside(path: str) -> Iterator[str]:
    """The charts in a chart's ``charts/``, however deep, as folders and archives; by name."""
    for place in sorted((Path(path) / "charts").rglob("*")):
        if place.name == "Chart.yaml":
            yield str(place.parent)
        elif place.name.endswith((".tgz", ".tar.gz")):
            yield str(place)


def show(path: str, what: str) -> str:
    """A part of a chart: ``chart``, ``values``, ``readme``, ``crds`` or ``all``."""
    text: str = _run("helm_show", path, what=what)
    return text


def dependencies(path: str) -> list[dict[str, str]]:
    """What a chart says that it depends on, with the ``status`` of each."""
    found: list[dict[str, str]] = _run("helm_listed", path)
    return found


def _run(job: str, path: str, **more: Any) -> Any:
    """On what is here: the library would look for anything else in the network."""
    if not Path(path).exists():
        raise RenderProblem(f"stat {path}: no such file or directory")
    try:
        return Here().run(job, {"path": path, **more})
    except WorkerProblem as problem:
        raise RenderProblem(str(problem)) from None
