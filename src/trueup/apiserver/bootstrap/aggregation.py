"""Writes into roles that gather others' rules what they gather. Runs beside the hub.

Source: ``pkg/controller/clusterroleaggregation``.
"""

from __future__ import annotations

import asyncio
import logging

from trueup.apiserver.hub import Hub
from trueup.apiserver.policy import GROUP
from trueup.apiserver.request import Write
from trueup.apiserver.verbs.patch import patch
from trueup.kube import selectors
from trueup.kube.names import Kind, Object
from trueup.kube.problems import ApiProblem
from trueup.store.state import Event, StoreProblem

_log = logging.getLogger("trueup.apiserver")
_KIND = Kind(GROUP, "v1", "ClusterRole")
MANAGER = "clusterrole-aggregation-controller"


class Aggregation:
    """Woken by every change of a cluster role."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._wake = asyncio.Event()
        self._roles = hub.store.bucket(f"clusterroles.{GROUP}")
        self._roles.listeners.append(self._hear)
        self._wake.set()

    def _hear(self, event: Event) -> None:
        self._wake.set()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            every = sorted(
                (entry.obj for *_, entry in self._roles.scan()), key=lambda role: str(role["metadata"]["name"])
            )
            for role in every:
                if role.get("aggregationRule") and not role["metadata"].get("deletionTimestamp"):
                    rules = _gathered(role, every)
                    if rules != (role.get("rules") or []):
                        await self._write(str(role["metadata"]["name"]), rules)

    async def _write(self, name: str, rules: list[Object]) -> None:
        body = {
            "apiVersion": _KIND.api_version,
            "kind": _KIND.kind,
            "metadata": {"name": name},
            "rules": rules,
        }
        try:
            await patch(self._hub, self._hub.serves(_KIND), "", name, body, "apply", Write(manager=MANAGER, force=True))
        except (ApiProblem, StoreProblem) as problem:
            _log.warning("the rules of cluster role %s were not gathered: %s", name, problem)


def _gathered(role: Object, every: list[Object]) -> list[Object]:
    rules: list[Object] = []
    for selector in role["aggregationRule"].get("clusterRoleSelectors") or ():
        wanted = selectors.label_selector(selector)
        for other in every:
            if other is not role and wanted.matches(other["metadata"].get("labels") or {}):
                rules += [rule for rule in other.get("rules") or () if rule not in rules]
    return rules
