"""The cases of Helm's own suite of commands that are about charts: template, lint, dependency, and what install renders.

There are none of `helm show` among the recorded ones. The rest of the 126 is about releases that are stored (list, get, history,
status, rollback, uninstall, most of upgrade), about Helm's own files (repositories, searches) and about completion in shells:
trueup stores no releases and has settings of its own.
"""

import json
import shlex
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.corpora import corpus
from trueup.cli.chart import chart as chart_command
from trueup.cli.render import render
from trueup.kube.documents import parse
from trueup.kube.names import Object
from trueup.ports import Rendered, RenderProblem, RenderRequest, Target
from trueup.render.render import Render
from trueup.source.tree import DirTree

ROOT = "helm/pkg/cmd"
PRINTED_ONLY = {"template-with-invalid-template-expr-debug-show-only.txt"}
"""``--debug`` prints what is no YAML; there is no such flag for a delivery."""


def options_of(arguments: list[str]) -> tuple[str, dict[str, Any], list[str]]:
    """The chart, the fields, and the templates to show."""
    options: dict[str, Any] = {"releaseName": "release-name", "skipCrds": True}
    shown: list[str] = []
    chart = ""
    words = iter(arguments)
    for word in words:
        if word in ("--values", "-f"):
            options.setdefault("valueFiles", []).append(f"/{next(words)}")
        elif word == "--set":
            name, _, value = next(words).partition("=")
            options.setdefault("parameters", []).append({"name": name, "value": value})
        elif word == "--kube-version":
            options["kubeVersion"] = next(words)
        elif word == "--api-versions":
            options.setdefault("apiVersions", []).extend(next(words).split(","))
        elif word == "--show-only":
            shown.append(next(words))
        elif word in ("--include-crds", "--skip-tests"):
            options |= {"skipCrds": False} if word == "--include-crds" else {"skipTests": True}
        elif word != "--debug":
            chart = word
    return chart, options, shown


def shown_of(rendered: Rendered, chart: str, shown: list[str]) -> list[Object]:
    """The objects of the templates to show, in the order of the flags."""
    if not shown:
        return rendered.objects
    pairs = list(zip(rendered.objects, rendered.origins, strict=True))
    return [
        obj
        for pattern in shown
        for obj, origin in pairs
        if fnmatchcase(origin.path.removeprefix(f"{chart}/").lower(), pattern.lower())
    ]


async def why_not(renderer: Render, root: Path, case: dict[str, Any]) -> str:
    """Empty if a case comes out as in Helm's golden file."""
    chart, options, shown = options_of(shlex.split(case["cmd"])[1:])
    request = RenderRequest(DirTree(root), chart, Target("v1.20.0", (), "default"), "helm", options)
    try:
        rendered = await renderer.render(request)
    except RenderProblem as problem:
        return "" if case["wantError"] or "'Kind' is missing" in str(problem) else f"refused: {problem}"
    if case["wantError"]:
        return "rendered"
    golden = (root.parents[1] / case["golden"]).read_text()
    expected = [document.value for document in parse(golden)]
    found = shown_of(rendered, chart, shown)
    return "" if found == expected else f"{names(expected)}\n{names(found)}"


def names(objects: list[Object]) -> str:
    """The objects in a line."""
    return " ".join(f"{obj['kind']}/{obj['metadata']['name']}" for obj in objects)


async def test_the_cases_of_helm_template(shared_renderer: Render) -> None:
    """The objects of every golden file, the same refusals."""
    rows = json.loads(corpus("extracted/helm_cmd_golden.json").read_text())
    cases = [row for row in rows if row["cmd"].startswith("template ") and Path(row["golden"]).name not in PRINTED_ONLY]
    root = corpus(ROOT)
    wrong = {case["cmd"]: why for case in cases if (why := await why_not(shared_renderer, root, case))}
    print(f"helm template: {len(cases) - len(wrong)} of {len(cases)}")
    assert wrong == {}


# --- by the command line ------------------------------------------------------------------------------------------------


def why_not_printed(root: Path, case: dict[str, Any]) -> str:
    """Empty if `trueup render --as helm` prints the objects of a case's golden file, given the same flags."""
    arguments = shlex.split(case["cmd"])[1:]
    version = [] if "--kube-version" in arguments else ["--kube-version", "1.20.0"]
    done = CliRunner().invoke(render, [*arguments, "--as", "helm", *version, "-n", "default"])
    if case["wantError"]:
        return "" if done.exit_code else "rendered"
    if done.exit_code:
        return "" if "'Kind' is missing" in str(done.exception) else f"refused: {done.output} {done.exception}"
    expected = [document.value for document in parse((root.parents[1] / case["golden"]).read_text())]
    found = [document.value for document in parse(done.stdout)]
    return "" if found == expected else f"{names(expected)}\n{names(found)}"


def test_the_same_cases_by_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """`trueup render` takes the flags of `helm template` and prints the same objects."""
    rows = json.loads(corpus("extracted/helm_cmd_golden.json").read_text())
    cases = [row for row in rows if row["cmd"].startswith("template ") and Path(row["golden"]).name not in PRINTED_ONLY]
    root = corpus(ROOT)
    monkeypatch.chdir(root)
    wrong = {case["cmd"]: why for case in cases if (why := why_not_printed(root, case))}
    print(f"helm template by trueup render: {len(cases) - len(wrong)} of {len(cases)}")
    assert wrong == {}


REPORTS = {"lint": "lint", "dependency list": "dependencies"}


def why_not_reported(root: Path, case: dict[str, Any], verb: str) -> str:
    """Empty if `trueup chart` prints what Helm prints."""
    arguments = shlex.split(case["cmd"].removeprefix(verb))
    done = CliRunner().invoke(chart_command, [REPORTS[verb], *arguments])
    printed = done.stdout + done.stderr
    if isinstance(done.exception, RenderProblem):
        printed = f"Error: {done.exception}"  # as the program prints it
    golden = (root.parents[1] / case["golden"]).read_text()
    if bool(done.exit_code) != case["wantError"]:
        return f"ends with {done.exit_code}: {printed}"
    return "" if printed.rstrip() == golden.rstrip() else f"{golden}\n{printed}"


def test_the_cases_of_lint_and_dependency(monkeypatch: pytest.MonkeyPatch) -> None:
    """`trueup chart lint` and `trueup chart dependencies` print the same text and fail for the same charts."""
    rows = json.loads(corpus("extracted/helm_cmd_golden.json").read_text())
    root = corpus(ROOT)
    monkeypatch.chdir(root)
    for verb in REPORTS:
        cases = [row for row in rows if row["cmd"].startswith(f"{verb} ")]
        wrong = {case["cmd"]: why for case in cases if (why := why_not_reported(root, case, verb))}
        print(f"helm {verb}: {len(cases) - len(wrong)} of {len(cases)}")
        assert wrong == {}


OF_RELEASES = ("--name-template", "--dependency-update", "--hide-secret")
"""What names the release by a template, writes into the chart, or shows what is stored of it."""
IGNORED = ("--replace", "--take-ownership", "--wait", "--wait-for-jobs")
FAILED = "Error: INSTALLATION FAILED: "


def why_not_installed(root: Path, case: dict[str, Any]) -> str:
    """Empty if a chart that Helm installs is rendered, and one that it refuses is refused in its words."""
    name, *rest = [word for word in shlex.split(case["cmd"])[1:] if word not in IGNORED]
    done = CliRunner().invoke(render, [*rest, "--as", "helm", "--release-name", name, "--kube-version", "1.20.0"])
    if not case["wantError"]:
        return "" if not done.exit_code else f"refused: {done.output} {done.exception}"
    golden = (root.parents[1] / case["golden"]).read_text().removeprefix(FAILED).strip()
    said = str(done.exception)
    if "charts are not installable" in said:
        return "" if "chart.metadata.type" in golden else said
    return "" if done.exit_code and golden in said else f"{golden}\n{said}"


def test_what_helm_installs_is_rendered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same charts and values are taken, the same are refused; schemas are told in Helm's words."""
    rows = json.loads(corpus("extracted/helm_cmd_golden.json").read_text())
    root = corpus(ROOT)
    monkeypatch.chdir(root)
    cases = [
        row for row in rows if row["cmd"].startswith("install ") and not any(flag in row["cmd"] for flag in OF_RELEASES)
    ]
    wrong = {case["cmd"]: why for case in cases if (why := why_not_installed(root, case))}
    print(f"helm install, as far as it renders: {len(cases) - len(wrong)} of {len(cases)}")
    assert wrong == {}
