"""Which resources are served, built in and custom alike. Read by every verb and by discovery; written when CRDs change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trueup.apiserver.strategy import PLAIN, Strategy
from trueup.kube.names import Kind, Object, Resource
from trueup.kube.problems import Cause
from trueup.kube.reading import Struct
from trueup.kube.shapes import Shape
from trueup.kube.types import Subresource
from trueup.store.listeners import Listeners

Column = Mapping[str, Any]
Rules = Callable[[Object, Object | None], tuple[list[Cause], list[str]]]


@dataclass(frozen=True, slots=True)
class Served:
    """One resource of one version, with all that the verbs need to know of its kind."""

    resource: Resource
    kind: Kind
    list_kind: str
    namespaced: bool
    verbs: frozenset[str]
    shape: Shape
    storage: str
    """The bucket that all versions of the resource share."""
    singular: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: Mapping[str, Subresource] = field(default_factory=dict)
    strategy: Strategy = PLAIN
    minor: int = 36
    """The minor version of Kubernetes that is served."""
    struct: Struct | None = None
    """How a built-in kind is read and written."""
    default: Callable[[Object], None] | None = None
    validate: Callable[[Object], Iterator[Cause]] | None = None
    validate_update: Callable[[Object, Object], Iterator[Cause]] | None = None
    validate_scale: Callable[[Object, bool], Iterator[Cause]] | None = None
    """What a custom resource's Scale would show has to be of the right type; the flag: of its status alone."""
    validates_again: bool = True
    """Whether an update is checked as a new object is, besides."""
    rules: Rules | None = None
    """A custom resource's own rules, once all else is right: what they refuse, and what they only warn of."""
    warning: str = ""
    """Sent with every answer: the version is deprecated."""
    crd: Object | None = None
    """The definition, for a custom resource."""
    version_spec: Mapping[str, Any] | None = None
    """The version's part of the definition."""
    defaults_from: int = 0
    """Custom objects last written before this revision may lack defaults that the schema has; 0: it has none."""
    converts: bool = False
    """Its versions become one another by a webhook, which has to be asked before an object is shown."""
    columns: Sequence[Column] = ()
    """A custom resource's printer columns."""

    @property
    def custom(self) -> bool:
        return self.crd is not None

    @property
    def has_status(self) -> bool:
        """Whether status is written through a subresource of its own."""
        return "status" in self.subresources


class Registry:
    """Served resources by name and by kind. ``generation`` counts changes, for caches built over it."""

    def __init__(self) -> None:
        self._by_resource: dict[Resource, Served] = {}
        self._by_kind: dict[Kind, Served] = {}
        self.generation = 0
        self.changed: Listeners[Callable[[], None]] = Listeners()

    def get(self, resource: Resource) -> Served | None:
        """By group, version and plural name."""
        return self._by_resource.get(resource)

    def of_kind(self, kind: Kind) -> Served | None:
        """By group, version and kind."""
        return self._by_kind.get(kind)

    def serves_version(self, resource: Resource) -> bool:
        """Whether anything of its group and version is served."""
        if resource in self._by_resource:
            return True
        wanted = (resource.group, resource.version)
        return any((each.group, each.version) == wanted for each in self._by_resource)

    def is_custom(self, group: str) -> bool:
        """Whether what is served of a group is served by definitions."""
        return any(each.custom for resource, each in self._by_resource.items() if resource.group == group)

    def all(self) -> Sequence[Served]:
        """In the order in which they were added: built-in ones first."""
        return tuple(self._by_resource.values())

    def add(self, served: Served) -> None:
        """Serve a resource from now on, or serve it differently."""
        self._by_resource[served.resource] = served
        self._by_kind[served.kind] = served
        self._tell()

    def remove(self, resource: Resource) -> None:
        """Serve it no more."""
        served = self._by_resource.pop(resource, None)
        if served is not None:
            self._by_kind.pop(served.kind, None)
            self._tell()

    def _tell(self) -> None:
        self.generation += 1
        for listener in self.changed:
            listener()
