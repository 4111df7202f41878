"""Requests for resources: from method, path and query to a verb, from its answer to a response. Called by `asgi`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import orjson

from trueup.apiserver import subresources, virtual, wire
from trueup.apiserver.hub import Hub
from trueup.apiserver.path import Target
from trueup.apiserver.rbac import Attributes, Authorizer
from trueup.apiserver.registry import Served
from trueup.apiserver.request import Request, Response, Write
from trueup.apiserver.tables import table
from trueup.apiserver.verbs import read
from trueup.apiserver.verbs.create import create
from trueup.apiserver.verbs.delete import DeleteOptions, delete
from trueup.apiserver.verbs.patch import patch
from trueup.apiserver.verbs.update import update
from trueup.apiserver.verbs.watch import BOOKMARK_EVERY, Change, Watcher, bookmark
from trueup.kube.names import Object
from trueup.kube.problems import BadRequest, Expired, MethodNotAllowed, NotFound, UnsupportedMediaType

_LONGEST_WATCH = 3600.0


async def answer(hub: Hub, authorizer: Authorizer, request: Request, target: Target) -> Response:
    """One request for a resource."""
    served = hub.serves_resource(target.resource)
    verb = _verb(request, target)
    namespace = target.namespace
    attributes = Attributes(
        verb=verb,
        group=target.resource.group,
        resource=target.resource.name,
        subresource=target.subresource,
        namespace=target.name if served.storage == "namespaces" and target.name else namespace,
        name=target.name,
    )
    authorizer.authorize(request.user, attributes)
    warnings = [served.warning] if served.warning else []
    write = _write(request, target, warnings)
    if target.subresource:
        if target.subresource not in served.subresources:
            raise NotFound("the server could not find the requested resource")
        body, status, content = await subresources.answer(hub, served, request, target, verb, write)
        if not isinstance(body, dict):
            return Response(status, body, content, warnings=tuple(warnings))
        return _object_response(served, request, body, status, warnings)
    if virtual.is_virtual(served):
        if verb != "create":
            raise _not_allowed(served)
        made = await virtual.create(hub, authorizer, served, namespace, _object(request), request.user)
        return _object_response(served, request, made, 201, warnings)
    if verb not in served.verbs:
        raise _not_allowed(served)
    if verb in ("list", "watch"):
        return _many(hub, served, request, target, verb)
    return await _one(hub, served, request, target, verb, write)


async def _one(hub: Hub, served: Served, request: Request, target: Target, verb: str, write: Write) -> Response:
    namespace, name = target.namespace, target.name
    status = 200
    if verb == "get":
        obj = read.get(hub, served, namespace, name)
    elif verb == "create":
        obj, status = await create(hub, served, namespace, _object(request), write), 201
    elif verb == "update":
        obj = await update(hub, served, namespace, name, _object(request), write)
    elif verb == "patch":
        existed = hub.store.bucket(served.storage).newest(namespace, name) is not None
        body, how = _patch(request)
        obj = await patch(hub, served, namespace, name, body, how, write)
        status = 200 if existed else 201
    elif verb == "delete":
        obj, gone = await delete(hub, served, namespace, name, _delete_options(request), write)
        if gone and served.kind.kind != "Pod":
            return Response(200, orjson.dumps(_deleted(served, obj)), warnings=tuple(write.warnings))
    else:
        return await _delete_collection(hub, served, request, target, write)
    return _object_response(served, request, hub.as_version(served, obj), status, write.warnings)


async def _delete_collection(hub: Hub, served: Served, request: Request, target: Target, write: Write) -> Response:
    query = request.query
    entries, revision, _, _ = read.find(
        hub, served, target.namespace, labels=query.get("labelSelector", ""), fields=query.get("fieldSelector", "")
    )
    options = _delete_options(request)
    items = []
    for entry in entries:
        meta = entry.obj["metadata"]
        try:
            obj, _ = await delete(hub, served, meta.get("namespace") or "", meta["name"], options, write)
        except NotFound:
            continue
        items.append(orjson.dumps(obj))
    return Response(200, wire.list_body(served, items, revision, "", 0), warnings=tuple(write.warnings))


def _many(hub: Hub, served: Served, request: Request, target: Target, verb: str) -> Response:
    query = request.query
    fields = query.get("fieldSelector", "")
    if target.name:
        fields = f"metadata.name={target.name}" + (f",{fields}" if fields else "")
    labels = query.get("labelSelector", "")
    warnings = (served.warning,) if served.warning else ()
    if verb == "watch":
        watcher = Watcher(hub, served, target.namespace, labels=labels, fields=fields)
        return Response(200, _watch(hub, served, request, watcher), "application/json;stream=watch", warnings=warnings)
    limit = _number(query, "limit")
    entries, revision, token, remaining = read.find(
        hub, served, target.namespace, labels=labels, fields=fields, limit=limit, page=query.get("continue", "")
    )
    form = wire.chosen(request.headers.get("accept", ""))
    if form == "table":
        objects = [hub.as_version(served, entry.obj) for entry in entries]
        body = table(
            served, objects, hub.clock.now(), query.get("includeObject", "Metadata"), revision=revision, token=token
        )
        return Response(200, orjson.dumps(body), warnings=warnings)
    if form == "partial":
        items = [orjson.dumps(wire.partial(entry.obj)) for entry in entries]
        meta: Object = {"resourceVersion": revision, **({"continue": token} if token else {})}
        head = orjson.dumps({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": meta})
        return Response(200, b"".join((head[:-1], b',"items":[', b",".join(items), b"]}")), warnings=warnings)
    raw = [_raw(hub, served, entry) for entry in entries]
    return Response(200, wire.list_body(served, raw, revision, token, remaining), warnings=warnings)


def _raw(hub: Hub, served: Served, entry: Any) -> bytes:
    obj = hub.as_version(served, entry.obj)
    return entry.raw if obj is entry.obj else orjson.dumps(obj)


async def _watch(hub: Hub, served: Served, request: Request, watcher: Watcher) -> AsyncIterator[bytes]:
    query = request.query
    form = wire.chosen(request.headers.get("accept", ""))
    marks = query.get("allowWatchBookmarks") in ("true", "1")
    initial = query.get("sendInitialEvents") in ("true", "1")
    seconds = _number(query, "timeoutSeconds") or _LONGEST_WATCH
    first = True

    def line(change: Change) -> bytes:
        nonlocal first
        event = change.event
        if form == "object":
            if event is not None and event.line is not None and served.storage == served.resource.group_resource:
                return event.line
            made = wire.event_line(change.type, orjson.dumps(hub.as_version(served, change.entry.obj)))
            if event is not None and hub.as_version(served, change.entry.obj) is change.entry.obj:
                event.line = made
            return made
        obj = hub.as_version(served, change.entry.obj)
        if form == "partial":
            return wire.event_line(change.type, orjson.dumps(wire.partial(obj)))
        include = query.get("includeObject", "Metadata")
        body = table(served, [obj], hub.clock.now(), include, revision=obj["metadata"]["resourceVersion"], headed=first)
        first = False
        return wire.event_line(change.type, orjson.dumps(body))

    with watcher:
        try:
            for past in list(watcher.past(query.get("resourceVersion", ""), initial=initial)):
                yield line(past)
        except Expired as problem:
            yield wire.event_line("ERROR", orjson.dumps(problem.as_status()))
            return
        if initial:
            yield wire.event_line("BOOKMARK", orjson.dumps(bookmark(served, hub.store.revision, initial_end=True)))
        ends = asyncio.get_running_loop().time() + seconds
        while True:
            left = ends - asyncio.get_running_loop().time()
            if left <= 0:
                if marks:
                    yield wire.event_line("BOOKMARK", orjson.dumps(bookmark(served, hub.store.revision)))
                return
            async for change in watcher.changes(min(left, BOOKMARK_EVERY)):
                if change is not None:
                    yield line(change)
                    if asyncio.get_running_loop().time() < ends:
                        continue
                elif marks:
                    yield wire.event_line("BOOKMARK", orjson.dumps(bookmark(served, hub.store.revision)))
                break
            else:
                return


def _object_response(
    served: Served, request: Request, obj: Object, status: int, warnings: list[str] | tuple[str, ...]
) -> Response:
    return shaped(served, request.headers, request.query, obj, status, tuple(warnings))


def shaped(
    served: Served,
    headers: Mapping[str, str],
    query: Mapping[str, str],
    obj: Object,
    status: int,
    warnings: tuple[str, ...],
) -> Response:
    """One object in the form that the client accepts."""
    form = wire.chosen(headers.get("accept", ""))
    if form == "table" and obj.get("kind") == served.kind.kind:
        import time

        obj = table(served, [obj], time.time(), query.get("includeObject", "Metadata"))
    elif form == "partial" and "metadata" in obj and obj.get("kind") != "Status":
        obj = wire.partial(obj)
    if headers.get("accept", "").startswith("application/yaml"):
        from trueup.kube.documents import dump

        return Response(status, dump(obj).encode(), "application/yaml", warnings=warnings)
    return Response(status, orjson.dumps(obj), warnings=warnings)


def _verb(request: Request, target: Target) -> str:
    match request.method:
        case "GET" | "HEAD":
            if request.query.get("watch") in ("true", "1"):
                return "watch"
            return "get" if target.name else "list"
        case "POST":
            return "create"
        case "PUT":
            return "update"
        case "PATCH":
            return "patch"
        case "DELETE":
            return "delete" if target.name else "deletecollection"
    raise MethodNotAllowed("the server does not allow this method on the requested resource")


def _write(request: Request, target: Target, warnings: list[str]) -> Write:
    query = request.query
    dry_run = query.get("dryRun", "")
    if dry_run not in ("", "All"):
        raise BadRequest(f'Invalid value: "{dry_run}": dryRun: Unsupported value: supported values: "All"')
    validation = query.get("fieldValidation") or "Warn"
    if validation not in ("Strict", "Warn", "Ignore"):
        raise BadRequest(f"invalid fieldValidation: {validation}: Strict, Warn or Ignore is expected")
    manager = query.get("fieldManager", "")
    if not manager and wire.media_type(request.headers) not in (
        "application/apply-patch+yaml",
        "application/apply-patch+json",
    ):
        manager = request.headers.get("user-agent", "").partition("/")[0] or "unknown"
    return Write(
        user=request.user,
        manager=manager,
        dry_run=dry_run == "All",
        validation=validation,
        force=query.get("force") in ("true", "1"),
        subresource=target.subresource,
        warnings=warnings,
    )


def _object(request: Request) -> Object:
    return wire.read_object(request.body, wire.media_type(request.headers))


def _patch(request: Request) -> tuple[Any, Any]:
    media = wire.media_type(request.headers)
    how = wire.PATCHES.get(media)
    if not how:
        raise UnsupportedMediaType(
            "the body of the request was in an unknown format - accepted media types include: "
            + ", ".join(name for name, known in wire.PATCHES.items() if known)
        )
    return wire.read_value(request.body, "application/yaml" if media.endswith("yaml") else "application/json"), how


def _delete_options(request: Request) -> DeleteOptions:
    query = request.query
    body = _object(request) if request.body.strip() else {}
    conditions = body.get("preconditions") or {}
    grace = body.get("gracePeriodSeconds")
    if grace is None and "gracePeriodSeconds" in query:
        grace = _number(query, "gracePeriodSeconds")
    propagation = body.get("propagationPolicy") or query.get("propagationPolicy", "")
    orphan = body.get("orphanDependents")
    if orphan is not None and not propagation:
        propagation = "Orphan" if orphan else "Background"
    return DeleteOptions(propagation, grace, conditions.get("uid") or "", conditions.get("resourceVersion") or "")


def _deleted(served: Served, obj: Object) -> Object:
    details: Object = {"name": obj["metadata"]["name"], "kind": served.resource.name, "uid": obj["metadata"]["uid"]}
    if served.resource.group:
        details["group"] = served.resource.group
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


def _not_allowed(served: Served) -> MethodNotAllowed:
    return MethodNotAllowed("the server does not allow this method on the requested resource")


def _number(query: Mapping[str, str], name: str) -> int:
    text = query.get(name, "")
    if not text:
        return 0
    try:
        return int(text)
    except ValueError:
        raise BadRequest(f"{name} must be a number, not {text!r}") from None
