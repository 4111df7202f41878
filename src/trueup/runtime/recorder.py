"""Kubernetes Events, written behind the reconcilers' backs. Implements `ports.Events`; called by every family.

``record`` never waits and never raises; repeats are counted on the Event that is there; an object that says too much is
limited; what cannot be written is logged and dropped. Source: client-go ``tools/record`` (EventCorrelator: 25 in a burst, one
more every five minutes, per object) and core/v1 Event.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from trueup.kube.names import Kind, Object, Ref
from trueup.kube.problems import ApiProblem, NotFound
from trueup.ports import Client, Clock
from trueup.runtime.metrics import Metrics
from trueup.timing.rfc3339 import format_time

log = logging.getLogger("trueup.runtime.events")

_EVENT = Kind("", "v1", "Event")
_BURST, _REFILL = 25.0, 1 / 300.0  # client-go's defaults
_REMEMBERED = 4096
_PENDING = 1000
_LONGEST = 1024  # the API refuses longer messages

_SPEAKERS = {
    "CronJob": "cronjob-controller",
    "DaemonSet": "daemonset-controller",
    "Deployment": "deployment-controller",
    "HorizontalPodAutoscaler": "horizontal-pod-autoscaler",
    "Job": "job-controller",
    "PersistentVolume": "persistentvolume-controller",
    "PersistentVolumeClaim": "persistentvolume-controller",
    "PodDisruptionBudget": "controllermanager",
    "ReplicaSet": "replicaset-controller",
    "ReplicationController": "replication-controller",
    "StatefulSet": "statefulset-controller",
}
"""Who tells of built-in kinds in every Kubernetes: people and dashboards select events by it."""

_THEIRS = ("apps/v1", "autoscaling/v2", "batch/v1", "policy/v1", "v1")
_Same = tuple[str, str, str, str, str]


@dataclass(slots=True)
class _Entry:
    """One Event: its first words, and how often they were said."""

    about: Object
    type: str
    reason: str
    message: str
    first: float
    last: float
    count: int = 1
    written: Ref | None = None
    annotations: Mapping[str, str] | None = None
    component: str = ""
    field_path: str = ""


class Recorder:
    """Writes Events through a client, from one task."""

    def __init__(
        self, client: Client, clock: Clock, *, component: str = "trueup", metrics: Metrics | None = None
    ) -> None:
        self._client, self._clock, self._component, self._metrics = client, clock, component, metrics
        self._known: OrderedDict[_Same, _Entry] = OrderedDict()
        self._pending: dict[_Same, _Entry] = {}
        self._tokens: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._something = asyncio.Event()
        self._writing = asyncio.Lock()
        self._last_stamp = 0

    def record(
        self,
        about: Object,
        type: Literal["Normal", "Warning"],
        reason: str,
        message: str,
        *,
        annotations: Mapping[str, str] | None = None,
        component: str = "",
        field_path: str = "",
    ) -> None:
        """Say something about an object; annotations are those of its first telling."""
        metadata = about.get("metadata") or {}
        uid = str(metadata.get("uid") or Ref.of(about))
        message = message if len(message) <= _LONGEST else message[: _LONGEST - 1] + "…"
        same = (uid, str(about.get("kind")), type, reason, message)
        now = self._clock.now()
        if same not in self._pending and (len(self._pending) >= _PENDING or not self._allowed(uid, now)):
            self._count("limited")
            return
        entry = self._known.get(same)
        if entry is None:
            entry = self._known[same] = _Entry(
                about,
                type,
                reason,
                message,
                now,
                now,
                1,
                None,
                annotations,
                component or self._speaker(about),
                field_path,
            )
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(same)
            entry.count += 1
            entry.last, entry.about = now, about
        self._pending[same] = entry
        self._something.set()

    def _speaker(self, about: Object) -> str:
        kind = str(about.get("kind"))
        return _SPEAKERS.get(kind, "") if str(about.get("apiVersion")) in _THEIRS else ""

    async def run(self) -> None:
        """Writes what is said until cancelled."""
        while True:
            await self._something.wait()
            await self.flush()

    async def flush(self) -> None:
        """Writes what waits to be written."""
        async with self._writing:
            while self._pending:
                same = next(iter(self._pending))
                await self._write(same, self._pending.pop(same))
            self._something.clear()

    async def _write(self, same: _Same, entry: _Entry) -> None:
        try:
            if entry.written is not None and await self._repeat(entry, entry.written):
                self._count("counted")
                return
            created = await self._client.create(self._event(entry), manager=self._component)
            entry.written = Ref.of(created)
            self._count("written")
        except ApiProblem as problem:
            # As client-go: an Event is not worth a second trial once the server has refused it; its object may be gone.
            self._known.pop(same, None)
            self._count("failed")
            log.debug("event %s was not written: %s", entry.reason, problem)
        except Exception:  # an Event must never stop the program that it tells of
            self._known.pop(same, None)
            self._count("failed")
            log.exception("event %s was not written", entry.reason)

    async def _repeat(self, entry: _Entry, written: Ref) -> bool:
        """Counts on the Event that is there; False when it has expired."""
        patch = {"count": entry.count, "lastTimestamp": format_time(entry.last)}
        try:
            await self._client.patch(written, patch, "merge", manager=self._component)
        except NotFound:
            entry.count, entry.first = 1, entry.last
            return False
        return True

    def _event(self, entry: _Entry) -> Object:
        about = Ref.of(entry.about)
        metadata = entry.about.get("metadata") or {}
        involved: Object = {"kind": about.kind.kind, "apiVersion": about.kind.api_version, "name": about.name}
        for field, value in (
            ("namespace", about.namespace),
            ("uid", metadata.get("uid")),
            ("resourceVersion", metadata.get("resourceVersion")),
            ("fieldPath", entry.field_path),
        ):
            if value:
                involved[field] = value
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": f"{about.name}.{self._stamp(entry.first):x}",
                "namespace": about.namespace or "default",
                **({"annotations": dict(entry.annotations)} if entry.annotations else {}),
            },
            "involvedObject": involved,
            "reason": entry.reason,
            "message": entry.message,
            "type": entry.type,
            "count": entry.count,
            "firstTimestamp": format_time(entry.first),
            "lastTimestamp": format_time(entry.last),
            "source": {"component": entry.component or self._component},
            "reportingComponent": entry.component or self._component,
            "reportingInstance": "",
        }

    def _stamp(self, seconds: float) -> int:
        """Nanoseconds that name an Event, as client-go does; never the same twice."""
        self._last_stamp = max(int(seconds * 1e9), self._last_stamp + 1)
        return self._last_stamp

    def _allowed(self, uid: str, now: float) -> bool:
        tokens, since = self._tokens.pop(uid, (_BURST, now))
        tokens = min(_BURST, tokens + (now - since) * _REFILL)
        allowed = tokens >= 1.0
        self._tokens[uid] = (tokens - 1.0 if allowed else tokens, now)
        if len(self._tokens) > _REMEMBERED:
            self._tokens.popitem(last=False)
        return allowed

    def _count(self, outcome: str) -> None:
        if self._metrics is not None:
            self._metrics.recorded(outcome)
