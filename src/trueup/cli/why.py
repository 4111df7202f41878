"""`trueup why`: walks from a unit to the first cause of its state.

The walk: the unit's own words -> what it waits for (sources, dependencies) -> the resource that is not well -> the
children and pods below it -> their last warning event. The deepest finding is the cause.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from trueup.cli.connect import asynchronous, client_for, cluster_options
from trueup.cli.get import short, waits_for_person
from trueup.cli.output import paint
from trueup.cli.tree import Node, grow
from trueup.cli.units import Found, all_units, find
from trueup.cli.wait import settled
from trueup.family import Unit
from trueup.kube.names import Kind, Object, Ref
from trueup.kube.problems import ApiProblem, NotFound
from trueup.ports import Client

_UNREACHED = re.compile(r"unable to access '(\S+)'")
"""How Git words a remote that cannot be reached."""
EVENT = Kind("", "v1", "Event")


@dataclass(frozen=True, slots=True)
class Finding:
    """One step of the walk: where, and what is said there."""

    where: str
    state: str
    text: str


@click.command()
@click.argument("name")
@cluster_options
@asynchronous
async def why(name: str, state: Path, kubeconfig: Path | None, context: str, namespace: str) -> int:
    """Say why a unit is as it is, down to the first cause.

    Exits with 1 while the unit is not synced and healthy.
    """
    from trueup.app.families import units

    client = await client_for(state, kubeconfig, context)
    found = await find(client, units(), name, namespace)
    findings = await walk(client, units(), found)
    for depth, finding in enumerate(findings):
        lead = "" if depth == 0 else "  " * (depth - 1) + "└─ because "
        click.echo(f"{lead}{finding.where}: {finding.state}" + (f" - {finding.text}" if finding.text else ""))
    if settled(found.view):
        return 0
    if len(findings) > 1:
        click.echo(f"\nFirst cause: {findings[-1].where}: {findings[-1].text or findings[-1].state}")
    unreached = _UNREACHED.search(findings[-1].text)
    if unreached:
        click.echo(f"A folder on this machine can answer instead: trueup up --map {unreached[1].rstrip('/')}=DIR")
    return 1


async def walk(
    client: Client, units: Sequence[Unit], found: Found, seen: frozenset[Ref] = frozenset()
) -> list[Finding]:
    """The chain of findings from a unit to the first cause; a unit in good order has one finding, about its revision."""
    view = found.view
    at = f"at {short(view.revision)}" if view.revision else "no revision yet"
    if settled(view):
        return [Finding(found.title, f"{view.sync} and {view.health}", at)]
    chain = [Finding(found.title, f"{paint(view.sync)}, {paint(view.health)}", view.message or at)]
    if waits_for_person(view) and not view.message:
        return [*chain, Finding("its sync policy", "Manual", f"nobody syncs it but you: trueup sync {view.name}")]
    for ref in view.waits_for:
        if ref in seen:
            continue
        cause = await _blocker(client, units, ref, seen | {found.ref})
        if cause:
            return chain + cause
    unwell = [r for r in view.resources if r.health not in ("", "Healthy") or r.sync == "OutOfSync"]
    silent = [] if any(r.health for r in view.resources) else view.resources
    for node in await grow(client, unwell or silent):
        if node.health in ("", "Healthy") and node.sync != "OutOfSync":
            continue
        if any((u.kind.group, u.kind.kind) == (node.ref.kind.group, node.ref.kind.kind) for u in units):
            if node.ref not in seen and (below := await _blocker(client, units, node.ref, seen | {found.ref})):
                return chain + below
            continue
        return chain + await _descend(client, node)
    return chain


async def _blocker(client: Client, units: Sequence[Unit], ref: Ref, seen: frozenset[Ref]) -> list[Finding]:
    """What is wrong with an object that a unit waits for; nothing when it is well."""
    try:
        obj = await client.get(ref)
    except NotFound:
        return [Finding(str(ref), "Missing", "does not exist"), *await _refused(client, units, ref)]
    unit = next((u for u in units if (u.kind.group, u.kind.kind) == (ref.kind.group, ref.kind.kind)), None)
    if unit is not None:
        found = Found(obj, unit, unit.view(obj))
        return [] if settled(found.view) else await walk(client, units, found, seen)
    ready = next((c for c in (obj.get("status") or {}).get("conditions") or () if c.get("type") == "Ready"), None)
    if ready is None or ready.get("status") == "True":
        return []
    return [Finding(str(ref), str(ready.get("reason") or "not ready"), str(ready.get("message") or ""))]


async def _refused(client: Client, units: Sequence[Unit], ref: Ref) -> list[Finding]:
    """The unit that wants an object and says what keeps it from being there."""
    names = (str(ref), f"{ref.kind.kind}/{ref.namespace}/{ref.name} ")
    for found in await all_units(client, units):
        for line in found.view.message.splitlines():
            if line.startswith(names):
                return [Finding(found.title, f"{paint(found.view.sync)}, {paint(found.view.health)}", line)]
    return []


async def _descend(client: Client, node: Node) -> list[Finding]:
    """From a resource down to the unhealthy child at the bottom, then its last warning."""
    state = ", ".join(paint(word) for word in (node.sync, node.health) if word)
    chain = [Finding(str(node.ref), state, node.message)]
    for child in node.children:
        if child.health not in ("", "Healthy"):
            return chain + await _descend(client, child)
    warning = await _last_warning(client, node.ref)
    if warning is not None and warning.get("message") != node.message:
        chain.append(Finding(f"event {warning.get('reason')}", "Warning", str(warning.get("message") or "")))
    return chain


async def _last_warning(client: Client, ref: Ref) -> Object | None:
    try:
        events = await client.list(EVENT, ref.namespace, fields=f"involvedObject.name={ref.name},type=Warning")
    except ApiProblem:
        return None  # events are a hint: a user who may not read them still gets the rest
    of_kind = [e for e in events.items if (e.get("involvedObject") or {}).get("kind") == ref.kind.kind]
    return max(of_kind, key=lambda e: str(e.get("lastTimestamp") or e.get("eventTime") or ""), default=None)
