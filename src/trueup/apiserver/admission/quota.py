"""ResourceQuota: what is created counts, and does not go beyond what is allowed. The last plugin in the row.

A write that fits is noted in the quota's status before it is stored, so that writes at one time cannot all fit in the same
place; what was noted and not stored after all the quota controller takes back. Source: apiserver
``pkg/admission/plugin/resourcequota/controller.go`` (CheckRequest).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction

from trueup.apiserver.admission.plugin import forbidden
from trueup.apiserver.registry import Served
from trueup.apiserver.request import Write
from trueup.kube import quota
from trueup.kube.names import Object
from trueup.kube.problems import Conflict
from trueup.kube.quantity import parse
from trueup.store.state import Entry, Stale, Store

_ATTEMPTS = 8


class ResourceQuota:
    """Reads the quotas of the namespace written to."""

    def __init__(self, store: Store, now: Callable[[], float]) -> None:
        self._store, self._now = store, now
        self._quotas = store.bucket("resourcequotas")

    async def admit(self, served: Served, operation: str, obj: Object, old: Object | None, write: Write) -> None:
        """Raises ``Forbidden``."""
        space = obj["metadata"].get("namespace") or ""
        if not space or not self._quotas.spaces.get(space) or not _handles(served, operation, obj, old, write):
            return
        for _ in range(_ATTEMPTS):
            try:
                for entry in list(self._of(space)):
                    await self._charge(entry, served, obj, old, write)
                return
            except Stale:
                continue
        raise Conflict("Operation cannot be fulfilled: unable to update the quota that counts this object, try again")

    def _of(self, space: str) -> Iterator[Entry]:
        for _, name, _ in list(self._quotas.scan(space)):
            entry = self._quotas.newest(space, name)
            if entry is not None:
                yield entry

    async def _charge(self, entry: Entry, served: Served, obj: Object, old: Object | None, write: Write) -> None:
        more = self._delta(entry.obj, served, obj, old)
        if not more:
            return
        status = entry.obj["status"]
        hard, used = status["hard"], status["used"]
        sums = {name: parse(used[name]) + amount for name, amount in more.items()}
        over = [name for name, amount in sums.items() if amount > parse(hard[name])]
        if over:
            asked = {name: quota.spelled(more[name], hard[name]) for name in over}
            raise forbidden(
                served,
                obj,
                f"exceeded quota: {entry.obj['metadata']['name']}, requested: {quota.shown(asked)}, "
                f"used: {quota.shown(_part(used, over))}, limited: {quota.shown(_part(hard, over))}",
            )
        if write.dry_run:
            return
        noted = {name: quota.spelled(amount, hard[name]) for name, amount in sums.items()}
        new = {**entry.obj, "metadata": dict(entry.obj["metadata"]), "status": {**status, "used": {**used, **noted}}}
        meta = new["metadata"]
        await self._store.put(self._quotas, meta["namespace"], meta["name"], new, entry.revision)

    def _delta(self, one: Object, served: Served, obj: Object, old: Object | None) -> dict[str, Fraction]:
        """What a write adds to a quota, by the names that it limits."""
        resource, now = served.resource.group_resource, self._now()
        name, status = one["metadata"]["name"], one.get("status") or {}
        hard = status.get("hard") or {}
        names = quota.covered(resource, hard)
        if not names or not quota.in_scope(one, resource, obj):
            return {}
        lacking = quota.missing(resource, obj, names)
        if lacking:
            raise forbidden(served, obj, f"failed quota: {name}: {lacking}")
        if any(each not in (status.get("used") or {}) for each in names):
            raise forbidden(served, obj, f"status unknown for quota: {name}, resources: {','.join(sorted(names))}")
        use = quota.usage(resource, obj, now)
        before: Mapping[str, Fraction] = {}
        if old is not None and quota.in_scope(one, resource, old):
            before = quota.usage(resource, old, now)
        delta = {each: max(use.get(each, Fraction(0)) - before.get(each, Fraction(0)), Fraction(0)) for each in names}
        return {each: amount for each, amount in delta.items() if amount}


def _handles(served: Served, operation: str, obj: Object, old: Object | None, write: Write) -> bool:
    """Which writes can change what is used."""
    resource = served.resource.group_resource
    if operation == "CREATE":
        return write.subresource == ""
    if operation != "UPDATE" or old is None:
        return False
    if resource == "pods":
        timed = "activeDeadlineSeconds"
        changed = (old["spec"].get(timed) is None) != (obj["spec"].get(timed) is None)
        return write.subresource == "resize" or (write.subresource == "" and changed)
    return resource in ("services", "persistentvolumeclaims") and write.subresource == ""


def _part(amounts: Mapping[str, str], names: list[str]) -> dict[str, str]:
    return {name: amounts[name] for name in names}
