"""One request's audit events, built up while it is answered. Called by `recorder`; pure but for the identity it is given.

Source: audit.k8s.io/v1 ``Event``; apiserver ``pkg/audit/request.go``. The order of the fields is Kubernetes'.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

import orjson

from trueup.apiserver import wire
from trueup.apiserver.audit.policy import Telling
from trueup.apiserver.path import Target
from trueup.apiserver.rbac import Attributes
from trueup.apiserver.users import User
from trueup.kube import documents
from trueup.kube.names import Object
from trueup.kube.problems import ApiProblem

_LONGEST_AGENT = 1024


def user_info(user: User | None) -> Object:
    """A user as events name one."""
    out: Object = {}
    if user is None:
        return out
    if user.name:
        out["username"] = user.name
    if user.uid:
        out["uid"] = user.uid
    if user.groups:
        out["groups"] = list(user.groups)
    if user.extra:
        out["extra"] = {key: list(values) for key, values in user.extra.items()}
    return out


def object_ref(target: Target, wanted: Attributes) -> Object:
    """What a request is about."""
    ref = {
        "resource": wanted.resource,
        "namespace": wanted.namespace,
        "name": wanted.name,
        "apiGroup": wanted.group,
        "apiVersion": target.resource.version,
        "subresource": wanted.subresource,
    }
    return {name: value for name, value in ref.items() if value}


def with_identity(ref: Object, obj: Object) -> Object:
    """A reference with what the sent object says of itself, where the path did not say it."""
    meta = obj.get("metadata")
    said = meta if isinstance(meta, dict) else {}
    named = ("namespace", "name", "uid", "resourceVersion")
    # What is no text is no name, and might be anything: bodies are told by policies that ask for them alone.
    ref = {**{name: said[name] for name in named if said.get(name) and isinstance(said[name], str)}, **ref}
    order = ("resource", "namespace", "name", "uid", "apiGroup", "apiVersion", "resourceVersion", "subresource")
    return {name: ref[name] for name in order if name in ref}


def source_ips(headers: Mapping[str, str], peer: str) -> list[str]:
    """Where the request came from: what proxies say, then who is connected."""
    found = [ip for part in headers.get("x-forwarded-for", "").split(",") if (ip := _address(part))]
    real = _address(headers.get("x-real-ip", ""))
    if real and real not in found:
        found.append(real)
    last = _address(peer)
    if last and (not found or found[-1] != last):
        found.append(last)
    return found


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text.strip()))
    except ValueError:
        return ""


def agent(headers: Mapping[str, str]) -> str:
    """The client's name, cut where it is too long."""
    text = headers.get("user-agent", "")
    return text if len(text) <= _LONGEST_AGENT else text[:_LONGEST_AGENT] + "...TRUNCATED"


def sent_object(body: bytes, media: str) -> Object | None:
    """The object that a request carries; None when it cannot be read, which the answer says."""
    try:
        return wire.read_object(body, media) if body else None
    except (ApiProblem, ValueError):
        return None


def sent_patch(body: bytes, media: str) -> Any:
    """The patch that a request carries; None when it cannot be read."""
    try:
        return wire.read_value(body, "application/yaml" if media.endswith("yaml") else "application/json")
    except (ApiProblem, ValueError):
        return None


def answered_object(body: bytes, content_type: str) -> Any:
    """The object that an answer carries: None for what is none, such as a version or a line of text."""
    media = content_type.partition(";")[0]
    if media == wire.PROTOBUF:
        from trueup.kube import protobuf

        return protobuf.decode(body)
    if media == "application/yaml":
        return documents.parse_one(body)
    heads = (b'"kind":', b'"apiVersion":', b'"metadata":')
    if media != "application/json" or not body[:32].removeprefix(b"{").lstrip().startswith(heads):
        return None
    value = orjson.loads(body)
    return value if "kind" in value and "apiVersion" in value else None


def status_of(code: int, answer: Any) -> Object:
    """``responseStatus``: the answer's own, when it is one."""
    if isinstance(answer, dict) and answer.get("kind") == "Status" and answer.get("apiVersion") == "v1":
        rest = {name: value for name, value in answer.items() if name not in ("kind", "apiVersion", "code")}
        return {**rest, "code": code}
    return {"metadata": {}, "code": code}


def without_managed_fields(value: Any) -> Any:
    """An object, a list's items or a table's rows without their managed fields; shares the rest."""
    if not isinstance(value, dict):
        return value
    out = value
    meta = value.get("metadata")
    if isinstance(meta, dict) and "managedFields" in meta:
        out = {**out, "metadata": {name: part for name, part in meta.items() if name != "managedFields"}}
    if isinstance(value.get("items"), list):
        out = {**out, "items": [without_managed_fields(item) for item in value["items"]]}
    if value.get("kind") == "Table" and isinstance(value.get("rows"), list):
        rows = [{**row, "object": without_managed_fields(row.get("object"))} for row in value["rows"]]
        out = {**out, "rows": rows}
    return out


def line(telling: Telling, head: Object, sent: Any, answer: bytes | None, content_type: str, tail: Object) -> bytes:
    """One event as a line of JSON; bodies are read here, away from the request."""
    event = dict(head)
    if sent is not None and telling.requests:
        event["requestObject"] = without_managed_fields(sent) if telling.omit_managed_fields else sent
    if answer is not None and telling.responses:
        value = answered_object(answer, content_type)
        if value is not None:
            event["responseObject"] = without_managed_fields(value) if telling.omit_managed_fields else value
    return orjson.dumps({**event, **tail}) + b"\n"
