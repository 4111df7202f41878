"""The published schemas: OpenAPI v3 (by group and version) and v2. Routes of `asgi`; made when first asked for.

Source: Kubernetes API concepts, "OpenAPI specifications"; KEP-2896 (OpenAPI v3).
"""

from __future__ import annotations

import hashlib
from typing import Any

import orjson

from trueup.apiserver.asgi import Application
from trueup.apiserver.hub import Hub
from trueup.apiserver.registry import Served
from trueup.apiserver.request import Request, Response
from trueup.kube.names import Object
from trueup.kube.problems import NotAcceptable, NotFound

_META = "io.k8s.apimachinery.pkg.apis.meta.v1."


class OpenApi:
    """Schemas of all that is served."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._made: dict[str, tuple[int, bytes]] = {}

    def add_to(self, application: Application) -> None:
        """Put the routes in."""
        application.routes["/openapi/v3"] = self.v3
        application.routes["/openapi/v2"] = self.v2

    async def v3(self, request: Request) -> Response:
        rest = request.path.removeprefix("/openapi/v3").strip("/")
        groups = self._groups()
        if not rest:
            paths = {path: {"serverRelativeURL": f"/openapi/v3/{path}?hash={self._hash(path)}"} for path in groups}
            return Response(200, orjson.dumps({"paths": paths}))
        if rest not in groups:
            raise NotFound("the server could not find the requested resource")
        accept = request.headers.get("accept", "")
        if "protobuf" in accept and "json" not in accept:
            raise NotAcceptable("only application/json is published")
        return Response(200, self._document(rest))

    async def v2(self, request: Request) -> Response:
        """kubectl asks for protobuf alone here and goes on without when there is none; others read JSON."""
        accept = request.headers.get("accept", "")
        if "protobuf" in accept and "application/json" not in accept and "*/*" not in accept:
            raise NotAcceptable("only application/json is published")
        return Response(200, self._cached("v2", self._v2))

    def _groups(self) -> dict[str, list[Served]]:
        found: dict[str, list[Served]] = {}
        for served in self._hub.registry.all():
            api = served.resource.api_version
            found.setdefault(f"apis/{api}" if served.resource.group else f"api/{api}", []).append(served)
        return found

    def _hash(self, path: str) -> str:
        served = self._groups()[path]
        text = f"{self._hub.types.version} {path} " + " ".join(
            f"{s.kind} {s.crd['metadata']['resourceVersion'] if s.crd else ''}" for s in served
        )
        return hashlib.sha256(text.encode()).hexdigest().upper()[:32]

    def _cached(self, name: str, make: Any) -> bytes:
        known = self._made.get(name)
        if known is None or known[0] != self._hub.registry.generation:
            known = self._made[name] = (self._hub.registry.generation, orjson.dumps(make()))
        return known[1]

    def _document(self, path: str) -> bytes:
        return self._cached(path, lambda: self._v3(path, self._groups()[path]))

    def _v3(self, path: str, served: list[Served]) -> Object:
        schemas: dict[str, Any] = {}
        paths: Object = {}
        for one in served:
            name = self._schema(one, schemas, "#/components/schemas/")
            paths.update(_paths(path, one, name))
        for options in ("DeleteOptions", "Status", "Patch"):
            self._take(_META + options, schemas, "#/components/schemas/")
        return {
            "openapi": "3.0.0",
            "info": {"title": "Kubernetes", "version": self._hub.types.git_version},
            "paths": paths,
            "components": {"schemas": schemas},
        }

    def _v2(self) -> Object:
        schemas: dict[str, Any] = {}
        paths: Object = {}
        for path, served in self._groups().items():
            for one in served:
                name = self._schema(one, schemas, "#/definitions/")
                paths.update(_paths(path, one, name, v2=True))
        return {
            "swagger": "2.0",
            "info": {"title": "Kubernetes", "version": self._hub.types.git_version},
            "paths": paths,
            "definitions": schemas,
        }

    def _schema(self, served: Served, schemas: dict[str, Any], lead: str) -> str:
        """Put a kind's schema and all that it refers to into ``schemas``; its name."""
        if not served.custom:
            name = self._hub.types.definition_name(served.kind)
            self._take(name, schemas, lead)
            return name
        spec = served.version_spec or {}
        reverse = ".".join(reversed(served.kind.group.split(".")))
        name = f"{reverse}.{served.kind.version}.{served.kind.kind}"
        schema = dict((spec.get("schema") or {}).get("openAPIV3Schema") or {"type": "object"})
        meta = _META + "ObjectMeta"
        self._take(meta, schemas, lead)
        schema["properties"] = {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            **{
                k: v for k, v in (schema.get("properties") or {}).items() if k not in ("apiVersion", "kind", "metadata")
            },
            "metadata": {"allOf": [{"$ref": lead + meta}]} if "components" in lead else {"$ref": lead + meta},
        }
        kind = served.kind
        schema["x-kubernetes-group-version-kind"] = [{"group": kind.group, "version": kind.version, "kind": kind.kind}]
        schemas[name] = schema
        return name

    def _take(self, name: str, schemas: dict[str, Any], lead: str) -> None:
        if not name or name in schemas or name not in self._hub.types.definitions:
            return
        schemas[name] = {}
        schemas[name] = self._moved(self._hub.types.definitions[name], schemas, lead)

    def _moved(self, value: Any, schemas: dict[str, Any], lead: str) -> Any:
        """The definition with its references pointing where this document keeps them."""
        if isinstance(value, list):
            return [self._moved(item, schemas, lead) for item in value]
        if not isinstance(value, dict):
            return value
        if "$ref" in value and isinstance(value["$ref"], str):
            name = value["$ref"].rpartition("/")[2]
            self._take(name, schemas, lead)
            rest = {k: v for k, v in value.items() if k != "$ref"}
            if "components" in lead:
                return {**rest, "allOf": [{"$ref": lead + name}]}
            return {**rest, "$ref": lead + name}
        return {key: self._moved(item, schemas, lead) for key, item in value.items()}


def _paths(path: str, served: Served, schema: str, *, v2: bool = False) -> Object:
    kind = served.kind
    gvk = {"group": kind.group, "version": kind.version, "kind": kind.kind}
    base = f"/{path}/namespaces/{{namespace}}" if served.namespaced else f"/{path}"
    collection, item = f"{base}/{served.resource.name}", f"{base}/{served.resource.name}/{{name}}"

    def operation(action: str) -> Object:
        found: Object = {
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": gvk,
            "responses": {"200": _answer(schema, v2)},
        }
        if action in ("post", "put", "patch", "delete"):
            names = ["dryRun"] if action == "delete" else ["dryRun", "fieldManager", "fieldValidation"]
            found["parameters"] = [
                {"name": name, "in": "query", "type": "string", "uniqueItems": True}
                if v2
                else {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
                for name in names
            ]
        return found

    out: Object = {collection: {"get": operation("list"), "post": operation("post")}}
    if served.verbs >= {"get", "patch"}:
        out[item] = {
            "get": operation("get"),
            "put": operation("put"),
            "patch": operation("patch"),
            "delete": operation("delete"),
        }
    return out


def _answer(schema: str, v2: bool) -> Object:
    if v2:
        return {"description": "OK", "schema": {"$ref": f"#/definitions/{schema}"}}
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": "OK", "content": content}
