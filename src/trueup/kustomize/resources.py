"""The objects of a build in their order, found by id or selector.

Called by `build`, `filters` and `plugins`. Source: ``resmap`` of kustomize's API.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from trueup.kube.patterns import BadPattern, Pattern, pattern
from trueup.kube.problems import BadRequest
from trueup.kube.selectors import labels as label_selector
from trueup.kustomize.ids import Gvk, Id
from trueup.kustomize.problem import KustomizeProblem
from trueup.kustomize.resource import Resource
from trueup.kustomize.scalars import text_of

_ANY = Gvk()


def anchored(text: str) -> Pattern:
    """A regular expression of a selector, which must fit as a whole."""
    return expression(f"^(?:{text})$")


def expression(text: str) -> Pattern:
    """A regular expression, which may fit anywhere."""
    try:
        return pattern(text)
    except BadPattern as problem:
        raise KustomizeProblem(str(problem)) from None


@dataclass(frozen=True, slots=True)
class Selector:
    """Which objects a patch or a replacement is for. Every part is a regular expression for the whole value."""

    gvk: Gvk = _ANY
    name: str = ""
    namespace: str = ""
    labels: str = ""
    annotations: str = ""

    @classmethod
    def of(cls, value: Mapping[str, object]) -> Selector:
        """From the field of a kustomization."""

        def text(key: str) -> str:
            return text_of(value.get(key))

        return cls(
            Gvk(text("group"), text("version"), text("kind")),
            text("name"),
            text("namespace"),
            text("labelSelector"),
            text("annotationSelector"),
        )

    def __str__(self) -> str:
        where = f"{self.gvk}/{self.name or '[noName]'}.{self.namespace or '[noNs]'}"
        return f"{where}:a={self.annotations}:l={self.labels}"

    @property
    def selects_by_id(self) -> bool:
        """Whether any part of the id is asked for."""
        return any(self.gvk) or bool(self.name or self.namespace)

    @property
    def plain_name(self) -> str:
        """The name if it is no pattern; empty if any other could fit."""
        return self.name if _is_plain(self.name) else ""

    def compile(self) -> None:
        """Refuses a part that is no pattern, whether or not anything gets as far as being compared with it."""
        for part in (*self.gvk, self.name, self.namespace):
            anchored(part)

    def matches_gvk(self, gvk: Gvk | Id) -> bool:
        """By group, version and kind."""
        return (
            _fits(self.gvk.group, gvk.group) and _fits(self.gvk.version, gvk.version) and _fits(self.gvk.kind, gvk.kind)
        )

    def matches_name(self, name: str) -> bool:
        """By name."""
        return _fits(self.name, name)

    def matches_namespace(self, namespace: str) -> bool:
        """By effective namespace."""
        return _fits(self.namespace, namespace)

    def matches_marks(self, resource: Resource) -> bool:
        """By labels and annotations."""
        fits = matches(self.annotations, resource.texts("annotations")) if self.annotations else True
        return (matches(self.labels, resource.texts("labels")) if self.labels else True) and fits


@lru_cache(maxsize=1024)
def _is_plain(pattern: str) -> bool:
    return re.fullmatch(r"[\w-]+", pattern) is not None


def _fits(wanted: str, text: str) -> bool:
    return not wanted or anchored(wanted).found(text)


def matches(selector: str, marks: Mapping[str, str]) -> bool:
    """Whether labels or annotations meet a label selector."""
    if not selector:
        return True
    try:
        return label_selector(selector).matches(marks)
    except BadRequest as problem:
        raise KustomizeProblem(str(problem)) from None


class Resources:
    """An ordered collection in which every current id is there once."""

    __slots__ = ("_by_name", "_present", "items")

    def __init__(self, items: Iterable[Resource] = ()) -> None:
        self.items: list[Resource] = []
        self._present: set[tuple[str, ...]] | None = None
        self._by_name: dict[str, list[Resource]] | None = None
        """Objects by each name that they have or had; for generators, of which a kustomization may have hundreds."""
        self.append_all(items)

    def __iter__(self) -> Iterator[Resource]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def append_all(self, resources: Iterable[Resource]) -> None:
        """At the end; a current id that is there already is refused."""
        if self._present is None:
            self._present = {item.id.key for item in self.items}
        for resource in resources:
            id = resource.id
            if id.key in self._present:
                raise KustomizeProblem(
                    f"may not add resource with an already registered id: {id}", path=resource.file, line=resource.line
                )
            self._present.add(id.key)
            self.items.append(resource)
            if self._by_name is not None:
                _note(self._by_name, resource)

    def forget_ids(self) -> None:
        """To be called when objects have changed, or are about to: their ids are read anew when the next one comes."""
        self._present = self._by_name = None

    def check(self) -> None:
        """Reads all ids anew and refuses two that are the same; drops what is gone."""
        items = [item for item in self.items if not item.gone]
        self.items = []
        self.forget_ids()
        self.append_all(items)
        self.forget_ids()

    def absorb(self, resource: Resource) -> None:
        """A generated object: added, or merged into or put in the place of the one it names, by its behaviour."""
        id = resource.id
        if self._by_name is None:
            self._by_name = {}
            for item in self.items:
                _note(self._by_name, item)
        found = [item for item in self._by_name.get(id.name, ()) if not item.gone and item.answers_to(id)]
        if not found:
            if resource.behavior in ("merge", "replace"):
                raise KustomizeProblem(f"id {id.go()} does not exist; cannot merge or replace")
            self.append_all([resource])
            return
        if len(found) > 1:
            ids = " ".join(str(other.id) for other in found)
            raise KustomizeProblem(f"found multiple objects [{ids}] that could accept merge of {id}")
        old = found[0]
        if resource.behavior == "replace":
            resource.take_metadata_from(old)
        elif resource.behavior == "merge":
            self._merge_data(old, resource)
        else:
            raise KustomizeProblem(
                f"id {id.go()} exists; can not use behavior: '{resource.behavior or 'unspecified'}', "
                "behavior must be merge or replace"
            )
        for items in (self.items, *(self._by_name[name] for name in old.names)):
            items[next(at for at, item in enumerate(items) if item is old)] = resource

    def _merge_data(self, old: Resource, resource: Resource) -> None:
        origin = old.origin
        resource.take_metadata_from(old)
        for field in ("data", "binaryData"):
            before, now = old.body.get(field), resource.body.get(field)
            merged = {
                key: text_of(value)
                for source in (before, now)
                if isinstance(source, dict)
                for key, value in source.items()
            }
            resource.body.pop(field, None)
            if merged:
                resource.body[field] = {key: merged[key] for key in sorted(merged)}
        if origin is not None:
            resource.origin = origin

    def drop_empty(self) -> None:
        """Without what patches deleted."""
        self.items = [item for item in self.items if not item.gone]

    def by_any_id(self, name: str, wanted: Callable[[Id], bool]) -> list[Resource]:
        """Those of which the current or a previous id has a name and is wanted."""
        return [
            item
            for item in self.items
            if item.bears(name)
            and not item.gone
            and any(id.name == name and wanted(id) for id in (item.id, *item.previous_ids))
        ]

    def only(self, id: Id) -> Resource:
        """The one object that has or had an id."""
        found = [item for item in self.items if item.bears(id.name) and not item.gone and item.answers_to(id)]
        if len(found) == 1:
            return found[0]
        what = "multiple matches" if found else "no matches"
        raise KustomizeProblem(f"{what} for Id {id}; failed to find unique target for patch {id}")

    def select(self, selector: Selector) -> list[Resource]:
        """Those that a selector means, by their original or their current name and namespace."""
        selector.compile()
        name = selector.plain_name
        return [item for item in self.items if (not name or item.bears(name)) and _selected(item, selector)]


def _note(by_name: dict[str, list[Resource]], resource: Resource) -> None:
    for name in resource.names:
        by_name.setdefault(name, []).append(resource)


def _selected(item: Resource, selector: Selector) -> bool:
    now = item.id
    original = item.original_id
    return (
        (selector.matches_namespace(original.effective) or selector.matches_namespace(now.effective))
        and (selector.matches_name(original.name) or selector.matches_name(now.name))
        and selector.matches_gvk(now)
        and selector.matches_marks(item)
    )
