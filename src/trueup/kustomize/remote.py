"""What the URL of a remote base names: a repository, a revision and a path in it.

Called by the kustomize renderer; nothing is fetched here. Source: ``repospec`` of kustomize's API, version 5.8.1; and the
addresses at which GitHub and GitLab give out single files, for those lie in repositories, too.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import parse_qs

from trueup.kustomize.problem import KustomizeProblem

_SCHEME = re.compile(r"(?:ssh|https?|file)://", re.IGNORECASE)
_USER = re.compile(r"[a-zA-Z][a-zA-Z0-9-]*@")
_GITHUB = re.compile(r"github\.com[/:]", re.IGNORECASE)
_RAW = (
    re.compile(
        r"https://raw\.githubusercontent\.com/(?P<repo>[^/]+/[^/]+)/(?P<ref>refs/(?:heads|tags)/[^/]+|[^/]+)/(?P<path>.+)"
    ),
    re.compile(r"https://github\.com/(?P<repo>[^/]+/[^/]+)/raw/(?P<ref>refs/(?:heads|tags)/[^/]+|[^/]+)/(?P<path>.+)"),
    re.compile(r"https://gitlab\.com/(?P<repo>[^?]+?)/-/raw/(?P<ref>[^/]+)/(?P<path>.+)"),
)
_HOSTS = ("https://github.com/", "https://github.com/", "https://gitlab.com/")
_DOCUMENT = re.compile(r"\.(?:ya?ml|json)$", re.IGNORECASE)


def is_raw(url: str) -> bool:
    """Whether a URL is that of a file that GitHub or GitLab give out of a repository."""
    text = url.partition("?")[0]
    return any(pattern.fullmatch(text) for pattern in _RAW)


def is_document(url: str) -> bool:
    """Whether a URL is that of one file, by its end, and of no file or folder in a repository."""
    text = url.partition("?")[0]
    behind = text.partition("://")[2]
    return bool(_DOCUMENT.search(text) and behind) and not any(mark in behind for mark in ("//", ".git", "_git/"))


class Place(NamedTuple):
    """``path`` in a ``repository`` at ``ref``, a branch, tag or commit; empty for its default branch."""

    repository: str
    ref: str
    path: str


def place_of(url: str) -> Place:
    """Where the content of a URL is. Raises `KustomizeProblem` when it is in no repository."""
    text, _, query = url.partition("?")
    for pattern, host in zip(_RAW, _HOSTS, strict=True):
        found = pattern.fullmatch(text)
        if found:
            return Place(host + found["repo"], found["ref"], found["path"])
    if is_document(url):
        raise KustomizeProblem(f"the remote file '{url}' is in no repository that is known: vendor it", path=url)
    return _repository(url, text, query)


def _repository(url: str, text: str, query: str) -> Place:
    fields = parse_qs(query)
    ref = (fields.get("ref") or fields.get("version") or [""])[0]
    host, rest = _host(text[5:] if text[:5].lower() == "git::" else text, url)
    repository, path = _parts(rest, whole=host.startswith("file://"))
    if not repository:
        raise KustomizeProblem("failed to parse repo path segment", path=url)
    if path.split("/")[0] == "..":
        raise KustomizeProblem(f"url path exits repo: {rest}", path=url)
    return Place(host + repository, ref, path.strip("/"))


def _host(text: str, url: str) -> tuple[str, str]:
    """All of an address that is before the path to the repository, and what is behind."""
    found = _SCHEME.match(text)
    scheme = found[0].lower() if found else ""
    rest = text[len(scheme) :]
    user_found = _USER.match(rest)
    user = user_found[0] if user_found else ""
    if scheme == "file://":
        return scheme, rest
    rest = rest[len(user) :]
    github = _GITHUB.match(rest) is not None
    scp = not scheme and bool(user or github)
    if not scheme and not scp:
        raise KustomizeProblem("failed to parse scheme", path=url)
    ends = [at for at in (rest.find("/"), rest.find(":") if scp else -1) if at > 0]
    if not ends:
        raise KustomizeProblem("failed to parse host segment", path=url)
    end = min(ends) + 1
    host = rest[:end]
    if github:
        ssh = scheme == "ssh://" or bool(user)
        scheme, user, host = ("", user or "git@", "github.com:") if ssh else ("https://", "", "github.com/")
    return scheme + user + host, rest[end:]


def _parts(text: str, *, whole: bool) -> tuple[str, str]:
    """The path to a repository and the path in it: split at ``_git/``, ``//`` or ``.git``, else behind two names."""
    before, mark, after = text.partition("_git/")
    if mark:
        name, _, path = after.partition("/")
        return before + mark + name, path
    before, mark, after = text.partition("//")
    if mark:
        return before, after
    before, mark, after = text.partition(".git")
    if mark:
        return before + mark, after
    names = text.split("/")
    if whole:
        return text, ""
    return ("/".join(names[:2]), "/".join(names[2:])) if len(names) > 1 else ("", "")
