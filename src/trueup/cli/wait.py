"""`trueup wait`: return when units are synced and healthy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path

import click

from trueup.cli.connect import asynchronous, client_for, cluster_options
from trueup.cli.get import BY_HAND, waits_for_person
from trueup.cli.output import paint
from trueup.cli.units import Found, all_units, find
from trueup.family import UnitView
from trueup.kube.names import Ref
from trueup.kube.problems import Expired, NotFound
from trueup.ports import Client


@click.command()
@click.argument("names", nargs=-1)
@click.option("--timeout", type=float, default=300, show_default=True, help="Seconds to wait.")
@cluster_options
@asynchronous
async def wait(
    names: tuple[str, ...], timeout: float, state: Path, kubeconfig: Path | None, context: str, namespace: str
) -> int:
    """Wait until units are synced and healthy.

    All of them when none is named.
    """
    from trueup.app.families import units

    client = await client_for(state, kubeconfig, context)
    if names:
        found = [await find(client, units(), name, namespace) for name in names]
    else:
        found = await all_units(client, units(), namespace)
    return await wait_for(client, found, timeout=timeout)


QUIET = 45.0
"""Seconds: longer than a large repository takes to fetch, and than a unit waits before it tries again shortly."""


def settled(view: UnitView) -> bool:
    """Synced, healthy, and no operation under way."""
    return view.sync == "Synced" and view.health == "Healthy" and view.phase not in ("Running", "Terminating")


def stuck(found: Iterable[Found]) -> frozenset[Ref]:
    """Those units that wait for a person, say what is wrong, or wait for one that does. Some may come right by a retry."""
    units = {f.ref: f.view for f in found}
    known = {ref for ref, view in units.items() if _ails(view)}
    if not known:
        return frozenset()
    while more := {ref for ref, view in units.items() if ref not in known and known.intersection(view.waits_for)}:
        known |= more
    return frozenset(known)


def _ails(view: UnitView) -> bool:
    if settled(view) or view.phase in ("Running", "Terminating"):
        return False
    wrong = view.health in ("Degraded", "Missing", "Unknown") and bool(view.message)
    return waits_for_person(view) or view.suspended or wrong


async def wait_for(
    client: Client,
    found: Sequence[Found],
    *,
    timeout: float,
    stop_on_failure: bool = False,
    tell: bool = True,
    quiet: float | None = None,
) -> int:
    """0 when each unit has settled; 1 when time is up or, if told, an operation failed; says who is behind and why.

    Units are watched, not polled. ``tell``: a line for each that has settled. ``quiet``: give up when for so many seconds
    nothing has moved and all that are left are stuck.
    """
    waiting = {f.ref: f for f in found}
    failed: list[Found] = []
    clock = asyncio.get_running_loop().time
    ends = clock() + timeout

    async def follow(first: Found) -> None:
        async for current in _versions(client, first):
            view = current.view
            waiting[first.ref] = current
            if stop_on_failure and view.phase in ("Failed", "Error"):
                failed.append(current)
            elif not settled(view):
                moved()
                continue
            elif tell:
                click.echo(f"{current.title} {paint(view.sync)} {paint(view.health)}")
            waiting.pop(first.ref)
            moved()
            return
        raise click.ClickException(f"{first.title} was deleted while it was waited for")

    def all_stuck() -> bool:
        return stuck(waiting.values()) == set(waiting)

    def moved() -> None:
        limit.reschedule(min(ends, clock() + quiet) if quiet is not None and all_stuck() else ends)

    limit = asyncio.timeout_at(ends)
    try:
        async with limit:
            await asyncio.gather(*(follow(f) for f in found))
    except TimeoutError:
        for f in waiting.values():
            click.echo(_behind(f, "still"), err=True)
        if all_stuck():
            click.echo("nothing moves any more: `trueup why NAME` says what each waits for", err=True)
        return 1
    for f in failed:
        click.echo(_behind(f, f.view.phase), err=True)
    return 1 if failed else 0


async def wait_for_all(client: Client, *, timeout: float, tell: bool = True) -> int:
    """As `wait_for` for every unit, those that appear meanwhile included."""
    from trueup.app.families import units

    ends = asyncio.get_running_loop().time() + timeout
    told: set[Ref] = set()
    while True:
        found = await all_units(client, units())
        open_ = [f for f in found if not settled(f.view)]
        if found and not open_ and told >= {f.ref for f in found}:
            return 0
        left = ends - asyncio.get_running_loop().time()
        new = [f for f in found if f in open_ or f.ref not in told]
        if code := await wait_for(client, new, timeout=max(left, 0.001), tell=tell, quiet=QUIET):
            return code
        told |= {f.ref for f in found}
        if not found:
            await asyncio.sleep(0.1)


async def _versions(client: Client, found: Found) -> AsyncIterator[Found]:
    """A unit as it is now and at each later change; ends when it is deleted. A watch that ends is begun anew."""
    unit = found.unit
    while True:
        try:
            current = await client.get(found.ref)
        except NotFound:
            return
        revision = current["metadata"]["resourceVersion"]
        yield Found(current, unit, unit.view(current))
        try:
            only = f"metadata.name={found.view.name}"
            async for event in client.watch(unit.kind, found.view.namespace, revision=revision, fields=only):
                if event.type == "DELETED":
                    return
                if event.type in ("ADDED", "MODIFIED"):
                    yield Found(event.object, unit, unit.view(event.object))
        except Expired:
            continue


def _behind(found: Found, word: str) -> str:
    view = found.view
    text = view.message or (BY_HAND if waits_for_person(view) else "")
    text = f" - {text}" if text else ""
    return f"{found.title} {word}: {paint(view.sync)} {paint(view.health)}{text}"
