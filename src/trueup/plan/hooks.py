"""What makes hooks different: names, finalizers, and when they go. Called by ``delivery`` (names) and ``machine`` (the rest).

Source: Argo CD user guide, "Resource Hooks"; gitops-engine ``getSyncTasks`` for generated names.
"""

from __future__ import annotations

import re
from dataclasses import replace

from trueup.health.verdict import Health
from trueup.kube.names import Object, Ref
from trueup.plan.progress import StepPhase
from trueup.plan.wanted import Wanted

_NO_NAME = re.compile(r"[^A-Za-z0-9.-]")
"""What a chart's version may have and a name may not; the original's names are refused then."""


def named(wanted: Wanted, revision: str, started: int) -> Wanted:
    """A hook with a name: ``generateName``, seven digits of the revision, the phase and the operation's start.

    The same operation always gets the same name, so that a hook is not run twice when its creation was not noted.
    """
    meta = wanted.object.get("metadata") or {}
    if wanted.hook is None or meta.get("name") or not meta.get("generateName"):
        return wanted
    word = revision.removeprefix("sha256:")
    short = _NO_NAME.sub("-", word[:7] if len(word) >= 8 else word)
    name = f"{meta['generateName']}{short}-{wanted.phase}-{started}".lower()
    obj = {**wanted.object, "metadata": {**meta, "name": name}}
    return replace(wanted, object=obj, ref=Ref.of(obj))


def with_finalizer(obj: Object, finalizer: str) -> Object:
    """A copy that carries the finalizer."""
    meta = obj.get("metadata") or {}
    finalizers = list(meta.get("finalizers") or ())
    if not finalizer or finalizer in finalizers:
        return obj
    return {**obj, "metadata": {**meta, "finalizers": [*finalizers, finalizer]}}


def holds(live: Object | None, finalizer: str) -> bool:
    """Whether a live object still carries the finalizer."""
    return bool(finalizer) and live is not None and finalizer in ((live.get("metadata") or {}).get("finalizers") or ())


def ended(health: Health, name: str) -> tuple[StepPhase, str]:
    """How a hook stands by its health. Source: gitops-engine ``getOperationPhase``."""
    if not health.rule:
        return "Succeeded", f"{name} created"
    if health.status in ("Unknown", "Degraded"):
        return "Failed", health.message
    if health.status in ("Progressing", "Suspended"):
        return "Running", health.message
    return "Succeeded", health.message
