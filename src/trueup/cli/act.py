"""The verbs that ask something of a unit: `sync`, `refresh`, `suspend`, `resume`, `rollback`.

Each sends the merge patch that the unit's family answers for the action, as the user of the kubeconfig.
"""

from __future__ import annotations

import datetime
import getpass
from pathlib import Path
from typing import Any

import click

from trueup.cli.connect import asynchronous, client_for, cluster_options
from trueup.cli.units import Found, find
from trueup.cli.wait import wait_for
from trueup.family import ActionRequest, Stop
from trueup.ports import Client


async def act(client: Client, found: Found, action: str, options: dict[str, Any]) -> None:
    """Carries one action out; one that does not apply is refused with the family's reason."""
    make = found.unit.actions.get(action)
    if make is None:
        known = ", ".join(sorted(found.unit.actions))
        raise click.ClickException(f"{found.title} cannot {action}; it can: {known}")
    at = datetime.datetime.fromtimestamp(_now(), datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    try:
        patch = make(found.object, ActionRequest(actor=getpass.getuser(), at=at, options=options))
    except Stop as refusal:
        raise click.ClickException(f"{found.title}: {refusal.reason}") from None
    await client.patch(found.ref, patch, "merge", manager="trueup")


def _now() -> float:
    import time

    return time.time()


@click.command()
@click.argument("names", nargs=-1, required=True)
@click.option("--prune", is_flag=True, help="Also delete what is no longer in the source.")
@click.option("--dry-run", is_flag=True, help="Only ask what would happen.")
@click.option("--force", is_flag=True, help="Replace what cannot be changed in place.")
@click.option("--revision", default="", help="Another revision than the unit names.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Return when it is done.")
@click.option("--timeout", type=float, default=300, show_default=True, help="Seconds to wait.")
@cluster_options
@asynchronous
async def sync(
    names: tuple[str, ...], prune: bool, dry_run: bool, force: bool, revision: str, wait: bool, timeout: float,
    state: Path, kubeconfig: Path | None, context: str, namespace: str,
) -> int:  # fmt: skip
    """Apply the sources of units now."""
    from trueup.app.families import units

    client = await client_for(state, kubeconfig, context)
    found = [await find(client, units(), name, namespace) for name in names]
    for one in found:
        await act(client, one, "sync", {"prune": prune, "dry_run": dry_run, "force": force, "revision": revision})
        click.echo(f"{one.title} asked to sync")
    return await wait_for(client, found, timeout=timeout, stop_on_failure=True) if wait else 0


@click.command()
@click.argument("name")
@click.option("--hard", is_flag=True, help="Also forget what was rendered.")
@cluster_options
@asynchronous
async def refresh(name: str, hard: bool, state: Path, kubeconfig: Path | None, context: str, namespace: str) -> int:
    """Fetch and compare a unit anew."""
    return await _simple("refresh", name, {"hard": hard}, state, kubeconfig, context, namespace)


@click.command()
@click.argument("name")
@cluster_options
@asynchronous
async def suspend(name: str, state: Path, kubeconfig: Path | None, context: str, namespace: str) -> int:
    """Stop a unit from being applied on its own."""
    return await _simple("suspend", name, {}, state, kubeconfig, context, namespace)


@click.command()
@click.argument("name")
@cluster_options
@asynchronous
async def resume(name: str, state: Path, kubeconfig: Path | None, context: str, namespace: str) -> int:
    """Let a suspended unit go on."""
    return await _simple("resume", name, {}, state, kubeconfig, context, namespace)


@click.command()
@click.argument("name")
@click.argument("id", type=int, required=False)
@click.option("--prune", is_flag=True, help="Also delete what that deployment did not have.")
@click.option("--dry-run", is_flag=True, help="Only ask what would happen.")
@cluster_options
@asynchronous
async def rollback(
    name: str, id: int | None, prune: bool, dry_run: bool,
    state: Path, kubeconfig: Path | None, context: str, namespace: str,
) -> int:  # fmt: skip
    """Go back to a deployment of the history.

    Without its id: to the one before the last.
    """
    options = {"id": id, "prune": prune, "dry_run": dry_run}
    return await _simple("rollback", name, options, state, kubeconfig, context, namespace)


async def _simple(
    action: str, name: str, options: dict[str, Any], state: Path, kubeconfig: Path | None, context: str, namespace: str
) -> int:
    from trueup.app.families import units

    client = await client_for(state, kubeconfig, context)
    found = await find(client, units(), name, namespace)
    await act(client, found, action, options)
    click.echo(f"{found.title} asked to {action}")
    return 0
