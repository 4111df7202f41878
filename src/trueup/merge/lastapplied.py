"""The upgrade from kubectl's client-side apply to server-side apply. Called by ``owners``.

Only for the field manager ``kubectl``: fields that its last client-side apply set, and that are still so, are its own to
change; and its annotation is kept up to date, so that a client-side apply may follow again.
Source: apimachinery ``util/managedfields/internal`` (``lastappliedmanager.go``, ``lastappliedupdater.go``).
"""

from __future__ import annotations

import orjson

from trueup.kube import objects
from trueup.kube.names import Object
from trueup.kube.shapes import Shape
from trueup.merge.compare import compare
from trueup.merge.fields import FieldSet, difference
from trueup.merge.reading import field_set

KUBECTL = "kubectl"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
MAX_ANNOTATIONS = 256 * 1024
"""Bytes of all annotations together. Source: apimachinery ``TotalAnnotationSizeLimitB``."""


def allowed_conflicts(live: Object, shape: Shape, api_version: str) -> FieldSet:
    """The fields that the last client-side apply set to what they still are; none without a readable annotation."""
    text = objects.annotations(live).get(LAST_APPLIED)
    if not text:
        return {}
    try:
        last = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    if not isinstance(last, dict) or last.get("apiVersion") != api_version:
        return {}
    changed, removed = compare(last, live, shape)
    return difference(difference(field_set(last, shape), changed), removed)


def renewed(new: Object, applied: Object) -> Object:
    """The object with its annotation saying what was applied now; itself when it has none."""
    have = objects.annotations(new)
    if not have.get(LAST_APPLIED):
        return new
    config = applied
    given = objects.annotations(applied)
    if LAST_APPLIED in given:
        config = objects.with_meta(applied, annotations={k: v for k, v in given.items() if k != LAST_APPLIED} or None)
    text = _as_go_prints(config)
    others = {name: value for name, value in have.items() if name != LAST_APPLIED}
    size = sum(len(name.encode()) + len(str(value).encode()) for name, value in others.items())
    if size + len(LAST_APPLIED) + len(text.encode()) > MAX_ANNOTATIONS:
        return objects.with_meta(new, annotations=others)
    if have[LAST_APPLIED] == text:
        return new
    return objects.with_meta(new, annotations={**have, LAST_APPLIED: text})


def _as_go_prints(value: Object) -> str:
    """Sorted, with <, > and & escaped and a newline at the end: clients compare the text."""
    text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    for sign in "<>&\u2028\u2029":
        if sign in text:
            text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text + "\n"
