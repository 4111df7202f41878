"""Requests for resources: from method, path and query to a verb, from its answer to a response. Called by `asgi`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress

import orjson

from trueup.apiserver import answers, bodies, negotiation, options, subresources, virtual, watching, wire
from trueup.apiserver.attributes import attributes_of
from trueup.apiserver.columns import SCALE
from trueup.apiserver.hub import Hub
from trueup.apiserver.negotiation import Form, Offer
from trueup.apiserver.path import Target
from trueup.apiserver.rbac import Authorizer
from trueup.apiserver.registry import Served
from trueup.apiserver.request import NOWHERE, Request, Response, Write
from trueup.apiserver.tables import table
from trueup.apiserver.verbs import prepare, read
from trueup.apiserver.verbs.create import create
from trueup.apiserver.verbs.delete import delete
from trueup.apiserver.verbs.patch import patch
from trueup.apiserver.verbs.update import update
from trueup.kube.names import Kind, Object
from trueup.kube.problems import ApiProblem, BadRequest, MethodNotAllowed, NotFound, UnsupportedMediaType, not_found
from trueup.store.state import Entry

_AT_ONCE = 100
"""Deletions of a collection that are under way at one time."""


async def answer(hub: Hub, authorizer: Authorizer, request: Request, target: Target) -> Response:
    """One request for a resource."""
    attributes = attributes_of(request.method, request.path, request.query, target)
    verb = attributes.verb
    authorizer.authorize(request.user, attributes)  # first: who may not ask learns nothing of what there is
    served = hub.registry.get(target.resource)
    if served is None:
        if not hub.registry.serves_version(target.resource) or hub.registry.is_custom(target.resource.group):
            return NOWHERE
        raise NotFound("the server could not find the requested resource", details={})
    if served.custom and not _in_scope(served, target, verb):
        return NOWHERE
    if served.custom and verb in ("update", "patch") and not target.name:
        refused = BadRequest("name must be provided")
        refused.warnings = (served.warning,) if served.warning else ()
        raise refused
    if not verb or request.method == "HEAD" or not _addressed(verb, target, served):  # HEAD is authorized as a read
        raise _not_allowed(served)
    if target.subresource and target.subresource not in served.subresources:
        if served.custom:
            raise not_found(served.resource.group_resource, target.name)
        raise NotFound("the server could not find the requested resource", details={})
    warnings = [served.warning] if served.warning else []
    told = False
    try:
        if not virtual.is_virtual(served) and verb != "watch":
            _form(served, request, target)
        told = verb != "patch"  # what a patch may come as is looked at before anybody could warn
        if verb != "update":
            _readable(request, served, verb)
        told = True
        write = options.write_of(request, target, warnings)
        if verb == "update":  # of whose options more is thought
            _readable(request, served, verb)
        return await _answer(hub, authorizer, served, request, target, verb, write)
    except ApiProblem as problem:  # refusals carry warnings too
        problem.warnings = tuple(warnings) if told or served.custom else ()
        raise


async def _answer(
    hub: Hub, authorizer: Authorizer, served: Served, request: Request, target: Target, verb: str, write: Write
) -> Response:
    namespace, warnings = target.namespace, write.warnings
    if target.subresource:
        form = _form(served, request, target)
        body, status, content = await subresources.answer(hub, served, request, target, verb, write)
        if not isinstance(body, dict):
            return Response(status, body, content, warnings=tuple(warnings))
        return _shaped(hub, served, request, form, body, status, warnings)
    if served.storage == "componentstatuses":
        return _components(hub, served, request, target, verb, warnings)
    if virtual.is_virtual(served):
        if verb != "create":
            raise _not_allowed(served)
        form = negotiation.negotiate(request.headers, request.query, negotiation.REVIEWS)
        wanted = bodies.written(served, request, write)
        prepare.fits(served.struct, served.kind, wanted)
        await hub.review(served, namespace, "", wanted, write)
        if served.storage == "bindings":
            made = await _bound(hub, namespace, wanted, write)
        else:
            made = await virtual.create(hub, authorizer, served, namespace, wanted, request.user)
        return _shaped(hub, served, request, form, made, 201, warnings)
    if verb not in served.verbs:
        raise _not_allowed(served)
    if verb == "watch":
        return await watching.answer(hub, served, request, target)
    if verb == "list":
        return await _many(hub, served, request, target)
    return await _one(hub, served, request, target, verb, write)


async def _bound(hub: Hub, namespace: str, wanted: Object, write: Write) -> Object:
    """A binding by itself: as that of the pod which it names."""
    pods = hub.serves(_POD)
    await subresources.bind(hub, pods, namespace, str(wanted["metadata"].get("name") or ""), wanted, write)
    return dict(subresources.DONE)


def _components(hub: Hub, served: Served, request: Request, target: Target, verb: str, warnings: list[str]) -> Response:
    """They are made up when they are asked for, and never change."""
    if verb not in served.verbs:
        raise _not_allowed(served)
    form = _form(served, request, target)
    objects = virtual.components()
    warnings.append("v1 ComponentStatus is deprecated in v1.19+")
    if verb == "list":
        return _listed(hub, served, request, form, objects, read.Found([], ""), tuple(warnings))
    found = next((one for one in objects if one["metadata"]["name"] == target.name), None)
    if found is None:
        raise not_found(served.resource.group_resource, target.name)
    return _shaped(hub, served, request, form, found, 200, warnings)


_POD = Kind("", "v1", "Pod")
_ANYTHING = Offer(negotiation.MEDIA, negotiation.BUILT_IN.shapes)
"""What is no object by itself (logs) comes in types of its own; only its failures are negotiated."""


def _form(served: Served, request: Request, target: Target) -> Form:
    """How the answer is to be written. Raises ``NotAcceptable``, before anything is done."""
    if served.custom:
        offer = negotiation.CUSTOM
    elif target.subresource == "log":
        offer = _ANYTHING
    elif request.method in ("GET", "HEAD") and not target.name:
        offer = negotiation.LISTS
    else:
        offer = negotiation.BUILT_IN
    return negotiation.negotiate(request.headers, request.query, offer)


async def _one(hub: Hub, served: Served, request: Request, target: Target, verb: str, write: Write) -> Response:
    namespace, name = target.namespace, target.name
    status, form = 200, _form(served, request, target)
    if name or verb == "create":
        answers.check_single(served.kind, form, served.custom)
    if verb == "get":
        obj = await read.get(hub, served, namespace, name, request.query.get("resourceVersion", "0"))
    elif verb == "create":
        obj, status = await create(hub, served, namespace, bodies.written(served, request, write), write), 201
    elif verb == "update":
        existed = hub.store.bucket(served.storage).newest(namespace, name) is not None
        status = 200 if existed else 201
        obj = await update(hub, served, namespace, name, bodies.written(served, request, write), write)
    elif verb == "patch":
        existed = hub.store.bucket(served.storage).newest(namespace, name) is not None
        how_told = wire.PATCHES.get(wire.media_type(request.headers))
        if not existed and how_told and how_told != "apply" and not (served.custom and how_told == "strategic"):
            raise not_found(served.resource.group_resource, name)
        body, how = bodies.patch(served, request, write)
        obj = await patch(hub, served, namespace, name, body, how, write)
        status = 200 if existed else 201
    elif verb == "delete":
        meant, write = options.deletion(request, write)
        obj, gone = await delete(hub, served, namespace, name, meant, write)
        if gone and not served.strategy.returns_deleted:
            return answers.one(_deleted(served, obj), form, warnings=write.warnings)
    else:
        return await _delete_collection(hub, served, request, target, write, form)
    return _shaped(hub, served, request, form, hub.as_version(served, obj), status, write.warnings)


async def _delete_collection(
    hub: Hub, served: Served, request: Request, target: Target, write: Write, form: Form
) -> Response:
    found = await _find(hub, served, request.query, target)
    meant, write = options.deletion(request, write)
    if served.strategy.preserved and not meant.propagation:
        write.warnings.append(served.strategy.preserved)

    async def one(meta: Object) -> None:
        with suppress(NotFound):  # somebody else was quicker
            await delete(hub, served, meta.get("namespace") or "", meta["name"], meant, write)

    objects = [hub.as_version(served, entry.obj) for entry in found.entries]  # as they were found
    for start in range(0, len(found.entries), _AT_ONCE):  # those of one batch share a commit
        batch = found.entries[start : start + _AT_ONCE]
        await asyncio.gather(*(one(entry.obj["metadata"]) for entry in batch))
    return _listed(hub, served, request, form, objects, found, tuple(write.warnings))


def _raw(hub: Hub, served: Served, entry: Entry) -> bytes:
    obj = hub.as_version(served, entry.obj)
    return entry.raw if obj is entry.obj else orjson.dumps(obj)


def _nameless(served: Served) -> Callable[[bytes], bytes]:
    """Takes kind and version off an item's JSON, as Go's lists hold built-in kinds."""
    version, kind = orjson.dumps(served.kind.api_version), orjson.dumps(served.kind.kind)
    leads = (b'{"apiVersion":%b,"kind":%b,' % (version, kind), b'{"kind":%b,"apiVersion":%b,' % (kind, version))
    size = len(leads[0])

    def bare(raw: bytes) -> bytes:
        if raw.startswith(leads):
            return b"{" + raw[size:]
        return orjson.dumps({k: v for k, v in orjson.loads(raw).items() if k not in ("apiVersion", "kind")})

    return bare


async def _find(hub: Hub, served: Served, query: Mapping[str, str], target: Target) -> read.Found:
    wire.number(query, "timeoutSeconds")  # for watches alone, but always read
    fields = query.get("fieldSelector", "")
    if target.name:
        fields = f"metadata.name={target.name}" + (f",{fields}" if fields else "")
    return await read.found(
        hub,
        served,
        target.namespace,
        labels=query.get("labelSelector", ""),
        fields=fields,
        limit=wire.number(query, "limit"),
        page=query.get("continue", ""),
        revision=query.get("resourceVersion", ""),
        match=query.get("resourceVersionMatch", ""),
    )


async def _many(hub: Hub, served: Served, request: Request, target: Target) -> Response:
    form = _form(served, request, target)
    answers.check_list(Kind(served.kind.group, served.kind.version, served.list_kind), form, served.custom)
    warnings = (served.warning,) if served.warning else ()
    found = await _find(hub, served, request.query, target)
    if form.media == negotiation.JSON and not form.shape and not form.pretty:  # JSON is there already
        items = [_raw(hub, served, entry) for entry in found.entries]
        if not served.custom:
            items = list(map(_nameless(served), items))
        made = wire.list_of(
            served.list_kind, served.kind.api_version, items, found.revision, found.token, found.remaining
        )
        return Response(200, made, warnings=warnings)
    objects = [hub.as_version(served, entry.obj) for entry in found.entries]
    return _listed(hub, served, request, form, objects, found, warnings)


def _listed(
    hub: Hub,
    served: Served,
    request: Request,
    form: Form,
    objects: list[Object],
    found: read.Found,
    warnings: tuple[str, ...],
) -> Response:
    """A list in any form."""
    if form.shape == negotiation.TABLE:
        include = request.query.get("includeObject", "Metadata")
        where = (found.revision, found.token, found.remaining)
        body = table(served, objects, hub.clock.now(), include, *where)
        return answers.one({**body, "apiVersion": form.api_version}, form, warnings=warnings)
    kind = Kind(served.kind.group, served.kind.version, served.list_kind)
    if form.shape:
        kind = Kind.parse(form.api_version, negotiation.PARTIAL_LIST)
        objects = [answers.partial(obj, form) for obj in objects]
    elif not served.custom:
        objects = [{k: v for k, v in obj.items() if k not in ("apiVersion", "kind")} for obj in objects]
    meta = wire.list_meta(found.revision, found.token, found.remaining)
    return Response(200, answers.many(kind, meta, objects, form), form.media, warnings=warnings)


def _shaped(
    hub: Hub, served: Served, request: Request, form: Form, obj: Object, status: int, warnings: list[str]
) -> Response:
    """One object in the form that the client accepts."""
    if form.shape == negotiation.TABLE and obj.get("kind") == served.kind.kind:
        revision = str(obj["metadata"].get("resourceVersion") or "")
        include = request.query.get("includeObject", "Metadata")
        body = table(served, [obj], hub.clock.now(), include, revision=revision)
        obj = {**body, "apiVersion": form.api_version}
    elif form.shape == negotiation.TABLE and obj.get("kind") == "Scale":
        body = table(served, [obj], hub.clock.now(), columns=SCALE)
        obj = {**body, "apiVersion": form.api_version}
    elif form.shape == negotiation.PARTIAL and "metadata" in obj and obj.get("kind") != "Status":
        obj = answers.partial(obj, form)
    return answers.one(obj, form, status, warnings)


def _in_scope(served: Served, target: Target, verb: str) -> bool:
    """Whether a path names a custom kind where it lives. Source: apiextensions ``crdHandler.ServeHTTP``."""
    if served.namespaced:
        return bool(target.namespace) or verb in ("list", "watch")
    return not target.namespace


def _addressed(verb: str, target: Target, served: Served) -> bool:
    """Whether a verb is for what the path names: one object, or all. A custom kind's creation may name one."""
    custom = served.custom
    if verb in ("update", "patch"):
        return bool(target.name)
    if verb in ("create", "deletecollection") and not custom and served.namespaced and not target.namespace:
        return served.kind.group == "authorization.k8s.io" or bool(target.subresource)
    return verb != "create" or bool(target.subresource) or not target.name or custom


def _readable(request: Request, served: Served, verb: str) -> None:
    """Whether the body is of a kind that can be read, which is looked at before all else that is asked for."""
    media = wire.media_type(request.headers)
    if verb == "patch":
        wire.patch_kind(media, custom=served.custom)
    elif verb in _WRITES and (request.body or verb in ("create", "update")) and not wire.readable(media):
        raise UnsupportedMediaType(wire.UNREADABLE)


_WRITES = ("create", "update", "delete", "deletecollection")


def _deleted(served: Served, obj: Object) -> Object:
    details: Object = {"name": obj["metadata"]["name"], "kind": served.resource.name, "uid": obj["metadata"]["uid"]}
    if served.resource.group:
        details["group"] = served.resource.group
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


def _not_allowed(served: Served) -> MethodNotAllowed:
    return MethodNotAllowed("the server does not allow this method on the requested resource", details={})
