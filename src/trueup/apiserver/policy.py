"""Roles and bindings that every cluster has, as data. Read by the hub when it opens; people may change them later.

Source: Kubernetes documentation, "Using RBAC Authorization", default roles; ``rbac/bootstrappolicy/policy.go``.
"""

from __future__ import annotations

from collections.abc import Sequence

from trueup.kube.names import Object

GROUP = "rbac.authorization.k8s.io"
AUTHENTICATED, UNAUTHENTICATED, MASTERS = "system:authenticated", "system:unauthenticated", "system:masters"
_READ = ("get", "list", "watch")
_WRITE = ("create", "delete", "deletecollection", "patch", "update")
_LABEL = "rbac.authorization.k8s.io/aggregate-to-"


def _rule(verbs: Sequence[str], group: str, resources: str) -> Object:
    return {"apiGroups": [group], "resources": resources.split(), "verbs": list(verbs)}


def _paths(*paths: str) -> Object:
    return {"nonResourceURLs": list(paths), "verbs": ["get"]}


def _role(name: str, *rules: Object, aggregates_to: str = "") -> Object:
    labels = {"kubernetes.io/bootstrapping": "rbac-defaults"}
    if aggregates_to:
        labels[_LABEL + aggregates_to] = "true"
    meta = {
        "name": name,
        "labels": labels,
        "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "true"},
    }
    return {"metadata": meta, "rules": list(rules)}


def _aggregated(name: str, *rules: Object, aggregates_to: str = "") -> Object:
    role = _role(name, *rules, aggregates_to=aggregates_to)
    return {**role, "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {_LABEL + name: "true"}}]}}


def _binding(name: str, *groups: str) -> Object:
    return {
        "metadata": _role(name)["metadata"],
        "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": name},
        "subjects": [{"apiGroup": GROUP, "kind": "Group", "name": group} for group in groups],
    }


_VIEW = (
    _rule(
        _READ,
        "",
        "configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers "
        "replicationcontrollers/scale serviceaccounts services services/status bindings events limitranges "
        "namespaces/status pods/log pods/status replicationcontrollers/status resourcequotas resourcequotas/status "
        "namespaces",
    ),
    _rule(_READ, "discovery.k8s.io", "endpointslices"),
    _rule(
        _READ,
        "apps",
        "controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status replicasets "
        "replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status",
    ),
    _rule(_READ, "autoscaling", "horizontalpodautoscalers horizontalpodautoscalers/status"),
    _rule(_READ, "batch", "cronjobs cronjobs/status jobs jobs/status"),
    _rule(_READ, "policy", "poddisruptionbudgets poddisruptionbudgets/status"),
    _rule(_READ, "networking.k8s.io", "ingresses ingresses/status networkpolicies"),
)

_EDIT = (
    _rule(_READ, "", "pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy"),
    _rule(("impersonate",), "", "serviceaccounts"),
    _rule(_WRITE, "", "pods pods/attach pods/exec pods/portforward pods/proxy"),
    _rule(("create",), "", "pods/eviction serviceaccounts/token"),
    _rule(
        _WRITE,
        "",
        "configmaps events persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets "
        "serviceaccounts services services/proxy",
    ),
    _rule(
        _WRITE,
        "apps",
        "daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale statefulsets "
        "statefulsets/scale",
    ),
    _rule(_WRITE, "autoscaling", "horizontalpodautoscalers"),
    _rule(_WRITE, "batch", "cronjobs jobs"),
    _rule(_WRITE, "policy", "poddisruptionbudgets"),
    _rule(_WRITE, "networking.k8s.io", "ingresses networkpolicies"),
    _rule((*_WRITE, *_READ), "coordination.k8s.io", "leases"),
)

_ADMIN = (
    _rule(("create",), "authorization.k8s.io", "localsubjectaccessreviews"),
    _rule((*_WRITE, *_READ), GROUP, "roles rolebindings"),
)

_HEALTH = ("/healthz", "/livez", "/readyz", "/version", "/version/")

ROLES: Sequence[Object] = (
    _role(
        "cluster-admin",
        {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
        {"nonResourceURLs": ["*"], "verbs": ["*"]},
    ),
    _role("system:discovery", _paths("/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*", *_HEALTH)),
    _role("system:public-info-viewer", _paths(*_HEALTH)),
    _role(
        "system:basic-user",
        _rule(("create",), "authorization.k8s.io", "selfsubjectaccessreviews selfsubjectrulesreviews"),
        _rule(("create",), "authentication.k8s.io", "selfsubjectreviews"),
    ),
    _role("system:aggregate-to-view", *_VIEW, aggregates_to="view"),
    _role("system:aggregate-to-edit", *_EDIT, aggregates_to="edit"),
    _role("system:aggregate-to-admin", *_ADMIN, aggregates_to="admin"),
    _aggregated("view", *_VIEW, aggregates_to="edit"),
    _aggregated("edit", *_EDIT, *_VIEW, aggregates_to="admin"),
    _aggregated("admin", *_ADMIN, *_EDIT, *_VIEW),
)

BINDINGS: Sequence[Object] = (
    _binding("cluster-admin", MASTERS),
    _binding("system:discovery", AUTHENTICATED),
    _binding("system:basic-user", AUTHENTICATED),
    _binding("system:public-info-viewer", AUTHENTICATED, UNAUTHENTICATED),
)
