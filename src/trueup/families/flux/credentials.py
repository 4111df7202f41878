"""The data of a GitRepository's ``secretRef``. Called by `source.py` and `checkout.py`."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from trueup.delivery.tools import DeliveryTools
from trueup.families.flux.types import GitRepository
from trueup.kube.names import Kind, Ref

SECRET = Kind("", "v1", "Secret")
_OLD = {"caFile": "ca.crt", "certFile": "tls.crt", "keyFile": "tls.key"}
"""Flux's names of before 2.2, still in use."""


async def credentials(tools: DeliveryTools, repository: GitRepository) -> Mapping[str, bytes]:
    """The data of ``secretRef``; a Secret that is not there is a ``NotFound`` that names it.

    A repository that is answered from this machine needs none: the deploy key of `flux bootstrap` may well not be at hand.
    """
    if not repository.secret or tools.fetcher.mapped(repository.url) is not None:
        return {}
    secret = await tools.client.get(Ref(SECRET, repository.key.namespace, repository.secret))
    data = {name: base64.b64decode(value) for name, value in (secret.get("data") or {}).items()}
    return {**{_OLD[name]: value for name, value in data.items() if name in _OLD}, **data}
