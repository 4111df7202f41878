"""Registries: tags, manifests and layers, by the OCI distribution specification; every digest is checked.

Called by `charts`. Sources: OCI distribution and image specifications, the registry token protocol, Helm's media types.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urljoin, urlsplit

import orjson

from trueup.ports import SourceProblem
from trueup.source.access import Access
from trueup.source.download import Answer, get
from trueup.source.helmrepo import MOST_OF_ARCHIVE
from trueup.source.urls import safe

_MOST_OF_MANIFEST = 4 * 1024 * 1024
_MOST_OF_TAGS, _MOST_PAGES = 8 * 1024 * 1024, 200
_MOST_LAYERS = 10
_INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
_MANIFESTS = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")
_ACCEPT = {"Accept": ", ".join((*_MANIFESTS, *_INDEXES))}
HELM_CONFIG = "application/vnd.cncf.helm.config.v1+json"
_CHART_LAYERS = ("application/vnd.cncf.helm.chart.content.v1.tar+gzip", "application/tar+gzip")
_SIGNATURE = "application/vnd.cncf.helm.chart.provenance.v1.prov"
_CONTENT = ("tar+gzip", "tar.gzip", "tar")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_NAME = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_PAIR = re.compile(r'([A-Za-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_LINK = re.compile(r'<([^>]+)>\s*;\s*rel="?next"?')


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an artifact consists of. ``layer`` is its content, ``chart`` says that it is a Helm chart's."""

    digest: str
    layer: Mapping[str, Any]
    chart: bool
    signature: Mapping[str, Any] | None = None
    annotations: Mapping[str, str] | None = None


class Repository:
    """One repository of a registry for the length of one errand; a token that it was given serves all of it."""

    def __init__(self, url: str, access: Access) -> None:
        """``url``: ``oci://host[:port]/path``. Raises ``SourceProblem`` for one that is none."""
        host, _, path = url.removeprefix("oci://").partition("/")
        self.name = path.strip("/")
        if not host or "@" in host or not _NAME.fullmatch(self.name):
            message = f"not a place in a registry: {safe(url)} (oci://host/path, in small letters)"
            raise SourceProblem("InvalidURL", message, retry=False)
        self._base = f"{'http' if access.plain_http else 'https'}://{_host(host)}/v2/{self.name}/"
        self._access, self._url = access, f"oci://{host}/{self.name}"
        self._authorization = f"Bearer {access.bearer}" if access.bearer else ""

    async def tags(self) -> list[str]:
        """All tags, as they are written there."""
        found: list[str] = []
        where = f"{self._base}tags/list"
        for _ in range(_MOST_PAGES):
            answer = await self._ask(where, "tags", most=_MOST_OF_TAGS)
            value = _json(answer)
            found += [str(tag) for tag in value.get("tags") or ()]
            following = _LINK.search(answer.headers.get("Link") or "")
            if following is None:
                return found
            where = urljoin(where, following[1])
            if not where.startswith(self._base.rpartition("/v2/")[0]):
                break
        raise SourceProblem("TooLarge", f"{self._url} does not come to an end with its tags", retry=False)

    async def digest(self, reference: str) -> str:
        """The digest that a tag stands for now."""
        if _DIGEST.fullmatch(reference):
            return reference
        answer = await self._ask(self._place(reference), reference, most=_MOST_OF_MANIFEST, accept=True, method="HEAD")
        told = answer.headers.get("Docker-Content-Digest") or ""
        return told if _DIGEST.fullmatch(told) else (await self._manifest(reference))[0]

    async def manifest(self, reference: str) -> Manifest:
        """The manifest of a tag or digest, and which of its layers is the content. Raises ``SourceProblem``."""
        digest, value = await self._manifest(reference)
        if value.get("manifests") is not None:
            listed = [one for one in value["manifests"] if isinstance(one, dict)]
            if len(listed) != 1:
                raise self._unfit(f"{reference} is a list of {len(listed)} artifacts, and which of them is not said")
            _, value = await self._manifest(str(listed[0].get("digest")))
        return self._read(digest, value)

    async def blob(self, layer: Mapping[str, Any], most: int = MOST_OF_ARCHIVE) -> bytes:
        """The bytes of a layer, which have the size and digest that the manifest promises."""
        digest, size = str(layer.get("digest")), layer.get("size")
        if not _DIGEST.fullmatch(digest):
            raise self._unfit(f"a layer has the digest {digest!r}, which cannot be checked")
        if isinstance(size, int) and size > most:
            raise SourceProblem("TooLarge", f"{self._url} has {size} bytes, allowed are {most}", retry=False)
        answer = await self._ask(f"{self._base}blobs/{digest}", digest, most=most)
        _verify(digest, answer.body, f"the layer of {self._url}")
        return answer.body

    # -- manifests ------------------------------------------------------------------------------------------------

    async def _manifest(self, reference: str) -> tuple[str, dict[str, Any]]:
        answer = await self._ask(self._place(reference), reference, most=_MOST_OF_MANIFEST, accept=True)
        told = answer.headers.get("Docker-Content-Digest") or ""
        digest = "sha256:" + hashlib.sha256(answer.body).hexdigest()
        for expected in (reference, told):
            if _DIGEST.fullmatch(expected):
                _verify(expected, answer.body, f"the manifest of {self._url}")
                digest = expected
        return digest, _json(answer)

    def _read(self, digest: str, value: dict[str, Any]) -> Manifest:
        layers = [layer for layer in value.get("layers") or () if isinstance(layer, dict)]
        if len(layers) > _MOST_LAYERS:
            raise self._unfit(f"expected no more than {_MOST_LAYERS} oci layers, got {len(layers)}")
        chart = (value.get("config") or {}).get("mediaType") == HELM_CONFIG
        content = [layer for layer in layers if _is_content(str(layer.get("mediaType")), chart)]
        if len(content) != 1:
            raise self._unfit(f"expected only a single oci content layer, got {len(content)}")
        signature = next((layer for layer in layers if layer.get("mediaType") == _SIGNATURE), None)
        return Manifest(digest, content[0], chart, signature, value.get("annotations"))

    def _place(self, reference: str) -> str:
        if not _TAG.fullmatch(reference) and not _DIGEST.fullmatch(reference):
            raise SourceProblem("InvalidVersion", f"{reference!r} is neither a tag nor a digest", retry=False)
        return f"{self._base}manifests/{quote(reference, safe=':')}"

    def _unfit(self, why: str) -> SourceProblem:
        return SourceProblem("InvalidArtifact", f"{self._url}: {why}", retry=False)

    # -- asking ---------------------------------------------------------------------------------------------------

    async def _ask(self, where: str, what: str, *, most: int, accept: bool = False, method: str = "GET") -> Answer:
        headers = _ACCEPT if accept else {}
        for last_try in (False, True):
            answer = await get(
                where, self._access, most=most, authorization=self._authorization, headers=headers, method=method
            )
            if answer.status != 401 or last_try or not await self._let_in(answer):
                break
        if answer.status == 200:
            return answer
        raise self._refused(answer, what)

    async def _let_in(self, answer: Answer) -> bool:
        """Answer a registry that asks who is there; False where there is nothing to say."""
        asked = answer.headers.get("WWW-Authenticate") or ""
        scheme, _, rest = asked.partition(" ")
        if scheme.lower() == "basic":
            self._authorization = self._access.basic
            return bool(self._authorization)
        if scheme.lower() != "bearer" or self._access.bearer:
            return False
        pairs = {found[1].lower(): found[2] if found[2] is not None else found[3] for found in _PAIR.finditer(rest)}
        self._authorization = f"Bearer {await self._token(pairs)}"
        return True

    async def _token(self, pairs: Mapping[str, str]) -> str:
        realm = pairs.get("realm") or ""
        parts = urlsplit(realm)
        if parts.scheme not in ("https", "http") or (parts.scheme == "http" and not self._access.plain_http):
            message = f"{self._url} sends to {safe(realm)!r} for a token, which has no TLS"
            raise SourceProblem("AuthenticationFailed", message, retry=False)
        query = {"scope": pairs.get("scope") or f"repository:{self.name}:pull"}
        if pairs.get("service"):
            query["service"] = pairs["service"]
        where = f"{realm}{'&' if parts.query else '?'}{urlencode(query)}"
        answer = await get(where, self._access, most=1024 * 1024, authorization=self._access.basic)
        if answer.status != 200:
            raise self._refused(answer, "a token")
        value = _json(answer)
        token = value.get("token") or value.get("access_token")
        if not isinstance(token, str) or not token or any(ord(char) < 33 for char in token):
            raise SourceProblem("AuthenticationFailed", f"{safe(realm)} gives no token", retry=False)
        return token

    def _refused(self, answer: Answer, what: str) -> SourceProblem:
        told = _told(answer)
        message = f"{self._url}: {what}: {answer.status}{f' {told}' if told else ''}"
        if answer.status in (401, 403):
            return SourceProblem("AuthenticationFailed", message, retry=False)
        if answer.status == 404:
            return SourceProblem("ChartNotFound", message)
        return SourceProblem("NetworkFailed", message)


def _is_content(media_type: str, chart: bool) -> bool:
    return media_type in _CHART_LAYERS if chart else media_type.endswith(_CONTENT)


def _host(host: str) -> str:
    """Docker's registry is not where its name says."""
    return "registry-1.docker.io" if host == "docker.io" else host


def _verify(digest: str, body: bytes, what: str) -> None:
    how, _, expected = digest.partition(":")
    if hashlib.new(how, body).hexdigest() != expected:
        raise SourceProblem("DigestMismatch", f"{what} is not what its digest {digest} says")


def _json(answer: Answer) -> dict[str, Any]:
    try:
        value = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        raise SourceProblem("InvalidAnswer", f"{safe(answer.url)} answers no JSON object")
    return value


def _told(answer: Answer) -> str:
    """The registry's own words of an error."""
    try:
        errors: Sequence[Any] = orjson.loads(answer.body).get("errors") or ()
        return "; ".join(safe(f"{one.get('code')}: {one.get('message')}") for one in errors)[:500]
    except (orjson.JSONDecodeError, AttributeError):
        return ""
