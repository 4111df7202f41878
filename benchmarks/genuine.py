"""A genuine kube-apiserver with etcd, started for a benchmark as envtest starts them, and a plain connection to ask by.

Source: envtest's ``APIServer`` and ``Etcd`` (flags, `/readyz` asked until it answers).
"""

from __future__ import annotations

import argparse
import http.client
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import orjson
from cryptography.hazmat.primitives import serialization

from trueup.client.access import ClusterAccess


@dataclass(frozen=True, slots=True)
class Binaries:
    """Where envtest's are."""

    kube_apiserver: str
    etcd: str

    def missing(self) -> str:
        """What is not there, in words; "" when both are."""
        absent = [
            f"{name} ({path})"
            for name, path in (("kube-apiserver", self.kube_apiserver), ("etcd", self.etcd))
            if shutil.which(path) is None
        ]
        return f"no {' and no '.join(absent)}" if absent else ""


@dataclass(frozen=True, slots=True)
class Running:
    """A cluster that answers."""

    access: ClusterAccess
    pids: tuple[int, ...] = ()
    """Of its processes, where it is not in the test's own."""


@contextmanager
def genuine(binaries: Binaries, *, durable: bool = False) -> Iterator[Running]:
    """etcd and kube-apiserver in a folder of their own, with the flags that envtest gives them.

    ``durable``: what was written is on the disk when it is answered, which envtest does without.
    """
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as processes:
        root = Path(temporary)
        keys = _keys(root / "pki")
        client, peer, secure = _free(), _free(), _free()
        running: list[subprocess.Popen[bytes]] = []
        for command in (
            [binaries.etcd, f"--data-dir={root / 'etcd'}", f"--listen-client-urls={client}",
             *([] if durable else ["--unsafe-no-fsync"]),
             f"--advertise-client-urls={client}", f"--listen-peer-urls={peer}",
             f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=default={peer}"],
            [binaries.kube_apiserver, f"--etcd-servers={client}", f"--secure-port={urlsplit(secure).port}",
             "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1",
             f"--cert-dir={root}", "--disable-admission-plugins=ServiceAccount",
             "--service-cluster-ip-range=10.0.0.0/24", "--allow-privileged=true", "--authorization-mode=RBAC",
             "--service-account-issuer=https://127.0.0.1/", *keys],
        ):  # fmt: skip
            running.append(processes.enter_context(_process(command, root / "log")))
        access = ClusterAccess(
            secure.replace("http:", "https:"),
            ca=(root / "pki" / "ca.crt").read_bytes(),
            token=(root / "pki" / "admin.token").read_text(),
        )
        _ready(access, running, root / "log")
        yield Running(access, tuple(process.pid for process in running))


def _keys(folder: Path) -> list[str]:
    """Flags with certificates and an administrator's token, as our own cluster makes them."""
    from trueup.apiserver import pki

    made = pki.prepare(folder, ["127.0.0.1", "localhost"], time.time())
    (folder / "tokens.csv").write_text(f'{made.admin_token},admin,admin,"system:masters"\n')
    signing, public = folder / "token.key", folder / "token.pub"
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    public.write_bytes(made.token_key.public_key().public_bytes(serialization.Encoding.PEM, form))
    return [
        f"--tls-cert-file={made.certificate}",
        f"--tls-private-key-file={made.key}",
        f"--client-ca-file={made.ca}",
        f"--token-auth-file={folder / 'tokens.csv'}",
        f"--service-account-key-file={public}",
        f"--service-account-signing-key-file={signing}",
    ]


@contextmanager
def _process(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program for as long as the block runs."""
    with log.open("ab") as kept:
        process = subprocess.Popen(command, stdout=kept, stderr=kept, cwd=log.parent)
    try:
        yield process
    finally:
        process.kill()  # asked to end, kube-apiserver waits for its clients; how long a stop takes is not measured
        process.wait()


def _free() -> str:
    """The URL of a port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{found.getsockname()[1]}"


def _ready(access: ClusterAccess, processes: Sequence[subprocess.Popen[bytes]], log: Path) -> None:
    """Returns when the API says that it is; raises with the log when it does not within a minute."""
    ends = time.monotonic() + 60
    while time.monotonic() < ends and all(process.poll() is None for process in processes):
        with suppress(ConnectionError, http.client.HTTPException):
            if Asking(access).ask("GET", "/readyz")[0] == 200:
                return
        time.sleep(0.02)
    raise TimeoutError(f"kube-apiserver does not get ready: {log.read_text(errors='replace')[-3000:]}")


class Asking:
    """One connection that is kept."""

    def __init__(self, access: ClusterAccess) -> None:
        context = ssl.create_default_context(cadata=access.ca.decode())
        where = urlsplit(access.server)
        self._connection = http.client.HTTPSConnection(where.hostname or "", where.port, context=context, timeout=30)
        self._headers = {"Authorization": f"Bearer {access.token}", "Content-Type": "application/json"}

    def ask(self, verb: str, path: str, body: object = None, content: str = "application/json") -> tuple[int, bytes]:
        """The status and the body of the answer."""
        sent = None if body is None else orjson.dumps(body)
        self._connection.request(verb, path, sent, self._headers | {"Content-Type": content})
        answer = self._connection.getresponse()
        return answer.status, answer.read()

    def good(self, verb: str, path: str, body: object = None, content: str = "application/json") -> bytes:
        """The body, where the answer is a good one."""
        status, said = self.ask(verb, path, body, content)
        assert status in (200, 201, 202), f"{verb} {path}: {said.decode()}"
        return said


def arguments(about: str) -> argparse.ArgumentParser:
    """Options that say where the binaries are."""
    assets = Path(os.environ.get("KUBEBUILDER_ASSETS") or "/usr/local/kubebuilder/bin")
    parser = argparse.ArgumentParser(description=about.partition("\n")[0])
    parser.add_argument("--kube-apiserver", default=str(assets / "kube-apiserver"), help="the binary to compare with")
    parser.add_argument("--etcd", default=str(assets / "etcd"), help="and its store")
    return parser
