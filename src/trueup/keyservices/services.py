"""The key services that some credentials allow, put together.

Called by `trueup sops` with the user's environment, and through a port by families that decrypt with what a Secret holds.
Sources: SOPS (environment variables), kustomize-controller (``internal/decryptor``, ``internal/sops``).
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from trueup.keyservices import azure, gcp
from trueup.keyservices.aws import Credentials, Kms, endpoint
from trueup.keyservices.aws_credentials import Chain
from trueup.keyservices.gpg import Gpg, keyring
from trueup.keyservices.identities import Ask, Identities
from trueup.keyservices.vault import Vault
from trueup.ports import KeyMaterial
from trueup.sops import Age, Keys, MasterKey, NoKey


@dataclass(frozen=True, slots=True)
class Environment:
    """Where a process looks for its credentials."""

    variables: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    home: Path = field(default_factory=Path.home)

    def get(self, name: str) -> str:
        return self.variables.get(name) or ""


def from_environment(environment: Environment, ask: Ask | None = None) -> Keys:
    """All services, with the user's own credentials, as SOPS has them. ``ask`` asks him for a passphrase."""
    return {
        "age": Identities(environment.variables, environment.home, ask),
        "pgp": Gpg(environment.get("SOPS_GPG_EXEC") or "gpg"),
        "hc_vault": _vault(environment, _vault_token(environment)),
        **_clouds(environment),
    }


ServicesOf = Callable[[KeyMaterial], AbstractContextManager[Keys]]


@contextmanager
def from_material(environment: Environment, material: KeyMaterial) -> Iterator[Keys]:
    """The services that a Secret has keys for. Clouds may know the process itself; its own keyring, its age identities and
    its Vault token are not for what others wrote."""
    services = dict(_clouds(environment))
    if material.workload_identity:
        services = {name: _Refused(material.workload_identity) for name in services}
    if material.aws:
        credentials = Credentials(*material.aws)
        services["kms"] = Kms(lambda _, __: credentials, partial(endpoint, overrides=environment.variables))
    if material.gcp:
        services["gcp_kms"] = _gcp(environment, gcp.Gcp(gcp.read_credentials(material.gcp)))
    if material.azure:
        services["azure_kv"] = azure.Azure(_identity(environment, material.azure), environment.get(_AZURE))
    vault = _vault(environment, material.vault_token)
    program = environment.get("SOPS_GPG_EXEC") or "gpg"
    found: Keys = {**services, "age": Age(material.age), "hc_vault": vault}
    if not material.pgp:
        yield {**found, "pgp": _Refused("there is no PGP key: none of the Secret's entries ends in .asc")}
        return
    with keyring(material.pgp, program) as gpg:
        yield {**found, "pgp": gpg}


@dataclass(frozen=True, slots=True)
class _Refused:
    """A service that is not to be had, and why."""

    why: str

    def open(self, key: MasterKey) -> bytes:
        raise NoKey(self.why)

    def seal(self, key: MasterKey, part: bytes) -> str:
        raise NoKey(self.why)


_AZURE = "SOPS_AZURE_KEYVAULT_ENDPOINT"
"""Where all vaults are asked instead of at their own address."""


def _clouds(environment: Environment) -> Keys:
    env = environment
    token = env.get("GOOGLE_OAUTH_ACCESS_TOKEN")
    host = socket.gethostname()
    return {
        "kms": Kms(Chain(env.variables, env.home), partial(endpoint, overrides=env.variables), host),
        "gcp_kms": _gcp(env, _Google(env) if not token else gcp.Gcp(token=token)),
        "azure_kv": azure.Azure(_identity(env, env.variables), env.get(_AZURE)),
    }


def _gcp(environment: Environment, service: gcp.Gcp) -> gcp.Gcp:
    domain = environment.get("SOPS_GCP_KMS_UNIVERSE_DOMAIN")
    told = environment.get("SOPS_GCP_KMS_ENDPOINT") or (f"https://cloudkms.{domain}" if domain else "")
    if told:
        service.endpoint = told if "://" in told else f"https://{told}"
    return service


class _Google(gcp.Gcp):
    """Credentials are read when they are needed: a file that is wrong spoils nothing for who has no key there."""

    def __init__(self, environment: Environment) -> None:
        host = environment.get("GCE_METADATA_HOST") or "metadata.google.internal"
        super().__init__(metadata=f"http://{host}")
        self._environment, self._looked = environment, False

    def _access(self) -> str:
        if not self._looked:
            self.credentials, self._looked = self._found(), True
        return super()._access()

    def _found(self) -> Mapping[str, object] | None:
        env = self._environment
        given = env.get("GOOGLE_CREDENTIALS")
        if given.lstrip().startswith("{"):
            return gcp.read_credentials(given)
        own = env.home / ".config" / "gcloud" / "application_default_credentials.json"
        path = Path(given or env.get("GOOGLE_APPLICATION_CREDENTIALS") or own)
        if path == own and not path.is_file():
            return None
        try:
            return gcp.read_credentials(path.read_text())
        except (OSError, UnicodeDecodeError):
            raise NoKey(f"the Google credentials in {path} cannot be read") from None


def _identity(environment: Environment, given: Mapping[str, str]) -> azure.Identity:
    """By the variables of Azure's SDKs; a Secret's entries come under the same names."""
    pem, file = given.get("AZURE_CLIENT_CERTIFICATE"), given.get("AZURE_CLIENT_CERTIFICATE_PATH")
    federated = given.get("AZURE_FEDERATED_TOKEN_FILE")
    by_file = partial(_text, Path(file), "AZURE_CLIENT_CERTIFICATE_PATH") if file else None
    return azure.Identity(
        tenant=given.get("AZURE_TENANT_ID") or "",
        client=given.get("AZURE_CLIENT_ID") or "",
        secret=given.get("AZURE_CLIENT_SECRET") or "",
        certificate=(lambda: str(pem)) if pem else by_file,
        password=given.get("AZURE_CLIENT_CERTIFICATE_PASSWORD") or "",
        federated=partial(_text, Path(federated), "AZURE_FEDERATED_TOKEN_FILE") if federated else None,
        authority=given.get("AZURE_AUTHORITY_HOST") or environment.get("AZURE_AUTHORITY_HOST") or azure.AUTHORITY,
        metadata=environment.get("AZURE_POD_IDENTITY_AUTHORITY_HOST") or azure.METADATA,
    )


def _text(path: Path, variable: str) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        raise NoKey(f"the file that {variable} names cannot be read") from None


def _vault(environment: Environment, token: str) -> Vault:
    allowed = environment.get("SOPS_HC_VAULT_ALLOWLIST") or "all"
    if allowed in ("all", "none"):
        addresses: tuple[str, ...] | None = None if allowed == "all" else ()
    else:
        addresses = tuple(f"{one.strip().rstrip('/')}/" for one in allowed.split(",") if one.strip())
    return Vault(token, environment.get("VAULT_NAMESPACE"), addresses, _tls(environment))


def _vault_token(environment: Environment) -> str:
    if token := environment.get("VAULT_TOKEN"):
        return token
    try:
        return (environment.home / ".vault-token").read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _tls(environment: Environment) -> ssl.SSLContext | None:
    """Vault's own variables for its servers' certificates."""
    file, folder = environment.get("VAULT_CACERT"), environment.get("VAULT_CAPATH")
    unverified = environment.get("VAULT_SKIP_VERIFY").lower() in ("1", "t", "true")
    if not (file or folder or unverified):
        return None
    try:
        context = ssl.create_default_context(cafile=file or None, capath=folder or None)
    except (OSError, ssl.SSLError):
        raise NoKey("the certificates that VAULT_CACERT or VAULT_CAPATH name cannot be read") from None
    if unverified:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
