"""Helm repositories over HTTP: an index, archives, and signatures beside them.

Called by `charts`. Source of the behaviour: Helm's ``HTTPGetter`` (credentials for the repository's own scheme, host and
port only, unless they are to be passed on) and ``ResolveReferenceURL``.
"""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit, urlunsplit

from trueup.ports import SourceProblem
from trueup.source.access import Access
from trueup.source.download import Answer, get, origin
from trueup.source.urls import safe

_MOST_OF_INDEX = 128 * 1024 * 1024
MOST_OF_ARCHIVE = 64 * 1024 * 1024
_MOST_OF_SIGNATURE, _MOST_OF_PAGE = 1024 * 1024, 5 * 1024 * 1024
_MISSING = {"index": "RepositoryNotFound", "chart": "ChartNotFound"}


async def index(url: str, access: Access, known_as: str = "") -> Answer:
    """``index.yaml``; status 304 where it still is what ``known_as`` (its ETag) stands for."""
    headers = {"If-None-Match": known_as} if known_as else {}
    answer = await get(
        beside(url, "index.yaml"), access, most=_MOST_OF_INDEX, authorization=access.header, headers=headers
    )
    if answer.status != 304:
        _succeeded(answer, "index")
    return answer


async def page(url: str, access: Access) -> bytes:
    """A values file on the web."""
    answer = await get(url, access, most=_MOST_OF_PAGE, authorization=access.header)
    _succeeded(answer, "values file")
    return answer.body


async def archive(url: str, target: str, access: Access, *, pass_credentials: bool) -> bytes:
    """The packed chart at a URL of the index, which may be relative to the repository's."""
    return await _file(url, target, access, pass_credentials, MOST_OF_ARCHIVE)


async def signature(url: str, target: str, access: Access, *, pass_credentials: bool) -> bytes:
    """The provenance file beside a packed chart."""
    parts = urlsplit(absolute(url, target))
    return await _file(
        url, urlunsplit(parts._replace(path=parts.path + ".prov")), access, pass_credentials, _MOST_OF_SIGNATURE
    )


async def _file(url: str, target: str, access: Access, pass_credentials: bool, most: int) -> bytes:
    where = absolute(url, target)
    own = pass_credentials or origin(where) == origin(url)
    headers = {"Accept": "application/gzip,application/octet-stream,*/*;q=0.1"}
    answer = await get(where, access, most=most, authorization=access.header if own else "", headers=headers)
    _succeeded(answer, "chart")
    return answer.body


def beside(url: str, name: str) -> str:
    """A file of the repository; the query of its URL stays."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{name}"))


def absolute(url: str, target: str) -> str:
    """The address of an archive; a relative one is below the repository and takes its query along."""
    if urlsplit(target).scheme:
        found = target
    else:
        base = urlsplit(url)
        joined = urlsplit(urljoin(urlunsplit(base._replace(path=base.path.rstrip("/") + "/", query="")), target))
        found = urlunsplit(joined._replace(query=joined.query or base.query))
    if not found.startswith(("https://", "http://")):
        raise SourceProblem(
            "InvalidURL", f"the index names {safe(target)}, which cannot be fetched by HTTP", retry=False
        )
    return found


def _succeeded(answer: Answer, what: str) -> None:
    if answer.status == 200:
        return
    where = safe(answer.url)
    if answer.status in (401, 403):
        raise SourceProblem(
            "AuthenticationFailed", f"{where}: {answer.status}, these credentials do not open it", retry=False
        )
    if answer.status == 404:
        raise SourceProblem(_MISSING.get(what, "NotFound"), f"{where}: 404 Not Found")
    raise SourceProblem("NetworkFailed", f"failed to get {what}: {where}: {answer.status}")
