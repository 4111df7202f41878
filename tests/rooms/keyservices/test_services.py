"""Servers and programs that hold keys: what is asked of them, what comes back, and what is told when nothing does."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyrage
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from tests import keyservers
from tests.keyservers import ARN, GCP_KEY, ROLE, KeyServer, key_server
from trueup.keyservices import Environment, from_environment, from_material
from trueup.keyservices.aws import Credentials, signature
from trueup.keyservices.factories import azure_of
from trueup.ports import KeyMaterial
from trueup.sops import MasterKey, NoKey, naming

DATA_KEY = bytes(range(32))
HUSH = (keyservers.TOKEN, keyservers.SECRET, keyservers.GOOGLE_TOKEN, keyservers.AZURE_TOKEN, keyservers.AZURE_SECRET)
AWS = {"AWS_ACCESS_KEY_ID": keyservers.ACCESS, "AWS_SECRET_ACCESS_KEY": keyservers.SECRET}
AZURE = {"AZURE_TENANT_ID": "tenant", "AZURE_CLIENT_ID": "client", "AZURE_CLIENT_SECRET": keyservers.AZURE_SECRET}
AZURE_KEY = f"{keyservers.AZURE_VAULT}/keys/{keyservers.AZURE_NAME}/{keyservers.AZURE_VERSION}"


@pytest.fixture
def server() -> Iterator[KeyServer]:
    with key_server() as found:
        yield found


@pytest.fixture
def at(server: KeyServer, tmp_path: Path) -> Callable[..., Environment]:
    """An environment where every service is the server's, with some variables more."""
    where = {
        "AWS_ENDPOINT_URL": server.address,
        "AWS_EC2_METADATA_DISABLED": "true",
        "SOPS_GCP_KMS_ENDPOINT": server.address,
        "GCE_METADATA_HOST": "127.0.0.1:9",
        "SOPS_AZURE_KEYVAULT_ENDPOINT": server.address,
        "AZURE_AUTHORITY_HOST": server.address,
        "AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://127.0.0.1:9",
    }
    return lambda **more: Environment({**where, **more}, tmp_path)


def there_and_back(environment: Environment, key: MasterKey) -> None:
    """A data key, sealed and opened."""
    service = from_environment(environment)[key.service]
    sealed = key.sealed(service.seal(key, DATA_KEY), "2026-01-01T00:00:00Z")
    assert DATA_KEY not in base64.b64decode(sealed.enc.rpartition(":")[2] + "==", altchars=b"-_")
    assert service.open(sealed) == DATA_KEY


def refused(environment: Environment, key: MasterKey) -> str:
    """Why a key is not opened; no secret is in it."""
    with pytest.raises(NoKey) as caught:
        from_environment(environment)[key.service].open(key.sealed("AAAA", ""))
    assert not any(hush in str(caught.value) for hush in HUSH)
    return str(caught.value)


# --- Vault -----------------------------------------------------------------------------------------------------------


def test_vault(server: KeyServer, at: Callable[..., Environment]) -> None:
    """By a token of the environment, or of the file that `vault login` writes; the namespace goes along."""
    key = naming.vault(f"{server.address}/v1/transit/keys/dev")
    there_and_back(at(VAULT_TOKEN=keyservers.TOKEN, VAULT_NAMESPACE="team"), key)
    assert {headers.get("x-vault-namespace") for _, _, headers in server.asked} == {"team"}
    environment = at()
    (environment.home / ".vault-token").write_text(f"{keyservers.TOKEN}\n")
    there_and_back(environment, key)


def test_vault_refuses(server: KeyServer, at: Callable[..., Environment]) -> None:
    """Its own words are told; the token goes nowhere that the allow-list does not name."""
    key = naming.vault(f"{server.address}/v1/transit/keys/dev")
    assert "there is no Vault token: set VAULT_TOKEN" in refused(at(), key)
    assert "403 permission denied" in refused(at(VAULT_TOKEN="s.wrong"), key)
    other = naming.vault(f"{server.address}/v1/transit/keys/other")
    assert "400 encryption key not found" in refused(at(VAULT_TOKEN=keyservers.TOKEN), other)
    asked = len(server.asked)
    for allowed in ("none", "https://vault.example.com", server.address[:-1]):
        told = refused(at(VAULT_TOKEN=keyservers.TOKEN, SOPS_HC_VAULT_ALLOWLIST=allowed), key)
        assert f"SOPS_HC_VAULT_ALLOWLIST does not allow {server.address}" == told
    assert asked == len(server.asked)
    there_and_back(at(VAULT_TOKEN=keyservers.TOKEN, SOPS_HC_VAULT_ALLOWLIST=f"https://x, {server.address}/"), key)


def test_who_does_not_answer_is_named(at: Callable[..., Environment]) -> None:
    """By its address."""
    key = naming.vault("http://127.0.0.1:9/v1/transit/keys/dev")
    assert refused(at(VAULT_TOKEN=keyservers.TOKEN), key).startswith("http://127.0.0.1:9 cannot be asked:")


# --- AWS -------------------------------------------------------------------------------------------------------------


def test_a_request_is_signed() -> None:
    """As the published example of a POST is."""
    credentials = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    now = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
    sent = signature("service", "us-east-1", credentials, "https://example.amazonaws.com/", {}, b"", now)
    assert sent["Authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        "SignedHeaders=host;x-amz-date, "
        "Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"
    )


def test_aws(server: KeyServer, at: Callable[..., Environment]) -> None:
    """With its context and its role; a data key of another context is not opened."""
    there_and_back(at(**AWS), naming.kms(ARN))
    key = naming.kms(f"{ARN}+{ROLE}", {"app": "web"})
    there_and_back(at(**AWS), key)
    assert server.asked[-1][2]["x-amz-security-token"] == keyservers.SESSION
    sealed = from_environment(at(**AWS))["kms"].seal(key, DATA_KEY)
    told = refused_enc(at(**AWS), naming.kms(ARN, {"app": "other"}), sealed)
    assert told == "AWS KMS refused to decrypt: 400 InvalidCiphertextException"


def refused_enc(environment: Environment, key: MasterKey, enc: str) -> str:
    with pytest.raises(NoKey) as caught:
        from_environment(environment)[key.service].open(key.sealed(enc, ""))
    return str(caught.value)


@pytest.mark.parametrize(
    ("config", "credentials", "profile"),
    [
        ("", "[default]\naws_access_key_id = {access}\naws_secret_access_key = {secret}\n", ""),
        ("[profile p]\nregion = eu-west-1\n", "[p]\naws_access_key_id = {access}\naws_secret_access_key = {secret}\n", "p"),
        ("[profile p]\nrole_arn = {role}\nsource_profile = q\n",
         "[q]\naws_access_key_id = {access}\naws_secret_access_key = {secret}\n", "p"),
        ("[profile p]\ncredential_process = echo '{json}'\n", "", "p"),
        ("[profile p]\nrole_arn = {role}\nweb_identity_token_file = {token}\n", "", "p"),
    ],
    ids=["default", "named", "role", "process", "web identity"],
)  # fmt: skip
def test_profiles_of_aws(at: Callable[..., Environment], config: str, credentials: str, profile: str) -> None:
    """As AWS's own tools read them."""
    environment = at()
    folder = environment.home / ".aws"
    folder.mkdir()
    (folder / "token").write_text("a token")
    given = {"AccessKeyId": keyservers.ACCESS, "SecretAccessKey": keyservers.SECRET, "Version": 1}
    known: Mapping[str, str] = {
        "access": keyservers.ACCESS, "secret": keyservers.SECRET, "role": ROLE, "json": json.dumps(given),
        "token": str(folder / "token"),
    }  # fmt: skip
    for name, text in (("config", config), ("credentials", credentials)):
        for word, value in known.items():
            text = text.replace(f"{{{word}}}", value)
        (folder / name).write_text(text)
    there_and_back(environment, naming.kms(ARN, profile=profile))


def test_aws_refuses(server: KeyServer, at: Callable[..., Environment]) -> None:
    """What is missing is named, with where it belongs."""
    assert "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in refused(at(), naming.kms(ARN))
    assert "there is no AWS profile 'p'" in refused(at(), naming.kms(ARN, profile="p"))
    assert "it is no ARN of a key" in refused(at(**AWS), naming.kms("alias/x"))
    wrong = {**AWS, "AWS_SECRET_ACCESS_KEY": "wrong"}
    assert (
        refused(at(**wrong), naming.kms(ARN)) == "AWS KMS refused to decrypt: 400 AccessDeniedException: not authorized"
    )
    told = refused(at(**AWS), naming.kms(f"{ARN}+arn:aws:iam::1:role/other"))
    assert "AWS does not let arn:aws:iam::1:role/other be assumed: 403 AccessDenied" in told
    circle = at()
    (circle.home / ".aws").mkdir()
    (circle.home / ".aws" / "config").write_text(f"[profile p]\nrole_arn = {ROLE}\nsource_profile = p\n")
    assert "name each other in a circle" in refused(circle, naming.kms(ARN, profile="p"))


# --- Google and Azure --------------------------------------------------------------------------------------------------


def service_account(server: KeyServer) -> dict[str, Any]:
    pem = server.google.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {
        "type": "service_account",
        "client_email": "me@p.iam.gserviceaccount.com",
        "private_key_id": "1",
        "private_key": pem.decode(),
        "token_uri": f"{server.address}/token",
    }


def test_google(server: KeyServer, at: Callable[..., Environment], tmp_path: Path) -> None:
    """By an access token, by a service account's key as a file or a text, or by a user's refresh token."""
    key = naming.gcp(GCP_KEY)
    there_and_back(at(GOOGLE_OAUTH_ACCESS_TOKEN=keyservers.GOOGLE_TOKEN), key)
    account = json.dumps(service_account(server))
    there_and_back(at(GOOGLE_CREDENTIALS=account), key)
    (tmp_path / "account.json").write_text(account)
    there_and_back(at(GOOGLE_APPLICATION_CREDENTIALS=str(tmp_path / "account.json")), key)
    user = {"type": "authorized_user", "refresh_token": "refresh", "token_uri": f"{server.address}/token"}
    there_and_back(at(GOOGLE_CREDENTIALS=json.dumps(user)), key)
    assert (
        sum(path == "/token" for _, path, _ in server.asked) == 3
    )  # one for each; a token is used as long as it is good


def test_google_refuses(at: Callable[..., Environment]) -> None:
    """What is missing or wrong is named."""
    key = naming.gcp(GCP_KEY)
    assert "403 Permission denied" in refused(at(GOOGLE_OAUTH_ACCESS_TOKEN="wrong"), key)
    assert "the Google credentials are no JSON" in refused(at(GOOGLE_CREDENTIALS="{hush"), key)
    assert "credentials of type 'external_account' are not supported" in refused(
        at(GOOGLE_CREDENTIALS='{"type": "external_account"}'), key
    )
    other = MasterKey("gcp_kms", "../../x", "", {})
    assert "it is no resource ID" in refused(at(GOOGLE_OAUTH_ACCESS_TOKEN=keyservers.GOOGLE_TOKEN), other)


def test_azure(server: KeyServer, at: Callable[..., Environment], tmp_path: Path) -> None:
    """By a secret, a certificate, or a federated token; one access token serves as long as it is good."""
    key = naming.azure(AZURE_KEY)
    there_and_back(at(**AZURE), key)
    (tmp_path / "token").write_text("federated")
    named = {"AZURE_TENANT_ID": "tenant", "AZURE_CLIENT_ID": "client"}
    there_and_back(at(**named, AZURE_FEDERATED_TOKEN_FILE=str(tmp_path / "token")), key)
    (tmp_path / "pem").write_text(certificate())
    there_and_back(at(**named, AZURE_CLIENT_CERTIFICATE_PATH=str(tmp_path / "pem")), key)
    assert sum(path.endswith("/token") for _, path, _ in server.asked) == 3


def certificate() -> str:
    private = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "me")])
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    built = x509.CertificateBuilder(name, name, private.public_key(), 1, begin, begin + timedelta(days=9000))
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return (pem + built.sign(private, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)).decode()


def test_a_key_of_azure_without_a_version(server: KeyServer, at: Callable[..., Environment]) -> None:
    """Its newest is looked up."""
    service = azure_of(at(**AZURE))
    assert service.version(keyservers.AZURE_VAULT, keyservers.AZURE_NAME) == keyservers.AZURE_VERSION


def test_azure_refuses(server: KeyServer, at: Callable[..., Environment]) -> None:
    """A token is sent over TLS alone."""
    key = naming.azure(AZURE_KEY)
    wrong = {**AZURE, "AZURE_CLIENT_SECRET": "wrong"}
    assert "401 AADSTS7000215: Invalid client secret." in refused(at(**wrong), key)
    server.refusing = True
    assert "403 The policy does not allow it." in refused(at(**AZURE), key)
    asked = len(server.asked)
    plain = MasterKey("azure_kv", "name", "", {"vault_url": "http://vault.vault.azure.net", "version": "1"})
    assert "it must begin with https://" in refused(at(**AZURE), plain)
    assert asked == len(server.asked)


# --- age and PGP -------------------------------------------------------------------------------------------------------


def test_identities_are_looked_for_in_many_places(at: Callable[..., Environment], tmp_path: Path) -> None:
    """Variables, files, commands, SSH keys; one that is wrong does not spoil the others, and is told when none fits."""
    identity = pyrage.x25519.Identity.generate()
    key, text = naming.age(str(identity.to_public())), f"# mine\n{identity}\n"
    (tmp_path / "keys").write_text(text)
    (tmp_path / "wrong").write_text("AGE-SECRET-KEY-1HUSH")
    there_and_back(at(SOPS_AGE_KEY=text), key)
    there_and_back(at(SOPS_AGE_KEY=f"{pyrage.x25519.Identity.generate()}\n# and mine\n{identity}"), key)
    there_and_back(at(SOPS_AGE_KEY=f"{pyrage.x25519.Identity.generate()} {identity}"), key)
    there_and_back(at(SOPS_AGE_KEY_FILE=str(tmp_path / "keys"), SOPS_AGE_KEY="AGE-SECRET-KEY-1HUSH"), key)
    there_and_back(at(SOPS_AGE_KEY_CMD=f"cat {tmp_path / 'keys'}"), key)
    told = refused(at(SOPS_AGE_KEY_FILE=str(tmp_path / "wrong"), SOPS_AGE_KEY_CMD="false"), key)
    assert "SOPS_AGE_KEY_FILE: line 1 is no age identity" in told
    assert "SOPS_AGE_KEY_CMD failed with exit code 1" in told
    assert "HUSH" not in told
    usual = tmp_path / ".config" / "sops" / "age"
    assert f"set SOPS_AGE_KEY_FILE, or put one into {usual}/keys.txt" in refused(at(), key)
    usual.mkdir(parents=True)
    (usual / "keys.txt").write_text(text)
    there_and_back(at(), key)


def test_an_identity_behind_a_passphrase(tmp_path: Path) -> None:
    """It is asked for, for age's own files and for SSH keys; without anybody to ask that is told."""
    identity = pyrage.x25519.Identity.generate()
    path = tmp_path / "keys.age"
    path.write_bytes(pyrage.passphrase.encrypt(str(identity).encode(), "open sesame"))
    environment, key = Environment({"SOPS_AGE_KEY_FILE": str(path)}, tmp_path), naming.age(str(identity.to_public()))
    sealed = key.sealed(from_environment(environment)["age"].seal(key, DATA_KEY), "")
    assert from_environment(environment, lambda _: "open sesame")["age"].open(sealed) == DATA_KEY
    with pytest.raises(NoKey, match="the passphrase does not open it"):
        from_environment(environment, lambda _: "wrong")["age"].open(sealed)
    with pytest.raises(NoKey, match="it is protected by a passphrase, and nobody is here to give it"):
        from_environment(environment)["age"].open(sealed)


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not on PATH")
def test_an_ssh_key_behind_a_passphrase(tmp_path: Path) -> None:
    """The user's own, in its usual place."""
    pytest.importorskip("bcrypt", reason="bcrypt is not installed, by which such keys are opened")
    (tmp_path / ".ssh").mkdir()
    path = tmp_path / ".ssh" / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "open sesame", "-f", str(path)], check=True)
    key, environment = naming.age(path.with_suffix(".pub").read_text()), Environment({}, tmp_path)
    sealed = key.sealed(from_environment(environment)["age"].seal(key, DATA_KEY), "")
    assert from_environment(environment, lambda _: "open sesame")["age"].open(sealed) == DATA_KEY


@pytest.mark.skipif(shutil.which("gpg") is None, reason="gpg is not on PATH")
def test_pgp_keys_of_a_secret(tmp_path: Path) -> None:
    """In a keyring of their own, which is gone afterwards; the user's keyring is not touched."""
    home = tmp_path / "g"
    home.mkdir(mode=0o700)
    gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--passphrase", ""]
    subprocess.run([*gpg, "--quick-gen-key", "me@example.com", "future-default", "default", "never"], check=True,
                   capture_output=True)  # fmt: skip
    listed = subprocess.run([*gpg, "--list-keys", "--with-colons"], check=True, capture_output=True, text=True).stdout
    key = naming.pgp(next(line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr")))
    armored = subprocess.run([*gpg, "--export-secret-keys", "-a"], check=True, capture_output=True).stdout
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False)
    environment = Environment({}, tmp_path)
    with from_material(environment, KeyMaterial(pgp=(armored,))) as keys:
        sealed = key.sealed(keys["pgp"].seal(key, DATA_KEY), "")
        assert keys["pgp"].open(sealed) == DATA_KEY
        folder = keys["pgp"].home  # type: ignore[attr-defined]
        assert folder.exists()
        assert "BEGIN PGP MESSAGE" in sealed.enc
    assert not folder.exists()
    with from_material(environment, KeyMaterial()) as keys, pytest.raises(NoKey, match="there is no PGP key"):
        keys["pgp"].open(sealed)
    with pytest.raises(NoKey, match="gpg could not import"), from_material(environment, KeyMaterial(pgp=(b"x",))):
        pass


def test_a_program_that_is_not_here(tmp_path: Path) -> None:
    """It is named, with what to do."""
    told = refused(Environment({"SOPS_GPG_EXEC": "no-such-gpg"}, tmp_path), naming.pgp("AB" * 20))
    assert told == "the program 'no-such-gpg' is not here: install GnuPG, or name it in SOPS_GPG_EXEC"


def test_what_others_wrote_gets_no_token_of_the_process(server: KeyServer, at: Callable[..., Environment]) -> None:
    """Its Vault token and its identities open nothing for the keys of a Secret; clouds are asked, unless a workload is."""
    environment = at(VAULT_TOKEN=keyservers.TOKEN, SOPS_AGE_KEY=str(pyrage.x25519.Identity.generate()), **AWS)
    key = naming.vault(f"{server.address}/v1/transit/keys/dev").sealed("vault:v1:AA", "")
    with from_material(environment, KeyMaterial()) as keys:
        with pytest.raises(NoKey, match="there is no Vault token"):
            keys["hc_vault"].open(key)
        assert keys["kms"].seal(naming.kms(ARN), DATA_KEY)
    workload = KeyMaterial(workload_identity="not supported")
    with from_material(environment, workload) as keys, pytest.raises(NoKey, match="not supported"):
        keys["kms"].seal(naming.kms(ARN), DATA_KEY)
