"""Applications of charts: out of Helm repositories and registries, with values and dependencies from elsewhere."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.charthost import HelmHost, RegistryHost, chart, serving
from tests.system.program import Repository
from tests.system.test_corpora import SYNCED, Cluster, application
from trueup.app.up import running
from trueup.kube.names import Kind, Object, Ref
from trueup.ports import Client
from trueup.settings import Settings

pytestmark = pytest.mark.system

GIT = "https://git.example.com/values.git"
MAP = Kind("", "v1", "ConfigMap")
SECRET = Kind("", "v1", "Secret")
SHOWN = {
    "values.yaml": "said: chart\n",
    "templates/map.yaml": (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Chart.Name }}}\n"
        'data: {version: "{{ .Chart.Version }}", said: "{{ .Values.said }}", revision: "{{ .Values.revision }}"}\n'
    ),
}


@dataclass
class Place:
    """A program, a Helm repository and a registry that want a password, and a Git repository of values."""

    client: Client
    helm: HelmHost
    registry: RegistryHost
    git: Repository
    made: dict[str, str] = field(default_factory=dict)

    async def deliver(self, name: str, **spec: Any) -> dict[str, str]:
        """An Application of that name, synced; the data of the ConfigMap that its chart has."""
        app = application(name, spec.get("source", {}))
        app["spec"] |= spec
        if "sources" in spec:
            del app["spec"]["source"]
        await self.client.create(app)
        self.made[name] = SYNCED
        await Cluster(self.client).meets(self.made)
        return await self.data(name, "web")

    async def data(self, namespace: str, name: str) -> dict[str, str]:
        found: dict[str, str] = (await self.client.get(Ref(MAP, namespace, name)))["data"]
        return found

    async def status(self, name: str) -> Object:
        found: Object = (await self.client.get(Ref(Kind("argoproj.io", "v1alpha1", "Application"), "argocd", name)))[
            "status"
        ]
        return found

    async def secret(self, name: str, /, **fields: str) -> None:
        """A repository Secret."""
        data = {key: base64.b64encode(value.encode()).decode() for key, value in fields.items()}
        labels = {"argocd.argoproj.io/secret-type": "repository"}
        meta = {"name": name, "namespace": "argocd", "labels": labels}
        await self.client.create({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": data})


@asynccontextmanager
async def place(folder: Path) -> AsyncIterator[Place]:
    git = Repository.of(folder / "git")
    git.write("shop/values.yaml", "said: git\n")
    git.commit("values")
    helm, registry = HelmHost(login="me:secret"), RegistryHost(login="me:secret")
    async with serving(helm), serving(registry):
        for version in ("1.0.0", "1.4.0", "2.0.0"):
            helm.add("web", version, chart("web", version, SHOWN))
            registry.add("charts/web", version, chart("web", version, SHOWN))
        settings = Settings(state=None, mapping={GIT: git.folder}, port=0)
        async with running(settings, lambda line: None) as now:
            made = Place(now.cluster.client, helm, registry, git)
            login = {"username": "me", "password": "secret"}
            await made.secret("helm", type="helm", name="stable", url=helm.url, **login)
            oci = {"url": registry.url.removeprefix("oci://"), "enableOCI": "true", "insecureOCIForceHttp": "true"}
            await made.secret("registry", type="helm", name="oci", **oci, **login)
            yield made


async def test_charts_of_a_helm_repository(tmp_path: Path) -> None:
    """A range is its newest version, and that is the revision; a newer version is synced at the next look."""
    async with place(tmp_path) as here:
        source = {"repoURL": here.helm.url, "chart": "web", "targetRevision": "^1"}
        parameters = [
            {"name": "said", "value": "$ARGOCD_APP_NAME"},
            {"name": "revision", "value": "$ARGOCD_APP_REVISION"},
        ]
        found = await here.deliver("ranged", source={**source, "helm": {"parameters": parameters}})
        assert found == {"version": "1.4.0", "said": "ranged", "revision": "1.4.0"}
        status = await here.status("ranged")
        assert (status["sync"]["revision"], status["sourceType"]) == ("1.4.0", "Helm")
        here.helm.add("web", "1.5.0", chart("web", "1.5.0", SHOWN))
        name = Ref(Kind("argoproj.io", "v1alpha1", "Application"), "argocd", "ranged")
        await here.client.patch(name, {"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}}, "merge")
        await until(here.client, name, lambda app: app["status"]["sync"].get("revision") == "1.5.0")
        await Cluster(here.client).meets({"ranged": SYNCED})
        assert (await here.data("ranged", "web"))["version"] == "1.5.0"


async def test_charts_of_a_registry(tmp_path: Path) -> None:
    """Without a scheme as Argo CD began with, and by ``oci://``, where the digest is the revision."""
    async with place(tmp_path) as here:
        bare = here.registry.url.removeprefix("oci://")
        found = await here.deliver(
            "bare", source={"repoURL": f"{bare}/charts", "chart": "web", "targetRevision": "1.x"}
        )
        assert found["version"] == "1.4.0"
        assert (await here.status("bare"))["sync"]["revision"] == "1.4.0"
        whole = {"repoURL": f"{here.registry.url}/charts/web", "path": ".", "targetRevision": "1.0.0"}
        assert (await here.deliver("whole", source=whole))["version"] == "1.0.0"
        assert (await here.status("whole"))["sync"]["revision"] == here.registry.tags["charts/web"]["1.0.0"]
        both = {"repoURL": f"{here.registry.url}/charts", "chart": "web", "targetRevision": "2.0.0"}
        assert (await here.deliver("both", source=both))["version"] == "2.0.0"


async def test_values_come_from_other_sources_and_from_the_web(tmp_path: Path) -> None:
    """``$values`` of a Git source, and addresses whose scheme is allowed."""
    async with place(tmp_path) as here:
        one = {"repoURL": here.helm.url, "chart": "web", "targetRevision": "1.0.0"}
        values = {"repoURL": GIT, "targetRevision": "main", "ref": "values"}
        helm = {"valueFiles": ["$values/*/values.yaml"]}
        found = await here.deliver("several", sources=[{**one, "helm": helm}, values])
        assert (found["said"], found["version"]) == ("git", "1.0.0")
        revisions = (await here.status("several"))["sync"]["revisions"]
        assert revisions == ["1.0.0", here.git.git("rev-parse", "HEAD")]
        here.helm.answers["/web.yaml"] = lambda request: answer("said: web\n")
        helm = {"valueFiles": [f"{here.helm.url}/web.yaml"]}
        assert (await here.deliver("web", source={**one, "helm": helm}))["said"] == "web"


async def test_dependencies_are_fetched_with_the_credentials_that_are_known(tmp_path: Path) -> None:
    """By URL, by the name of a repository Secret, and from a registry."""
    async with place(tmp_path) as here:
        entries = [
            ("one", here.helm.url, "^1"),
            ("two", "@stable", "1.0.0"),
            ("three", f"{here.registry.url}/charts", "2.x"),
        ]
        lines = "".join(f"- {{name: web, alias: {a}, repository: '{r}', version: '{v}'}}\n" for a, r, v in entries)
        here.git.write("umbrella/Chart.yaml", f"apiVersion: v2\nname: umbrella\nversion: 1.0.0\ndependencies:\n{lines}")
        here.git.write("umbrella/values.yaml", "".join(f"{alias}: {{said: {alias}}}\n" for alias, _, _ in entries))
        here.git.commit("an umbrella")
        app = application("umbrella", {"repoURL": GIT, "path": "umbrella"})
        await here.client.create(app)
        await Cluster(here.client).meets({"umbrella": SYNCED})
        found = {alias: (await here.data("umbrella", alias)) for alias, _, _ in entries}
        assert {alias: (data["version"], data["said"]) for alias, data in found.items()} == {
            "one": ("1.4.0", "one"),
            "two": ("1.0.0", "two"),
            "three": ("2.0.0", "three"),
        }


async def test_what_cannot_be_had_is_said_in_the_status(tmp_path: Path) -> None:
    """A wrong password and a version that is not there, without the password."""
    async with place(tmp_path) as here:
        away = {"repoURL": here.helm.url, "chart": "web", "targetRevision": "9.9.9"}
        await here.client.create(application("away", away))
        await here.client.create(
            application("shut", {**away, "repoURL": f"{here.helm.url}/shut", "targetRevision": "*"})
        )
        expected = {"away": "no version matches '9.9.9' among 3", "shut": "401, these credentials do not open it"}
        await Cluster(here.client).meets(expected)


async def answer(text: str) -> web.Response:
    return web.Response(text=text)


async def until(client: Client, ref: Ref, holds: Callable[[Object], bool]) -> None:
    """Wait for an object's change."""
    listing = await client.list(ref.kind, ref.namespace)
    if any(holds(obj) for obj in listing.items if obj["metadata"]["name"] == ref.name):
        return
    async for event in client.watch(ref.kind, ref.namespace, revision=listing.revision):
        if event.type != "BOOKMARK" and event.object["metadata"]["name"] == ref.name and holds(event.object):
            return
