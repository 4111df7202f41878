"""Sources over the servers that people have: OpenSSH with a deploy key, and Git's own daemon."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.rooms.source.repositories import Repository
from tests.system.program import eventually
from trueup.ports import GitSpec, SourceProblem
from trueup.runtime.clock import SystemClock
from trueup.source.fetcher import GitFetcher

SSHD = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin")

pytestmark = pytest.mark.system


@pytest.fixture
def remote(tmp_path: Path) -> Repository:
    """A repository with one commit."""
    made = Repository(tmp_path / "remote.git", bare=True)
    made.commit({"app.yaml": "kind: A\n"})
    return made


@pytest.fixture
async def fetcher(tmp_path: Path) -> AsyncIterator[GitFetcher]:
    """With mirrors of its own."""
    made = GitFetcher(tmp_path / "mirrors", mapping={}, clock=SystemClock())
    yield made
    await made.close()


@contextmanager
def listening(command: list[str], port: int) -> Iterator[None]:
    """A server for as long as the block runs."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        eventually(lambda: _answers(port) or process.poll() is not None)
        assert process.poll() is None, (process.stderr.read() if process.stderr else b"").decode()
        yield
    finally:
        process.terminate()
        process.communicate()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def key_pair(path: Path) -> Path:
    """An Ed25519 pair."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


@contextmanager
def sshd(folder: Path) -> Iterator[tuple[str, bytes, bytes]]:
    """OpenSSH for this user: host and port as ssh writes them, the private key that opens it, and its known_hosts line."""
    host, deploy, port = key_pair(folder / "host"), key_pair(folder / "deploy"), free_port()
    (folder / "authorized").write_bytes(deploy.with_suffix(".pub").read_bytes())
    (folder / "config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {host}\nAuthorizedKeysFile {folder / 'authorized'}\n"
        f"PidFile {folder / 'pid'}\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\n"
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(
            mode=0o755, exist_ok=True
        )  # where OpenSSH gives up its rights; it insists on the folder
    assert SSHD is not None
    public = " ".join(host.with_suffix(".pub").read_text().split()[:2])
    with listening([SSHD, "-D", "-e", "-f", str(folder / "config")], port):
        yield f"{getpass.getuser()}@127.0.0.1:{port}", deploy.read_bytes(), f"[127.0.0.1]:{port} {public}\n".encode()


@pytest.mark.skipif(SSHD is None, reason="sshd is not installed")
async def test_a_deploy_key_opens_a_repository_over_ssh(
    fetcher: GitFetcher, remote: Repository, tmp_path: Path
) -> None:
    """With the host's key known; another host's key, or none, is refused before anything is said."""
    commit = remote.commit({"app.yaml": "kind: B\n"})
    with sshd(tmp_path) as (host, identity, known):
        url = f"ssh://{host}{remote.path}"
        found = await fetcher.fetch(GitSpec(url, secret={"identity": identity, "known_hosts": known}))
        other = (
            known.split()[0] + b" " + b" ".join(key_pair(tmp_path / "x").with_suffix(".pub").read_bytes().split()[:2])
        )
        with pytest.raises(SourceProblem, match=r"Host key verification failed"):
            await fetcher.fetch(GitSpec(url, secret={"identity": identity, "known_hosts": other + b"\n"}))
        wrong = key_pair(tmp_path / "wrong").read_bytes()
        with pytest.raises(SourceProblem, match=r"Permission denied"):
            await fetcher.fetch(GitSpec(url, secret={"identity": wrong, "known_hosts": known}))

    assert found.revision == commit
    assert found.tree.read("app.yaml") == b"kind: B\n"


async def test_gits_own_daemon(fetcher: GitFetcher, remote: Repository, tmp_path: Path) -> None:
    """``git://``, as it serves public repositories; a new commit arrives by what it adds."""
    first = remote.commit({"app.yaml": "kind: B\n"})
    port = free_port()
    command = ["git", "daemon", "--export-all", f"--base-path={tmp_path}", "--listen=127.0.0.1", f"--port={port}"]
    with listening(command, port):
        spec = GitSpec(f"git://127.0.0.1:{port}/remote.git")
        before = await fetcher.fetch(spec)
        second = remote.commit({"app.yaml": "kind: C\n"})
        fetcher.forget([spec.url])
        after = await fetcher.fetch(spec)

    assert (before.revision, after.revision) == (first, second)
    assert after.tree.read("app.yaml") == b"kind: C\n"
