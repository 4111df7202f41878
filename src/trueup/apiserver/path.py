"""A request's path as what it means: a resource, perhaps a name, perhaps a subresource. Pure.

Source: Kubernetes API concepts, "Resource URIs".
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

from trueup.kube.names import Resource

_NAMESPACE_PARTS = frozenset({"status", "finalize"})


@dataclass(frozen=True, slots=True)
class Target:
    """What a resource path points at."""

    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    rest: str = ""
    """What follows the subresource, e.g. a proxied path."""


def unwatched(path: str, query: bytes) -> tuple[str, bytes]:
    """The path and query of today for one of the old paths of watches, ``/api/v1/watch/pods``; others as they are.

    Source: apiserver ``request/requestinfo.go``, which knows ``watch`` as a special verb.
    """
    parts = path.split("/")  # the first is empty
    at = 3 if parts[1] == "api" else 4
    if parts[1] not in ("api", "apis") or len(parts) < at + 2 or parts[at] != "watch":
        return path, query
    rest = parts[at + 1 :]
    named = rest[2:] if rest[0] == "namespaces" and len(rest) > 2 else rest
    wanted = b"watch=1"
    if len(named) == 2:
        wanted += b"&fieldSelector=metadata.name%3D" + named[1].encode()
        rest.pop()
    return "/".join([*parts[:at], *rest]), wanted + b"&" + query if query else wanted


def parse(path: str) -> Target | None:
    """None for a path that is no resource's."""
    parts = [part for part in path.split("/") if part]
    if "%" in path:
        parts = [unquote(part) for part in parts]
    if len(parts) >= 3 and parts[0] == "api":
        group, version, rest = "", parts[1], parts[2:]
    elif len(parts) >= 4 and parts[0] == "apis":
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = ""
    if (
        rest[0] == "namespaces"
        and len(rest) > 2
        and not (group == "" and rest[2] in _NAMESPACE_PARTS and len(rest) == 3)
    ):
        namespace, rest = rest[1], rest[2:]
    name, subresource = rest[1] if len(rest) > 1 else "", rest[2] if len(rest) > 2 else ""
    return Target(Resource(group, version, rest[0]), namespace, name, subresource, "/".join(rest[3:]))
