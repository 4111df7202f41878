"""How verbs reach a cluster: the state folder's kubeconfig when it is there, else kubectl's own rules."""

from __future__ import annotations

from pathlib import Path

from trueup.client.http import HttpClient
from trueup.client.kubeconfig import load


async def connect(state: Path, kubeconfig: Path | None, context: str) -> HttpClient:
    """A client of the cluster that the options name, to be closed. Raises ``ApiProblem`` or ``AccessProblem``."""
    own = state / "kubeconfig"
    path = kubeconfig if kubeconfig is not None else own if own.exists() and not context else None
    return await HttpClient.connect(load(path, context))
