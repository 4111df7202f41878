"""How verbs reach a cluster: the kubeconfig of the state folder when there is one, else kubectl's own rules.

Every verb that talks to a cluster takes the same options and runs its coroutine here.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from trueup.client.http import HttpClient
    from trueup.ports import Client

_opened: list[HttpClient] = []
"""Clients of the running verb, closed at its end: their threads must not outlive the interpreter."""


def cluster_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds ``--state``, ``--kubeconfig``, ``--context`` and ``--namespace`` to a verb."""
    for option in reversed(
        (
            click.option("--state", type=click.Path(path_type=Path), default=Path(".trueup"), show_default=True,
                         help="State folder of `trueup up`; its cluster is used when it is there."),
            click.option("--kubeconfig", type=click.Path(path_type=Path), default=None, help="Another cluster's kubeconfig."),
            click.option("--context", default="", help="Context of the kubeconfig."),
            click.option("-n", "--namespace", default="", help="Only units of this namespace."),
        )
    ):  # fmt: skip
        command = option(command)
    return command


def asynchronous(verb: Callable[..., Awaitable[int | None]]) -> Callable[..., None]:
    """Runs a coroutine verb; the number that it answers is the exit code."""

    @functools.wraps(verb)
    def run(*args: Any, **kwargs: Any) -> None:
        import asyncio  # verbs that wait for nothing do without it

        code = asyncio.run(_main(verb(*args, **kwargs)))
        if code:
            raise click.exceptions.Exit(code)

    return run


async def _main(work: Awaitable[int | None]) -> int | None:
    try:
        return await work
    finally:
        while _opened:
            await _opened.pop().close()


async def client_for(state: Path, kubeconfig: Path | None, context: str) -> Client:
    """The client of the cluster that the options name."""
    from trueup.app.connect import connect

    client = await connect(state, kubeconfig, context)
    _opened.append(client)
    return client
