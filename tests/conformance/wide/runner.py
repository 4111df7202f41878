"""Puts sequences to two servers at once and tells what they answer differently.

    python -m tests.conformance.wide.runner EXPECTED ACTUAL [--first N] [--count N] [--only Kind,...] [--jobs N]

The arguments are kubeconfigs. A sequence is *clean* where every call gets the same code, the same reason and the same object
from both, and every watch tells the same; it is so *word for word* where messages, causes, warnings, headers and the cells of
Tables are the same too; else it *differs*.
Each difference is told with its seed and the number of the call: replay it by ``--first SEED --count 1``.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import re
import ssl
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import orjson

from tests.conformance.sequences import obj
from tests.conformance.wide.calls import Call, Json, Side, essence
from tests.conformance.wide.definitions import definitions
from tests.conformance.wide.sequences import Sequence
from tests.conformance.wide.surface import Surface, surface
from tests.conformance.wide.watches import Watches, selections
from trueup.client.kubeconfig import load
from trueup.merge.changes import changes

LENGTH = (8, 22)
OUT_OF_TIME = 504


@dataclass(slots=True)
class Difference:
    """One answer that differs."""

    seed: int
    number: int
    about: str
    call: Call
    lines: list[str]
    worded: bool = False
    """Whether it is but one of words."""

    def show(self) -> str:
        """For people."""
        where = f"{'words of ' if self.worded else ''}seed {self.seed} call {self.number} {self.about}"
        return "\n".join(
            [
                f"{where}: {self.call.show()[:1500]}",
                *(f"    {line[:1200]}" for line in self.lines[:8]),
            ]
        )


@dataclass(slots=True)
class Report:
    """What a run came to."""

    sequences: int = 0
    calls: int = 0
    events: int = 0
    """That watches told alike."""
    expired: int = 0
    """Watches that could not be heard again, for the expected server had forgotten where they began."""
    broken: int = 0
    """Sequences that ended because the expected server hung up, or ran out of time."""
    codes: Counter[int] = field(default_factory=Counter)
    messages: Counter[str] = field(default_factory=Counter)
    touched: set[str] = field(default_factory=set)
    kinds: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)

    def note(self, told: Json) -> None:
        """Count an answer."""
        self.calls += 1
        self.codes[told["code"]] += 1
        if told["code"] >= 400:
            for cause in ((told.get("status") or {}).get("details") or {}).get("causes") or [
                {"message": (told.get("status") or {}).get("message", "")}
            ]:
                self.messages[shape(cause.get("message", ""))] += 1

    def summary(self) -> str:
        """One paragraph."""
        refused = sum(count for code, count in self.codes.items() if code >= 400)
        share = 100 * refused // max(1, self.calls)
        return (
            f"{self.clean} of {self.told} sequences clean, {self.word_for_word} of {self.told} word for word,"
            f" {self.told - self.clean} differ ({self.calls} calls, {share} % refused with {len(self.messages)} kinds of"
            f" messages, {len(self.kinds)} kinds, {len(self.touched)} fields touched; {self.events} events of watches the"
            f" same, {self.expired} forgotten, {self.broken} without an answer; codes {dict(sorted(self.codes.items()))})"
        )

    @property
    def told(self) -> int:
        """How many sequences there were, but for those in which the expected server hung up."""
        return self.sequences - self.broken

    @property
    def clean(self) -> int:
        """How many sequences had equal codes, reasons and objects."""
        return self.told - len({one.seed for one in self.differences if not one.worded})

    @property
    def word_for_word(self) -> int:
        """How many had equal words too."""
        return self.told - len({one.seed for one in self.differences})


def shape(message: str) -> str:
    """A message without its values."""
    return re.sub(r"\d+", "N", re.sub(r'"(?:[^"\\]|\\.)*"', '"…"', message))[:160]


async def connect(stack: contextlib.AsyncExitStack, kubeconfig: Path) -> Side:
    """A session to the server of a kubeconfig."""
    access = load(kubeconfig)
    trust = ssl.create_default_context(cadata=access.ca.decode() if access.ca else None)
    trust.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if access.certificate and access.key:
        with tempfile.NamedTemporaryFile() as shown:
            shown.write(access.certificate + b"\n" + access.key)
            shown.flush()
            trust.load_cert_chain(shown.name)
    headers = {"Authorization": f"Bearer {access.token}"} if access.token else {}
    session = aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(ssl=trust, limit=0))
    await stack.enter_async_context(session)
    return Side(session, access.server.rstrip("/"))


async def compare(
    expected: Side, actual: Side, seed: int, served: Surface, run: str, report: Report, only: str
) -> None:
    """One sequence, to its end or the first difference that is more than one of words."""
    space = f"{run}-{seed}"
    sequence = Sequence(seed, space, served, only)
    pair = expected.fresh(), actual.fresh()
    if sequence.resource.namespaced:
        for prepared in prepare(space):
            await asyncio.gather(*(side.send(prepared) for side in pair))
    about = f"{sequence.base['apiVersion']} {sequence.base['kind']}"
    report.sequences += 1
    report.kinds[about] += 1
    watches = [
        Watches(side, sequence.collection, selections(namespaced=sequence.resource.namespaced, name=sequence.name))
        for side in pair
    ]
    try:
        await asyncio.gather(*(one.open() for one in watches))
        if await _walk(sequence, pair, about, report):
            await _overheard(sequence, watches, about, report)
    finally:
        for one in watches:
            await one.close()
    report.touched |= {f"{about} {path}" for path in sequence.values.touched}


async def _walk(sequence: Sequence, pair: tuple[Side, Side], about: str, report: Report) -> bool:
    """All calls, to the end or where more than words differs; whether it came to the end."""
    worded = False
    for number, call in enumerate(sequence.calls(sequence.chance.randint(*LENGTH))):
        wanted, got = await asyncio.gather(*(side.send(call) for side in pair), return_exceptions=True)
        if isinstance(wanted, ConnectionError) or (isinstance(wanted, dict) and wanted["code"] == OUT_OF_TIME):
            # A genuine server panics at some patches, and has no time when it is kept busy: what is right nobody knows.
            report.broken += 1
            return False
        if isinstance(got, BaseException):
            raise got
        assert isinstance(wanted, dict)
        report.note(wanted)
        if differs := lines(essence(wanted), essence(got)):
            report.differences.append(Difference(sequence.seed, number, about, call, differs + lines(wanted, got)))
            return False
        if not worded and (differs := lines(wanted, got)):
            report.differences.append(Difference(sequence.seed, number, about, call, differs, worded=True))
            worded = True
    return True


def lines(expected: Json, actual: Json) -> list[str]:
    """What differs, a line each."""
    return [f"{change.path}: {change.old!r} expected, not {change.new!r}" for change in changes(expected, actual)]


async def _overheard(sequence: Sequence, watches: list[Watches], about: str, report: Report) -> None:
    """What the watches told meanwhile."""
    wanted, got = await asyncio.gather(*(one.told() for one in watches))
    for expected, actual in zip(wanted, got, strict=True):
        if expected.pop("expired"):
            report.expired += 1
            actual = {name: actual[name] for name in ("selection", "now")}
        else:
            actual.pop("expired")
            report.events += len(expected["live"])
            actual["repeats"] = max(actual["repeats"], expected["repeats"])
        if found := lines(expected, actual):
            call = Call("watch", "GET", sequence.collection, {"watch": "true", **expected["selection"]})
            report.differences.append(Difference(sequence.seed, 99, about, call, found))
            return


def prepare(space: str) -> list[Call]:
    """The namespace of a sequence and what its pods need."""
    account = obj("v1", "ServiceAccount", "default", space)
    return [
        Call("namespace", "POST", "/api/v1/namespaces", {}, obj("v1", "Namespace", space)),
        Call("account", "POST", f"/api/v1/namespaces/{space}/serviceaccounts", {}, account),
    ]


async def define(sides: tuple[Side, Side]) -> None:
    """The custom kinds, served by both in every respect."""
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    for made in definitions():
        for side in sides:
            told = await side.send(Call("define", "POST", path, {}, made))
            if told["code"] not in (201, 409):
                raise RuntimeError(f"{side.url}: {told}")
    for made in definitions():
        group, names = made["spec"]["group"], made["spec"]["names"]
        for side in sides:
            async with asyncio.timeout(60):
                while True:
                    async with side.session.get(f"{side.url}/apis/{group}/v1/{names['plural']}") as one:
                        listed = one.status
                    async with side.session.get(f"{side.url}/openapi/v3/apis/{group}/v1") as two:
                        text = await two.text()
                    if listed == 200 and f'"kind":"{names["kind"]}"' in text.replace(" ", ""):
                        break
                    await asyncio.sleep(0.2)


async def run(
    expected: Path, actual: Path, first: int, count: int, *, only: str = "", jobs: int = 24, name: str = "w"
) -> Report:
    """All sequences from the first seed on, some at a time."""
    report = Report()
    async with contextlib.AsyncExitStack() as stack:
        sides = await connect(stack, expected), await connect(stack, actual)
        await define(sides)
        served = await surface(sides[1].session, sides[1].url)
        seeds = iter(range(first, first + count))

        async def worker() -> None:
            for seed in seeds:
                await compare(*sides, seed, served, name, report, only)

        async with asyncio.TaskGroup() as group:
            for _ in range(jobs):
                group.create_task(worker())
    return report


def main() -> int:
    """From the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("expected", type=Path)
    parser.add_argument("actual", type=Path)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--only", default="")
    parser.add_argument("--jobs", type=int, default=24)
    parser.add_argument("--name", default="w")
    parser.add_argument("--messages", type=Path)
    options = parser.parse_args()
    report = asyncio.run(
        run(
            options.expected,
            options.actual,
            options.first,
            options.count,
            only=options.only,
            jobs=options.jobs,
            name=options.name,
        )
    )
    for one in report.differences:
        print(one.show())
    if options.messages:
        options.messages.write_bytes(
            orjson.dumps(
                {"messages": dict(report.messages.most_common()), "touched": sorted(report.touched)},
                option=orjson.OPT_INDENT_2,
            )
        )
    print(report.summary())
    return 1 if report.differences else 0


if __name__ == "__main__":
    sys.exit(main())
