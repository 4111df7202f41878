"""Reading plain objects, and changing them by copying what changes. Called everywhere an object's metadata is read."""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from trueup.kube.names import Object

REDACTED = "++++++++"
"""What a secret value is shown as, as Argo CD shows it."""


def meta(obj: Object) -> Mapping[str, Any]:
    """The object's metadata; empty when there is none."""
    found = obj.get("metadata")
    return found if isinstance(found, dict) else {}


def with_meta(obj: Object, **changes: Any) -> Object:
    """A copy with metadata fields set; None removes one. The object handed in stays as it is."""
    metadata = dict(meta(obj))
    for name, value in changes.items():
        if value is None:
            metadata.pop(name, None)
        else:
            metadata[name] = value
    return {**obj, "metadata": metadata}


def labels(obj: Object) -> Mapping[str, str]:
    """The object's labels."""
    return meta(obj).get("labels") or {}


def annotations(obj: Object) -> Mapping[str, str]:
    """The object's annotations."""
    return meta(obj).get("annotations") or {}


def uid(obj: Object) -> str:
    """The object's uid; empty when it has none yet."""
    return str(meta(obj).get("uid") or "")


def owner_uids(obj: Object) -> Iterator[str]:
    """The uids in ``ownerReferences``."""
    for owner in meta(obj).get("ownerReferences") or ():
        if owner.get("uid"):
            yield owner["uid"]


def controller_of(obj: Object) -> Mapping[str, Any] | None:
    """The owner reference that is marked as the controller."""
    return next((owner for owner in meta(obj).get("ownerReferences") or () if owner.get("controller")), None)


def redact_secret(obj: Object) -> Object:
    """A Secret with its values hidden and its keys kept; any other object as it is."""
    if obj.get("kind") != "Secret" or obj.get("apiVersion") != "v1":
        return obj
    out = dict(obj)
    for part in ("data", "stringData"):
        if isinstance(obj.get(part), dict):
            out[part] = dict.fromkeys(obj[part], REDACTED)
    last = annotations(obj).get("kubectl.kubernetes.io/last-applied-configuration")
    if last is not None:
        hidden = {**annotations(obj), "kubectl.kubernetes.io/last-applied-configuration": REDACTED}
        out = with_meta(out, annotations=hidden)
    return out


def same(a: Any, b: Any) -> bool:
    """Whether two JSON values are equal, of which Python says that true is 1."""
    if a != b:
        return False
    kind = type(a)
    if kind is dict or kind is list:
        text = _text(a)
        return (text is not None and text == _text(b)) or _same_inside(a, b)
    return (kind is bool) is (type(b) is bool)


def _text(value: Any) -> bytes | None:
    """As JSON, the quick way to see that nothing differs; None of numbers that are too large for it."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return None


def _same_inside(a: Any, b: Any) -> bool:
    if type(a) is dict:
        return all(_same_inside(a[name], b[name]) for name in a)
    if type(a) is list:
        return all(map(_same_inside, a, b))
    return (type(a) is bool) is (type(b) is bool)
