"""The word that a health rule answers. Read by every rule, by ``plan`` and by the families' status."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

HealthStatus = Literal["Healthy", "Suspended", "Progressing", "Missing", "Degraded", "Unknown"]

ORDER: tuple[HealthStatus, ...] = ("Healthy", "Suspended", "Progressing", "Missing", "Degraded", "Unknown")
"""Best first, as Argo CD's gitops-engine ranks them when it sums up an application."""

_RANK = {status: rank for rank, status in enumerate(ORDER)}


@dataclass(frozen=True, slots=True)
class Health:
    """What can be said of one object. ``rule`` names what judged it; empty: no rule knows the kind, it is merely there.

    Argo CD reports no health at all for an object without a rule; Flux takes it for current.
    """

    status: HealthStatus
    message: str = ""
    rule: str = ""


PRESENT = Health("Healthy")
"""An object that no rule knows."""
MISSING = Health("Missing", "the object does not exist", "present")


def worst(statuses: Iterable[HealthStatus]) -> HealthStatus:
    """The worst of several; ``Healthy`` for none. Source: gitops-engine ``health.IsWorse``."""
    return max(statuses, key=_RANK.__getitem__, default="Healthy")


def is_worse(new: HealthStatus, than: HealthStatus) -> bool:
    """Whether ``new`` ranks below ``than``."""
    return _RANK[new] > _RANK[than]
