"""Whatever comes over the wire, the server does not break: bodies of any bytes and any JSON for every path and verb.

Reproducible by Hypothesis' own seeds; ``--sequences N`` says how many examples are tried.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conformance.wide.calls import APPLY, JSON, MERGE, STRATEGIC
from tests.conformance.wide.definitions import definitions
from tests.conformance.wide.runner import connect
from tests.conformance.wide.surface import Resource, surface
from trueup.app.embedded import embedded
from trueup.runtime.clock import SystemClock
from trueup.settings import Settings

UNFIT = (
    "failed to create typed patch object",
    "failed to convert new object",
    "strconv.ParseUint",
    "resourceVersion: ",
)
"""What Kubernetes answers 500 to as well, without a reason."""
WORDS = (
    "metadata", "spec", "status", "kind", "apiVersion", "name", "namespace", "labels", "annotations", "finalizers",
    "items", "template", "containers", "selector", "managedFields", "ownerReferences", "resourceVersion", "uid",
    "generateName", "op", "path", "value", "from", "$patch", "$retainKeys", "data", "rules", "replicas", "ports",
    "$setElementOrder/ports",
)  # fmt: skip
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False), st.text(max_size=8),
    st.sampled_from(("/", "/spec", "/metadata/-", "add", "replace", "remove", "test", "move", "2024-01-01T00:00:00Z", "v1")),
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=4), inner, max_size=5)
    ),
    max_leaves=14,
)
ODDITIES = (
    b"", b" ", b"\x00", b"NaN", b"[NaN]", b'{"a":1e999}', b'{"a":' * 1100 + b"1" + b"}" * 1100, b"[" * 20000, b'"\\ud800"',
    b'{"a":"\\udfff"}', b'{"\xff\xfe":1}', b"{1: 2}", b"? [a]\n: b", b"- a: &x 1\n- *x", b"---\n---\n", b'{"a":1,"a":2}',
    b"{'a'}",
    b'{"kind":"List","apiVersion":"v1","items":[{}]}', b'{"metadata":{"name":"' + b"a" * 70000 + b'"}}', b"!!python/object:x {}",
    b'{"metadata":{"labels":{"a":null}}}', b'{"spec":{"replicas":99999999999999999999}}', b'{"a":0x10}', b"\xef\xbb\xbf{}",
)  # fmt: skip
bodies = st.one_of(
    values.map(lambda value: orjson.dumps(_small(value))), st.binary(max_size=40), st.sampled_from(ODDITIES)
)
FORMS = (
    "application/json",
    "application/yaml",
    JSON,
    MERGE,
    STRATEGIC,
    APPLY,
    "text/plain",
    "application/vnd.kubernetes.protobuf",
)
METHODS = ("POST", "PUT", "PATCH", "DELETE", "GET")
QUERIES = (
    "", "fieldManager=m", "fieldManager=m&force=true", "dryRun=All", "fieldValidation=Strict", "labelSelector=%3D",
    "limit=-1", "continue=%00", "resourceVersion=x", "fieldSelector=a%3Db", "watch=x&timeoutSeconds=1",
    "propagationPolicy=x",
)  # fmt: skip


def _small(value: Any) -> Any:
    """With numbers that a JSON writer of 64 bits can write; the odd ones are written by hand above."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**63:
        return float(value)
    if isinstance(value, list):
        return [_small(item) for item in value]
    if isinstance(value, dict):
        return {name: _small(item) for name, item in value.items()}
    return value


class Served:
    """A server and the paths that it has."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop, self.stack = loop, AsyncExitStack()
        self.session: aiohttp.ClientSession
        self.url = ""
        self.paths: list[str] = []

    async def start(self) -> None:
        """With custom kinds, and an object of a few."""
        own = await self.stack.enter_async_context(
            embedded(Settings(state=None, port=0, simulate=False), SystemClock())
        )
        side = await connect(self.stack, own.kubeconfig)
        self.session, self.url = side.session, side.url
        for made in definitions():
            await self.ask(
                "POST",
                "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
                "application/json",
                orjson.dumps(made),
            )
        served = await surface(self.session, self.url)
        self.paths = sorted(path for one in served.values() for path in paths_of(one))
        data = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"a": "b"}}
        await self.ask("POST", "/api/v1/namespaces/default/configmaps", "application/json", orjson.dumps(data))

    async def ask(self, method: str, path: str, content: str, body: bytes) -> tuple[int, str]:
        """Code and text of the answer."""
        headers = {"Content-Type": content} if content else {}
        async with self.session.request(method, self.url + path, data=body, headers=headers) as answer:
            return answer.status, await answer.text(errors="replace")


def paths_of(resource: Resource) -> Iterator[str]:
    """Its list, an object, and its parts."""
    base = resource.collection("default")
    yield base
    yield f"{base}/x"
    yield from (f"{base}/x/{part}" for part in sorted(resource.subresources))


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """One server for all examples."""
    loop = asyncio.new_event_loop()
    made = Served(loop)
    loop.run_until_complete(made.start())
    yield made
    loop.run_until_complete(made.stack.aclose())
    loop.close()


def test_nothing_breaks_the_server(served: Served, request: pytest.FixtureRequest) -> None:
    """No answer is one of the server's own trouble, but where Kubernetes too says so of what does not fit."""
    tried: set[int] = set()

    @settings(
        max_examples=5 * int(request.config.getoption("--sequences")),
        suppress_health_check=list(HealthCheck),
        print_blob=True,
        database=None,
    )
    @given(
        st.sampled_from(METHODS),
        st.sampled_from(served.paths),
        st.sampled_from(FORMS),
        bodies,
        st.sampled_from(QUERIES),
    )
    def asked(method: str, path: str, content: str, body: bytes, query: str) -> None:
        code, text = served.loop.run_until_complete(served.ask(method, f"{path}?{query}", content, body))
        tried.add(code)
        message = orjson.loads(text).get("message", "") if code == 500 and text.startswith("{") else ""
        assert code < 500 or code in (501, 503, 504) or message.startswith(UNFIT), text[:400]

    asked()
    assert len(tried) > 5


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_oddities_of_json(served: Served, method: str) -> None:
    """Each is read or refused by every form of body."""
    collection = "/api/v1/namespaces/default/configmaps"
    path = collection if method == "POST" else f"{collection}/x"
    query = "?fieldManager=m&dryRun=All"
    broken = []
    for content in FORMS:
        for body in ODDITIES:
            code, text = served.loop.run_until_complete(served.ask(method, path + query, content, body))
            if code >= 500 and not any(word in text for word in UNFIT):
                broken.append((content, body[:40], code, text[:200]))
    assert broken == []
