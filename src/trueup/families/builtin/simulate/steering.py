"""The annotations ``simulate.trueup.dev/…`` with which a pod (a template) asks for another course of events. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from trueup.families.builtin.simulate.script import Outcome, outcome
from trueup.kube.names import Object
from trueup.kube.objects import annotations
from trueup.timing.durations import parse_duration

PREFIX = "simulate.trueup.dev/"
_LONG = 60
_NOWHERE = frozenset({"404", "does-not-exist", "doesnotexist", "non-existent", "nonexistent"})
READY_AFTER, RUN_FOR = 0.3, 0.5
"""Seconds that take by default: until a pod is ready, and until one that is meant to end has ended."""


@dataclass(frozen=True, slots=True)
class Course:
    """What is going to happen to a pod."""

    ready_after: float = READY_AFTER
    run_for: float = RUN_FOR
    exit_code: int = 0
    codes: Mapping[str, int] = field(default_factory=dict)
    """By the name of a container, where its command tells."""
    init_codes: Mapping[str, int] = field(default_factory=dict)
    """Of init containers that fail."""
    ends: bool = False
    """Its containers exit after ``run_for``."""
    pending: bool = False
    image_pull_error: bool = False
    never_ready: bool = False
    """A probe of its own is known to fail."""
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

    containers = (pod.get("spec") or {}).get("containers") or ()
    known = {str(one.get("name")): end for one in containers if (end := outcome(one, pod)) is not None}
    told = _true(given.get("fail")) or _true(given.get("crash-loop"))
    fails = told or any(end.code and end.after < _LONG for end in known.values())
    code = given.get("exit-code", "")
    if code and not code.isdigit():
        problems.append(f'{PREFIX}exit-code: "{code}" is no exit code: write a number from 0 to 255')
    first = [one for one in (pod.get("spec") or {}).get("initContainers") or () if one.get("restartPolicy") != "Always"]
    failing = {str(one.get("name")): end.code for one in first if (end := outcome(one, pod)) is not None and end.code}
    exit_code = int(code) if code.isdigit() else 1 if told else 0
    stays = any(_stays(one, known) for one in containers)
    ended = bool(known) and len(known) == len(containers) and not stays
    always = ((pod.get("spec") or {}).get("restartPolicy") or "Always") == "Always"
    return Course(
        ready_after=duration("ready-after", READY_AFTER),
        run_for=duration("run-for", RUN_FOR),
        exit_code=exit_code,
        codes={} if told or code.isdigit() else {name: end.code for name, end in known.items()},
        init_codes=failing,
        ends=(not always and not stays) or ended or fails or "exit-code" in given or "run-for" in given,
        pending=_true(given.get("pending")),
        image_pull_error=_true(given.get("image-pull-error")) or any(map(_missing, containers)),
        never_ready=any(map(_fails, containers)),
        problem="; ".join(problems),
    )


def _missing(container: Object) -> bool:
    """Images whose tag says that there is none such: what people write to see a rollout fail."""
    return str(container.get("image") or "").rpartition("/")[2].partition(":")[2] in _NOWHERE


def _image(container: Object) -> str:
    """Its last name, where the image's own program runs."""
    if container.get("command"):
        return ""
    return str(container.get("image") or "").partition("@")[0].rpartition("/")[2].partition(":")[0]


def _stays(container: Object, known: Mapping[str, Outcome]) -> bool:
    """Images and commands that are made to do nothing, or to serve, until they are stopped."""
    name, args = _image(container), [*(container.get("args") or ())]
    end = known.get(str(container.get("name")))
    if end is not None:
        return end.after >= _LONG  # what sleeps for minutes is meant to be there
    return name == "pause" or (name == "agnhost" and (args or ["pause"])[0] in ("pause", "netexec", "test-webserver"))


def _fails(container: Object) -> bool:
    """Whether it can be known that a probe of it never succeeds."""
    args = [*(container.get("args") or ())]
    serves = 80 if _image(container) == "agnhost" and args == ["test-webserver"] else None
    for name in ("readinessProbe", "startupProbe"):
        probe = container.get(name) or {}
        asks = (probe.get("httpGet") or probe.get("tcpSocket") or {}).get("port")
        if _is_false(probe.get("exec") or {}) or (serves is not None and isinstance(asks, int) and asks != serves):
            return True
    return False


def _is_false(what: Object) -> bool:
    """A probe's command whose outcome is known without running it."""
    command: Sequence[str] = what.get("command") or ()
    return len(command) == 1 and command[0] in ("false", "/bin/false", "/usr/bin/false")


def _true(text: str | None) -> bool:
    return (text or "").lower() in ("true", "1", "yes")
