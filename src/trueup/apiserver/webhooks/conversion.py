"""Conversion of custom resources by the webhook that their definition names.

`Conversions` asks; the webhook's answer is checked and its metadata put right as Kubernetes does.
Source: apiextensions-apiserver ``pkg/apiserver/conversion/{converter,webhook_converter}.go``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from trueup.apiserver import fresh
from trueup.apiserver.hub import Hub
from trueup.apiserver.registry import Served
from trueup.apiserver.request import Write
from trueup.apiserver.verbs import prepare
from trueup.apiserver.webhooks import reviews
from trueup.apiserver.webhooks.caller import Caller, Uncallable
from trueup.apiserver.webhooks.reviews import Unusable
from trueup.kube.names import Kind, Object
from trueup.kube.problems import ApiProblem
from trueup.kube.validation import object_meta
from trueup.kube.validation.object_meta import annotation_keys

GROUP = "apiextensions.k8s.io"
_KNOWN = ("v1", "v1beta1")
_SECONDS = 30
"""As long as Kubernetes waits for a conversion webhook."""
_ANNOTATION = "metadata.annotation"
"""As Kubernetes names the field here."""
_TYPES: Mapping[type, str] = {bool: "bool", int: "int64", float: "float64", str: "string", list: "[]interface {}"}


class WebhookConverter:
    """The converter of one hub."""

    def __init__(self, hub: Hub, caller: Caller) -> None:
        self._hub, self._caller = hub, caller

    async def convert(self, served: Served, objects: Sequence[Object]) -> list[Object]:
        """Objects of other versions as this version's, in their order. Raises ``ApiProblem``."""
        assert served.crd is not None
        given = [self._complete(obj) for obj in objects]
        lead = f"conversion webhook for {given[0].get('apiVersion')}, Kind={given[0].get('kind')}"
        spec = served.crd["spec"]["conversion"].get("webhook") or {}
        version = next((each for each in spec.get("conversionReviewVersions") or () if each in _KNOWN), None)
        if version is None:
            raise ApiProblem("no supported conversion review versions")
        uid, wanted = fresh.uid(), served.kind.api_version
        request = {"uid": uid, "desiredAPIVersion": wanted, "objects": given}
        review = {"kind": "ConversionReview", "apiVersion": f"{GROUP}/{version}", "request": request}
        try:
            made = self._read(await self._post(spec, orjson.dumps(review)), version, uid)
        except (Uncallable, Unusable) as problem:
            raise ApiProblem(f"{lead} failed: {problem}") from problem
        if len(made) != len(given):
            raise ApiProblem(f"{lead} returned {len(made)} objects, expected {len(given)}")
        return [
            settled(served, lead, index, old, new) for index, (old, new) in enumerate(zip(given, made, strict=True))
        ]

    def _complete(self, obj: Object) -> Object:
        """An object as its own version shows it: with defaults that came later."""
        source = self._hub.registry.of_kind(Kind.of(obj))
        return obj if source is None else self._hub.as_version(source, obj)

    async def _post(self, spec: Mapping[str, Any], body: bytes) -> bytes:
        reply = await self._caller.post(spec.get("clientConfig") or {}, body, _SECONDS)
        if not 200 <= reply.status <= 206:
            raise Unusable(reviews.rejected(reply.status, reply.body, reply.content_type))
        if not reply.body:
            what = f"0-length response with status code: {reply.status} and content type: {reply.content_type}"
            raise Unusable(what)
        return reply.body

    def _read(self, body: bytes, version: str, uid: str) -> list[Any]:
        answer = reviews.decoded(body, Kind(GROUP, version, "ConversionReview"), _KNOWN)
        response = answer.get("response")
        if not isinstance(response, dict):
            raise Unusable("no response provided")
        got = str(response.get("uid") or "")
        if version == "v1" and got != uid:
            raise Unusable(f'expected response.uid="{uid}", got {orjson.dumps(got).decode()}')
        result, made = response.get("result") or {}, response.get("convertedObjects") or []
        if not isinstance(result, dict) or not isinstance(made, list):
            raise Unusable("result is no Status, or convertedObjects is no list")
        reviews.check_status(result, "response.result")
        if result.get("status") != "Success":
            why = f"response.result.status was '{result.get('status') or ''}', not 'Success'"
            raise Unusable(result.get("message") or why)
        return made


def settled(served: Served, lead: str, index: int, old: Object, new: Any) -> Object:
    """A converted object, checked, with the metadata that only the server writes, without what its schema lacks."""
    if not isinstance(new, dict):
        raise ApiProblem(f"{lead} returned invalid object at index {index}: it is no object")
    version = str(new.get("apiVersion") or "")
    if version != served.kind.api_version:
        why = f"invalid groupVersion (expected {served.kind.api_version}, received {version})"
        raise ApiProblem(f"{lead} returned invalid object at index {index}: {why}")
    if new.get("kind") != old.get("kind"):
        why = f"invalid kind (expected {old.get('kind')}, received {new.get('kind') or ''})"
        raise ApiProblem(f"{lead} returned invalid object at index {index}: {why}")
    before, after = old["metadata"], new.get("metadata")
    for field, word in (("name", "name"), ("namespace", "namespace"), ("uid", "UID")):
        was, now = before.get(field) or "", (after.get(field) if isinstance(after, dict) else None) or ""
        if was != now:
            raise ApiProblem(f"{lead} returned invalid object: must have the same {word}: {was} != {now}")
    after = after or {}
    problem = next(_mislabelled(after, before), "")
    if problem:
        raise ApiProblem(f"{lead} returned invalid metadata: {problem}")
    meta = {name: value for name, value in before.items() if name not in ("labels", "annotations")}
    meta |= {name: after[name] for name in ("labels", "annotations") if after.get(name) is not None}
    made = {**new, "metadata": meta}
    prepare.decode(served, made, Write(validation="Ignore"))
    return made


def _mislabelled(after: Object, before: Object) -> Iterator[str]:
    """What is wrong with the labels and annotations that a webhook gave."""
    for field in ("labels", "annotations"):
        found = after.get(field)
        if found is None:
            continue
        if not isinstance(found, dict):
            yield f"invalid metadata.{field} of type {_TYPES.get(type(found))} in converted object"
            return
        for name, value in found.items():
            if not isinstance(value, str):
                word = _TYPES.get(type(value), "map[string]interface {}")
                yield f"metadata.{field}[{name}] must be a string, but is {word} in converted object"
        if found != (before.get(field) or {}):
            labels = field == "labels"
            causes = object_meta.labels(found, "metadata.labels") if labels else annotation_keys(found, _ANNOTATION)
            yield from (f"{cause.field}: {cause.message}" for cause in causes)
