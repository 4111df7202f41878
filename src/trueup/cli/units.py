"""Units on the command line: which families offer them, find one by what a person typed, list them all.

Verbs call this with a client; everything that is particular to a family comes in through `Family.units`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import click

from trueup.family import Unit, UnitView
from trueup.kube.names import Object, Ref
from trueup.kube.problems import NotFound
from trueup.ports import Client


@dataclass(frozen=True, slots=True)
class Found:
    """A unit of the cluster: the object, its kind's part of the family, and its view."""

    object: Object
    unit: Unit
    view: UnitView

    @property
    def ref(self) -> Ref:
        return Ref(self.unit.kind, self.view.namespace, self.view.name)

    @property
    def title(self) -> str:
        """``application argocd/shop``: what a person may type to name it."""
        return f"{self.unit.kind.kind.lower()} {self.view.namespace}/{self.view.name}"


async def all_units(client: Client, units: Sequence[Unit], namespace: str = "") -> list[Found]:
    """Every unit of the cluster (of one namespace), by kind, namespace and name. Kinds not served are left out."""
    found: list[Found] = []
    for unit in units:
        try:
            listing = await client.list(unit.kind, namespace)
        except NotFound:
            continue
        found += [Found(obj, unit, unit.view(obj)) for obj in listing.items]
    return sorted(found, key=lambda f: (f.unit.kind.kind, f.view.namespace, f.view.name))


async def find(client: Client, units: Sequence[Unit], name: str, namespace: str = "") -> Found:
    """The one unit that ``name`` means: ``shop``, ``argocd/shop``, ``application/shop`` or ``ks/flux-system/shop``."""
    kind, space, bare = parse_name(name)
    candidates = [
        f
        for f in await all_units(client, units, space or namespace)
        if f.view.name == bare and (not kind or kind in words_for(f.unit))
    ]
    if not candidates and not kind and space:
        # "application/shop" parses as a namespace and a name first: try the other reading.
        candidates = [
            f
            for f in await all_units(client, units, namespace)
            if f.view.name == bare and space.lower() in words_for(f.unit)
        ]
    if not candidates:
        raise click.ClickException(f'no unit "{name}" in the cluster: `trueup get` lists them all')
    if len(candidates) > 1:
        titles = ", ".join(f"{f.unit.kind.kind.lower()}/{f.view.namespace}/{f.view.name}" for f in candidates)
        raise click.ClickException(f'"{name}" could mean {titles}: name it in full')
    return candidates[0]


def parse_name(name: str) -> tuple[str, str, str]:
    """``kind/namespace/name``, ``namespace/name`` or ``name`` to its three parts."""
    parts = name.split("/")
    if len(parts) == 3:
        return parts[0].lower(), parts[1], parts[2]
    if len(parts) == 2:
        return "", parts[0], parts[1]
    return "", "", name


def words_for(unit: Unit) -> frozenset[str]:
    """What a person may call the kind: its name, its plural, and short names people know."""
    kind = unit.kind.kind.lower()
    return frozenset({kind, f"{kind}s", *_SHORT.get(unit.kind.kind, ())})


_SHORT = {"Application": ("app", "apps"), "Kustomization": ("ks",)}
