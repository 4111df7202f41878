"""How a definition's versions become one another: what it gets wrong of that. Pure; called by ``crd_checks``.

Source: apiextensions-apiserver ``pkg/apis/apiextensions/validation/validation.go`` (``validateCustomResourceConversion``);
``k8s.io/apiserver/pkg/util/webhook/validation.go``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from trueup.kube.names import Object
from trueup.kube.problems import Cause
from trueup.kube.validation.causes import forbidden, invalid, not_supported, required
from trueup.kube.validation.clients import service, url
from trueup.kube.validation.formats import dns1035

_STRATEGIES = ("None", "Webhook")
_REVIEWS = ("v1", "v1beta1")


def conversion(spec: Object) -> Iterator[Cause]:
    """Every mistake."""
    said, path = spec.get("conversion"), "spec.conversion"
    if said is None:
        return
    strategy, webhook = said.get("strategy") or "", said.get("webhook")
    if not strategy:
        yield required(f"{path}.strategy")
    elif strategy not in _STRATEGIES:
        yield not_supported(f"{path}.strategy", strategy, _STRATEGIES)
    client = (webhook or {}).get("clientConfig")
    reviews = (webhook or {}).get("conversionReviewVersions") or []
    if strategy == "Webhook":
        yield from _client(client, f"{path}.webhookClientConfig")
        yield from _reviews(reviews, f"{path}.conversionReviewVersions")
        return
    detail = "should not be set when strategy is not set to Webhook"
    if client is not None:
        yield forbidden(f"{path}.webhookClientConfig", detail)
    if reviews:
        yield forbidden(f"{path}.conversionReviewVersions", detail)


def _client(client: Object | None, path: str) -> Iterator[Cause]:
    if client is None:
        yield required(path, "required when strategy is set to Webhook")
    elif (client.get("url") is None) == (client.get("service") is None):
        yield required(path, "exactly one of url or service is required")
    elif client.get("url") is not None:
        yield from url(f"{path}.url", client["url"], secure=True)
    else:
        yield from service(f"{path}.service", client["service"])


def _reviews(versions: list[Any], path: str) -> Iterator[Cause]:
    if not versions:
        yield required(path)
        return
    for index, version in enumerate(versions):
        if version in versions[:index]:
            yield invalid(f"{path}[{index}]", version, "duplicate version")
            continue
        for problem in dns1035(version):
            yield invalid(f"{path}[{index}]", version, problem)
    if not set(versions) & set(_REVIEWS):
        yield invalid(path, versions, f"must include at least one of {', '.join(_REVIEWS)}")
