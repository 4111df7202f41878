"""Charts: values, hooks, CRDs, and what is refused."""

from dataclasses import replace

import pytest

from tests.rooms.render.folders import Files, request
from trueup.kube.names import Object
from trueup.ports import Origin, RenderProblem
from trueup.render.render import Render

TEMPLATE = """
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}-{{ .Chart.Name }}
  namespace: {{ .Release.Namespace }}
data: {{- toYaml .Values.data | nindent 2 }}
"""
HEAD = "apiVersion: v2\nname: web\nversion: 0.1.0\n"
CHART = {
    "charts/web/Chart.yaml": HEAD,
    "charts/web/values.yaml": "data:\n  a: chart\n  b: chart\n",
    "charts/web/templates/map.yaml": TEMPLATE,
    "charts/web/templates/NOTES.txt": "Thank you for {{ .Values.data.a }}",
    "charts/web/templates/_names.tpl": '{{- define "x" }}no object{{ end }}',
    "charts/web/prod.yaml": "data:\n  a: file\n  list: [1, 2]\n",
    "shared.yaml": "data:\n  a: shared\n  c: shared\n",
}


async def objects(renderer: Render, files: dict[str, str], **options: object) -> list[Object]:
    """What the chart renders to."""
    rendered = await renderer.render(request(files, "charts/web", "", **options))
    return rendered.objects


async def data(renderer: Render, **options: object) -> dict[str, object]:
    """The values that arrived."""
    found: dict[str, object] = (await objects(renderer, CHART, **options))[0]["data"]
    return found


async def test_a_chart_is_recognised_and_rendered(shared_renderer: Render) -> None:
    """Release name and namespace are the source's; notes and partials are no objects; origins name the template."""
    rendered = await shared_renderer.render(request(CHART, "charts/web", releaseName="shop", namespace="prod"))
    meta = {"name": "shop-web", "namespace": "prod"}
    expected = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"a": "chart", "b": "chart"}}
    assert rendered.objects == [expected]
    assert rendered.origins == [Origin("charts/web/templates/map.yaml", 0, "helm")]
    assert "charts/web/values.yaml" in rendered.files
    assert "shared.yaml" not in rendered.files


async def test_later_values_win(shared_renderer: Render) -> None:
    """The chart's own, values files in order, inline values, parameters."""
    assert await data(shared_renderer) == {"a": "chart", "b": "chart"}
    files = {"valueFiles": ["/shared.yaml", "prod.yaml"]}
    both = {"a": "file", "b": "chart", "c": "shared", "list": [1, 2]}
    assert await data(shared_renderer, **files) == both
    assert await data(shared_renderer, **files, values="data:\n  a: inline\n") == {**both, "a": "inline"}
    inline = {**files, "valuesObject": {"data": {"a": "object"}}, "values": "data:\n  a: inline\n"}
    assert await data(shared_renderer, **inline) == {**both, "a": "object"}
    parameters = [
        {"name": "data.a", "value": "x,y"},
        {"name": "data.b", "value": "true", "forceString": True},
        {"name": "data.list[1]", "value": "5"},
        {"name": "data.d", "value": "{p,q}"},
    ]
    expected = {"a": "x,y", "b": "true", "c": "shared", "d": ["p", "q"], "list": [1, 5]}
    assert await data(shared_renderer, **inline, parameters=parameters) == expected


async def test_parameters_know_the_build_environment(shared_renderer: Render) -> None:
    """``$NAMES`` of the environment are put in, other dollar signs stay."""
    parameters = [{"name": "data.a", "value": "$ARGOCD_APP_NAME-${ARGOCD_APP_NAME} $other"}]
    found = await data(shared_renderer, parameters=parameters, env={"ARGOCD_APP_NAME": "shop"})
    assert found["a"] == "shop-shop $other"


async def test_values_may_be_whole_files(shared_renderer: Render) -> None:
    """``fileParameters`` put a file's text into a value."""
    files = {**CHART, "charts/web/motto.txt": "one, {two}\n"}
    found = await objects(shared_renderer, files, fileParameters=[{"name": "data.a", "path": "motto.txt"}])
    assert found[0]["data"]["a"] == "one, {two}\n"


async def test_values_come_from_other_sources(shared_renderer: Render) -> None:
    """``$name/path`` reads from the source with that reference name."""
    asked = replace(
        request(CHART, "charts/web", valueFiles=["$config/web/values.yaml"]),
        others={"config": Files({"web/values.yaml": "data:\n  a: elsewhere\n"})},
    )
    rendered = await shared_renderer.render(asked)
    assert rendered.objects[0]["data"]["a"] == "elsewhere"
    assert "$config/web/values.yaml" in rendered.files


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("nope.yaml", "no such file"),
        ("../../../etc/passwd", "leads out"),
        ("/../etc/passwd", "leads out"),
        ("$nobody/values.yaml", "no source has the ref 'nobody'"),
        ("https://example.com/values.yaml", "not fetched from URLs"),
        ("Chart.yaml/x", "no such file"),
    ],
)
async def test_values_files_stay_in_their_repository(shared_renderer: Render, file: str, words: str) -> None:
    """What is missing or outside is named."""
    with pytest.raises(RenderProblem, match=words):
        await data(shared_renderer, valueFiles=[file])


async def test_missing_values_files_may_be_allowed(shared_renderer: Render) -> None:
    """``ignoreMissingValueFiles`` passes over files that are not there, and only those."""
    assert await data(shared_renderer, valueFiles=["nope.yaml"], ignoreMissingValueFiles=True) == {
        "a": "chart",
        "b": "chart",
    }
    with pytest.raises(RenderProblem, match="leads out"):
        await data(shared_renderer, valueFiles=["../../../x"], ignoreMissingValueFiles=True)


CRD = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: '{{x}}'}\n"
HOOKS = {
    "charts/web/Chart.yaml": HEAD,
    "charts/web/crds/crd.yaml": CRD,
    "charts/web/templates/all.yaml": "\n---\n".join(
        f"apiVersion: v1\nkind: {kind}\nmetadata:\n  name: {name}\n  annotations: {{{annotation}}}"
        for kind, name, annotation in (
            ("Pod", "test", "helm.sh/hook: test"),
            ("Job", "before", 'helm.sh/hook: "pre-install, pre-upgrade"'),
            ("Job", "old", "helm.sh/hook: crd-install"),
            ("Zebra", "last", ""),
            ("Service", "second", ""),
            ("Secret", "first", ""),
        )
    ),
}


async def test_objects_come_in_helms_order(shared_renderer: Render) -> None:
    """CRDs, then kinds in install order, then hooks; hooks of unknown events are left out."""

    async def names(**options: object) -> list[str]:
        return [obj["metadata"]["name"] for obj in await objects(shared_renderer, HOOKS, **options)]

    assert await names() == ["{{x}}", "first", "second", "last", "test", "before"]
    assert await names(skipCrds=True, skipTests=True) == ["first", "second", "last", "before"]


PARENT = {
    "charts/web/Chart.yaml": """
apiVersion: v2
name: web
version: 0.1.0
dependencies:
- {name: sub, version: 0.1.0, condition: sub.enabled}
- {name: near, version: 0.1.0, repository: "file://../near"}
""",
    "charts/web/charts/sub/Chart.yaml": "apiVersion: v2\nname: sub\nversion: 0.1.0\n",
    "charts/web/charts/sub/values.yaml": "data: {a: sub}\n",
    "charts/web/charts/sub/templates/map.yaml": TEMPLATE,
    "charts/web/charts/sub/crds/crd.yaml": CRD,
    "charts/near/Chart.yaml": "apiVersion: v2\nname: near\nversion: 0.1.0\n",
    "charts/near/values.yaml": "data: {a: near}\n",
    "charts/near/templates/map.yaml": TEMPLATE,
}


async def test_dependencies_are_on_or_off(shared_renderer: Render) -> None:
    """A condition turns templates and CRDs off and on again; a chart beside this one is found."""

    async def names(enabled: bool) -> list[str]:
        found = await objects(shared_renderer, PARENT, valuesObject={"sub": {"enabled": enabled}})
        return [obj["metadata"]["name"] for obj in found]

    assert await names(False) == ["release-name-near"]
    assert await names(True) == ["{{x}}", "release-name-near", "release-name-sub"]


async def test_a_missing_dependency_is_named_with_the_remedy(shared_renderer: Render) -> None:
    """Nothing is fetched behind anybody's back."""
    files = {
        **CHART,
        "charts/web/Chart.yaml": CHART["charts/web/Chart.yaml"] + "dependencies: [{name: far, version: 1.x}]\n",
    }
    with pytest.raises(RenderProblem, match=r"missing in charts/ directory: far .*helm dependency build") as caught:
        await objects(shared_renderer, files)
    assert caught.value.path == "charts/web/Chart.yaml"


async def test_the_target_is_known(shared_renderer: Render) -> None:
    """Kubernetes version and API versions are the target's, unless the source says otherwise."""
    template = (
        "apiVersion: v1\nkind: A\nmetadata: {name: a}\nv: {{ .Capabilities.KubeVersion.Version }}\n"
        'has: {{ .Capabilities.APIVersions.Has "x.io/v1" }}\n'
    )
    files = {**CHART, "charts/web/templates/map.yaml": template}
    first = (await objects(shared_renderer, files))[0]
    second = (await objects(shared_renderer, files, kubeVersion="1.31.2", apiVersions=["x.io/v1"]))[0]
    assert [(first["v"], first["has"]), (second["v"], second["has"])] == [("v1.34.0", False), ("v1.31.2", True)]


@pytest.mark.parametrize(
    ("file", "text", "words", "place"),
    [
        ("templates/map.yaml", "a: 1\nb: {{ .Values.x.y.z }}\n", "nil pointer", ("charts/web/templates/map.yaml", 2)),
        ("templates/map.yaml", "a: {{ fail `no way` }}\n", "no way", ("charts/web/templates/map.yaml", 1)),
        ("templates/map.yaml", "{{ nope }}\n", "nope", ("charts/web/templates/map.yaml", 1)),
        ("templates/map.yaml", "a: [\n", "is no YAML", ("charts/web/templates/map.yaml", 0)),
        ("templates/map.yaml", "a: 1\n", "'Kind' is missing", ("charts/web/templates/map.yaml", 0)),
        ("values.schema.json", '{"required": ["must"]}', "must", ("charts/web", 0)),
        ("Chart.yaml", HEAD + "type: library\n", "not installable", ("charts/web/Chart.yaml", 0)),
        ("Chart.yaml", HEAD + "kubeVersion: '>=1.99'\n", "incompatible", ("charts/web/Chart.yaml", 0)),
        ("prod.yaml", "- 1\n", "a mapping", ("charts/web/prod.yaml", 1)),
    ],
)  # fmt: skip
async def test_an_error_names_its_place(
    shared_renderer: Render, file: str, text: str, words: str, place: tuple[str, int]
) -> None:
    """Template, line and reason."""
    with pytest.raises(RenderProblem, match=words) as caught:
        await objects(shared_renderer, {**CHART, f"charts/web/{file}": text}, valueFiles=["prod.yaml"])
    assert (caught.value.path, caught.value.line) == place


async def test_a_schema_may_be_skipped(shared_renderer: Render) -> None:
    """``skipSchemaValidation`` renders values that the chart's schema refuses."""
    files = {**CHART, "charts/web/values.schema.json": '{"required": ["must"]}'}
    assert len(await objects(shared_renderer, files, skipSchemaValidation=True)) == 1


async def test_ignored_files_are_no_part_of_the_chart(shared_renderer: Render) -> None:
    """``.helmignore`` keeps files out of the chart."""
    files = {**CHART, "charts/web/.helmignore": "# none\n*.bak\n/drafts/\ntemplates/old*.yaml\n"}
    files |= {
        f"charts/web/templates/{name}": "a: {{ fail `read` }}"
        for name in ("map.yaml.bak", "old-1.yaml", ".hidden.yaml")
    }
    files["charts/web/drafts/templates/x.yaml"] = "a: {{ fail `read` }}"
    assert len(await objects(shared_renderer, files)) == 1


LOOKUP = """
{{- $found := lookup "v1" "Secret" "shop" "password" }}
apiVersion: v1
kind: Secret
metadata: {name: password}
data: {{ if $found }}{{ $found.data | toJson }}{{ else }}{new: bmV3}{{ end }}
count: {{ len (lookup "shop.example.com/v1" "Order" "" "").items | default 0 }}
"""


async def test_lookup_is_answered_by_the_target(fresh_renderer: Render) -> None:
    """Objects and lists of built-in and listed kinds; the render is remembered until an answer changes."""
    asked: list[tuple[str, str, str, str]] = []
    live: Object = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "password"}, "data": {"old": "b2xk"}}

    def lookup(version: str, kind: str, namespace: str, name: str) -> Object | None:
        asked.append((version, kind, namespace, name))
        return {**live} if kind == "Secret" else {"apiVersion": version, "kind": "OrderList", "items": [live, live]}

    base = request({**CHART, "charts/web/templates/map.yaml": LOOKUP}, "charts/web")
    versions = ("shop.example.com/v1", "shop.example.com/v1/Order")
    full = replace(base, lookup=lookup, target=replace(base.target, api_versions=versions))
    first = (await fresh_renderer.render(full)).objects[0]
    assert (first["data"], first["count"]) == ({"old": "b2xk"}, 2)
    assert set(asked) == {("v1", "Secret", "shop", "password"), ("shop.example.com/v1", "Order", "", "")}
    live["data"] = {"now": "bm93"}
    assert (await fresh_renderer.render(full)).objects[0]["data"] == {"now": "bm93"}


async def test_lookup_finds_nothing_without_a_target(shared_renderer: Render) -> None:
    """As ``helm template`` and Argo CD: an empty answer."""
    files = {**CHART, "charts/web/templates/map.yaml": LOOKUP.replace(".items", "")}
    found = (await objects(shared_renderer, files))[0]
    assert (found["data"], found["count"]) == ({"new": "bmV3"}, 0)


async def test_values_files_may_be_patterns(shared_renderer: Render) -> None:
    """All that match, by name; one that is named by itself counts there, and each file once."""
    files = {
        **CHART,
        "charts/web/env/a.yaml": "data: {from: a, a: a}\n",
        "charts/web/env/b.yaml": "data: {from: b, b: b}\n",
        "charts/web/env/deep/c.yaml": "data: {from: c, c: c}\n",
    }

    async def origin(*named: str) -> object:
        return (await objects(shared_renderer, files, valueFiles=list(named)))[0]["data"].get("from")

    assert await origin("env/*.yaml") == "b"
    assert await origin("env/**/*.yaml") == "c"
    assert await origin("env/*.yaml", "env/a.yaml") == "a"
    assert await origin("env/b.yaml", "env/a.yaml", "env/b.yaml") == "a"
    assert await origin("/charts/*/env/[a]*") == "a"
    with pytest.raises(RenderProblem, match=r'values file glob "none/\*" matched no files'):
        await origin("none/*")
    missing = await objects(shared_renderer, files, valueFiles=["none/*"], ignoreMissingValueFiles=True)
    assert missing[0]["data"] == {"a": "chart", "b": "chart"}


async def test_values_files_may_come_from_the_web(shared_renderer: Render) -> None:
    """Where that is allowed; what changes there is rendered anew."""
    said = {"https://example.com/v.yaml": b"data: {a: web}\n"}
    asked = request(CHART, "charts/web", valueFiles=["https://example.com/v.yaml"])
    allowed = replace(asked, urls=said.__getitem__)
    assert (await shared_renderer.render(allowed)).objects[0]["data"]["a"] == "web"
    said["https://example.com/v.yaml"] = b"data: {a: changed}\n"
    assert (await shared_renderer.render(allowed)).objects[0]["data"]["a"] == "changed"
    with pytest.raises(RenderProblem, match="values are not fetched from URLs here"):
        await shared_renderer.render(asked)


async def test_a_chart_that_stays_loaded_is_not_changed_by_its_renders(fresh_renderer: Render) -> None:
    """Values that were removed, replaced or added for one release are none of the next one's."""
    changed = {"data": {"a": None, "b": {"deep": [1]}, "more": {"x": "y"}}}
    files = {**CHART, "charts/web/values.yaml": "data:\n  a: chart\n  b: {c: chart}\n"}
    before = await objects(fresh_renderer, files, releaseName="before")
    between = await objects(fresh_renderer, files, releaseName="between", valuesObject=changed)
    after = await objects(fresh_renderer, files, releaseName="after")
    assert between[0]["data"] == {"b": {"c": "chart", "deep": [1]}, "more": {"x": "y"}}
    assert after[0]["data"] == before[0]["data"] == {"a": "chart", "b": {"c": "chart"}}
