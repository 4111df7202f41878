"""What a request wants to do, read off its method, path and query alone. Called by `asgi` and `resources`.

Authorization and the audit log go by it, before anything is looked up. Source: apiserver ``pkg/endpoints/request``
(requestinfo.go).
"""

from __future__ import annotations

from collections.abc import Mapping

from trueup.apiserver.path import Target
from trueup.apiserver.rbac import Attributes
from trueup.kube import selectors
from trueup.kube.problems import BadRequest
from trueup.kube.query import flag

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}


def attributes_of(method: str, path: str, query: Mapping[str, str], target: Target | None) -> Attributes:
    """For a resource (``target``) or a path that is none's."""
    if target is None:
        return Attributes(method.lower(), path=path)
    name = target.name
    if method in ("GET", "HEAD"):
        verb = "get" if name else "watch" if flag(query, "watch") else "list"
        if not name and "fieldSelector" in query:
            name = _one_name(query["fieldSelector"])
    elif method == "DELETE":
        verb = "delete" if name else "deletecollection"
    else:
        verb = _VERBS.get(method, "")
    return Attributes(
        verb=verb,
        group=target.resource.group,
        resource=target.resource.name,
        subresource=target.subresource,
        namespace=target.name if target.resource.name == "namespaces" and target.name else target.namespace,
        name=name,
    )


def _one_name(fields: str) -> str:
    """The name that a field selector asks for alone: who may read one object may list and watch that one."""
    try:
        name = selectors.fields(fields).exact("metadata.name")
    except BadRequest:  # which the verb will say
        return ""
    return "" if name is None or "/" in name or "%" in name or name in (".", "..") else name
