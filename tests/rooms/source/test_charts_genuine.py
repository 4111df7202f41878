"""Charts out of what others wrote: a genuine registry, TLS of an authority of one's own, signatures by PGP."""

import asyncio
import hashlib
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.charthost import CONFIG, LAYER, MANIFEST, HelmHost, RegistryHost, chart, serving
from tests.corpora import corpus
from tests.hookserver import Authority
from tests.rooms.source.test_charts import PLAIN, reason, version_of
from tests.rooms.source.test_fetcher import Clock
from trueup.ports import ChartSpec
from trueup.source.charts import ChartFetcher
from trueup.source.provenance import verify

needs_gpg = pytest.mark.skipif(shutil.which("gpg") is None, reason="gpg is not on PATH")
SIGNED = "signtest-0.1.0.tgz"
PROVENANCE = "application/vnd.cncf.helm.chart.provenance.v1.prov"


@pytest.fixture
async def genuine(tmp_path: Path, unused_tcp_port: int) -> AsyncIterator[str]:
    """A registry of the distribution project; where it answers."""
    program = shutil.which("registry") or shutil.which("docker-registry")
    if program is None:
        pytest.skip("no registry is on PATH (go install github.com/distribution/distribution/v3/cmd/registry@latest)")
    address = f"127.0.0.1:{unused_tcp_port}"
    config = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(tmp_path / "registry")}},
        "http": {"addr": address},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        program,
        "serve",
        str(tmp_path / "config.json"),
        stdout=quiet,
        stderr=quiet,
        env={"OTEL_TRACES_EXPORTER": "none"},
    )
    try:
        async with asyncio.timeout(30):
            while not await answers(f"http://{address}/v2/"):
                assert process.returncode is None, "the registry ended"
        yield address
    finally:
        process.kill()
        await process.wait()


async def answers(url: str) -> bool:
    """Whether somebody is there."""
    try:
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False


async def push(address: str, repository: str, tag: str, data: bytes) -> str:
    """A chart into a registry, as the specification has it; the digest of its manifest."""
    base = f"http://{address}/v2/{repository}"
    async with aiohttp.ClientSession() as session:
        for content in (b"{}", data):
            async with session.post(f"{base}/blobs/uploads/") as begun:
                where = begun.headers["Location"]
            digest = "sha256:" + hashlib.sha256(content).hexdigest()
            mark = "&" if "?" in where else "?"
            async with session.put(f"{where}{mark}digest={digest}", data=content) as put:
                assert put.status == 201, await put.text()
        layers = [{"mediaType": LAYER, "digest": digest, "size": len(data)}]
        config = {"mediaType": CONFIG, "digest": "sha256:" + hashlib.sha256(b"{}").hexdigest(), "size": 2}
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers}
        body = json.dumps(manifest).encode()
        async with session.put(f"{base}/manifests/{tag}", data=body, headers={"Content-Type": MANIFEST}) as put:
            assert put.status == 201, await put.text()
            return put.headers["Docker-Content-Digest"]


async def test_a_genuine_registry_is_read(genuine: str, tmp_path: Path) -> None:
    """Ranges among its tags, exact versions, digests; what it has not is told in its words."""
    for tag in ("1.0.0", "1.3.0_build.7", "2.0.0"):
        digest = await push(genuine, "team/charts/web", tag, chart("web", tag.replace("_", "+")))
    fetcher = ChartFetcher(tmp_path / "charts", clock=Clock())
    spec = ChartSpec(f"oci://{genuine}/team/charts", "web", "^1", PLAIN)
    artifact = await fetcher.fetch(spec)
    assert (artifact.revision, version_of(artifact)) == ("1.3.0+build.7", "1.3.0+build.7")
    whole = ChartSpec(f"oci://{genuine}/team/charts/web", "", "2.0.0", PLAIN)
    assert await fetcher.resolve(whole) == digest
    assert version_of(await fetcher.fetch(whole)) == "2.0.0"
    missing = await reason(fetcher.fetch(ChartSpec(f"oci://{genuine}/team/charts", "web", "9.0.0", PLAIN)))
    assert missing[0] == "ChartNotFound"
    assert "MANIFEST_UNKNOWN" in missing[1]


@pytest.mark.parametrize("kind", [HelmHost, RegistryHost])
async def test_servers_are_known_by_their_authority(kind: type[HelmHost | RegistryHost], tmp_path: Path) -> None:
    """One that nobody vouches for is refused, unless no questions are to be asked."""
    authority, host = Authority(tmp_path), kind()
    async with serving(host, authority.context("127.0.0.1")):
        host.add("web", "1.0.0")
        fetcher = ChartFetcher(tmp_path / "charts", clock=Clock())

        def spec(**secret: bytes) -> ChartSpec:
            return ChartSpec(
                host.url, "web", "1.0.0", {name.replace("_", "."): value for name, value in secret.items()}
            )

        assert (await reason(fetcher.fetch(spec())))[0] == "CertificateNotTrusted"
        assert version_of(await fetcher.fetch(spec(ca_crt=authority.pem))) == "1.0.0"
        assert version_of(await fetcher.fetch(spec(insecure=b"true"))) == "1.0.0"
        assert (await reason(fetcher.fetch(spec(ca_crt=b"no certificate"))))[0] == "InvalidCertificate"


@needs_gpg
async def test_a_signed_chart_is_verified(tmp_path: Path) -> None:
    """By its provenance file beside it, or its layer in a registry; a chart that nobody signed is not taken."""
    folder = corpus("helm/pkg/cmd/testdata")
    keys = (folder / "helm-test-key.pub").read_bytes()
    data, proof = ((folder / "testcharts" / name).read_bytes() for name in (SIGNED, f"{SIGNED}.prov"))
    helm, registry = HelmHost(), RegistryHost()
    async with serving(helm), serving(registry):
        helm.add("signtest", "0.1.0", data)
        helm.charts[f"{SIGNED}.prov"] = proof
        helm.add("web", "1.0.0")
        layers = [
            {"mediaType": kind, "digest": registry.put(content), "size": len(content)}
            for kind, content in ((LAYER, data), (PROVENANCE, proof))
        ]
        registry.add("signtest", "0.1.0", data, layers=layers)
        registry.add("web", "1.0.0")
        fetcher = ChartFetcher(tmp_path / "charts", clock=Clock())
        for host in (helm, registry):
            spec = ChartSpec(host.url, "signtest", "0.1.0", PLAIN, keyring=keys)
            assert version_of(await fetcher.fetch(spec)) == "0.1.0"
            unsigned = await reason(fetcher.fetch(ChartSpec(host.url, "web", "1.0.0", PLAIN, keyring=keys)))
            assert unsigned[0] in ("NotSigned", "ChartNotFound")


@needs_gpg
async def test_what_is_not_what_was_signed_is_refused(tmp_path: Path) -> None:
    """Another archive, another name, a changed message, one that nobody signed, other keys."""
    folder = corpus("helm/pkg/cmd/testdata")
    keys = (folder / "helm-test-key.pub").read_bytes()
    data, proof = ((folder / "testcharts" / name).read_bytes() for name in (SIGNED, f"{SIGNED}.prov"))
    await verify(data, SIGNED, proof, keys)
    other = b"another archive"
    promise = f"name: signtest\n\n...\nfiles:\n  {SIGNED}: sha256:{hashlib.sha256(other).hexdigest()}\n"
    for archive, name, shown, words in (
        (other, SIGNED, proof, "sha256 sum does not match"),
        (data, "other-0.1.0.tgz", proof, "does not contain a SHA for a file named"),
        (data, SIGNED, proof.replace(b"0.1.0", b"0.1.1", 1), "BAD signature"),
        (other, SIGNED, stored(tmp_path, promise), "it is not signed by a key that is good today"),
        (other, SIGNED, promise.encode(), "no valid OpenPGP data"),
    ):
        assert words in (await reason(verify(archive, name, shown, keys)))[1]
    assert (await reason(verify(data, SIGNED, proof, b"no keys")))[0] == "VerificationFailed"


def stored(home: Path, text: str) -> bytes:
    """A message in PGP's form that nobody signed."""
    home.chmod(0o700)
    command = ["gpg", "--homedir", str(home), "--batch", "--no-autostart", "--store", "--armor"]
    return subprocess.run(command, input=text.encode(), capture_output=True, check=True).stdout
