"""Fills Secrets that are service accounts' tokens, and lets them go with their account. Runs beside the hub.

Source: ``pkg/controller/serviceaccount/tokens_controller.go``.
"""

from __future__ import annotations

import base64

from trueup.apiserver.following import Following
from trueup.apiserver.hub import Hub
from trueup.apiserver.request import Write
from trueup.apiserver.tokens import ACCOUNT_NAME, ACCOUNT_UID, SECRET_TYPE, Tokens
from trueup.apiserver.verbs import prepare
from trueup.apiserver.verbs.delete import DeleteOptions, delete
from trueup.apiserver.verbs.update import change
from trueup.kube.names import Kind, Object
from trueup.kube.problems import NotFound
from trueup.store.state import Event

_KIND = Kind("", "v1", "Secret")
_WRITE = Write(manager="kube-controller-manager")


class AccountSecrets:
    """Takes up Secrets of that type when they change and when their account goes."""

    def __init__(self, hub: Hub, tokens: Tokens, ca: bytes) -> None:
        self._hub, self._tokens, self._ca = hub, tokens, ca
        self._accounts, self._secrets = hub.store.bucket("serviceaccounts"), hub.store.bucket("secrets")
        self._work = Following("bringing a token secret up to date", self._settle)
        self.run = self._work.run
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
            self._work.take((space, name))

    async def _settle(self, key: tuple[str, str]) -> None:
        space, name = key
        entry = self._secrets.get(space, name)
        if entry is None:
            return
        try:
            await self._bring_up(space, name, entry.obj)
        except NotFound:  # gone meanwhile
            return

    async def _bring_up(self, space: str, name: str, secret: Object) -> None:
        served = self._hub.serves(_KIND)
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
