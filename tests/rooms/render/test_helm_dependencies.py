"""Charts that a chart depends on: vendored, elsewhere in the repository, in other repositories; locks."""

from dataclasses import replace
from typing import Any

import pytest

from tests.rooms.render.folders import Files, request
from trueup.kube import semver
from trueup.ports import RenderProblem, RenderRequest, SourceProblem, Tree
from trueup.render.render import Render

STABLE, OCI = "https://charts.example.com/stable", "oci://registry.example.com/charts"
SHOWN = (
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Chart.Name }}}\n"
    'data: {version: "{{ .Chart.Version }}", said: "{{ .Values.said }}"}\n'
)
APP = """apiVersion: v2
name: app
version: 1.0.0
dependencies:
- name: lib
  alias: one
  version: ">=0.1 <1 || 2.x"
  repository: file://../lib
  condition: one.enabled,all
  tags: [front, back&end]
  import-values: [data, {parent: p, child: c}]
- name: lib
  alias: two
  version: ^0.3.0
  repository: file://../lib
"""
LOCK = """dependencies:
- {name: lib, repository: "file://../lib", version: 0.3.1}
- {name: lib, repository: "file://../lib", version: 0.3.1}
digest: sha256:90f1adda2cb1199474babd835417dd3e1b5cf879e66f7365f0eae1e5ba4eaa67
"""
"""As `helm dependency update` writes it for the chart above."""


class Repository:
    """A Helm repository in memory, called ``stable`` as well."""

    def __init__(self, **charts: list[str]) -> None:
        self.charts, self.asked = charts, []  # type: ignore[var-annotated]

    def repository(self, named: str) -> str:
        """The URL."""
        return STABLE if named in ("@stable", "alias:stable") else named

    def fetch(self, repository: str, name: str, version: str) -> tuple[str, Tree]:
        """The highest version in a range."""
        self.asked.append((repository, name, version))
        found = semver.newest(version or "*", self.charts.get(name, []))
        if found is None:
            raise SourceProblem("VersionNotFound", f"no version matches {version!r}")
        return found, Files(chart(name, found, "", f"{name}-{found}"))


def chart(name: str, version: str, folder: str, said: str, more: str = "") -> dict[str, str]:
    """The files of a chart that shows its version and a value."""
    inside = folder and f"{folder}/"
    return {
        f"{inside}Chart.yaml": f"apiVersion: v2\nname: {name}\nversion: {version}\n{more}",
        f"{inside}values.yaml": f"said: {said}\n",
        f"{inside}templates/map.yaml": SHOWN,
    }


def depending(*dependencies: str, **files: str) -> dict[str, str]:
    """A chart with these dependencies."""
    lines = "".join(f"- {{{one}}}\n" for one in dependencies)
    return {**chart("app", "1.0.0", "app", "app", f"dependencies:\n{lines}"), **files}


async def versions(renderer: Render, files: dict[str, str], charts: Repository | None = None) -> dict[str, str]:
    """The version of each chart that was rendered."""
    rendered = await renderer.render(asked(files, charts))
    return {obj["metadata"]["name"]: obj["data"]["version"] for obj in rendered.objects}


def asked(files: dict[str, str], charts: Repository | None = None) -> RenderRequest:
    return replace(request(files, "app", "helm"), charts=charts)


async def test_a_lock_belongs_to_its_chart(shared_renderer: Render) -> None:
    """Its digest is the one that Helm computes, whatever is written in a dependency; a change of the chart needs a new lock."""
    lib = chart("lib", "0.3.1", "lib", "lib")
    files = {"app/Chart.yaml": APP, "app/Chart.lock": LOCK, **lib}
    assert await versions(shared_renderer, files) == {"one": "0.3.1", "two": "0.3.1"}
    changed = {**files, "app/Chart.yaml": APP.replace("^0.3.0", "^0.3.1")}
    with pytest.raises(RenderProblem, match=r"app/Chart\.lock: the lock file \(Chart\.lock\) is out of sync"):
        await versions(shared_renderer, changed)
    newer = {**files, "lib/Chart.yaml": "apiVersion: v2\nname: lib\nversion: 0.3.2\n"}
    with pytest.raises(RenderProblem, match=r"can't get a valid version for dependency lib: '0\.3\.1' is wanted"):
        await versions(shared_renderer, newer)


async def test_what_is_missing_is_fetched(shared_renderer: Render) -> None:
    """By ranges, each version once, by URL and by name, from repositories and registries; what is vendored is not."""
    charts = Repository(lib=["1.0.0", "1.5.0", "2.0.0"], vendored=["9.9.9"])
    files = depending(
        f"name: lib, version: ^1, repository: '{STABLE}'",
        "name: lib, alias: also, version: 1.5.0, repository: '@stable'",
        f"name: lib, alias: newer, version: 2.x, repository: '{OCI}'",
        f"name: vendored, version: '*', repository: '{STABLE}'",
        **chart("vendored", "0.1.0", "app/charts/Called-Otherwise", "vendored"),
    )
    expected = {"app": "1.0.0", "lib": "1.5.0", "also": "1.5.0", "newer": "2.0.0", "vendored": "0.1.0"}
    assert await versions(shared_renderer, files, charts) == expected
    assert charts.asked == [(STABLE, "lib", "^1"), ("@stable", "lib", "1.5.0"), (OCI, "lib", "2.x")]


async def test_what_cannot_be_had_is_named(shared_renderer: Render) -> None:
    """The dependency and its repository; without anybody to ask, what helm would say, with the remedy."""
    files = depending(f"name: lib, version: '>5', repository: '{STABLE}'")
    with pytest.raises(RenderProblem, match=f"could not download lib from {STABLE}: no version matches '>5'") as caught:
        await versions(shared_renderer, files, Repository(lib=["1.0.0"]))
    assert (caught.value.path, caught.value.field) == ("app/Chart.yaml", "dependencies")
    with pytest.raises(RenderProblem, match=r"missing in charts/ directory: lib"):
        await versions(shared_renderer, files)


@pytest.mark.parametrize(
    ("repository", "words"),
    [
        ("file://../nowhere", "directory nowhere not found"),
        ("file://../../outside", "leads out of the repository"),
        ("file:///etc", "leads out of the repository"),
    ],
)
async def test_a_folder_that_is_not_there_is_named(shared_renderer: Render, repository: str, words: str) -> None:
    """As is one that would lead out of the repository."""
    with pytest.raises(RenderProblem, match=words):
        await versions(shared_renderer, depending(f"name: lib, version: '*', repository: '{repository}'"))


async def test_a_newer_version_is_rendered_anew(fresh_renderer: Render) -> None:
    """A render that fetched a chart is remembered for as long as the range means the same version."""
    charts = Repository(lib=["1.0.0"])
    files = depending(f"name: lib, version: ^1, repository: '{STABLE}'")
    assert (await versions(fresh_renderer, files, charts))["lib"] == "1.0.0"
    charts.charts["lib"].append("1.1.0")
    assert (await versions(fresh_renderer, files, charts))["lib"] == "1.1.0"


async def test_a_kustomization_fetches_its_charts(shared_renderer: Render) -> None:
    """`helmCharts` with a `repo`, unless the chart lies where kustomize would have put it."""
    fields: Any = f"{{name: lib, repo: '{STABLE}', version: ^1, releaseName: x}}"
    files = {"app/kustomization.yaml": f"helmCharts: [{fields}]\n"}
    charts = Repository(lib=["1.0.0", "1.5.0"])
    asked_for = replace(request(files, "app", "kustomize"), charts=charts)
    assert (await shared_renderer.render(asked_for)).objects[0]["data"]["version"] == "1.5.0"
    there = {**files, **chart("lib", "0.1.0", "app/charts/lib", "there")}
    vendored = replace(request(there, "app", "kustomize"), charts=charts)
    assert (await shared_renderer.render(vendored)).objects[0]["data"]["version"] == "0.1.0"
    assert charts.asked == [(STABLE, "lib", "^1")]
