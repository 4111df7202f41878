"""Client certificates over real TLS: whom they name, which are believed, what those are answered that are not."""

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import h2.connection
import httpx
import pytest

from tests.rooms.apiserver.authority import SERVER, Pair, sign
from tests.rooms.apiserver.web import MAPS, Clock, config_map, until
from trueup.apiserver.asgi import Application
from trueup.apiserver.client_certificates import Authorities
from trueup.apiserver.hub import Hub
from trueup.apiserver.server import Server, serve

REVIEWS = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
ASK = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}


@pytest.fixture
def now(clock: Clock) -> datetime.datetime:
    """The time of the cluster."""
    return datetime.datetime.fromtimestamp(clock.now(), datetime.UTC)


@pytest.fixture
def authority(now: datetime.datetime) -> Pair:
    """Whom the server believes."""
    return sign(None, "clients", now=now, ca=True)


@pytest.fixture
async def server(application: Application, keys: Path, authority: Pair) -> AsyncIterator[Server]:
    """The hub on a free port."""
    made = await serve(application, "127.0.0.1", 0, keys / "server.crt", keys / "server.key", authority.pem)
    yield made
    await made.stop()


async def ask(
    server: Server, trust: ssl.SSLContext, token: str = "", method: str = "POST", path: str = REVIEWS
) -> tuple[int, dict[str, object]]:
    """One request on a connection of its own."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    async with (
        aiohttp.ClientSession(server.url, connector=aiohttp.TCPConnector(ssl=trust), headers=headers) as session,
        session.request(method, path, json=ASK if method == "POST" else None) as answer,
    ):
        return answer.status, await answer.json()


async def test_the_common_name_is_the_user_and_organizations_are_the_groups(
    server: Server, authority: Pair, keys: Path, tmp_path: Path, now: datetime.datetime
) -> None:
    """With the credential's id, as Kubernetes tells it."""
    pair = sign(authority, "jane", "developers", "system:masters", now=now)

    status, review = await ask(server, pair.context(tmp_path, keys / "ca.crt"))

    user = review["status"]["userInfo"]  # type: ignore[index]
    credential = user.pop("extra")["authentication.kubernetes.io/credential-id"]
    assert status == 201
    assert user == {"username": "jane", "groups": ["developers", "system:masters", "system:authenticated"]}
    assert [value.startswith("X509SHA256=") and len(value) for value in credential] == [75]


async def test_http_2_shows_the_certificate_too(
    server: Server, authority: Pair, keys: Path, tmp_path: Path, now: datetime.datetime
) -> None:
    """As Go's clients do."""
    trust = sign(authority, "jane", "system:masters", now=now).context(tmp_path, keys / "ca.crt")
    async with httpx.AsyncClient(http1=False, http2=True, verify=trust, base_url=server.url) as http:
        answer = await http.get(MAPS)

    assert (answer.http_version, answer.status_code) == ("HTTP/2", 200)


async def test_a_certificate_comes_before_a_token(
    server: Server, authority: Pair, keys: Path, tmp_path: Path, now: datetime.datetime
) -> None:
    """Whoever shows both is whom the certificate names."""
    pair = sign(authority, "jane", "developers", now=now)

    status, review = await ask(server, pair.context(tmp_path, keys / "ca.crt"), token="secret")

    assert (status, review["status"]["userInfo"]["username"]) == (201, "jane")  # type: ignore[index]


async def test_without_a_certificate_a_token_says_who_it_is(server: Server, keys: Path) -> None:
    """Certificates are asked for, and nobody needs one."""
    trust = ssl.create_default_context(cafile=str(keys / "ca.crt"))

    known = await ask(server, trust, token="secret")
    nobody = await ask(server, trust)

    assert (known[0], nobody[0], nobody[1]["message"]) == (201, 401, "Unauthorized")


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("foreign", "x509: certificate signed by unknown authority"),
        ("of itself", "x509: certificate signed by unknown authority"),
        ("expired", "x509: certificate has expired or is not yet valid: current time 2027-01-15T08:00:00Z is after"),
        ("early", "x509: certificate has expired or is not yet valid: current time 2027-01-15T08:00:00Z is before"),
        ("for servers", "x509: certificate specifies an incompatible key usage"),
        ("nameless", "the certificate has no common name"),
    ],
)
async def test_what_proves_nothing_is_answered_401(
    server: Server, authority: Pair, keys: Path, tmp_path: Path, now: datetime.datetime,
    caplog: pytest.LogCaptureFixture, case: str, words: str,
) -> None:  # fmt: skip
    """On a connection that works, with the reason in the log; a token on it is good."""
    masters = ("system:masters",)
    pair = {
        "foreign": lambda: sign(sign(None, "clients", now=now, ca=True), "jane", *masters, now=now),
        "of itself": lambda: sign(None, "jane", *masters, now=now),
        "expired": lambda: sign(authority, "jane", *masters, now=now, days=(-2, -1)),
        "early": lambda: sign(authority, "jane", *masters, now=now, days=(1, 2)),
        "for servers": lambda: sign(authority, "jane", *masters, now=now, usage=SERVER),
        "nameless": lambda: sign(authority, "", *masters, now=now),
    }[case]()
    trust = pair.context(tmp_path, keys / "ca.crt")

    with caplog.at_level("INFO", logger="trueup.apiserver"):
        refused = await ask(server, trust)
    with_token = await ask(server, trust, token="secret", method="GET", path=MAPS)

    assert (refused[0], refused[1]["reason"], refused[1]["message"]) == (401, "Unauthorized", "Unauthorized")
    assert words in caplog.text
    assert with_token[0] == 200


async def test_authorities_between_are_followed(
    server: Server, authority: Pair, keys: Path, tmp_path: Path, now: datetime.datetime
) -> None:
    """An authority that the believed one signed may sign; somebody's own certificate may not."""
    between = sign(authority, "team", now=now, ca=True)
    jane = sign(between, "jane", now=now)
    mallory = sign(jane, "mallory", "system:masters", now=now)

    good = await ask(server, jane.context(tmp_path, keys / "ca.crt", between))
    bad = await ask(server, mallory.context(tmp_path, keys / "ca.crt", jane, between))

    assert (good[0], bad[0]) == (201, 401)


async def test_a_certificate_ends_while_its_connection_goes_on(
    server: Server, authority: Pair, keys: Path, tmp_path: Path, now: datetime.datetime, clock: Clock
) -> None:
    """The next request is answered 401."""
    trust = sign(authority, "jane", "system:masters", now=now).context(tmp_path, keys / "ca.crt")
    async with aiohttp.ClientSession(server.url, connector=aiohttp.TCPConnector(ssl=trust, limit=1)) as session:
        async with session.get(MAPS) as before:
            await before.read()
        clock.seconds += 2 * 24 * 3600
        async with session.get(MAPS) as after:
            await after.read()

    assert (before.status, after.status) == (200, 401)


async def test_the_engine_inside_answers_nobody_else(server: Server, hub: Hub) -> None:
    """Its port is on loopback, in the clear, for connections that the front made."""
    async with httpx.AsyncClient(http1=False, http2=True, headers={"authorization": "Bearer secret"}) as http:
        answer = await http.get(f"http://127.0.0.1:{server._front.port}{MAPS}")

    assert answer.status_code == 421


def _watch(protocol: str) -> bytes:
    if protocol == "http/1.1":
        return f"GET {MAPS}?watch=1 HTTP/1.1\r\nhost: a\r\nauthorization: Bearer secret\r\n\r\n".encode()
    http = h2.connection.H2Connection()
    http.initiate_connection()
    asked = {":method": "GET", ":scheme": "https", ":authority": "a", ":path": f"{MAPS}?watch=1"}
    http.send_headers(1, [*asked.items(), ("authorization", "Bearer secret")], end_stream=True)
    return http.data_to_send()


@pytest.mark.parametrize("protocol", ["http/1.1", "h2"])
async def test_connections_inside_end_with_those_outside(server: Server, keys: Path, hub: Hub, protocol: str) -> None:
    """Nothing is kept of clients that left, whether they said so or not."""
    trust = ssl.create_default_context(cafile=str(keys / "ca.crt"))
    trust.set_alpn_protocols([protocol])
    for abort in (False, True):
        _, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=trust)
        writer.write(_watch(protocol))
        await until(lambda: bool(hub.store.bucket("configmaps").listeners))
        (writer.transport.abort if abort else writer.close)()
        await until(lambda: not hub.store.bucket("configmaps").listeners)
        await until(lambda: not server._front.open and not server._front.peers)


def test_a_bundle_has_to_hold_certificates() -> None:
    """A file that holds none is refused at the start."""
    with pytest.raises(ValueError, match="PEM"):
        Authorities(b"nothing")


async def test_objects_carry_the_name_of_who_wrote_them(
    server: Server, authority: Pair, keys: Path, tmp_path: Path, now: datetime.datetime
) -> None:
    """RBAC speaks of the certificate's user."""
    pair = sign(authority, "jane", "developers", now=now)
    trust = pair.context(tmp_path, keys / "ca.crt")
    async with (
        aiohttp.ClientSession(server.url, connector=aiohttp.TCPConnector(ssl=trust)) as session,
        session.post(MAPS, json=config_map("a")) as answer,
    ):
        status = await answer.json()

    assert (answer.status, 'User "jane" cannot create resource "configmaps"' in status["message"]) == (403, True)
