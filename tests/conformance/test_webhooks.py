"""Webhooks over the wire do and say the same on the embedded cluster and on any that ``--kubeconfig`` names.

The cases and what is expected of them are those of the room's own tests; here both kinds of server answer them.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.hookserver import HookServer, Review, patching, verdict
from tests.rooms.apiserver.test_conversion import BAD, GROUP, converted, definition
from tests.rooms.apiserver.test_webhooks import CALLING, CONDITIONS, DENIALS, PATCHES, UNUSABLE, hook
from trueup.app.embedded import embedded
from trueup.client.http import HttpClient
from trueup.client.kubeconfig import load
from trueup.kube.names import Kind, Object, Ref
from trueup.kube.problems import ApiProblem
from trueup.ports import Client
from trueup.runtime.clock import SystemClock
from trueup.settings import Settings

ADMISSION = "admissionregistration.k8s.io"
DEFINITION = Kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition")
LEAD = f"conversion webhook for {GROUP}/v1, Kind=Host "


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test runs against every server at hand."""
    if "client" in metafunc.fixturenames:
        genuine = ["kubernetes"] if metafunc.config.getoption("--kubeconfig") else []
        metafunc.parametrize("client", ["embedded", *genuine], indirect=True)


@pytest.fixture
async def client(request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    """A client over HTTP."""
    async with AsyncExitStack() as stack:
        if request.param == "kubernetes":
            kubeconfig = Path(request.config.getoption("--kubeconfig"))
        else:
            cluster = await stack.enter_async_context(embedded(Settings(state=None, port=0), SystemClock()))
            kubeconfig = cluster.kubeconfig
        made = await HttpClient.connect(load(kubeconfig))
        stack.push_async_callback(made.close)
        yield made


@pytest.fixture
async def space(client: Client) -> AsyncIterator[str]:
    """A namespace of one's own."""
    name = f"webhooks-{uuid.uuid4().hex[:8]}"
    await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    await client.delete(Ref(Kind("", "v1", "Namespace"), "", name), propagation="Background")


async def until(holds: Any) -> None:
    """Asks again until something holds: configurations take effect in their own time."""
    async with asyncio.timeout(30):
        while not await holds():  # noqa: ASYNC110 - another server sets no event here
            await asyncio.sleep(0.05)


class Webhooks:
    """Webhooks of one configuration of each kind; each is asked about the objects that bear its label."""

    def __init__(self, client: Client, server: HookServer, space: str) -> None:
        self._client, self._server, self._space = client, server, space
        self._hooks: dict[str, list[Object]] = {"Validating": [], "Mutating": []}

    def add(self, kind: str, case: str, answer: Any, **spec: Any) -> None:
        """One more."""
        self._server.answers[f"/{case}"] = answer
        mine = {
            "objectSelector": {"matchLabels": {"case": case}},
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self._space}},
        }
        self._hooks[kind].append(hook(self._server.client(f"/{case}"), **mine, **spec))

    async def configure(self, stack: AsyncExitStack) -> None:
        """Store the configurations, wait until they are heeded, and take them away in the end."""
        for kind, hooks in self._hooks.items():
            self.add(kind, f"ready-{kind.lower()}", lambda review: verdict(review, False))
            for index, made in enumerate(hooks):
                made["name"] = "a.b.c" if "ready" not in str(made["objectSelector"]) else f"ready{index}.b.c"
            for number, one in enumerate(hooks):  # names are unique within a configuration alone
                name = f"{self._space}-{number}"
                obj = {
                    "apiVersion": f"{ADMISSION}/v1",
                    "kind": f"{kind}WebhookConfiguration",
                    "metadata": {"name": name},
                    "webhooks": [one],
                }
                await self._client.create(obj)
                stack.push_async_callback(
                    self._client.delete, Ref(Kind(ADMISSION, "v1", f"{kind}WebhookConfiguration"), "", name)
                )
        for kind in self._hooks:

            async def heeded(kind: str = kind) -> bool:
                said = await self.written(f"ready-{kind.lower()}")
                return isinstance(said, ApiProblem) and "denied the request" in said.message

            await until(heeded)

    async def written(self, case: str) -> Object | ApiProblem:
        """What a dry run of a new ConfigMap with a case's label ends in."""
        meta = {"name": "one", "namespace": self._space, "labels": {"case": case}}
        obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"k": "v"}}
        try:
            return await self._client.create(obj, dry_run=True)
        except ApiProblem as problem:
            return problem


async def test_admission(client: Client, space: str, tmp_path: Path) -> None:
    """Every denial, unusable answer, unfitting patch and condition of the room's tests, and a patch that fits."""
    wanted: dict[str, tuple[int, str]] = {}
    async with AsyncExitStack() as stack:
        server = stack.enter_context(HookServer(tmp_path))
        hooks = Webhooks(client, server, space)

        def case(kind: str, name: str, answer: Any, want: tuple[int, str], **spec: Any) -> None:
            hooks.add(kind, name, answer, **spec)
            wanted[name] = want

        for index, (said, (code, _, words)) in enumerate(DENIALS):
            text = f'admission webhook "a.b.c" denied the request{words}'
            case("Validating", f"denial-{index}", _refusing(said), (code, text))
        for index, (answer, words) in enumerate(UNUSABLE):
            case("Mutating", f"unusable-{index}", answer, (500, CALLING + words))
        for index, (operations, code, words) in enumerate(PATCHES):
            text = f"Internal error occurred: {words}" if code == 500 and "unknown conversion" not in words else words
            case("Mutating", f"patch-{index}", _patching(operations), (code, text))
        for index, (expression, code, words) in enumerate(CONDITIONS):
            conditions = [{"name": "c", "expression": expression}]
            case("Validating", f"cond-{index}", _refusing({}), (code, words), matchConditions=conditions)
        fits = [{"op": "add", "path": "/data/x", "value": "y"}, {"op": "remove", "path": "/data/k"}]
        hooks.add("Mutating", "fits", _patching(fits))
        await hooks.configure(stack)

        for name, (code, text) in wanted.items():
            found = await hooks.written(name)
            if isinstance(found, ApiProblem):
                assert (name, code) == (name, found.code)
                assert text in found.message
            else:
                assert (name, code) == (name, 201)
        fitted = await hooks.written("fits")
        assert not isinstance(fitted, ApiProblem)
        assert fitted["data"] == {"x": "y"}
        print(f"admission webhooks: {len(wanted) + 1} of {len(wanted) + 1}")


def _refusing(said: Review) -> Any:
    return lambda review: verdict(review, False, **said)


def _patching(operations: list[Review]) -> Any:
    return lambda review: patching(review, *operations)


async def test_conversion(client: Client, space: str, tmp_path: Path) -> None:
    """A webhook that converts, and everything that one can do wrong."""
    async with AsyncExitStack() as stack:
        server = stack.enter_context(HookServer(tmp_path))
        server.answers["/c"] = converted
        await client.create(definition(server.client("/c")))
        stack.push_async_callback(client.delete, Ref(DEFINITION, "", f"hosts.{GROUP}"))

        async def served() -> bool:
            try:
                for version in ("v1", "v2"):
                    await client.list(Kind(GROUP, version, "Host"), space)
            except ApiProblem:
                return False
            return True

        await until(served)
        meta = {"name": "a", "namespace": space}
        made = {"apiVersion": f"{GROUP}/v1", "kind": "Host", "metadata": meta, "spec": {"hostPort": "h:1"}}
        await client.create(made)
        v1, v2 = (Ref(Kind(GROUP, version, "Host"), space, "a") for version in ("v1", "v2"))
        assert (await client.get(v2))["spec"] == {"host": "h", "port": "1"}
        taken = {**made, "apiVersion": f"{GROUP}/v2", "spec": {"host": "x"}}
        applied = await client.apply(taken, manager="two", force=True)
        assert applied["spec"] == {"host": "x", "port": "1"}
        assert (await client.get(v1))["spec"] == {"hostPort": "x:1"}
        owners = [(e["manager"], e["fieldsV1"]) for e in applied["metadata"]["managedFields"]]
        assert ("two", {"f:spec": {"f:host": {}}}) in owners
        assert not any("f:hostPort" in str(fields) for _, fields in owners)
        for answer, words in BAD:
            server.answers["/c"] = answer
            with pytest.raises(ApiProblem) as refused:
                await client.get(v2)
            assert (refused.value.code, refused.value.message) == (500, LEAD + words.replace("default", space))
        server.answers["/c"] = converted
        await client.delete(v1)
        print(f"conversion webhooks: {len(BAD) + 4} of {len(BAD) + 4}")
