"""How long a client wants to wait, ``?timeout=``. Called by `asgi`; source: apiserver ``filters/request_deadline.go``."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine, Mapping
from typing import Any

from trueup.apiserver.path import Target
from trueup.apiserver.request import Response
from trueup.kube.problems import BadRequest, Timeout
from trueup.kube.query import flag
from trueup.timing.durations import parse_duration

_UNENDING = ("attach", "exec", "log", "portforward", "proxy")
_LATE: set[asyncio.Task[Response]] = set()
"""Held here until they are done: the loop itself forgets tasks."""


def of(query: Mapping[str, str], target: Target | None) -> float:
    """In seconds; 0 for none. It has to be a duration, but where answers go on. Raises ``BadRequest``."""
    given = query.get("timeout", "")
    if not given or flag(query, "watch") or (target is not None and target.subresource in _UNENDING):
        return 0.0
    try:
        return max(parse_duration(given), 0.0)
    except ValueError:
        number = re.fullmatch(r"[-+]?(?:\d+\.?\d*|\.\d+)([^\d.]*)", given)
        why = "invalid"
        if number is not None:
            why = f'unknown unit "{number[1]}" in' if number[1] else "missing unit in"
        raise BadRequest(f'invalid timeout specified in the request URL - time: {why} duration "{given}"') from None


async def within(seconds: float, answering: Coroutine[Any, Any, Response]) -> Response:
    """The answer, or ``Timeout``: what was begun goes on then, and a write may happen that nobody was told of."""
    task = asyncio.create_task(answering, name="request with a deadline")
    try:
        done, _ = await asyncio.wait((task,), timeout=seconds)
    except asyncio.CancelledError:
        task.cancel()
        raise
    if done:
        return task.result()
    _LATE.add(task)
    task.add_done_callback(_forget)
    raise Timeout("Timeout: request did not complete within the allotted timeout")


def _forget(task: asyncio.Task[Response]) -> None:
    _LATE.discard(task)
    if not task.cancelled():
        task.exception()  # it would have been the client's
