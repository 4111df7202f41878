"""Reviews that go to webhooks and what their answers mean. Pure; used by the plugins beside it and by the converter.

A write in, an ``AdmissionReview`` out; an answer's bytes in, a checked answer out, or `Unusable` in the API server's
own words. Source: apiserver ``admission/plugin/webhook/request/admissionreview.go`` and ``errors/statuserror.go``,
client-go ``rest/request.go``; the words of Go's JSON package.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from trueup.apiserver.policies.asked import Asked, options_of
from trueup.apiserver.registry import Served
from trueup.kube.names import Kind, Object, Resource
from trueup.kube.problems import UNKNOWN, ApiProblem, Cause, InternalError, from_status
from trueup.kube.reading import WrongType, status_struct

GROUP = "admission.k8s.io"
KNOWN = ("v1", "v1beta1")
_SCHEME = 'in scheme "pkg/runtime/scheme.go:111"'
_HEAD = 'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'
_FIELDS: Mapping[str, tuple[type, str]] = {
    "uid": (str, "types.UID"),
    "allowed": (bool, "bool"),
    "status": (dict, "v1.Status"),
    "patch": (str, "[]uint8"),
    "patchType": (str, "v1.PatchType"),
    "auditAnnotations": (dict, "map[string]string"),
    "warnings": (list, "[]string"),
}
"""What an answer's fields are, and what Go calls that."""


class Unusable(Exception):
    """An answer that cannot be understood, in Kubernetes' words."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a webhook said of a write."""

    allowed: bool
    status: Mapping[str, Any] | None = None
    patch: bytes = b""
    patch_type: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)
    warnings: Sequence[str] = ()


def version_for(accepted: Sequence[str]) -> str:
    """The review's version: the first that the webhook names and that is known. Raises ``Unusable``."""
    for version in accepted:
        if version in KNOWN:
            return version
    why = "webhook does not accept known AdmissionReview versions (v1, v1beta1)"
    raise Unusable(f"could not create admission objects: {why}")


def review(version: str, uid: str, asked: Asked, matched: Served) -> Object:
    """The question: ``asked`` holds the objects as the ``matched`` version shows them."""
    write, user = asked.write, asked.write.user
    who: Object = {"username": user.name}
    if user.uid:
        who["uid"] = user.uid
    who["groups"] = list(user.groups)
    if user.extra:
        who["extra"] = {key: list(values) for key, values in user.extra.items()}
    request: Object = {"uid": uid, "kind": _kind(matched, write.subresource), "resource": _resource(matched.resource)}
    if write.subresource:
        request["subResource"] = write.subresource
    request["requestKind"] = _kind(asked.served, write.subresource)
    request["requestResource"] = _resource(asked.served.resource)
    if write.subresource:
        request["requestSubResource"] = write.subresource
    for name, value in (("name", asked.name), ("namespace", asked.namespace)):
        if value:
            request[name] = value
    request |= {
        "operation": asked.operation,
        "userInfo": who,
        "object": asked.obj,
        "oldObject": asked.old,
        "dryRun": write.dry_run,
        "options": options_of(asked),
    }
    return {"kind": "AdmissionReview", "apiVersion": f"{GROUP}/{version}", "request": request}


def _kind(served: Served, subresource: str) -> Object:
    sub = served.subresources.get(subresource)
    kind = served.kind if sub is None else sub.kind
    return {"group": kind.group, "version": kind.version, "kind": kind.kind}


def _resource(resource: Resource) -> Object:
    return {"group": resource.group, "version": resource.version, "resource": resource.name}


# --- answers ---------------------------------------------------------------------------------------------------------


def rejected(status: int, body: bytes, content_type: str) -> str:
    """What an answer says that is no success. Source: apimachinery ``errors.NewGenericServerResponse``."""
    said = _status_in(body)
    if said:
        return said
    text = body[:2048].decode("utf-8", "replace").strip() if content_type.startswith("text/") else "unknown"
    if status == 403:
        return text
    known = _BY_CODE.get(status)
    if known is not None:
        return known
    if status >= 500:
        return f"an error on the server ({orjson.dumps(text).decode()}) has prevented the request from succeeding"
    return f"the server responded with the status code {status} but did not return more information"


_BY_CODE: Mapping[int, str] = {
    400: "the server rejected our request for an unknown reason",
    401: "the server has asked for the client to provide credentials",
    404: "the server could not find the requested resource",
    405: "the server does not allow this method on the requested resource",
    406: "the server was unable to respond with a content type that the client supports",
    409: "the server reported a conflict",
    415: "the server was unable to respond with a content type that the client supports",
    422: "the server rejected our request due to an error in our request",
    429: "the server has received too many requests and has asked us to try again later",
    503: "the server is currently unable to handle the request",
    504: "the server was unable to return a response in the time allotted, but may still be processing the request",
}


def _status_in(body: bytes) -> str:
    """The message of a Status; one that does not say that it is of a failure does not count."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ""
    if not isinstance(found, dict) or found.get("status") != "Failure":
        return ""
    kind = (found.get("kind") or "Status", found.get("apiVersion") or "v1")
    return str(found.get("message") or "") if kind == ("Status", "v1") else ""


def decoded(body: bytes, expected: Kind, known: Sequence[str]) -> Object:
    """An answer as an object of the expected kind. Raises ``Unusable``. ``known``: versions that could be told apart."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as problem:
        raise Unusable(f"couldn't get version/kind; json parse error: {_misread(body, problem)}") from None
    if not isinstance(found, dict):
        raise Unusable(f"couldn't get version/kind; json parse error: {_no_object(found)}")
    kind, version = found.get("kind") or expected.kind, found.get("apiVersion") or expected.api_version
    if (kind, version) == (expected.kind, expected.api_version):
        return found
    group, _, short = str(version).rpartition("/")
    if (kind == "Status" and version == "v1") or (kind == expected.kind and group == expected.group and short in known):
        raise Unusable(f"converting ({short}.{kind}) to ({expected.version}.{expected.kind}): unknown conversion")
    raise Unusable(f'no kind "{kind}" is registered for version "{version}" {_SCHEME}')


def _misread(body: bytes, problem: orjson.JSONDecodeError) -> str:
    if not body.lstrip().startswith(b"{"):
        return _no_object("")  # read as YAML, which makes a string of almost everything
    return "unexpected end of JSON input" if problem.pos >= len(body) else str(problem)


def _no_object(found: Any) -> str:
    return f"json: cannot unmarshal {_word(found)} into Go value of type {_HEAD}"


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object" if isinstance(value, dict) else "null"


def verdict(body: bytes, version: str, uid: str, *, mutating: bool) -> Verdict:
    """What the answer to a review says. Raises ``Unusable``."""
    called = "failed to call webhook: "
    try:
        answer = decoded(body, Kind(GROUP, version, "AdmissionReview"), KNOWN)
        response = _response(answer)
        patch = _patch(response)
    except Unusable as problem:
        raise Unusable(f"{called}{problem}") from None
    try:
        if response is None:
            raise Unusable("webhook response was absent")
        if version == "v1":
            _check(response, patch, uid, mutating)
    except Unusable as problem:
        raise Unusable(f"received invalid webhook response: {problem}") from None
    kind = str(response.get("patchType") or "") if version == "v1" else "JSONPatch"
    return Verdict(
        allowed=response.get("allowed") is True,
        status=response.get("status"),
        patch=patch if mutating else b"",
        patch_type=kind,
        annotations={str(key): str(value) for key, value in (response.get("auditAnnotations") or {}).items()},
        warnings=[str(text) for text in response.get("warnings") or ()],
    )


def _response(answer: Object) -> Object | None:
    response = answer.get("response")
    if response is None:
        return None
    if not isinstance(response, dict):
        what = f"json: cannot unmarshal {_word(response)} into Go struct field AdmissionReview.response"
        raise Unusable(f"{what} of type v1.AdmissionResponse")
    for name, (of, go) in _FIELDS.items():
        value = response.get(name)
        if value is not None and not isinstance(value, of):
            field_name = f"AdmissionResponse.response.{name}"
            raise Unusable(f"json: cannot unmarshal {_word(value)} into Go struct field {field_name} of type {go}")
    check_status(response.get("status"), "response.status")
    return response


def check_status(status: Object | None, path: str) -> None:
    """What a webhook calls a ``Status`` has that form. Raises ``Unusable``, which names its fields by ``path``."""
    try:
        if status is not None:
            status_struct().check(status, lambda holder, name, trail: None)
    except WrongType as wrong:
        raise Unusable(re.sub(r"(?<=Go struct field )\w+\.", rf"\g<0>{path}.", str(wrong))) from None


def _patch(response: Object | None) -> bytes:
    text = (response or {}).get("patch") or ""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        at = next((index for index, sign in enumerate(text) if sign not in plain), len(text))
        raise Unusable(f"illegal base64 data at input byte {at}") from None


def _check(response: Object, patch: bytes, uid: str, mutating: bool) -> None:
    """What ``v1`` asks of answers."""
    got, kind = str(response.get("uid") or ""), response.get("patchType")
    if got != uid:
        raise Unusable(f'expected response.uid="{uid}", got {orjson.dumps(got).decode()}')
    if not mutating:
        if patch:
            raise Unusable("validating webhook may not return response.patch")
        if kind is not None:
            raise Unusable("validating webhook may not return response.patchType")
        return
    if patch and kind is None:
        raise Unusable("webhook returned response.patch but not response.patchType")
    if not patch and kind is not None:
        raise Unusable("webhook returned response.patchType but not response.patch")
    if kind == "":
        raise Unusable('webhook returned invalid response.patchType of ""')


# --- refusals --------------------------------------------------------------------------------------------------------


def denial(name: str, status: Mapping[str, Any] | None) -> ApiProblem:
    """A webhook's refusal as the client gets it: its own code, reason and details, its message behind its name."""
    said = dict(status or {})
    lead = f'admission webhook "{name}" denied the request'
    reason = str(said.get("reason") or "")
    told = said.get("message") or reason
    code = said.get("code")
    code = code if isinstance(code, int) and 400 <= code <= 999 else 400  # HTTP has no others
    message = f"{lead}: {told}" if told else f"{lead} without explanation"
    read = from_status(code, {**said, "message": message})
    problem = type(read)(message, causes=read.causes, details=read.details or None, retry_after=read.retry_after)
    problem.code, problem.reason = code, reason or UNKNOWN
    return problem


def failure(name: str, why: str) -> InternalError:
    """A webhook that could not be asked, or whose answer made no sense."""
    return internal(f'failed calling webhook "{name}": {why}')


def internal(text: str) -> InternalError:
    """``Internal error occurred: …``. Source: apimachinery ``errors.NewInternalError``."""
    return InternalError(f"Internal error occurred: {text}", causes=[Cause("", text)])
