"""Requests as values: paths, query strings and bodies of the Kubernetes verbs. Pure; called by `http.py`.

Source: Kubernetes documentation, "Kubernetes API Concepts".
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urlencode

import orjson

from trueup.kube.names import Object, Resource
from trueup.ports import PatchType, Propagation, ResourceInfo

PATCHES: dict[PatchType, str] = {
    "json": "application/json-patch+json",
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",  # JSON is YAML; kube-apiserver 1.30 knows no other type for it
}


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request. ``verb`` is Kubernetes' word for it; ``path`` holds the query."""

    verb: str
    method: str
    path: str
    body: bytes | None = None
    content_type: str = "application/json"


def base(resource: Resource) -> str:
    """``/api/v1`` or ``/apis/apps/v1``."""
    return f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"


def path(info: ResourceInfo, namespace: str, name: str = "", subresource: str = "") -> str:
    """The path of a collection or of one object; a namespace is left out where the resource has none."""
    parts = [base(info.resource)]
    if namespace and info.namespaced:
        parts.append(f"namespaces/{quote(namespace, safe='')}")
    parts.append(info.resource.name)
    if name:
        parts.append(quote(name, safe=""))
    if subresource:
        parts.append(subresource)
    return "/".join(parts)


def with_query(where: str, **query: str | int | bool) -> str:
    """A path with those parameters that say something."""
    given = {name: "true" if value is True else str(value) for name, value in query.items() if value}
    return f"{where}?{urlencode(given, quote_via=quote)}" if given else where


def get(info: ResourceInfo, namespace: str, name: str) -> Call:
    return Call("get", "GET", path(info, namespace, name))


def list_(info: ResourceInfo, namespace: str, *, labels: str, fields: str, limit: int, page: str) -> Call:
    where = with_query(
        path(info, namespace), labelSelector=labels, fieldSelector=fields, limit=limit, **{"continue": page}
    )  # fmt: skip
    return Call("list", "GET", where)


def watch(info: ResourceInfo, namespace: str, *, revision: str, labels: str, fields: str, seconds: int) -> Call:
    where = with_query(
        path(info, namespace), watch=True, allowWatchBookmarks=True, resourceVersion=revision,
        timeoutSeconds=seconds, labelSelector=labels, fieldSelector=fields,
    )  # fmt: skip
    return Call("watch", "GET", where)


def create(info: ResourceInfo, obj: Object, *, manager: str, dry_run: bool) -> Call:
    namespace = (obj.get("metadata") or {}).get("namespace") or ""
    return _write("create", "POST", path(info, namespace), orjson.dumps(obj), manager=manager, dry_run=dry_run)


def update(info: ResourceInfo, obj: Object, *, subresource: str, manager: str, dry_run: bool) -> Call:
    metadata = obj.get("metadata") or {}
    where = path(info, metadata.get("namespace") or "", metadata.get("name") or "", subresource)
    return _write("update", "PUT", where, orjson.dumps(obj), manager=manager, dry_run=dry_run)


def patch(
    info: ResourceInfo, namespace: str, name: str, body: object, how: PatchType, *,
    subresource: str, manager: str, force: bool, dry_run: bool,
) -> Call:  # fmt: skip
    where = path(info, namespace, name, subresource)
    force = force and how == "apply"  # a parameter of apply alone; others are refused with it
    return _write(
        "apply" if how == "apply" else "patch", "PATCH", where, orjson.dumps(body), PATCHES[how],
        manager=manager, dry_run=dry_run, force=force,
    )  # fmt: skip


def delete(
    info: ResourceInfo, namespace: str, name: str, *,
    propagation: Propagation | None, grace: int | None, uid: str, revision: str, dry_run: bool,
) -> Call:  # fmt: skip
    options: Object = {"apiVersion": "v1", "kind": "DeleteOptions"}
    if propagation:
        options["propagationPolicy"] = propagation
    if grace is not None:
        options["gracePeriodSeconds"] = grace
    if preconditions := {k: v for k, v in (("uid", uid), ("resourceVersion", revision)) if v}:
        options["preconditions"] = preconditions
    if dry_run:
        options["dryRun"] = ["All"]
    return Call("delete", "DELETE", path(info, namespace, name), orjson.dumps(options))


def _write(
    verb: str, method: str, where: str, body: bytes, content_type: str = "application/json", *,
    manager: str, dry_run: bool, force: bool = False,
) -> Call:  # fmt: skip
    query = with_query(where, fieldManager=manager, dryRun="All" if dry_run else "", force=force)
    return Call(verb, method, query, body, content_type)
