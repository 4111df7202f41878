"""Health of Argo CD's own kinds. Pure.

Handed to `delivery` by `Family.health` and by `ask.py`. Source: Argo CD,
``resource_customizations/argoproj.io/ApplicationSet/health.lua``.
"""

from __future__ import annotations

from trueup.families.argocd.types import HOME
from trueup.health.verdict import Health, HealthStatus
from trueup.kube.names import Kind, Object, Ref

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


SETTINGS = Ref(Kind("", "v1", "ConfigMap"), HOME, "argocd-cm")
JUDGED = "resource.customizations.health.argoproj.io_Application"
"""Argo CD judges child Applications only where its settings say how; it documents one way, which is this one."""


def children_are_judged(settings: Object | None) -> bool:
    """Whether the settings bring the health of Applications back."""
    return bool(((settings or {}).get("data") or {}).get(JUDGED))


def application(obj: Object) -> Health:
    """A child is as its own status says. Source: Argo CD operator manual, "Resource Health", Argocd App."""
    health = (obj.get("status") or {}).get("health") or {}
    return Health(health.get("status") or "Progressing", str(health.get("message") or ""), "argoproj.io/Application")
