"""What a verb is asked and what the wire answers, as values."""

from __future__ import annotations

from collections.abc import AsyncIterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trueup.apiserver.users import ADMIN, User
from trueup.kube.query import Query


@dataclass(frozen=True, slots=True)
class Write:
    """How a write is meant."""

    user: User = ADMIN
    manager: str = "trueup"
    dry_run: bool = False
    validation: str = "Warn"
    """``fieldValidation``: ``Strict``, ``Warn`` or ``Ignore``."""
    force: bool = False
    subresource: str = ""
    duplicates: list[str] = field(default_factory=list)
    """Fields that the body gave more than once."""
    repeated: list[str] = field(default_factory=list)
    """What is to be said of keys that an applied YAML has twice, once it is known to fit."""
    warnings: list[str] = field(default_factory=list)
    """Warnings to send back with the answer; verbs add to it."""
    reviewed: bool = True
    """Whether webhooks and policies are asked: not of what the server does by itself."""
    given: Mapping[str, Any] = field(default_factory=dict)
    """The options as the client named them, for whoever reviews the write."""
    annotations: dict[str, str] = field(default_factory=dict)
    """What the audit log says of the request besides; admission adds to it. The first word on a key stays."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, parsed."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    user: User
    annotations: dict[str, str] = field(default_factory=dict)
    """What the audit log says of the request besides: shared with every `Write` of it."""

    def every(self, name: str) -> Sequence[str]:
        """All that the query says of a name, which it may give more than once."""
        if isinstance(self.query, Query):
            return self.query.every(name)
        return (self.query[name],) if name in self.query else ()


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP answer; a stream is sent piece by piece."""

    status: int
    body: bytes | AsyncIterable[bytes]
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    opening: bytes = b""
    """What a stream may begin with, without meaning anything: see `asgi`."""


NOWHERE = Response(404, b"404 page not found\n", "text/plain; charset=utf-8", {"x-content-type-options": "nosniff"})
"""The answer for a path that nobody has."""
