"""Comparing wanted with live by the server's own dry run, and remembering the answers. Called by ``pipeline``.

The memory holds, per object, the digests of both sides and what the comparison found. A unit that is looked at again while
neither side has changed costs digests only; the answer to a write counts as a comparison, so a fresh object costs one call.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, replace

import orjson

from trueup.apply.execute import immutable, undeclared
from trueup.delivery import jq
from trueup.kube.names import Object, Ref
from trueup.kube.problems import (
    ApiProblem,
    InternalError,
    NotFound,
    Timeout,
    TooManyRequests,
    Unauthorized,
    Unavailable,
)
from trueup.plan.adopt import concerns, without_unwanted
from trueup.plan.compare import SAME, Compared, bare, compare, told
from trueup.plan.ignore import rules_for, stripped
from trueup.plan.wanted import Ignore, Wanted
from trueup.ports import Client

_PASSING = (InternalError, Timeout, TooManyRequests, Unauthorized, Unavailable)
"""What says nothing of the object: the whole comparison fails and is tried again."""
_LIMIT = 500_000
PARALLEL = 16


def digest(value: object) -> bytes:
    """A short hash of JSON content, whatever the order of its keys."""
    return hashlib.blake2b(orjson.dumps(value, option=orjson.OPT_SORT_KEYS), digest_size=16).digest()


@dataclass(slots=True)
class _Known:
    """One remembered comparison."""

    wanted: bytes
    way: bytes
    live: bytes
    uid: str
    version: str
    found: Compared


@dataclass(frozen=True, slots=True)
class Way:
    """How one unit compares: under which manager and identity, ignoring what."""

    client: Client
    manager: str
    ignore: tuple[Ignore, ...] = ()
    adopt: tuple[str, ...] = ()
    lenient: bool = False
    """What the schema does not declare is dropped instead of refused."""
    tag: bytes = b""

    @classmethod
    def of(
        cls,
        client: Client,
        manager: str,
        identity: str,
        ignore: tuple[Ignore, ...],
        adopt: tuple[str, ...] = (),
        *,
        lenient: bool = False,
    ) -> Way:
        """With the tag that tells remembered answers of different ways apart."""
        said = [[r.group, r.kind, r.namespace, r.name, r.pointers, r.jq, r.managers] for r in ignore]
        return cls(client, manager, ignore, adopt, lenient, digest([manager, identity, said, adopt, lenient]))


class Comparisons:
    """The memory of one cluster."""

    def __init__(self) -> None:
        self._known: dict[Ref, _Known] = {}
        self._buried: dict[Ref, str] = {}

    async def all(self, way: Way, pairs: list[tuple[Wanted, Object]]) -> list[Compared]:
        """What differs in each pair of wanted and live, in the same order."""
        found: list[Compared | None] = []
        ask: list[int] = []
        for index, (wanted, live) in enumerate(pairs):
            known = self._remembered(way, wanted, live)
            found.append(known)
            if known is None:
                ask.append(index)
        for start in range(0, len(ask), PARALLEL):
            some = ask[start : start + PARALLEL]
            for index, answer in zip(
                some, await asyncio.gather(*(self._ask(way, *pairs[index]) for index in some)), strict=True
            ):
                found[index] = answer
        return [item if item is not None else SAME for item in found]

    def written(self, way: Way, wanted: Wanted, answer: Object) -> None:
        """The server answered this to a write of the wanted object: they are the same from here on."""
        self._remember(way, wanted, answer, SAME)

    def gone(self, ref: Ref, last: Object | None = None) -> None:
        """The object does not exist any more; ``last`` is what it was, for the watch may still have to tell of its end."""
        self._known.pop(ref, None)
        if last is not None:
            self._buried[ref] = str(last["metadata"].get("uid"))

    def seen(self, ref: Ref, live: Object | None) -> Object | None:
        """What is live, without what is known to be gone."""
        if not self._buried:
            return live
        if live is not None and self._buried.get(ref) == live["metadata"].get("uid"):
            return None
        self._buried.pop(ref, None)
        return live

    def _remembered(self, way: Way, wanted: Wanted, live: Object) -> Compared | None:
        known = self._known.get(wanted.ref)
        meta = live["metadata"]
        if known is None or known.way != way.tag or known.uid != meta.get("uid"):
            return None
        if known.wanted != digest(wanted.object):
            return None
        if known.version != meta.get("resourceVersion"):
            if known.live != digest(bare(live)):
                return None
            known.version = str(meta.get("resourceVersion"))
        return known.found

    def _remember(self, way: Way, wanted: Wanted, live: Object, found: Compared) -> None:
        if len(self._known) >= _LIMIT:
            self._known.clear()
        meta = live["metadata"]
        self._known[wanted.ref] = _Known(
            digest(wanted.object),
            way.tag,
            digest(bare(live)),
            str(meta.get("uid")),
            str(meta.get("resourceVersion")),
            found,
        )

    async def _ask(self, way: Way, wanted: Wanted, live: Object) -> Compared:
        try:
            predicted = await way.client.apply(wanted.object, manager=way.manager, force=True, dry_run=True)
        except _PASSING:
            raise
        except ApiProblem as problem:
            found = await self._refused(way, wanted, live, problem)
        else:
            found = await self._difference(way, wanted, bare(live), bare(predicted))
        self._remember(way, wanted, live, found)
        return found

    async def _refused(self, way: Way, wanted: Wanted, live: Object, problem: ApiProblem) -> Compared:
        """What the refusal of an apply comes to; where nothing is validated, a patch drops what the schema does not declare."""
        lenient = way.lenient if wanted.options.validate is None else not wanted.options.validate
        if lenient and undeclared(problem):
            try:
                patched = await way.client.patch(wanted.ref, wanted.object, "merge", manager=way.manager, dry_run=True)
                return await self._difference(way, wanted, bare(live), bare(patched))
            except _PASSING:
                raise
            except ApiProblem as again:
                problem = again
        where = f"{wanted.origin}: " if wanted.origin else ""
        said = told(wanted.ref, problem.message, secret=wanted.options.secret)
        return Compared(refused=where + said, immutable=immutable(problem))

    async def _difference(self, way: Way, wanted: Wanted, live: Object, predicted: Object) -> Compared:
        rules = rules_for(way.ignore, wanted.ref)
        adopts = wanted.options.how != "merge" and concerns(live, way.adopt)
        if live == predicted and not adopts:
            return SAME
        entries: list[Object] = []
        if adopts or any(rule.managers for rule in rules):
            entries = await _managed(way.client, wanted.ref)
        adopted = predicted
        if adopts:
            adopted = without_unwanted(predicted, wanted.object, entries, way.adopt, way.manager)
        found = adopted != predicted
        if rules:
            fields = {str(entry.get("manager")): entry.get("fieldsV1") or {} for entry in entries}
            live = stripped(live, rules, jq.without, fields)
            adopted = stripped(adopted, rules, jq.without, fields)
        compared = compare(live, adopted)
        return replace(compared, adopt=found) if found and compared.fields else compared


async def _managed(client: Client, ref: Ref) -> list[Object]:
    """The managed fields of the live object; what is cached has them not."""
    try:
        obj = await client.get(ref)
    except NotFound:
        return []
    return list(obj["metadata"].get("managedFields") or ())
