"""A Kustomization's status, written once a run and only when it says something new; its events; its finalizer. The shell.

Called by `kustomization.py` and `finalize.py`. Source: kustomize-controller ``finalizeStatus``, ``patch``, ``event``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from trueup.delivery.tools import DeliveryTools
from trueup.families.flux import status as words
from trueup.families.flux.messages import same_but_for_time
from trueup.families.flux.status import Condition
from trueup.families.flux.types import FINALIZER, KUSTOMIZATION, MANAGER, RECONCILE_AT
from trueup.kube.names import Object, Ref
from trueup.kube.problems import NotFound
from trueup.merge.jsonpatch import diff_merge

_REVISION = "kustomize.toolkit.fluxcd.io/revision"


class Reporter:
    """One run's pen. ``status`` begins as the old status."""

    def __init__(self, tools: DeliveryTools, raw: Object) -> None:
        self.tools, self.raw = tools, raw
        self.ref = Ref(KUSTOMIZATION, raw["metadata"].get("namespace") or "", raw["metadata"]["name"])
        self.now = tools.clock.now()
        self.status: Object = dict(raw.get("status") or {})
        self._old: Object = raw.get("status") or {}

    @property
    def generation(self) -> int:
        """Of the spec that this run works for."""
        return int(self.raw["metadata"].get("generation") or 0)

    @property
    def asked(self) -> str:
        """A request to reconcile that has not been answered yet: its value."""
        asked = str((self.raw["metadata"].get("annotations") or {}).get(RECONCILE_AT) or "")
        return asked if asked != self._old.get("lastHandledReconcileAt") else ""

    def before(self, type: str) -> Object:
        """A condition as the run found it; empty when there was none."""
        found: Object = next((c for c in self._old.get("conditions") or () if c.get("type") == type), {})
        return found

    def news(self, told: Condition) -> bool:
        """Whether this says another thing than the condition said before."""
        old = self.before(told.type)
        return (old.get("status"), old.get("reason")) != (told.status, told.reason) or not same_but_for_time(
            str(old.get("message")), told.message
        )

    async def report(self, conditions: Sequence[Condition], *, final: bool = True, observed: bool = False) -> bool:
        """Write the status if it says anything new; whether it did. ``observed``: this generation is done with."""
        if observed:
            self.status["observedGeneration"] = self.generation
        kept = [c if self.news(c) else replace(c, message=str(self.before(c.type)["message"])) for c in conditions]
        known = self._old.get("conditions") or ()
        self.status["conditions"] = words.conditions(known, kept, self.generation, self.tools.clock.now())
        if final and self.asked:
            self.status["lastHandledReconcileAt"] = self.asked
        changed = diff_merge(self._old, self.status)
        if changed:
            await self.patch({"status": changed}, subresource="status")
        return bool(changed)

    async def answer(self) -> None:
        """A suspended object only says that it heard a request."""
        if self.asked:
            await self.patch({"status": {"lastHandledReconcileAt": self.asked}}, subresource="status")

    def event(self, type: Literal["Normal", "Warning"], reason: str, message: str, revision: str = "") -> None:
        """Tell something about the Kustomization."""
        if message:
            annotations = {_REVISION: revision} if revision else None
            self.tools.events.record(self.raw, type, reason, message, annotations=annotations)

    async def hold_finalizer(self) -> None:
        """Before anything is applied, make sure that deletion will be noticed."""
        finalizers = list(self.raw["metadata"].get("finalizers") or ())
        if FINALIZER not in finalizers:
            await self.patch({"metadata": {"finalizers": [*finalizers, FINALIZER]}})

    async def drop_finalizer(self) -> None:
        """Let the object go."""
        rest = [name for name in self.raw["metadata"].get("finalizers") or () if name != FINALIZER]
        await self.patch({"metadata": {"finalizers": rest or None}})

    async def patch(self, body: Object, subresource: str = "") -> None:
        """Write a part of the Kustomization."""
        try:
            self.raw = await self.tools.client.patch(self.ref, body, "merge", subresource=subresource, manager=MANAGER)
        except NotFound:
            return  # it went away meanwhile
        self.tools.writes.note(self.ref, self.raw)
