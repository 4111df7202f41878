"""Credentials of repositories, from Secrets labelled as Argo CD labels them, and whom to trust, from its ConfigMaps. Pure.

Called by `ask.py`. Source: Argo CD operator manual, "Declarative Setup": repositories, credential templates, project-scoped
repositories, SSH known hosts, TLS certificates; ``secretsRepositoryBackend``.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping

from trueup.families.argocd import globs
from trueup.families.argocd.types import HOME
from trueup.kube.names import Kind, Object, Ref
from trueup.ports import SourceProblem

SECRET = Kind("", "v1", "Secret")
SECRET_TYPE = "argocd.argoproj.io/secret-type"  # noqa: S105 - a label's name
_CONFIG_MAP = Kind("", "v1", "ConfigMap")
KNOWN_HOSTS = Ref(_CONFIG_MAP, HOME, "argocd-ssh-known-hosts-cm")
CERTIFICATES = Ref(_CONFIG_MAP, HOME, "argocd-tls-certs-cm")
NAMES = {
    "username": "username",
    "password": "password",
    "bearerToken": "bearerToken",
    "sshPrivateKey": "identity",
    "tlsClientCertData": "tls.crt",
    "tlsClientCertKey": "tls.key",
}
_NOT_YET = (
    "githubAppID",
    "githubAppPrivateKey",
    "gcpServiceAccountKey",
    "azureServicePrincipalClientId",
    "useAzureWorkloadIdentity",
    "proxy",
    "insecure",
    "insecureIgnoreHostKey",
)
"""Ways in that are not supported yet; saying nothing would end in a riddle, or in less care than asked for."""


def repository_secret(secrets: Iterable[Object], url: str, project: str) -> dict[str, bytes]:
    """The credentials for a URL: those of `repository_data`. Raises ``SourceProblem`` for ways in that are not supported."""
    found = repository_data(secrets, url, project)
    return credentials(found, url) if found is not None else {}


def repository_data(secrets: Iterable[Object], url: str, project: str) -> Object | None:
    """The fields for a URL: of its own repository Secret, else of the longest credential template that is its prefix.

    A Secret that names a project is that project's alone, and goes before one that names none.
    """
    wanted, own, template, longest = globs.repository(url), None, None, 0
    for secret in secrets:
        what = (secret["metadata"].get("labels") or {}).get(SECRET_TYPE)
        if what not in ("repository", "repo-creds"):
            continue
        data = secret.get("data") or {}
        known, scope = globs.repository(plain(data, "url")), plain(data, "project")
        if scope not in ("", project) or not known:
            continue
        if what == "repository" and known == wanted and _tells(data) and (own is None or scope):
            own = data
        elif what == "repo-creds" and wanted.startswith(known) and len(known) > longest:
            template, longest = data, len(known)
    return own if own is not None else template


def cluster(secret: Object) -> Iterable[str]:
    """The server and the name of the cluster that a Secret makes known."""
    if (secret["metadata"].get("labels") or {}).get(SECRET_TYPE) == "cluster":
        data = secret.get("data") or {}
        yield plain(data, "server").rstrip("/")
        yield plain(data, "name")


def repository(secret: Object) -> Iterable[str]:
    """The repository that a Secret is for."""
    if (secret["metadata"].get("labels") or {}).get(SECRET_TYPE) == "repository":
        yield globs.repository(plain(secret.get("data") or {}, "url"))


def trusted(url: str, hosts: Object | None, certificates: Object | None) -> dict[str, bytes]:
    """The host keys, or the authority, that a repository's server is to be known by; nothing: as this machine knows it."""
    normal = url.strip()
    if normal.startswith("https://"):
        host = normal.removeprefix("https://").partition("/")[0].rpartition("@")[2].partition(":")[0]
        found = ((certificates or {}).get("data") or {}).get(host)
        return {"ca.crt": str(found).encode()} if found else {}
    if normal.startswith(("http://", "file://", "git://")):
        return {}
    found = ((hosts or {}).get("data") or {}).get("ssh_known_hosts")
    return {"known_hosts": str(found).encode()} if found else {}


def _tells(data: Object) -> bool:
    """Whether a Secret says how to get in; one that does not leaves it to a template."""
    return any(data.get(name) for name in (*NAMES, *_NOT_YET))


def credentials(data: Object, url: str, names: Mapping[str, str] = NAMES) -> dict[str, bytes]:
    """A Secret's fields under the names that fetchers know them by. Raises ``SourceProblem``."""
    for name in _NOT_YET:
        if name not in names and plain(data, name) not in ("", "false", "0"):
            raise SourceProblem(
                "NotSupported", f"the repository Secret for {url} has {name}, which is not supported yet", retry=False
            )
    return {ours: base64.b64decode(data[theirs]) for theirs, ours in names.items() if data.get(theirs)}


def plain(data: Object, name: str) -> str:
    """A field that is no secret."""
    return base64.b64decode(data.get(name) or "").decode(errors="replace").strip()
