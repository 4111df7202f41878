"""Resources that only answer a question: access and token reviews. Called by `resources` for create.

Source: authorization.k8s.io/v1, authentication.k8s.io/v1.
"""

from __future__ import annotations

from typing import Any

from trueup.apiserver.hub import Hub
from trueup.apiserver.rbac import Attributes, Authorizer
from trueup.apiserver.registry import Served
from trueup.apiserver.users import User
from trueup.kube.names import Object
from trueup.kube.problems import BadRequest, MethodNotAllowed

_GROUPS = frozenset({"authorization.k8s.io", "authentication.k8s.io"})


def is_virtual(served: Served) -> bool:
    """Whether the resource is answered and never stored."""
    return not served.custom and (
        served.resource.group in _GROUPS or served.storage in ("bindings", "componentstatuses")
    )


async def create(hub: Hub, authorizer: Authorizer, served: Served, namespace: str, obj: Object, user: User) -> Object:
    """Answer one review."""
    obj = {"apiVersion": served.kind.api_version, "kind": served.kind.kind, **obj}
    obj.setdefault("metadata", {})
    spec = obj.get("spec") or {}
    match served.kind.kind:
        case "SelfSubjectAccessReview":
            obj["status"] = _review(authorizer, user, spec)
        case "SubjectAccessReview" | "LocalSubjectAccessReview":
            other = User(str(spec.get("user") or ""), tuple(spec.get("groups") or ()), str(spec.get("uid") or ""))
            obj["status"] = _review(authorizer, other, spec)
        case "SelfSubjectRulesReview":
            obj["status"] = _rules(authorizer, user, str(spec.get("namespace") or ""))
        case "SelfSubjectReview":
            obj["status"] = {"userInfo": _info(user)}
        case "TokenReview":
            found = hub.authenticate_token(str(spec.get("token") or ""))
            obj["status"] = (
                {"authenticated": True, "user": _info(found), "audiences": spec.get("audiences")}
                if found is not None
                else {"authenticated": False, "error": "invalid bearer token"}
            )
        case _:
            raise MethodNotAllowed("the server does not allow this method on the requested resource")
    return obj


def _review(authorizer: Authorizer, user: User, spec: Object) -> Object:
    resource, other = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if not resource and not other:
        raise BadRequest("exactly one of nonResourceAttributes or resourceAttributes must be specified")
    wanted = (
        Attributes(
            verb=str(resource.get("verb") or ""),
            group=str(resource.get("group") or ""),
            resource=str(resource.get("resource") or ""),
            subresource=str(resource.get("subresource") or ""),
            namespace=str(resource.get("namespace") or ""),
            name=str(resource.get("name") or ""),
        )
        if resource
        else Attributes(verb=str((other or {}).get("verb") or ""), path=str((other or {}).get("path") or ""))
    )
    allowed = authorizer.allows(user, wanted)
    return {"allowed": allowed, **({} if allowed else {"reason": ""})}


def _rules(authorizer: Authorizer, user: User, namespace: str) -> Object:
    everything: list[Any] = []
    if "system:masters" in user.groups:
        everything = [
            {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
            {"nonResourceURLs": ["*"], "verbs": ["*"]},
        ]
    rules = [*everything, *authorizer.rules(user, namespace)]
    return {
        "resourceRules": [rule for rule in rules if rule.get("resources")],
        "nonResourceRules": [rule for rule in rules if rule.get("nonResourceURLs")],
        "incomplete": False,
    }


def _info(user: User) -> Object:
    out: Object = {"username": user.name, "groups": list(user.groups)}
    if user.uid:
        out["uid"] = user.uid
    return out
