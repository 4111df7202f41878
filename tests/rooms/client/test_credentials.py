"""Credentials that stay fresh: token files, plug-ins, certificates."""

import stat
import sys
from pathlib import Path

import pytest

from trueup.client.access import AccessProblem, ClusterAccess, ExecPlugin
from trueup.client.credentials import Credentials

V1 = "client.authentication.k8s.io/v1"


class Hands:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.time = 1_000_000.0

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds


def program(path: Path, body: str) -> str:
    """A credential plug-in that counts how often it runs."""
    path.write_text(
        f"#!{sys.executable}\nimport json, os, pathlib, sys\n"
        f"count = pathlib.Path({str(path)!r} + '.count')\n"
        "runs = int(count.read_text()) + 1 if count.exists() else 1\ncount.write_text(str(runs))\n"
        "info = json.loads(os.environ['KUBERNETES_EXEC_INFO'])\n" + body
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def answering(status: str) -> str:
    """The body of a plug-in that prints a credential."""
    return f"print(json.dumps({{'apiVersion': info['apiVersion'], 'kind': 'ExecCredential', 'status': {status}}}))"


async def test_token_files_follow_their_file(tmp_path: Path) -> None:
    """A mounted token is read again after a minute, and at once when the server refuses it."""
    clock, file = Hands(), tmp_path / "token"
    file.write_text("one\n")
    credentials = Credentials(ClusterAccess("https://x", token_file=file, token="other"), clock)
    first = await credentials.proof()
    assert first.authorization == "Bearer one"
    file.write_text("two")
    assert (await credentials.proof()).authorization == "Bearer one"
    clock.time += 61
    second = await credentials.proof()
    assert second.authorization == "Bearer two"
    file.write_text("three")
    assert credentials.refused(second)
    assert (await credentials.proof()).authorization == "Bearer three"


async def test_fixed_credentials_cannot_be_renewed() -> None:
    """A token, a password and nothing at all stay what they are."""
    for access, expected in (
        (ClusterAccess("https://x", token="t"), "Bearer t"),
        (ClusterAccess("https://x", username="bob", password="pw"), "Basic Ym9iOnB3"),
        (ClusterAccess("https://x"), ""),
    ):
        credentials = Credentials(access, Hands())
        proof = await credentials.proof()
        assert proof.authorization == expected
        assert not credentials.refused(proof)


async def test_a_plugin_runs_until_its_answer_expires(tmp_path: Path) -> None:
    """It is kept until shortly before its end, then asked again."""
    clock = Hands()
    status = "{'token': f'run-{runs}', 'expirationTimestamp': '1970-01-12T14:46:40Z'}"
    command = program(tmp_path / "login", answering(status))
    credentials = Credentials(ClusterAccess("https://x", exec=ExecPlugin(command, V1)), clock)
    assert [(await credentials.proof()).authorization for _ in range(3)] == ["Bearer run-1"] * 3
    clock.time += 3595
    assert (await credentials.proof()).authorization == "Bearer run-2"


async def test_a_plugin_gets_what_it_asks_for(tmp_path: Path) -> None:
    """Arguments, environment and the cluster; a certificate comes back."""
    said = "'|'.join([sys.argv[1], os.environ['A'], info['spec']['cluster']['server']])"
    command = program(tmp_path / "login", answering(f"{{'clientCertificateData': {said}, 'clientKeyData': 'KEY'}}"))
    plugin = ExecPlugin(command, V1, ("get",), (("A", "b"),), cluster={"server": "https://c"})
    proof = await Credentials(ClusterAccess("https://x", exec=plugin), Hands()).proof()
    assert (proof.certificate, proof.key, proof.authorization) == (b"get|b|https://c", b"KEY", "")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("print('hello')", "printed no ExecCredential"),
        ("print('[]')", "printed no ExecCredential"),
        (answering("{}"), "neither a token nor a certificate"),
        ("sys.exit('log in first')", "log in first"),
        ("print(json.dumps({'apiVersion': 'other/v1', 'status': {'token': 't'}}))", "other/v1"),
    ],
)
async def test_a_plugin_that_fails_says_why(tmp_path: Path, body: str, message: str) -> None:
    """The error names the program and its own words."""
    command = program(tmp_path / "login", body)
    with pytest.raises(AccessProblem, match=message):
        await Credentials(ClusterAccess("https://x", exec=ExecPlugin(command, V1)), Hands()).proof()


async def test_a_plugin_that_is_not_there_tells_its_hint() -> None:
    """``installHint`` is for people."""
    plugin = ExecPlugin("/no/such/login", V1, hint="install login from the intranet")
    with pytest.raises(AccessProblem, match="from the intranet"):
        await Credentials(ClusterAccess("https://x", exec=plugin), Hands()).proof()
