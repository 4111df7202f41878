"""What the program counts of itself, for Prometheus. Called by the rooms' runtimes; read by the web room at ``/metrics``.

Its own registry: two programs in one process (tests) do not meet.
"""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

CONTENT_TYPE = CONTENT_TYPE_LATEST
_DURATIONS = (0.005, 0.02, 0.1, 0.5, 1.0, 2.5, 10.0, 30.0, 120.0, 600.0)
_CALLS = (0.001, 0.005, 0.02, 0.1, 0.5, 2.5, 10.0, 60.0)


class Metrics:
    """All counters of one program; children are looked up once, for a label lookup costs as much as a small reconcile."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._durations = Histogram(
            "trueup_reconcile_duration_seconds", "How long reconciles took.", ("controller",),
            buckets=_DURATIONS, registry=self.registry,
        )  # fmt: skip
        self._results = Counter(
            "trueup_reconcile", "Reconciles by what they answered.", ("controller", "result"), registry=self.registry
        )
        self._depth = Gauge("trueup_queue_depth", "Keys ready for a worker.", ("controller",), registry=self.registry)
        self._delayed = Gauge(
            "trueup_queue_delayed", "Keys that wait for their time.", ("controller",), registry=self.registry
        )
        self._active = Gauge("trueup_workers_active", "Keys being worked on.", ("controller",), registry=self.registry)
        self._events = Counter(
            "trueup_watch_events", "Changes heard from watches.", ("kind", "type"), registry=self.registry
        )
        self._rewatches = Counter(
            "trueup_watch_restarts", "Watches begun anew, by reason.", ("kind", "reason"), registry=self.registry
        )
        self._calls = Histogram(
            "trueup_api_request_duration_seconds", "Requests to Kubernetes APIs.", ("verb", "code"),
            buckets=_CALLS, registry=self.registry,
        )  # fmt: skip
        self._recorded = Counter(
            "trueup_events", "Kubernetes Events by what became of them.", ("outcome",), registry=self.registry
        )
        self._duration_of: dict[str, Histogram] = {}
        self._result_of: dict[tuple[str, str], Counter] = {}
        self._event_of: dict[tuple[str, str], Counter] = {}
        self._call_of: dict[tuple[str, int], Histogram] = {}

    def reconciled(self, controller: str, result: str, seconds: float) -> None:
        """A reconcile ended: ``done``, ``wait``, ``stop``, ``error``."""
        duration = self._duration_of.get(controller)
        if duration is None:
            duration = self._duration_of[controller] = self._durations.labels(controller)
        duration.observe(seconds)
        count = self._result_of.get((controller, result))
        if count is None:
            count = self._result_of[controller, result] = self._results.labels(controller, result)
        count.inc()

    def queue(
        self, controller: str, ready: Callable[[], float], delayed: Callable[[], float], working: Callable[[], float]
    ) -> None:
        """A queue's depth, read when asked for."""
        self._depth.labels(controller).set_function(ready)
        self._delayed.labels(controller).set_function(delayed)
        self._active.labels(controller).set_function(working)

    def watched(self, kind: str, type: str) -> None:
        """A change was heard."""
        count = self._event_of.get((kind, type))
        if count is None:
            count = self._event_of[kind, type] = self._events.labels(kind, type)
        count.inc()

    def rewatched(self, kind: str, reason: str) -> None:
        """A watch ended or failed and begins anew."""
        self._rewatches.labels(kind, reason).inc()

    def called(self, verb: str, code: int, seconds: float) -> None:
        """An API request was answered; code 0 when nothing came back. Handed to clients as their observer."""
        call = self._call_of.get((verb, code))
        if call is None:
            call = self._call_of[verb, code] = self._calls.labels(verb, str(code))
        call.observe(seconds)

    def recorded(self, outcome: str) -> None:
        """A Kubernetes Event was ``written``, ``counted``, ``limited``, ``dropped`` or ``failed``."""
        self._recorded.labels(outcome).inc()

    def replicas(self, members: Callable[[], float]) -> None:
        """How many replicas share the work, read when asked for."""
        gauge = Gauge("trueup_replicas", "Replicas that share the work, as seen from here.", registry=self.registry)
        gauge.set_function(members)

    def page(self) -> bytes:
        """The text that Prometheus scrapes."""
        return generate_latest(self.registry)
