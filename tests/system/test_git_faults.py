"""Git servers that are slow, broken or lying: the unit says so, the others go on, and it recovers by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.githost import Fault, GitHost
from tests.rooms.source.repositories import Repository
from trueup.app.up import Running, running
from trueup.kube.names import Kind, Object, Ref
from trueup.ports import Client
from trueup.settings import Settings

pytestmark = pytest.mark.system
APPLICATION = Kind("argoproj.io", "v1alpha1", "Application")
REPOSITORY = Kind("source.toolkit.fluxcd.io", "v1", "GitRepository")
KUSTOMIZATION = Kind("kustomize.toolkit.fluxcd.io", "v1", "Kustomization")
CONFIG = Kind("", "v1", "ConfigMap")


class Fleet:
    """A host of repositories, a running program, and an Application for each repository."""

    def __init__(self, folder: Path, host: GitHost, address: str) -> None:
        self.folder, self.host, self.address = folder, host, address
        self.repositories: dict[str, Repository] = {}
        self.client: Client
        self.now: Running

    def commit(self, name: str, text: str) -> None:
        """The next commit of a repository: one ConfigMap that says the text."""
        if name not in self.repositories:
            self.repositories[name] = Repository(self.folder / f"{name}.git", bare=True)
        manifest = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{says: {text}}}\n"
        self.repositories[name].commit({"map.yaml": manifest, "filler": "much of it " * 20_000 + text})

    async def deliver(self, *names: str) -> None:
        """Applications that follow their repositories, automated."""
        for name in names:
            await self.client.create(
                {
                    "apiVersion": "argoproj.io/v1alpha1",
                    "kind": "Application",
                    "metadata": {"name": name, "namespace": "argocd"},
                    "spec": {
                        "project": "default",
                        "source": {"repoURL": f"{self.address}/{name}.git", "path": "."},
                        "destination": {"server": "https://kubernetes.default.svc", "namespace": "default"},
                        "syncPolicy": {"automated": {"prune": True, "selfHeal": True}},
                    },
                }
            )

    def news(self, *names: str) -> None:
        """What a push webhook says."""
        for name in names:
            self.now.controllers.news(f"{self.address}/{name}.git")

    async def says(self, name: str, text: str) -> None:
        """Wait until the live ConfigMap says a text."""
        await until(self.client, CONFIG, "default", name, lambda obj: obj["data"]["says"] == text)

    async def complains(self, name: str, *words: str) -> str:
        """Wait until the Application's condition has one of the words; the condition's text."""

        def said(obj: Object) -> bool:
            return any(word in text for word in words for text in conditions(obj))

        found = await until(self.client, APPLICATION, "argocd", name, said)
        return " ".join(conditions(found))

    async def content(self, name: str) -> None:
        """Wait until the Application is Synced and complains of nothing."""
        await until(
            self.client, APPLICATION, "argocd", name,
            lambda obj: obj["status"]["sync"]["status"] == "Synced" and not conditions(obj),
        )  # fmt: skip


def conditions(obj: Object) -> list[str]:
    return [condition["message"] for condition in (obj.get("status") or {}).get("conditions") or ()]


async def until(client: Client, kind: Kind, namespace: str, name: str, holds: Callable[[Object], bool]) -> Object:
    """The object as soon as it is as wanted."""
    listing = await client.list(kind, namespace)
    found: Object = {}

    def right(obj: Object) -> bool:
        nonlocal found
        found = obj
        try:
            return obj["metadata"]["name"] == name and holds(obj)
        except KeyError:
            return False

    for obj in listing.items:
        if right(obj):
            return obj
    try:
        async with asyncio.timeout(20):
            async for event in client.watch(kind, namespace, revision=listing.revision):
                if event.type in ("ADDED", "MODIFIED") and right(event.object):
                    return event.object
    except TimeoutError:
        apps = (await client.list(APPLICATION, "argocd")).items
        units = [obj for kind in (REPOSITORY, KUSTOMIZATION) for obj in (await client.list(kind, "default")).items]
        raise AssertionError(f"never as wanted: {found}; {[unit.get('status') for unit in (*apps, *units)]}") from None
    raise AssertionError("the watch ended")


@asynccontextmanager
async def started(fleet: Fleet) -> AsyncIterator[None]:
    """The program, for as long as the block runs."""
    async with running(Settings(state=fleet.folder / "state", port=0), lambda line: None) as now:
        fleet.now, fleet.client = now, now.cluster.client
        yield


@pytest.fixture
async def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Fleet]:
    """Git is given up after a second."""
    monkeypatch.setattr("trueup.source.git.ASK_SECONDS", 1.0)
    monkeypatch.setattr("trueup.source.git.FETCH_SECONDS", 1.0)
    host = GitHost(tmp_path)
    made = Fleet(tmp_path, host, await host.start())
    yield made
    await host.stop()


FAULTS: list[tuple[Fault, str, tuple[str, ...]]] = [
    ("hang", "", ("took longer than 1 s",)),
    ("500", "", ("The requested URL returned error: 500",)),
    ("cut", "", ("git ls-remote",)),
    ("empty", "", ("git ls-remote",)),
    ("hang", "/git-upload-pack", ("took longer than 1 s",)),
    ("cut", "/git-upload-pack", ("git fetch", "git ls-remote")),
    ("garbage", "/git-upload-pack", ("git fetch", "git ls-remote")),
]


@pytest.mark.parametrize(("fault", "where", "words"), FAULTS, ids=lambda value: str(value).strip("/") or "all")
async def test_a_git_server_that_fails(fleet: Fleet, fault: Fault, where: str, words: tuple[str, ...]) -> None:
    """Its unit says what happened and keeps what is live; another's commit arrives meanwhile; it recovers by itself."""
    fleet.commit("good", "one")
    fleet.commit("bad", "one")
    async with started(fleet):
        await fleet.deliver("good", "bad")
        await fleet.says("good", "one")
        await fleet.says("bad", "one")

        fleet.host.faults[f"/bad.git{where}"] = fault
        fleet.commit("good", "two")
        fleet.commit("bad", "two")
        fleet.news("good", "bad")

        await fleet.complains("bad", *words)
        await fleet.says("good", "two")
        await fleet.content("good")
        await fleet.says("bad", "one")
        fleet.host.faults.clear()
        fleet.news("bad")
        await fleet.says("bad", "two")
        await fleet.content("bad")


async def test_flux_repairs_while_git_is_away(fleet: Fleet) -> None:
    """The artifact that a GitRepository has is applied again; the GitRepository says what is wrong."""
    fleet.commit("bad", "one")
    meta = {"name": "bad", "namespace": "default"}
    source = {"kind": "GitRepository", "name": "bad"}
    async with started(fleet):
        await fleet.client.create(
            {
                "apiVersion": "source.toolkit.fluxcd.io/v1",
                "kind": "GitRepository",
                "metadata": meta,
                "spec": {"interval": "1h", "url": f"{fleet.address}/bad.git", "ref": {"branch": "main"}},
            }
        )
        await fleet.client.create(
            {
                "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
                "kind": "Kustomization",
                "metadata": meta,
                "spec": {
                    "interval": "1h",
                    "path": ".",
                    "prune": True,
                    "targetNamespace": "default",
                    "sourceRef": source,
                },
            }
        )
        await fleet.says("bad", "one")
        fleet.host.faults["/bad.git"] = "500"
        fleet.commit("bad", "two")
        fleet.news("bad")
        await until(fleet.client, REPOSITORY, "default", "bad", lambda obj: "error: 500" in str(obj["status"]))

        await fleet.client.delete(Ref(CONFIG, "default", "bad"))
        await fleet.says("bad", "one")
        fleet.host.faults.clear()
        fleet.news("bad")
        await fleet.says("bad", "two")


async def test_many_that_hang_do_not_stop_the_others(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many units wait for a server that never answers, a commit elsewhere arrives."""
    monkeypatch.setattr("trueup.source.git.ASK_SECONDS", 600.0)
    other = GitHost(fleet.folder)
    well = Fleet(fleet.folder, other, await other.start())
    names = [f"bad-{n}" for n in range(18)]
    well.commit("good", "one")
    for name in names:
        fleet.commit(name, "one")
    fleet.host.faults["/bad-"] = "hang"
    async with started(fleet):
        await fleet.deliver(*names)
        async with asyncio.timeout(20):
            while fleet.host.hanging < 4:  # noqa: ASYNC110 - the server counts, it sets no event
                await asyncio.sleep(0.01)

        well.now, well.client = fleet.now, fleet.client
        await well.deliver("good")
        await well.says("good", "one")
        well.commit("good", "two")
        well.news("good")
        await well.says("good", "two")
        await fleet.host.stop()
    await other.stop()


@pytest.mark.parametrize("damage", ["truncated", "emptied", "garbage"])
async def test_a_damaged_mirror_is_fetched_anew(fleet: Fleet, damage: str) -> None:
    """What a disk made of the mirror is noticed, and mended by asking the server again."""
    fleet.commit("bad", "one")
    async with started(fleet):
        await fleet.deliver("bad")
        await fleet.says("bad", "one")
    packs = [path for path in (fleet.folder / "state" / "mirrors").rglob("*") if path.is_file() and _is_object(path)]
    assert packs
    for path in packs:
        content = path.read_bytes()
        half = len(content) // 2
        broken = {"truncated": content[:half], "emptied": b"", "garbage": content[:half] + bytes(len(content) - half)}
        path.unlink()  # the file that is there may still be mapped into the memory of this very process
        path.write_bytes(broken[damage])

    async with started(fleet):
        await fleet.client.delete(Ref(CONFIG, "default", "bad"))
        await fleet.says("bad", "one")
        fleet.commit("bad", "two")
        fleet.news("bad")
        await fleet.says("bad", "two")
        await fleet.content("bad")


def _is_object(path: Path) -> bool:
    return path.suffix in (".pack", ".idx") or len(path.parent.name) == 2
