"""The published schemas: OpenAPI v3 (by group and version) and v2. Routes of `asgi`; made when first asked for.

Source: Kubernetes API concepts, "OpenAPI specifications"; KEP-2896 (OpenAPI v3).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from trueup.apiserver import openapi_paths, openapi_protobuf, openapi_protobuf_v3
from trueup.apiserver.asgi import Application
from trueup.apiserver.hub import Hub
from trueup.apiserver.negotiation import JSON, clauses
from trueup.apiserver.openapi_operations import ABOUT, Operation, about, listing, operations
from trueup.apiserver.registry import Served
from trueup.apiserver.request import Request, Response
from trueup.kube.names import Object
from trueup.kube.problems import NotFound
from trueup.kube.types.published import published

_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_LIKE = "io.k8s.api.core.v1.ConfigMap"
"""A kind whose words about type, version and metadata are those of all."""
_GVK = "x-kubernetes-group-version-kind"
_UNSPEAKABLE = frozenset({"allOf", "anyOf", "default", "not", "nullable", "oneOf"})
"""What OpenAPI v2 has no words for, or is published without."""
_ALTERNATIVES = {
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": ("integer", "string"),
    "io.k8s.apimachinery.pkg.api.resource.Quantity": ("string", "number"),
}
"""Scalars of more than one type; OpenAPI v3 can say so."""


_UNACCEPTABLE = Response(406, b"", "text/plain; charset=utf-8", headers={"vary": "Accept"})
_FORM = 3
"""Counts changes of what is published of the same kinds: clients keep documents on disk, by their hashes."""
_CONVENTIONS = "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md"
_UNKNOWN_TO_CLIENTS = frozenset(
    {"admission.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io", "imagepolicy.k8s.io"}
)
_CUSTOM_INFO = {"title": "Kubernetes CRD Swagger", "version": "v0.1.0"}
_BEARER = {"description": "Bearer Token authentication", "type": "apiKey", "name": "authorization", "in": "header"}


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
        """What is served, by the path of its group and version, and the paths where nothing is but what tells of the others."""
        found: dict[str, list[Served]] = {}
        for served in self._hub.registry.all():
            api = served.resource.api_version
            if served.resource.group:
                if not served.custom:
                    found.setdefault(f"apis/{served.resource.group}", [])
                found.setdefault(f"apis/{api}", []).append(served)
            else:
                found.setdefault(f"api/{api}", []).append(served)
        return dict(sorted({**found, **{path: [] for path in ABOUT}}.items()))

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
        lead = "#/components/schemas/"
        found = list(self._operations(path, served, schemas, lead))
        custom = bool(served) and served[0].custom
        self._take_told(found, schemas, lead, served[0] if served else None)
        components: Object = {"schemas": schemas} if schemas else {}
        if not custom:
            components["securitySchemes"] = {"BearerToken": _BEARER}
        return {
            "openapi": "3.0.0",
            "info": _CUSTOM_INFO if custom else self._info(),
            "paths": openapi_paths.v3(found),
            "components": components,
        }

    def _v2(self) -> Object:
        schemas: dict[str, Any] = {}
        lead = "#/definitions/"
        found = [
            each for path, served in self._groups().items() for each in self._operations(path, served, schemas, lead)
        ]
        self._take_told(found, schemas, lead, None)
        paths, shared = openapi_paths.v2(found)
        return {
            "swagger": "2.0",
            "info": self._info(),
            "paths": paths,
            "definitions": schemas,
            "parameters": shared,
            "securityDefinitions": {"BearerToken": _BEARER},
            "security": [{"BearerToken": []}],
        }

    def _info(self) -> Object:
        return {"title": "Kubernetes", "version": self._hub.types.version}

    def _operations(self, path: str, served: list[Served], schemas: dict[str, Any], lead: str) -> Iterator[Operation]:
        """All that can be asked of a path, with the schemas of the kinds that are told of put into ``schemas``."""
        told = listing(path) if served else about(path)
        if told is not None and not (served and served[0].custom):
            yield told
        minor = self._hub.types.minor
        for one in served:
            name = self._schema(one, schemas, lead)
            below = {key: self._hub.types.definition_name(sub.kind) for key, sub in one.subresources.items()}
            listed = self._list(one, name, schemas, lead)
            yield from operations(path, one, name, listed, below, minor)

    def _take_told(self, found: list[Operation], schemas: dict[str, Any], lead: str, of: Served | None) -> None:
        """Put the schemas that operations send and answer with into ``schemas``; those of options as what they are there."""
        for name in {each.body for each in found} | {name for each in found for _, name in each.answers.values()}:
            self._take(name, schemas, lead)
        for name in (_META + "DeleteOptions", _META + "WatchEvent"):
            if of is not None and name in schemas:
                schemas[name] = _of_group(schemas[name], of)

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
                    "description": f"List of {served.resource.name}. More info: {_CONVENTIONS}",
                    "type": "array",
                    "items": {"$ref": lead + name},
                },
                "kind": self._told("kind"),
                "metadata": {
                    "description": f"Standard list metadata. More info: {_CONVENTIONS}#types-kinds",
                    **_reference(lead, meta),
                },
            },
            _GVK: [{**_gvk(served), "kind": served.list_kind}],
        }
        return listed

    def _take(self, name: str, schemas: dict[str, Any], lead: str) -> None:
        if not name or name in schemas or name not in self._hub.types.definitions:
            return
        schemas[name] = {}
        moved = self._moved(self._hub.types.definitions[name], schemas, lead)
        if name in _ALTERNATIVES and "components" in lead:
            moved = {key: value for key, value in moved.items() if key != "type"}
            moved["oneOf"] = [{"type": each} for each in _ALTERNATIVES[name]]
        schemas[name] = published(name, moved, defaults="components" in lead)

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


def _of_group(schema: Object, served: Served) -> Object:
    """The schema of options as the kind they are in its group, and by themselves; for custom kinds in all that clients know."""
    own = (("", "v1"), (served.kind.group, served.kind.version))
    kinds = schema.get(_GVK) or ()
    if served.custom:
        return {**schema, _GVK: [each for each in kinds if each["group"] not in _UNKNOWN_TO_CLIENTS]}
    return {**schema, _GVK: [each for each in kinds if (each["group"], each["version"]) in own]}


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
