"""The hash at the end of a generated object's name. Called by `filters.names`. Source: kustomize's ``hasher``."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from trueup.kube.names import Object
from trueup.kustomize.resource import Resource
from trueup.kustomize.scalars import copy, settle, text_of

_LETTERS = str.maketrans("013ae", "ghkmt")
"""So that no vowel makes a word of it."""
_GO_ESCAPES = (("&", "\\u0026"), ("<", "\\u003c"), (">", "\\u003e"), ("\u2028", "\\u2028"), ("\u2029", "\\u2029"))
_LENGTH = 10


def content_hash(resource: Resource) -> str:
    """Ten letters that change with the content."""
    kind = resource.kind
    if kind == "ConfigMap":
        content = _content(resource, "data")
        binary = resource.body.get("binaryData")
        if isinstance(binary, dict):
            content["binaryData"] = settle(copy(binary))
    elif kind == "Secret":
        content = {**_content(resource, "data"), "type": text_of(resource.body.get("type"))}
        strings = resource.body.get("stringData")
        if isinstance(strings, dict):
            content["stringData"] = settle(copy(strings))
    else:
        content = settle(copy(resource.body))
    digest = hashlib.sha256(go_json(content).encode()).hexdigest()
    return digest[:_LENGTH].translate(_LETTERS)


def hash_of(obj: Object) -> str:
    """The same of an object that a build has made."""
    return content_hash(Resource(obj))


def _content(resource: Resource, field: str) -> dict[str, Any]:
    """The name is always empty: upstream looks for it under a field that no object has. A list counts as nothing."""
    value = resource.body.get(field)
    found = settle(copy(value)) if isinstance(value, dict) else None if isinstance(value, list) else text_of(value)
    return {"kind": resource.kind, "name": "", field: found}


def go_json(value: Any) -> str:
    """As Go's ``encoding/json`` prints it, keys sorted."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    for char, escape in _GO_ESCAPES:
        if char in text:
            text = text.replace(char, escape)
    return text
