"""What is published of built-in kinds, beside a genuine Kubernetes: the OpenAPI documents and the columns of Tables.

Runs with ``--kubeconfig`` of a cluster of the version that is embedded by default.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.conformance.wide.runner import Side, connect
from trueup.app.embedded import embedded
from trueup.runtime.clock import SystemClock
from trueup.settings import Settings

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


@pytest.fixture
async def sides(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Side, Side]]:
    """(genuine, embedded)."""
    genuine = request.config.getoption("--kubeconfig")
    if not genuine:
        pytest.skip("--kubeconfig of a genuine Kubernetes is not given")
    async with AsyncExitStack() as stack:
        own = await stack.enter_async_context(embedded(Settings(state=None, port=0, simulate=False), SystemClock()))
        yield await connect(stack, Path(genuine)), await connect(stack, own.kubeconfig)


async def ask(side: Side, path: str, accept: str = "application/json") -> Any:
    """One answer."""
    async with side.session.get(side.url + path, headers={"Accept": accept}) as answer:
        return orjson.loads(await answer.read())


def differences(expected: Any, actual: Any, at: str = "") -> Iterator[str]:
    """Where two documents differ."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        for key in sorted(expected.keys() | actual.keys()):
            yield from differences(expected.get(key), actual.get(key), f"{at}/{key}")
    elif isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        for number, pair in enumerate(zip(expected, actual, strict=True)):
            yield from differences(*pair, f"{at}/{number}")
    elif expected != actual:
        yield f"{at}: {str(expected)[:100]} is {str(actual)[:100]}"


async def test_openapi_v3(sides: tuple[Side, Side]) -> None:
    """Every document of every group is the genuine one's."""
    genuine, own = [(await ask(side, "/openapi/v3"))["paths"] for side in sides]
    found = [path for path in genuine.keys() ^ own.keys() if not is_custom(path)]
    paths = sorted(path for path in genuine.keys() & own.keys() if not is_custom(path))
    for path in paths:
        pair = [
            await ask(side, listed[path]["serverRelativeURL"])
            for side, listed in zip(sides, (genuine, own), strict=True)
        ]
        found += (f"{path} {each}" for each in differences(*pair))
    print(f"{len(paths) - len({each.split()[0] for each in found})} of {len(paths)} documents of OpenAPI v3")

    assert found == []


def is_custom(path: str) -> bool:
    """Whether a group is of custom kinds, which another cluster may have: Kubernetes' own are words or end in ``k8s.io``."""
    group = path.split("/")[1] if path.startswith("apis/") else ""
    return "." in group and not group.endswith(".k8s.io")


async def test_openapi_v2(sides: tuple[Side, Side]) -> None:
    """The one old document is the genuine one's."""
    pair = [await ask(side, "/openapi/v2") for side in sides]
    for document in pair:
        for part in ("paths", "definitions"):
            document[part] = {name: each for name, each in document[part].items() if not is_custom(name.strip("/"))}

    assert list(differences(*pair)) == []


async def test_columns(sides: tuple[Side, Side]) -> None:
    """Every kind's columns have the names, types, formats, meanings and priorities of the genuine ones."""
    genuine, _ = sides
    groups = [path for path in (await ask(genuine, "/openapi/v3"))["paths"] if path.endswith(("/v1", "/v2"))]
    kinds = [
        f"/{group}/{resource['name']}"
        for group in groups
        if not is_custom(group)
        for resource in (await ask(genuine, f"/{group}"))["resources"]
        if "list" in resource["verbs"]
    ]
    found = []
    for kind in kinds:
        pair = [(await ask(side, kind, TABLE)).get("columnDefinitions") for side in sides]
        found += (f"{kind} {each}" for each in differences(*pair))
    print(f"{len(kinds) - len({each.split()[0] for each in found})} of {len(kinds)} kinds' columns")

    assert found == []
