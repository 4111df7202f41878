"""The pages and hooks as one ASGI application. Made by `app`, mounted beside Kubernetes' API."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, select_autoescape
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import (
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trueup.family import ActionRequest, Stop, Unit
from trueup.kube.names import Kind, Object, Ref
from trueup.kube.problems import ApiProblem
from trueup.ports import Client, Clock, Ledger, Live, RenderProblem, SourceProblem
from trueup.web.live import Changes
from trueup.web.pages import unit_page, units_page

COOKIE = "trueup"
_POLICY = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; form-action 'self'"


@dataclass(frozen=True, slots=True)
class Parts:
    """What the pages are about, handed in."""

    client: Client
    live: Live
    ledger: Ledger
    clock: Clock
    units: Sequence[Unit]
    health: Callable[[Object], Any]
    plan: Callable[[Unit, Object], Awaitable[Any]]
    """(unit, object) -> (desired, plan)."""
    show: Callable[[Any], str]
    """A plan as text."""
    token: str
    """Who knows it is let in."""
    hook: Callable[[Any, bytes], tuple[int, str]]
    """(headers, body) of a push webhook -> (HTTP status, what was done)."""


class Web:
    """Routes and what they share."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.changes = Changes(parts.live, parts.units)
        self.templates = Environment(loader=PackageLoader("trueup.web"), autoescape=select_autoescape(["html"]))
        self._secret = hmac.new(parts.token.encode(), b"web session", sha256).hexdigest()

    def application(self) -> ASGIApp:
        """The ASGI application."""
        routes = [
            Route("/", self.units),
            Route("/units/{kind}/{namespace}/{name}", self.unit),
            Route("/units/{kind}/{namespace}/{name}/diff", self.diff),
            Route("/units/{kind}/{namespace}/{name}/{action}", self.act, methods=["POST"]),
            Route("/events", self.events),
            Route("/login", self.login, methods=["GET", "POST"]),
            Route("/static/{name}", self.static),
            Route("/hooks", self.hook, methods=["POST"]),
        ]
        return _Guarded(Starlette(routes=routes), self)

    # --- who may come in -----------------------------------------------------------------------------------------

    def knows(self, cookie: str | None) -> bool:
        """Whether a cookie is ours."""
        return bool(cookie) and hmac.compare_digest(str(cookie), self._secret)

    async def login(self, request: Request) -> Response:
        """By the link that `up` prints, or by pasting the token."""
        given = request.query_params.get("token", "")
        if request.method == "POST":
            given = str((await request.form()).get("token") or "")
        if given and hmac.compare_digest(given.encode(), self.parts.token.encode()):
            answer = RedirectResponse("/", status_code=303)
            answer.set_cookie(COOKIE, self._secret, httponly=True, secure=True, samesite="strict", max_age=30 * 86400)
            return answer
        return self.page("login.html", status=401 if given else 200, wrong=bool(given))

    # --- pages ---------------------------------------------------------------------------------------------------

    async def units(self, request: Request) -> Response:
        """All units."""
        return self.page("units.html", rows=await units_page(self.parts.live, self.parts.units))

    async def unit(self, request: Request) -> Response:
        """One unit: resources and what came of them, history."""
        unit, obj = await self._find(request)
        if obj is None or unit is None:
            return self.page("missing.html", status=404, what=request.url.path)
        page = await unit_page(self.parts.live, self.parts.ledger, self.parts.health, unit, obj)
        return self.page("unit.html", **page)

    async def diff(self, request: Request) -> Response:
        """What a sync would change, as text; secret values are hidden."""
        unit, obj = await self._find(request)
        if obj is None or unit is None:
            return PlainTextResponse("there is no such unit", 404)
        try:
            _, plan = await self.parts.plan(unit, obj)
        except (SourceProblem, RenderProblem) as problem:
            return PlainTextResponse(f"it does not render: {problem}", 200)
        except ApiProblem as problem:
            return PlainTextResponse(f"it cannot be compared: {problem.message}", 200)
        return PlainTextResponse(self.parts.show(plan))

    async def act(self, request: Request) -> Response:
        """A button was pressed."""
        unit, obj = await self._find(request)
        if obj is None or unit is None:
            return JSONResponse({"error": "there is no such unit"}, 404)
        make = unit.actions.get(request.path_params["action"])
        if make is None:
            return JSONResponse({"error": "it cannot do that"}, 404)
        from trueup.timing.rfc3339 import format_micro

        wish = ActionRequest("web", format_micro(self.parts.clock.now()), {"prune": True})
        try:
            await self.parts.client.patch(Ref.of(obj), make(obj, wish), "merge", manager="trueup")
        except Stop as refusal:
            return JSONResponse({"error": refusal.reason}, 409)
        except ApiProblem as problem:
            return JSONResponse({"error": problem.message}, problem.code)
        return JSONResponse({"done": request.path_params["action"]})

    async def events(self, request: Request) -> Response:
        """Rows of units as they change (server-sent events)."""
        return StreamingResponse(self.changes.stream(request.is_disconnected), media_type="text/event-stream")

    async def static(self, request: Request) -> Response:
        """Style and script."""
        name = request.path_params["name"]
        kinds = {"style.css": "text/css", "live.js": "text/javascript", "icon.svg": "image/svg+xml"}
        if name not in kinds:
            return PlainTextResponse("not found", 404)
        data = (resources.files("trueup.web") / "static" / name).read_bytes()
        return Response(data, media_type=kinds[name], headers={"cache-control": "max-age=3600"})

    async def hook(self, request: Request) -> Response:
        """A Git server tells of a push."""
        status, text = self.parts.hook(dict(request.headers), await request.body())
        return PlainTextResponse(text, status)

    def page(self, template: str, *, status: int = 200, **values: Any) -> Response:
        """A template as an answer."""
        return HTMLResponse(self.templates.get_template(template).render(**values), status)

    async def _find(self, request: Request) -> tuple[Unit | None, Object | None]:
        wanted = request.path_params
        for unit in self.parts.units:
            if unit.kind.kind.lower() == wanted["kind"]:
                kind = Kind(unit.kind.group, unit.kind.version, unit.kind.kind)
                return unit, await self.parts.live.get(Ref(kind, wanted["namespace"], wanted["name"]))
        return None, None


class _Guarded:
    """Lets nobody in without the cookie, and nothing out without the headers that bind the browser."""

    OPEN = ("/login", "/static/", "/hooks")

    def __init__(self, inner: ASGIApp, web: Web) -> None:
        self._inner, self._web = inner, web

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message["headers"])
                headers.setdefault("content-security-policy", _POLICY)
                headers.setdefault("x-content-type-options", "nosniff")
                headers.setdefault("x-frame-options", "DENY")
                headers.setdefault("referrer-policy", "no-referrer")
            await send(message)

        if not scope["path"].startswith(self.OPEN):
            if not self._web.knows(request.cookies.get(COOKIE)):
                await RedirectResponse("/login", status_code=303)(scope, receive, guarded)
                return
            if request.method == "POST" and request.headers.get("x-trueup") != "1":
                await PlainTextResponse("a header is missing", 403)(scope, receive, guarded)
                return
        await self._inner(scope, receive, guarded)
