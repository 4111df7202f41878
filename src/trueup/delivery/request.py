"""What a dialect asks of ``Delivery``: a unit's wanted objects and how to deliver them, in nobody's dialect.

Made by ``families/argocd`` and ``families/flux`` from their specs; consumed by ``delivery.pipeline``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from trueup.health.judge import judge
from trueup.health.verdict import Health
from trueup.kube.names import Object, Ref
from trueup.plan.policy import Policy
from trueup.plan.wanted import Ignore, LiveMarks, Wanted
from trueup.ports import Artifact, Cluster, Spec

__all__ = ["LiveMarks", "Repository", "Request", "SourceRequest"]


@dataclass(frozen=True, slots=True)
class Repository:
    """A Helm repository, and what opens it."""

    url: str
    secret: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    pass_credentials: bool = False


@dataclass(frozen=True, slots=True)
class SourceRequest:
    """One source to fetch and render. ``tool`` and ``options`` as in ``ports.RenderRequest``.

    ``name`` is what other sources may call it by (Argo CD ``ref``: ``$name/values.yaml``); a source with ``render`` False
    is only read by others.
    """

    spec: Spec
    path: str = "."
    tool: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    revision: str = ""
    """Render exactly this commit; empty: what ``spec`` names now."""
    name: str = ""
    render: bool = True
    artifact: Artifact | None = None
    """Already had, in whatever form the dialect gives it: it is not fetched."""
    repository: Callable[[str], Repository] | None = None
    """The Helm repository that a chart names by URL or alias; without it, its own host sees the source's credentials."""
    schemes: tuple[str, ...] = ()
    """Of the URLs that values files may be fetched from."""


def _as_it_is(obj: Object) -> Object:
    return obj


def _all_mine(_: Object) -> LiveMarks:
    return LiveMarks()


def _permitted(_: Ref, __: Object | None) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Request:
    """One unit's delivery. The same request is planned, advanced and re-advanced until its outcome is final."""

    unit: Ref
    """The object that asks, e.g. the Application: its name in the ledger and in events."""
    cluster: Cluster
    manager: str
    """The field manager that server-side apply owns fields by, e.g. ``argocd-controller``."""
    wanted: tuple[Wanted, ...]
    """As rendered, in any order; namespaces not yet filled in, marks not yet on."""
    revision: str = ""
    """What is being delivered: commit ids joined by ``,``. Another one preempts an operation that runs."""
    actor: str = ""
    """Who or what asked, for the ledger: a user name, or ``automated``."""
    namespace: str = ""
    """The default namespace of namespaced objects that name none."""
    inventory: tuple[Ref, ...] = ()
    """What the unit owned after its last operation: the candidates for pruning."""
    mark: Callable[[Object], Object] = _as_it_is
    """Puts the unit's tracking label or annotation on a settled object: answers a changed copy, never the same modified."""
    read_live: Callable[[Object], LiveMarks] = _all_mine
    permits: Callable[[Ref, Object | None], str] = _permitted
    """Why this object may not be written or pruned (a project forbids the kind, the destination...); empty: it may."""
    ignore: tuple[Ignore, ...] = ()
    policy: Policy = Policy()  # noqa: RUF009 - frozen
    judge: Callable[[Object], Health] = judge
    identity: str = ""
    """Whom to impersonate (``system:serviceaccount:ns:name``); empty: trueup itself."""
    deleting: bool = False
    """The unit itself is going: ``wanted`` holds only PreDelete and PostDelete hooks, and all of the inventory goes
    (``Options.delete`` decides instead of ``Options.prune``; ``Policy.prune`` and ``allow_empty`` do not matter)."""
