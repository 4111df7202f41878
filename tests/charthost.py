"""Servers of charts for tests: a Helm repository, and a registry after the OCI distribution specification.

Both run in the test's own loop, on loopback. ``asked`` has each request as ``METHOD path``; what a test wants to go wrong,
it puts into ``answers``.
"""

import base64
import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import yaml
from aiohttp import web

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.cncf.helm.config.v1+json"
LAYER = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"


def packed(files: Mapping[str, str | bytes], *, level: int = 6) -> bytes:
    """A ``.tar.gz`` of these files, the same each time."""
    out = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=out, mode="wb", mtime=0, compresslevel=level) as zipped,
        tarfile.open(fileobj=zipped, mode="w") as tar,
    ):
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def chart(name: str, version: str, files: Mapping[str, str] | None = None, **metadata: Any) -> bytes:
    """A packed chart; without files of its own it renders one ConfigMap that tells its version."""
    head = {"apiVersion": "v2", "name": name, "version": version, **metadata}
    shown = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}-{{ .Chart.Name }}}\n"
    own = {"templates/map.yaml": shown + 'data: {version: "{{ .Chart.Version }}"}\n'} if files is None else files
    inside = {"Chart.yaml": yaml.safe_dump(head), **own}
    return packed({f"{name}/{path}": content for path, content in inside.items()})


@dataclass
class Host:
    """What both servers have in common."""

    url: str = ""
    asked: list[str] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    answers: dict[str, Any] = field(default_factory=dict)
    """By path: a response to give instead, or a function of the request."""
    login: str = ""
    """``user:password`` that opens it; empty: all may enter."""

    async def instead(self, request: web.Request) -> web.StreamResponse | None:
        """Note a request; what the test wants to happen to it."""
        self.asked.append(f"{request.method} {request.path}")
        self.headers.append(dict(request.headers))
        found = self.answers.get(request.path)
        if found is None:
            return None
        response: web.StreamResponse = await found(request) if callable(found) else found
        return response

    def is_let_in(self, request: web.Request) -> bool:
        """Whether a request shows the right password."""
        expected = "Basic " + base64.b64encode(self.login.encode()).decode()
        return not self.login or request.headers.get("Authorization") == expected


@dataclass
class HelmHost(Host):
    """A Helm repository at ``url``."""

    charts: dict[str, bytes] = field(default_factory=dict)
    index: dict[str, Any] = field(default_factory=lambda: {"apiVersion": "v1", "entries": {}})

    def add(self, name: str, version: str, data: bytes | None = None, **entry: Any) -> bytes:
        """A version more; its archive."""
        data = chart(name, version) if data is None else data
        file = f"{name}-{version}.tgz"
        self.charts[file] = data
        digest = hashlib.sha256(data).hexdigest()
        row = {"name": name, "version": version, "urls": [file], "digest": digest, **entry}
        self.index["entries"].setdefault(name, []).append(row)
        return data

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One request."""
        if (found := await self.instead(request)) is not None:
            return found
        if not self.is_let_in(request):
            return web.Response(status=401)
        name = request.path.rpartition("/")[2]
        if name == "index.yaml":
            body = yaml.safe_dump(self.index).encode()
            tag = f'"{hashlib.sha256(body).hexdigest()}"'
            if request.headers.get("If-None-Match") == tag:
                return web.Response(status=304)
            return web.Response(body=body, headers={"ETag": tag})
        return web.Response(body=self.charts[name]) if name in self.charts else web.Response(status=404)


@dataclass
class RegistryHost(Host):
    """A registry at ``oci://`` its host; ``url`` is without a path."""

    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    """By repository: digests of manifests by tag."""
    blobs: dict[str, bytes] = field(default_factory=dict)
    page: int = 1_000

    def add(self, repository: str, tag: str, data: bytes | None = None, **manifest: Any) -> str:
        """An artifact more; the digest of its manifest."""
        data = chart(repository.rpartition("/")[2], tag) if data is None else data
        layer = {"mediaType": LAYER, "digest": self.put(data), "size": len(data)}
        config = {"mediaType": CONFIG, "digest": self.put(b"{}"), "size": 2}
        value = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer], **manifest}
        digest = self.put(json.dumps(value).encode())
        self.tags.setdefault(repository, {})[tag] = digest
        return digest

    def put(self, data: bytes) -> str:
        """A blob more; its digest."""
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        self.blobs[digest] = data
        return digest

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One request."""
        if (found := await self.instead(request)) is not None:
            return found
        if request.path == "/token":
            return web.json_response({"token": "let-me-in"}) if self.is_let_in(request) else web.Response(status=401)
        if self.login and request.headers.get("Authorization") != "Bearer let-me-in":
            asks = f'Bearer realm="{self.url.replace("oci", "http", 1)}/token",service="registry",scope="repository:x:pull"'
            return web.Response(status=401, headers={"WWW-Authenticate": asks})
        repository, what, reference = request.path.removeprefix("/v2/").rsplit("/", 2)
        if what == "tags":
            return self._list(request, repository)
        digest = self.tags.get(repository, {}).get(reference, reference)
        if digest not in self.blobs:
            return web.json_response({"errors": [{"code": "MANIFEST_UNKNOWN", "message": "unknown"}]}, status=404)
        headers = {"Docker-Content-Digest": digest}
        if what == "manifests":
            headers["Content-Type"] = MANIFEST
        return web.Response(body=self.blobs[digest], headers=headers)

    def _list(self, request: web.Request, repository: str) -> web.Response:
        known = sorted(self.tags.get(repository, {}))
        last = request.query.get("last", "")
        rest = [tag for tag in known if tag > last]
        headers = {}
        if len(rest) > self.page:
            headers["Link"] = f'</v2/{repository}/tags/list?last={rest[self.page - 1]}>; rel="next"'
        return web.json_response({"name": repository, "tags": rest[: self.page]}, headers=headers)


@asynccontextmanager
async def serving(host: HelmHost | RegistryHost, ssl_context: Any = None) -> AsyncIterator[None]:
    """The host, for as long as the block runs."""
    app = web.Application(client_max_size=0)
    app.router.add_route("*", "/{path:.*}", host.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=ssl_context)
    await site.start()
    port = runner.addresses[0][1]
    scheme = "oci" if isinstance(host, RegistryHost) else "https" if ssl_context else "http"
    host.url = f"{scheme}://127.0.0.1:{port}"
    try:
        yield
    finally:
        await runner.cleanup()
