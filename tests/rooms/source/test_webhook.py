"""Webhooks: read, and believed only when signed."""

import hashlib
import hmac
import json

import pytest

from trueup.source.urls import same
from trueup.source.webhook import Forged, Malformed, Push, read

GITHUB = json.dumps(
    {
        "ref": "refs/heads/main",
        "after": "a" * 40,
        "repository": {"clone_url": "https://github.com/x/y.git", "ssh_url": "git@github.com:x/y.git"},
    }
).encode()
GITLAB = json.dumps(
    {
        "ref": "refs/heads/main",
        "checkout_sha": "b" * 40,
        "project": {"git_http_url": "https://gitlab.com/x/y.git", "git_ssh_url": "git@gitlab.com:x/y.git"},
    }
).encode()


def signed(body: bytes, secret: bytes = b"key") -> str:
    """The signature of a body."""
    return "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()


def test_a_github_push_is_read() -> None:
    """Both addresses, the ref and the new commit."""
    headers = {"X-GitHub-Event": "push", "X-Hub-Signature-256": signed(GITHUB)}
    expected = Push(("https://github.com/x/y.git", "git@github.com:x/y.git"), "refs/heads/main", "a" * 40)
    assert expected == read(headers, GITHUB, "key")


def test_a_gitlab_push_is_read() -> None:
    """Its token is compared as it is."""
    headers = {"X-Gitlab-Event": "Push Hook", "X-Gitlab-Token": "key"}
    expected = Push(("https://gitlab.com/x/y.git", "git@gitlab.com:x/y.git"), "refs/heads/main", "b" * 40)
    assert expected == read(headers, GITLAB, "key")


def test_a_generic_push_is_read() -> None:
    """Anybody who can sign or knows the token may send one."""
    body = b'{"url": "https://git.example.com/x.git", "ref": "refs/heads/main"}'
    expected = Push(("https://git.example.com/x.git",), "refs/heads/main")
    assert expected == read({"X-Signature": signed(body)}, body, "key")
    assert expected == read({"Authorization": "Bearer key"}, body, "key")
    assert expected == read({}, body)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"X-GitHub-Event": "push"}, GITHUB),
        ({"X-GitHub-Event": "push", "X-Hub-Signature-256": signed(GITHUB, b"other")}, GITHUB),
        ({"X-GitHub-Event": "push", "X-Hub-Signature": "sha1=00"}, GITHUB),
        ({"X-Gitlab-Event": "Push Hook", "X-Gitlab-Token": "kex"}, GITLAB),
        ({"X-Gitlab-Event": "Push Hook"}, GITLAB),
        ({"X-Signature": "sha256=ä"}, b"{}"),
        ({}, b'{"url": "https://git.example.com/x.git"}'),
    ],
)
def test_a_forged_push_is_refused(headers: dict[str, str], body: bytes) -> None:
    """A wrong, weak or missing proof is no proof."""
    with pytest.raises(Forged):
        read(headers, body, "key")


def test_what_is_no_push_is_passed_over() -> None:
    """A ping is fine and means nothing."""
    assert read({"X-GitHub-Event": "ping"}, b"{}") is None


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"ref": "x"}'])
def test_what_cannot_be_read_is_malformed(body: bytes) -> None:
    """Broken payloads are told apart from forged ones."""
    with pytest.raises(Malformed):
        read({"X-GitHub-Event": "push"}, body)


def test_addresses_of_one_repository_are_the_same() -> None:
    """Protocol, user, case, a slash or ``.git`` make no other repository."""
    addresses = [
        "https://github.com/X/y.git", "git@github.com:x/y", "ssh://git@github.com:22/x/y.git", "https://user:pw@github.com/x/y/",
        "http://github.com:80/x/Y",
    ]  # fmt: skip
    assert {same(address) for address in addresses} == {"github.com/x/y"}
    assert same("https://github.com:8443/x/y") != same("https://github.com/x/y")
