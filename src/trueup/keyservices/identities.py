"""age identities where SOPS looks for them: the environment, files, commands, and the user's SSH keys.

Called by `services.py`. Source: SOPS, ``age/keysource.go`` (``loadIdentities``), ``age/encrypted_keys.go``.
"""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pyrage

from trueup.sops import Age, Malformed, MasterKey, NoKey, SopsProblem

Ask = Callable[[str], str]
"""Asks the user for a passphrase."""
_AGE_FILE = ("-----BEGIN AGE ENCRYPTED FILE-----", "age-encryption.org/v1")


class Identities:
    """A key service for age that looks for identities when the first key is to be opened."""

    def __init__(self, environment: Mapping[str, str], home: Path, ask: Ask | None = None) -> None:
        self._env, self._home, self._ask = environment, home, ask
        self._age: dict[str, Age] = {}
        self._wrong: list[str] = []
        self._found = False
        folder = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
        self._usual = folder / "sops" / "age" / "keys.txt"

    def open(self, key: MasterKey) -> bytes:
        """The data key. `NoKey` says where identities were looked for."""
        by_command = any(self._env.get(name) for name in ("SOPS_AGE_KEY_CMD", "SOPS_AGE_SSH_PRIVATE_KEY_CMD"))
        asked = key.name if by_command else ""  # a command may answer each recipient differently
        if asked not in self._age:
            self._wrong, self._found = [], False
            self._age[asked] = Age(self._texts(key.name))
        try:
            return self._age[asked].open(key)
        except NoKey as problem:
            wrong = "".join(f"; {told}" for told in self._wrong)
            remedy = "" if self._found else f": set SOPS_AGE_KEY_FILE, or put one into {self._usual}"
            raise NoKey(f"{problem}{remedy}{wrong}") from None

    def seal(self, key: MasterKey, part: bytes) -> str:
        """An armored file for the recipient."""
        return Age().seal(key, part)

    def _texts(self, recipient: str) -> Iterator[str]:
        """Each source's text; one that cannot be read is told, and the others are used."""
        for name, text in self._sources(recipient):
            if text is None:
                continue
            try:
                opened = self._unlocked(name, text)
                Age([opened])
            except SopsProblem as problem:
                self._wrong.append(f"{name}: {problem}")
                continue
            self._found = True
            yield opened

    def _sources(self, recipient: str) -> Iterator[tuple[str, str | None]]:
        env = self._env
        yield "SOPS_AGE_SSH_PRIVATE_KEY_FILE", self._file("SOPS_AGE_SSH_PRIVATE_KEY_FILE")
        yield "SOPS_AGE_SSH_PRIVATE_KEY_CMD", self._command("SOPS_AGE_SSH_PRIVATE_KEY_CMD", recipient)
        for name in ("id_ed25519", "id_rsa"):
            yield f"~/.ssh/{name}", self._read(f"~/.ssh/{name}", self._home / ".ssh" / name)
        yield "SOPS_AGE_KEY", _one_a_line(env.get("SOPS_AGE_KEY") or "")
        yield "SOPS_AGE_KEY_FILE", self._file("SOPS_AGE_KEY_FILE")
        yield "SOPS_AGE_KEY_CMD", self._command("SOPS_AGE_KEY_CMD", recipient)
        yield str(self._usual), self._read(str(self._usual), self._usual)

    def _file(self, variable: str) -> str | None:
        path = self._env.get(variable)
        if not path:
            return None
        if not Path(path).is_file():
            self._wrong.append(f"{variable} names {path}, which is no file")
            return None
        return self._read(variable, Path(path))

    def _read(self, name: str, path: Path) -> str | None:
        try:
            return path.read_bytes().decode("utf-8", "surrogateescape")
        except FileNotFoundError:
            return None
        except OSError as problem:
            self._wrong.append(f"{name} cannot be read: {problem.strerror}")
            return None

    def _command(self, variable: str, recipient: str) -> str | None:
        command = self._env.get(variable)
        if not command:
            return None
        try:
            done = subprocess.run(
                shlex.split(command),
                env={**self._env, "SOPS_AGE_RECIPIENT": recipient},
                capture_output=True,
                timeout=120,
                check=False,
            )
        except (OSError, ValueError, subprocess.TimeoutExpired) as problem:
            self._wrong.append(f"{variable} cannot be run: {type(problem).__name__}")
            return None
        if done.returncode:
            self._wrong.append(f"{variable} failed with exit code {done.returncode}")
            return None
        return done.stdout.decode("utf-8", "surrogateescape")

    def _unlocked(self, name: str, text: str) -> str:
        """A file that a passphrase protects, opened."""
        if text.startswith(_AGE_FILE):
            passphrase = self._passphrase(name)
            try:
                found: bytes = pyrage.passphrase.decrypt(text.encode("utf-8", "surrogateescape"), passphrase)
            except pyrage.DecryptError as problem:
                raise Malformed("the passphrase does not open it") from problem
            return found.decode("utf-8", "surrogateescape")
        if text.lstrip().startswith("-----BEGIN"):
            return _unlocked_ssh(text, lambda: self._passphrase(name))
        return text

    def _passphrase(self, name: str) -> str:
        if self._ask is None:
            raise Malformed("it is protected by a passphrase, and nobody is here to give it")
        return self._ask(f"Passphrase for {name}")


def _one_a_line(text: str) -> str | None:
    """A variable may hold several identities with spaces between them; a file has one in each line."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    return "\n".join(word for line in lines for word in line.split()) or None


def _unlocked_ssh(text: str, ask: Callable[[], str]) -> str:
    """An SSH key as text without a passphrase; age reads no other."""
    from cryptography.exceptions import UnsupportedAlgorithm  # only who has an SSH key pays for reading it
    from cryptography.hazmat.primitives import serialization

    try:
        serialization.load_ssh_private_key(text.encode(), None)
    except TypeError:  # it is encrypted, says the library
        pass
    except (ValueError, UnsupportedAlgorithm):
        return text  # in another form, which age may know
    else:
        return text
    try:
        key = serialization.load_ssh_private_key(text.encode(), ask().encode())
    except UnsupportedAlgorithm as problem:
        raise Malformed("an SSH key behind a passphrase needs the package bcrypt: pip install bcrypt") from problem
    except ValueError as problem:
        raise Malformed("the passphrase does not open the SSH key") from problem
    form = serialization.PrivateFormat.OpenSSH
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()
