"""Probes and hooks of containers. Source: Kubernetes ``core/validation``, validateProbe, validateHandler, validateLifecycle."""

from __future__ import annotations

from typing import Any

from trueup.kube.names import Object
from trueup.kube.validation import formats
from trueup.kube.validation.causes import (
    Causes,
    each_invalid,
    forbidden,
    invalid,
    not_negative,
    not_supported,
    required,
)  # fmt: skip

PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_OF_PROBES = ("exec", "httpGet", "tcpSocket", "grpc")
_OF_HOOKS = ("exec", "httpGet", "tcpSocket", "sleep")
_NUMBERS = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")
_SCHEMES = ("HTTP", "HTTPS")
_WINDOWS_SIGNALS = ("SIGKILL", "SIGTERM")
_LINUX_SIGNALS = tuple(
    sorted(
        (
            *(
                f"SIG{name}"
                for name in (
                    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE",
                    "POLL", "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU",
                    "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN", "RTMAX",
                )
            ),
            *(f"SIGRTMIN+{number}" for number in range(1, 16)),
            *(f"SIGRTMAX-{number}" for number in range(1, 15)),
        )
    )
)  # fmt: skip


def probes(container: Object, path: str, grace: int | None) -> Causes:
    """The probes of a container."""
    for name in PROBES:
        found = container.get(name)
        if found is None:
            continue
        at = f"{path}.{name}"
        yield from _probe(found, at, grace)
        if name == "readinessProbe":
            seconds = found.get("terminationGracePeriodSeconds")
            if seconds is not None:
                yield invalid(f"{at}.terminationGracePeriodSeconds", seconds, "must not be set for readinessProbes")
        elif found.get("successThreshold") != 1:
            yield invalid(f"{at}.successThreshold", found.get("successThreshold") or 0, "must be 1")


def _probe(found: Object, path: str, grace: int | None) -> Causes:
    yield from _handler(found, path, _OF_PROBES, grace)
    for name in _NUMBERS:
        yield from not_negative(f"{path}.{name}", found.get(name))
    seconds = found.get("terminationGracePeriodSeconds")
    if seconds is not None and seconds <= 0:
        yield invalid(f"{path}.terminationGracePeriodSeconds", seconds, "must be greater than 0")


def lifecycle(found: Object, path: str, grace: int | None, system: Any) -> Causes:
    """What is done when a container starts and stops. ``system``: the pod's ``os``."""
    for hook in ("postStart", "preStop"):
        if found.get(hook) is not None:
            yield from _handler(found[hook], f"{path}.{hook}", _OF_HOOKS, grace)
    signal = found.get("stopSignal")
    if signal is None:
        return
    at, name = f"{path}.stopSignal", (system or {}).get("name")
    if system is None:
        yield forbidden(at, "may not be set for containers with empty `spec.os.name`")
    elif name == "windows" and signal not in _WINDOWS_SIGNALS:
        yield not_supported(at, signal, _WINDOWS_SIGNALS)
    elif name == "linux" and signal not in _LINUX_SIGNALS:
        yield not_supported(at, signal, _LINUX_SIGNALS)


def _handler(found: Object, path: str, known: tuple[str, ...], grace: int | None) -> Causes:
    given = [name for name in known if found.get(name) is not None]
    if not given:
        yield required(path, "must specify a handler type")
        return
    yield from _action(found[given[0]], f"{path}.{given[0]}", given[0], grace)
    for name in given[1:]:
        yield forbidden(f"{path}.{name}", "may not specify more than 1 handler type")


def _action(found: Object, path: str, how: str, grace: int | None) -> Causes:
    if how == "exec":
        if not found.get("command"):
            yield required(f"{path}.command")
    elif how == "httpGet":
        yield from _http(found, path)
    elif how == "sleep":
        seconds = found.get("seconds") or 0
        if grace is not None and not 0 <= seconds <= grace:
            text = f"must be non-negative and less than terminationGracePeriodSeconds ({grace})"
            yield invalid(path, seconds, text)
    else:
        yield from _port(found.get("port"), f"{path}.port")


def _http(found: Object, path: str) -> Causes:
    if not found.get("path"):
        yield required(f"{path}.path")
    yield from _port(found.get("port"), f"{path}.port")
    scheme = found.get("scheme")
    if scheme not in _SCHEMES:
        yield not_supported(f"{path}.scheme", scheme or "", _SCHEMES)
    for header in found.get("httpHeaders") or ():
        name = header.get("name") or ""
        yield from each_invalid(f"{path}.httpHeaders", name, formats.header_name(name))


def _port(port: Any, path: str) -> Causes:
    if isinstance(port, str):
        yield from each_invalid(path, port, formats.port_name(port))
    else:
        yield from each_invalid(path, port or 0, formats.port_number(port))
