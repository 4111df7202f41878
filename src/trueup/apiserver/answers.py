"""Objects, lists and failures as the bytes of an answer, in the form that was negotiated. Called by what answers requests.

Source: apiserver ``responsewriters`` (``WriteObjectNegotiated``) and ``endpoints/handlers/response.go``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import orjson

from trueup.apiserver.negotiation import JSON, PARTIAL, PARTIAL_LIST, PLAIN, PROTOBUF, Form, negotiate
from trueup.apiserver.request import Response
from trueup.kube import protobuf
from trueup.kube.documents import dump
from trueup.kube.names import Kind, Object
from trueup.kube.problems import ApiProblem, NotAcceptable


def encoded(obj: Object, form: Form) -> bytes:
    """One object."""
    if form.media == JSON:
        return orjson.dumps(obj, option=orjson.OPT_INDENT_2) if form.pretty else orjson.dumps(obj)
    return protobuf.encode(obj) if form.media == PROTOBUF else dump(obj).encode()


def one(obj: Object, form: Form, status: int = 200, warnings: Sequence[str] = ()) -> Response:
    """An answer of one object."""
    return Response(status, encoded(obj, form), form.media, warnings=tuple(warnings))


def many(kind: Kind, meta: Object, objects: Iterable[Object], form: Form) -> bytes:
    """A list out of its items; ``kind`` is the list's."""
    if form.media == PROTOBUF:
        of = Kind(kind.group, kind.version, kind.kind.removesuffix("List"))
        return protobuf.encode_list(kind, meta, (protobuf.item(obj, of) for obj in objects))
    whole = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": meta, "items": list(objects)}
    return encoded(whole, form)


def partial(obj: Object, form: Form) -> Object:
    """``PartialObjectMetadata``."""
    return {"kind": PARTIAL, "apiVersion": form.api_version, "metadata": bare_metadata(obj)}


def bare_metadata(obj: Object) -> Object:
    """Metadata where no more is shown: without what only a version's conversion writes into it."""
    meta: Object = obj["metadata"]
    if obj.get("kind") != "DaemonSet" or _CONVERTED not in (meta.get("annotations") or {}):
        return meta
    rest = {name: value for name, value in meta["annotations"].items() if name != _CONVERTED}
    meta = {name: value for name, value in meta.items() if name != "annotations"}
    return {**meta, "annotations": rest} if rest else meta


_CONVERTED = "deprecated.daemonset.template.generation"


def check_single(kind: Kind, form: Form, custom: bool) -> None:
    """One object is no list. Raises ``NotAcceptable``."""
    if form.shape == PARTIAL_LIST:
        raise NotAcceptable(
            f"you requested {PARTIAL_LIST}, but the requested object is not a list ({_go(kind, custom)})"
        )


def check_list(kind: Kind, form: Form, custom: bool) -> None:
    """A list is no single object. Raises ``NotAcceptable``."""
    if form.shape == PARTIAL:
        raise NotAcceptable(f"you requested {PARTIAL}, but the requested object is a list ({_go(kind, custom)})")


def _go(kind: Kind, custom: bool) -> str:
    if custom:
        return "*unstructured.UnstructuredList" if kind.kind.endswith("List") else "*unstructured.Unstructured"
    return f"*{kind.group.partition('.')[0] or 'core'}.{kind.kind}"


def failure(problem: ApiProblem, headers: Mapping[str, str], query: Mapping[str, str]) -> Response:
    """A failure in the media type that the client accepts; in JSON by lines where it accepts none."""
    try:
        form = negotiate(headers, query, PLAIN)
    except NotAcceptable:
        form = Form(pretty=True)
    more = {"retry-after": str(problem.retry_after)} if problem.retry_after is not None else {}
    body = encoded(problem.as_status(), form)
    return Response(problem.code, body, form.media, headers=more, warnings=problem.warnings)
