"""Fetching: what a spec names, what a fetch costs, who may see what."""

import asyncio
import base64
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.githost import GitHost
from tests.rooms.source.repositories import Repository
from trueup.ports import GitSpec, SourceProblem
from trueup.source import fetcher as room
from trueup.source.fetcher import GitFetcher


class Clock:
    """Time that stands still until told."""

    def __init__(self) -> None:
        self.time = 1_000.0

    def now(self) -> float:
        """The present."""
        return self.time

    async def sleep(self, seconds: float) -> None:
        """Waiting is moving on."""
        self.time += seconds


@pytest.fixture
def clock() -> Clock:
    """One clock for a fetcher and its test."""
    return Clock()


@pytest.fixture
def remote(tmp_path: Path) -> Repository:
    """A bare repository that others push to."""
    return Repository(tmp_path / "remote.git", bare=True)


@pytest.fixture
async def fetcher(tmp_path: Path, clock: Clock) -> AsyncIterator[GitFetcher]:
    """A fetcher over an empty state folder."""
    made = GitFetcher(tmp_path / "mirrors", clock=clock)
    yield made
    await made.close()


def url(repository: Repository) -> str:
    """How the remote is addressed."""
    return f"file://{repository.path}"


def count(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The git commands that run."""
    seen: list[str] = []
    ask, fetch = room.git.ask, room.git.fetch

    async def asking(*given: object, **named: object) -> object:
        seen.append("ls-remote")
        return await ask(*given, **named)  # type: ignore[arg-type]

    async def fetching(*given: object, **named: object) -> None:
        seen.append("fetch")
        await fetch(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(room.git, "ask", asking)
    monkeypatch.setattr(room.git, "fetch", fetching)
    return seen


async def test_every_form_of_revision_is_resolved(fetcher: GitFetcher, remote: Repository) -> None:
    """Branches, tags, ranges, full and short commits, full ref names and HEAD name their commits."""
    first = remote.commit({"a": "1"})
    second = remote.commit({"a": "2"})
    side = remote.commit({"a": "3"}, "side")
    remote.tag("v1.0.0", first, annotated=True)
    remote.tag("v1.1.0", second)
    where = url(remote)
    asked = ["HEAD", "main", "side", "v1.0.0", "refs/heads/side", "refs/tags/v1.0.0", first, first[:8]]
    found = [await fetcher.resolve(GitSpec(where, ref)) for ref in asked]
    assert [second, second, side, first, side, first, first, first] == found
    assert second == await fetcher.resolve(GitSpec(where, semver="1.x"))
    assert first == await fetcher.resolve(GitSpec(where, semver="~1.0"))


async def test_an_artifact_says_what_it_is(fetcher: GitFetcher, remote: Repository) -> None:
    """Commit, the name it was found by, author, message, date, and its files."""
    commit = remote.commit({"apps/a.yaml": "a: 1\n"}, message="Add a\n\nBecause.\n")
    artifact = await fetcher.fetch(GitSpec(url(remote)))
    assert (commit, "main", "Ada <ada@example.com>") == (artifact.revision, artifact.name, artifact.author)
    assert (artifact.message, artifact.date) == ("Add a\n\nBecause.", "2023-11-14T23:13:20+01:00")
    assert artifact.tree.read("apps/a.yaml") == b"a: 1\n"


async def test_an_old_commit_stays_at_hand(fetcher: GitFetcher, remote: Repository, clock: Clock) -> None:
    """A revision is fetched by its id, and is still there when the branch has moved on."""
    spec = GitSpec(url(remote), "main")
    old = remote.commit({"a": "1"})
    assert (await fetcher.fetch(spec)).revision == old
    new = remote.commit({"a": "2"})
    clock.time += 60
    assert [(await fetcher.fetch(spec)).tree.read("a"), (await fetcher.fetch(spec, old)).tree.read("a")] == [b"2", b"1"]
    assert ((await fetcher.fetch(spec, new)).name, (await fetcher.fetch(spec, old)).name) == ("main", "")


async def test_a_thousand_who_ask_cost_one_question(
    fetcher: GitFetcher, remote: Repository, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks within the interval is served by one answer and one fetch; a webhook ends the interval."""
    seen = count(monkeypatch)
    old = remote.commit({"a": "1"})
    spec = GitSpec(url(remote), "main")
    artifacts = await asyncio.gather(*(fetcher.fetch(spec) for _ in range(1000)))
    assert {old} == {artifact.revision for artifact in artifacts}
    assert seen == ["ls-remote", "fetch"]
    new = remote.commit({"a": "2"})
    assert await fetcher.resolve(spec) == old
    fetcher.forget([url(remote).upper().replace("FILE", "file")])
    assert await fetcher.resolve(spec) == new
    clock.time += 60
    assert await fetcher.resolve(spec) == new
    assert seen.count("ls-remote") == 3


async def test_what_is_not_there_is_named(fetcher: GitFetcher, remote: Repository, tmp_path: Path) -> None:
    """A missing branch, commit or repository is a problem with a reason that time may mend."""
    remote.commit({"a": "1"})
    told = {}
    for case, spec in {
        "branch": GitSpec(url(remote), "nope"),
        "commit": GitSpec(url(remote), "1" * 40),
        "range": GitSpec(url(remote), semver=">9"),
        "repository": GitSpec(f"file://{tmp_path}/none.git"),
    }.items():
        with pytest.raises(SourceProblem) as caught:
            await fetcher.fetch(spec)
        told[case] = (caught.value.reason, caught.value.retry)
    missing = ("RevisionNotFound", True)
    assert told == {"branch": missing, "commit": missing, "range": missing, "repository": ("RepositoryNotFound", True)}


@pytest.mark.parametrize(
    "address",
    ["ext::sh -c touch% /tmp/owned", "-upload-pack=x", "ftp://host/x", "", "https://", "--help", "/etc", "fd::17/x"],
)
async def test_other_protocols_are_refused(fetcher: GitFetcher, address: str) -> None:
    """What git would run as a command or read as an option is no address."""
    with pytest.raises(SourceProblem) as caught:
        await fetcher.fetch(GitSpec(address))
    assert caught.value.reason in ("ProtocolNotAllowed", "InvalidURL")
    assert not caught.value.retry


async def test_protocols_can_be_forbidden(tmp_path: Path, clock: Clock, remote: Repository) -> None:
    """Where tenants name the sources, the machine's own files are not for them."""
    remote.commit({"a": "1"})
    strict = GitFetcher(tmp_path / "mirrors", clock=clock, protocols=frozenset({"https", "ssh"}))
    with pytest.raises(SourceProblem) as caught:
        await strict.fetch(GitSpec(url(remote)))
    assert caught.value.reason == "ProtocolNotAllowed"


async def test_a_mirror_of_many_fetches_is_packed_anew(
    fetcher: GitFetcher, remote: Repository, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stays a few files however many commits come, and what was fetched before can still be read."""
    monkeypatch.setattr(room, "_MOST_PACKS", 3)
    artifacts = []
    for n in range(9):
        remote.commit({"a": f"{n}", "folder/b": f"b{n}"})
        clock.time += 60
        artifacts.append(await fetcher.fetch(GitSpec(url(remote))))

    packs = list((tmp_path / "mirrors").glob("*.git/objects/pack/*.pack"))
    assert len(packs) <= 4
    assert [artifact.tree.read("folder/b") for artifact in artifacts] == [f"b{n}".encode() for n in range(9)]


# --- over HTTP -----------------------------------------------------------------------------------------------------


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[GitHost]:
    """A server over the test's folder."""
    made = GitHost(tmp_path)
    yield made
    await made.stop()


def basic(text: str) -> str:
    """The header of a user and password."""
    return "Basic " + base64.b64encode(text.encode()).decode()


async def test_a_password_opens_and_never_shows(fetcher: GitFetcher, remote: Repository, server: GitHost) -> None:
    """The right password fetches, out of the secret or the URL; a wrong one is named by its user at most."""
    commit = remote.commit({"a": "1"})
    host = await server.start()
    server.allowed = basic("ada:s3cret-word")
    address = f"{host}/remote.git"
    spec = GitSpec(address, secret={"username": b"ada", "password": b"s3cret-word"})
    assert (await fetcher.fetch(spec)).revision == commit
    assert await fetcher.resolve(GitSpec(address.replace("://", "://ada:s3cret-word@"))) == commit
    for secret in ({"username": b"ada", "password": b"wr0ng-word"}, {}):
        with pytest.raises(SourceProblem) as caught:
            await fetcher.fetch(GitSpec(address, secret=secret), commit)
        assert (caught.value.reason, caught.value.retry) == ("AuthenticationFailed", False)
        assert "wr0ng-word" not in str(caught.value)


async def test_a_token_is_sent_as_bearer(fetcher: GitFetcher, remote: Repository, server: GitHost) -> None:
    """``bearerToken`` goes into the Authorization header."""
    commit = remote.commit({"a": "1"})
    host = await server.start()
    server.allowed = "Bearer t0ken"
    spec = GitSpec(f"{host}/remote.git", secret={"bearerToken": b"t0ken"})
    assert (await fetcher.fetch(spec)).revision == commit


@pytest.mark.parametrize("secret", [{"username": b"ada", "password": b"s3cret"}, {"bearerToken": b"s3cret"}])
async def test_a_redirect_gains_no_credentials(
    fetcher: GitFetcher, remote: Repository, server: GitHost, tmp_path: Path, secret: dict[str, bytes]
) -> None:
    """A server that sends on to another host does not thereby send on the password."""
    remote.commit({"a": "1"})
    other = GitHost(tmp_path)
    other.allowed = "nobody"
    server.elsewhere = (await other.start()).replace("127.0.0.1", "localhost")
    host = await server.start()
    with pytest.raises(SourceProblem):
        await fetcher.fetch(GitSpec(f"{host}/remote.git", secret=secret))
    await other.stop()
    assert {""} >= set(other.seen)


# --- over ssh ------------------------------------------------------------------------------------------------------


async def test_ssh_gets_identity_and_known_hosts(
    fetcher: GitFetcher, remote: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deploy key and the known hosts reach ssh as private files, which are gone afterwards."""
    commit = remote.commit({"a": "1"})
    ssh = tmp_path / "bin" / "ssh"
    ssh.parent.mkdir()
    ssh.write_text(
        "#!/bin/sh\n"
        f'echo "$@" >> {tmp_path}/arguments\n'
        'while [ "$1" != git@git.example.com ]; do\n'
        f'  test "$1" = -i && ls -l "$2" >> {tmp_path}/identity && cat "$2" >> {tmp_path}/identity\n'
        "  shift\n"
        "done\n"
        'shift; eval "$*"\n'
    )
    ssh.chmod(ssh.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{ssh.parent}:{os.environ['PATH']}")
    secret = {"identity": b"a private key\n", "known_hosts": b"git.example.com ssh-ed25519 AAAA\n"}
    spec = GitSpec(f"git@git.example.com:{remote.path}", secret=secret)
    assert (await fetcher.fetch(spec)).revision == commit
    arguments = (tmp_path / "arguments").read_text()
    identity = (tmp_path / "identity").read_text()
    assert "StrictHostKeyChecking=yes" in arguments
    assert "UserKnownHostsFile=" in arguments
    assert identity.startswith("-rw-------")
    assert "a private key" in identity
    assert list((tmp_path / "mirrors").glob("login-*")) == []


# --- mapped folders ------------------------------------------------------------------------------------------------

SHOP = "https://git.example.com/shop.git"


def mapped(folder: Path, state: Path, clock: Clock) -> GitFetcher:
    """A fetcher that answers the shop from a folder."""
    return GitFetcher(state, mapping={SHOP: folder}, clock=clock)


async def test_a_working_tree_answers_with_its_commits(tmp_path: Path, clock: Clock) -> None:
    """Dirty files do not count, commits do; the URL may be written in other ways."""
    repository = Repository(tmp_path / "work")
    first = repository.commit({"a": "1"})
    (tmp_path / "work" / "a").write_text("dirty")
    fetcher = mapped(tmp_path / "work", tmp_path / "state", clock)
    artifact = await fetcher.fetch(GitSpec("git@git.example.com:shop", "main"))
    assert (first, "main", b"1") == (artifact.revision, artifact.name, artifact.tree.read("a"))
    second = repository.commit({"a": "2"})
    clock.time += 1
    assert await fetcher.resolve(GitSpec(SHOP)) == second
    assert (await fetcher.fetch(GitSpec(SHOP), first)).tree.read("a") == b"1"
    with pytest.raises(SourceProblem):
        await fetcher.resolve(GitSpec(SHOP, "nope"))


async def test_a_folder_of_a_repository_is_a_repository(tmp_path: Path, clock: Clock) -> None:
    """Its subtree at HEAD is the root, whichever branch is asked for."""
    repository = Repository(tmp_path / "work")
    commit = repository.commit({"examples/shop/a": "1", "b": "2"})
    (tmp_path / "work" / "examples" / "shop").mkdir(parents=True)
    fetcher = mapped(tmp_path / "work" / "examples" / "shop", tmp_path / "state", clock)
    artifact = await fetcher.fetch(GitSpec(SHOP, "production"))
    assert (commit, ["a"]) == (artifact.revision, list(artifact.tree.list("")))


async def test_a_plain_folder_answers_with_its_files(tmp_path: Path, clock: Clock) -> None:
    """Its revision is the digest of its files; an earlier state can still be had."""
    folder = tmp_path / "plain"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "a").write_text("1")
    fetcher = mapped(folder, tmp_path / "state", clock)
    first = await fetcher.resolve(GitSpec(SHOP, "v1"))
    assert first == await fetcher.resolve(GitSpec(SHOP, "HEAD"))
    (folder / "sub" / "a").write_text("two")
    clock.time += 1
    artifact = await fetcher.fetch(GitSpec(SHOP, "v1"))
    assert artifact.revision != first
    assert [
        artifact.tree.read("sub/a"),
        (await fetcher.fetch(GitSpec(SHOP), first)).tree.read("sub/a"),
    ] == [b"two", b"1"]


async def test_an_uncommitted_folder_is_a_plain_one(tmp_path: Path, clock: Clock) -> None:
    """A folder that the enclosing repository does not have answers with its files, until it is committed."""
    repository = Repository(tmp_path / "work")
    repository.commit({"b": "2"})
    (tmp_path / "work" / "new").mkdir()
    (tmp_path / "work" / "new" / "a").write_text("1")
    fetcher = mapped(tmp_path / "work" / "new", tmp_path / "state", clock)
    assert (await fetcher.fetch(GitSpec(SHOP))).tree.read("a") == b"1"
    commit = repository.commit({"new/a": "1"})
    clock.time += 1
    assert await fetcher.resolve(GitSpec(SHOP)) == commit


async def test_a_missing_folder_is_named(tmp_path: Path, clock: Clock) -> None:
    """A mapping to nothing is a problem of that source alone."""
    with pytest.raises(SourceProblem, match="no such folder"):
        await mapped(tmp_path / "none", tmp_path / "state", clock).fetch(GitSpec(SHOP))
