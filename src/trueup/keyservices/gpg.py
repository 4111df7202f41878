"""PGP as a key service, by the program gpg, as SOPS runs it.

Called through `services.py`. Keys are those of the user's keyring, or those of a keyring of its own that `keyring` makes and
removes. Source: SOPS, ``pgp/keysource.go``. Why the program: `docs/decisions` (pgp-by-gpg).
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from trueup.sops import MasterKey, NoKey

_SECONDS = 300
"""Somebody may be typing a passphrase."""

_COMPLAINTS = ("failed", "No secret key", "skipped", "no valid OpenPGP data")


@dataclass(frozen=True, slots=True)
class Gpg:
    """``home``: the keyring; None: the user's."""

    program: str = "gpg"
    home: Path | None = None

    def open(self, key: MasterKey) -> bytes:
        """The data key."""
        return self._run(["--decrypt"], key.enc.encode(), "decrypt")

    def seal(self, key: MasterKey, part: bytes) -> str:
        """An armored message for the key."""
        fingerprint = key.name
        if not fingerprint.rstrip("!").isalnum():
            raise NoKey("it is no fingerprint of a PGP key")
        trusted = fingerprint.rstrip("!")[-16:]
        arguments = ["--no-default-recipient", "--yes", "--encrypt", "-a", "-r", fingerprint, "--no-encrypt-to"]
        return self._run([*arguments, "--trusted-key", trusted], part, "encrypt").decode().strip()

    def add(self, armored: bytes) -> None:
        """A key for this keyring."""
        self._run(["--batch", "--import"], armored, "import")

    def _run(self, arguments: list[str], given: bytes, what: str) -> bytes:
        home = ["--homedir", str(self.home), "--batch"] if self.home is not None else []
        try:
            done = subprocess.run(
                [self.program, *home, *arguments], input=given, capture_output=True, timeout=_SECONDS, check=False
            )
        except FileNotFoundError:
            raise NoKey(
                f"the program {self.program!r} is not here: install GnuPG, or name it in SOPS_GPG_EXEC"
            ) from None
        except (OSError, subprocess.TimeoutExpired) as problem:
            raise NoKey(f"{self.program} cannot be run: {type(problem).__name__}") from None
        if done.returncode or (what != "import" and not done.stdout):
            raise NoKey(f"gpg could not {what}: {_said(done.stderr)}")
        return done.stdout


@contextmanager
def keyring(keys: Iterable[bytes], program: str = "gpg") -> Iterator[Gpg]:
    """A keyring of these armored keys alone, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="gpg-"))  # for nobody else: mode 0700
    try:
        gpg = Gpg(program, folder)
        for armored in keys:
            gpg.add(armored)
        yield gpg
    finally:
        agent = ["gpgconf", "--homedir", str(folder), "--kill", "all"]
        if shutil.which("gpgconf"):
            subprocess.run(agent, capture_output=True, timeout=30, check=False)
        shutil.rmtree(folder, ignore_errors=True)


def _said(text: bytes) -> str:
    """What gpg complains of: its last line that says something."""
    lines = [
        line.strip().removeprefix("gpg: ") for line in text.decode("utf-8", "replace").splitlines() if line.strip()
    ]
    told = [line for line in lines if any(word in line for word in _COMPLAINTS)]
    return (told or lines or ["it says nothing"])[-1][:300]
