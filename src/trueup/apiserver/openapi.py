"""The published schemas: OpenAPI v3 (by group and version) and v2. Routes of `asgi`; made when first asked for.

Source: Kubernetes API concepts, "OpenAPI specifications"; KEP-2896 (OpenAPI v3).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import orjson

from trueup.apiserver import openapi_protobuf, openapi_protobuf_v3
from trueup.apiserver.asgi import Application
from trueup.apiserver.hub import Hub
from trueup.apiserver.negotiation import JSON, clauses
from trueup.apiserver.registry import Served
from trueup.apiserver.request import Request, Response
from trueup.kube.names import Kind, Object
from trueup.kube.problems import NotFound
from trueup.kube.types.published import published

_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_LIKE = "io.k8s.api.core.v1.ConfigMap"
"""A kind whose words about type, version and metadata are those of all."""
_GVK = "x-kubernetes-group-version-kind"
_UNSPEAKABLE = frozenset({"allOf", "anyOf", "not", "nullable", "oneOf"})
"""What OpenAPI v2 has no words for."""
_ALTERNATIVES = {
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": ("integer", "string"),
    "io.k8s.apimachinery.pkg.api.resource.Quantity": ("string", "number"),
}
"""Scalars of more than one type; OpenAPI v3 can say so."""


_UNACCEPTABLE = Response(406, b"", "text/plain; charset=utf-8", headers={"vary": "Accept"})
_FORM = 2
"""Counts changes of what is published of the same kinds: clients keep documents on disk, by their hashes."""
_OPTIONS = ("DeleteOptions", "Status", "Patch", "WatchEvent")
_DISCOVERY = ("APIGroup", "APIGroupList", "APIResourceList", "APIVersions")


class OpenApi:
    """Schemas of all that is served."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._made: dict[str, tuple[str, bytes]] = {}

    def add_to(self, application: Application) -> None:
        """Put the routes in."""
        application.routes["/openapi/v3"] = self.v3
        application.routes["/openapi/v2"] = self.v2

    async def v3(self, request: Request) -> Response:
        rest = request.path.removeprefix("/openapi/v3").strip("/")
        groups = self._groups()
        if not rest:
            paths = {
                path: {"serverRelativeURL": f"/openapi/v3/{path}?hash={self._hash(path, served)}"}
                for path, served in groups.items()
            }
            return Response(200, orjson.dumps({"paths": paths}))
        if rest not in groups:
            raise NotFound("the server could not find the requested resource")
        media = _first(request, openapi_protobuf_v3.MEDIA_TYPE)
        if not media:
            return _UNACCEPTABLE
        etag = self._hash(rest, groups[rest])
        headers = {"etag": f'"{etag}"', "vary": "Accept"}
        if etag in request.headers.get("if-none-match", ""):
            return Response(304, b"", headers=headers)
        if media != JSON:
            body = self._cached(
                f"{rest} protobuf", etag, lambda: openapi_protobuf_v3.document(self._v3(rest, groups[rest]))
            )
            return Response(200, body, media, headers=headers)
        body = self._cached(rest, etag, lambda: orjson.dumps(self._v3(rest, groups[rest])))
        return Response(200, body, headers=headers)

    async def v2(self, request: Request) -> Response:
        """JSON, or the protobuf that kubectl and Argo CD ask for."""
        media = _first(request, openapi_protobuf.MEDIA_TYPE)
        if not media:
            return _UNACCEPTABLE
        if media != JSON:
            body = self._cached("v2 protobuf", self._generation, lambda: openapi_protobuf.document(self._v2()))
            return Response(200, body, openapi_protobuf.MEDIA_TYPE)
        return Response(200, self._cached("v2", self._generation, lambda: orjson.dumps(self._v2())))

    def _groups(self) -> dict[str, list[Served]]:
        found: dict[str, list[Served]] = {}
        for served in self._hub.registry.all():
            api = served.resource.api_version
            found.setdefault(f"apis/{api}" if served.resource.group else f"api/{api}", []).append(served)
        return found

    def _hash(self, path: str, served: list[Served]) -> str:
        """Changes whenever the document does, so that clients keep what they have."""
        text = f"{_FORM} {self._hub.types.version} {path} " + " ".join(
            f"{s.kind} {s.crd['metadata']['resourceVersion'] if s.crd else ''}" for s in served
        )
        return hashlib.sha256(text.encode()).hexdigest().upper()[:32]

    @property
    def _generation(self) -> str:
        return str(self._hub.registry.generation)

    def _cached(self, name: str, state: str, make: Callable[[], bytes]) -> bytes:
        known = self._made.get(name)
        if known is None or known[0] != state:
            known = self._made[name] = (state, make())
        return known[1]

    def _v3(self, path: str, served: list[Served]) -> Object:
        schemas: dict[str, Any] = {}
        paths: Object = {}
        for one in served:
            name = self._schema(one, schemas, "#/components/schemas/")
            paths.update(_paths(path, one, name, self._list(one, name, schemas, "#/components/schemas/")))
        written = any("delete" in one.verbs for one in served)
        for name in (*(_OPTIONS if written else ()), "APIResourceList"):
            self._take(_META + name, schemas, "#/components/schemas/")
        for name in (_META + "DeleteOptions", _META + "WatchEvent"):
            if name in schemas:
                schemas[name] = _of_group(schemas[name], served[0].kind)
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
                paths.update(_paths(path, one, name, self._list(one, name, schemas, "#/definitions/"), v2=True))
        for name in (*(_META + name for name in (*_OPTIONS, *_DISCOVERY)), "io.k8s.apimachinery.pkg.version.Info"):
            self._take(name, schemas, "#/definitions/")
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
        if "components" not in lead:
            if schema.get("x-kubernetes-preserve-unknown-fields"):  # named fields would let kubectl refuse all others
                schemas[name] = {"type": "object", _GVK: [_gvk(served)]}
                return name
            schema = _spoken(schema)
        meta = _META + "ObjectMeta"
        self._take(meta, schemas, lead)
        schema["properties"] = {
            "apiVersion": self._told("apiVersion"),
            "kind": self._told("kind"),
            **{
                k: v for k, v in (schema.get("properties") or {}).items() if k not in ("apiVersion", "kind", "metadata")
            },
            "metadata": {
                "description": self._told("metadata")["description"],
                **_reference(lead, meta),
            },
        }
        schema[_GVK] = [_gvk(served)]
        schemas[name] = schema
        return name

    def _told(self, name: str) -> Object:
        """What every kind says of a field that all have."""
        properties: Object = self._hub.types.definitions[_LIKE]["properties"]
        said: Object = properties[name]
        return said

    def _list(self, served: Served, name: str, schemas: dict[str, Any], lead: str) -> str:
        """Put the schema of a list of these into ``schemas``, and those of the kind's subresources; the list's name.

        Those of custom kinds as apiextensions-apiserver's ``buildListSchema`` makes them.
        """
        for below in served.subresources.values():
            self._take(self._hub.types.definition_name(below.kind), schemas, lead)
        if "list" not in served.verbs:
            return name
        listed = f"{name.rpartition('.')[0]}.{served.list_kind}"
        if not served.custom:
            self._take(listed, schemas, lead)
            return listed
        meta = _META + "ListMeta"
        self._take(meta, schemas, lead)
        schemas[listed] = {
            "description": f"{served.list_kind} is a list of {served.kind.kind}",
            "type": "object",
            "required": ["items"],
            "properties": {
                "apiVersion": self._told("apiVersion"),
                "items": {
                    "description": f"List of {served.resource.name}.",
                    "type": "array",
                    "items": _reference(lead, name),
                },
                "kind": self._told("kind"),
                "metadata": {"description": "Standard list metadata.", **_reference(lead, meta)},
            },
            _GVK: [{**_gvk(served), "kind": served.list_kind}],
        }
        return listed

    def _take(self, name: str, schemas: dict[str, Any], lead: str) -> None:
        if not name or name in schemas or name not in self._hub.types.definitions:
            return
        schemas[name] = {}
        if name in _ALTERNATIVES and "components" in lead:
            schemas[name] = {
                **{key: value for key, value in self._hub.types.definitions[name].items() if key != "type"},
                "oneOf": [{"type": each} for each in _ALTERNATIVES[name]],
            }
            return
        moved = self._moved(self._hub.types.definitions[name], schemas, lead)
        schemas[name] = published(name, moved) if "components" in lead else moved

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
            return {**rest, **_reference(lead, name)} if rest else {"$ref": lead + name}
        return {key: self._moved(item, schemas, lead) for key, item in value.items()}


def _of_group(schema: Object, kind: Kind) -> Object:
    """The schema of options as the kind they are in its group, and by themselves."""
    versions = ({"", "v1"}, {kind.group, kind.version})
    return {**schema, _GVK: [each for each in schema.get(_GVK) or () if {each["group"], each["version"]} in versions]}


def _first(request: Request, protobuf: str) -> str:
    """JSON or protobuf, whichever the client names first; empty when neither is accepted.

    Source: kube-openapi ``handler`` and ``handler3``; the protobuf's name with an ``@`` is its older one.
    """
    accept = request.headers.get("accept", "")
    if not accept:
        return JSON
    for clause in clauses(accept):
        if clause.media in (JSON, "application/*", "*/*"):
            return JSON
        if clause.media in (protobuf, protobuf.replace(".v1.0", "@v1.0")):
            return protobuf
    return ""


def _reference(lead: str, name: str) -> Object:
    """What stands for another schema; beside a description OpenAPI v3 allows it only so."""
    reference = {"$ref": lead + name}
    return {"allOf": [reference]} if "components" in lead else reference


def _gvk(served: Served) -> Object:
    return {"group": served.kind.group, "version": served.kind.version, "kind": served.kind.kind}


def _spoken(schema: Any) -> Any:
    """A structural schema without what OpenAPI v2, or kubectl's reading of it, cannot bear.

    Source: apiextensions-apiserver ``ToStructuralOpenAPIV2``.
    """
    if not isinstance(schema, dict):
        return schema
    out = {key: value for key, value in schema.items() if key not in _UNSPEAKABLE}
    open_ended = schema.get("x-kubernetes-preserve-unknown-fields")
    if schema.get("nullable") or open_ended:
        out.pop("items", None)
        out.pop("properties", None)
    if (
        schema.get("nullable")
        or schema.get("x-kubernetes-int-or-string")
        or (open_ended and out.get("type") == "object")
        or (out.get("type") == "array" and "items" not in out)
    ):
        out.pop("type", None)
    if "properties" in out:
        nullable = {name for name, below in out["properties"].items() if below.get("nullable")}
        if nullable & {*(out.get("required") or ())}:
            out["required"] = [name for name in out["required"] if name not in nullable]
        out["properties"] = {name: _spoken(below) for name, below in out["properties"].items()}
    for key in ("items", "additionalProperties"):
        if key in out:
            out[key] = _spoken(out[key])
    return out


def _paths(path: str, served: Served, schema: str, listed: str, *, v2: bool = False) -> Object:
    gvk = _gvk(served)
    base = f"/{path}/namespaces/{{namespace}}" if served.namespaced else f"/{path}"
    collection, item = f"{base}/{served.resource.name}", f"{base}/{served.resource.name}/{{name}}"

    def operation(action: str) -> Object:
        found: Object = {
            "x-kubernetes-action": action,
            _GVK: gvk,
            "responses": {"200": _answer(listed if action == "list" else schema, v2)},
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
    if not v2:
        for found, methods in out.items():
            methods["parameters"] = [_in_path(name) for name in ("name", "namespace") if f"{{{name}}}" in found]
            if not methods["parameters"]:
                del methods["parameters"]
    return out


def _in_path(name: str) -> Object:
    text = "name of the object" if name == "name" else "object name and auth scope, such as for teams and projects"
    schema = {"type": "string", "uniqueItems": True}
    return {"name": name, "in": "path", "description": text, "required": True, "schema": schema}


def _answer(schema: str, v2: bool) -> Object:
    if v2:
        return {"description": "OK", "schema": {"$ref": f"#/definitions/{schema}"}}
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": "OK", "content": content}
