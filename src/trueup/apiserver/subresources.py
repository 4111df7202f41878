"""Parts of objects with verbs of their own: status, scale, log, eviction, binding, token and the like.

Called by `resources`. Answers (object or stream, HTTP status, content type).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

from trueup.apiserver import bodies, options
from trueup.apiserver.eviction import evict
from trueup.apiserver.hub import Hub
from trueup.apiserver.path import Target
from trueup.apiserver.registry import Served
from trueup.apiserver.request import Request, Write
from trueup.apiserver.scaling import scale, scale_of, scale_paths
from trueup.apiserver.verbs import prepare, read
from trueup.apiserver.verbs.patch import patch
from trueup.apiserver.verbs.update import change, update
from trueup.kube.names import Object
from trueup.kube.problems import ApiProblem, BadRequest, Conflict, MethodNotAllowed, Unavailable
from trueup.kube.query import flag
from trueup.ports import PatchType

Answer = tuple[Object | bytes | AsyncIterator[bytes], int, str]
_JSON = "application/json"
DONE: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
_CONNECTED: Mapping[str, str] = {
    "command": "texts", "container": "text", "path": "text", "ports": "numbers",
    "stderr": "flag", "stdin": "flag", "stdout": "flag", "tty": "flag",
}  # fmt: skip
"""What a connection may be asked for, and what that is."""


class NotImplementedHere(ApiProblem):
    """What only a real node could do."""

    code, reason = 501, "NotImplemented"


async def answer(hub: Hub, served: Served, request: Request, target: Target, verb: str, write: Write) -> Answer:
    """One request for a subresource."""
    name = target.subresource
    if verb not in served.subresources[name].verbs and not (name == "finalize" and verb == "update"):
        raise MethodNotAllowed("the server does not allow this method on the requested resource", details={})
    if name == "scale":
        return await _scale(hub, served, request, target, verb, write)
    if name == "log":
        return await _log(hub, served, request, target)
    if name == "eviction":
        body = _part(hub, served, request, write, "Eviction") if request.body else {}
        asked = write  # as a review is not made dry by what it says of the deletion
        meant, write = options.delete_options(body.get("deleteOptions") or {}, request.query, write)
        if body and (body.get("metadata") or {}).get("name", target.name) != target.name:
            raise BadRequest("name in URL does not match name in Eviction object")
        await hub.review(served, target.namespace, target.name, body, asked)
        await evict(hub, served, target.namespace, target.name, meant, write)
        return dict(DONE), 201, _JSON
    if name == "binding":
        wanted = _part(hub, served, request, write, "Binding")
        await hub.review(served, target.namespace, target.name, wanted, write)
        await bind(hub, served, target.namespace, target.name, wanted, write)
        return dict(DONE), 201, _JSON
    if name == "token":
        return await _token(hub, served, request, target, write)
    if name in ("exec", "attach", "portforward", "proxy"):
        await hub.review(served, target.namespace, target.name, connection(request, target), write, operation="CONNECT")
        obj = await read.get(hub, served, target.namespace, target.name)
        if served.kind.kind == "Pod" and name != "proxy" and not obj["spec"].get("nodeName"):
            raise BadRequest(f"pod {target.name} does not have a host assigned")
        raise NotImplementedHere(f"{name} needs a container that runs; workloads in this cluster are simulated")
    if verb == "get":
        return await read.get(hub, served, target.namespace, target.name), 200, _JSON
    there = hub.store.bucket(served.storage).newest(target.namespace, target.name) is not None
    code = 200 if there else 201  # a few kinds are made by a write of their status
    if verb == "update":
        obj = bodies.written(served, request, write)
        if name == "finalize":
            return await _finalize(hub, served, target, obj, write), 200, _JSON
        return await update(hub, served, target.namespace, target.name, obj, write), code, _JSON
    body, how = bodies.patch(served, request, write)
    return await patch(hub, served, target.namespace, target.name, body, how, write), code, _JSON


async def _finalize(hub: Hub, served: Served, target: Target, obj: Object, write: Write) -> Object:
    """A namespace's own finalizers are changed here alone."""
    wanted = list((obj.get("spec") or {}).get("finalizers") or ())

    def finalized(stored: Object) -> tuple[Object, bool]:
        return {**prepare.copy(stored), "spec": {**(stored.get("spec") or {}), "finalizers": wanted}}, False

    return await change(hub, served, "", target.name, finalized, write)


async def _scale(hub: Hub, served: Served, request: Request, target: Target, verb: str, write: Write) -> Answer:
    if verb == "get":
        return scale_of(await read.get(hub, served, target.namespace, target.name), scale_paths(served)), 200, _JSON
    body: Any
    how: PatchType | None = None
    if verb == "update":
        body = bodies.written(served, request, write, "Scale")
    else:
        body, how = bodies.patch(served, request, write)
    return await scale(hub, served, target.namespace, target.name, body, how, write), 200, _JSON


async def _log(hub: Hub, served: Served, request: Request, target: Target) -> Answer:
    pod = await read.get(hub, served, target.namespace, target.name)
    if hub.pod_logs is None:
        raise Unavailable("nothing runs pods in this cluster, so there are no logs: start it with simulated workloads")
    return hub.pod_logs(pod, request.query), 200, "text/plain"


def connection(request: Request, target: Target) -> Object:
    """What is asked of a connection, as an object that reviewers can read."""
    asked: Object = {}
    for name, form in _CONNECTED.items():
        given = request.every(name)
        if not given:
            continue
        if form == "flag":
            if flag(request.query, name):
                asked[name] = True
        elif form == "numbers":
            asked[name] = [int(each) for one in given for each in one.split(",") if each.isdigit()]
        else:
            asked[name] = list(given) if form == "texts" else given[0]
    if target.subresource == "proxy":
        rest = request.path.partition(f"/{target.name}/proxy")[2]
        asked = {"path": rest} if rest else {}
    return asked


async def bind(hub: Hub, pods: Served, space: str, name: str, wanted: Object, write: Write) -> None:
    """Put a pod on a node. Raises ``BadRequest``, ``NotFound``, ``Conflict``."""
    node = (wanted.get("target") or {}).get("name")
    if not node:
        raise BadRequest("target.name is required: the node to bind to")

    def bound(stored: Object) -> tuple[Object, bool]:
        if stored["spec"].get("nodeName"):
            why = f'pod {name} is already assigned to node "{stored["spec"]["nodeName"]}"'
            raise Conflict(f'Operation cannot be fulfilled on pods/binding "{name}": {why}', details=details)
        new = prepare.copy(stored)
        new["spec"]["nodeName"] = node
        conditions = [c for c in (new.get("status") or {}).get("conditions") or () if c["type"] != "PodScheduled"]
        conditions.append({"type": "PodScheduled", "status": "True", "lastTransitionTime": hub.now()})
        new["status"] = {**(new.get("status") or {}), "conditions": conditions}
        return new, False

    details: Object = {"name": name, "kind": "pods/binding"}
    await change(hub, pods, space, name, bound, replace(write, subresource="binding", reviewed=False))


def _part(hub: Hub, served: Served, request: Request, write: Write, name: str) -> Object:
    """What a request makes of an object that is never stored. Raises ``BadRequest``."""
    part, kind = bodies.written(served, request, write, name), served.subresources[write.subresource].kind
    prepare.fits(hub.types.struct(kind), kind, part)
    return part


async def _token(hub: Hub, served: Served, request: Request, target: Target, write: Write) -> Answer:
    account = await read.get(hub, served, target.namespace, target.name)
    if hub.tokens is None:
        raise Unavailable("this cluster has no key to sign tokens with")
    wanted = _part(hub, served, request, write, "TokenRequest") if request.body else {}
    await hub.review(served, target.namespace, target.name, wanted, write)
    return hub.tokens.request(account, wanted, hub.clock.now(), request.annotations), 201, _JSON
