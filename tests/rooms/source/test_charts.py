"""Charts out of Helm repositories and registries: which version, how it is fetched, what is refused."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.charthost import CONFIG, HelmHost, RegistryHost, chart, packed, serving
from tests.rooms.source.test_fetcher import Clock
from trueup.ports import Artifact, ChartSpec, SourceProblem
from trueup.source import archive, download
from trueup.source.charts import POLL_SECONDS, ChartFetcher
from trueup.source.urls import same

PLAIN = {"plainHTTP": b"true"}


@pytest.fixture
async def repository() -> AsyncIterator[HelmHost]:
    """A Helm repository with a few versions of one chart."""
    host = HelmHost()
    async with serving(host):
        for version in ("1.0.0", "1.2.0", "1.10.0", "2.0.0-rc.1", "not-a-version"):
            host.add("web", version)
        yield host


@pytest.fixture
async def registry() -> AsyncIterator[RegistryHost]:
    """A registry with a few versions of one chart, two tags a page."""
    host = RegistryHost(page=2)
    async with serving(host):
        for tag in ("1.0.0", "1.2.0", "1.10.0_build.5", "2.0.0-rc.1", "latest"):
            host.add("charts/web", tag)
        yield host


@pytest.fixture
def clock() -> Clock:
    """One clock for a fetcher and its test."""
    return Clock()


@pytest.fixture
async def fetcher(tmp_path: Path, clock: Clock) -> AsyncIterator[ChartFetcher]:
    """A fetcher over an empty folder."""
    made = ChartFetcher(tmp_path / "charts", clock=clock)
    yield made
    await made.close()


def version_of(artifact: Artifact) -> str:
    """The version that the chart itself tells."""
    lines = artifact.tree.read("Chart.yaml").decode().splitlines()
    return next(line.partition(": ")[2] for line in lines if line.startswith("version:"))


async def reason(work: Any) -> tuple[str, str]:
    """Why something is refused."""
    with pytest.raises(SourceProblem) as caught:
        await work
    return caught.value.reason, str(caught.value)


# --- Helm repositories ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("", "1.10.0"),
        ("*", "1.10.0"),
        ("^1", "1.10.0"),
        ("~1.2", "1.2.0"),
        (">0.0.0-0", "2.0.0-rc.1"),
        ("<1.2", "1.0.0"),
    ],
)
async def test_a_range_is_its_highest_version(
    repository: HelmHost, fetcher: ChartFetcher, wanted: str, expected: str
) -> None:
    """As Argo CD's and Helm's own library has it: stable versions, unless a pre-release is named."""
    spec = ChartSpec(repository.url, "web", wanted)
    assert await fetcher.resolve(spec) == expected
    artifact = await fetcher.fetch(spec)
    assert (artifact.revision, version_of(artifact)) == (expected, expected)


async def test_an_exact_version_needs_no_question(repository: HelmHost, fetcher: ChartFetcher) -> None:
    """It is what it is; a version that is written in part stands for the highest that begins so."""
    assert await fetcher.resolve(ChartSpec(repository.url, "web", "1.2.0")) == "1.2.0"
    assert repository.asked == []
    partial = await fetcher.fetch(ChartSpec(repository.url, "web", "1.2"))
    assert (partial.revision, partial.name, version_of(partial)) == ("1.2", "1.2.0", "1.2.0")


async def test_what_is_not_there_is_named(repository: HelmHost, fetcher: ChartFetcher) -> None:
    """Charts, versions, ranges and repositories."""
    assert (await reason(fetcher.fetch(ChartSpec(repository.url, "api", "1.0.0"))))[0] == "ChartNotFound"
    assert (await reason(fetcher.fetch(ChartSpec(repository.url, "web", "9.9.9"))))[0] == "VersionNotFound"
    assert (await reason(fetcher.resolve(ChartSpec(repository.url, "web", "stable!"))))[0] == "InvalidVersion"
    repository.answers["/index.yaml"] = web.Response(status=404)
    elsewhere = await reason(ChartFetcher(Path("unused"), clock=Clock()).resolve(ChartSpec(repository.url, "web", "*")))
    assert elsewhere == ("RepositoryNotFound", f"{repository.url}/index.yaml: 404 Not Found")


async def test_a_version_is_fetched_once(repository: HelmHost, fetcher: ChartFetcher, tmp_path: Path) -> None:
    """Twenty at one time and another process later share one index and one archive."""
    spec = ChartSpec(repository.url, "web", "1.2.0")
    found = await asyncio.gather(*(fetcher.fetch(spec) for _ in range(20)))
    assert {version_of(artifact) for artifact in found} == {"1.2.0"}
    assert repository.asked == ["GET /index.yaml", "GET /web-1.2.0.tgz"]
    later = ChartFetcher(tmp_path / "charts", clock=Clock())
    assert version_of(await later.fetch(spec)) == "1.2.0"
    assert len(repository.asked) == 2


async def test_an_index_is_asked_for_again_after_a_while(
    repository: HelmHost, fetcher: ChartFetcher, clock: Clock
) -> None:
    """Not before, unless there is news; what has not changed is not sent again."""
    spec = ChartSpec(repository.url, "web", "^1")
    assert [await fetcher.resolve(spec) for _ in range(3)] == ["1.10.0"] * 3
    assert len(repository.asked) == 1
    clock.time += POLL_SECONDS
    assert await fetcher.resolve(spec) == "1.10.0"
    assert repository.headers[-1]["If-None-Match"]
    repository.add("web", "1.11.0")
    fetcher.forget([same(repository.url)])
    assert await fetcher.resolve(spec) == "1.11.0"
    assert repository.asked == ["GET /index.yaml"] * 3


async def test_a_version_that_was_replaced_is_seen_when_there_is_news(
    repository: HelmHost, fetcher: ChartFetcher
) -> None:
    """Its digest in the index is another. Should the repository be away, what it gave before is good enough."""
    spec = ChartSpec(repository.url, "web", "1.2.0")
    before = (await fetcher.fetch(spec)).tree.digest("")
    data = chart("web", "1.2.0", {"values.yaml": "replaced: true\n"})
    repository.charts["web-1.2.0.tgz"] = data
    repository.index["entries"]["web"][1]["digest"] = hashlib.sha256(data).hexdigest()
    assert (await fetcher.fetch(spec)).tree.digest("") == before
    repository.answers["/index.yaml"] = web.Response(status=503)
    fetcher.forget([same(repository.url)])
    assert (await fetcher.fetch(spec)).tree.digest("") == before
    del repository.answers["/index.yaml"]
    assert (await fetcher.fetch(spec)).tree.read("values.yaml") == b"replaced: true\n"


async def test_an_archive_that_is_not_what_the_index_promised_is_refused(
    repository: HelmHost, fetcher: ChartFetcher
) -> None:
    """A digest is checked, and nothing of it is kept."""
    repository.charts["web-1.0.0.tgz"] = chart("web", "6.6.6")
    why = await reason(fetcher.fetch(ChartSpec(repository.url, "web", "1.0.0")))
    assert why[0] == "DigestMismatch"
    repository.charts["web-1.0.0.tgz"] = chart("web", "1.0.0")
    assert version_of(await fetcher.fetch(ChartSpec(repository.url, "web", "1.0.0"))) == "1.0.0"


async def test_a_damaged_archive_is_fetched_again(repository: HelmHost, fetcher: ChartFetcher, tmp_path: Path) -> None:
    """What is on disk is checked whenever it is read."""
    spec = ChartSpec(repository.url, "web", "1.0.0")
    await fetcher.fetch(spec)
    stored = tmp_path / "charts" / "archives" / hashlib.sha256(repository.charts["web-1.0.0.tgz"]).hexdigest()
    stored.write_bytes(b"half of it")
    later = ChartFetcher(tmp_path / "charts", clock=Clock())
    assert version_of(await later.fetch(spec)) == "1.0.0"


# --- who may see what ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "secret",
    [{"username": b"me", "password": b"secret"}, {}],
    ids=["in a Secret", "in the address"],
)
async def test_credentials_open_a_repository(
    repository: HelmHost, fetcher: ChartFetcher, secret: dict[str, bytes]
) -> None:
    """Without them nothing is seen, not even what others have fetched before; errors do not tell them."""
    repository.login = "me:secret"
    url = repository.url if secret else repository.url.replace("://", "://me:secret@")
    assert version_of(await fetcher.fetch(ChartSpec(url, "web", "1.2.0", secret))) == "1.2.0"
    why = await reason(fetcher.fetch(ChartSpec(repository.url, "web", "1.2.0")))
    assert why[0] == "AuthenticationFailed"
    wrong = await reason(
        fetcher.fetch(ChartSpec(url.replace("secret", "wrong"), "web", "1.2.0", {"password": b"wrong"}))
    )
    assert wrong[0] == "AuthenticationFailed"
    assert "wrong" not in wrong[1].replace("wrong credentials", "")


async def test_a_token_opens_a_repository(repository: HelmHost, fetcher: ChartFetcher) -> None:
    """``bearerToken`` is shown as it is."""
    await fetcher.fetch(ChartSpec(repository.url, "web", "1.2.0", {"bearerToken": b"t0ken\n"}))
    assert {headers["Authorization"] for headers in repository.headers} == {"Bearer t0ken"}


@pytest.mark.parametrize("passed", [False, True])
async def test_credentials_are_for_one_host(repository: HelmHost, fetcher: ChartFetcher, passed: bool) -> None:
    """An archive elsewhere is fetched without them, unless they are to be passed on."""
    elsewhere = HelmHost()
    async with serving(elsewhere):
        data = elsewhere.add("web", "3.0.0")
        repository.add("web", "3.0.0", data, urls=[f"{elsewhere.url}/web-3.0.0.tgz"])
        secret = {"username": b"me", "password": b"secret"}
        await fetcher.fetch(ChartSpec(repository.url, "web", "3.0.0", secret, pass_credentials=passed))
    assert ["Authorization" in headers for headers in elsewhere.headers] == [passed]


async def test_redirects_lose_credentials_and_never_lead_from_tls_to_none(
    repository: HelmHost, fetcher: ChartFetcher
) -> None:
    """A redirect to another host shows it nothing; one that goes round in circles ends."""
    elsewhere = HelmHost()
    async with serving(elsewhere):
        elsewhere.add("web", "1.0.0", repository.charts["web-1.0.0.tgz"])

        async def away(request: web.Request) -> web.Response:
            return web.Response(status=302, headers={"Location": f"{elsewhere.url}/web-1.0.0.tgz"})

        repository.answers["/web-1.0.0.tgz"] = away
        secret = {"username": b"me", "password": b"secret"}
        await fetcher.fetch(ChartSpec(repository.url, "web", "1.0.0", secret, pass_credentials=True))
        assert "Authorization" not in elsewhere.headers[0]

    async def round_and_round(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "/web-1.2.0.tgz"})

    repository.answers["/web-1.2.0.tgz"] = round_and_round
    assert (await reason(fetcher.fetch(ChartSpec(repository.url, "web", "1.2.0"))))[0] == "RedirectRefused"


# --- servers that lie, stall or send too much ----------------------------------------------------------------------


async def test_a_server_that_stalls_is_left(
    repository: HelmHost, fetcher: ChartFetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A whole answer has its time; the error names the address."""
    monkeypatch.setattr(download.get, "__kwdefaults__", {**(download.get.__kwdefaults__ or {}), "seconds": 0.05})
    hold = asyncio.Event()

    async def drips(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"apiVersion: v1\n")
        await hold.wait()
        return response

    repository.answers["/index.yaml"] = drips
    why = await reason(fetcher.resolve(ChartSpec(repository.url, "web", "*")))
    hold.set()
    assert why == ("Timeout", f"{repository.url}/index.yaml did not answer in full within 0.05 seconds")


@pytest.mark.parametrize("told", [True, False], ids=["says so", "says nothing"])
async def test_too_much_is_not_read(
    repository: HelmHost, fetcher: ChartFetcher, monkeypatch: pytest.MonkeyPatch, told: bool
) -> None:
    """Whether the server tells the length before or not."""
    monkeypatch.setattr("trueup.source.helmrepo._MOST_OF_INDEX", 1_000)

    async def large(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "5000"} if told else {})
        await response.prepare(request)
        await response.write(b"#" * 5_000)
        return response

    repository.answers["/index.yaml"] = large
    assert (await reason(fetcher.resolve(ChartSpec(repository.url, "web", "*"))))[0] == "TooLarge"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "it is empty"),
        (b"<html>Sign in</html>", "no API version"),
        (b"entries: {web: [", "no index"),
        (b'{"entries": {}}', "no API version"),
    ],
)
async def test_an_index_that_is_none_is_refused(
    repository: HelmHost, fetcher: ChartFetcher, body: bytes, words: str
) -> None:
    """Sign-in pages and halves of files."""
    repository.answers["/index.yaml"] = web.Response(body=body)
    why = await reason(fetcher.resolve(ChartSpec(repository.url, "web", "*")))
    assert why[0] == "InvalidIndex"
    assert words in why[1]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"no archive", "no tar archive"),
        (packed({"web/Chart.yaml": "name: web\n"})[:-20], "ends in the middle"),
        (packed({"web/../../etc/passwd": "root"}), "illegally references"),
        (packed({"/etc/passwd": "root"}), "illegally references"),
        (packed({"Chart.yaml": "name: web\n"}), "base directory is missing"),
        (packed({"web/large": b"\0" * (archive.MOST_OF_FILE + 1)}), "maximum file size"),
        (packed({f"web/{n}": b"\0" * archive.MOST_OF_FILE for n in range(21)}, level=9), "maximum size"),
    ],
    ids=["text", "cut", "outside", "absolute", "no folder", "one large file", "bomb"],
)
async def test_an_archive_that_cannot_be_unpacked_is_refused(
    repository: HelmHost, fetcher: ChartFetcher, data: bytes, words: str
) -> None:
    """Within Helm's own limits, and never outside the chart."""
    repository.add("bad", "1.0.0", data)
    why = await reason(fetcher.fetch(ChartSpec(repository.url, "bad", "1.0.0")))
    assert why[0] == "InvalidChartPackage"
    assert words in why[1]


async def test_a_server_that_is_away_is_named(fetcher: ChartFetcher, unused_tcp_port: int) -> None:
    """The address, without the password in it."""
    why = await reason(fetcher.resolve(ChartSpec(f"http://me:secret@127.0.0.1:{unused_tcp_port}", "web", "*")))
    assert why[0] == "NetworkFailed"
    assert "secret" not in why[1]
    assert f"127.0.0.1:{unused_tcp_port}" in why[1]


@pytest.mark.parametrize("url", ["ftp://example.com", "file:///etc", "https://", "oci://host/UPPER", "-x"])
async def test_addresses_that_are_none_are_refused(fetcher: ChartFetcher, url: str) -> None:
    """Before anybody is asked."""
    assert (await reason(fetcher.fetch(ChartSpec(url, "web", "1.0.0"))))[0] in ("InvalidURL", "ProtocolNotAllowed")


# --- registries ----------------------------------------------------------------------------------------------------


async def test_charts_come_out_of_registries(registry: RegistryHost, fetcher: ChartFetcher) -> None:
    """Versions are tags on as many pages as there are, an underscore for a plus sign; exact ones need no list."""
    spec = ChartSpec(f"{registry.url}/charts", "web", "^1", PLAIN)
    assert await fetcher.resolve(spec) == "1.10.0+build.5"
    assert registry.asked == ["GET /v2/charts/web/tags/list"] * 3
    artifact = await fetcher.fetch(spec)
    assert (artifact.revision, version_of(artifact)) == ("1.10.0+build.5", "1.10.0_build.5")
    del registry.asked[:]
    assert version_of(await fetcher.fetch(replace(spec, version="1.2.0"))) == "1.2.0"
    assert [line.partition("/v2/charts/web/")[2].partition(":")[0] for line in registry.asked] == [
        "manifests/1.2.0",
        "blobs/sha256",
    ]


async def test_an_artifact_is_known_by_its_digest(registry: RegistryHost, fetcher: ChartFetcher, clock: Clock) -> None:
    """A registry's URL without a chart is the artifact's own: a tag, a range or a digest."""
    spec = ChartSpec(f"{registry.url}/charts/web", "", "latest", PLAIN)
    latest = registry.tags["charts/web"]["latest"]
    assert await fetcher.resolve(spec) == latest
    assert await fetcher.resolve(replace(spec, version="~1.2")) == registry.tags["charts/web"]["1.2.0"]
    assert (await fetcher.fetch(spec)).revision == latest
    registry.add("charts/web", "latest", chart("web", "3.0.0"))
    assert await fetcher.resolve(spec) == latest
    clock.time += POLL_SECONDS
    assert version_of(await fetcher.fetch(spec)) == "3.0.0"
    assert version_of(await fetcher.fetch(spec, latest)) == "latest"


async def test_artifacts_may_hold_plain_manifests(registry: RegistryHost, fetcher: ChartFetcher) -> None:
    """One layer with files, whatever its folders; several are not guessed among."""
    data = packed({"apps/web.yaml": "kind: ConfigMap\n", "README.md": "hello"})
    layer = {
        "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
        "digest": registry.put(data),
        "size": len(data),
    }
    config = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": registry.put(b"{}"), "size": 2}
    registry.add("manifests", "v1", data, config=config, layers=[layer])
    found = await fetcher.fetch(ChartSpec(f"{registry.url}/manifests", "", "v1", PLAIN))
    assert (found.tree.list(""), found.tree.read("apps/web.yaml")) == (["README.md", "apps"], b"kind: ConfigMap\n")
    registry.add("manifests", "v2", data, config=config, layers=[layer, layer])
    why = await reason(fetcher.fetch(ChartSpec(f"{registry.url}/manifests", "", "v2", PLAIN)))
    assert why == ("InvalidArtifact", f"{registry.url}/manifests: expected only a single oci content layer, got 2")


async def test_a_registry_gives_tokens_to_whom_it_knows(registry: RegistryHost, fetcher: ChartFetcher) -> None:
    """The password is shown where the token is given, and nowhere else."""
    registry.login = "me:secret"
    spec = ChartSpec(f"{registry.url}/charts", "web", "1.2.0", {**PLAIN, "username": b"me", "password": b"secret"})
    assert version_of(await fetcher.fetch(spec)) == "1.2.0"
    shown = {
        path: headers.get("Authorization", "") for path, headers in zip(registry.asked, registry.headers, strict=True)
    }
    assert [path for path, value in shown.items() if value.startswith("Basic")] == ["GET /token"]
    assert (await reason(fetcher.fetch(ChartSpec(spec.url, "web", "1.2.0", PLAIN))))[0] == "AuthenticationFailed"


async def test_a_token_is_not_asked_for_without_tls(registry: RegistryHost, fetcher: ChartFetcher) -> None:
    """Passwords do not travel in the clear because a registry wants them to."""
    asks = {"WWW-Authenticate": 'Bearer realm="ftp://example.com/token"'}
    registry.answers["/v2/charts/web/manifests/1.2.0"] = web.Response(status=401, headers=asks)
    why = await reason(fetcher.fetch(ChartSpec(f"{registry.url}/charts", "web", "1.2.0", PLAIN)))
    assert why[0] == "AuthenticationFailed"


async def test_a_registry_that_lies_is_caught(registry: RegistryHost, fetcher: ChartFetcher) -> None:
    """Layers and manifests are what their digests say."""
    spec = ChartSpec(f"{registry.url}/charts", "web", "1.2.0", PLAIN)
    digest = registry.tags["charts/web"]["1.2.0"]
    true = registry.blobs[digest]
    registry.blobs[digest] = true + b" "
    assert (await reason(fetcher.fetch(spec)))[0] == "DigestMismatch"
    registry.blobs[digest] = true
    layer = "sha256:" + hashlib.sha256(chart("web", "1.2.0")).hexdigest()
    registry.blobs[layer] = chart("web", "6.6.6")
    assert (await reason(fetcher.fetch(spec)))[0] == "DigestMismatch"


async def test_what_a_registry_has_not_is_told_in_its_words(registry: RegistryHost, fetcher: ChartFetcher) -> None:
    """Status and message."""
    why = await reason(fetcher.fetch(ChartSpec(f"{registry.url}/charts", "web", "7.0.0", PLAIN)))
    assert why == ("ChartNotFound", f"{registry.url}/charts/web: 7.0.0: 404 MANIFEST_UNKNOWN: unknown")


async def test_a_chart_without_its_layer_is_refused(registry: RegistryHost, fetcher: ChartFetcher) -> None:
    """Its configuration says that it is a chart, so one layer has to be one."""
    registry.add(
        "charts/empty", "1.0.0", config={"mediaType": CONFIG, "digest": registry.put(b"{}"), "size": 2}, layers=[]
    )
    why = await reason(fetcher.fetch(ChartSpec(f"{registry.url}/charts", "empty", "1.0.0", PLAIN)))
    assert why[0] == "InvalidArtifact"


# --- folders that stand for them -----------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["repository", "archives", "folders"])
async def test_a_folder_answers_for_a_repository(tmp_path: Path, form: str) -> None:
    """A repository's own files, packed charts, or charts as folders: ``--map``."""
    folder = tmp_path / "here"
    folder.mkdir()
    if form == "folders":
        (folder / "web").mkdir()
        (folder / "web" / "Chart.yaml").write_text("apiVersion: v2\nname: web\nversion: 1.2.0\n")
    else:
        for version in ("1.0.0", "1.2.0"):
            (folder / f"web-{version}.tgz").write_bytes(chart("web", version))
    if form == "repository":
        rows = "".join(
            f"  - {{version: {v}, urls: ['https://x.example.com/a/web-{v}.tgz']}}\n" for v in ("1.0.0", "1.2.0")
        )
        (folder / "index.yaml").write_text(f"apiVersion: v1\nentries:\n  web:\n{rows}")
    mapping = {"https://charts.example.com/stable": folder, "oci://registry.example.com/charts": folder}
    fetcher = ChartFetcher(tmp_path / "charts", clock=Clock(), mapping=mapping)
    for url in mapping:
        spec = ChartSpec(url, "web", "^1")
        assert await fetcher.resolve(spec) == "1.2.0"
        assert version_of(await fetcher.fetch(spec)) == "1.2.0"
        assert (await reason(fetcher.fetch(ChartSpec(url, "api", "^1"))))[0] == "ChartNotFound"
