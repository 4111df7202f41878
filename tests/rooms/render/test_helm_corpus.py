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

LINT, RULES, CHARTS = (
    "helm/pkg/action/testdata/charts",
    "helm/pkg/chart/v2/lint/rules/testdata",
    "helm/pkg/cmd/testdata",
)
BUILT = {
    "argo-cd/reposerver/repository/testdata/helm-with-local-dependency": "ConfigMap/my-map",
    "flux-source-controller/internal/helm/testdata/charts/helmchartwithdeps-v1": (
        "ServiceAccount/release-name-helmchart-v1 ServiceAccount/release-name-helmchartwithdeps-v1"
        " Service/release-name-helmchart-v1 Service/release-name-helmchartwithdeps-v1"
        " Deployment/release-name-helmchart-v1 Deployment/release-name-helmchartwithdeps-v1"
        " Pod/release-name-helmchart-v1-test-connection Pod/release-name-helmchartwithdeps-v1-test-connection"
    ),
    f"{CHARTS}/testcharts/issue-7233": "ConfigMap/release-name-configmap Pod/release-name-my-alpine",
}
"""Charts whose dependency lies in the same repository. Helm refuses them until ``helm dependency build`` was run, which
Argo CD does and we do without; these are the objects that Helm prints then."""
WITHOUT_KIND = {
    f"{LINT}/multiplecharts-lint-chart-1",
    f"{LINT}/multiplecharts-lint-chart-2",
    f"{RULES}/goodone",
    f"{RULES}/withsubchart",
    f"{RULES}/withsubchart/charts/subchart",
    f"{CHARTS}/testcharts/issue-9027",
    f"{CHARTS}/testcharts/issue-9027/charts/subchart",
}
"""Helm prints a document without a kind, which no cluster takes: Argo CD refuses it, ``helm install`` does, and so do we."""


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
        refused = "Object 'Kind' is missing" in str(problem) if case["chart"] in WITHOUT_KIND else "error" in case
        return "" if refused else f"refused: {problem}"
    if case["chart"] in BUILT:
        names = " ".join(f"{obj['kind']}/{obj['metadata']['name']}" for obj in rendered.objects)
        return "" if names == BUILT[case["chart"]] else f"with its dependency: {names}"
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
    """The same objects in the same order for every chart of the corpora, the same refusals."""
    cases = [json.loads(line) for line in corpus("extracted/helm_template_charts.jsonl").read_text().splitlines()]
    root = corpus("argo-cd").parent
    verdicts = await asyncio.gather(*(verdict(shared_renderer, root, case) for case in cases))
    wrong = {case["chart"]: why for case, why in zip(cases, verdicts, strict=True) if why}
    otherwise = sum(case["chart"] in BUILT or case["chart"] in WITHOUT_KIND for case in cases)
    print(f"charts: {len(cases) - len(wrong)} of {len(cases)}, {otherwise} of them on purpose not as helm template")
    assert wrong == {}
