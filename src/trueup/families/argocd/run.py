"""One run over one Application: what it was handed, what it has found out, and the one write at its end.

Made by `reconcile.py`; `ask.py`, `operate.py` and `delete.py` read it and put facts into it. Source: Argo CD,
``persistAppStatus``, ``setOperationState``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trueup.delivery.outcome import Desired
from trueup.delivery.tools import DeliveryTools
from trueup.families.argocd import operation, projects, status
from trueup.families.argocd.types import APPLICATION, HOME, PROJECT, REFRESH, Application
from trueup.families.argocd.wanted import instance_name, wanted
from trueup.kube.names import Key, Object, Ref
from trueup.kube.problems import NotFound
from trueup.merge.jsonpatch import diff_merge
from trueup.plan.plan import Plan
from trueup.plan.policy import Retry
from trueup.plan.progress import Progress
from trueup.plan.wanted import Wanted
from trueup.ports import Cluster
from trueup.timing.rfc3339 import format_time

MANAGER = "argocd-controller"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the sources say, and how the cluster differs from it."""

    desired: Desired
    plan: Plan


class Run:
    """The state of one run. ``status`` begins as the old status and is written once at the end, if it changed."""

    def __init__(self, tools: DeliveryTools, app: Application) -> None:
        self.tools, self.app = tools, app
        self.ref = Ref(APPLICATION, app.namespace, app.name)
        self.raw = app.raw
        self.now = tools.clock.now()
        self.status: Object = dict(app.raw.get("status") or {})
        self.conditions: dict[str, list[str]] = {}
        self.instance = instance_name(app.namespace, app.name, HOME)
        self.refresh = str((app.raw["metadata"].get("annotations") or {}).get(REFRESH) or "")
        self._read: tuple[Desired, Sequence[Wanted]] | None = None
        found = tools.cache(PROJECT).get(Key(HOME, app.project))
        self.saved = False
        self._saving = asyncio.Lock()
        self.project: Mapping[str, Any] | None = projects.spec_of(found, app.project)

    @property
    def state(self) -> Object:
        """The last operation's state, or that of the one under way."""
        return self.status.get("operationState") or {}

    def wishes(self, desired: Desired) -> Sequence[Wanted]:
        """What is wanted of each rendered object; read once."""
        if self._read is None or self._read[0] is not desired:
            self._read = desired, wanted(desired.objects, desired.origins)
        return self._read[1]

    # --- facts ---------------------------------------------------------------------------------------------------

    def say(self, condition: str, *messages: str) -> None:
        """One more condition, or messages of one."""
        known = self.conditions.setdefault(condition, []) if messages else []
        known += [message for message in messages if message not in known]

    def report(self, cluster: Cluster, compared: Comparison, hooks: Sequence[Ref]) -> None:
        """Put the comparison into the status; ``hooks`` are live ones that no line of the plan is about."""
        app, plan, itself = self.app, compared.plan, status.itself(self.ref, cluster)
        self.status["sync"] = status.compared(app, plan, compared.desired.revisions)
        self.status["resources"] = status.resources(plan, hooks, itself)
        self.set_health(status.app_health(plan, itself))
        kinds = [status.source_type(tool) for tool in compared.desired.tools]
        self.status.pop("sourceType" if app.several else "sourceTypes", None)
        self.status["sourceTypes" if app.several else "sourceType"] = kinds if app.several else (kinds or [""])[0]
        self.status["summary"] = status.summary(app, plan)
        self.status["controllerNamespace"] = HOME
        for condition, messages in status.warnings(app, compared.desired, plan).items():
            self.say(condition, *messages)

    def unknown(self, *, everything: bool) -> None:
        """Nothing could be compared; ``everything``: health is not known either."""
        last = self.status.get("sync") or {}
        kept = {name: last[name] for name in ("revision", "revisions") if last.get(name)}
        self.status["sync"] = {**status.compared(self.app, None, ()), **kept}
        self.status["controllerNamespace"] = HOME
        if everything or not self.status.get("health"):
            self.set_health({"status": "Unknown"})
        elif self.status.get("resources"):
            self.status["resources"] = [
                {**entry, "status": "Unknown"} if entry.get("status") else entry for entry in self.status["resources"]
            ]

    def look_after(self, plan: Plan, itself: Ref | None) -> None:
        """The health of what was there when something could last be compared; ``plan`` has a line for each of these."""
        entries = status.resources(plan, itself=itself)
        known = {(e.get("group"), e["kind"], e.get("namespace"), e["name"]): e.get("health") for e in entries}
        updated = []
        for entry in self.status.get("resources") or ():
            now = known.get((entry.get("group"), entry["kind"], entry.get("namespace"), entry["name"]))
            updated.append({**entry, "health": now} if now is not None else entry)
        self.status["resources"] = updated
        self.set_health(status.app_health(plan, itself))

    def set_health(self, health: Object) -> None:
        """The time stays while the word does."""
        old = self.status.get("health") or {}
        same = old.get("status") == health["status"]
        health["lastTransitionTime"] = (old.get("lastTransitionTime") if same else None) or format_time(self.now)
        self.status["health"] = health

    # --- operations ----------------------------------------------------------------------------------------------

    def progress(self, state: Object, retry: Retry) -> Progress:
        """How far the operation of the status has come: as remembered, which knows since when it waits, else as written."""
        written = operation.progress_of(state, retry)
        known = self.tools.progress.get(self.ref)
        same = known is not None and (known.started, known.attempt) == (written.started, written.attempt)
        return known if known is not None and same else written

    def over(self, state: Object, phase: str, message: str) -> None:
        """An operation ends, in the status and as an event."""
        self.tools.progress.pop(self.ref, None)
        self.status["operationState"] = {
            **state,
            "phase": phase,
            "message": message,
            "finishedAt": format_time(self.tools.clock.now()),
        }
        self.tell()

    def refuse(self, asked: Object, message: str) -> None:
        """An operation that was asked for ends before it began."""
        begun = self.state if self.state.get("phase") in operation.UNDER_WAY else None
        subject = operation.Subject.of(self.app, asked)
        self.over(begun or operation.begun(asked, subject, self.now), "Error", message)

    def tell(self) -> None:
        """An event for the operation's end."""
        state = self.state
        well = state["phase"] == "Succeeded"
        partial = bool((state.get("operation", {}).get("sync") or {}).get("resources"))
        result = state.get("syncResult") or {}
        to = result.get("revision") or ", ".join(result.get("revisions") or ())
        self.tools.events.record(
            self.raw,
            "Normal" if well else "Warning",
            "OperationCompleted",
            f"{'Partial sync' if partial else 'Sync'} operation to {to} "
            + ("succeeded" if well else f"failed: {state.get('message')}"),
        )

    # --- writing -------------------------------------------------------------------------------------------------

    async def save(self, asked: Object, state: Object) -> None:
        """Write down how far an operation has come, before it goes further; one write at a time."""
        self.saved = True
        async with self._saving:
            self.status["operationState"] = state
            await self._patch({"operation": asked})

    async def write(self) -> None:
        """Write the status if it says anything new; drop the refresh annotation and an operation that is over."""
        old = self.raw.get("status") or {}
        self.status["conditions"] = status.conditions(old.get("conditions") or (), self.conditions, self.now)
        if not self.status["conditions"]:
            self.status.pop("conditions")
        extra: Object = {}
        if self.refresh:
            extra["metadata"] = {"annotations": {REFRESH: None}}
        if self.raw.get("operation") is not None and self.state.get("phase") not in operation.UNDER_WAY:
            extra["operation"] = None
        await self._patch(extra)

    async def release(self, finalizers: Sequence[str]) -> None:
        """Let the Application go on without these finalizers."""
        rest = [name for name in self.raw["metadata"].get("finalizers") or () if name not in finalizers]
        await self._hold(rest)

    async def bind(self, finalizers: Sequence[str]) -> None:
        """Have the Application's deletion wait for these finalizers."""
        await self._hold([*(self.raw["metadata"].get("finalizers") or ()), *finalizers])

    async def _hold(self, finalizers: Sequence[str]) -> None:
        """The whole list is written, so only over the very object that it was read from; else ``Conflict``, and another run."""
        version = self.raw["metadata"].get("resourceVersion")
        await self._send({"metadata": {"finalizers": list(finalizers) or None, "resourceVersion": version}})

    async def _patch(self, extra: Object) -> None:
        """One merge patch with what changed; nothing is sent when nothing did."""
        old = self.raw.get("status") or {}
        changed = diff_merge(old, self.status)
        if changed or self.refresh:
            self.status["reconciledAt"] = format_time(self.now)
            changed = diff_merge(old, self.status)
        if extra.get("operation") is not None and extra["operation"] == self.raw.get("operation"):
            extra = {name: value for name, value in extra.items() if name != "operation"}
        body = {**extra, **({"status": changed} if changed else {})}
        if body:
            await self._send(body)

    async def _send(self, body: Object) -> None:
        try:
            self.raw = await self.tools.client.patch(self.ref, body, "merge", manager=MANAGER)
        except NotFound:
            return  # it went away meanwhile: its deletion has its own run
        self.tools.writes.note(self.ref, self.raw)
