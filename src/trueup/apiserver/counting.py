"""What the server counts of its requests, for Prometheus: Kubernetes' series, as far as dashboards and alerts ask for them.

Told by `asgi`, `watching` and the webhooks; written out as text when somebody scrapes. A request costs a look-up and a few
additions: series are put into words only then. Source: apiserver ``pkg/endpoints/metrics``, ``pkg/admission/metrics``.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from typing import Any

from trueup.apiserver.path import Target
from trueup.apiserver.registry import Registry
from trueup.kube.names import Resource
from trueup.kube.query import flag
from trueup.store.state import Store

_SECONDS = (0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
_WEBHOOK_SECONDS = (0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 10.0, 25.0)
_VERBS = {"POST": "POST", "PUT": "PUT", "PATCH": "PATCH", "DELETE": "DELETE", "HEAD": "HEAD", "GET": "GET"}
_MUTATING = frozenset(("POST", "PUT", "PATCH", "DELETE"))
_PATHS = ("/healthz", "/livez", "/readyz", "/api", "/apis", "/version", "/metrics", "/openapi/v2", "/openapi/v3")
_APPLIED = "application/apply-patch"
NO_ERROR, CALLING = "no_error", "calling_webhook_error"
"""Whether a webhook refused a write itself, or could not be asked."""
Labels = dict[str, str]


class Durations:
    """A histogram."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, seconds: float) -> None:
        """One more."""
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.sum += seconds

    def lines(self, name: str, labels: Labels) -> Iterator[str]:
        """Its samples."""
        total = 0
        for bound, count in zip((*(f"{bound:g}" for bound in self.bounds), "+Inf"), self.counts, strict=True):
            total += count
            yield _sample(f"{name}_bucket", {**labels, "le": bound}, total)
        yield _sample(f"{name}_sum", labels, self.sum)
        yield _sample(f"{name}_count", labels, total)


class Series:
    """Requests that are alike."""

    __slots__ = ("codes", "durations", "labels", "longrunning", "mutating")

    def __init__(self, labels: Labels, mutating: bool) -> None:
        self.labels, self.mutating = labels, mutating
        self.codes: dict[int, int] = {}
        self.durations = Durations(_SECONDS)
        self.longrunning = 0
        """Answers that go on now."""

    def answered(self, code: int, seconds: float) -> None:
        """One more is over."""
        self.codes[code] = self.codes.get(code, 0) + 1
        self.durations.add(seconds)


class Counts:
    """All counters of one server."""

    def __init__(self, store: Store, registry: Registry) -> None:
        self._store, self._registry = store, registry
        self._series: dict[tuple[object, ...], Series] = {}
        self._known: dict[tuple[object, ...], Series] = {}
        """By what a request says, many of which may be alike."""
        self.inflight = [0, 0]
        """Requests being answered now: those that only read, those that may write."""
        self.events: dict[Resource, int] = {}
        """Sent to watches."""
        self._asked: dict[tuple[str, str, str, bool, int], int] = {}
        self._asking: dict[tuple[str, str, str, bool], Durations] = {}
        self._rejected: dict[tuple[str, str, str, str, int], int] = {}

    def series(
        self, method: str, path: str, target: Target | None, query: Mapping[str, str], headers: Mapping[str, str]
    ) -> Series:
        """What a request counts for."""
        watch = method == "GET" and "watch" in query and flag(query, "watch")
        applied = method == "PATCH" and headers.get("content-type", "").startswith(_APPLIED)
        dry = query.get("dryRun", "") == "All"
        key: tuple[object, ...]
        if target is None:
            key = (method, path if path in _PATHS else "")
        else:
            key = (
                method, target.resource, target.subresource, bool(target.name), bool(target.namespace), watch, applied, dry
            )  # fmt: skip
        found = self._known.get(key)
        if found is None or (target is not None and not found.labels["resource"]):
            found = self._made(key, method, target, watch=watch, applied=applied, dry=dry)
        return found

    def _made(
        self, key: tuple[object, ...], method: str, target: Target | None, *, watch: bool, applied: bool, dry: bool
    ) -> Series:
        """What nobody serves is counted together, or whoever asks for anything would fill the memory."""
        verb, scope, served = _VERBS.get(method, "other"), "", None
        labels = {"component": "apiserver", "dry_run": "All" if dry else "", "group": "", "resource": ""}
        labels |= {"scope": "", "subresource": "", "verb": verb, "version": ""}
        if target is None:
            path = str(key[1])
            if path in ("/healthz", "/livez", "/readyz"):
                labels |= {"component": "", "subresource": path}
            else:
                labels["subresource"] = path.lstrip("/")
        else:
            served = self._registry.get(target.resource)
        if target is not None and served is not None:
            if target.name or method == "POST":
                scope = "resource"
            else:
                scope = "namespace" if target.namespace else "cluster"
                verb = {"GET": "LIST", "HEAD": "LIST", "DELETE": "DELETECOLLECTION"}.get(verb, verb)
            verb = "WATCH" if watch else "APPLY" if applied else verb
            part = target.subresource if target.subresource in served.subresources else ""
            resource = target.resource
            labels |= {"group": resource.group, "resource": resource.name, "version": resource.version}
            labels |= {"scope": scope, "subresource": part, "verb": verb}
        alike = tuple(labels.values())
        found = self._series.get(alike)
        if found is None:
            found = self._series[alike] = Series(labels, method in _MUTATING)
        fits = target is None or (served is not None and target.subresource == labels["subresource"])
        if fits and method in _VERBS:
            self._known[key] = found
        return found

    def asked(
        self, name: str, kind: str, operation: str, seconds: float, *, code: int, rejected: bool, error: str
    ) -> None:
        """A webhook was asked. ``kind``: ``admit`` or ``validating``."""
        self._asked[name, kind, operation, rejected, code] = (
            self._asked.get((name, kind, operation, rejected, code), 0) + 1
        )
        durations = self._asking.setdefault((name, kind, operation, rejected), Durations(_WEBHOOK_SECONDS))
        durations.add(seconds)
        if rejected:
            key = (name, kind, operation, error, code)
            self._rejected[key] = self._rejected.get(key, 0) + 1

    def page(self) -> bytes:
        """The text that Prometheus scrapes."""
        return "".join(f"{line}\n" for line in self._lines()).encode()

    def _lines(self) -> Iterator[str]:
        yield from self._requests()
        name = "apiserver_current_inflight_requests"
        yield from _about(name, "gauge", "Requests being answered now, per request kind.")
        for kind, count in zip(("readOnly", "mutating"), self.inflight, strict=True):
            yield _sample(name, {"request_kind": kind}, count)
        yield from self._objects()
        name = "apiserver_watch_events_total"
        yield from _about(name, "counter", "Number of events sent in watch clients.")
        for of, count in self.events.items():
            yield _sample(name, {"group": of.group, "resource": of.name, "version": of.version}, count)
        yield from self._webhooks()

    def _requests(self) -> Iterator[str]:
        every = tuple(self._series.values())
        name = "apiserver_request_total"
        yield from _about(name, "counter", "Requests by verb, dry run, group, version, resource, scope and code.")
        for one in every:
            for code, count in one.codes.items():
                yield _sample(name, {"code": str(code), **one.labels}, count)
        name = "apiserver_request_duration_seconds"
        yield from _about(name, "histogram", "How long requests took to be answered, in seconds.")
        for one in every:
            yield from one.durations.lines(name, one.labels)
        name = "apiserver_longrunning_requests"
        yield from _about(name, "gauge", "Watches and other answers that go on now.")
        for one in every:
            if one.longrunning:
                yield _sample(
                    name, {key: text for key, text in one.labels.items() if key != "dry_run"}, one.longrunning
                )

    def _objects(self) -> Iterator[str]:
        sizes = sorted(self._store.sizes().items())
        yield from _about("apiserver_storage_objects", "gauge", "Number of stored objects, by resource.")
        for stored, count in sizes:
            yield _sample("apiserver_storage_objects", {"resource": stored}, count)
        yield from _about("apiserver_resource_objects", "gauge", "Number of stored objects, by group and resource.")
        for stored, count in sizes:
            resource, _, group = stored.partition(".")
            yield _sample("apiserver_resource_objects", {"group": group, "resource": resource}, count)

    def _webhooks(self) -> Iterator[str]:
        if not self._asked:
            return
        common = "apiserver_admission_webhook_"
        yield from _about(f"{common}request_total", "counter", "Calls of admission webhooks.")
        for (name, kind, operation, rejected, code), count in self._asked.items():
            labels = _webhook(name, kind, operation) | {"code": str(code), "rejected": str(rejected).lower()}
            yield _sample(f"{common}request_total", labels, count)
        yield from _about(f"{common}admission_duration_seconds", "histogram", "How long admission webhooks took.")
        for (name, kind, operation, rejected), durations in self._asking.items():
            labels = _webhook(name, kind, operation) | {"rejected": str(rejected).lower()}
            yield from durations.lines(f"{common}admission_duration_seconds", labels)
        yield from _about(f"{common}rejection_count", "counter", "Writes that admission webhooks refused.")
        for (name, kind, operation, error, code), count in self._rejected.items():
            labels = _webhook(name, kind, operation) | {"error_type": error, "rejection_code": str(code)}
            yield _sample(f"{common}rejection_count", labels, count)


def _webhook(name: str, kind: str, operation: str) -> Labels:
    return {"name": name, "operation": operation, "type": kind}


def _about(name: str, kind: str, text: str) -> Iterator[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"


def _sample(name: str, labels: Labels, value: Any) -> str:
    said = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    return f"{name}{{{said}}} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
