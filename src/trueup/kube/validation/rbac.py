"""The group rbac.authorization.k8s.io. Source: Kubernetes ``pkg/apis/rbac/validation/validation.go``."""

from __future__ import annotations

from trueup.kube.names import Object
from trueup.kube.problems import Cause
from trueup.kube.validation import formats, object_meta
from trueup.kube.validation.causes import Causes, each_invalid, invalid, not_supported, required

_RBAC = "rbac.authorization.k8s.io"


def role(obj: Object) -> Causes:
    """rbac Role."""
    for index, rule in enumerate(obj.get("rules") or ()):
        yield from _rule(rule, f"rules[{index}]", namespaced=True)


def cluster_role(obj: Object) -> Causes:
    """rbac ClusterRole."""
    for index, rule in enumerate(obj.get("rules") or ()):
        yield from _rule(rule, f"rules[{index}]", namespaced=False)
    aggregation = obj.get("aggregationRule")
    if aggregation is not None and not aggregation.get("clusterRoleSelectors"):
        text = "at least one clusterRoleSelector required if aggregationRule is non-nil"
        yield required("aggregationRule.clusterRoleSelectors", text)
    for index, wanted in enumerate((aggregation or {}).get("clusterRoleSelectors") or ()):
        path = f"aggregationRule.clusterRoleSelectors[{index}]"
        problems = list(object_meta.selector(wanted, path))
        yield from problems
        if any(_unreadable(problem) for problem in problems):
            yield Cause("FieldValueInvalid", "Invalid value: null: invalid label selector.", path)


def _unreadable(problem: Cause) -> bool:
    """Whether nothing can be looked for with such a selector: what is wrong with an annotation's size would not matter."""
    return problem.reason != "FieldValueTooLong"


def _rule(rule: Object, path: str, *, namespaced: bool) -> Causes:
    if not rule.get("verbs"):
        yield required(f"{path}.verbs", "verbs must contain at least one value")
    urls = rule.get("nonResourceURLs")
    if urls:
        if namespaced:
            yield invalid(f"{path}.nonResourceURLs", urls, "namespaced rules cannot apply to non-resource URLs")
        if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
            text = "rules cannot apply to both regular resources and non-resource URLs"
            yield invalid(f"{path}.nonResourceURLs", urls, text)
        return
    if not rule.get("apiGroups"):
        yield required(f"{path}.apiGroups", "resource rules must supply at least one api group")
    if not rule.get("resources"):
        yield required(f"{path}.resources", "resource rules must supply at least one resource")


def role_binding(obj: Object) -> Causes:
    """rbac RoleBinding."""
    yield from _binding(obj, ("Role", "ClusterRole"))


def cluster_role_binding(obj: Object) -> Causes:
    """rbac ClusterRoleBinding."""
    yield from _binding(obj, ("ClusterRole",))


def _binding(obj: Object, kinds: tuple[str, ...]) -> Causes:
    reference = obj.get("roleRef") or {}
    if reference.get("apiGroup") != _RBAC:
        yield not_supported("roleRef.apiGroup", reference.get("apiGroup") or "", (_RBAC,))
    if reference.get("kind") not in kinds:
        yield not_supported("roleRef.kind", reference.get("kind") or "", kinds)
    name = reference.get("name") or ""
    if name:
        yield from each_invalid("roleRef.name", name, formats.path_segment(name))
    else:
        yield required("roleRef.name")
    for index, subject in enumerate(obj.get("subjects") or ()):
        yield from _subject(subject, f"subjects[{index}]", namespaced="Role" in kinds)


def _subject(subject: Object, path: str, *, namespaced: bool) -> Causes:
    kind, name, group = subject.get("kind"), subject.get("name") or "", subject.get("apiGroup") or ""
    if not name:
        yield required(f"{path}.name")
    if kind == "ServiceAccount":
        if name:
            yield from each_invalid(f"{path}.name", name, formats.subdomain(name))
        if group:
            yield not_supported(f"{path}.apiGroup", group, ("",))
        if not subject.get("namespace") and not namespaced:
            yield required(f"{path}.namespace")
    elif kind in ("User", "Group"):
        if group != _RBAC:
            yield not_supported(f"{path}.apiGroup", group, (_RBAC,))
    else:
        yield not_supported(f"{path}.kind", kind or "", ("ServiceAccount", "User", "Group"))
