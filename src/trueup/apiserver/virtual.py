"""Resources that only answer a question: access and token reviews, how components are. Called by `resources`.

Source: authorization.k8s.io/v1, authentication.k8s.io/v1.
"""

from __future__ import annotations

from collections.abc import Iterator

from trueup.apiserver.hub import Hub
from trueup.apiserver.rbac import Attributes, Authorizer
from trueup.apiserver.registry import Served
from trueup.apiserver.tokens import TokenProblem
from trueup.apiserver.users import User
from trueup.kube.names import Object
from trueup.kube.problems import BadRequest, Invalid, MethodNotAllowed
from trueup.kube.validation.reviews import access_review

_GROUPS = frozenset({"authorization.k8s.io", "authentication.k8s.io"})


def is_virtual(served: Served) -> bool:
    """Whether the resource is answered and never stored."""
    return not served.custom and (
        served.resource.group in _GROUPS or served.storage in ("bindings", "componentstatuses")
    )


def components() -> list[Object]:
    """The parts of a cluster, all of them in this program: what answers is well. Source: ``registry/core/componentstatus``."""
    healthy = {"type": "Healthy", "status": "True", "message": "ok"}
    return [
        {"apiVersion": "v1", "kind": "ComponentStatus", "metadata": {"name": name}, "conditions": [dict(healthy)]}
        for name in ("scheduler", "controller-manager", "etcd-0")
    ]


async def create(hub: Hub, authorizer: Authorizer, served: Served, namespace: str, obj: Object, user: User) -> Object:
    """Answer one review."""
    obj = {"apiVersion": served.kind.api_version, "kind": served.kind.kind, **obj}
    obj.setdefault("metadata", {})
    if served.default is not None:
        served.default(obj)
    spec = obj.get("spec") or {}
    match served.kind.kind:
        case "SelfSubjectAccessReview":
            _check(obj, namespace)
            obj["status"] = _review(authorizer, user, spec)
        case "SubjectAccessReview" | "LocalSubjectAccessReview":
            _check(obj, namespace)
            other = User(str(spec.get("user") or ""), tuple(spec.get("groups") or ()), str(spec.get("uid") or ""))
            obj["status"] = _review(authorizer, other, spec)
        case "SelfSubjectRulesReview":
            if not spec.get("namespace"):
                raise BadRequest("no namespace on request")
            obj |= {"spec": {}, "status": _rules(authorizer, user, str(spec["namespace"]))}
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


def _check(obj: Object, namespace: str) -> None:
    """What may be asked, of whom, and where. Raises ``Invalid``."""
    meta = obj["metadata"] if not namespace else {**obj["metadata"], "namespace": namespace}
    causes = list(access_review({**obj, "metadata": meta}))
    if causes:
        texts = [f"{cause.field}: {cause.message}" for cause in causes]
        text = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
        group = "authorization.k8s.io"
        raise Invalid(f'.{group} "" is invalid: {text}', causes=causes, details={"group": group})


def _review(authorizer: Authorizer, user: User, spec: Object) -> Object:
    resource = spec.get("resourceAttributes")
    wanted = _wanted(resource) if resource is not None else _wanted_path(spec.get("nonResourceAttributes") or {})
    allowed, reason = authorizer.decide(user, wanted)
    ignored = "; ".join(_ignored(resource or {}))
    found: Object = {"allowed": allowed, **({"reason": reason} if reason else {})}
    return {**found, "evaluationError": ignored} if ignored else found


def _ignored(resource: Object) -> Iterator[str]:
    """Selectors that cannot be read are not asked after. Source: ``registry/authorization/util``."""
    for name in ("fieldSelector", "labelSelector"):
        wishes = (resource.get(name) or {}).get("requirements") or ()
        readable = sum(_is_readable(wish, of_labels=name == "labelSelector") for wish in wishes)
        if readable < len(wishes):
            how = "partially ignored" if readable else "ignored"
            yield f"spec.resourceAttributes.{name} {how} due to parse error"


def _is_readable(wish: Object, *, of_labels: bool) -> bool:
    """Fields are compared with one value."""
    if of_labels:
        return wish.get("operator") in ("In", "NotIn", "Exists", "DoesNotExist")
    return wish.get("operator") in ("In", "NotIn") and len(wish.get("values") or ()) == 1


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
