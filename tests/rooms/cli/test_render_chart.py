"""`trueup render` of a chart, by the flags of ``helm template``."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.charthost import HelmHost, RegistryHost, chart, serving
from trueup.cli.render import render
from trueup.kube.documents import parse
from trueup.ports import RenderProblem, SourceProblem

SHOWN = (
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}, namespace: {{ .Release.Namespace }}}\n"
    "data: {values: {{ toJson .Values | quote }}, upgrade: {{ .Release.IsUpgrade | quote }}}\n"
)
HOOK = "apiVersion: v1\nkind: Pod\nmetadata: {name: test, annotations: {helm.sh/hook: test}}\n"
CRD = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: things.example.com}\n"
FILES = {"templates/map.yaml": SHOWN, "templates/test.yaml": HOOK, "crds/things.yaml": CRD}


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A chart on disk."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for path, text in {**FILES, "Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.2.0\n"}.items():
        (tmp_path / "web" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "web" / path).write_text(text)
    return str(tmp_path / "web")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(render, list(arguments))


def printed(*arguments: str) -> list[Any]:
    """The objects."""
    done = run(*arguments)
    assert done.exit_code == 0, (done.output, done.exception)
    return [document.value for document in parse(done.stdout)]


def kinds(*arguments: str) -> list[str]:
    return [obj["kind"] for obj in printed(*arguments)]


def values(*arguments: str) -> str:
    """What arrived in the chart."""
    found: str = printed(*arguments, "-s", "templates/map.yaml")[0]["data"]["values"]
    return found


def test_values_come_by_flags_in_helms_order(web: str, tmp_path: Path) -> None:
    """Files, JSON, typed, texts, contents of files, literal ones; later wins."""
    (tmp_path / "more.yaml").write_text("a: {b: file, list: [1, 2]}\nkeep: me\n")
    (tmp_path / "note.txt").write_text("a,b\n")
    flags = [
        "--set-literal", "f=x,y", "--set-file", f"e={tmp_path / 'note.txt'}", "--set-string", "d=1", "--set", "c=1,a.list[1]=9",
        "--set-json", 'a.b={"x":null}', "-f", str(tmp_path / "more.yaml"), "--set-json", '{"g":true}',
    ]  # fmt: skip
    expected = '{"a":{"b":{"x":null},"list":[1,9]},"c":1,"d":"1","e":"a,b\\n","f":"x,y","g":true,"keep":"me"}'
    assert values(web, *flags) == expected


def test_what_is_printed_may_be_chosen(web: str) -> None:
    """Definitions, tests and hooks, single templates; with --as helm as `helm template` has it."""
    assert kinds(web) == ["CustomResourceDefinition", "ConfigMap", "Pod"]
    assert kinds(web, "--skip-crds", "--skip-tests") == ["ConfigMap"]
    assert kinds(web, "--as", "helm") == ["ConfigMap", "Pod"]
    assert kinds(web, "--as", "helm", "--include-crds", "--no-hooks") == ["CustomResourceDefinition", "ConfigMap"]
    assert kinds(web, "-s", "templates/t*.yaml", "-s", "crds/things.yaml") == ["Pod", "CustomResourceDefinition"]
    with pytest.raises(RenderProblem, match=r"could not find template templates/no\.yaml in chart"):
        raise run(web, "-s", "templates/no.yaml").exception or AssertionError


def test_the_release_is_called_as_asked(web: str) -> None:
    """After the folder else, and `release-name` with --as helm."""
    named = [
        printed(web, *flags, "-s", "templates/map.yaml")[0] for flags in ([], ["--as", "helm"], ["--release-name", "x"])
    ]
    assert [obj["metadata"]["name"] for obj in named] == ["web", "release-name", "x"]
    upgraded = printed(web, "--is-upgrade", "-n", "shop", "-s", "templates/map.yaml")[0]
    assert (upgraded["data"]["upgrade"], upgraded["metadata"]["namespace"]) == ("true", "shop")


def test_a_post_renderer_runs_where_that_is_allowed(web: str, tmp_path: Path) -> None:
    """It sees what is no hook; a failure of its is told in its words."""
    program = tmp_path / "post.py"
    program.write_text("import sys; sys.stdout.write(sys.stdin.read().replace('ConfigMap', 'Secret'))\n")
    command = f"{sys.executable} {program}"
    refused = run(web, "--post-renderer", command)
    assert (refused.exit_code, "--allow-exec" in refused.output) == (2, True)
    assert kinds(web, "--post-renderer", command, "--allow-exec", "--skip-crds") == ["Secret", "Pod"]
    program.write_text("import sys; sys.exit('no such label')\n")
    with pytest.raises(RenderProblem, match="no such label"):
        raise run(web, "--post-renderer", command, "--allow-exec").exception or AssertionError


def test_flags_of_a_chart_are_for_charts(tmp_path: Path) -> None:
    """Anything else says so, and which they are."""
    (tmp_path / "a.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")
    done = run(str(tmp_path), "--set", "a=b", "--skip-tests")
    assert done.exit_code == 2
    assert "only a chart has --set-value, --skip-tests" in done.output.replace("\n", " ")


async def test_charts_come_from_archives_repositories_and_registries(web: str, tmp_path: Path) -> None:
    """With credentials where they are needed; a version that was fetched once is not fetched again."""
    data = chart("web", "1.2.0", FILES)
    (tmp_path / "web-1.2.0.tgz").write_bytes(data)
    expected = printed(web, "--release-name", "x")
    assert printed(str(tmp_path / "web-1.2.0.tgz"), "--release-name", "x") == expected
    helm, registry = HelmHost(login="me:secret"), RegistryHost(login="me:secret")
    async with serving(helm), serving(registry):
        helm.add("web", "1.2.0", data)
        registry.add("charts/web", "1.2.0", data)
        login = ["--username", "me", "--password", "secret", "--release-name", "x"]
        by_name = ["web", "--repo", helm.url, "--version", "^1"]
        assert await asyncio.to_thread(printed, *by_name, *login) == expected
        assert await asyncio.to_thread(printed, *by_name, *login) == expected
        assert helm.asked.count("GET /web-1.2.0.tgz") == 1
        oci = [f"{registry.url}/charts/web", "--plain-http"]
        assert await asyncio.to_thread(printed, *oci, *login) == expected
        done = await asyncio.to_thread(run, *by_name)
        assert isinstance(done.exception, SourceProblem)
        assert done.exception.reason == "AuthenticationFailed"
