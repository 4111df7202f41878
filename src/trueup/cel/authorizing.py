"""Kubernetes' ``authorizer``: may somebody do something. A library; who answers is a callable that the caller hands in.

Source: ``k8s.io/apiserver/pkg/cel/library/authz.go``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

from trueup.cel.functions import Implementation, Overload, name_type, overloads
from trueup.cel.problems import CelError
from trueup.cel.types import struct
from trueup.cel.values import Opaque

AUTHORIZER_TYPE = struct("kubernetes.authorization.Authorizer")
for _word in ("Authorizer", "PathCheck", "GroupCheck", "ResourceCheck", "Decision"):
    name_type(_word, struct(f"kubernetes.authorization.{_word}"))


@dataclass(frozen=True)
class Question(Opaque):
    """What is asked: of whom, about what. ``service_account`` is a namespace and a name, empty for the request's user."""

    service_account: tuple[str, str] | None = None
    path: str = ""
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    field_selector: str = ""
    label_selector: str = ""


@dataclass(frozen=True)
class Decision(Opaque):
    """The answer."""

    allowed: bool
    reason: str = ""
    error: str = ""
    type_name = "kubernetes.authorization.Decision"


Ask = Callable[[Question, str], Decision]


@dataclass(frozen=True)
class Authorizer(Opaque):
    """Whoever answers, and for whom."""

    ask: Ask
    question: Question = Question()
    type_name = "kubernetes.authorization.Authorizer"


class PathCheck(Authorizer):
    """A path is known."""

    type_name = "kubernetes.authorization.PathCheck"


class GroupCheck(Authorizer):
    """An API group is known."""

    type_name = "kubernetes.authorization.GroupCheck"


class ResourceCheck(Authorizer):
    """A resource is known."""

    type_name = "kubernetes.authorization.ResourceCheck"


def _path(of: Authorizer, path: str) -> PathCheck:
    if not path:
        raise CelError("path must not be empty")
    return PathCheck(of.ask, replace(of.question, path=path))


def _service_account(of: Authorizer, namespace: str, name: str) -> Authorizer:
    return Authorizer(of.ask, replace(of.question, service_account=(namespace, name)))


def _with(field: str) -> Implementation:
    return lambda of, value: ResourceCheck(of.ask, replace(of.question, **{field: value}))


def _check(of: Authorizer, verb: str) -> Decision:
    return of.ask(of.question, verb)


_ROWS: list[tuple[str, str, Implementation | None]] = [
    ("authorizer_path", "Authorizer::path(string): PathCheck", _path),
    (
        "authorizer_group",
        "Authorizer::group(string): GroupCheck",
        lambda of, group: GroupCheck(of.ask, replace(of.question, group=group)),
    ),
    ("authorizer_serviceaccount", "Authorizer::serviceAccount(string, string): Authorizer", _service_account),
    ("groupcheck_resource", "GroupCheck::resource(string): ResourceCheck", _with("resource")),
    ("resourcecheck_subresource", "ResourceCheck::subresource(string): ResourceCheck", _with("subresource")),
    ("resourcecheck_namespace", "ResourceCheck::namespace(string): ResourceCheck", _with("namespace")),
    ("resourcecheck_name", "ResourceCheck::name(string): ResourceCheck", _with("name")),
    ("authorizer_fieldselector", "ResourceCheck::fieldSelector(string): ResourceCheck", _with("field_selector")),
    ("authorizer_labelselector", "ResourceCheck::labelSelector(string): ResourceCheck", _with("label_selector")),
    ("pathcheck_check", "PathCheck::check(string): Decision", _check),
    ("resourcecheck_check", "ResourceCheck::check(string): Decision", _check),
    ("decision_errored", "Decision::errored(): bool", lambda decision: bool(decision.error)),
    ("decision_error", "Decision::error(): string", lambda decision: decision.error),
    ("decision_allowed", "Decision::allowed(): bool", lambda decision: decision.allowed),
    ("decision_reason", "Decision::reason(): string", lambda decision: decision.reason),
]


@cache
def authorizing() -> tuple[Overload, ...]:
    """``authorizer``'s functions."""
    return tuple(overloads(_ROWS))
