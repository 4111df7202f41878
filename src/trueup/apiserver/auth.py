"""Who is it: client certificates, bearer tokens and service-account tokens. Nobody is anonymous. Called by `asgi` on every
request.

Source: Kubernetes documentation, "Authenticating"; TokenRequest (authentication.k8s.io/v1).
"""

from __future__ import annotations

import csv
import hmac
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trueup.apiserver.client_certificates import Bearer
from trueup.apiserver.policy import AUTHENTICATED
from trueup.apiserver.tokens import AUDIENCES, ISSUER, TokenProblem, Tokens
from trueup.apiserver.users import User
from trueup.kube.problems import Unauthorized

_log = logging.getLogger("trueup.apiserver")


class Authenticator:
    """A connection's certificate, then bearer tokens: those of the state folder, then service accounts'."""

    def __init__(self, static: Mapping[str, User], tokens: Tokens | None, now: Any) -> None:
        self._static, self._tokens, self._now = dict(static), tokens, now

    def authenticate(self, headers: Mapping[str, str], bearer: Bearer | None = None) -> User:
        """The user of a request. Raises ``Unauthorized``; why a certificate proves nothing is for the log alone."""
        if bearer is not None:
            problem = bearer.wrong(self._now())
            if bearer.user is not None and not problem:
                return bearer.user
            _log.info("a client certificate proves nothing: %s", problem)
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and token:
            user = self.user(token.strip())
            if user is not None:
                return user
        raise Unauthorized("Unauthorized")

    def user(self, token: str) -> User | None:
        """Whose token it is."""
        static = self._static_user(token)
        if static is not None:
            return static
        return self._tokens.user(token, self._now()) if self._tokens is not None else None

    def review(self, token: str, audiences: Sequence[str]) -> tuple[User, list[str]]:
        """Whose token it is, and which of the audiences it is for. Static tokens are for this cluster alone.

        Raises ``TokenProblem``.
        """
        wanted = audiences or AUDIENCES
        static = self._static_user(token)
        if static is not None and ISSUER in wanted:
            return static, [ISSUER]
        if static is not None or self._tokens is None:
            raise TokenProblem
        return self._tokens.review(token, self._now(), wanted)

    def _static_user(self, token: str) -> User | None:
        for known, user in self._static.items():
            if hmac.compare_digest(known.encode(), token.encode()):
                return user
        return None


def read_tokens(path: Path) -> dict[str, User]:
    """Users by their tokens, from lines of ``token,user,uid,"group,group"``. Raises ``OSError`` naming a wrong line.

    Source: Kubernetes documentation, "Static token file".
    """
    found: dict[str, User] = {}
    with path.open(newline="") as lines:
        for number, row in enumerate(csv.reader(lines), 1):
            if not row:
                continue
            token, name, uid, groups = (*(part.strip() for part in row), "", "", "")[:4]
            if not token or not name or len(row) < 3:
                raise OSError(
                    f'{path}, line {number}: a token, a user, a uid and groups are expected: t,ann,1,"dev,ops"'
                )
            listed = tuple(group.strip() for group in groups.split(",") if group.strip())
            found[token] = User(name, tuple(dict.fromkeys((*listed, AUTHENTICATED))), uid)
    return found
