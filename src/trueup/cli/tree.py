"""`trueup tree`: a unit, what it applied, and what came of that (ReplicaSets, Pods)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from trueup.cli.connect import asynchronous, client_for, cluster_options
from trueup.cli.get import on_one_line
from trueup.cli.output import OutputFormat, dump, paint
from trueup.cli.units import find
from trueup.family import ResourceView
from trueup.kube.names import Kind, Object, Ref
from trueup.kube.problems import ApiProblem, NotFound
from trueup.ports import Client

CHILDREN = {
    "Deployment": Kind("apps", "v1", "ReplicaSet"),
    "ReplicaSet": Kind("", "v1", "Pod"),
    "StatefulSet": Kind("", "v1", "Pod"),
    "DaemonSet": Kind("", "v1", "Pod"),
    "CronJob": Kind("batch", "v1", "Job"),
    "Job": Kind("", "v1", "Pod"),
    "Service": Kind("discovery.k8s.io", "v1", "EndpointSlice"),
}
"""Which kind the controllers of Kubernetes make for which."""


@dataclass(frozen=True, slots=True)
class Node:
    """An object in the tree: what it is, in which state, and what it owns."""

    ref: Ref
    sync: str
    health: str
    message: str
    children: Sequence[Node]


@click.command()
@click.argument("name")
@cluster_options
@click.option("-o", "--output", type=OutputFormat, default=None, help="Another form than the drawing.")
@asynchronous
async def tree(
    name: str, state: Path, kubeconfig: Path | None, context: str, namespace: str, output: str | None
) -> int:
    """Show what a unit applied and what came of it."""
    from trueup.app.families import units

    client = await client_for(state, kubeconfig, context)
    found = await find(client, units(), name, namespace)
    nodes = await grow(client, found.view.resources)
    if output in ("json", "yaml"):
        click.echo(dump([_as_json(node) for node in nodes], output))
        return 0
    view = found.view
    click.echo(f"{found.title}  {paint(view.sync)}  {paint(view.health)}")
    click.echo("\n".join(draw(nodes)))
    return 0


async def grow(client: Client, resources: Sequence[ResourceView]) -> list[Node]:
    """The nodes of a unit's resources, with the children that live objects own; each kind is listed once."""
    from trueup.app.families import health_of, units

    known = {unit.kind: unit for unit in units()}
    listed: dict[tuple[Kind, str], list[Object]] = {}

    async def children(parent: Object) -> list[Node]:
        kind = CHILDREN.get(parent.get("kind", ""))
        meta = parent.get("metadata") or {}
        if kind is None:
            return []
        where = (kind, meta.get("namespace") or "")
        if where not in listed:
            listed[where] = (await client.list(*where)).items
        nodes = []
        for child in listed[where]:
            owners = (child.get("metadata") or {}).get("ownerReferences") or ()
            if any(owner.get("uid") == meta.get("uid") for owner in owners):
                child = {"apiVersion": kind.api_version, "kind": kind.kind, **child}
                health = health_of(child)
                nodes.append(Node(Ref.of(child), "", health.status, health.message, await children(child)))
        return nodes

    blind = not any(resource.health for resource in resources)

    async def node(resource: ResourceView) -> Node:
        """A resource as its unit sees it; one whose unit does not speak of health, as it is live."""
        ref, health, message = resource.ref, resource.health, resource.message
        if not blind and ref.kind.kind not in CHILDREN and ref.kind not in known:
            return Node(ref, resource.sync, health, message, ())
        try:
            live = await client.get(ref)
        except NotFound:
            return Node(ref, resource.sync, "Missing" if blind else health, message, ())
        except ApiProblem:
            return Node(ref, resource.sync, health, message, ())
        judged = health_of(live)
        if (unit := known.get(ref.kind)) is not None:
            view = unit.view(live)
            return Node(ref, view.sync, view.health, view.message if view.health != "Healthy" else "", ())
        if blind and judged.rule:
            health, message = judged.status, judged.message if judged.status != "Healthy" else ""
        return Node(ref, resource.sync, health, message, await children(live))

    return await asyncio.gather(*(node(resource) for resource in resources))


def draw(nodes: Sequence[Node], indent: str = "") -> Iterator[str]:
    """The tree in lines, with box-drawing branches."""
    for index, node in enumerate(nodes):
        last = index == len(nodes) - 1
        where = f"{node.ref.namespace}/" if node.ref.namespace else ""
        words = [f"{node.ref.kind.kind} {where}{node.ref.name}", *(paint(w) for w in (node.sync, node.health) if w)]
        yield f"{indent}{'└─' if last else '├─'} {'  '.join(words)}" + (
            f"  {on_one_line(node.message)}" if node.message else ""
        )
        yield from draw(node.children, indent + ("   " if last else "│  "))


def _as_json(node: Node) -> Mapping[str, object]:
    kind = node.ref.kind
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "namespace": node.ref.namespace,
        "name": node.ref.name,
        "sync": node.sync,
        "health": node.health,
        "message": node.message,
        "children": [_as_json(child) for child in node.children],
    }
