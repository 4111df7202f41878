"""What the ledger keeps of a finished operation. Called by ``pipeline``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from trueup.delivery.request import Request
from trueup.kube.names import Ref
from trueup.plan.plan import Plan
from trueup.plan.progress import Result
from trueup.ports import LedgerEntry

_LONG = 256
"""Characters of a value that the ledger keeps: enough to recognise it, for the whole is in Git."""
_FIELDS = 50
_DONE = (" created", " configured", " serverside-applied", " replaced", " created anew")
"""How the message of an object that was written ends, when writing changed it or may have."""


def unit_of(ref: Ref) -> str:
    """``Application/argocd/web``: how the ledger names a unit."""
    return f"{ref.kind.kind}/{ref.namespace}/{ref.name}"


def entry(
    request: Request, plan: Plan, results: Iterable[Result], outcome: str, message: str, time: str
) -> LedgerEntry:
    """The entry of one finished operation: what it changed and what it could not."""
    return LedgerEntry(
        unit=unit_of(request.unit),
        time=time,
        revision=request.revision,
        actor=request.actor,
        action="delete" if request.deleting else "dry-run" if request.policy.dry_run else "sync",
        outcome=outcome,
        message=message,
        changes=[row for result in results if (row := _row(plan, result))],
    )


def changed(result: Result) -> bool:
    """Whether an operation did something to this object, or failed to."""
    if result.failed or result.status == "Pruned" or (result.hook and result.status):
        return True
    return result.status == "Synced" and result.message.endswith(_DONE)


def _row(plan: Plan, result: Result) -> Mapping[str, str] | None:
    if not changed(result):
        return None
    row = {"object": str(result.ref), "status": result.status or result.running, "message": result.message}
    line = plan.of(result.ref)
    if line is not None and line.fields:
        row["fields"] = json.dumps([[f.path, _short(f.old), _short(f.new)] for f in line.fields[:_FIELDS]])
    return row


def _short(value: Any) -> Any:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
    return value if len(text) <= _LONG else text[: _LONG - 1] + "…"
