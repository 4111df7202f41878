"""Lets nobody in without the cookie, lets no other site act, and lets nothing out without the headers that bind the browser.

Wrapped around the pages by `asgi.py`. Sources: OWASP cheat sheets on cross-site request forgery and content security policy.
"""

from __future__ import annotations

import hmac
from hashlib import sha256
from urllib.parse import quote, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = "x-trueup"
"""A header that no form and no other site can send without being asked first."""
_OPEN = ("/login", "/static/", "/hooks")
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class Session:
    """One token, one cookie made of it. The cookie opens the pages and nothing else."""

    def __init__(self, token: str) -> None:
        self._token = token
        self.cookie = hmac.new(token.encode(), b"web session", sha256).hexdigest()

    def name(self, request: Request) -> str:
        """Browsers share cookies among the ports of a host; two programs on one host must not sign each other out."""
        return f"__Host-trueup-{request.url.port or 443}"

    def opens(self, token: str) -> bool:
        """Whether a token is ours."""
        return hmac.compare_digest(token.encode(), self._token.encode())

    def knows(self, request: Request) -> bool:
        """Whether a request carries our cookie."""
        given = request.cookies.get(self.name(request), "")
        return hmac.compare_digest(given.encode(), self.cookie.encode())


class Guard:
    """The door."""

    def __init__(self, inner: ASGIApp, session: Session) -> None:
        self._inner, self._session = inner, session

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return

        async def bound(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message["headers"])
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(Request(scope, receive))
        await (refusal or self._inner)(scope, receive, bound)

    def _refusal(self, request: Request) -> Response | None:
        path = request.url.path
        if path == "/login" or path.startswith(_OPEN[1:]):
            return None
        if not self._session.knows(request):
            if "text/html" not in request.headers.get("accept", "") or request.method != "GET":
                return PlainTextResponse("sign in first", 401)
            after = path if path != "/" else ""
            return RedirectResponse(f"/login?next={quote(after)}" if after else "/login", status_code=303)
        if request.method not in ("GET", "HEAD") and not _own(request):
            return PlainTextResponse("this did not come from our own page", 403)
        return None


def _own(request: Request) -> bool:
    """Whether our own page sent it."""
    origin = request.headers.get("origin")
    if request.headers.get(HEADER) != "1" or request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        return False
    return origin is None or urlsplit(origin).netloc == request.headers.get("host", "")
