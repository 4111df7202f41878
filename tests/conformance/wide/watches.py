"""Watches that are held while a sequence runs: what one server tells of it is what the other tells, and in that order.

The runner opens them before the first call, of everything, of what has a label, and of one name, and asks at the end. Three ways
to hear must agree: live, again from the version where it began, and the initial events of a watch that begins now. A server that
has forgotten the version answers 410, and only what is there now can be compared, as a client that has to list again does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson

from tests.conformance.wide.calls import Json, Side

INITIAL: Mapping[str, str] = {
    "sendInitialEvents": "true",
    "resourceVersionMatch": "NotOlderThan",
    "allowWatchBookmarks": "true",
}
END = "k8s.io/initial-events-end"
ATTEMPTS = 10
PATIENT = ("1", "4", "15")
PATIENCE = 30.0
"""Seconds that a watch may take to tell what is known to have happened."""


@dataclass(slots=True)
class Held:
    """One watch, and what it told."""

    side: Side
    path: str
    selection: Mapping[str, str]
    answer: aiohttp.ClientResponse
    events: list[Json] = field(default_factory=list)
    start: str = ""
    news: asyncio.Event = field(default_factory=asyncio.Event)
    reader: asyncio.Task[None] | None = None

    async def listen(self) -> None:
        """Take down all that comes."""
        async for event in lines(self.answer):
            self.events.append(event)
            self.news.set()

    async def has(self, count: int) -> None:
        """Return when it has told so much, or had the time to."""
        try:
            async with asyncio.timeout(PATIENCE):
                while len(self.events) < count:
                    self.news.clear()
                    await self.news.wait()
        except TimeoutError:
            return


async def lines(answer: aiohttp.ClientResponse) -> Any:
    """The events of a stream."""
    async for line in answer.content:
        if line.strip():
            yield orjson.loads(line)


async def _watch(side: Side, path: str, query: Mapping[str, str]) -> aiohttp.ClientResponse:
    params = {"watch": "true", **query}
    answer = await side.session.get(side.url + path, params=params, timeout=aiohttp.ClientTimeout(total=None))
    if answer.status != 200:
        text = await answer.text()
        raise RuntimeError(f"{side.url}{path} {params}: {answer.status} {text}")
    return answer


async def _initial(side: Side, path: str, selection: Mapping[str, str]) -> tuple[aiohttp.ClientResponse, list[Json]]:
    """A watch up to where its initial events end. A genuine server that is kept busy ends some before: then again."""
    for _ in range(ATTEMPTS):
        answer = await _watch(side, path, {**INITIAL, **selection})
        events: list[Json] = []
        async with asyncio.timeout(PATIENCE):
            while line := await answer.content.readline():
                events.append(orjson.loads(line))
                if END in (events[-1]["object"]["metadata"].get("annotations") or {}):
                    return answer, events
        answer.close()
    raise RuntimeError(f"{side.url}{path}: ended before the initial events did")


class Watches:
    """Those of one sequence on one server."""

    def __init__(self, side: Side, path: str, selections: list[Mapping[str, str]]) -> None:
        self.side, self.path, self.selections = side, path, selections
        self.held: list[Held] = []

    async def open(self) -> None:
        """Begin to listen."""
        for selection in self.selections:
            answer, events = await _initial(self.side, self.path, selection)
            held = Held(
                self.side, self.path, selection, answer, start=events[-1]["object"]["metadata"]["resourceVersion"]
            )
            held.reader = asyncio.create_task(held.listen())
            self.held.append(held)

    async def close(self) -> None:
        """Listen no more."""
        for held in self.held:
            held.answer.close()
            if held.reader is not None:
                held.reader.cancel()
                await asyncio.wait((held.reader,))

    async def told(self) -> list[Json]:
        """Of each watch: what it told, what is told again, what is there now; comparable."""
        return list(await asyncio.gather(*map(self._told, self.held)))

    async def _told(self, held: Held) -> Json:
        again = await self._again(held)
        expired = any(event["type"] == "ERROR" for event in again)
        if not expired:
            await held.has(len(again))
        answer, now = await _initial(self.side, self.path, held.selection)
        answer.close()
        live = [event for event in held.events if event["type"] != "BOOKMARK"]
        told: Json = {"selection": dict(held.selection), "now": list(map(self._plain, now)), "expired": expired}
        if not expired:
            told["live"] = _news(list(map(self._plain, live)))
            told["repeats"] = len(live) - len(told["live"])
            told["again"] = "as live" if again == live else list(map(self._plain, again))
        return told

    async def _again(self, held: Held) -> list[Json]:
        """What is told from where it began; a server that is kept busy is given more time for as much as it told live."""
        told: list[Json] = []
        for seconds in PATIENT:
            query = {**held.selection, "resourceVersion": held.start, "timeoutSeconds": seconds}
            answer = await _watch(self.side, self.path, query)
            told = [event async for event in lines(answer)]
            if len(told) >= sum(event["type"] != "BOOKMARK" for event in held.events):
                break
        return told

    def _plain(self, event: Json) -> Json:
        obj = event["object"]
        if event["type"] == "BOOKMARK":
            end = {END: obj["metadata"]["annotations"][END]}
            shown = {"kind": obj["kind"], "apiVersion": obj["apiVersion"], "annotations": end}
            return {"type": "BOOKMARK", "object": shown}
        return {"type": event["type"], "object": self.side._plain(obj)}


def _news(events: list[Json]) -> list[Json]:
    """Without those that say again what was said.

    Genuine servers write anew what differs in nothing but how it is encoded; the runner minds that none else does.
    """
    last: dict[str, Json] = {}
    kept = []
    for event in events:
        name = event["object"]["metadata"]["name"]
        if event["type"] != "MODIFIED" or last.get(name) != event["object"]:
            kept.append(event)
        last[name] = event["object"]
    return kept


def selections(*, namespaced: bool, name: str) -> list[Mapping[str, str]]:
    """What the watches of a sequence are of. What lives in no namespace is picked by its name, for others are there too."""
    mine = {"fieldSelector": f"metadata.name={name}"}
    if namespaced:
        return [{}, {"labelSelector": "a"}, mine]
    return [mine, {**mine, "labelSelector": "a"}]
