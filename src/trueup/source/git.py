"""The system's ``git`` as an async command: ask a remote for its refs, bring commits into a mirror.

Called by `fetcher`. A remote and credentials come in; refs, or a mirror that holds the commit, leave. Raises
``SourceProblem``.

What is kept out of reach: credentials travel in the environment and in private files, never on a command line or in an
error text; a password is only ever given to the host that it is for, so a redirect gains nothing; no other protocol
than the allowed ones is spoken, whatever a repository's submodules or redirects say; nobody is prompted; the
configuration of the machine and its user is not read.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shlex
import signal
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from cryptography.hazmat.primitives import serialization

from trueup.ports import SourceProblem
from trueup.source import urls
from trueup.source.refs import Refs, parse_ls_remote
from trueup.source.urls import Address

ASK_SECONDS = 30.0
FETCH_SECONDS = 300.0
_MOST_OUTPUT = 64 * 1024 * 1024

_HELPER = (
    '!f() { test "$1" = get && printf "username=%s\\npassword=%s\\n" "$TRUEUP_GIT_USER" "$TRUEUP_GIT_PASSWORD"; }; f'
)
"""A credential helper that answers from the environment; it is configured for one host only."""

_REASONS: Sequence[tuple[str, str, bool]] = (
    (r"Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED", "HostKeyNotTrusted", False),
    (r"Authentication failed|could not read (Username|Password)", "AuthenticationFailed", False),
    (r"Permission denied|HTTP 40[13]|error: 40[13]", "AuthenticationFailed", False),
    (r"not found|does not appear to be a git repository|error: 404", "RepositoryNotFound", True),
    (r"transport '.*' not allowed|protocol '.*' is not supported", "ProtocolNotAllowed", False),
    (r"Could not resolve host|Connection refused|timed out|Connection reset|unreachable", "NetworkFailed", True),
    (r"certificate|SSL|TLS", "CertificateNotTrusted", False),
    (r"couldn't find remote ref|not our ref|unadvertised object|bad object", "RevisionNotFound", True),
)


_DAMAGE = re.compile(
    r"does not point to a valid object|bad object refs/|not a git repository: |unable to read (tree|sha1)"
)
_DISK = re.compile(r"No space left|File too large|Disk quota|Permission denied|Read-only|unable to (create|write)")
"""Words about the mirror: it does not hold together, so that only a new one helps; or it cannot be written now."""


async def ask(url: str, secret: Mapping[str, bytes], protocols: frozenset[str], folder: Path) -> Refs:
    """The refs of a remote."""
    address = urls.parse(url, protocols)
    with _login(address, secret, folder, protocols) as login:
        out = await _run(["ls-remote", "--symref", "--quiet", "--", address.url], login, ASK_SECONDS)
    return parse_ls_remote(out.decode("utf-8", "replace"))


async def fetch(
    mirror: Path,
    url: str,
    wants: Sequence[str],
    secret: Mapping[str, bytes],
    protocols: frozenset[str],
    *,
    all_refs: bool,
) -> None:
    """Bring commits into a bare repository: just them without their history, or every branch and tag with it."""
    address = urls.parse(url, protocols)
    command = [f"--git-dir={mirror}", "fetch", "--quiet", "--no-tags", "--force", "--no-write-fetch-head"]
    if all_refs:
        shallow = ["--unshallow"] if (mirror / "shallow").exists() else []
        wanted = ["+refs/heads/*:refs/trueup/heads/*", "+refs/tags/*:refs/trueup/tags/*"]
        command += [*shallow, "--", address.url, *wanted]
    else:
        command += ["--depth=1", "--", address.url, *(f"{commit}:refs/trueup/commits/{commit}" for commit in wants)]
    with _login(address, secret, mirror.parent, protocols) as login:
        try:
            await _run(command, login, FETCH_SECONDS)
        except SourceProblem as problem:
            text = str(problem)
            if (_DAMAGE.search(text) or f"{mirror}/" in text) and not _DISK.search(text):
                raise SourceProblem("MirrorDamaged", text) from problem
            raise


async def repack(mirror: Path) -> None:
    """Put what many fetches brought into one file, without what no reference needs."""
    with _login(Address(str(mirror), "file"), {}, mirror.parent, frozenset()) as login:
        await _run([f"--git-dir={mirror}", "repack", "-a", "-d", "--quiet"], login, FETCH_SECONDS)


class _Login:
    """The environment of one command, and the words that must not leave in an error."""

    def __init__(self, environment: dict[str, str], secrets: Sequence[str]) -> None:
        self.environment, self.secrets = environment, [word for word in secrets if len(word) > 2]

    def redact(self, text: str) -> str:
        for word in self.secrets:
            text = text.replace(word, "***")
        return urls.safe(text)


@contextlib.contextmanager
def _login(address: Address, secret: Mapping[str, bytes], folder: Path, protocols: frozenset[str]) -> Iterator[_Login]:
    """Credentials as Flux and Argo CD name them in a Secret: see ``GitSpec.secret``."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name in ("PATH", "HOME", "SSH_AUTH_SOCK", "TMPDIR", "LD_LIBRARY_PATH") or name.lower().endswith("_proxy")
    }
    environment |= {
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",
        "GIT_ALLOW_PROTOCOL": ":".join(sorted(protocols)),
        "GIT_PROTOCOL_FROM_USER": "0",
    }
    # One file for each fetch: libgit2 reads a pack that was cut short as damaged, but a loose object for ever.
    config = {
        "gc.auto": "0",
        "fetch.unpackLimit": "1",
        "http.lowSpeedLimit": "1000",
        "http.lowSpeedTime": "30",
        "safe.directory": "*",
    }
    with tempfile.TemporaryDirectory(prefix="login-", dir=folder) as private:
        words: list[str] = []
        if address.protocol in ("https", "http"):
            words = _http_login(address, secret, Path(private), environment, config)
        elif address.protocol == "ssh":
            environment["GIT_SSH_COMMAND"] = _ssh_command(secret, Path(private))
        environment["GIT_CONFIG_COUNT"] = str(len(config))
        for at, (key, value) in enumerate(config.items()):
            environment[f"GIT_CONFIG_KEY_{at}"], environment[f"GIT_CONFIG_VALUE_{at}"] = key, value
        yield _Login(environment, words)


def _http_login(
    address: Address, secret: Mapping[str, bytes], private: Path, environment: dict[str, str], config: dict[str, str]
) -> list[str]:
    username = secret.get("username", b"").decode().strip() or address.username
    password = secret.get("password", b"").decode().strip() or address.password
    token = secret.get("bearerToken", b"").decode().strip()
    if token:
        # A header goes wherever a redirect leads, so none is followed.
        config["http.followRedirects"] = "false"
        config["http.extraHeader"] = f"Authorization: Bearer {token}"
    elif username or password:
        environment["TRUEUP_GIT_USER"] = username or "git"
        environment["TRUEUP_GIT_PASSWORD"] = password
        config[f"credential.{address.protocol}://{address.host}.helper"] = _HELPER
    for name, key in (("ca.crt", "http.sslCAInfo"), ("tls.crt", "http.sslCert"), ("tls.key", "http.sslKey")):
        if secret.get(name):
            config[key] = _private_file(private, name, secret[name])
    return [password, token]


def _ssh_command(secret: Mapping[str, bytes], private: Path) -> str:
    words = ["ssh", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "ConnectTimeout=20"]
    if secret.get("identity"):
        identity = _private_file(private, "identity", _unlocked(secret["identity"], secret.get("password", b"")))
        words += ["-i", identity, "-o", "IdentitiesOnly=yes", "-F", os.devnull]
    if secret.get("known_hosts"):
        hosts = _private_file(private, "known_hosts", secret["known_hosts"])
        words += ["-o", f"UserKnownHostsFile={hosts}", "-o", f"GlobalKnownHostsFile={os.devnull}"]
    return shlex.join(words)


def _unlocked(key: bytes, passphrase: bytes) -> bytes:
    """A private key without its passphrase: ssh would ask a person for it."""
    if not passphrase:
        return key if key.endswith(b"\n") else key + b"\n"
    load = serialization.load_ssh_private_key if b"OPENSSH" in key else serialization.load_pem_private_key
    try:
        opened = load(key, passphrase.strip())
    except (ValueError, TypeError) as problem:
        raise SourceProblem(
            "AuthenticationFailed", f"the private key cannot be opened: {problem}", retry=False
        ) from None
    return opened.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )


def _private_file(folder: Path, name: str, content: bytes) -> str:
    path = folder / name
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    return str(path)


async def _run(command: Sequence[str], login: _Login, seconds: float) -> bytes:
    process = await asyncio.create_subprocess_exec(
        "git",
        *command,
        env=login.environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,  # ssh and remote helpers end with it
        limit=_MOST_OUTPUT,
    )
    try:
        async with asyncio.timeout(seconds):
            out, err = await process.communicate()
    except TimeoutError:
        raise SourceProblem("Timeout", f"git {_verb(command)} took longer than {seconds:g} s") from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):  # it ended at that moment
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    if process.returncode:
        raise _problem(_verb(command), login.redact(err.decode("utf-8", "replace")), process.returncode)
    return out


def _verb(command: Sequence[str]) -> str:
    return next(word for word in command if not word.startswith("-"))


_TELLS = re.compile(
    r"^(fatal: (?!Could not read from remote)|error:|remote:|ERROR|ssh:)|Permission denied|Host key verification failed"
)
"""Lines that say why: git's own, and those of ssh, of which git only says that it could not read."""


def _problem(verb: str, text: str, code: int) -> SourceProblem:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = [line for line in lines if _TELLS.search(line)] or lines[-3:]
    message = f"git {verb}: " + ("; ".join(told) if told else f"ended with code {code} and no word")
    for pattern, reason, retry in _REASONS:
        if re.search(pattern, text):
            return SourceProblem(reason, message, retry=retry)
    return SourceProblem("GitOperationFailed", message)
