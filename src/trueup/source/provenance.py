"""Whether a packed chart is the one that somebody signed: its provenance file against public PGP keys, by ``gpg``.

Called by `charts`. Source: Helm's provenance files: a clear-signed message whose second document names each file with
its SHA-256.
"""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from pathlib import Path

from trueup.kube.documents import YamlProblem, parse
from trueup.ports import SourceProblem

_SECONDS = 30.0


async def verify(archive: bytes, name: str, proof: bytes, keyring: bytes) -> None:
    """Return if one of the keys signed that a file of this name has this content. Raises ``SourceProblem``."""
    with tempfile.TemporaryDirectory(prefix="trueup-gpg-") as home:
        folder = Path(home)
        (folder / "keys").write_bytes(keyring)
        (folder / "proof").write_bytes(proof)
        await _gpg(folder, "--import", str(folder / "keys"))
        said = await _gpg(folder, "--output", str(folder / "message"), "--decrypt", str(folder / "proof"))
        if b"[GNUPG:] GOODSIG " not in said or b"[GNUPG:] VALIDSIG " not in said:
            raise _failed("it is not signed by a key that is good today")  # gpg unpacks what nobody signed as readily
        message = (folder / "message").read_bytes()
    if _promised(message, name) != f"sha256:{hashlib.sha256(archive).hexdigest()}":
        raise _failed(f"sha256 sum does not match for {name}")


def _promised(message: bytes, name: str) -> str:
    try:
        documents = [document.value for document in parse(message.replace(b"\n...\n", b"\n---\n"))]
    except YamlProblem as problem:
        raise _failed(f"what was signed cannot be read: {problem}") from None
    files = documents[-1].get("files") if documents and isinstance(documents[-1], dict) else None
    if not isinstance(files, dict) or name not in files:
        raise _failed(f"provenance does not contain a SHA for a file named {name!r}")
    return str(files[name])


async def _gpg(home: Path, *arguments: str) -> bytes:
    """Run it; what it tells of signatures."""
    command = (
        "gpg", "--homedir", str(home), "--batch", "--no-tty", "--quiet", "--no-autostart", "--status-fd", "1",
        "--trust-model", "always",
    )  # fmt: skip
    try:
        process = await asyncio.create_subprocess_exec(
            *command, *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE, env={"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C"},
        )  # fmt: skip
    except FileNotFoundError:
        raise _failed("gpg is not installed, and signatures are verified by it") from None
    try:
        said, errors = await asyncio.wait_for(process.communicate(), _SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise _failed(f"gpg took longer than {_SECONDS:g} seconds") from None
    if process.returncode:
        raise _failed(errors.decode("utf-8", "replace").strip()[-500:])
    return said


def _failed(why: str) -> SourceProblem:
    return SourceProblem("VerificationFailed", f"the chart's provenance cannot be verified: {why}", retry=False)
