"""Whose credentials a repository is asked with."""

import base64
from typing import Any

import pytest

from trueup.families.argocd.secrets import repository_secret, trusted
from trueup.kube.names import Object
from trueup.ports import SourceProblem

URL = "https://git.example.com/org/app.git"


def secret(what: str, url: str, **data: str) -> Object:
    encoded = {name: base64.b64encode(value.encode()).decode() for name, value in {"url": url, **data}.items()}
    return {"metadata": {"labels": {"argocd.argoproj.io/secret-type": what}}, "data": encoded}


OWN = secret("repository", "https://git.example.com/org/app", username="own", password="1")
BARE = secret("repository", URL)
WIDE = secret("repo-creds", "https://git.example.com", password="wide")
NEAR = secret("repo-creds", "https://git.example.com/org", password="near")
THEIRS = secret("repository", URL, password="theirs", project="theirs")
OURS = secret("repository", URL, password="ours", project="ours")
OTHER: Object = {"metadata": {}, "data": {"url": "eA=="}}


@pytest.mark.parametrize(
    ("secrets", "expected"),
    [
        ([OWN, NEAR], {"username": b"own", "password": b"1"}),
        ([BARE, WIDE, NEAR, OTHER], {"password": b"near"}),
        ([WIDE], {"password": b"wide"}),
        ([THEIRS], {}),
        ([OWN, OURS, THEIRS], {"password": b"ours"}),
        ([OURS, OWN], {"password": b"ours"}),
        ([THEIRS, NEAR], {"password": b"near"}),
        ([], {}),
    ],
)
def test_a_repository_is_asked_with_its_own_credentials(secrets: list[Object], expected: dict[str, bytes]) -> None:
    """Its own Secret, else the nearest template; what belongs to a project serves no other."""
    assert repository_secret(secrets, URL, "ours") == expected


@pytest.mark.parametrize("field", [{"githubAppID": "1"}, {"insecure": "true"}, {"proxy": "http://p"}])
def test_ways_in_that_are_not_supported_are_named(field: dict[str, Any]) -> None:
    """A false flag is no wish."""
    with pytest.raises(SourceProblem, match=f"has {next(iter(field))}, which is not supported yet"):
        repository_secret([secret("repository", URL, **field)], URL, "p")
    assert repository_secret([secret("repository", URL, insecure="false", password="x")], URL, "p") == {
        "password": b"x"
    }


def test_servers_are_known_by_what_the_config_maps_say() -> None:
    """Host keys for ssh, an authority by host name for https."""
    hosts: Object = {"data": {"ssh_known_hosts": "git.example.com ssh-ed25519 AAAA"}}
    certificates: Object = {"data": {"git.example.com": "PEM"}}

    assert trusted("git@git.example.com:org/app.git", hosts, certificates) == {
        "known_hosts": b"git.example.com ssh-ed25519 AAAA"
    }
    assert trusted("ssh://git@git.example.com/org/app", hosts, certificates)["known_hosts"]
    assert trusted("https://me@git.example.com:8443/org/app", hosts, certificates) == {"ca.crt": b"PEM"}
    assert trusted("https://other.example.com/app", hosts, certificates) == {}
    assert trusted(URL, None, None) == {}
