"""The pages and hooks as one ASGI application. Made by `app`, mounted beside Kubernetes' API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib import resources
from typing import Any
from urllib.parse import parse_qs

from jinja2 import Environment, PackageLoader, select_autoescape
from starlette.applications import Starlette
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
from starlette.types import ASGIApp

from trueup.family import ActionRequest, Stop, Unit
from trueup.kube.names import Object, Ref
from trueup.kube.problems import ApiProblem
from trueup.ports import Client, Clock, Ledger, Live, RenderProblem, SourceProblem
from trueup.timing.rfc3339 import format_micro
from trueup.web.guard import Guard, Session
from trueup.web.live import Changes
from trueup.web.pages import short, tree, unit_id, unit_page, units_page

_KINDS = {"style.css": "text/css", "live.js": "text/javascript", "icon.svg": "image/svg+xml"}
_OPTIONS = ("prune", "hard")
"""What a button may ask for besides its action."""
_MOST_BODY = 4096


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
        self.session = Session(parts.token)
        self._static = {name: (resources.files("trueup.web") / "static" / name).read_bytes() for name in _KINDS}
        self.templates = Environment(
            loader=PackageLoader("trueup.web"),
            autoescape=select_autoescape(["html"]),
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.templates.filters["short"] = short
        self.templates.globals["static"] = self._address

    def application(self) -> ASGIApp:
        """The ASGI application."""
        routes = [
            Route("/", self.units),
            Route("/units/{kind}/{namespace}/{name}", self.unit),
            Route("/units/{kind}/{namespace}/{name}/diff", self.diff),
            Route("/units/{kind}/{namespace}/{name}/events", self.unit_events),
            Route("/units/{kind}/{namespace}/{name}/{action}", self.act, methods=["POST"]),
            Route("/events", self.events),
            Route("/login", self.login, methods=["GET", "POST"]),
            Route("/logout", self.logout, methods=["POST"]),
            Route("/static/{name}", self.static),
            Route("/hooks", self.hook, methods=["POST"]),
        ]
        handlers: dict[Any, Any] = {404: self.missing, 500: self.broken}
        return Guard(Starlette(routes=routes, exception_handlers=handlers), self.session)

    # --- who may come in -----------------------------------------------------------------------------------------

    async def login(self, request: Request) -> Response:
        """By the link that `up` prints, or by pasting the token."""
        given, after = request.query_params.get("token", ""), request.query_params.get("next", "")
        if request.method == "POST":
            form = parse_qs((await request.body())[:_MOST_BODY].decode("utf-8", "replace"))
            given, after = form.get("token", [""])[0], form.get("next", [""])[0]
        if given and self.session.opens(given):
            inside = after.startswith("/") and not after.startswith(("//", "/\\"))
            answer = RedirectResponse(after if inside else "/", status_code=303)
            answer.set_cookie(
                self.session.name(request), self.session.cookie, httponly=True, secure=True, samesite="strict", max_age=30 * 86400
            )  # fmt: skip
            return answer
        return self.page("login.html", status=401 if given else 200, wrong=bool(given), after=after)

    async def logout(self, request: Request) -> Response:
        """The cookie goes."""
        answer = JSONResponse({"done": "logout"})
        answer.delete_cookie(self.session.name(request), httponly=True, secure=True, samesite="strict")
        return answer

    # --- pages ---------------------------------------------------------------------------------------------------

    async def units(self, request: Request) -> Response:
        """All units."""
        mark = self.changes.mark
        return self.page("units.html", rows=await units_page(self.parts.live, self.parts.units), mark=mark)

    async def unit(self, request: Request) -> Response:
        """One unit: resources and what came of them, history."""
        parts, mark = self.parts, self.changes.mark
        unit, obj = await self._find(request)
        if obj is None or unit is None:
            return await self.missing(request, None)
        page = await unit_page(parts.live, parts.ledger, parts.health, parts.units, unit, obj)
        return self.page("unit.html", mark=mark, **page)

    async def diff(self, request: Request) -> Response:
        """What a sync would change, as text; secret values are hidden."""
        unit, obj = await self._find(request)
        if obj is None or unit is None:
            return PlainTextResponse("there is no such unit", 404)
        if unit.plan is None:
            return PlainTextResponse("it has no plan")
        try:
            _, plan = await self.parts.plan(unit, obj)
        except (SourceProblem, RenderProblem) as problem:
            return PlainTextResponse(f"it does not render: {problem}", 422)
        except ApiProblem as problem:
            return PlainTextResponse(f"it cannot be compared: {problem.message}", 422)
        return PlainTextResponse(self.parts.show(plan))

    async def act(self, request: Request) -> Response:
        """A button was pressed."""
        unit, obj = await self._find(request)
        if obj is None or unit is None:
            return JSONResponse({"error": "there is no such unit"}, 404)
        action = request.path_params["action"]
        make = unit.actions.get(action)
        if make is None:
            return JSONResponse({"error": "it cannot do that"}, 404)
        options = await _options(request)
        if options is None:
            return JSONResponse({"error": "the options cannot be read"}, 400)
        wish = ActionRequest("web", format_micro(self.parts.clock.now()), options)
        try:
            await self.parts.client.patch(Ref.of(obj), make(obj, wish), "merge", manager="trueup")
        except Stop as refusal:
            return JSONResponse({"error": refusal.reason}, 409)
        except ApiProblem as problem:
            return JSONResponse({"error": problem.message}, problem.code)
        return JSONResponse({"done": action})

    async def missing(self, request: Request, problem: object) -> Response:
        """There is nothing at this address."""
        return self.page("missing.html", status=404, what=request.url.path)

    async def broken(self, request: Request, problem: object) -> Response:
        """A bug; its words go to the log, not to the page."""
        return self.page("broken.html", status=500)

    # --- live ----------------------------------------------------------------------------------------------------

    async def events(self, request: Request) -> Response:
        """Rows of units as they change (server-sent events)."""
        return _stream(self.changes.stream(seen=_seen(request)))

    async def unit_events(self, request: Request) -> Response:
        """One unit's row as it changes, and that something in its tree did."""
        unit, obj = await self._find(request)
        if obj is None or unit is None:
            return PlainTextResponse("there is no such unit", 404)
        view = unit.view(obj)
        nodes = await tree(self.parts.live, self.parts.health, view)
        return _stream(
            self.changes.stream(
                seen=_seen(request),
                unit=unit_id(view),
                refs=(node.ref for node in nodes),
                uids=(below.uid for node in nodes for below in node.walk() if below.uid),
            )
        )

    # --- the rest ------------------------------------------------------------------------------------------------

    async def static(self, request: Request) -> Response:
        """Style and script; their addresses change with their content."""
        name = request.path_params["name"]
        if name not in _KINDS:
            return PlainTextResponse("not found", 404)
        kept = {"cache-control": "max-age=31536000, immutable" if "v" in request.query_params else "no-cache"}
        return Response(self._static[name], media_type=_KINDS[name], headers=kept)

    def _address(self, name: str) -> str:
        return f"/static/{name}?v={sha256(self._static[name]).hexdigest()[:8]}"

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
                try:
                    return unit, await self.parts.live.get(Ref(unit.kind, wanted["namespace"], wanted["name"]))
                except ApiProblem:
                    return None, None
        return None, None


async def _options(request: Request) -> dict[str, bool] | None:
    """Those options of a JSON body that buttons may give; None when it cannot be read."""
    body = await request.body()
    if not body:
        return {}
    if len(body) > _MOST_BODY:
        return None
    try:
        said = await request.json()
    except ValueError:
        return None
    return {name: said.get(name) is True for name in _OPTIONS} if isinstance(said, dict) else None


def _seen(request: Request) -> str:
    return request.headers.get("last-event-id") or request.query_params.get("seen", "")


def _stream(lines: Any) -> Response:
    headers = {"x-accel-buffering": "no", "cache-control": "no-store"}
    return StreamingResponse(lines, media_type="text/event-stream", headers=headers)
