"""Key services of clouds and of Vault, made from what is known. Called by `services.py` when the first such key is met.

Sources: SOPS (environment variables), the vendors' command-line tools, kustomize-controller (``internal/sops``).
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from trueup.keyservices import azure, gcp
from trueup.keyservices.aws import Credentials, Kms, endpoint
from trueup.keyservices.aws_credentials import Chain
from trueup.keyservices.environment import Environment
from trueup.keyservices.vault import Vault
from trueup.sops import NoKey

_AZURE = "SOPS_AZURE_KEYVAULT_ENDPOINT"
"""Where all vaults are asked instead of at their own address."""


def aws(environment: Environment) -> Kms:
    """With the process's own credentials."""
    chain = Chain(environment.variables, environment.home)
    return Kms(chain, partial(endpoint, overrides=environment.variables), socket.gethostname())


def aws_by(environment: Environment, access: str, secret: str, session: str) -> Kms:
    """With these credentials."""
    credentials = Credentials(access, secret, session)
    where = partial(endpoint, overrides=environment.variables)
    return Kms(lambda _, __: credentials, where, socket.gethostname())


def google(environment: Environment) -> gcp.Gcp:
    """With the process's own credentials."""
    token = environment.get("GOOGLE_OAUTH_ACCESS_TOKEN")
    return _gcp(environment, gcp.Gcp(token=token) if token else _Google(environment))


def google_by(environment: Environment, credentials: str) -> gcp.Gcp:
    """With this key file."""
    return _gcp(environment, gcp.Gcp(gcp.read_credentials(credentials)))


def azure_of(environment: Environment) -> azure.Azure:
    """With the process's own credentials."""
    return azure_by(environment, environment.variables)


def azure_by(environment: Environment, given: Mapping[str, str]) -> azure.Azure:
    """With these credentials, by the names of Azure's variables."""
    return azure.Azure(_identity(environment, given), environment.get(_AZURE))


def vault(environment: Environment) -> Vault:
    """With the user's own token."""
    return vault_by(environment, _vault_token(environment))


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


def vault_by(environment: Environment, token: str) -> Vault:
    """With this token."""
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
