"""The families that there are: found by listing `families/`, handed in parts to the rooms that use them."""

from __future__ import annotations

import asyncio
import importlib
import pkgutil
from collections.abc import Sequence
from functools import cache
from importlib import resources

import trueup.families
from trueup.family import Family, Unit
from trueup.health.judge import judge
from trueup.health.verdict import Health
from trueup.kube import documents
from trueup.kube.names import Kind, Object, Ref
from trueup.kube.problems import AlreadyExists, NotFound
from trueup.ports import Client

CRD = Kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition")


@cache
def _names() -> tuple[str, ...]:
    return tuple(sorted(module.name for module in pkgutil.iter_modules(trueup.families.__path__) if module.ispkg))


@cache
def _family(name: str) -> Family:
    found = importlib.import_module(f"trueup.families.{name}").FAMILY
    assert isinstance(found, Family)
    return found


def families() -> tuple[Family, ...]:
    """Every folder under `families/`, by name."""
    return tuple(map(_family, _names()))


def chosen(names: Sequence[str]) -> tuple[Family, ...]:
    """The named families, without loading the others; all when none is named.

    Raises ``ValueError`` for a name that there is not.
    """
    unknown = [name for name in names if name not in _names()]
    if unknown:
        raise ValueError(f"there is no family {', '.join(unknown)}; there are: {', '.join(_names())}")
    return tuple(map(_family, names or _names()))


def units() -> tuple[Unit, ...]:
    """The kinds that are units, of all families."""
    return tuple(unit for family in families() for unit in family.units)


def health_of(obj: Object) -> Health:
    """The health of a live object, by the families' rules and the built-in ones."""
    return judge(obj, {key: rule for family in families() for key, rule in family.health.items()})


def definitions(of: Sequence[Family]) -> list[Object]:
    """The CustomResourceDefinitions that families serve."""
    found: list[Object] = []
    for family in of:
        folder = resources.files(f"trueup.families.{family.name}") / "crds"
        for name in family.crds:
            parsed = documents.parse((folder / name).read_bytes(), name)
            found += [document.value for document in parsed]
    return found


def homes(of: Sequence[Family]) -> list[Object]:
    """What installations of the originals bring along."""
    found: list[Object] = []
    for family in of:
        if family.home:
            data = (resources.files(f"trueup.families.{family.name}") / family.home).read_bytes()
            found += [document.value for document in documents.parse(data, family.home)]
    return found


async def install(client: Client, of: Sequence[Family], *, ours: bool) -> None:
    """Serve the families' kinds. In a cluster of our own definitions are kept up to date, and the families' homes are
    there; elsewhere, what is there stays.

    Elsewhere a definition takes a moment to be served: raises ``TimeoutError`` when that takes longer than a minute.
    """
    if ours:
        for obj in homes(of):
            await client.apply(obj, manager="trueup")
    created: set[str] = set()
    for definition in definitions(of):
        if ours:
            await client.apply(definition, manager="trueup")
            continue
        name = definition["metadata"]["name"]
        try:
            await client.get(Ref(CRD, "", name))
        except NotFound:
            try:
                await client.create(definition, manager="trueup")
            except AlreadyExists:
                continue
            created.add(name)
    if created:
        await _established(client, created)


async def _established(client: Client, names: set[str]) -> None:
    """Waits until the definitions of these names are served."""
    listing = await client.list(CRD)
    missing = names - {obj["metadata"]["name"] for obj in listing.items if established(obj)}
    async with asyncio.timeout(60):
        while missing:
            async for event in client.watch(CRD, revision=listing.revision):
                if event.type == "MODIFIED" and established(event.object):
                    missing.discard(event.object["metadata"]["name"])
                    if not missing:
                        return
            listing = await client.list(CRD)  # the watch ended early
            missing -= {obj["metadata"]["name"] for obj in listing.items if established(obj)}


def established(definition: Object) -> bool:
    """Whether a CustomResourceDefinition says that its kind is served."""
    conditions = (definition.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == "Established" and c.get("status") == "True" for c in conditions)
