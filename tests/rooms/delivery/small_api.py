"""A small Kubernetes API in memory for the tests of delivery: real server-side apply, no schemas beyond a few kinds."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from trueup.kube.names import Kind, Object, Ref, Resource
from trueup.kube.problems import AlreadyExists, ApiProblem, Conflict, Invalid, NotFound, not_found
from trueup.kube.shapes import ANY
from trueup.merge.jsonpatch import merge_patch
from trueup.merge.owners import apply, strip, track_update
from trueup.ports import LedgerEntry, Listing, PatchType, Propagation, ResourceInfo, WatchEvent

NOW = "2026-01-01T00:00:00Z"
_CORE = frozenset({"get", "list", "watch", "create", "update", "patch", "delete"})


def info(api: str, kind: str, plural: str, *, namespaced: bool = True) -> ResourceInfo:
    """One served kind."""
    k = Kind.parse(api, kind)
    return ResourceInfo(Resource(k.group, k.version, plural), k, namespaced, _CORE)


KINDS = (
    info("v1", "ConfigMap", "configmaps"),
    info("v1", "Secret", "secrets"),
    info("v1", "Namespace", "namespaces", namespaced=False),
    info("apps/v1", "Deployment", "deployments"),
    info("batch/v1", "Job", "jobs"),
    info("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", namespaced=False),
)


class SmallApi:
    """Implements ``ports.Client`` and ``ports.Live`` over one dict."""

    def __init__(self, kinds: Sequence[ResourceInfo] = KINDS) -> None:
        self.kinds = list(kinds)
        self._listed: Sequence[ResourceInfo] = tuple(kinds)
        self.objects: dict[Ref, Object] = {}
        self.calls: list[str] = []
        self.refuse: Callable[[str, Object, Object | None], ApiProblem | None] = lambda verb, new, old: None
        self.user = ""
        self._version = 0

    # -- helpers of tests ---------------------------------------------------------------------------------------

    def writes(self) -> list[str]:
        """The calls that were no reads and no dry runs."""
        return [call for call in self.calls if not call.startswith(("get", "list", "dry-run"))]

    def set_status(self, ref: Ref, status: Object) -> None:
        """What a controller would report."""
        self.objects[ref] = {**self.objects[ref], "status": status}
        self._bump(self.objects[ref])

    def edit(self, ref: Ref, patch: Object, manager: str = "kubectl-edit") -> None:
        """A person's change by hand."""
        old = self.objects[ref]
        new = merge_patch(old, patch)
        self.objects[ref] = self._bump(track_update(old, new, ANY, manager=manager, now=NOW))

    # -- ports.Client -------------------------------------------------------------------------------------------

    def _check(self, kind: Kind) -> ResourceInfo:
        for known in self.kinds:
            if known.kind == kind:
                self._listed = tuple(self.kinds) if len(self._listed) != len(self.kinds) else self._listed
                return known
        raise NotFound(f'no matches for kind "{kind.kind}" in version "{kind.api_version}"')

    def _log(self, verb: str, ref: Ref, dry_run: bool = False) -> None:
        self.calls.append(f"{'dry-run ' if dry_run else ''}{verb} {ref.kind.kind}/{ref.name}")

    def _bump(self, obj: Object) -> Object:
        self._version += 1
        obj["metadata"] = {**obj["metadata"], "resourceVersion": str(self._version)}
        return obj

    def _store(self, verb: str, ref: Ref, new: Object, dry_run: bool) -> Object:
        old = self.objects.get(ref)
        if problem := self.refuse(verb, new, old):
            raise problem
        if old is None:
            new = {**new, "metadata": {**new["metadata"], "uid": f"uid-{self._version}", "creationTimestamp": NOW}}
        if old is not None and old == new:
            return old
        if not dry_run:
            self.objects[ref] = self._bump(new)
        return new

    async def get(self, ref: Ref) -> Object:
        info = self._check(ref.kind)
        self._log("get", ref)
        if ref not in self.objects:
            raise not_found(info.resource.group_resource, ref.name)
        return self.objects[ref]

    async def list(
        self, kind: Kind, namespace: str = "", *, labels: str = "", fields: str = "", limit: int = 0, page: str = ""
    ) -> Listing:
        self._check(kind)
        return Listing([obj for ref, obj in self.objects.items() if ref.kind == kind], str(self._version))

    def watch(
        self, kind: Kind, namespace: str = "", *, revision: str, labels: str = "", fields: str = ""
    ) -> AsyncIterator[WatchEvent]:
        raise AssertionError("delivery watches through Live alone")

    async def create(self, obj: Object, *, manager: str = "", dry_run: bool = False) -> Object:
        ref = Ref.of(obj)
        self._check(ref.kind)
        self._log("create", ref, dry_run)
        if ref in self.objects:
            raise AlreadyExists(f"{ref} already exists")
        return self._store("create", ref, track_update(None, obj, ANY, manager=manager, now=NOW), dry_run)

    async def update(self, obj: Object, *, subresource: str = "", manager: str = "", dry_run: bool = False) -> Object:
        ref = Ref.of(obj)
        self._log("update", ref, dry_run)
        old = self.objects[ref]
        if obj["metadata"].get("resourceVersion") not in (None, old["metadata"]["resourceVersion"]):
            raise Conflict("the object has been modified")
        kept = {"uid": old["metadata"]["uid"], "creationTimestamp": NOW}
        new = {**obj, "metadata": {**obj["metadata"], **kept}}
        return self._store("update", ref, track_update(old, new, ANY, manager=manager, now=NOW), dry_run)

    async def patch(
        self,
        ref: Ref,
        body: object,
        how: PatchType,
        *,
        subresource: str = "",
        manager: str = "",
        force: bool = False,
        dry_run: bool = False,
    ) -> Object:
        self._log("patch", ref, dry_run)
        assert how == "merge"
        assert isinstance(body, dict)
        wanted = {name: value for name, value in body["metadata"].items() if name != "resourceVersion"}
        new = merge_patch(self.objects[ref], {**body, "metadata": wanted})
        new = track_update(self.objects[ref], new, ANY, manager=manager, now=NOW)
        if new["metadata"].get("deletionTimestamp") and not new["metadata"].get("finalizers"):
            return self.objects.pop(ref)
        return self._store("patch", ref, new, dry_run)

    async def apply(
        self, obj: Object, *, manager: str, force: bool = True, subresource: str = "", dry_run: bool = False
    ) -> Object:
        ref = Ref.of(obj)
        self._check(ref.kind)
        self._log("apply", ref, dry_run)
        old = self.objects.get(ref)
        return self._store("apply", ref, apply(old, obj, ANY, manager=manager, force=force, now=NOW), dry_run)

    async def delete(
        self,
        ref: Ref,
        *,
        propagation: Propagation | None = None,
        uid: str = "",
        revision: str = "",
        dry_run: bool = False,
    ) -> None:
        self._log("delete", ref, dry_run)
        old = self.objects.get(ref)
        if old is None:
            raise NotFound(f"{ref} not found")
        if uid and uid != old["metadata"].get("uid"):
            raise Conflict("the uid does not match")
        if dry_run:
            return
        if old["metadata"].get("finalizers"):
            self.objects[ref] = self._bump({**old, "metadata": {**old["metadata"], "deletionTimestamp": NOW}})
        else:
            del self.objects[ref]

    async def resources(self) -> Sequence[ResourceInfo]:
        return self._listed

    async def version(self) -> str:
        return "v1.36.0"

    def acting_as(self, user: str, groups: Sequence[str] = ()) -> SmallApi:
        self.user = user
        return self


class SmallLive:
    """``ports.Live`` over the same dict, without delay."""

    def __init__(self, api: SmallApi) -> None:
        self.api = api
        self.noted: list[Ref] = []

    async def get(self, ref: Ref) -> Object | None:
        self.api._check(ref.kind)
        obj = self.api.objects.get(ref)
        return None if obj is None else strip(obj)

    async def list(self, kind: Kind, namespace: str = "") -> Sequence[Object]:
        return [obj for ref, obj in self.api.objects.items() if ref.kind == kind]

    def owned(self, uid: str) -> Sequence[Object]:
        return []

    def note(self, obj: Object) -> None:
        self.noted.append(Ref.of(obj))

    def subscribe(self, listener: Callable[[WatchEvent], None]) -> None:
        raise AssertionError("delivery subscribes to nothing")


class VirtualTime:
    """``ports.Clock`` that jumps."""

    def __init__(self) -> None:
        self.seconds = 1_767_225_600.0

    def now(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds


class ListLedger:
    """``ports.Ledger`` as a list."""

    def __init__(self) -> None:
        self.entries: list[LedgerEntry] = []

    async def append(self, entry: LedgerEntry) -> int:
        self.entries.append(entry)
        return len(self.entries)

    async def of(self, unit: str, *, limit: int = 50) -> Sequence[LedgerEntry]:
        return [entry for entry in self.entries if entry.unit == unit][-limit:]


def configmap(name: str, namespace: str = "", **data: str) -> Object:
    """A ConfigMap as it stands in Git."""
    meta: dict[str, Any] = {"name": name}
    if namespace:
        meta["namespace"] = namespace
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


def job(name: str, **meta: Any) -> Object:
    """A Job as it stands in Git."""
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, **meta}, "spec": {"backoffLimit": 0}}


def ref(kind: str, name: str, namespace: str = "shop") -> Ref:
    """A reference to one of the small kinds."""
    found = next(known for known in KINDS if known.kind.kind == kind)
    return Ref(found.kind, namespace if found.namespaced else "", name)


def unknown_field(verb: str, new: Object, old: Object | None) -> ApiProblem | None:
    """Refuses objects that carry ``bad``."""
    return (
        Invalid(f'{new["kind"]} "{new["metadata"]["name"]}" is invalid: unknown field "bad"') if "bad" in new else None
    )


def fixed_spec(verb: str, new: Object, old: Object | None) -> ApiProblem | None:
    """Refuses every change of ``spec``."""
    if old is not None and old.get("spec") != new.get("spec"):
        return Invalid(f'{new["kind"]} "{new["metadata"]["name"]}" is invalid: spec: field is immutable')
    return None
