"""What is served, in the forms that clients ask for: plain and aggregated discovery, version. Routes of `asgi`.

Source: Kubernetes API concepts, "Discovery API"; KEP-3352 (aggregated discovery).
"""

from __future__ import annotations

import hashlib
import platform
import sys
from collections.abc import Iterator

import orjson

from trueup.apiserver import answers, health_checks
from trueup.apiserver.asgi import Application
from trueup.apiserver.hub import Hub
from trueup.apiserver.negotiation import JSON, PLAIN, Form, Offer, negotiate
from trueup.apiserver.registry import Served
from trueup.apiserver.request import NOWHERE, Request, Response
from trueup.kube.names import Object, version_rank

_PRIORITY = ("apiregistration.k8s.io", "apps", "events.k8s.io", "authentication.k8s.io", "authorization.k8s.io",
             "autoscaling", "batch", "certificates.k8s.io", "networking.k8s.io", "policy", "rbac.authorization.k8s.io",
             "storage.k8s.io", "admissionregistration.k8s.io", "apiextensions.k8s.io", "scheduling.k8s.io",
             "coordination.k8s.io", "node.k8s.io", "discovery.k8s.io", "flowcontrol.apiserver.k8s.io",
             "resource.k8s.io")  # fmt: skip


_ALL = frozenset({"APIGroupDiscoveryList"})
_AGGREGATED = Offer(shapes=_ALL, versions=("apidiscovery.k8s.io/v2",))
_AGGREGATED_BETA = Offer(shapes=_ALL, versions=("apidiscovery.k8s.io/v2", "apidiscovery.k8s.io/v2beta1"))
_WITHOUT_BETA = 33
"""The first minor version whose discovery knows v2 alone."""
_VERSION = Offer((JSON,), routes=(JSON,))

_GO_NAMES = {"x86_64": "amd64", "AMD64": "amd64", "aarch64": "arm64"}
"""Machines as Go names them, and clients expect them."""


class Discovery:
    """Answers discovery; what it answers is made anew when the registry changes."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._made: tuple[int, dict[str, dict[str, list[Served]]]] = (-1, {})

    def add_to(self, application: Application) -> None:
        """Put the routes in."""
        routes = application.routes
        routes["/api"] = self.api
        routes["/apis"] = self.apis
        routes["/version"] = self.version
        for path in ("/healthz", "/livez", "/readyz"):
            routes[path] = health_checks.answer
        routes["/"] = self.root

    def groups(self) -> dict[str, dict[str, list[Served]]]:
        """Group -> version -> what is served, preferred versions first."""
        if self._made[0] != self._hub.registry.generation:
            found: dict[str, dict[str, list[Served]]] = {}
            for served in self._hub.registry.all():
                found.setdefault(served.resource.group, {}).setdefault(served.resource.version, []).append(served)
            order = {group: index for index, group in enumerate(_PRIORITY)}
            ordered = sorted(found, key=lambda group: (order.get(group, len(order)), group))
            versions = {
                group: dict(sorted(found[group].items(), key=lambda v: version_rank(v[0]))) for group in ordered
            }
            self._made = (self._hub.registry.generation, versions)
        return self._made[1]

    async def api(self, request: Request) -> Response:
        if request.path.rstrip("/") == "/api":
            form = self._form(request)
            if form.shape:
                return _aggregated(request, form, self._aggregate([""]))
            here = {"clientCIDR": "0.0.0.0/0", "serverAddress": request.headers.get("host", "")}
            body: Object = {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [here]}
            return answers.one(body, form)
        return self._resources(request, "", request.path.rstrip("/").rpartition("/")[2])

    def _form(self, request: Request) -> Form:
        """Discovery of all at once comes as another kind."""
        old = int(self._hub.types.version.split(".")[1]) < _WITHOUT_BETA
        return negotiate(request.headers, request.query, _AGGREGATED_BETA if old else _AGGREGATED)

    async def apis(self, request: Request) -> Response:
        parts = [part for part in request.path.split("/") if part]
        if len(parts) == 1:
            form = self._form(request)
            if form.shape:
                return _aggregated(request, form, self._aggregate([group for group in self.groups() if group]))
            groups = [self._group(group) for group in self.groups() if group]
            return answers.one({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}, form)
        if parts[1] not in self.groups():
            return NOWHERE
        if len(parts) == 2:
            form = negotiate(request.headers, request.query, PLAIN)
            return answers.one({"kind": "APIGroup", "apiVersion": "v1", **self._group(parts[1])}, form)
        return self._resources(request, parts[1], parts[2])

    def _group(self, group: str) -> Object:
        versions = [{"groupVersion": f"{group}/{version}", "version": version} for version in self.groups()[group]]
        return {"name": group, "versions": versions, "preferredVersion": versions[0]}

    def _resources(self, request: Request, group: str, version: str) -> Response:
        served = self.groups().get(group, {}).get(version)
        if served is None:
            return NOWHERE
        form = negotiate(request.headers, request.query, PLAIN)
        name = f"{group}/{version}" if group else version
        entries = [entry for one in served for entry in _plain(one)]
        body: Object = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name, "resources": entries}
        return answers.one(body, form)

    def _aggregate(self, groups: list[str]) -> Object:
        items = []
        for group in groups:
            versions = [
                {"version": version, "freshness": "Current", "resources": [_aggregate_one(one) for one in served]}
                for version, served in self.groups().get(group, {}).items()
            ]
            meta: Object = {"creationTimestamp": None, **({"name": group} if group else {})}
            items.append({"metadata": meta, "versions": versions})
        return {
            "kind": "APIGroupDiscoveryList",
            "apiVersion": "apidiscovery.k8s.io/v2",
            "metadata": {},
            "items": items,
        }

    async def version(self, request: Request) -> Response:
        negotiate(request.headers, request.query, _VERSION)
        major, minor = self._hub.types.version.split(".")
        emulation = {
            "emulationMajor": major,
            "emulationMinor": minor,
            "minCompatibilityMajor": major,
            "minCompatibilityMinor": str(int(minor) - 1),
        }
        body = {
            "major": major,
            "minor": minor,
            **(emulation if int(minor) >= 33 else {}),
            "gitVersion": self._hub.types.git_version,
            "gitCommit": "",
            "gitTreeState": "clean",
            "buildDate": "1970-01-01T00:00:00Z",
            "goVersion": "go1.24.0",
            "compiler": f"CPython {platform.python_version()}",
            "platform": f"{sys.platform}/{_GO_NAMES.get(platform.machine(), platform.machine())}",
        }
        return Response(200, orjson.dumps(body, option=orjson.OPT_INDENT_2))

    async def root(self, request: Request) -> Response:
        if request.path != "/":
            return NOWHERE
        paths = ["/api", "/api/v1", "/apis"]
        for group, versions in self.groups().items():
            if group:
                paths.append(f"/apis/{group}")
                paths += [f"/apis/{group}/{version}" for version in versions]
        paths += ["/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"]
        return Response(200, orjson.dumps({"paths": paths}))


def _aggregated(request: Request, form: Form, body: Object) -> Response:
    """Source: apiserver ``discovery/aggregated``: clients keep what they have as long as its tag holds."""
    kind = f"{form.media};g=apidiscovery.k8s.io;v={form.api_version.partition('/')[2]};as={form.shape}"
    made = answers.encoded({**body, "apiVersion": form.api_version}, form)
    tag = f'"{hashlib.sha512(made).hexdigest().upper()}"'
    headers = {"etag": tag, "vary": "Accept"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(304, b"", kind, headers=headers)
    return Response(200, made, kind, headers=headers)


def _plain(served: Served) -> Iterator[Object]:
    entry: Object = {
        "name": served.resource.name,
        "singularName": served.singular,
        "namespaced": served.namespaced,
        "kind": served.kind.kind,
        "verbs": sorted(served.verbs),
    }
    if served.short_names:
        entry["shortNames"] = list(served.short_names)
    if served.categories:
        entry["categories"] = list(served.categories)
    if "list" in served.verbs:
        entry["storageVersionHash"] = _hash(served)
    yield entry
    for name, sub in sorted(served.subresources.items()):
        below: Object = {
            "name": f"{served.resource.name}/{name}",
            "singularName": "",
            "namespaced": served.namespaced,
            "kind": sub.kind.kind,
            "verbs": sorted(sub.verbs),
        }
        if sub.kind.group != served.kind.group or sub.kind.version != served.kind.version:
            below["group"], below["version"] = sub.kind.group, sub.kind.version
        yield below


def _aggregate_one(served: Served) -> Object:
    def kind_of(kind: object) -> Object:
        assert hasattr(kind, "group")
        return {"group": kind.group, "version": kind.version, "kind": kind.kind}  # type: ignore[attr-defined]

    entry: Object = {
        "resource": served.resource.name,
        "responseKind": kind_of(served.kind),
        "scope": "Namespaced" if served.namespaced else "Cluster",
        "singularResource": served.singular,
        "verbs": sorted(served.verbs),
    }
    if served.short_names:
        entry["shortNames"] = list(served.short_names)
    if served.categories:
        entry["categories"] = list(served.categories)
    if served.subresources:
        entry["subresources"] = [
            {"subresource": name, "responseKind": kind_of(sub.kind), "verbs": sorted(sub.verbs)}
            for name, sub in sorted(served.subresources.items())
        ]
    return entry


def _hash(served: Served) -> str:
    import base64

    text = f"{served.resource.group}/{served.resource.version}/{served.kind.kind}"
    return base64.b64encode(hashlib.sha256(text.encode()).digest()[:8]).decode()
