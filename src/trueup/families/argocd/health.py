"""Health of Argo CD's own kinds. Pure.

Handed to `delivery` by `Family.health`. Source: Argo CD, ``resource_customizations/argoproj.io/ApplicationSet/health.lua``.
"""

from __future__ import annotations

from trueup.health.verdict import Health, HealthStatus
from trueup.kube.names import Object

_RULE = "argoproj.io/ApplicationSet"
_CONDITIONS: tuple[tuple[str, str, HealthStatus], ...] = (
    ("ErrorOccurred", "True", "Degraded"),
    ("ResourcesUpToDate", "False", "Degraded"),
    ("RolloutProgressing", "True", "Progressing"),
    ("ResourcesUpToDate", "True", "Healthy"),
)
"""The first that is met decides."""


def application_set(obj: Object) -> Health:
    """What an ApplicationSet's conditions say."""
    known = {c.get("type"): c for c in (obj.get("status") or {}).get("conditions") or ()}
    for type_, status, health in _CONDITIONS:
        condition = known.get(type_)
        if condition is not None and condition.get("status") == status:
            return Health(health, str(condition.get("message") or ""), _RULE)
    return Health("Progressing", "Waiting for the status to be reported", _RULE)
