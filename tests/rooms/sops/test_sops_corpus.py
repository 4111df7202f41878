"""What SOPS itself makes of encrypted files: every row of the corpus, by its own keys."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.corpora import SHARED, corpus
from trueup.sops import Age, Keys, MasterKey, NoKey, SopsProblem, decrypt, format_of

CORPORA = SHARED / "corpora"
KEYS = CORPORA / "flux-kustomize-controller" / "internal" / "controller" / "testdata" / "sops" / "keys"


class Gpg:
    """PGP by its own program, over a keyring of this test's own."""

    def __init__(self, home: Path) -> None:
        self.command = ["gpg", "--homedir", str(home), "--batch", "--quiet"]
        for file in (KEYS / "pgp.asc", CORPORA / "sops" / "pgp" / "sops_functional_tests_key.asc"):
            subprocess.run([*self.command, "--import", str(file)], check=True, capture_output=True)

    def open(self, key: MasterKey) -> bytes:
        ran = subprocess.run([*self.command, "--decrypt"], input=key.enc.encode(), capture_output=True)
        if ran.returncode:
            raise NoKey("no secret key")
        return ran.stdout


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keys]:
    """All keys of the corpus."""
    corpus("extracted/sops_decrypt.json")
    files = sorted(KEYS.glob("age*.txt"))
    age = Age(path.read_text() for path in files)
    if not shutil.which("gpg"):
        yield {"age": age}
        return
    home = tmp_path_factory.mktemp("gpg")
    home.chmod(0o700)
    yield {"age": age, "pgp": Gpg(home)}
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False)


def wrong(row: dict[str, Any], keys: Keys) -> str:
    """Why a row is not as SOPS has it; empty: it is. YAML is compared as data, everything else byte by byte."""
    form = format_of(row["file"])
    try:
        plain = decrypt((CORPORA / row["file"]).read_bytes(), form, keys).decode()
    except SopsProblem as problem:
        return f"refused: {problem}" if row["ok"] else ""
    if not row["ok"]:
        return "opened, and SOPS does not"
    if form == "yaml":
        same = list(yaml.safe_load_all(row["plaintext"])) == list(yaml.safe_load_all(plain))
    else:
        same = row["plaintext"] == plain
    return "" if same else f"differs: {plain[:200]!r}"


def test_files_decrypt_as_by_sops(keys: Keys) -> None:
    """Every file opens to what SOPS makes of it, or is refused where SOPS refuses it."""
    rows = json.loads(corpus("extracted/sops_decrypt.json").read_text())
    if "pgp" not in keys:
        rows = [row for row in rows if "BEGIN PGP" not in (CORPORA / row["file"]).read_text()]
    found = {row["file"]: why for row in rows if (why := wrong(row, keys))}
    print(
        f"sops_decrypt: {len(rows) - len(found)} of {len(rows)}",
        "" if "pgp" in keys else "(PGP: gpg is not here)",
    )
    assert not found
