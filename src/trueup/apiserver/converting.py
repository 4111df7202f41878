"""How objects of one version become those of another where a webhook says how. Used by the hub, verbs and streams.

The hub shows most objects at once: their versions differ in name, or by rules of its own (`versions`). Where a
definition names a conversion webhook it has to be asked first; what it said of a stored object is kept, as
Kubernetes' watch caches keep it, so that lists and watches ask once for each change.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

import orjson

from trueup.apiserver.registry import Registry, Served
from trueup.kube.names import Kind, Object
from trueup.kube.problems import ApiProblem
from trueup.kube.shapes import ANY, Shape
from trueup.merge.fields import FieldSet
from trueup.merge.owners import Versions

KEPT = 20_000
"""Converted objects that are kept, besides those that are asked for together."""
_STATUS: FieldSet = {"f:status": {}}
_Key = tuple[str, str, str]
Result = TypeVar("Result")


class Converter(Protocol):
    """Whoever asks the webhook."""

    async def convert(self, served: Served, objects: Sequence[Object]) -> list[Object]:
        """Objects of other versions as this version's. Raises ``ApiProblem``."""
        ...


class Conversions:
    """What webhooks have said of stored objects."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.converter: Converter | None = None
        self._known: OrderedDict[_Key, Object] = OrderedDict()
        self._age = 0

    async def convert(self, served: Served, objects: Sequence[Object]) -> list[Object]:
        """Objects as this version shows them, asked for anew."""
        wanted = served.kind.api_version
        others = [obj for obj in objects if obj.get("apiVersion") != wanted]
        if not others:
            return list(objects)
        if self.converter is None:
            raise ApiProblem(f"nobody converts {served.resource.group_resource} here")
        made = iter(await self.converter.convert(served, others))
        return [obj if obj.get("apiVersion") == wanted else next(made) for obj in objects]

    async def prepare(self, served: Served, stored: Iterable[Object]) -> None:
        """Let ``known`` answer for some stored objects, until the caller waits for something else."""
        wanted = served.kind.api_version
        others = {_key(obj, wanted): obj for obj in stored if obj.get("apiVersion") != wanted}
        while missing := {key: obj for key, obj in others.items() if key not in self._known}:
            # Meanwhile others may push out what was there, and a change of a definition forgets everything.
            made = await self._fresh(served, list(missing.values()))
            if made is not None:
                self._known.update(zip(missing, made, strict=True))
        for key in others:
            self._known.move_to_end(key)
        while len(self._known) > max(KEPT, len(others)):
            self._known.popitem(last=False)

    async def _fresh(self, served: Served, objects: Sequence[Object]) -> list[Object] | None:
        """What the webhook says; None when definitions changed while it was asked, and another may have to answer."""
        began = self._age
        made = await self.convert(served, objects)
        return made if began == self._age else None

    def known(self, served: Served, obj: Object) -> Object:
        """A stored object as this version shows it."""
        found = self._known.get(_key(obj, served.kind.api_version))
        if found is None:
            name = served.resource.group_resource
            raise ApiProblem(f"{name} {obj['metadata'].get('name')} is not converted to {served.kind.api_version} yet")
        return found

    def forget(self) -> None:
        """A definition has changed, and what its webhook said may be said by another now."""
        self._age += 1
        self._known.clear()

    def memory(self, served: Served) -> Memory:
        """For one write's managed fields."""
        return Memory(self, self._registry, served)


def _key(obj: Object, version: str) -> _Key:
    meta = obj["metadata"]
    return str(meta.get("uid")), str(meta.get("resourceVersion")), version


class Unconverted(Exception):
    """Managed fields cannot be settled before an object is converted."""

    def __init__(self, served: Served, obj: Object, key: tuple[str, bytes]) -> None:
        super().__init__("an object has to be converted first")
        self.served, self.obj, self.key = served, obj, key


class Memory:
    """Answers pure code's questions for conversions: what it does not know yet is raised, learnt, and asked again."""

    def __init__(self, conversions: Conversions, registry: Registry, served: Served) -> None:
        self._conversions, self._registry, self._served = conversions, registry, served
        self._known: dict[tuple[str, bytes], Object] = {}

    def versions(self) -> Versions:
        """For ``merge.owners``."""
        return Versions(self._convert, self._shape, self._reset)

    async def settle(self, run: Callable[[], Result]) -> Result:
        """What pure code says once it knows all that it asks for. Raises ``ApiProblem``."""
        while True:
            try:
                return run()
            except Unconverted as missing:
                [made] = await self._conversions.convert(missing.served, [missing.obj])
                self._known[missing.key] = made

    def _of(self, version: str) -> Served | None:
        return self._registry.of_kind(Kind.parse(version, self._served.kind.kind))

    def _convert(self, obj: Object, version: str, wanted: str) -> Object | None:
        served = self._of(wanted)
        if served is None:
            return None
        named = {**obj, "apiVersion": version, "kind": served.kind.kind}
        key = (wanted, orjson.dumps(named))
        found = self._known.get(key)
        if found is None:
            raise Unconverted(served, named, key)
        return found

    def _shape(self, version: str) -> Shape:
        served = self._of(version)
        return ANY if served is None else served.shape

    def _reset(self, version: str) -> Sequence[FieldSet]:
        served = self._of(version)
        return (_STATUS,) if served is not None and served.has_status else ()
