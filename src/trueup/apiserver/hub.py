"""The API server without its wire: store, registry, verbs' seams. HTTP and in-process clients call the same verbs.

Opened by `app.py` and by tests; everything that a verb needs besides its own request stands here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Protocol

from trueup.apiserver import crd_checks, crds, policy
from trueup.apiserver.addresses import Addresses
from trueup.apiserver.auth import Authenticator, Tokens
from trueup.apiserver.draining import Draining
from trueup.apiserver.escalation import Escalation
from trueup.apiserver.rbac import Authorizer
from trueup.apiserver.registry import Registry, Served, built_in
from trueup.apiserver.request import Write
from trueup.apiserver.verbs import prepare
from trueup.apiserver.versions import convert
from trueup.kube.names import Kind, Object, Resource
from trueup.kube.problems import Forbidden, NotFound, Unavailable, not_found
from trueup.kube.types import Types
from trueup.ports import Clock
from trueup.store.state import Bucket, Entry, Store, StoreProblem
from trueup.timing.rfc3339 import format_time

SYSTEM_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
_ADMIN_NAMESPACES = frozenset(SYSTEM_NAMESPACES)

Admission = Callable[[Served, str, Object, Object | None, Write], Awaitable[None]]
"""(what is served, CREATE | UPDATE | DELETE, object, old object, how it is meant): changes in place, or raises."""


class NotStored(Unavailable, StoreProblem):
    """The store failed, so the write did not happen: to clients 503, to whoever runs the store its own problem."""


class PodLogs(Protocol):
    """Who answers for the lines that a pod's container would have printed."""

    def __call__(self, pod: Object, query: Mapping[str, str]) -> AsyncIterator[bytes]: ...


class Hub:
    """One embedded cluster's API."""

    def __init__(self, store: Store, types: Types, clock: Clock) -> None:
        self.store, self.types, self.clock = store, types, clock
        self.registry = Registry()
        self.admission: list[Admission] = []
        self.pod_logs: PodLogs | None = None
        self.addresses = Addresses(store.bucket("services"))
        self.tokens: Tokens | None = None
        """Signs service-account tokens, where the cluster has a key."""
        self.authenticator: Authenticator | None = None
        self.authorizer = Authorizer(store)
        self.admission.append(Escalation(self.authorizer).admit)
        self._beside: list[asyncio.Task[None]] = []
        """What runs beside the verbs until the hub is closed."""

    @classmethod
    async def open(cls, store: Store, types: Types, clock: Clock) -> Hub:
        """Serve what the version serves and what is defined in the store; the system's namespaces exist afterwards."""
        hub = cls(store, types, clock)
        for served in built_in(types):
            hub.registry.add(served)
        hub.definitions = crds.Definitions(hub)
        hub._beside.append(asyncio.create_task(Draining(hub).run(), name="draining definitions"))
        namespaces = hub.serves(Kind("", "v1", "Namespace"))
        bucket = store.bucket(namespaces.storage)
        from trueup.apiserver.verbs.create import create

        for name in SYSTEM_NAMESPACES:
            if bucket.get("", name) is None:
                await create(hub, namespaces, "", {"metadata": {"name": name}}, Write(manager="kube-apiserver"))
        for kind, wanted in (("ClusterRole", policy.ROLES), ("ClusterRoleBinding", policy.BINDINGS)):
            served = hub.serves(Kind(policy.GROUP, "v1", kind))
            for obj in wanted:
                if store.bucket(served.storage).get("", obj["metadata"]["name"]) is None:
                    await create(hub, served, "", prepare.copy(obj), Write(manager="kube-apiserver"))
        return hub

    definitions: crds.Definitions

    def now(self) -> str:
        """The time, as objects hold it."""
        return format_time(self.clock.now())

    def serves(self, kind: Kind) -> Served:
        """What is served of a kind. Raises ``NotFound``."""
        served = self.registry.of_kind(kind)
        if served is None:
            raise NotFound(f'no matches for kind "{kind.kind}" in version "{kind.api_version}"')
        return served

    def serves_resource(self, resource: Resource) -> Served:
        """What is served under a path. Raises ``NotFound``."""
        served = self.registry.get(resource)
        if served is None:
            raise NotFound("the server could not find the requested resource")
        return served

    def as_version(self, served: Served, obj: Object) -> Object:
        """The object as this version shows it; stored versions differ in name alone, but where a kind says more."""
        if obj.get("apiVersion") == served.kind.api_version:
            return obj
        if served.crd is not None:
            crds.check_conversion(served.crd, str(obj.get("apiVersion")), served.kind.api_version)
            return {**obj, "apiVersion": served.kind.api_version}
        return convert(obj, served.kind.api_version)

    async def admit(self, served: Served, operation: str, obj: Object, old: Object | None, write: Write) -> None:
        """What stands between a valid request and the store; changes ``obj`` in place."""
        if operation == "CREATE" and served.namespaced:
            self._check_namespace(served, obj)
        if operation == "CREATE" and served.crd is not None:
            crds.check_creation(served.crd)
        if operation == "DELETE" and served.kind.kind == "Namespace" and not served.kind.group:
            self._protect_namespace(obj)
        if operation != "DELETE" and not served.custom:
            self._built_in(served, operation, obj, old, write)
        for admit in self.admission:
            await admit(served, operation, obj, old, write)

    def _built_in(self, served: Served, operation: str, obj: Object, old: Object | None, write: Write) -> None:
        kind = served.kind
        if served.storage == "services" and write.subresource == "":
            self.addresses.give(obj, old)
        elif served.storage == "namespaces" and write.subresource == "":
            kept = ((old or {}).get("spec") or {}).get("finalizers") if old is not None else ["kubernetes"]
            obj["spec"] = {**(obj.get("spec") or {}), "finalizers": kept or []}
        elif kind.kind == "Pod" and not kind.group and operation == "CREATE":
            spec = obj["spec"]
            for name in ("serviceAccountName", "serviceAccount"):
                spec.setdefault(name, spec.get("serviceAccountName") or "default")
            obj["status"] = {"phase": "Pending", "qosClass": qos_class(spec), **(obj.get("status") or {})}
        elif kind == crds.CRD_KIND and write.subresource == "":
            causes = list(crd_checks.wrong(obj))
            if causes:
                raise prepare.invalid(served, str(obj["metadata"].get("name")), causes)
            crds.accept(obj, self.now(), self.definitions.all())
            unsupported = crds.not_carried_out(obj["spec"])
            if unsupported:
                write.warnings.append(f"{obj['metadata']['name']}: {unsupported}")
        elif kind.kind == "Job" and kind.group == "batch" and operation == "CREATE":
            _label_job(obj)
        elif served.storage == "daemonsets.apps" and write.subresource == "":
            _count_templates(obj, old)

    def _check_namespace(self, served: Served, obj: Object) -> None:
        namespace = obj["metadata"].get("namespace") or ""
        entry = self.store.bucket("namespaces").newest("", namespace)
        if entry is None:
            raise not_found("namespaces", namespace)
        if entry.obj["metadata"].get("deletionTimestamp"):
            name = obj["metadata"].get("name")
            text = f"unable to create new content in namespace {namespace} because it is being terminated"
            from trueup.kube.problems import Cause

            raise Forbidden(
                f'{served.resource.group_resource} "{name}" is forbidden: {text}',
                causes=[
                    Cause("NamespaceTerminating", f"namespace {namespace} is being terminated", "metadata.namespace")
                ],
                details={"name": name, "kind": served.resource.name},
            )

    @staticmethod
    def _protect_namespace(obj: Object) -> None:
        name = obj["metadata"]["name"]
        if name in _ADMIN_NAMESPACES - {"kube-node-lease"}:
            raise Forbidden(f'namespaces "{name}" is forbidden: this namespace may not be deleted')

    async def put(self, bucket: Bucket, obj: Object, expect: int) -> Entry:
        """Store an object that is at revision ``expect`` (0: absent). Raises ``Stale`` and ``NotStored``."""
        meta = obj["metadata"]
        try:
            return await self.store.put(bucket, meta.get("namespace") or "", meta["name"], obj, expect)
        except StoreProblem as problem:
            raise NotStored(f"the write was not stored: {problem}", retry_after=1) from problem

    async def remove(self, bucket: Bucket, last: Object, expect: int) -> Entry:
        """Let an object go that is at revision ``expect``. Raises ``Stale`` and ``NotStored``."""
        meta = last["metadata"]
        try:
            return await self.store.remove(bucket, meta.get("namespace") or "", meta["name"], expect, last)
        except StoreProblem as problem:
            raise NotStored(f"the deletion was not stored: {problem}", retry_after=1) from problem

    def settle(self, served: Served, obj: Object) -> None:
        """A write of the object succeeded or failed: what it reserved and does not hold now is free again."""
        if served.storage == "services":
            meta = obj["metadata"]
            entry = self.store.bucket("services").newest(meta.get("namespace") or "", str(meta.get("name")))
            there = entry.obj if entry is not None and entry.obj["metadata"]["uid"] == meta.get("uid") else None
            self.addresses.settle(str(meta.get("uid")), there)

    async def close(self) -> None:
        """Finish what is on its way to the store and let it go."""
        for task in self._beside:
            task.cancel()
        await asyncio.gather(*self._beside, return_exceptions=True)
        await self.store.close()


def qos_class(spec: Mapping[str, Any]) -> str:
    """Guaranteed, Burstable or BestEffort. Source: Kubernetes documentation, "Pod Quality of Service Classes"."""
    containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    wants = [container.get("resources") or {} for container in containers]
    if not any(want.get("requests") or want.get("limits") for want in wants):
        return "BestEffort"
    for want in wants:
        limits, requests = want.get("limits") or {}, want.get("requests") or {}
        for name in ("cpu", "memory"):
            if not limits.get(name) or requests.get(name, limits[name]) != limits[name]:
                return "Burstable"
    return "Guaranteed"


def _label_job(obj: Object) -> None:
    """A Job's selector and its pods' labels come from its own identity, unless it says otherwise."""
    spec = obj["spec"]
    if spec.get("manualSelector"):
        return
    meta = obj["metadata"]
    uid, name = meta["uid"], meta["name"]
    template = spec.setdefault("template", {})
    labels = template.setdefault("metadata", {}).setdefault("labels", {})
    labels.update(
        {
            "batch.kubernetes.io/controller-uid": uid,
            "batch.kubernetes.io/job-name": name,
            "controller-uid": uid,
            "job-name": name,
        }
    )
    spec["selector"] = {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    if not meta.get("labels"):
        meta["labels"] = dict(labels)  # read back from the store, a Job without labels has those of its pods


_TEMPLATES = "deprecated.daemonset.template.generation"


def _count_templates(obj: Object, old: Object | None) -> None:
    """The templates that a DaemonSet has had. Source: apps/v1 conversion of ``templateGeneration``."""
    count = int(((old or {"metadata": {}})["metadata"].get("annotations") or {}).get(_TEMPLATES) or 0)
    if old is None or old["spec"].get("template") != obj["spec"].get("template"):
        count += 1
    meta = obj["metadata"]
    meta["annotations"] = {**(meta.get("annotations") or {}), _TEMPLATES: str(count)}
