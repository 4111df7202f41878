"""Flux's CEL expressions: when a custom resource is healthy, and when a dependency is ready. Pure.

Called by `inputs.py`. Sources: fluxcd/pkg ``runtime/cel`` (RFC-0009); kustomize-controller ``evalReadyExpr``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from trueup.cel import CelError as CelError
from trueup.cel import CelProblem, Program, compile, extended
from trueup.health.kstatus import judge as by_kstatus
from trueup.health.verdict import Health, HealthStatus
from trueup.kube.names import Kind, Object

_RULE = "healthCheckExprs"
_ORDER: tuple[tuple[str, HealthStatus], ...] = (
    ("inProgress", "Progressing"),
    ("failed", "Degraded"),
    ("current", "Healthy"),
)
Judge = Callable[[Object], Health]


class Wrong(Exception):
    """An expression that cannot be used; only a change of the spec can help."""


@lru_cache(maxsize=1024)
def parsed(text: str) -> Program:
    """An expression over whatever fields an object has; its types are known when it runs. Raises ``Wrong``."""
    try:
        return compile(text, extended(), checked=False)
    except CelProblem as problem:
        raise Wrong(f"failed to parse the CEL expression '{text}': {problem}") from problem


def health(checks: Sequence[Mapping[str, Any]]) -> Judge:
    """kstatus, with expressions in its place for the kinds (or whole groups) that they are given for. Raises ``Wrong``."""
    programs: dict[tuple[str, str], list[tuple[Program, HealthStatus]]] = {}
    for index, check in enumerate(checks):
        kind = Kind.parse(str(check.get("apiVersion") or ""), str(check.get("kind") or ""))
        key = (kind.group, kind.kind)
        if key in programs:
            raise Wrong(
                f"duplicate custom health check for GroupKind {kind.kind}.{kind.group} at healthchecks[{index}]"
            )
        programs[key] = [(parsed(str(check[name])), status) for name, status in _ORDER if check.get(name)]

    def judged(obj: Object) -> Health:
        kind = Kind.of(obj)
        chosen = programs.get((kind.group, kind.kind)) or programs.get((kind.group, ""))
        return _evaluated(chosen, obj) if chosen is not None else by_kstatus(obj)

    return judged if programs else by_kstatus


def _evaluated(programs: Sequence[tuple[Program, HealthStatus]], obj: Object) -> Health:
    """The first expression that holds; while the object is not observed, and when none does, it is in progress."""
    observed = (obj.get("status") or {}).get("observedGeneration")
    generation = (obj.get("metadata") or {}).get("generation")
    if isinstance(observed, int) and isinstance(generation, int) and observed != generation:
        return Health("Progressing", "", _RULE)
    try:
        for program, status in programs:
            if _true(program, obj):
                return Health(status, "", _RULE)
    except CelError as problem:
        return Health("Unknown", str(problem), _RULE)
    return Health("Progressing", "", _RULE)


def ready(text: str, obj: Object, dependency: Object) -> bool:
    """Whether a dependency is ready in its dependent's own words (``self`` and ``dep``). Raises ``Wrong`` and ``CelError``."""
    return _true(parsed(text), {"self": obj, "dep": dependency})


def _true(program: Program, bindings: Mapping[str, Any]) -> bool:
    value = program.evaluate(bindings)
    if not isinstance(value, bool):
        raise CelError(f"failed to evaluate the CEL expression '{program.text}' as bool, it is {type(value).__name__}")
    return value
