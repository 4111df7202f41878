"""Writes into roles that gather others' rules what they gather. Runs beside the hub.

Source: ``pkg/controller/clusterroleaggregation``.
"""

from __future__ import annotations

from trueup.apiserver.following import Following
from trueup.apiserver.hub import Hub
from trueup.apiserver.policy import GROUP
from trueup.apiserver.request import Write
from trueup.apiserver.verbs.patch import patch
from trueup.kube import selectors
from trueup.kube.names import Kind, Object
from trueup.store.state import Event

_KIND = Kind(GROUP, "v1", "ClusterRole")
MANAGER = "clusterrole-aggregation-controller"


class Aggregation:
    """Goes over all roles whenever one was changed."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._work = Following("gathering the rules of roles", self._gather)
        self.run = self._work.run
        self._roles = hub.store.bucket(f"clusterroles.{GROUP}")
        self._roles.listeners.append(self._hear)
        self._work.take("all")

    def _hear(self, event: Event) -> None:
        self._work.take("all")

    async def _gather(self, _: str) -> None:
        every = sorted((entry.obj for *_, entry in self._roles.scan()), key=lambda role: str(role["metadata"]["name"]))
        for role in every:
            if role.get("aggregationRule") and not role["metadata"].get("deletionTimestamp"):
                rules = _gathered(role, every)
                if rules != (role.get("rules") or []):
                    await self._write(str(role["metadata"]["name"]), rules)

    async def _write(self, name: str, rules: list[Object]) -> None:
        body = {"apiVersion": _KIND.api_version, "kind": _KIND.kind, "metadata": {"name": name}, "rules": rules}
        await patch(self._hub, self._hub.serves(_KIND), "", name, body, "apply", Write(manager=MANAGER, force=True))


def _gathered(role: Object, every: list[Object]) -> list[Object]:
    rules: list[Object] = []
    for selector in role["aggregationRule"].get("clusterRoleSelectors") or ():
        wanted = selectors.label_selector(selector)
        for other in every:
            if other is not role and wanted.matches(other["metadata"].get("labels") or {}):
                rules += [rule for rule in other.get("rules") or () if rule not in rules]
    return rules
