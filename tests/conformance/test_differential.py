"""The same writes to two clusters end in the same objects, owners of fields and refusals.

In process against HTTP always; the embedded cluster against a genuine Kubernetes where ``--kubeconfig`` names one.
"""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.conformance import sequences
from tests.conformance.sequences import Step
from tests.conformance.walks import walk
from trueup.app.embedded import embedded
from trueup.client.http import HttpClient
from trueup.client.kubeconfig import load
from trueup.kube.names import Object, Ref
from trueup.kube.problems import ApiProblem, Conflict
from trueup.merge.changes import changes
from trueup.ports import Client
from trueup.runtime.clock import SystemClock
from trueup.settings import Settings

Pair = tuple[Client, Client]
KINDS = list(sequences.kinds("space"))
_OWN = frozenset(
    {
        "uid", "resourceVersion", "creationTimestamp", "time", "lastTransitionTime", "lastPhaseTransitionTime",
        "clusterIP", "clusterIPs", "nodePort", "healthCheckNodePort",
    }
)  # fmt: skip
"""What no two clusters have the same."""
_UID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


ELSEWHERE = {
    "PersistentVolumeClaim pvc": ("metadata.finalizers",),
    "PersistentVolume pv": ("metadata.finalizers",),
    "ValidatingAdmissionPolicy vap": ("status", "metadata.managedFields[2]"),
}
"""What differs and why: nothing of the embedded cluster protects volumes and claims that are in use from deletion; and it
checks the types of policies itself, for which a genuine one needs its controllers."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """In process against HTTP; HTTP against the genuine one."""
    if "pair" in metafunc.fixturenames:
        genuine = ["genuine"] if metafunc.config.getoption("--kubeconfig") else []
        metafunc.parametrize("pair", ["own", *genuine], indirect=True)


@pytest.fixture
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[Pair]:
    """(expected, actual)."""
    async with AsyncExitStack() as stack:

        async def over_http(kubeconfig: Path) -> HttpClient:
            client = await HttpClient.connect(load(kubeconfig))
            stack.push_async_callback(client.close)
            return client

        own = await stack.enter_async_context(embedded(Settings(state=None, port=0), SystemClock()))
        if request.param == "genuine":
            yield await over_http(Path(request.config.getoption("--kubeconfig"))), own.client
            return
        other = await stack.enter_async_context(embedded(Settings(state=None, port=0), SystemClock()))
        yield own.client, await over_http(other.kubeconfig)


@pytest.fixture
async def space(pair: Pair) -> AsyncIterator[str]:
    """A namespace of that name in both."""
    name = f"diff-{uuid.uuid4().hex[:8]}"
    made = sequences.obj("v1", "Namespace", name)
    for client in pair:
        await client.create(made)
    yield name
    for client in pair:
        await client.delete(Ref.of(made), propagation="Background")


async def both(pair: Pair, steps: Sequence[Step]) -> list[str]:
    """Runs the steps on both; what differs, a line each."""
    told = []
    for name, call in steps:
        expected, actual = [await answer(client, call) for client in pair]
        told += [f"{name}: {line}" for line in differences(expected, actual)]
    return told


async def answer(client: Client, call: sequences.Call) -> Object:
    """What a call ends in, without what no two clusters have the same."""
    try:
        return plain(await call(client))
    except ApiProblem as problem:
        causes = [[cause.reason, cause.field, cause.message] for cause in problem.causes]
        if isinstance(problem, Conflict):  # which manager comes first is chance
            causes.sort()
        return {"error": type(problem).__name__, "message": problem.message, "causes": causes}


def plain(value: Any, key: str = "") -> Any:
    """Comparable: own things out, owners of fields in one order, nothing said of what is null."""
    if isinstance(value, dict):
        return {name: plain(inner, name) for name, inner in value.items() if name not in _OWN and inner is not None}
    if isinstance(value, list):
        found = [plain(inner) for inner in value]
        if key == "managedFields":
            found.sort(key=lambda entry: (entry["operation"], entry["manager"], entry.get("subresource", "")))
        return found
    return _UID.sub("UID", value) if isinstance(value, str) else value


def differences(expected: Object, actual: Object) -> list[str]:
    """One line each."""
    return [f"{change.path}: {change.old!r} expected, not {change.new!r}" for change in changes(expected, actual)]


async def define(pair: Pair, space: str) -> Object:
    """The custom kind, served in both."""
    made = sequences.definition(space)
    for client in pair:
        await client.create(made)
        # A genuine one serves the kind a moment later, and what an apply knows of it another moment later.
        unfit = sequences.apply({**sequences.widget(space), "bogus": 1}, "m", dry_run=True)
        async with asyncio.timeout(30):
            while True:
                told = await answer(client, unfit)
                if "bogus" in str(told.get("message")):
                    break
                await asyncio.sleep(0.1)
    return made


async def test_a_deployment_that_many_write(pair: Pair, space: str) -> None:
    """Appliers, editors, a scaler and a controller."""
    assert await both(pair, sequences.deployment(space)) == []


async def test_what_is_refused(pair: Pair, space: str) -> None:
    """Classes, words and causes."""
    assert await both(pair, sequences.refusals(space)) == []


@pytest.mark.parametrize("seed", range(4))
async def test_a_random_walk_over_a_deployment(pair: Pair, space: str, seed: int) -> None:
    """Whatever appliers, editors, a scaler and a controller do, in whatever order."""
    assert await both(pair, walk(space, seed, "deployment")) == []


@pytest.mark.parametrize("seed", range(4))
async def test_a_random_walk_over_a_custom_object(pair: Pair, space: str, seed: int) -> None:
    """Up to where Kubernetes leaves a null behind for a field that an applier let go, and refuses its own doing."""
    definition = await define(pair, space)
    told: list[str] = []
    for step in walk(space, seed, "widget"):
        told = await both(pair, [step])
        if told:
            break
    for client in pair:
        await client.delete(Ref.of(definition))
    if any('of type object: "null"' in line or 'of type array: "null"' in line for line in told):
        return  # the embedded cluster leaves nothing there, or something empty
    assert [line for line in told if not line.endswith(("None expected, not {}", "None expected, not []"))] == []


@pytest.mark.parametrize("kind", KINDS)
async def test_every_kind(pair: Pair, space: str, kind: str) -> None:
    """Applied, labelled by hand, applied again: defaults, status, generations and owners."""
    steps = sequences.kinds(space)[kind]
    told = await both(pair, steps)
    told = [line for line in told if not line.partition(": ")[2].startswith(ELSEWHERE.get(kind, ()))]
    for client in pair:
        live = next(what for what in sequences.of_each_kind(space) if f"{what['kind']} " in f"{kind} ")
        if "namespace" not in live["metadata"]:
            await client.delete(Ref.of(live), propagation="Background")
    assert told == []


async def test_a_custom_object(pair: Pair, space: str) -> None:
    """Keyed lists, sets, open parts, defaults, status."""
    definition = await define(pair, space)
    told = await both(pair, sequences.custom(space))
    for client in pair:
        await client.delete(Ref.of(definition))
    assert told == []


async def test_values_of_the_wrong_type(pair: Pair, space: str) -> None:
    """Built-in and custom kinds refuse them in the same words."""
    definition = await define(pair, space)
    told = await both(pair, sequences.values(space))
    for client in pair:
        await client.delete(Ref.of(definition))
    assert told == []
