"""A watch on the wire: lines of JSON or frames of protobuf, each encoded once for all who see the object as it is stored.

Called by `resources`; the events come from `verbs.watch`. Source: Kubernetes API concepts, "Efficient detection of changes".
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from functools import partial

import orjson

from trueup.apiserver import answers, negotiation, wire
from trueup.apiserver.hub import Hub
from trueup.apiserver.negotiation import Form
from trueup.apiserver.path import Target
from trueup.apiserver.registry import Served
from trueup.apiserver.request import Request, Response
from trueup.apiserver.tables import table
from trueup.apiserver.verbs.watch import BOOKMARK_EVERY, Change, Watcher, bookmark, check_initial
from trueup.kube import protobuf
from trueup.kube.names import Object
from trueup.kube.problems import ApiProblem, Expired
from trueup.kube.query import flag

_LONGEST = 3600
"""Seconds, where the client names no timeout."""
_PIECE = 64 * 1024
"""Bytes of lines that are sent as one piece when there are more than one to send."""
_BLANK = b" "
"""White space before an event's JSON says nothing to whoever reads JSON, by lines or by values."""


async def answer(hub: Hub, served: Served, request: Request, target: Target) -> Response:
    """The stream of one watch; what is wrong with the request is said before it starts."""
    query = request.query
    fields = query.get("fieldSelector", "")
    if target.name:
        fields = f"metadata.name={target.name}" + (f",{fields}" if fields else "")
    check_initial(query.get("resourceVersionMatch", ""), flag(query, "sendInitialEvents"))
    seconds = wire.number(query, "timeoutSeconds") or _LONGEST
    form = negotiation.streamed(request.headers, negotiation.CUSTOM if served.custom else negotiation.LISTS)
    watcher = Watcher(hub, served, target.namespace, query.get("labelSelector", ""), fields)
    await watcher.prime(query.get("resourceVersion", ""), initial=flag(query, "sendInitialEvents"))
    stream = _Stream(hub, served, request, form, watcher, seconds)
    warnings = (served.warning,) if served.warning else ()
    if form.media == negotiation.PROTOBUF:
        return Response(200, stream, f"{form.media};stream=watch", warnings=warnings)
    return Response(200, stream, form.media, warnings=warnings, opening=_BLANK)


class _Stream:
    """One watch in the form that its client accepts. Listens from the beginning, not only once it is read."""

    __slots__ = (
        "_closed", "_ended", "_ends", "_form", "_framed", "_headed", "_hub", "_include", "_initial", "_mark", "_marks",
        "_past", "_refusal", "_served", "_started", "_watcher",
    )  # fmt: skip

    def __init__(self, hub: Hub, served: Served, request: Request, form: Form, watcher: Watcher, seconds: int) -> None:
        query, now = request.query, asyncio.get_running_loop().time()
        self._hub, self._served, self._watcher, self._form = hub, served, watcher, form
        self._framed = form.media == negotiation.PROTOBUF
        self._include = query.get("includeObject", "Metadata")
        self._initial, self._marks = flag(query, "sendInitialEvents"), flag(query, "allowWatchBookmarks")
        self._ends, self._mark = now + seconds, now + BOOKMARK_EVERY
        self._headed, self._closed, self._ended = True, False, False
        self._refusal: ApiProblem | None = None
        self._past: Iterator[Change] | None = None
        watcher.__enter__()
        self._started = hub.store.revision
        try:
            self._past = iter(watcher.past(query.get("resourceVersion", ""), initial=self._initial))
        except Expired as problem:
            self._refusal = problem
        except BaseException:  # whatever ends it, also the client: the watch must not stay registered
            watcher.__exit__()
            raise

    def __aiter__(self) -> _Stream:
        return self

    async def __anext__(self) -> bytes:
        """The next lines. Ends when the time is over, the watcher too slow, or the resource gone."""
        try:
            while not self._ended:
                if self._served.converts:
                    await self._watcher.ready()
                if piece := self._there():
                    return piece
                if not self._ended:
                    await self._watcher.wait(min(self._ends, self._mark))
        except ApiProblem as problem:  # a webhook that does not say how objects look
            self._ended = True
            return self._refused(problem)
        raise StopAsyncIteration

    def _there(self) -> bytes:
        """What there is to say now; empty when there is nothing."""
        if self._refusal is not None:
            self._ended = True
            return self._refused(self._refusal)
        if self._past is not None:
            if piece := self._piece(partial(next, self._past, None)):
                return piece
            self._past = None
            if self._initial:
                return self._bookmark(self._started, initial_end=True)
        watcher, now = self._watcher, asyncio.get_running_loop().time()
        if now >= self._ends:
            self._ended = True
            return self._bookmark(watcher.revision) if self._marks else b""
        if piece := self._piece(watcher.next):
            return piece
        if watcher.over:
            self._ended = True
            late = Expired("too old resource version: the watch was too slow")
            return self._refused(late) if watcher.lost else b""
        if now >= self._mark:
            self._mark = now + BOOKMARK_EVERY
            return self._bookmark(watcher.revision) if self._marks else b""
        return b""

    def end(self, *_: object) -> None:
        """Say nothing more."""
        self._ended = True
        self._watcher.wake()

    async def aclose(self) -> None:
        """The client is gone, or the watch is over."""
        self.end()
        if not self._closed:
            self._closed = True
            self._watcher.__exit__()

    def _refused(self, problem: ApiProblem) -> bytes:
        return self._event("ERROR", problem.as_status())

    def _event(self, type_: str, obj: Object) -> bytes:
        if self._framed:
            return protobuf.event(type_, protobuf.encode(obj))
        return wire.event_line(type_, orjson.dumps(obj))

    def _piece(self, more: Callable[[], Change | None]) -> bytes:
        """The lines of what is there already, up to a size; empty when nothing is."""
        first = more()
        if first is None:
            return b""
        lines = [self._line(first)]
        events, of = self._hub.counts.events, self._served.resource
        size = len(lines[0])
        while size < _PIECE and (change := more()) is not None:
            lines.append(self._line(change))
            size += len(lines[-1])
        events[of] = events.get(of, 0) + len(lines)
        return lines[0] if len(lines) == 1 else b"".join(lines)

    def _bookmark(self, revision: int, *, initial_end: bool = False) -> bytes:
        return self._event("BOOKMARK", self._shaped(bookmark(self._served, revision, initial_end=initial_end)))

    def _line(self, change: Change) -> bytes:
        event, entry, served = change.event, change.entry, self._served
        obj = self._hub.as_version(served, entry.obj)
        if self._form.shape or event is None or obj is not entry.obj:
            return self._event(change.type, self._shaped(obj))
        if self._framed:
            frame = event.frame
            if frame is None:
                frame = self._event(event.type, obj)
                if event.fresh:
                    event.frame = frame
            return frame
        line = event.line
        if line is None:
            line = wire.event_line(event.type, entry.raw)
            if event.fresh:
                event.line = line
        return line

    def _shaped(self, obj: Object) -> Object:
        """The object as what the client wants of it."""
        if self._form.shape == negotiation.PARTIAL:
            return answers.partial(obj, self._form)
        if self._form.shape != negotiation.TABLE:
            return obj
        revision = obj["metadata"]["resourceVersion"]
        body = table(self._served, [obj], self._hub.clock.now(), self._include, revision=revision, headed=self._headed)
        self._headed = False
        return {**body, "apiVersion": self._form.api_version}
