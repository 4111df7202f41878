"""The cases of `helm template` in Helm's own suite, its flags as the fields of Argo CD's ``source.helm``."""

import json
import shlex
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.corpora import corpus
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


def test_the_same_cases_by_the_command_line(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """`trueup render` takes the flags of `helm template` and prints the same objects."""
    rows = json.loads(corpus("extracted/helm_cmd_golden.json").read_text())
    cases = [row for row in rows if row["cmd"].startswith("template ") and Path(row["golden"]).name not in PRINTED_ONLY]
    root = corpus(ROOT)
    monkeypatch.chdir(root)
    wrong = {case["cmd"]: why for case in cases if (why := why_not_printed(root, case))}
    with capsys.disabled():
        print(f"\nhelm template by trueup render: {len(cases) - len(wrong)} of {len(cases)}")
    assert wrong == {}
