"""Publishes who issues service accounts' tokens and with which key, for those who check them elsewhere. Routes of `asgi`.

Source: OpenID Connect Discovery 1.0, as far as Kubernetes serves it (``pkg/serviceaccount/openidmetadata.go``).
"""

from __future__ import annotations

import orjson

from trueup.apiserver.asgi import Application
from trueup.apiserver.request import Request, Response
from trueup.apiserver.tokens import ISSUER, Tokens

_KEPT = {"cache-control": "public, max-age=3600"}
CONFIGURATION, KEYS = "/.well-known/openid-configuration", "/openid/v1/jwks"


def add_to(application: Application, tokens: Tokens, url: str) -> None:
    """Put the routes in; ``url`` is where this server answers."""
    about = {
        "issuer": ISSUER,
        "jwks_uri": url + KEYS,
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    }

    async def configuration(request: Request) -> Response:
        return Response(200, orjson.dumps(about), headers=_KEPT)

    async def keys(request: Request) -> Response:
        body = orjson.dumps(tokens.jwks)
        return Response(200, body, "application/jwk-set+json", headers=_KEPT)

    application.routes[CONFIGURATION] = configuration
    application.routes[KEYS] = keys
