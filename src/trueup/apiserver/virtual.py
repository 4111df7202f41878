"""Resources that only answer a question: access and token reviews. Called by `resources` for create.

Source: authorization.k8s.io/v1, authentication.k8s.io/v1.
"""

from __future__ import annotations

from trueup.apiserver.hub import Hub
from trueup.apiserver.rbac import Attributes, Authorizer
from trueup.apiserver.registry import Served
from trueup.apiserver.tokens import TokenProblem
from trueup.apiserver.users import User
from trueup.apiserver.verbs.prepare import invalid
from trueup.kube.names import Object
from trueup.kube.problems import BadRequest, Cause, MethodNotAllowed

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
            obj["status"] = _review(authorizer, user, spec, served)
        case "SubjectAccessReview" | "LocalSubjectAccessReview":
            _check_subject(served, spec, namespace)
            other = User(str(spec.get("user") or ""), tuple(spec.get("groups") or ()), str(spec.get("uid") or ""))
            obj["status"] = _review(authorizer, other, spec, served)
        case "SelfSubjectRulesReview":
            obj["status"] = _rules(authorizer, user, str(spec.get("namespace") or ""))
        case "SelfSubjectReview":
            obj["status"] = {"userInfo": _info(user)}
            obj["metadata"] = {"creationTimestamp": hub.now()}
        case "TokenReview":
            obj["status"] = _token(hub, spec)
        case _:
            raise MethodNotAllowed("the server does not allow this method on the requested resource")
    return obj


def _token(hub: Hub, spec: Object) -> Object:
    text, audiences = str(spec.get("token") or ""), list(spec.get("audiences") or ())
    if not text:
        raise BadRequest("token is required for TokenReview in authentication")
    try:
        if hub.authenticator is None:
            raise TokenProblem
        user, meant = hub.authenticator.review(text, audiences)
    except TokenProblem as problem:
        why = f"[invalid bearer token, {problem}]" if str(problem) else "invalid bearer token"
        return {"user": {}, "error": why}
    return {"authenticated": True, "user": _info(user), "audiences": meant}


def _check_subject(served: Served, spec: Object, namespace: str) -> None:
    """Whose rights are asked for, and that a local review stays in its namespace."""
    if not spec.get("user") and not spec.get("groups"):
        text = 'Invalid value: "": at least one of user or group must be specified'
        raise invalid(served, "", [Cause("FieldValueInvalid", text, "spec.user")])
    if served.kind.kind == "LocalSubjectAccessReview":
        asked = str((spec.get("resourceAttributes") or {}).get("namespace") or "")
        if asked != namespace:
            text = f'Invalid value: "{asked}": must match metadata.namespace'
            raise invalid(served, "", [Cause("FieldValueInvalid", text, "spec.resourceAttributes.namespace")])


def _review(authorizer: Authorizer, user: User, spec: Object, served: Served) -> Object:
    resource, other = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if bool(resource) == bool(other):
        text = "Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified"
        raise invalid(served, "", [Cause("FieldValueInvalid", text, "spec.resourceAttributes")])
    allowed = authorizer.allows(user, _wanted(resource) if resource else _wanted_path(other or {}))
    return {"allowed": allowed, **({} if allowed else {"reason": ""})}


def _wanted(resource: Object) -> Attributes:
    return Attributes(
        verb=str(resource.get("verb") or ""),
        group=str(resource.get("group") or ""),
        resource=str(resource.get("resource") or ""),
        subresource=str(resource.get("subresource") or ""),
        namespace=str(resource.get("namespace") or ""),
        name=str(resource.get("name") or ""),
    )


def _wanted_path(other: Object) -> Attributes:
    return Attributes(verb=str(other.get("verb") or ""), path=str(other.get("path") or ""))


def _rules(authorizer: Authorizer, user: User, namespace: str) -> Object:
    rules = authorizer.rules(user, namespace)
    return {
        "resourceRules": [rule for rule in rules if rule.get("resources")],
        "nonResourceRules": [rule for rule in rules if rule.get("nonResourceURLs")],
        "incomplete": False,
    }


def _info(user: User) -> Object:
    out: Object = {"username": user.name, "groups": list(user.groups)}
    if user.uid:
        out["uid"] = user.uid
    if user.extra:
        out["extra"] = {key: list(values) for key, values in user.extra.items()}
    return out
