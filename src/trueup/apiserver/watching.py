"""A watch on the wire: lines of JSON or frames of protobuf, each encoded once for all who see the object as it is stored.

Called by `resources`; the events come from `verbs.watch`. Source: Kubernetes API concepts, "Efficient detection of changes".
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack, aclosing

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

    def __init__(self, hub: Hub, served: Served, request: Request, form: Form, watcher: Watcher, seconds: int) -> None:
        self._hub, self._served, self._watcher, self._query = hub, served, watcher, request.query
        self._form = form
        self._framed = form.media == negotiation.PROTOBUF
        self._headed = True
        self._open = ExitStack()
        self._open.enter_context(watcher)
        self._started = hub.store.revision
        try:
            self._past = watcher.past(self._query.get("resourceVersion", ""), initial=self._initial)
            self._lines = self._all(seconds)
        except Expired as problem:
            self._lines = self._expired(problem)
        except BaseException:
            self._open.close()
            raise

    @property
    def _initial(self) -> bool:
        return flag(self._query, "sendInitialEvents")

    def __aiter__(self) -> AsyncGenerator[bytes]:
        return self._lines

    async def aclose(self) -> None:
        """The client is gone, or the watch is over."""
        self._open.close()
        await self._lines.aclose()

    async def _expired(self, problem: Expired) -> AsyncGenerator[bytes]:
        yield self._refused(problem)

    def _refused(self, problem: ApiProblem) -> bytes:
        return self._event("ERROR", problem.as_status())

    def _event(self, type_: str, obj: Object) -> bytes:
        if self._framed:
            return protobuf.event(type_, protobuf.encode(obj))
        return wire.event_line(type_, orjson.dumps(obj))

    def _piece(self, more: Callable[[], Change | None]) -> bytes:
        """The lines of what is there already, up to a size; empty when nothing is."""
        lines, size = [], 0
        while size < _PIECE and (change := more()) is not None:
            lines.append(self._line(change))
            size += len(lines[-1])
        return b"".join(lines)

    async def _all(self, seconds: int) -> AsyncGenerator[bytes]:
        """Until the time is over, the watcher too slow, or the resource gone."""
        past = iter(self._past)
        self._past = []
        while piece := self._piece(lambda: next(past, None)):
            yield piece
        if self._initial:
            yield self._bookmark(self._started, initial_end=True)
        try:
            async with aclosing(self._live(seconds, flag(self._query, "allowWatchBookmarks"))) as live:
                async for line in live:
                    yield line
        except ApiProblem as problem:  # a webhook that does not say how objects look
            yield self._refused(problem)

    async def _live(self, seconds: int, marks: bool) -> AsyncGenerator[bytes]:
        now = asyncio.get_running_loop().time
        ends = now() + seconds
        while (left := ends - now()) > 0:
            async with aclosing(self._watcher.changes(min(left, BOOKMARK_EVERY))) as changes:
                async for change in changes:
                    if change is not None:
                        yield self._line(change) + self._piece(self._watcher.next)
                    elif marks:
                        yield self._bookmark(self._watcher.revision)
                    if now() >= ends or change is None:
                        break
                else:
                    if self._watcher.lost:
                        yield self._refused(Expired("too old resource version: the watch was too slow"))
                    return
        if marks:
            yield self._bookmark(self._watcher.revision)

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
        include, revision = self._query.get("includeObject", "Metadata"), obj["metadata"]["resourceVersion"]
        body = table(self._served, [obj], self._hub.clock.now(), include, revision=revision, headed=self._headed)
        self._headed = False
        return {**body, "apiVersion": self._form.api_version}
