"""What pages show, as plain values: objects in, template values out. Nothing is computed that a status does not say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from trueup.family import Unit
from trueup.kube.names import Object
from trueup.kube.problems import ApiProblem
from trueup.ports import Ledger, Live


def row(unit: Unit, obj: Object) -> dict[str, Any]:
    """One unit in the list."""
    view = unit.view(obj)
    kind = unit.kind.kind.lower()
    return {
        "id": f"{kind}/{view.namespace}/{view.name}",
        "kind": unit.kind.kind,
        "namespace": view.namespace,
        "name": view.name,
        "sync": view.sync,
        "health": view.health,
        "phase": view.phase,
        "revision": _short(view.revision),
        "source": view.source,
        "path": view.path,
        "message": view.message,
        "suspended": view.suspended,
    }


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
    live: Live, ledger: Ledger, health: Callable[[Object], Any], unit: Unit, obj: Object
) -> dict[str, Any]:
    """One unit."""
    view = unit.view(obj)
    nodes = []
    for resource in view.resources:
        try:
            found = await live.get(resource.ref)
        except ApiProblem:
            found = None
        nodes.append(
            {
                "title": f"{resource.ref.kind.kind} {_place(resource.ref.namespace, resource.ref.name)}",
                "sync": resource.sync,
                "health": resource.health or (health(found).status if found is not None else "Missing"),
                "message": resource.message,
                "children": _children(live, health, found) if found is not None else [],
            }
        )
    entries = await ledger.of(f"{unit.kind.kind}/{view.namespace}/{view.name}", limit=20)
    return {
        "row": row(unit, obj),
        "view": view,
        "nodes": nodes,
        "history": list(reversed(view.history)),
        "ledger": list(reversed(entries)),
        "actions": [name for name in ("sync", "refresh", "suspend", "resume") if name in unit.actions],
    }


def _children(live: Live, health: Callable[[Object], Any], obj: Object) -> list[dict[str, Any]]:
    found = []
    for child in live.owned(str(obj["metadata"].get("uid") or "")):
        judged = health(child)
        meta = child["metadata"]
        found.append(
            {
                "title": f"{child.get('kind')} {_place(meta.get('namespace') or '', meta['name'])}",
                "sync": "",
                "health": judged.status if judged.rule else "",
                "message": judged.message,
                "children": _children(live, health, child),
            }
        )
    return sorted(found, key=lambda node: str(node["title"]))


def _place(namespace: str, name: str) -> str:
    return f"{namespace}/{name}" if namespace else name


def _short(revision: str) -> str:
    if ", " in revision:
        return ", ".join(dict.fromkeys(map(_short, revision.split(", "))))
    name, at, commit = revision.rpartition("@")
    commit = commit.removeprefix("sha1:").removeprefix("sha256:")
    cut = commit[:7] if len(commit) in (40, 64) else commit
    return f"{name}@{cut}" if at else cut
