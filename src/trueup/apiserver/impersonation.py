"""Somebody acts as somebody else: by which right, and who they are then. Called by `asgi`.

Who asks, the headers and what is asked come in; the user that it is asked as leaves. From 1.36 on there are rights for kinds
of users and for certain requests alone, beside the old right to be somebody for everything. Source: apiserver
``endpoints/filters/impersonation``; KEP-5284.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import unquote

from trueup.apiserver.policy import MASTERS
from trueup.apiserver.rbac import Attributes, Authorizer, known_as, to_impersonate
from trueup.apiserver.users import User
from trueup.kube.problems import BadRequest, Forbidden
from trueup.kube.validation import formats

CONSTRAINED_SINCE = 36
_NODE, _NODES = "system:node:", "system:nodes"
_ON_NODE = "authentication.kubernetes.io/node-name"
_GROUP = "authentication.k8s.io"
_OLD = "legacy"
_KNOWN = 1024
"""Users whose last right is remembered."""
_MANY = 4
"""So many groups, or values of extra information, are first asked for together."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Who the headers name."""

    name: str
    groups: Sequence[str] = ()
    uid: str = ""
    extra: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def is_name_alone(self) -> bool:
        return not (self.groups or self.uid or self.extra)

    @property
    def node(self) -> str:
        """The node that it is; empty when it is none."""
        name = self.name.removeprefix(_NODE)
        return name if name != self.name and not list(formats.subdomain(name)) else ""

    @property
    def account(self) -> tuple[str, str] | None:
        """Namespace and name of the service account that it is."""
        return _account(self.name)


class Impersonation:
    """``constrained``: whether there are other rights than the old one."""

    def __init__(self, authorizer: Authorizer, *, constrained: bool) -> None:
        self._authorizer = authorizer
        self._constrained = constrained
        self._last: dict[tuple[str, tuple[str, ...], str], str] = {}
        """By which right somebody was let through last: it is tried first, and is what a refusal speaks of."""

    def user(self, user: User, headers: Mapping[str, str], asked: Callable[[], Attributes]) -> User:
        """The user that the request's Impersonate headers name, if the real one may be them. Raises ``Forbidden``.

        ``asked``: what the request wants to do.
        """
        wanted = _wanted(headers)
        if wanted is None:
            return user
        known, modes = (user.name, user.groups, user.uid), [_OLD]
        if self._constrained:
            modes = [*_modes(user, wanted), _OLD]
            last = self._last.get(known, "")
            modes.sort(key=lambda mode: mode != last)
        refused: Forbidden | None = None
        for mode in modes:
            try:
                found = _by(self._authorizer, user, wanted, asked, mode)
            except Forbidden as refusal:
                refused = refused or refusal
                continue
            if len(self._last) >= _KNOWN:
                self._last.clear()
            self._last[known] = mode
            return found
        assert refused is not None
        raise refused


def _by(authorizer: Authorizer, user: User, wanted: Wanted, asked: Callable[[], Attributes], mode: str) -> User:
    """The user, by one kind of right. Raises ``Forbidden``."""
    if mode != _OLD:
        return _constrained(authorizer, user, wanted, asked(), mode)
    for each in to_impersonate(wanted.name, wanted.groups, wanted.uid, wanted.extra):
        authorizer.authorize(user, each)
    return replace(known_as(wanted.name, wanted.groups), uid=wanted.uid, extra=wanted.extra)


def _wanted(headers: Mapping[str, str]) -> Wanted | None:
    asked = {name: value for name, value in headers.items() if name.startswith("impersonate-")}
    if not asked:
        return None
    name, uid = asked.pop("impersonate-user", ""), asked.pop("impersonate-uid", "")
    groups = _words(asked.pop("impersonate-group", ""))
    lead = "impersonate-extra-"
    extra = {unquote(key.removeprefix(lead)): _words(value) for key, value in asked.items() if key.startswith(lead)}
    if not name:
        raise _without_name(groups, uid, extra)
    return Wanted(name, groups, uid, extra)


def _modes(user: User, wanted: Wanted) -> Iterator[str]:
    """The kinds of rights that may be meant."""
    if wanted.is_name_alone and wanted.node:
        if _account(user.name) and list(user.extra.get(_ON_NODE, ())) == [wanted.node]:
            yield "associated-node"
        yield "arbitrary-node"
    elif wanted.is_name_alone and wanted.account:
        yield "serviceaccount"
    elif not wanted.node and not wanted.account:
        yield "user-info"


def _constrained(authorizer: Authorizer, user: User, wanted: Wanted, asked: Attributes, mode: str) -> User:
    """The user, by a right to do what is asked as such users, and a right to be this one."""
    _authorize(authorizer, user, replace(asked, verb=f"impersonate-on:{mode}:{asked.verb}"))
    verb, groups = f"impersonate:{mode}", wanted.groups
    if wanted.node:
        name = "*" if mode == "associated-node" else wanted.node
        authorizer.authorize(user, Attributes(verb, _GROUP, "nodes", name=name))
        groups = (_NODES,)
    elif wanted.account is not None:
        space, name = wanted.account
        authorizer.authorize(user, Attributes(verb, _GROUP, "serviceaccounts", namespace=space, name=name))
    else:
        authorizer.authorize(user, Attributes(verb, _GROUP, "users", name=wanted.name))
        if wanted.uid:
            authorizer.authorize(user, Attributes(verb, _GROUP, "uids", name=wanted.uid))
        _authorize_groups(authorizer, user, verb, wanted.groups)
        _authorize_extra(authorizer, user, verb, wanted.extra)
    return replace(known_as(wanted.name, groups), uid=wanted.uid, extra=wanted.extra)


def _authorize_groups(authorizer: Authorizer, user: User, verb: str, groups: Sequence[str]) -> None:
    every = Attributes(verb, _GROUP, "groups", name="*")
    if MASTERS in groups:
        told = "impersonating the system:masters group is not allowed"
        raise authorizer.refusal(user, replace(every, name=MASTERS), told)
    if len(groups) >= _MANY and authorizer.allows(user, every):
        return
    for group in groups:
        authorizer.authorize(user, replace(every, name=group))


def _authorize_extra(authorizer: Authorizer, user: User, verb: str, extra: Mapping[str, Sequence[str]]) -> None:
    every = Attributes(verb, _GROUP, "userextras", subresource="*", name="*")
    for key, values in extra.items():
        told = ""
        if not _is_domain_path(key):
            why = f'extra.key: Invalid value: "{key}": must be a domain-prefixed path (such as "acme.io/foo")'
            told = f"impersonating an invalid key in extra is not allowed: {why}"
        elif not values:
            told = "impersonating empty values in extra is not allowed"
        if told:
            raise authorizer.refusal(user, replace(every, subresource="", name=""), told)
    many = len(extra) >= _MANY or sum(map(len, extra.values())) >= _MANY
    if many and authorizer.allows(user, every):
        return
    for key, values in extra.items():
        for value in values:
            authorizer.authorize(user, replace(every, subresource=key, name=value))


def _is_domain_path(key: str) -> bool:
    """``example.com/scopes``. Source: apimachinery ``IsDomainPrefixedPath``."""
    domain, slash, path = key.partition("/")
    return bool(slash and path) and not list(formats.subdomain(domain))


def _authorize(authorizer: Authorizer, user: User, wanted: Attributes) -> None:
    if wanted.path:
        if not authorizer.allows(user, wanted):
            raise Forbidden(f'forbidden: User "{user.name}" cannot {wanted.verb} path "{wanted.path}"')
    else:
        authorizer.authorize(user, wanted)


def _account(name: str) -> tuple[str, str] | None:
    parts = name.split(":")
    return (parts[2], parts[3]) if name.startswith("system:serviceaccount:") and len(parts) == 4 else None


def _without_name(groups: Sequence[str], uid: str, extra: Mapping[str, Sequence[str]]) -> BadRequest:
    """Kubernetes prints the value that it has made so far."""
    shown = "nil" if not groups else "{" + ", ".join(f'"{group}"' for group in groups) + "}"
    listed = "nil" if not extra else "{" + ", ".join(f'"{key}":{list(values)}' for key, values in extra.items()) + "}"
    return BadRequest(
        f'requested &user.DefaultInfo{{Name:"", UID:"{uid}", Groups:[]string{_value(shown)}, '
        f"Extra:map[string][]string{_value(listed)}}} without impersonating a user name"
    )


def _value(shown: str) -> str:
    return "(nil)" if shown == "nil" else shown


def _words(text: str) -> tuple[str, ...]:
    """The values of a header that came more than once."""
    return tuple(word.strip() for word in text.split("\n") if word.strip())
