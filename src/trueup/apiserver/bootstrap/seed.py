"""Writes what every cluster has from the start, as far as it is not there. Called by `opening`.

Source: kube-apiserver's post-start hooks: ``rbac/bootstrap-roles``, ``priority-and-fairness-config-producer``,
``kube-apiserver-autoregistration``, ``scheduling/bootstrap-system-priority-classes``.
"""

from __future__ import annotations

from trueup.apiserver.admission.escalation import covered
from trueup.apiserver.bootstrap import roles
from trueup.apiserver.bootstrap.prepared import MANAGER, dated, everything, owned
from trueup.apiserver.hub import Hub
from trueup.apiserver.request import Write
from trueup.apiserver.verbs import prepare
from trueup.apiserver.verbs.update import change
from trueup.kube.names import Kind, Object
from trueup.store.state import Bucket, Stale


async def seed(hub: Hub) -> None:
    """All at once, so that a store on disk writes them in one commit. What people changed stays as they want it."""
    missing: list[tuple[Bucket, Object]] = []
    now = hub.now()
    for each in everything(hub.types):
        bucket = hub.store.bucket(each.storage)
        stored = bucket.newest(each.namespace, each.name)
        if stored is None:
            missing.append((bucket, dated(each.obj, now)))
        elif each.obj["metadata"].get("annotations", {}).get(roles.AUTOUPDATE):
            await _reconcile(hub, each.obj, stored.obj)
    await hub.store.add(missing)


async def plant(hub: Hub, obj: Object) -> None:
    """Store one object as it stands, past admission and checks: it is known to be right."""
    served = hub.serves(Kind.of(obj))
    made = owned(obj, served.shape, MANAGER, counted=served.strategy.counts_generations)
    try:
        await hub.put(hub.store.bucket(served.storage), dated(made, hub.now()), 0)
    except Stale:  # somebody was faster
        return


async def _reconcile(hub: Hub, wanted: Object, stored: Object) -> None:
    """Give back rules and subjects that are missing, unless the object says to leave it alone.

    Source: ``component-helpers/auth/rbac/reconciliation``; what is there besides stays.
    """
    meta = stored["metadata"]
    if (meta.get("annotations") or {}).get(roles.AUTOUPDATE) == "false" or "aggregationRule" in wanted:
        return
    rules, subjects = list(stored.get("rules") or ()), list(stored.get("subjects") or ())
    rules += [rule for rule in wanted.get("rules", ()) if rule not in rules and not covered(rule, rules)]
    subjects += [subject for subject in wanted.get("subjects", ()) if subject not in subjects]
    parts = {name: value for name, value in (("rules", rules), ("subjects", subjects)) if name in wanted}
    if all(value == (stored.get(name) or []) for name, value in parts.items()):
        return

    def renewed(now: Object) -> tuple[Object, bool]:
        return {**prepare.copy(now), **prepare.copy(parts)}, False

    served = hub.serves(Kind.of(wanted))
    write = Write(manager=MANAGER, reviewed=False)
    await change(hub, served, meta.get("namespace") or "", meta["name"], renewed, write)
