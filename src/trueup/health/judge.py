"""Judge the health of a live object. Called by ``plan``, ``delivery`` and the families.

Comes in: one object as JSON, and rules by (group, kind) that families or people add. Leaves: a ``Health``.
Order: a pending deletion, an added rule, the built-in rule, the object's own conditions, and else that it is there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from trueup.health.conditions import by_conditions
from trueup.health.kinds import BUILT_IN
from trueup.health.verdict import MISSING, PRESENT, Health, HealthStatus, is_worse, worst
from trueup.kube.names import Object

__all__ = ["MISSING", "PRESENT", "Health", "HealthStatus", "Rule", "Rules", "is_worse", "judge", "judge_with", "worst"]

Rule = Callable[[Object], Any]
"""A rule answers a ``Health``, or None for a state that it says nothing of (gitops-engine: nil health)."""
Rules = Mapping[tuple[str, str], Rule]
"""By (group, kind)."""

_NO_RULES: Rules = {}
_HOOK_FINALIZER = "argocd.argoproj.io/hook-finalizer"
"""Argo CD keeps a hook that is being deleted until it has read how the hook ended."""


def judge(obj: Object, rules: Rules = _NO_RULES) -> Health:
    """The health of one live object."""
    meta = obj.get("metadata") or {}
    if meta.get("deletionTimestamp") and _HOOK_FINALIZER not in (meta.get("finalizers") or ()):
        return Health("Progressing", "Pending deletion", "deletion")
    group = str(obj.get("apiVersion") or "").rpartition("/")[0]
    key = (group, str(obj.get("kind") or ""))
    added = rules.get(key)
    if added is not None:
        health = added(obj)
        if isinstance(health, Health):
            return health if health.rule else replace(health, rule="added")
    built_in = BUILT_IN.get(key)
    if built_in is not None:
        said = built_in(obj)
        return Health(said.status, said.message, "built-in")
    return by_conditions(obj) or PRESENT


def judge_with(rules: Rules) -> Callable[[Object], Health]:
    """``judge`` with rules filled in: what a ``Request`` takes."""
    return lambda obj: judge(obj, rules)
