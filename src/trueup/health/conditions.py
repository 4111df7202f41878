"""Health of kinds that nobody wrote a rule for, by the conditions that most controllers set.

Called by ``judge``. Source: the Kubernetes API conventions ("Typical status properties") and kstatus: ``observedGeneration``,
``Reconciling``, ``Stalled``, then the summarising condition ``Ready`` (or ``Available``, ``Succeeded``, ``Healthy``...).
"""

from __future__ import annotations

from trueup.health.kinds.read import conditions, number, part, text
from trueup.health.verdict import Health
from trueup.kube.names import Object

_SUMMARIES = ("Ready", "Available", "Healthy", "Succeeded", "Accepted", "Established", "Programmed")
"""Conditions that sum an object up, most telling first."""
_FINAL_REASONS = ("Failed", "Error", "Invalid", "Degraded")
"""A reason that ends so says that waiting alone will not help; others may be a matter of time."""


def by_conditions(obj: Object) -> Health | None:
    """What the object's conditions say; None when it has none of the known ones."""
    status = part(obj, "status")
    if not status:
        return None
    generation, observed = number(part(obj, "metadata"), "generation"), status.get("observedGeneration")
    if isinstance(observed, int) and generation > observed:
        return _progressing(f"generation {generation} is not observed yet, the controller has seen {observed}")
    found = {str(c.get("type")): c for c in conditions(obj)}
    if (stalled := found.get("Stalled")) is not None and stalled.get("status") == "True":
        return Health("Degraded", text(stalled, "message") or text(stalled, "reason"), "conditions")
    if (reconciling := found.get("Reconciling")) is not None and reconciling.get("status") == "True":
        return _progressing(text(reconciling, "message") or text(reconciling, "reason"))
    for name in _SUMMARIES:
        if name in found:
            return _summary(found[name])
    return None


def _summary(condition: Object) -> Health:
    message, reason = text(condition, "message"), text(condition, "reason")
    if condition.get("status") == "True":
        return Health("Healthy", message, "conditions")
    if condition.get("status") == "False" and reason.endswith(_FINAL_REASONS):
        return Health("Degraded", message or reason, "conditions")
    return _progressing(message or reason)


def _progressing(message: str) -> Health:
    return Health("Progressing", message, "conditions")
