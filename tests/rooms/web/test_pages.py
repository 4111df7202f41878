"""The pages over the ASGI application itself: what they show, to whom, and what a button does. No browser, no server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from trueup.family import ActionRequest, HistoryView, ResourceView, Stop, Unit, UnitView
from trueup.health.verdict import Health
from trueup.kube.names import Kind, Object, Ref
from trueup.kube.problems import Forbidden, NotFound
from trueup.merge.changes import changes
from trueup.plan.compare import hidden
from trueup.plan.plan import Change, Plan
from trueup.plan.show import show
from trueup.plan.wanted import Wanted
from trueup.ports import LedgerEntry, RenderProblem, WatchEvent
from trueup.web.asgi import Parts, Web
from trueup.web.live import Changes
from trueup.web.pages import short

APP = Kind("example.com", "v1", "App")
OTHER = Kind("example.com", "v1", "Other")
HOSTILE = '"><script>alert(1)</script>'
BASE = "https://127.0.0.1:7443"
OURS = {"x-trueup": "1"}


def app(name: str = "web", **status: Any) -> Object:
    meta = {"name": name, "namespace": "team", "uid": f"uid-{name}"}
    return {"apiVersion": "example.com/v1", "kind": "App", "metadata": meta, "spec": {}, "status": status}


def pod(name: str, owner: str, message: str = "") -> Object:
    meta = {"name": name, "namespace": "team", "uid": f"uid-{name}", "ownerReferences": [{"uid": owner}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "status": {"message": message}}


def view(obj: Object) -> UnitView:
    status = obj["status"]
    deployment = Ref(Kind("apps", "v1", "Deployment"), "team", "web")
    return UnitView(
        kind=APP,
        namespace="team",
        name=obj["metadata"]["name"],
        source=status.get("source", "https://git.example.com/web.git"),
        path="./web",
        revision="main@sha1:" + "a" * 40,
        sync=status.get("sync", "Synced"),
        health=status.get("health", "Healthy"),
        message=status.get("message", ""),
        suspended=bool(status.get("suspended")),
        since="2026-11-20T10:00:00Z",
        resources=(ResourceView(deployment),) if status.get("resources", True) else (),
        history=(HistoryView(1, "main@sha1:" + "b" * 40, "2026-11-20T10:00:00Z", "ada"),),
        waits_for=(Ref(APP, "team", "base"), Ref(Kind("example.com", "v1", "Repo"), "team", "web")),
    )


def sync(obj: Object, request: ActionRequest) -> Object:
    if obj["status"].get("suspended"):
        raise Stop("it is suspended: resume it first")
    return {"metadata": {"annotations": {"asked": request.at, "prune": str(request.options.get("prune"))}}}


@dataclass
class Live:
    """`ports.Live` over a few objects."""

    objects: dict[Ref, Object] = field(default_factory=dict)
    listeners: list[Callable[[WatchEvent], None]] = field(default_factory=list)

    async def get(self, ref: Ref) -> Object | None:
        if ref.kind == OTHER:
            raise NotFound("the kind is not served")
        return self.objects.get(ref)

    async def list(self, kind: Kind, namespace: str = "") -> Sequence[Object]:
        if kind == OTHER:
            raise NotFound("the kind is not served")
        return [obj for ref, obj in self.objects.items() if ref.kind == kind]

    def owned(self, uid: str) -> Sequence[Object]:
        owners = [
            (o.get("uid"), obj) for obj in self.objects.values() for o in obj["metadata"].get("ownerReferences", ())
        ]
        return [obj for owner, obj in owners if owner == uid]

    def note(self, obj: Object) -> None:
        self.put(obj)

    def subscribe(self, listener: Callable[[WatchEvent], None]) -> None:
        self.listeners.append(listener)

    def put(self, obj: Object, *, gone: bool = False) -> None:
        ref = Ref.of(obj)
        if gone:
            del self.objects[ref]
        else:
            self.objects[ref] = obj
        for listener in self.listeners:
            listener(WatchEvent("DELETED" if gone else "MODIFIED", obj))


class Patches:
    """The part of `ports.Client` that a button uses."""

    def __init__(self) -> None:
        self.made: list[tuple[Ref, Any]] = []
        self.refuse = False

    async def patch(self, ref: Ref, body: Any, how: str, **said: Any) -> Object:
        if self.refuse:
            raise Forbidden("you may not do that")
        self.made.append((ref, body))
        return {}


class Ledger:
    async def append(self, entry: LedgerEntry) -> int:
        return 1

    async def of(self, unit: str, *, limit: int = 50) -> Sequence[LedgerEntry]:
        return [LedgerEntry(unit, "2026-11-20T10:00:00Z", "c" * 40, "ada", "sync", "Failed", HOSTILE)]


class Clock:
    def now(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("pages do not wait")


class Browser:
    """Asks the application itself, and keeps its cookies."""

    def __init__(self, app: Any) -> None:
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        self._client = httpx.AsyncClient(transport=transport, base_url=BASE)

    def get(self, path: str, **said: Any) -> httpx.Response:
        return asyncio.run(self._client.get(path, **said))

    def post(self, path: str, **said: Any) -> httpx.Response:
        return asyncio.run(self._client.post(path, **said))


@dataclass
class Room:
    """The application and what it stands on."""

    live: Live
    client: Patches
    web: Web
    browser: Browser
    plan: Any = field(default_factory=Plan)

    def sign_in(self) -> Browser:
        answer = self.browser.get("/login", params={"token": "t0ken"})
        assert answer.status_code == 303
        return self.browser


@pytest.fixture
def room() -> Room:
    """One unit with a Deployment and a pod."""
    live, client = Live(), Patches()
    meta = {"name": "web", "namespace": "team", "uid": "uid-deploy"}
    for obj in (
        app(),
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta},
        pod("web-1", "uid-deploy", HOSTILE),
    ):
        live.objects[Ref.of(obj)] = obj
    made: list[Room] = []

    async def plan(unit: Unit, obj: Object) -> Any:
        if isinstance(made[0].plan, Exception):
            raise made[0].plan
        return None, made[0].plan

    def health(obj: Object) -> Health:
        message = (obj.get("status") or {}).get("message", "")
        return Health("Degraded" if message else "Healthy", message, "rule")

    def hook(headers: Mapping[str, str], body: bytes) -> tuple[int, str]:
        return (202, "1 objects look") if headers.get("x-secret") == "right" else (401, "forged")

    units = (Unit(APP, view, {"sync": sync, "suspend": sync, "resume": sync}, plan=plan), Unit(OTHER, view, {}))
    parts = Parts(
        client=client,  # type: ignore[arg-type]
        live=live,
        ledger=Ledger(),
        clock=Clock(),
        units=units,
        health=health,
        plan=plan,
        show=show,
        token="t0ken",
        hook=hook,
    )
    web = Web(parts)
    made.append(Room(live, client, web, Browser(web.application())))
    return made[0]


# --- who may come in -----------------------------------------------------------------------------------------------------


def test_nobody_is_let_in_without_signing_in(room: Room) -> None:
    """Pages send to the sign-in page and remember where one wanted to go; everything else is refused plainly."""
    answer = room.browser.get("/units/app/team/web", headers={"accept": "text/html"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=/units/app/team/web")
    for path in ("/events", "/units/app/team/web/diff", "/units/app/team/web/events"):
        assert room.browser.get(path).status_code == 401
    assert room.browser.post("/units/app/team/web/sync", headers=OURS).status_code == 401
    assert room.client.made == []


def test_the_printed_link_signs_in(room: Room) -> None:
    """With a cookie that scripts cannot read, other sites cannot use, and no other port or host sees."""
    answer = room.browser.get("/login", params={"token": "t0ken"})
    cookie = answer.headers["set-cookie"]

    assert answer.headers["location"] == "/"
    assert cookie.startswith("__Host-trueup-7443=")
    assert "t0ken" not in cookie
    for word in ("HttpOnly", "Secure", "SameSite=strict", "Path=/"):
        assert word in cookie
    assert room.browser.get("/").status_code == 200


@pytest.mark.parametrize(
    ("after", "expected"),
    [("/units/app/team/web", "/units/app/team/web"), ("https://evil.example.com", "/"), ("//evil.example.com", "/")],
)
def test_after_signing_in_one_stays_on_this_site(room: Room, after: str, expected: str) -> None:
    """Where one wanted to go, unless that is elsewhere."""
    form = {"token": "t0ken", "next": after}
    answer = room.browser.post("/login", data=form)

    assert (answer.status_code, answer.headers["location"]) == (303, expected)


def test_a_wrong_token_is_told_so(room: Room) -> None:
    """And no cookie is set."""
    answer = room.browser.post("/login", data={"token": "wrong", "next": HOSTILE})

    assert answer.status_code == 401
    assert "That token is not right." in answer.text
    assert "set-cookie" not in answer.headers
    assert HOSTILE not in answer.text
    assert room.browser.get("/").status_code in (303, 401)


def test_signing_out_ends_it(room: Room) -> None:
    """The cookie is taken away."""
    browser = room.sign_in()
    assert browser.post("/logout", headers=OURS).status_code == 200
    assert browser.get("/events").status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-trueup": "0"},
        {**OURS, "origin": "https://evil.example.com"},
        {**OURS, "origin": "https://127.0.0.1:9999"},
        {**OURS, "sec-fetch-site": "cross-site"},
    ],
    ids=["form", "wrong", "origin", "port", "site"],
)
def test_another_site_cannot_press_a_button(room: Room, headers: dict[str, str]) -> None:
    """Even with the cookie: the header is missing, or the browser says who asks."""
    assert room.sign_in().post("/units/app/team/web/sync", headers=headers).status_code == 403
    assert room.client.made == []


@pytest.mark.parametrize("path", ["/", "/login", "/units/app/team/web", "/nowhere", "/static/live.js"])
def test_every_answer_binds_the_browser(room: Room, path: str) -> None:
    """No inline scripts or styles, no frames, no guessing of types, no referrer."""
    answer = room.sign_in().get(path, headers={"accept": "text/html"})
    policy = answer.headers["content-security-policy"]

    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    if answer.headers["content-type"].startswith("text/html"):
        assert answer.headers["cache-control"] == "no-store"
        assert "style=" not in answer.text
        assert "onclick" not in answer.text


# --- what is shown -------------------------------------------------------------------------------------------------------


def test_the_list_shows_every_unit(room: Room) -> None:
    """With sync, health, a short revision; a kind that is not served is left out."""
    room.live.objects[Ref(APP, "team", "bad")] = app(
        "bad", sync="OutOfSync", health="Degraded", message="at " + "d" * 40
    )
    page = room.sign_in().get("/").text

    assert page.index('data-unit="app/team/bad"') < page.index('data-unit="app/team/web"')
    assert '<span class="state degraded" data-field="health">Degraded</span>' in page
    assert "main@aaaaaaa<" in page
    assert ">at ddddddd<" in page


def test_an_empty_list_says_what_to_do(room: Room) -> None:
    """Instead of an empty table."""
    room.live.objects.clear()
    page = room.sign_in().get("/").text

    assert '<p class="empty" data-none >No units yet.' in page
    assert "data-units data-mark=" in page


def test_a_unit_shows_its_tree_and_history(room: Room) -> None:
    """The objects with what they own, what it needs, what was deployed and what the ledger says."""
    page = room.sign_in().get("/units/app/team/web").text

    assert page.index("team/web</span>") < page.index("team/web-1</span>")
    assert '<a href="/units/app/team/base">App team/base</a>, Repo team/web' in page
    assert "main@bbbbbbb" in page
    assert '<time datetime="2026-11-20T10:00:00Z">' in page
    assert 'data-action="sync"' in page
    assert 'data-action="suspend"' in page
    assert 'data-action="resume"' not in page


def test_a_unit_of_which_nothing_is_live_says_so(room: Room) -> None:
    """Missing objects are missing; a unit without objects has applied nothing."""
    del room.live.objects[Ref(Kind("apps", "v1", "Deployment"), "team", "web")]
    assert '<span class="state missing">Missing</span>' in room.sign_in().get("/units/app/team/web").text
    room.live.objects[Ref(APP, "team", "new")] = app("new", resources=False)
    assert "Nothing has been applied yet." in room.browser.get("/units/app/team/new").text


@pytest.mark.parametrize("path", ["/units/app/team/none", "/units/none/team/web", "/units/other/team/web", "/nowhere"])
def test_what_is_not_there_is_a_page_that_leads_on(room: Room, path: str) -> None:
    """With a way back."""
    answer = room.sign_in().get(path, headers={"accept": "text/html"})

    assert answer.status_code == 404
    assert '<a href="/">All units</a>' in answer.text


def test_a_bug_shows_no_insides(room: Room) -> None:
    """The page says that it is broken, and nothing of why."""
    room.plan = ValueError("the password is secret")
    answer = room.sign_in().get("/units/app/team/web/diff")

    assert answer.status_code == 500
    assert "That went wrong" in answer.text
    assert "password" not in answer.text


def test_hostile_words_stay_words(room: Room) -> None:
    """Names, messages, sources and outcomes from a cluster cannot become markup."""
    room.live.objects[Ref(APP, "team", "evil")] = app(
        "evil", message=HOSTILE, source=HOSTILE, sync=HOSTILE, health=HOSTILE
    )
    browser = room.sign_in()
    for path in ("/", "/units/app/team/evil", "/units/app/team/web", "/units/app/team/<b>alert(1)"):
        page = browser.get(path, headers={"accept": "text/html"}).text
        assert "<script>alert" not in page
        assert "<b>alert" not in page
        assert 'class="state ">' not in page
        assert "alert(1)" in page or path == "/units/app/team/web"


def test_the_difference_is_text_without_secret_values(room: Room) -> None:
    """Where a Secret differs is shown, what it says is not; nothing of it is markup."""
    secret: Object = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "team"}}
    old, new = {**secret, "data": {"password": "b2xk"}}, {**secret, "data": {"password": "bmV3"}, "type": HOSTILE}
    ref = Ref.of(secret)
    fields = hidden(ref, changes(old, new))
    room.plan = Plan((Change(ref, "update", Wanted(new, "a.yaml:1"), live=old, fields=fields),))
    answer = room.sign_in().get("/units/app/team/web/diff")

    assert answer.headers["content-type"].startswith("text/plain")
    assert "password" in answer.text
    assert "b2xk" not in answer.text
    assert "bmV3" not in answer.text


def test_a_source_that_does_not_render_says_where(room: Room) -> None:
    """As the difference, marked as an error."""
    room.plan = RenderProblem("mapping values are not allowed here", path="web/a.yaml", line=3)
    answer = room.sign_in().get("/units/app/team/web/diff")

    assert answer.status_code == 422
    assert "web/a.yaml:3: mapping values" in answer.text


# --- what a button does --------------------------------------------------------------------------------------------------


def test_a_button_asks_the_unit(room: Room) -> None:
    """With the family's own patch; it prunes only when that was said."""
    browser = room.sign_in()
    answer = browser.post("/units/app/team/web/sync", headers={**OURS, "origin": BASE})
    assert answer.json() == {"done": "sync"}
    browser.post("/units/app/team/web/sync", headers=OURS, json={"prune": True, "evil": True})

    refs, patches = zip(*room.client.made, strict=True)
    assert refs == (Ref(APP, "team", "web"),) * 2
    assert [patch["metadata"]["annotations"]["prune"] for patch in patches] == ["None", "True"]


def test_a_refusal_is_told(room: Room) -> None:
    """By the unit itself, by the API, for what it cannot do, for what cannot be read."""
    browser = room.sign_in()
    room.live.objects[Ref(APP, "team", "held")] = app("held", suspended=True)
    answer = browser.post("/units/app/team/held/sync", headers=OURS)
    assert (answer.status_code, answer.json()["error"]) == (409, "it is suspended: resume it first")
    assert 'data-action="resume"' in browser.get("/units/app/team/held").text
    room.client.refuse = True
    answer = browser.post("/units/app/team/web/sync", headers=OURS)
    assert (answer.status_code, answer.json()["error"]) == (403, "you may not do that")
    assert browser.post("/units/app/team/web/fly", headers=OURS).status_code == 404
    assert browser.post("/units/app/team/none/sync", headers=OURS).status_code == 404
    assert browser.post("/units/app/team/web/sync", headers=OURS, content=b"{").status_code == 400
    assert browser.post("/units/app/team/web/sync", headers=OURS, content=b"[" * 5000).status_code == 400


def test_a_push_needs_its_own_secret_and_no_cookie(room: Room) -> None:
    """Webhooks come from servers."""
    assert room.browser.post("/hooks", headers={"x-secret": "right"}).status_code == 202
    assert room.browser.post("/hooks").status_code == 401


def test_style_and_script_are_kept_until_they_change(room: Room) -> None:
    """Their addresses name their content; nothing else of the folder is served."""
    page = room.browser.get("/login").text
    address = next(word for word in page.split('"') if word.startswith("/static/live.js"))

    assert "immutable" in room.browser.get(address).headers["cache-control"]
    assert room.browser.get("/static/live.js").headers["cache-control"] == "no-cache"
    assert room.browser.get("/static/..%2fasgi.py").status_code == 404


@pytest.mark.parametrize(
    ("revision", "expected"),
    [
        ("main@sha1:" + "a" * 40, "main@aaaaaaa"),
        ("a" * 40, "aaaaaaa"),
        ("sha1:" + "a" * 40, "aaaaaaa"),
        ("1.2.3", "1.2.3"),
        ("", ""),
        ("a" * 40 + ", 6.5.0", "aaaaaaa, 6.5.0"),
        ("refs/heads/main@sha1:" + "b" * 40, "refs/heads/main@bbbbbbb"),
    ],
)
def test_revisions_are_cut_for_people(revision: str, expected: str) -> None:
    """Commits to seven characters, names and versions not at all."""
    assert short(revision) == expected


# --- live ----------------------------------------------------------------------------------------------------------------


async def told(lines: AsyncIterator[bytes]) -> list[Any]:
    """Everything that a stream says before it waits."""
    found: list[Any] = []
    try:
        while True:
            async with asyncio.timeout(0.05):
                text = (await anext(lines)).decode()
            if text.startswith("event: "):
                found.append(text.split("\n")[0].removeprefix("event: "))
            elif "data: " in text:
                found.append(json.loads(text.split("data: ")[1]))
    except TimeoutError:
        return found


def names(found: Iterable[Any]) -> list[Any]:
    return [(one["id"], one.get("sync", ""), one["gone"]) if isinstance(one, dict) else one for one in found]


async def test_a_page_hears_what_happened_since_it_was_made() -> None:
    """Between its making and its stream, as it is by now, each unit once; then what happens."""
    live = Live()
    heard = Changes(live, (Unit(APP, view, {}),))
    live.put(app("old"))
    mark = heard.mark
    live.put(app("web", sync="OutOfSync"))
    live.put(app("web"))
    live.put(app("gone"))
    live.put(app("gone"), gone=True)

    assert names(await told(heard.stream(seen=mark))) == [
        ("app/team/gone", "", True),
        ("app/team/web", "Synced", False),
    ]
    assert await told(heard.stream(seen=heard.mark)) == []


@pytest.mark.parametrize("seen", ["another.1", "nonsense", "."])
async def test_a_page_of_another_time_loads_itself_again(seen: str) -> None:
    """After a restart, or with a mark that says nothing."""
    assert await told(Changes(Live(), ()).stream(seen=seen)) == ["again"]


async def test_a_page_that_was_away_too_long_loads_itself_again() -> None:
    """Only so much of the past is kept."""
    live = Live()
    heard = Changes(live, (Unit(APP, view, {}),))
    mark = heard.mark
    for _ in range(2001):
        live.put(app())

    assert await told(heard.stream(seen=mark)) == ["again"]


async def test_a_units_page_hears_of_it_and_of_its_tree() -> None:
    """Not of other units, nor of other objects; what its objects own belongs to it from then on."""
    live = Live()
    heard = Changes(live, (Unit(APP, view, {}),))
    deployment = Ref(Kind("apps", "v1", "Deployment"), "team", "web")
    stream = heard.stream(unit="app/team/web", refs=[deployment], uids=["uid-deploy"])
    opened = asyncio.ensure_future(told(stream))
    await asyncio.sleep(0)
    live.put(app("other"))
    live.put(app("web"))
    live.put(pod("stranger", "uid-else"))
    live.put(pod("replica", "uid-deploy"))
    live.put(pod("leaf", "uid-replica"))

    assert names(await opened) == [("app/team/web", "Synced", False), "tree", "tree"]
    await stream.aclose()  # type: ignore[attr-defined]


async def test_every_page_hears_every_unit() -> None:
    """With marks that grow, so that a browser can say what it has seen."""
    live = Live()
    heard = Changes(live, (Unit(APP, view, {}),))
    pages = [heard.stream(), heard.stream()]
    opened = [asyncio.ensure_future(told(page)) for page in pages]
    await asyncio.sleep(0)
    live.put(app("web", health="Degraded"))

    for page in opened:
        assert [(one["id"], one["health"]) for one in await page] == [("app/team/web", "Degraded")]
