"""What pages show, as plain values: objects in, template values out. Nothing is computed that a status does not say."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from trueup.family import Unit, UnitView
from trueup.kube.names import Object, Ref
from trueup.kube.problems import ApiProblem
from trueup.ports import Ledger, Live

_COMMIT = re.compile(r"\b(?:sha1:|sha256:)?([0-9a-f]{64}|[0-9a-f]{40})\b")
_DEEPEST = 12
"""Owners of owners: more is a circle."""


@dataclass(frozen=True, slots=True)
class Node:
    """One object in a unit's tree. ``health`` is empty when nothing is known of its kind's health."""

    ref: Ref
    uid: str = ""
    sync: str = ""
    health: str = ""
    message: str = ""
    children: Sequence[Node] = field(default=())

    @property
    def place(self) -> str:
        """``namespace/name``, or the name alone."""
        return _place(self.ref.namespace, self.ref.name)

    def walk(self) -> Iterator[Node]:
        """It and all below."""
        yield self
        for child in self.children:
            yield from child.walk()


def row(unit: Unit, obj: Object) -> dict[str, Any]:
    """One unit in the list."""
    view = unit.view(obj)
    return {
        "id": unit_id(view),
        "kind": unit.kind.kind,
        "namespace": view.namespace,
        "name": view.name,
        "sync": view.sync,
        "health": view.health,
        "phase": view.phase,
        "revision": short(view.revision),
        "source": view.source,
        "path": view.path,
        "message": _COMMIT.sub(lambda found: found[1][:7], view.message),
        "suspended": view.suspended,
    }


def unit_id(view: UnitView) -> str:
    """A unit's place in addresses: ``application/argocd/web``."""
    return f"{view.kind.kind.lower()}/{view.namespace}/{view.name}"


async def units_page(live: Live, units: Sequence[Unit]) -> list[dict[str, Any]]:
    """All units by kind, namespace and name."""
    rows = []
    for unit in units:
        try:
            rows += [row(unit, obj) for obj in await live.list(unit.kind)]
        except ApiProblem:
            continue  # the kind is not served in this cluster
    return sorted(rows, key=lambda r: (r["kind"], r["namespace"], r["name"]))


async def unit_page(
    live: Live, ledger: Ledger, health: Callable[[Object], Any], units: Sequence[Unit], unit: Unit, obj: Object
) -> dict[str, Any]:
    """One unit."""
    view = unit.view(obj)
    entries = await ledger.of(f"{unit.kind.kind}/{view.namespace}/{view.name}", limit=20)
    known = {one.kind: one for one in units}
    return {
        "row": row(unit, obj),
        "view": view,
        "nodes": await tree(live, health, view),
        "needs": [
            (f"{r.kind.kind.lower()}/{r.namespace}/{r.name}" if r.kind in known else "", r) for r in view.waits_for
        ],
        "history": list(reversed(view.history)),
        "ledger": list(reversed(entries)),
        "actions": [name for name in ("sync", "refresh") if name in unit.actions]
        + [name for name in ("resume" if view.suspended else "suspend",) if name in unit.actions],
    }


async def tree(live: Live, health: Callable[[Object], Any], view: UnitView) -> list[Node]:
    """What a unit owns, and what that owns."""
    nodes = []
    for resource in view.resources:
        try:
            found = await live.get(resource.ref)
        except ApiProblem:
            found = None
        judged = health(found) if found is not None else None
        nodes.append(
            Node(
                resource.ref,
                str(found["metadata"].get("uid") or "") if found is not None else "",
                resource.sync,
                resource.health
                or (judged.status if judged is not None and judged.rule else "" if found else "Missing"),
                resource.message or (judged.message if judged is not None else ""),
                _children(live, health, found, 0) if found is not None else (),
            )
        )
    return nodes


def _children(live: Live, health: Callable[[Object], Any], obj: Object, depth: int) -> list[Node]:
    found = []
    for child in live.owned(str(obj["metadata"].get("uid") or "")) if depth < _DEEPEST else ():
        judged = health(child)
        uid = str(child["metadata"].get("uid") or "")
        below = _children(live, health, child, depth + 1)
        found.append(Node(Ref.of(child), uid, "", judged.status if judged.rule else "", judged.message, below))
    return sorted(found, key=lambda node: (node.ref.kind.kind, node.place))


def _place(namespace: str, name: str) -> str:
    return f"{namespace}/{name}" if namespace else name


def short(revision: str) -> str:
    """``main@sha1:0123456789…`` to ``main@0123456``; several stay several, each named once."""
    return ", ".join(dict.fromkeys(map(_short, revision.split(", "))))


def _short(revision: str) -> str:
    name, at, commit = revision.rpartition("@")
    algorithm, colon, digest = commit.rpartition(":")
    commit = digest if colon and algorithm in ("sha1", "sha256") else commit
    whole = len(commit) in (40, 64) and all(char in "0123456789abcdef" for char in commit)
    cut = commit[:7] if whole else commit
    return f"{name}@{cut}" if at else cut
