"""Charts of others, rendered as ``helm template`` renders them."""

import asyncio
import json
from pathlib import Path
from typing import Any

from tests.corpora import corpus
from trueup.kube.documents import parse
from trueup.kube.names import Object
from trueup.ports import Origin, RenderProblem, RenderRequest, Target
from trueup.render.objects import objects
from trueup.render.render import Render
from trueup.source.tree import DirTree

NO_OBJECT = "Helm prints a document without a kind; Argo CD refuses it, and so does trueup"
LOCAL = "its dependency lies in the same repository: Argo CD runs a dependency build, and so trueup finds it"
LINT, RULES = "helm/pkg/action/testdata/charts", "helm/pkg/chart/v2/lint/rules/testdata"
EXCEPTIONS = {
    "argo-cd/reposerver/repository/testdata/helm-with-local-dependency": LOCAL,
    "flux-source-controller/internal/helm/testdata/charts/helmchartwithdeps-v1": LOCAL,
    "helm/pkg/cmd/testdata/testcharts/issue-7233": LOCAL,
    f"{LINT}/multiplecharts-lint-chart-1": NO_OBJECT,
    f"{LINT}/multiplecharts-lint-chart-2": NO_OBJECT,
    f"{RULES}/goodone": NO_OBJECT,
    f"{RULES}/withsubchart": NO_OBJECT,
    f"{RULES}/withsubchart/charts/subchart": NO_OBJECT,
    "helm/pkg/cmd/testdata/testcharts/issue-9027": NO_OBJECT,
    "helm/pkg/cmd/testdata/testcharts/issue-9027/charts/subchart": NO_OBJECT,
}


def expected_of(text: str) -> list[Object]:
    """The objects in Helm's output, lists opened as every renderer opens them."""
    return [found[0] for document in parse(text) for found in objects(document.value, Origin("", document.line))]


def shown(found: list[Object]) -> list[str]:
    """Comparable whatever the order."""
    return sorted(json.dumps(obj, sort_keys=True) for obj in found)


async def verdict(renderer: Render, root: Path, case: dict[str, Any]) -> str:
    """Empty if the chart renders as Helm renders it; otherwise why not."""
    options = {"releaseName": "release-name", "namespace": "apps", "skipCrds": True}
    target = Target("v1.34.0", (), "apps")
    try:
        rendered = await renderer.render(RenderRequest(DirTree(root), case["chart"], target, "helm", options))
    except RenderProblem as problem:
        return "" if "error" in case else f"refused: {problem}"
    if "error" in case:
        return f"rendered, Helm says: {case['error']}"
    try:
        expected = expected_of(case["yaml"])
    except RenderProblem as problem:
        return f"Helm's output is no list of objects: {problem}"
    if case.get("random"):
        same = sorted(o["kind"] for o in expected) == sorted(o["kind"] for o in rendered.objects)
        return "" if same else "random, and not even the kinds agree"
    if expected == rendered.objects:
        return ""
    if shown(expected) == shown(rendered.objects):
        return "in another order"
    extra = set(shown(rendered.objects)) ^ set(shown(expected))
    return f"differs in {len(extra)}: {sorted(extra)[:2]}"[:600]


async def test_charts_render_as_helm_renders_them(shared_renderer: Render) -> None:
    """The same objects for every chart of the corpora, the same refusals."""
    cases = [json.loads(line) for line in corpus("extracted/helm_template_charts.jsonl").read_text().splitlines()]
    root = corpus("argo-cd").parent
    verdicts = await asyncio.gather(*(verdict(shared_renderer, root, case) for case in cases))
    wrong = {case["chart"]: why for case, why in zip(cases, verdicts, strict=True) if why}
    print(f"{len(cases) - len(wrong)} of {len(cases)}")
    assert {chart: why for chart, why in wrong.items() if chart not in EXCEPTIONS} == {}
