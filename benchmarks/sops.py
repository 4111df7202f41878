"""What decrypting costs: Secrets of 20 values and files of every format, in the process as renders have it and by the command.

    python -m benchmarks.sops [N]

Called by `benchmarks.render`, too. Beside ``sops`` where it is installed, by CPU seconds; and beside a floor: age opening the
data key, which no program can do without.
"""

from __future__ import annotations

import json
import os
import resource
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyrage

from benchmarks.report import Row, show
from trueup.kube.documents import dump
from trueup.sops import Age, decrypt, encrypt, format_of, opened

SAMPLE = 10
"""Runs of a program."""
VALUES = 20


def rows(count: int) -> list[Row]:
    """Of each format: a file in the process; of YAML, the commands as well."""
    identity = pyrage.x25519.Identity.generate()
    recipient, keys = str(identity.to_public()), {"age": Age([str(identity)])}
    found = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "keys.txt").write_text(f"{identity}\n")
        for name, plain in files().items():
            form = format_of(name)
            now = "2026-01-01T00:00:00Z"
            sealed = encrypt(plain, form, recipients=[recipient], now=now, entropy=secrets.token_bytes)
            (folder / name).write_bytes(sealed)
            used, seconds = spent(lambda sealed=sealed, form=form: decrypt(sealed, form, keys), count)
            (key,) = opened(sealed, form, keys).metadata.keys()
            floor, _ = spent(lambda key=key: keys["age"].open(key), count)
            what = f"{1000 * seconds:.2f} ms"
            found.append(Row(f"decrypt {name}", what, used / floor, f"age opening its key {1000 * floor:.2f} ms"))
        return [*found, *commands(folder, "secret.yaml")]


def files() -> dict[str, bytes]:
    """Some of each format, with the same values."""
    values = {f"KEY_{number}": secrets.token_hex(16) for number in range(VALUES)}
    obj = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": values}
    lines = "".join(f"{key}={value}\n" for key, value in values.items())
    return {
        "secret.yaml": dump(obj).encode(),
        "secret.json": json.dumps(obj).encode(),
        "secret.env": lines.encode(),
        "secret.ini": f"[secret]\n{lines}".encode(),
        "secret.bin": lines.encode(),
    }


def commands(folder: Path, name: str) -> list[Row]:
    """`trueup sops` and ``sops`` as a user would run them, their start included."""
    environment = {**os.environ, "SOPS_AGE_KEY_FILE": str(folder / "keys.txt"), "SOPS_DISABLE_VERSION_CHECK": "1"}

    def run(*command: str) -> bytes:
        done = subprocess.run([*command, "-d", str(folder / name)], env=environment, capture_output=True, check=True)
        return done.stdout

    ours = (sys.executable, "-m", "trueup.cli.main", "sops")
    used, seconds = spent(lambda: run(*ours), SAMPLE)
    told = Row("trueup sops -d", f"{1000 * seconds:.0f} ms")
    if shutil.which("sops") is None:
        return [told, Row("sops -d", "not installed")]
    theirs, other = spent(lambda: run("sops"), SAMPLE)
    same = "the same text" if run(*ours) == run("sops") else "OTHER TEXT"
    return [
        told,
        Row("sops -d", f"{1000 * other:.0f} ms", used / theirs, f"CPU of ours by its {1000 * theirs:.0f} ms, {same}"),
    ]


def spent(work: Callable[[], object], count: int) -> tuple[float, float]:
    """CPU seconds and seconds of one, once it is warm."""
    work()
    before, begun = cpu(), time.monotonic()
    for _ in range(count):
        work()
    return (cpu() - before) / count, (time.monotonic() - begun) / count


def cpu() -> float:
    """CPU seconds of this process and of the children that ended."""
    own, below = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + below.ru_utime + below.ru_stime


if __name__ == "__main__":
    show("sops", rows(int(sys.argv[1]) if len(sys.argv) > 1 else 200))
