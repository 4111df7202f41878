"""Who is asking. A value that authentication makes and authorization reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class User:
    """A user as Kubernetes knows one: a name and groups, nothing stored."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, Sequence[str]] = field(default_factory=dict)


ADMIN = User("system:admin", ("system:masters", "system:authenticated"))
"""Whoever owns the state folder, and the controllers in the same process."""


def service_account_user(
    namespace: str, name: str, uid: str = "", extra: Mapping[str, Sequence[str]] | None = None
) -> User:
    """The user that a service account is."""
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
    return User(f"system:serviceaccount:{namespace}:{name}", groups, uid, extra or {})
