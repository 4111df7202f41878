"""The flags of ``kustomize build``, as people write them in Argo CD's ``kustomize.buildOptions`` and behind ``render``.

Called by the kustomize renderer. Text comes in, a `Flags` leaves. Source: ``commands/build`` of kustomize 5.8.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trueup.kustomize.problem import KustomizeProblem, quote

_TRUE, _FALSE = ("1", "t", "T", "TRUE", "true", "True"), ("0", "f", "F", "FALSE", "false", "False")
_SWITCHES = frozenset({
    "as-current-user", "enable-alpha-plugins", "enable-exec", "enable-helm", "enable-managedby-label",
    "helm-debug", "network", "stack-trace",
})  # fmt: skip
_TEXTS = frozenset({
    "env", "helm-api-versions", "helm-command", "helm-kube-version", "load-restrictor", "mount", "network-name", "output",
    "reorder",
})  # fmt: skip
_SHORT = {"e": "env", "o": "output"}
_RESTRICTORS = {"LoadRestrictionsRootOnly": True, "LoadRestrictionsNone": False}


@dataclass(frozen=True, slots=True)
class Flags:
    """What they ask for. Plugins that are programs are refused whatever the flags say; charts need no flag here."""

    restrict: bool = True
    order: str = "legacy"
    managed_by_label: bool = False
    kube_version: str = ""
    api_versions: tuple[str, ...] = ()


def read_flags(text: str) -> Flags:
    """The flags of a line. Raises `KustomizeProblem` in the words of the command."""
    given = list(_flags(text.split()))
    found = dict(given)
    restrictor, order = found.get("load-restrictor", "LoadRestrictionsRootOnly"), found.get("reorder", "legacy")
    if restrictor not in _RESTRICTORS:
        known = " ".join(_RESTRICTORS)
        raise KustomizeProblem(f"illegal flag value --load-restrictor {restrictor}; legal values: [{known}]")
    if order not in ("legacy", "none"):
        raise KustomizeProblem(f"illegal flag value --reorder {order}; legal values: [legacy none]")
    return Flags(
        _RESTRICTORS[restrictor],
        order,
        found.get("enable-managedby-label") in _TRUE,
        found.get("helm-kube-version", ""),
        tuple(value for name, value in given if name == "helm-api-versions"),
    )


def _flags(words: list[str]) -> Iterator[tuple[str, str]]:
    """Names and values, as pflag reads them: ``--name value``, ``--name=value``, and switches alone."""
    left = iter(words)
    for word in left:
        if not word.startswith("-") or word == "-":
            raise KustomizeProblem(f"specify one path to kustomization.yaml, not {quote(word)} among the flags")
        given, equals, value = word.lstrip("-").partition("=")
        name = given if word.startswith("--") else _SHORT.get(given, given)
        if name in _SWITCHES:
            value = value if equals else "true"
            if value not in (*_TRUE, *_FALSE):
                said = f"strconv.ParseBool: parsing {quote(value)}: invalid syntax"
                raise KustomizeProblem(f'invalid argument {quote(value)} for "--{name}" flag: {said}')
        elif name in _TEXTS:
            if not equals:
                value = next(left, "")
                if not value:
                    raise KustomizeProblem(f"flag needs an argument: --{name}")
        else:
            short = f"unknown shorthand flag: {given[:1]!r} in {word}"
            raise KustomizeProblem(f"unknown flag: --{name}" if word.startswith("--") else short)
        yield name, value
