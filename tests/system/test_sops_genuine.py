"""Round trips with the genuine ``sops`` and ``age``: what one writes the other reads, in both directions, for every format and
every kind of key that needs no account anywhere. Skipped where they are not installed."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests import keyservers
from tests.keyservers import KeyServer, key_server
from trueup.cli.sops import sops

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(
        not (shutil.which("sops") and shutil.which("age-keygen")), reason="sops and age-keygen are not on PATH"
    ),
]
# Without inline comments, which sops moves before their line, and such after a list, which it cannot read again itself.
PLAIN: Mapping[str, str] = {
    "a.yaml": (
        "# about it\nname: web\ncount: 3\nratio: 1.5\nwhole: 2.0\non_: true\nnothing: null\nempty: \"\"\nwhen: 2026-01-31\n"
        "lines: |\n  one\n  two\nlist:\n  # of the first\n  - a\n  - b: [1, 2]\nopen_unencrypted: told\n"
        "text: \"x: #y\"\nunicode: grüße 😀\n---\nsecond: document\n"
    ),
    "a.json": '{"a": {"b": 1, "big": 9007199254740993, "c": ["ü", false, null, 1.25]}, "sign": "<&>"}',
    "a.env": "# about it\nA=1\nB=two\\nlines\nC=x=y\nEMPTY=\n",
    "a.ini": "; about it\n[one]\nkey = value\nlonger = `a;b`\n\n[two]\nx = 1\n",
    "a.bin": "any text\n\nat all",
}  # fmt: skip


@dataclass
class Both:
    """The two programs over one environment."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)

    def ours(self, *args: str, given: str | None = None) -> str:
        """By `trueup sops`, in this process."""
        done = CliRunner().invoke(sops, args, env=self._env(), input=given)
        assert done.exit_code == 0, (args, done.output, done.exception)
        return done.stdout_bytes.decode()

    def theirs(self, *args: str) -> str:
        """By ``sops``."""
        done = subprocess.run(["sops", *args], env=self._env(), cwd=self.folder, capture_output=True)
        assert done.returncode == 0, (args, done.stderr.decode())
        return done.stdout.decode()

    def _env(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH",)}
        return {**kept, "HOME": str(self.folder), "SOPS_DISABLE_VERSION_CHECK": "1", **self.env}

    def round_trip(self, name: str, *flags: str) -> None:
        """A file there and back, whoever writes and whoever reads."""
        plain, there = self.folder / name, self.folder / f"sealed-{name}"
        plain.write_text(PLAIN[name])
        for encrypt in (self.ours, self.theirs):
            there.write_text(encrypt("encrypt", *flags, str(plain)))
            mine, other = (decrypt("decrypt", str(there)) for decrypt in (self.ours, self.theirs))
            assert other == mine, encrypt


@pytest.fixture
def both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Both:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("SOPS_", "AWS_", "GOOGLE_", "VAULT_", "AZURE_"))]:
        monkeypatch.delenv(name)
    return Both(tmp_path)


def identity(both: Both, name: str = "key.txt", *flags: str) -> str:
    """A new one, in a file that both know; its recipient."""
    path = both.folder / name
    done = subprocess.run(["age-keygen", *flags, "-o", str(path)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"this age-keygen does not know {flags}")
    both.env["SOPS_AGE_KEY_FILE"] = str(path)
    found = re.search(r"public key: (\S+)", path.read_text())
    assert found
    return found[1]


@pytest.mark.parametrize("name", PLAIN)
def test_every_format(both: Both, name: str) -> None:
    """By an age key. What both decrypt is the same, byte by byte."""
    both.round_trip(name, "--age", identity(both))


@pytest.mark.parametrize(
    "flags",
    [
        ("--encrypted-regex", "^(name|list)$"),
        ("--unencrypted-regex", "^(name|list)$"),
        ("--encrypted-suffix", "me"),
        ("--unencrypted-suffix", "_"),
    ],
)
def test_every_rule(both: Both, flags: tuple[str, str]) -> None:
    """What stays open is the same, whoever encrypts."""
    recipient = identity(both)
    both.round_trip("a.yaml", "--age", recipient, *flags)
    texts = [
        re.sub(
            r"ENC\[[^]]*\]|(?s:^sops:.*?(?=^---|\Z))",
            "",
            run("encrypt", "--age", recipient, *flags, "a.yaml"),
            flags=re.M,
        )
        for run in (both.ours, both.theirs)
    ]
    assert texts[1] == texts[0]


@pytest.mark.parametrize("rule", ["encrypted_comment_regex: ENC_ME", "unencrypted_comment_regex: ^ plain"])
def test_rules_by_comments(both: Both, rule: str) -> None:
    """From a rules file; the authentication code covers encrypted values alone, where that is asked."""
    recipient = identity(both)
    (both.folder / ".sops.yaml").write_text(
        f"creation_rules:\n  - path_regex: a\\.yaml$\n    age: {recipient}\n    {rule}\n    mac_only_encrypted: true\n"
    )
    text = "# ENC_ME\na: 1\nb: 2\n# plain, this one\nc:\n  d: 3\n  # ENC_ME\n  e: [4, 5]\nf: 6\n"
    (both.folder / "a.yaml").write_text(text)
    for encrypt in (both.ours, both.theirs):
        (both.folder / "b.yaml").write_text(encrypt("encrypt", "a.yaml"))
        assert both.theirs("decrypt", "b.yaml") == both.ours("decrypt", "b.yaml")
        shown = re.findall(r"(\w+): (?!ENC)(\d)", (both.folder / "b.yaml").read_text())
        wanted = [("b", "2"), ("f", "6")] if rule.startswith("enc") else [("d", "3")]
        assert wanted == [pair for pair in shown if pair[0] in "abdf"][: len(wanted)] or rule.startswith("enc")


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_ssh_keys(both: Both, kind: str) -> None:
    """An SSH key is a recipient, and its private half an identity."""
    path = both.folder / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(path)], check=True)
    both.env["SOPS_AGE_SSH_PRIVATE_KEY_FILE"] = str(path)
    both.round_trip("a.yaml", "--age", path.with_suffix(".pub").read_text().strip())


def test_post_quantum_keys(both: Both) -> None:
    """age's hybrid keys, to which trueup encrypts, too."""
    both.round_trip("a.json", "--age", identity(both, "pq.txt", "-pq"))


@pytest.fixture
def pgp(both: Both) -> Iterator[str]:
    """A PGP key in a keyring that both know; its fingerprint."""
    if not shutil.which("gpg"):
        pytest.skip("gpg is not on PATH")
    home = both.folder / "g"
    home.mkdir(mode=0o700)
    both.env["GNUPGHOME"] = str(home)
    made = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--passphrase", ""]
    subprocess.run(
        [*made, "--quick-gen-key", "me@example.com", "rsa2048", "default", "never"], check=True, capture_output=True
    )
    listed = subprocess.run([*made, "--list-keys", "--with-colons"], check=True, capture_output=True, text=True).stdout
    fingerprint = next(line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr"))
    subprocess.run([*made, "--quick-add-key", fingerprint, "rsa2048", "encr", "never"], capture_output=True, check=True)
    yield fingerprint
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False)


def test_pgp_keys(both: Both, pgp: str) -> None:
    """By gpg, as sops itself."""
    both.round_trip("a.ini", "--pgp", pgp)


def test_vault_and_aws_and_google(both: Both) -> None:
    """By servers on this machine that both talk to; a context and a role of AWS go with its key."""
    with key_server() as server:
        configure(both, server)
        both.round_trip("a.yaml", "--hc-vault-transit", f"{server.address}/v1/transit/keys/dev")
        context = ("--encryption-context", "app:web,stage:dev")
        both.round_trip("a.json", "--kms", f"{keyservers.ARN}+{keyservers.ROLE}", *context)
        both.round_trip("a.env", "--gcp-kms", keyservers.GCP_KEY)


def configure(both: Both, server: KeyServer) -> None:
    both.env |= {
        "VAULT_TOKEN": keyservers.TOKEN,
        "AWS_ACCESS_KEY_ID": keyservers.ACCESS,
        "AWS_SECRET_ACCESS_KEY": keyservers.SECRET,
        "AWS_ENDPOINT_URL": server.address,
        "GOOGLE_OAUTH_ACCESS_TOKEN": keyservers.GOOGLE_TOKEN,
        "SOPS_GCP_KMS_ENDPOINT": server.address,
        "SOPS_GCP_KMS_CLIENT_TYPE": "rest",
    }


def test_key_groups(both: Both) -> None:
    """Two of three groups are needed; both split the data key, and both put it together from any two."""
    recipients = [identity(both, f"{number}.txt") for number in range(3)]
    groups = "".join(f"      - age: [{recipient}]\n" for recipient in recipients)
    (both.folder / ".sops.yaml").write_text(f"creation_rules:\n  - shamir_threshold: 2\n    key_groups:\n{groups}")
    (both.folder / "a.yaml").write_text("a: 1\n")
    for encrypt in (both.ours, both.theirs):
        (both.folder / "b.yaml").write_text(encrypt("encrypt", "a.yaml"))
        for left_out in range(3):
            keys = [(both.folder / f"{number}.txt").read_text() for number in range(3) if number != left_out]
            (both.folder / "two.txt").write_text("\n".join(keys))
            both.env["SOPS_AGE_KEY_FILE"] = str(both.folder / "two.txt")
            assert both.ours("decrypt", "b.yaml") == both.theirs("decrypt", "b.yaml") == "a: 1\n"


def test_a_file_that_both_change(both: Both) -> None:
    """Set, unset, rotate, keys added and removed, groups: the other reads the result each time."""
    first, second = identity(both, "1.txt"), identity(both, "2.txt")
    both.env["SOPS_AGE_KEY_FILE"] = str(both.folder / "1.txt")
    (both.folder / "a.yaml").write_text("# kept\na: 1\nb: [x, y]\n")
    for mine, other in ((both.ours, both.theirs), (both.theirs, both.ours)):
        (both.folder / "b.yaml").write_text(mine("encrypt", "--age", first, "a.yaml"))
        before = (both.folder / "b.yaml").read_text().splitlines()
        mine("set", "b.yaml", '["b"][1]', '{"c": [true, 1.5]}')
        after = (both.folder / "b.yaml").read_text().splitlines()
        assert before[:3] == after[:3]  # what was not changed is not written anew
        assert other("decrypt", "--extract", '["b"][1]["c"][1]', "b.yaml").strip() == "1.5"
        mine("unset", "b.yaml", '["a"]')
        mine("rotate", "-i", "--add-age", second, "b.yaml")
        both.env["SOPS_AGE_KEY_FILE"] = str(both.folder / "2.txt")
        mine("rotate", "-i", "--rm-age", first, "b.yaml")
        assert other("decrypt", "b.yaml") == mine("decrypt", "b.yaml")
        assert first not in (both.folder / "b.yaml").read_text()
        both.env["SOPS_AGE_KEY_FILE"] = str(both.folder / "1.txt")


def test_keys_brought_in_line_with_the_rules(both: Both) -> None:
    """By ``updatekeys``, in both directions."""
    first, second = identity(both, "1.txt"), identity(both, "2.txt")
    both.env["SOPS_AGE_KEY_FILE"] = str(both.folder / "1.txt")
    (both.folder / "a.yaml").write_text("a: 1\n")
    for mine, other in ((both.ours, both.theirs), (both.theirs, both.ours)):
        (both.folder / "b.yaml").write_text(mine("encrypt", "--age", first, "a.yaml"))
        (both.folder / ".sops.yaml").write_text(f"creation_rules:\n  - age: {first},{second}\n")
        mine("updatekeys", "-y", "b.yaml")
        both.env["SOPS_AGE_KEY_FILE"] = str(both.folder / "2.txt")
        assert other("decrypt", "b.yaml") == "a: 1\n"
        both.env["SOPS_AGE_KEY_FILE"] = str(both.folder / "1.txt")
        (both.folder / ".sops.yaml").unlink()


def test_groups_added_and_deleted(both: Both) -> None:
    """A second group makes both groups needed; without it one is enough again."""
    first, second = identity(both, "1.txt"), identity(both, "2.txt")
    keys = "\n".join((both.folder / name).read_text() for name in ("1.txt", "2.txt"))
    (both.folder / "two.txt").write_text(keys)
    both.env["SOPS_AGE_KEY_FILE"] = str(both.folder / "two.txt")
    (both.folder / "a.yaml").write_text("a: 1\n")
    for mine, other in ((both.ours, both.theirs), (both.theirs, both.ours)):
        (both.folder / "b.yaml").write_text(mine("encrypt", "--age", first, "a.yaml"))
        flags = ("--age", second, "--shamir-secret-sharing-threshold", "2")
        mine("groups", "add", "-i", "-f", "b.yaml", *flags)
        assert other("decrypt", "b.yaml") == "a: 1\n"
        one = ("--shamir-secret-sharing-threshold", "1")
        mine("groups", "delete", "-i", "-f", "b.yaml", *one, "0")
        assert other("decrypt", "b.yaml") == "a: 1\n"


def test_edited_by_both(both: Both) -> None:
    """With an editor that is a program; a new file comes from the rules."""
    recipient = identity(both)
    (both.folder / ".sops.yaml").write_text(f"creation_rules:\n  - age: {recipient}\n")
    (both.folder / "editor").write_text('#!/bin/sh\nprintf "a: 1\\nb: 2 # of b\\n" > "$1"\n')
    (both.folder / "editor").chmod(0o755)
    both.env["SOPS_EDITOR"] = str(both.folder / "editor")
    for number, (mine, other) in enumerate(((both.ours, both.theirs), (both.theirs, both.ours))):
        mine(f"new-{number}.yaml")
        assert "b: 2" in other("-d", f"new-{number}.yaml")
        (both.folder / "a.yaml").write_text("a: 3\n")
        (both.folder / "c.yaml").write_text(other("-e", "a.yaml"))
        mine("edit", "c.yaml")
        assert other("decrypt", "--output-type", "json", "c.yaml") == '{\n\t"a": 1,\n\t"b": 2\n}\n'


def test_a_file_of_any_kind_by_the_standard_input(both: Both) -> None:
    """Its formats and its rule come by the name that it would have."""
    recipient = identity(both)
    sealed = both.ours("encrypt", "--age", recipient, "--filename-override", "x.env", given="A=1\n")
    (both.folder / "x.env").write_text(sealed)
    assert (
        both.theirs("decrypt", "x.env")
        == "A=1\n"
        == both.ours("decrypt", "--input-type", "dotenv", "--output-type", "dotenv", given=sealed)
    )


@pytest.fixture
def vault(both: Both) -> Iterator[str]:
    """A genuine Vault or OpenBao for developers, with a key; its address."""
    program = shutil.which("bao") or shutil.which("vault")
    if program is None:
        pytest.skip("neither bao nor vault is on PATH")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    flags = ["server", "-dev", "-dev-root-token-id=root", f"-dev-listen-address=127.0.0.1:{port}"]
    env = {**os.environ, "HOME": str(both.folder)}
    with subprocess.Popen(
        [program, *flags], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as server:
        try:
            assert server.stdout is not None
            assert any("Root Token" in line for line in server.stdout), "it did not start"
            for path, body in (("sys/mounts/transit", b'{"type": "transit"}'), ("transit/keys/dev", b"{}")):
                asked = urllib.request.Request(f"{address}/v1/{path}", body, {"X-Vault-Token": "root"}, method="POST")
                with urllib.request.urlopen(asked):
                    pass
            yield address
        finally:
            server.kill()


def test_a_genuine_vault(both: Both, vault: str) -> None:
    """Both programs encrypt and decrypt by its transit engine; what it refuses is told in its words."""
    both.env["VAULT_TOKEN"] = "root"
    both.round_trip("a.yaml", "--hc-vault-transit", f"{vault}/v1/transit/keys/dev")
    both.env["VAULT_TOKEN"] = "wrong"
    done = CliRunner().invoke(sops, ["-d", "sealed-a.yaml"], env=both.env)
    assert (done.exit_code, "permission denied" in done.stderr) == (128, True)
