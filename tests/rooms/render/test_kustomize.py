"""Kustomizations through the adapter: edits, generation, substitution, charts."""

from dataclasses import replace

import pytest

from tests.rooms.render.folders import Files, config_map, request
from trueup.kube.names import Object
from trueup.ports import RenderProblem, SourceProblem
from trueup.render.render import Render

BASE = {
    "base/kustomization.yaml": "resources: [map.yaml]\n",
    "base/map.yaml": config_map("map", a="1"),
    "over/kustomization.yaml": "resources: [../base]\nnamePrefix: over-\n",
}


async def objects(renderer: Render, files: dict[str, str], path: str, **options: object) -> list[Object]:
    """What the kustomization builds."""
    rendered = await renderer.render(request(files, path, "kustomize", **options))
    return rendered.objects


async def test_a_kustomization_is_recognised(shared_renderer: Render) -> None:
    """Every file on the way is known, so that a change of a base is noticed."""
    rendered = await shared_renderer.render(request(BASE, "over"))
    assert [obj["metadata"]["name"] for obj in rendered.objects] == ["over-map"]
    assert [origin.path for origin in rendered.origins] == ["base/map.yaml"]
    assert set(rendered.files) >= set(BASE)


async def test_a_kustomization_goes_before_a_chart(shared_renderer: Render) -> None:
    """A folder that is both is a kustomization."""
    files = {**BASE, "over/Chart.yaml": "apiVersion: v2\nname: x\nversion: 1.0.0\n"}
    rendered = await shared_renderer.render(request(files, "over"))
    assert rendered.origins[0].tool == "kustomize"


async def test_edits_are_laid_over(shared_renderer: Render) -> None:
    """Fields of the application's own, as ``kustomize edit`` would set them."""
    edits = {"namespace": "shop", "nameSuffix": "-x", "commonAnnotations": {"by": "edit"}}
    meta = (await objects(shared_renderer, BASE, "over", edits=edits))[0]["metadata"]
    assert meta == {"name": "over-map-x", "namespace": "shop", "annotations": {"by": "edit"}}


async def test_a_kustomization_is_made_where_there_is_none(shared_renderer: Render) -> None:
    """Flux's way: all manifests below the folder, in the order of their paths."""
    files = {"apps/b.yaml": config_map("b"), "apps/deep/a.yaml": config_map("a"), "other.yaml": config_map("other")}
    found = await objects(shared_renderer, files, "apps", generate=True, edits={"namespace": "x"})
    assert [(obj["metadata"]["name"], obj["metadata"]["namespace"]) for obj in found] == [("b", "x"), ("a", "x")]
    assert [obj["metadata"]["name"] for obj in await objects(shared_renderer, BASE, "over", generate=True)] == [
        "over-map"
    ]


async def test_variables_are_substituted_unless_an_object_says_no(shared_renderer: Render) -> None:
    """A label or annotation keeps an object as it is."""
    kept = config_map("kept", a="${stage}").replace(
        "  name", "  annotations: {kustomize.toolkit.fluxcd.io/substitute: disabled}\n  name"
    )
    files = {"apps/a.yaml": config_map("a", a="${stage:=none}", b="${missing:=else}") + "---\n" + kept}
    found = await objects(shared_renderer, files, "apps", generate=True, substitute={"stage": "test"})
    assert [obj["data"] for obj in found] == [{"a": "test", "b": "else"}, {"a": "${stage}"}]


async def test_charts_of_the_repository_are_inflated(shared_renderer: Render) -> None:
    """A vendored chart is rendered, one that would have to be fetched is refused with the remedy."""
    files = {
        "apps/kustomization.yaml": "helmCharts:\n- {name: web, releaseName: shop, valuesInline: {a: inline}}\n",
        "apps/charts/web/Chart.yaml": "apiVersion: v2\nname: web\nversion: 0.1.0\n",
        "apps/charts/web/values.yaml": "a: chart\n",
        "apps/charts/web/templates/map.yaml": config_map("{{ .Release.Name }}", a="{{ .Values.a }}"),
    }
    found = await objects(shared_renderer, files, "apps")
    assert (found[0]["metadata"]["name"], found[0]["data"]) == ("shop", {"a": "inline"})
    del files["apps/charts/web/Chart.yaml"]
    with pytest.raises(RenderProblem, match="vendor it"):
        await objects(shared_renderer, files, "apps")


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("over/kustomization.yaml", "resources: [nope.yaml]\n", "nope.yaml"),
        ("over/kustomization.yaml", "resources: [../../etc]\n", "etc"),
        ("over/kustomization.yaml", "resources: [https://example.com/x.yaml]\n", "example.com"),
        ("base/map.yaml", "a: [\n", "map.yaml"),
    ],
)
async def test_what_does_not_build_is_named(shared_renderer: Render, file: str, text: str, words: str) -> None:
    """The file or address at fault is in the message."""
    with pytest.raises(RenderProblem, match=words):
        await objects(shared_renderer, {**BASE, file: text}, "over")


REMOTE = {
    "app/kustomization.yaml": (
        "namePrefix: my-\nresources:\n- https://github.com/o/r//base?ref=v1\n"
        "- https://raw.githubusercontent.com/o/r/v1/single.yaml\n"
    )
}


async def test_remote_bases_come_from_their_repositories(fresh_renderer: Render) -> None:
    """Once for as long as the repository stays the same; a base that moved is rendered anew."""
    base = Files({**BASE, "single.yaml": config_map("single")})
    asked: list[tuple[str, str]] = []

    def remote(repository: str, ref: str) -> Files:
        asked.append((repository, ref))
        return base

    app = Files(REMOTE)
    names = []
    for _ in range(2):
        rendered = await fresh_renderer.render(replace(request(app, "app", "kustomize"), remote=remote))
        names.append([obj["metadata"]["name"] for obj in rendered.objects])
    read = app.reads.count("app/kustomization.yaml")
    base = Files({**BASE, "base/map.yaml": config_map("moved"), "single.yaml": config_map("single")})
    moved = await fresh_renderer.render(replace(request(app, "app", "kustomize"), remote=remote))
    expected = [["my-map", "my-single"], ["my-map", "my-single"]]
    assert expected == names
    assert read == 1
    assert [obj["metadata"]["name"] for obj in moved.objects] == ["my-moved", "my-single"]
    assert set(asked) == {("https://github.com/o/r", "v1")}


async def test_a_repository_that_cannot_be_had_is_named(shared_renderer: Render) -> None:
    """With the reason of whoever tried."""

    def remote(repository: str, ref: str) -> Files:
        raise SourceProblem("Unreachable", "no route to host")

    with pytest.raises(RenderProblem, match=r"github\.com/o/r//base\?ref=v1' cannot be had: no route to host"):
        await shared_renderer.render(replace(request(REMOTE, "app", "kustomize"), remote=remote))
