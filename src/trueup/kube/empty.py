"""What an empty object of a built-in kind prints. Called by ``merge.owners``.

A built-in object is a Go struct to Kubernetes: some of its parts are always there, empty or null. Whoever fills such a part
changes what is in it but does not add it, which shows in managed fields (``f:spec`` is no member of a Deployment's creator,
``f:rollingUpdate`` is). Custom resources have no such parts. Source: the Go types of ``k8s.io/api`` and their JSON tags.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from trueup.kube.messages import Message, for_kind
from trueup.kube.names import Kind, Object

_NOTHING: Object = {}
_PRINTED: Object = {
    "Duration": "0s",
    "FieldsV1": None,
    "IntOrString": 0,
    "JSON": None,
    "MicroTime": None,
    "Quantity": "0",
    "RawExtension": None,
    "Time": None,
}
"""What prints something else than its fields."""
_ZEROS: Object = {"string": "", "bool": False}


def empty_object(obj: Object) -> Object:
    """What an empty object of the same kind prints beside its metadata. To be read, never changed."""
    return _of_kind(str(obj.get("apiVersion") or ""), str(obj.get("kind") or ""))


@lru_cache(maxsize=1024)
def _of_kind(api_version: str, kind: str) -> Object:
    message = for_kind(Kind.parse(api_version, kind))
    if message is None:
        return _NOTHING
    return {name: value for name, value in _zero(message).items() if name != "metadata"}


def _zero(message: Message) -> Object:
    """A struct of which nothing is set: what has no ``omitempty`` is printed, and every struct that is no pointer."""
    out: dict[str, Any] = {}
    for field in message.fields:
        if field.inline:
            out.update(_zero(field.message))
        elif field.many or field.pointer or field.kind == "bytes":
            if not field.omitempty:
                out[field.name] = None
        elif field.scalar:
            if not field.omitempty:
                out[field.name] = _ZEROS.get(field.kind, 0)
        elif not field.omitzero:
            name = field.kind.rpartition(".")[2]
            out[field.name] = _PRINTED[name] if name in _PRINTED else _zero(field.message)
    return out


def with_parts(obj: Object, empty: Object) -> Object:
    """The object with the parts of the empty one that it lacks; itself when it lacks none."""
    if all(name in obj for name in empty):
        return obj
    return {**{name: value for name, value in empty.items() if name not in obj}, **obj}
