"""Operations as OpenAPI v3 and as OpenAPI v2 write them down. Pure; called by `openapi`.

Operations in, paths out. What all operations of a path may be asked stands once, beside them; v2 has what many paths share
once in the document. Source: kube-openapi ``builder``, ``builder3``, ``builder/parameters.go``.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

import orjson

from trueup.apiserver.openapi_operations import Operation
from trueup.kube.names import Object

_PRIME, _OFFSET = 0x100000001B3, 0xCBF29CE484222325
_UNSHARED = frozenset({"name", "fieldValidation", "dryRun"})
"""What kubectl looks for, and what says the kind's name, stands with every operation."""


def v3(found: Iterable[Operation]) -> Object:
    """The paths of an OpenAPI v3 document."""
    out: Object = {}
    for path, methods in _by_path(found).items():
        common = _common(methods)
        item = out[path] = {each.method: _operation3(each, common) for each in methods}
        if common:
            item["parameters"] = [_schemed(each) for each in common]
    return out


def v2(found: Iterable[Operation]) -> tuple[Object, Object]:
    """The paths of the OpenAPI v2 document, and the parameters that they share."""
    shared: Object = {}
    out: Object = {}
    for path, methods in _by_path(found).items():
        common = _common(methods)
        item = out[path] = {each.method: _operation2(each, common, shared) for each in methods}
        if common:
            item["parameters"] = [_shared(each, shared) for each in common]
    return out, dict(sorted(shared.items()))


def _by_path(found: Iterable[Operation]) -> Mapping[str, list[Operation]]:
    out: dict[str, list[Operation]] = {}
    for each in found:
        out.setdefault(each.path, []).append(each)
    return out


def _common(methods: Sequence[Operation]) -> list[Object]:
    """The parameters that all have, by name."""
    first, *others = methods
    return _sorted(each for each in first.parameters if all(each in other.parameters for other in others))


def _sorted(found: Iterable[Object]) -> list[Object]:
    return sorted(found, key=lambda each: (each["name"], each["in"]))


def _told(operation: Operation) -> Object:
    out: Object = {"tags": [operation.tag], "description": operation.description, "operationId": operation.name}
    if operation.kind is not None:
        kind = operation.kind
        out["x-kubernetes-action"] = operation.action
        out["x-kubernetes-group-version-kind"] = {"group": kind.group, "version": kind.version, "kind": kind.kind}
    return out


def _operation3(operation: Operation, common: Sequence[Object]) -> Object:
    out = _told(operation)
    own = [_schemed(each) for each in _sorted(each for each in operation.parameters if each not in common)]
    if own:
        out["parameters"] = own
    if operation.body:
        out["requestBody"] = {"content": _content(operation.consumes, operation.body)}
        if operation.body_required:
            out["requestBody"]["required"] = True
    out["responses"] = {
        **{
            str(code): {"description": said, "content": _content(operation.produces, schema)}
            for code, (said, schema) in operation.answers.items()
        },
        "401": {"description": "Unauthorized"},
    }
    return out


def _schemed(parameter: Object) -> Object:
    """A parameter whose type is a schema."""
    out = {key: value for key, value in parameter.items() if key not in ("type", "uniqueItems")}
    return {**out, "schema": {"type": parameter["type"], "uniqueItems": True}}


def _content(forms: Sequence[str], schema: str) -> Object:
    body = {"$ref": f"#/components/schemas/{schema}"} if schema else {"type": "string"}
    return {form: {"schema": body} for form in forms}


def _operation2(operation: Operation, common: Sequence[Object], shared: Object) -> Object:
    out = _told(operation)
    if operation.consumes:
        out["consumes"] = list(operation.consumes)
    out["produces"] = list(operation.produces)
    out["schemes"] = ["https"]
    own = [each for each in operation.parameters if each not in common]
    if operation.body:
        body: Object = {"name": "body", "in": "body", "schema": {"$ref": f"#/definitions/{operation.body}"}}
        own.append({**body, "required": True} if operation.body_required else body)
    if own:
        out["parameters"] = [_shared(each, shared) for each in _sorted(own)]
    out["responses"] = {
        **{
            str(code): {
                "description": said,
                "schema": {"$ref": f"#/definitions/{schema}"} if schema else {"type": "string"},
            }
            for code, (said, schema) in operation.answers.items()
        },
        "401": {"description": "Unauthorized"},
    }
    return out


def _shared(parameter: Object, shared: Object) -> Object:
    """The parameter, or what refers to it where many share it."""
    reference = parameter.get("schema", {}).get("$ref", "")
    if parameter["name"] in _UNSHARED or (reference and ".apimachinery." not in reference):
        return parameter
    order = ("uniqueItems", "type", "description", "name", "in", "required", "schema")
    written = {key: parameter[key] for key in order if key in parameter}
    name = f"{parameter['name']}-{_hash(orjson.dumps(written))}"
    shared[name] = parameter
    return {"$ref": f"#/parameters/{name}"}


@cache
def _hash(written: bytes) -> str:
    """As kube-openapi names shared parameters: FNV-1 of the JSON that Go writes, shortened. There are few, asked for often."""
    number = _OFFSET
    for byte in written:
        number = (number * _PRIME & 0xFFFFFFFFFFFFFFFF) ^ byte
    return base64.urlsafe_b64encode(number.to_bytes(8, "big")[:6]).decode()
