"""What happens to the disk under the API server: kills in full flight, no room, a second process, a damaged file."""

from __future__ import annotations

import asyncio
import os
import random
import resource
import shutil
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from tests.system.program import Program, Repository, program
from trueup.client.kubeconfig import load

pytestmark = pytest.mark.system
KILLS = int(os.environ.get("TRUEUP_KILLS", "5"))
LANES = 24
MAPS = "/api/v1/namespaces/default/configmaps"
URL = "https://git.example.com/told.git"
MANIFEST = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: told}\ndata: {says: %s}\n"
APPLICATION = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "Application",
    "metadata": {"name": "told", "namespace": "argocd"},
    "spec": {
        "project": "default",
        "source": {"repoURL": URL, "path": "app"},
        "destination": {"server": "https://kubernetes.default.svc", "namespace": "default"},
        "syncPolicy": {"automated": {"prune": True, "selfHeal": True}},
    },
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Program]:
    """An API server without controllers, in a process of its own."""
    with program(tmp_path / "run", "--no-simulate", verb="apiserver") as running:
        yield running


@asynccontextmanager
async def connected(running: Program) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of it."""
    access = load(running.state / "kubeconfig")
    trust = aiohttp.TCPConnector(ssl=ssl.create_default_context(cadata=access.ca.decode()), limit=0)
    headers = {"authorization": f"Bearer {access.token}"}
    async with aiohttp.ClientSession(
        access.server, connector=trust, headers=headers, timeout=aiohttp.ClientTimeout(30)
    ) as session:
        yield session


def config_map(name: str, size: int = 1_000, **data: str) -> dict[str, Any]:
    """One of about a size."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name},
        "data": {"fill": "x" * size, **data},
    }


async def versions(http: aiohttp.ClientSession) -> dict[str, int]:
    """The resource versions of all config maps."""
    async with http.get(MAPS) as answer:
        found = orjson.loads(await answer.read())
    return {obj["metadata"]["name"]: int(obj["metadata"]["resourceVersion"]) for obj in found["items"]}


# --- kill -9 -------------------------------------------------------------------------------------------------------


class Writer:
    """Creates, changes and deletes objects of its own, and remembers what was acknowledged."""

    def __init__(self, number: int) -> None:
        self.prefix = f"lane-{number}"
        self.there: dict[str, int] = {}
        """Acknowledged versions; 0: acknowledged to be gone."""
        self.doubtful = ""
        """What a request that got no answer was about: both outcomes are right."""
        self.count = 0

    async def write(self, http: aiohttp.ClientSession) -> None:
        """Until the connection breaks."""
        with suppress(aiohttp.ClientError, ConnectionError):
            while True:
                self.count += 1
                name = f"{self.prefix}-{self.count % 7}"
                self.doubtful = name
                if not self.there.get(name):
                    sent = http.post(MAPS, json=config_map(name))
                elif self.count % 3 == 0:
                    sent = http.delete(f"{MAPS}/{name}")
                else:
                    sent = http.put(f"{MAPS}/{name}", json=config_map(name, count=str(self.count)))
                async with sent as answer:
                    body = orjson.loads(await answer.read())
                    assert answer.status in (200, 201), body
                self.there[name] = int(body["metadata"]["resourceVersion"]) if body["kind"] == "ConfigMap" else 0
                self.doubtful = ""

    def lost(self, found: dict[str, int]) -> list[str]:
        """What was acknowledged and is not so."""
        wrong = [
            f"{name}: acknowledged {version}, found {found.get(name, 0)}"
            for name, version in self.there.items()
            if found.get(name, 0) != version and name != self.doubtful
        ]
        if self.doubtful and 0 < found.get(self.doubtful, 0) < self.there.get(self.doubtful, 0):
            wrong.append(f"{self.doubtful}: older than acknowledged")
        self.there = {name: version for name, version in found.items() if name.startswith(f"{self.prefix}-")}
        return wrong


async def test_kill_9_in_the_middle_of_writes(server: Program) -> None:
    """Whatever was acknowledged to any of many writers is there after the restart, at the version that it was told."""
    chance = random.Random(4711)
    writers = [Writer(number) for number in range(LANES)]
    acknowledged = 0
    for _ in range(KILLS):
        async with connected(server) as http:
            writing = asyncio.gather(*(writer.write(http) for writer in writers))
            await asyncio.sleep(chance.uniform(0.1, 0.6))  # the moment of the fault, not a wait for anything
            await asyncio.to_thread(server.kill)
            await writing
        await asyncio.to_thread(server.start)
        async with connected(server) as http:
            found = await versions(http)
        acknowledged += sum(writer.count for writer in writers)
        assert [text for writer in writers for text in writer.lost(found)] == []
    assert acknowledged > KILLS * LANES


# --- no room -------------------------------------------------------------------------------------------------------


async def fill(http: aiohttp.ClientSession, there: dict[str, int], limit: int) -> tuple[int, dict[str, Any]]:
    """Write until a write is refused; the refusal."""
    for n in range(limit):
        async with http.post(MAPS, json=config_map(f"fill-{len(there)}-{n}", 50_000)) as answer:
            body = orjson.loads(await answer.read())
            if answer.status != 201:
                return answer.status, body
            there[body["metadata"]["name"]] = int(body["metadata"]["resourceVersion"])
    raise AssertionError("nothing was refused")


async def goes_on_reading(server: Program, there: dict[str, int]) -> None:
    """While writes are refused: gets, lists and watches work, and what was refused was never seen."""
    async with connected(server) as http:
        assert there.items() <= (await versions(http)).items()
        async with http.get(MAPS, params={"watch": "true", "timeoutSeconds": "1"}) as watch:
            lines = (await watch.read()).splitlines()
        assert {orjson.loads(line)["object"]["metadata"]["name"] for line in lines} == set(await versions(http))


async def takes_writes_again(server: Program, there: dict[str, int]) -> None:
    """And keeps them, and all from before, through a kill."""
    async with connected(server) as http, http.post(MAPS, json=config_map("after", 50_000)) as answer:
        assert answer.status == 201
    await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)
    async with connected(server) as http:
        found = await versions(http)
    assert {*there, "after"} <= set(found)


async def test_a_file_that_may_not_grow(server: Program) -> None:
    """Writes are refused with the file and the reason, reads go on, and all is well once it may grow again."""
    assert server.process is not None
    pid, there = server.process.pid, dict[str, int]()
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (1 << 20, before[1]))

    async with connected(server) as http:
        status, body = await fill(http, there, 200)
    await goes_on_reading(server, there)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
    await takes_writes_again(server, there)

    assert (status, body["code"], body["status"]) == (500, 500, "Failure")
    assert "the write was not stored: " in body["message"]
    assert "cluster.sqlite cannot be written: disk I/O error" in body["message"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 8 MB, where the machine lets us make one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if made.returncode:
        pytest.skip(f"no disk of our own can be mounted: {made.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


async def test_a_full_disk(small_disk: Path) -> None:
    """507 that says what to do, reads go on, nothing acknowledged is lost, and room is all that it needs."""
    there: dict[str, int] = {}
    ballast = small_disk / "ballast"
    await asyncio.to_thread(ballast.write_bytes, bytes(4_000_000))
    with program(small_disk / "run", "--no-simulate", verb="apiserver") as server:
        async with connected(server) as http:
            status, body = await fill(http, there, 200)
        await goes_on_reading(server, there)
        await asyncio.to_thread(ballast.unlink)
        await takes_writes_again(server, there)

        assert (status, body["reason"]) == (507, "ServiceUnavailable")
        assert "cluster.sqlite cannot be written: database or disk is full; make room on its disk" in body["message"]
        assert len(there) > 5


async def test_delivery_outlives_a_full_disk(tmp_path: Path) -> None:
    """A commit that comes while nothing can be stored arrives by itself once there is room."""
    repository = Repository.of(tmp_path / "repo")
    repository.write("app/map.yaml", MANIFEST % "one")
    repository.commit("one")
    with program(tmp_path / "run", "--map", f"{URL}={repository.folder}") as running:
        assert running.process is not None
        async with connected(running) as http:

            async def says() -> str:
                async with http.get(f"{MAPS}/told") as answer:
                    return orjson.loads(await answer.read()).get("data", {}).get("says", "")

            async def until_it_says(text: str) -> None:
                async with asyncio.timeout(60):
                    while await says() != text:  # noqa: ASYNC110 - another process sets no event here
                        await asyncio.sleep(0.02)

            async with http.post("/apis/argoproj.io/v1alpha1/namespaces/argocd/applications", json=APPLICATION) as made:
                assert made.status == 201, await made.read()
            await until_it_says("one")
            before = resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (4_096, before[1]))
            refused, _ = await fill(http, {}, 20)
            repository.write("app/map.yaml", MANIFEST % "two")
            repository.commit("two")
            async with http.get("/api/v1/namespaces", params={"watch": "true", "timeoutSeconds": "3"}) as watch:
                await watch.read()
            meanwhile = await says()
            resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, before)
            await until_it_says("two")

    assert (refused, meanwhile) == (500, "one")


# --- two, and damage -----------------------------------------------------------------------------------------------


def trueup(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A command that has to end by itself."""
    command = [sys.executable, "-m", "trueup.cli.main", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("verb", ["up", "apiserver"])
def test_a_second_process_is_refused(server: Program, verb: str) -> None:
    """It says which folder and which process, and the first goes on."""
    assert server.process is not None

    second = trueup(verb, "--state", str(server.state), "--listen", "127.0.0.1:0")

    assert second.returncode == 1
    assert f"{server.state} is in use by another trueup (process {server.process.pid})" in second.stderr
    assert "Traceback" not in second.stderr
    assert "default" in server.kubectl("get", "namespaces") if shutil.which("kubectl") else True


@pytest.mark.parametrize("damage", ["begin", "middle", "object"])
def test_a_damaged_database_is_named(server: Program, damage: str) -> None:
    """Which file, what is wrong, what can be done; nothing is served from it, and it is left as it is."""
    assert server.stop() == 0
    path = server.state / "cluster.sqlite"
    content = bytearray(path.read_bytes())
    if damage == "begin":
        content[:100] = b"x" * 100
    elif damage == "middle":
        content[4 * 4096 : 6 * 4096] = bytes(2 * 4096)
    else:
        at = content.find(b'"name":"kube-node-lease"')
        content[at + 9 : at + 13] = b"KUBE"
    path.write_bytes(content)

    again = trueup("apiserver", "--state", str(server.state), "--listen", "127.0.0.1:0")

    assert again.returncode == 1
    assert str(path) in again.stderr
    assert "restore it, or move it away to start empty" in again.stderr
    assert "Traceback" not in again.stderr
    assert path.read_bytes() == content
