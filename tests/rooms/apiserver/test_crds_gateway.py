"""Gateway API's own examples against its own definitions: what it accepts is accepted, what it refuses is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.corpora import corpus
from tests.rooms.apiserver.opened import opened
from trueup.apiserver.inprocess import InProcessClient
from trueup.kube.documents import parse
from trueup.kube.names import Kind, Object, Ref
from trueup.kube.problems import ApiProblem


def objects(folder: Path) -> Iterator[tuple[str, Object]]:
    """Every object of a folder, with its file."""
    for path in sorted(folder.rglob("*.yaml")):
        for document in parse(path.read_bytes(), str(path)):
            if isinstance(document.value, dict) and document.value.get("kind"):
                yield path.name, document.value


@pytest.mark.parametrize("channel", ["standard", "experimental"])
async def test_gateway_api(channel: str) -> None:
    """All examples that are right are stored; all that are wrong are refused."""
    root = corpus("gateway-api")
    async with opened() as hub:
        client = InProcessClient(hub)
        for _, definition in objects(root / "config/crd" / channel):
            if definition["kind"] == "CustomResourceDefinition":
                await client.create(definition)
        right = wrong = refused = 0
        for _, obj in objects(root / "examples" / channel):
            served = hub.serves(Kind.of(obj))
            if served.namespaced:
                obj["metadata"]["namespace"] = "default"
            await client.create(obj)
            await client.delete(Ref.of(obj))
            right += 1
        for name, obj in objects(root / "hack/invalid-examples" / channel):
            if hub.serves(Kind.of(obj)).namespaced:
                obj["metadata"]["namespace"] = "default"
            wrong += 1
            try:
                await client.create(obj, dry_run=True)
            except ApiProblem:
                refused += 1
            else:
                pytest.fail(f"{name} is accepted")
    print(f"gateway-api, {channel}: {right} of {right} accepted, {refused} of {wrong} refused")
