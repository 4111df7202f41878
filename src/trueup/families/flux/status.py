"""What happened, in the words of Flux's statuses: conditions, inventory, history. Pure.

Called by the reconcilers. Sources: Flux documentation, "Kustomization status", "GitRepository status"; the conditions of
fluxcd/pkg `apis/meta`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from trueup.families.flux.view import inventory_id, parse_inventory_id
from trueup.kube.names import Object, Ref
from trueup.timing.durations import format_duration
from trueup.timing.rfc3339 import format_time

HISTORY_LIMIT = 5


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition as it is now."""

    type: str
    status: Literal["True", "False", "Unknown"]
    reason: str
    message: str


def ready(reason: str, message: str) -> Condition:
    return Condition("Ready", "True", reason, message)


def not_ready(reason: str, message: str) -> Condition:
    return Condition("Ready", "False", reason, message)


def conditions(old: Sequence[Mapping[str, Any]], new: Iterable[Condition], generation: int, now: float) -> list[Object]:
    """Exactly the new conditions; the time of one stays while its status does (fluxcd/pkg ``conditions.Set``)."""
    before = {c.get("type"): c for c in old}
    out = []
    for condition in new:
        known = before.get(condition.type) or {}
        same = known.get("status") == condition.status and known.get("lastTransitionTime")
        out.append(
            {
                "type": condition.type,
                "status": condition.status,
                "reason": condition.reason,
                "message": condition.message[:32768],
                "observedGeneration": generation,
                "lastTransitionTime": known["lastTransitionTime"] if same else format_time(now),
            }
        )
    return out


def inventory(refs: Iterable[Ref]) -> Object:
    """``status.inventory``, sorted by id."""
    entries = {inventory_id(ref): ref.kind.version for ref in refs}
    return {"entries": [{"id": id, "v": version} for id, version in sorted(entries.items())]}


def inventory_refs(status: Mapping[str, Any]) -> tuple[Ref, ...]:
    """The references that ``status.inventory`` holds."""
    entries = (status.get("inventory") or {}).get("entries") or ()
    return tuple(parse_inventory_id(str(entry.get("id") or ""), str(entry.get("v") or "")) for entry in entries)


def history(
    old: Sequence[Mapping[str, Any]], digest: str, revision: str, outcome: str, seconds: float, now: float
) -> list[Object]:
    """``status.history``: the newest first; what was delivered before with the same outcome is counted, not repeated."""
    stamp = format_time(now)
    known = next((dict(entry) for entry in old if _same(entry, digest, outcome)), None)
    entry = known or {"digest": digest, "firstReconciled": stamp, "totalReconciliations": 0}
    entry["lastReconciled"] = stamp
    entry["lastReconciledDuration"] = format_duration(round(seconds, 3))
    entry["lastReconciledStatus"] = outcome
    entry["totalReconciliations"] = int(entry["totalReconciliations"]) + 1
    entry["metadata"] = {"revision": revision}
    rest = [dict(other) for other in old if not _same(other, digest, outcome)]
    return [entry, *rest][:HISTORY_LIMIT]


def is_news(old: Sequence[Mapping[str, Any]], digest: str, revision: str, outcome: str) -> bool:
    """Whether a delivery differs from the last one told. The same failure again is none: a status that changed at each
    look would call for the next look."""
    last = old[0] if old else {}
    said = ((last.get("metadata") or {}).get("revision"), last.get("lastReconciledStatus"), last.get("digest"))
    return said != (revision, outcome, digest)


def _same(entry: Mapping[str, Any], digest: str, outcome: str) -> bool:
    return entry.get("digest") == digest and entry.get("lastReconciledStatus") == outcome


def snapshot_digest(wanted: Sequence[Object]) -> str:
    """A digest of all that is wanted."""
    text = hashlib.sha256()
    for obj in wanted:
        text.update(orjson.dumps(obj, option=orjson.OPT_SORT_KEYS))
    return f"sha256:{text.hexdigest()}"


def artifact_revision(name: str, commit: str) -> str:
    """``main@sha1:…``; a bare commit is ``sha1:…``. Source: Flux RFC-0005."""
    algorithm = "sha256" if len(commit) == 64 else "sha1"
    return f"{name}@{algorithm}:{commit}" if name else f"{algorithm}:{commit}"


def commit_of(revision: str) -> str:
    """The commit in an artifact revision."""
    return revision.rpartition(":")[2]
