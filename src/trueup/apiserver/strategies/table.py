"""Which strategy a built-in kind has. Read by the registry when the hub opens."""

from __future__ import annotations

from collections.abc import Mapping

from trueup.apiserver.strategies import apiextensions, apps, batch, certificates, core, others
from trueup.apiserver.strategy import PLAIN, Strategy
from trueup.kube.names import Kind

_GROUPS: Mapping[str, Mapping[str, Strategy]] = {
    **others.GROUPS,
    "": core.ROWS,
    "apiextensions.k8s.io": apiextensions.ROWS,
    "apps": apps.ROWS,
    "batch": batch.ROWS,
    "certificates.k8s.io": certificates.ROWS,
}


def of(kind: Kind) -> Strategy:
    """The same in every version of a group."""
    return _GROUPS.get(kind.group, {}).get(kind.kind, PLAIN)
