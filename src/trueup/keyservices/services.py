"""The key services that some credentials allow, put together.

Called by `trueup sops` with the user's environment, and through a port by families that decrypt with what a Secret holds. What a
service needs is read when it is first asked: most files have age keys alone.
Sources: SOPS (``keyservice``), kustomize-controller (``internal/decryptor``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import ModuleType

from trueup.keyservices.environment import Environment
from trueup.keyservices.gpg import Gpg, keyring
from trueup.keyservices.identities import Ask, Identities
from trueup.ports import KeyMaterial
from trueup.sops import Age, Keys, KeyService, MasterKey, NoKey


@dataclass(slots=True)
class Later:
    """A service that is made when it is first asked."""

    make: Callable[[], KeyService]
    _made: KeyService | None = field(default=None, init=False)

    def service(self) -> KeyService:
        """The service itself."""
        if self._made is None:
            self._made = self.make()
        return self._made

    def open(self, key: MasterKey) -> bytes:
        """The data key."""
        return self.service().open(key)

    def seal(self, key: MasterKey, part: bytes) -> str:
        """What is written for the key."""
        return self.service().seal(key, part)


@dataclass(frozen=True, slots=True)
class Refused:
    """A service that is not to be had, and why."""

    why: str

    def open(self, key: MasterKey) -> bytes:
        """Nothing."""
        raise NoKey(self.why)

    def seal(self, key: MasterKey, part: bytes) -> str:
        """Nothing."""
        raise NoKey(self.why)


def from_environment(environment: Environment, ask: Ask | None = None) -> Keys:
    """All services, with the user's own credentials, as SOPS has them. ``ask`` asks him for a passphrase."""
    return {
        "age": Identities(environment.variables, environment.home, ask),
        "pgp": Gpg(environment.get("SOPS_GPG_EXEC") or "gpg"),
        "hc_vault": Later(lambda: _factories().vault(environment)),
        **_clouds(environment),
    }


@contextmanager
def from_material(environment: Environment, material: KeyMaterial) -> Iterator[Keys]:
    """The services that a Secret has keys for. Clouds may know the process itself; its own keyring, its age identities and
    its Vault token are not for what others wrote."""
    services: dict[str, KeyService] = dict(_clouds(environment))
    if why := material.workload_identity:
        services = {name: Refused(why) for name in services}
    if aws := material.aws:
        services["kms"] = Later(lambda: _factories().aws_by(environment, *aws))
    if material.gcp:
        services["gcp_kms"] = Later(lambda: _factories().google_by(environment, material.gcp))
    if material.azure:
        services["azure_kv"] = Later(lambda: _factories().azure_by(environment, material.azure))
    services["age"] = Age(material.age)
    services["hc_vault"] = Later(lambda: _factories().vault_by(environment, material.vault_token))
    if not material.pgp:
        yield {**services, "pgp": Refused("there is no PGP key: none of the Secret's entries ends in .asc")}
        return
    with keyring(material.pgp, environment.get("SOPS_GPG_EXEC") or "gpg") as gpg:
        yield {**services, "pgp": gpg}


def _clouds(environment: Environment) -> dict[str, KeyService]:
    return {
        "kms": Later(lambda: _factories().aws(environment)),
        "gcp_kms": Later(lambda: _factories().google(environment)),
        "azure_kv": Later(lambda: _factories().azure_of(environment)),
    }


def _factories() -> ModuleType:
    from trueup.keyservices import factories

    return factories
