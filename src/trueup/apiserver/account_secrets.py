"""Fills Secrets that are service accounts' tokens, and lets them go with their account. Runs beside the hub.

Source: ``pkg/controller/serviceaccount/tokens_controller.go``.
"""

from __future__ import annotations

import asyncio
import base64
import logging

from trueup.apiserver.hub import Hub
from trueup.apiserver.request import Write
from trueup.apiserver.tokens import ACCOUNT_NAME, ACCOUNT_UID, SECRET_TYPE, Tokens
from trueup.apiserver.verbs import prepare
from trueup.apiserver.verbs.delete import DeleteOptions, delete
from trueup.apiserver.verbs.update import change
from trueup.kube.names import Kind, Object
from trueup.kube.problems import ApiProblem, NotFound
from trueup.store.state import Event, StoreProblem

_log = logging.getLogger("trueup.apiserver")
_KIND = Kind("", "v1", "Secret")
_WRITE = Write(manager="kube-controller-manager")


class AccountSecrets:
    """Woken by Secrets of that type and by accounts that go."""

    def __init__(self, hub: Hub, tokens: Tokens, ca: bytes) -> None:
        self._hub, self._tokens, self._ca = hub, tokens, ca
        self._accounts, self._secrets = hub.store.bucket("serviceaccounts"), hub.store.bucket("secrets")
        self._wake = asyncio.Event()
        self._due: set[tuple[str, str]] = set()
        self._secrets.listeners.append(self._hear)
        self._accounts.listeners.append(self._hear_account)
        for space, name, entry in self._secrets.scan():
            self._take(space, name, entry.obj)

    def _hear(self, event: Event) -> None:
        if event.type != "DELETED":
            self._take(event.namespace, event.name, event.entry.obj)

    def _hear_account(self, event: Event) -> None:
        if event.type == "DELETED":
            for space, name, entry in self._secrets.scan(event.namespace):
                if _account_name(entry.obj) == event.name:
                    self._take(space, name, entry.obj)

    def _take(self, space: str, name: str, secret: Object) -> None:
        if secret.get("type") == SECRET_TYPE:
            self._due.add((space, name))
            self._wake.set()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._due:
                space, name = self._due.pop()
                try:
                    await self._settle(space, name)
                except NotFound:  # gone meanwhile
                    continue
                except (ApiProblem, StoreProblem) as problem:
                    _log.warning("the token secret %s/%s was not brought up to date: %s", space, name, problem)

    async def _settle(self, space: str, name: str) -> None:
        entry = self._secrets.get(space, name)
        if entry is None:
            return
        secret, served = entry.obj, self._hub.serves(_KIND)
        found = self._accounts.get(space, _account_name(secret))
        annotations = secret["metadata"].get("annotations") or {}
        if found is None or annotations.get(ACCOUNT_UID, found.obj["metadata"]["uid"]) != found.obj["metadata"]["uid"]:
            options = DeleteOptions(uid=secret["metadata"]["uid"])
            await delete(self._hub, served, space, name, options, _WRITE)
            return
        filled = self._filled(secret, found.obj)
        if filled != secret:
            await change(self._hub, served, space, name, lambda now: (self._filled(now, found.obj), False), _WRITE)

    def _filled(self, secret: Object, account: Object) -> Object:
        data = dict(secret.get("data") or {})
        new = {**prepare.copy(secret), "data": data}
        data["ca.crt"] = base64.b64encode(self._ca).decode()
        data["namespace"] = base64.b64encode(secret["metadata"]["namespace"].encode()).decode()
        if not data.get("token"):
            data["token"] = base64.b64encode(self._tokens.legacy(secret, account).encode()).decode()
        new["metadata"].setdefault("annotations", {})[ACCOUNT_UID] = account["metadata"]["uid"]
        return new


def _account_name(secret: Object) -> str:
    return str((secret["metadata"].get("annotations") or {}).get(ACCOUNT_NAME) or "")
