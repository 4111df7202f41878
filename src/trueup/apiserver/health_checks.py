"""``/healthz``, ``/livez``, ``/readyz`` and the checks below them. Routes of `asgi`, put in by `discovery`.

The checks have Kubernetes' names, which probes and dashboards ask for one by one; whoever is answered talks to a server that has
loaded its store and stands, and that is what they say. Source: apiserver ``pkg/server/healthz``; the names: kube-apiserver.
"""

from __future__ import annotations

from trueup.apiserver.request import NOWHERE, Request, Response

_HOOKS = (
    "start-apiserver-admission-initializer", "generic-apiserver-start-informers", "priority-and-fairness-config-consumer",
    "priority-and-fairness-filter", "storage-object-count-tracker-hook", "start-apiextensions-informers",
    "start-apiextensions-controllers", "crd-informer-synced", "start-system-namespaces-controller",
    "peer-endpoint-reconciler-controller", "start-cluster-authentication-info-controller",
    "start-kube-apiserver-identity-lease-controller", "start-kube-apiserver-identity-lease-garbage-collector",
    "storage-readiness", "start-legacy-token-tracking-controller", "start-service-ip-repair-controllers",
    "rbac/bootstrap-roles", "scheduling/bootstrap-system-priority-classes", "priority-and-fairness-config-producer",
    "bootstrap-controller", "start-kubernetes-service-cidr-controller", "aggregator-reload-proxy-client-cert",
    "start-kube-aggregator-informers", "apiservice-status-local-available-controller",
    "apiservice-status-remote-available-controller", "apiservice-registration-controller",
    "apiservice-discovery-controller", "kube-apiserver-autoregistration",
)  # fmt: skip
_LAST = ("apiservice-openapi-controller", "apiservice-openapiv3-controller")
_STARTED = (
    *(f"poststarthook/{one}" for one in _HOOKS),
    "autoregister-completion",
    *(f"poststarthook/{o}" for o in _LAST),
)
CHECKS = {
    "healthz": ("ping", "log", "loopback-serving-certificate", "etcd", *_STARTED),
    "livez": ("ping", "log", "loopback-serving-certificate", "etcd", *_STARTED),
    "readyz": ("ping", "log", "etcd", "etcd-readiness", "informer-sync", *_STARTED, "shutdown"),
}
_AS_IT_IS = {"x-content-type-options": "nosniff"}
_TEXT = "text/plain; charset=utf-8"


async def answer(request: Request) -> Response:
    """All checks of a path, or the one that is named below it."""
    name, _, check = request.path.strip("/").partition("/")
    if check:
        return Response(200, b"ok", _TEXT) if check in CHECKS[name] else NOWHERE
    if "verbose" not in request.query:
        return Response(200, b"ok", _TEXT, _AS_IT_IS)
    excluded = [request.query["exclude"]] if request.query.get("exclude") else []
    lines = [f"[+]{one} excluded: ok" if one in excluded else f"[+]{one} ok" for one in CHECKS[name]]
    unknown = ", ".join(f'"{one}"' for one in excluded if one not in CHECKS[name])
    if unknown:
        lines.append(f"warn: some health checks cannot be excluded: no matches for {unknown}")
    return Response(200, "\n".join([*lines, f"{name} check passed", ""]).encode(), _TEXT, _AS_IT_IS)
