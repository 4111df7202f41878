"""Tells the audit log of requests. Called by `asgi` at each stage of a request, where an audit log is kept at all.

In: the request, who asks, what authorization decided, the answer. Out: events to the `AuditLog`.
Source: apiserver ``pkg/endpoints/filters/audit.go`` and ``authn_audit.go``.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from trueup.apiserver import wire
from trueup.apiserver.audit import event
from trueup.apiserver.audit.log import AuditLog
from trueup.apiserver.audit.policy import Policy, Telling
from trueup.apiserver.hub import Hub
from trueup.apiserver.path import Target
from trueup.apiserver.rbac import Attributes
from trueup.apiserver.registry import Served
from trueup.apiserver.request import Request, Response, Write
from trueup.apiserver.users import User
from trueup.apiserver.verbs import prepare
from trueup.kube.names import Object
from trueup.kube.problems import ApiProblem
from trueup.timing.rfc3339 import format_micro

_NOBODY = User("")
_OFF = Telling("None")


class Audit:
    """What is told of, and where to."""

    def __init__(self, policy: Policy, log: AuditLog, hub: Hub) -> None:
        self.policy, self.log, self.hub = policy, log, hub

    def now(self) -> str:
        return format_micro(self.hub.clock.now())

    def close(self) -> None:
        """Write what waits."""
        self.log.close()


class Record:
    """One request as the log tells of it. ``id`` is sent back as ``Audit-Id``."""

    def __init__(self, audit: Audit, scope: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        self._audit = audit
        self.id = headers.get("audit-id", "")[:64] or str(uuid.uuid4())
        self._received = audit.now()
        query = scope["query_string"].decode("latin-1")
        raw = scope.get("raw_path") or scope["path"].encode()
        self._uri = raw.decode("latin-1").partition("?")[0] + (f"?{query}" if query else "")
        self._peer = (scope.get("client") or ("",))[0]
        self._headers = headers
        self._telling, self._wanted = _OFF, Attributes("")
        self._target: Target | None = None
        self._request: Request | None = None
        self._user: User | None = None
        self._acting: User | None = None
        self._ref: Object = {}
        self._sent: Any = None
        self._allowed = False

    def received(self, user: User | None, wanted: Attributes, target: Target | None) -> None:
        """Who asks for what; None is somebody unknown, who is told of when the answer starts."""
        self._telling = self._audit.policy.telling(user or _NOBODY, wanted)
        self._user, self._wanted, self._target = user, wanted, target
        self._ref = event.object_ref(target, wanted) if target is not None else {}
        if user is not None:
            self._tell("RequestReceived", None)

    def decided(self, request: Request, real: User, allowed: bool, reason: str) -> None:
        """In whose name it is asked, and what authorization says."""
        self._request, self._allowed = request, allowed
        self._acting = request.user if request.user is not real else None
        request.annotations["authorization.k8s.io/decision"] = "allow" if allowed else "forbid"
        request.annotations["authorization.k8s.io/reason"] = reason

    def panicked(self, response: Response) -> None:
        """Answering met a bug; nothing else is told of the request."""
        self._tell("Panic", response)
        self._telling = _OFF

    def answered(self, response: Response) -> Response:
        """The answer is known; a long one only begins. It carries the event's identity to the client."""
        if self._telling is not _OFF:
            self._read()
            long = self._user is None or not isinstance(response.body, bytes)
            self._tell("ResponseStarted" if long else "ResponseComplete", response)
        return replace(response, headers={**response.headers, "audit-id": self.id})

    def ended(self, response: Response) -> None:
        """A long answer is over."""
        self._tell("ResponseComplete", response)

    def _read(self) -> None:
        """What an allowed request carried, as far as it names a resource that takes such."""
        request, target = self._request, self._target
        if request is None or target is None or not self._allowed or not request.body:
            return
        served = self._audit.hub.registry.get(target.resource)
        if served is None or (target.subresource and target.subresource not in served.subresources):
            return
        media = wire.media_type(request.headers)
        match self._wanted.verb:
            case "patch":
                self._sent = event.sent_patch(request.body, media)
            case "delete" | "deletecollection":
                meant = event.sent_object(request.body, media)
                if meant is not None:
                    head = {"kind": "DeleteOptions", "apiVersion": "meta.k8s.io/__internal"}
                    self._sent = {**head, **{name: v for name, v in meant.items() if name not in head}}
            case "create" | "update":
                obj = event.sent_object(request.body, media)
                if obj is None or not isinstance(obj.get("metadata", {}), dict):
                    return
                kind = served.subresources[target.subresource].kind if target.subresource else served.kind
                obj = {"kind": kind.kind, "apiVersion": kind.api_version, **obj}
                ref = event.with_identity(self._ref, obj)
                if self._telling.requests and not target.subresource and not _made_ready(served, obj):
                    return
                self._ref, self._sent = ref, obj

    def _tell(self, stage: str, response: Response | None) -> None:
        telling = self._telling
        if telling.level == "None" or stage in telling.omit_stages:
            return
        head: Object = {
            "kind": "Event",
            "apiVersion": "audit.k8s.io/v1",
            "level": telling.level,
            "auditID": self.id,
            "stage": stage,
            "requestURI": self._uri,
            "verb": self._wanted.verb,
            "user": event.user_info(self._user),
        }
        if self._acting is not None:
            head["impersonatedUser"] = event.user_info(self._acting)
        head["sourceIPs"] = event.source_ips(self._headers, self._peer)
        head["userAgent"] = event.agent(self._headers)
        if self._ref:
            head["objectRef"] = self._ref
        body, media = None, ""
        if response is not None:
            body = response.body if isinstance(response.body, bytes) else None
            media = response.content_type
            told = event.answered_object(body, media) if body is not None and _may_be_status(response, body) else None
            head["responseStatus"] = event.status_of(response.status, told)
        now = self._audit.now() if response is not None else self._received
        tail: Object = {"requestReceivedTimestamp": self._received, "stageTimestamp": now}
        if self._request is not None and self._request.annotations:
            bodies = telling.level not in ("None", "Metadata")
            found = sorted(self._request.annotations.items())
            tail["annotations"] = {key: text for key, text in found if bodies or not key.startswith(_BODIES)}
        self._audit.log.put(partial(event.line, telling, head, self._sent, body, media, tail))


def _made_ready(served: Served, obj: Object) -> bool:
    """Put what was sent into the form that is read, defaults included; False for what cannot be read, which is not told."""
    try:
        prepare.decode(served, obj, Write(validation="Ignore"))
        if served.default is not None:
            served.default(obj)
    except ApiProblem:
        return False
    return True


_BODIES = "patch.webhook.admission.k8s.io/"
"""Annotations that quote bodies, for whoever logs bodies. Source: apiserver ``AddAnnotationWithLevel``."""


def _may_be_status(response: Response, body: bytes) -> bool:
    return response.status >= 400 or b'"Status"' in body[:100]
