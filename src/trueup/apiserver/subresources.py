"""Parts of objects with verbs of their own: status, scale, log, eviction, binding, token and the like.

Called by `resources`. Answers (object or stream, HTTP status, content type).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, cast

import orjson

from trueup.apiserver import bodies, options
from trueup.apiserver.eviction import evict
from trueup.apiserver.hub import Hub
from trueup.apiserver.path import Target
from trueup.apiserver.registry import Served
from trueup.apiserver.request import Request, Write
from trueup.apiserver.verbs import prepare, read
from trueup.apiserver.verbs.patch import patch
from trueup.apiserver.verbs.update import change, conflict, update
from trueup.kube.go_json import word
from trueup.kube.names import Object
from trueup.kube.problems import ApiProblem, BadRequest, Cause, Invalid, MethodNotAllowed, Unavailable
from trueup.merge.jsonpatch import json_patch, merge_patch
from trueup.ports import PatchType

Answer = tuple[Object | bytes | AsyncIterator[bytes], int, str]
_JSON = "application/json"
_WHOLE: PatchType = "apply"


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
        body = bodies.written(served, request, write, "Eviction") if request.body else {}
        meant, write = options.delete_options(body.get("deleteOptions") or {}, request.query, write)
        if body and (body.get("metadata") or {}).get("name", target.name) != target.name:
            raise BadRequest("name in URL does not match name in Eviction object")
        await hub.review(served, target.namespace, target.name, body, write)
        await evict(hub, served, target.namespace, target.name, meant, write)
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}, 201, _JSON
    if name == "binding":
        return await _bind(hub, served, request, target, write)
    if name == "token":
        return await _token(hub, served, request, target, write)
    if name in ("exec", "attach", "portforward", "proxy"):
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
    if verb == "update":
        body, how = bodies.written(served, request, write, "Scale"), _WHOLE
    else:
        body, how = bodies.patch(served, request, write)
    return await scale(hub, served, target.namespace, target.name, body, how, write), 200, _JSON


async def scale(hub: Hub, served: Served, namespace: str, name: str, body: Any, how: PatchType, write: Write) -> Object:
    """Set the replicas that a Scale, or a patch of one, says; answers the Scale. ``apply``: ``body`` is the whole."""
    paths = scale_paths(served)

    def scaled(stored: Object) -> tuple[Object, bool]:
        current = scale_of(stored, paths)
        if how == "apply":
            wanted = body
        elif how == "json":
            wanted = json_patch(current, body)
        else:
            wanted = merge_patch(current, body)
        version = (wanted.get("metadata") or {}).get("resourceVersion")
        if version and version != stored["metadata"]["resourceVersion"]:
            raise conflict(served, name)
        replicas = (wanted.get("spec") or {}).get("replicas") or 0
        if not isinstance(replicas, int) or isinstance(replicas, bool):
            raise _no_scale(served, wanted, replicas, how)
        if served.custom and replicas < 0:
            raise _negative(served, name, replicas)
        return with_replicas(stored, paths[0], replicas), not _owned(stored, paths[0])

    return scale_of(await change(hub, served, namespace, name, scaled, write), paths)


def _no_scale(served: Served, wanted: Object, replicas: object, how: PatchType) -> ApiProblem:
    """A Scale that cannot be read; custom kinds' are of a scheme that does not even know it to say so."""
    if served.custom:
        return BadRequest('no kind is registered for the type v1.Scale in scheme "pkg/runtime/scheme.go:111"')
    why = f"json: cannot unmarshal {word(replicas)} into Go struct field ScaleSpec.spec.replicas of type int32"
    if how == "apply":
        return BadRequest(f'Scale in version "v1" cannot be handled as a Scale: {why}')
    said = f"Invalid value: {orjson.dumps(orjson.dumps(wanted).decode()).decode()}: {why}"
    return Invalid(f' "" is invalid: patch: {said}', causes=[Cause("FieldValueInvalid", said, "patch")])


def _negative(served: Served, name: str, replicas: int) -> Invalid:
    path = str((served.version_spec or {})["subresources"]["scale"].get("specReplicasPath", ""))
    text = f"Invalid value: {replicas}: should be a non-negative integer"
    return prepare.invalid(served, name, [Cause("FieldValueInvalid", text, path)])


def _owned(stored: Object, path: list[str]) -> bool:
    """Whether anybody's managed fields name the replicas. A Scale that has no owner gets none by being written.

    Source: apimachinery ``ScaleHandler`` and ``skipNonAppliedManager``.
    """
    for entry in stored["metadata"].get("managedFields") or ():
        at: Any = entry.get("fieldsV1") or {}
        for part in path:
            at = at.get(f"f:{part}") if isinstance(at, dict) else None
        if at is not None:
            return True
    return False


def with_replicas(stored: Object, path: list[str], replicas: object) -> Object:
    """The object with other replicas. Raises ``BadRequest`` and ``Invalid``."""
    name = stored["metadata"]["name"]
    if not isinstance(replicas, int) or isinstance(replicas, bool):
        raise BadRequest(
            f'Scale in version "v1" cannot be handled as a Scale: json: cannot unmarshal {word(replicas)} '
            "into Go struct field ScaleSpec.spec.replicas of type int32"
        )
    if replicas < 0:
        text = f"Invalid value: {replicas}: must be greater than or equal to 0"
        raise Invalid(
            f'Scale.autoscaling "{name}" is invalid: spec.replicas: {text}',
            causes=[Cause("FieldValueInvalid", text, "spec.replicas")],
            details={"name": name, "group": "autoscaling", "kind": "Scale"},
        )
    new = prepare.copy(stored)
    at = new
    for part in path[:-1]:
        at = at.setdefault(part, {})
    at[path[-1]] = replicas
    return cast(Object, new)


def scale_paths(served: Served) -> tuple[list[str], list[str], list[str]]:
    """Where replicas are wished, where they are counted, and where the selector stands."""
    if served.version_spec is None:
        return ["spec", "replicas"], ["status", "replicas"], []
    spec = served.version_spec["subresources"]["scale"]
    return (
        str(spec.get("specReplicasPath", "")).strip(".").split("."),
        str(spec.get("statusReplicasPath", "")).strip(".").split("."),
        str(spec.get("labelSelectorPath") or "").strip(".").split(".") if spec.get("labelSelectorPath") else [],
    )


def scale_of(obj: Object, paths: tuple[list[str], list[str], list[str]]) -> Object:
    """An object as ``autoscaling/v1`` Scale."""
    meta = obj["metadata"]
    selector: Any = _at(obj, paths[2]) if paths[2] else (obj.get("spec") or {}).get("selector")
    if isinstance(selector, dict):
        labels = (
            selector.get("matchLabels") if "matchLabels" in selector or "matchExpressions" in selector else selector
        )
        selector = ",".join(f"{name}={value}" for name, value in sorted((labels or {}).items()))
    keep = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    status: Object = {"replicas": _at(obj, paths[1]) or 0}
    if selector:
        status["selector"] = selector
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {name: meta[name] for name in keep if name in meta},
        "spec": {"replicas": replicas} if (replicas := _at(obj, paths[0]) or 0) else {},
        "status": status,
    }


def _at(obj: Any, path: list[str]) -> Any:
    for part in path:
        obj = obj.get(part) if isinstance(obj, dict) else None
    return obj


async def _log(hub: Hub, served: Served, request: Request, target: Target) -> Answer:
    pod = await read.get(hub, served, target.namespace, target.name)
    if hub.pod_logs is None:
        raise Unavailable("nothing runs pods in this cluster, so there are no logs: start it with simulated workloads")
    return hub.pod_logs(pod, request.query), 200, "text/plain"


async def _bind(hub: Hub, served: Served, request: Request, target: Target, write: Write) -> Answer:
    wanted = bodies.written(served, request, write, "Binding")
    node = (wanted.get("target") or {}).get("name")
    if not node:
        raise BadRequest("target.name is required: the node to bind to")
    await hub.review(served, target.namespace, target.name, wanted, write)

    def bound(stored: Object) -> tuple[Object, bool]:
        if stored["spec"].get("nodeName"):
            why = f'pod {target.name} is already assigned to node "{stored["spec"]["nodeName"]}"'
            raise conflict(served, target.name, why)
        new = prepare.copy(stored)
        new["spec"]["nodeName"] = node
        conditions = [c for c in (new.get("status") or {}).get("conditions") or () if c["type"] != "PodScheduled"]
        conditions.append({"type": "PodScheduled", "status": "True", "lastTransitionTime": hub.now()})
        new["status"] = {**(new.get("status") or {}), "conditions": conditions}
        return new, False

    await change(hub, served, target.namespace, target.name, bound, replace(write, reviewed=False))
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}, 201, _JSON


async def _token(hub: Hub, served: Served, request: Request, target: Target, write: Write) -> Answer:
    account = await read.get(hub, served, target.namespace, target.name)
    if hub.tokens is None:
        raise Unavailable("this cluster has no key to sign tokens with")
    wanted = bodies.written(served, request, write, "TokenRequest") if request.body else {}
    await hub.review(served, target.namespace, target.name, wanted, write)
    return hub.tokens.request(account, wanted, hub.clock.now(), request.annotations), 201, _JSON
