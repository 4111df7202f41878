"""The annotations ``simulate.trueup.dev/…`` with which a pod (a template) asks for another course of events. Pure."""

from dataclasses import dataclass

from trueup.kube.names import Object
from trueup.kube.objects import annotations
from trueup.timing.durations import parse_duration

PREFIX = "simulate.trueup.dev/"
READY_AFTER, RUN_FOR = 0.3, 0.5
"""Seconds that take by default: until a pod is ready, and until one that is meant to end has ended."""


@dataclass(frozen=True, slots=True)
class Course:
    """What is going to happen to a pod."""

    ready_after: float = READY_AFTER
    run_for: float = RUN_FOR
    exit_code: int = 0
    ends: bool = False
    """Its containers exit after ``run_for``."""
    pending: bool = False
    image_pull_error: bool = False
    problem: str = ""
    """An annotation that cannot be read."""


def course(pod: Object) -> Course:
    """Read the annotations. A pod that is restarted ``Always`` ends only when told to fail."""
    given = {n.removeprefix(PREFIX): str(v) for n, v in annotations(pod).items() if n.startswith(PREFIX)}
    problems: list[str] = []

    def duration(name: str, default: float) -> float:
        try:
            return max(0.0, parse_duration(given[name])) if name in given else default
        except ValueError as problem:
            problems.append(f"{PREFIX}{name}: {problem}")
            return default

    fails = _true(given.get("fail")) or _true(given.get("crash-loop"))
    code = given.get("exit-code", "")
    if code and not code.isdigit():
        problems.append(f'{PREFIX}exit-code: "{code}" is no exit code: write a number from 0 to 255')
    exit_code = int(code) if code.isdigit() else 1 if fails else 0
    always = ((pod.get("spec") or {}).get("restartPolicy") or "Always") == "Always"
    return Course(
        ready_after=duration("ready-after", READY_AFTER),
        run_for=duration("run-for", RUN_FOR),
        exit_code=exit_code,
        ends=not always or fails or "exit-code" in given or "run-for" in given,
        pending=_true(given.get("pending")),
        image_pull_error=_true(given.get("image-pull-error")),
        problem="; ".join(problems),
    )


def _true(text: str | None) -> bool:
    return (text or "").lower() in ("true", "1", "yes")
