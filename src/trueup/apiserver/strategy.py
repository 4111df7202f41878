"""What a kind does differently from others, as a value of pure functions. Tables of them stand in `strategies/`.

Verbs ask it at the places where Kubernetes asks its own (``registry/rest``: ``RESTCreateStrategy`` and its siblings).
Functions change the object that they are handed in place, or answer with what is wrong; none reads anything else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from trueup.apiserver.users import ADMIN, User
from trueup.kube.names import Object
from trueup.kube.problems import Cause

RESET = ("deletionTimestamp", "generation", "selfLink", "labels", "annotations", "finalizers", "ownerReferences")
"""Metadata that writes of a part leave as it is: ``ResetObjectMetaForStatus`` of apimachinery ``meta/v1``."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What a strategy may know besides the object: time, user, the subresource written, the resource's other objects."""

    now: str
    subresource: str = ""
    stored: Callable[[], Iterable[Object]] = tuple
    user: User = ADMIN


@dataclass(frozen=True, slots=True)
class Strategy:
    """One kind's ways; the default is that of most kinds, custom ones among them."""

    counts_generations: bool = True
    """Whether ``metadata.generation`` counts changes of anything but metadata and status."""
    uncounted: frozenset[str] = frozenset()
    """Fields of ``spec`` whose change counts as none."""
    keeps_status: bool = False
    """A creator's status is kept, or filled in by the strategy itself."""
    read: Callable[[Object], str] | None = None
    """Why an object of the right types cannot be read all the same; "" where it can."""
    create: Callable[[Object, Moment], None] | None = None
    """Prepare a new object, after mutating admission and before checks; in place."""
    update: Callable[[Object, Object, Moment], None] | None = None
    """Prepare a changed object (new, old); in place."""
    check: Callable[[Object, Object | None], Iterator[Cause]] | None = None
    """What is wrong beyond the kind's own rules (new, old)."""
    canonical: Callable[[Object, Moment], None] | None = None
    """Bring an object that was checked into the form that is stored; in place."""
    warnings: Callable[[Object, Object | None], Iterator[str]] | None = None
    """What the writer is told besides."""
    grace: Callable[[Object, int | None], int] | None = None
    """Seconds that a deletion waits, from the object and what was asked for; none when absent."""
    held: Callable[[Object], bool] | None = None
    """Whether an object without finalizers that is being deleted has to stay for now."""
    status_keeps: frozenset[str] = frozenset()
    """Metadata that a write of the status leaves as it is; ``*`` for all."""
    orphans: bool = False
    """Dependents stay when a deletion does not say what is to become of them."""
    preserved: str = ""
    """What whoever so deletes is told."""
    going: Callable[[Object], Object] | None = None
    """What an object that is marked for deletion says of it."""
    creates_on_update: bool = False
    """Whether an update of what is not there creates it."""
    unconditional: bool = True
    """Whether an update may leave out the version that it is of."""
    returns_deleted: bool = False
    """Whether a deletion is answered with the object instead of a word that it is gone."""
    selectable: frozenset[str] = frozenset()
    """Field labels besides name and namespace."""
    selected: Callable[[Object], Object] | None = None
    """An object as its field labels name it, where that is not how it is written."""


PLAIN = Strategy()
UNCOUNTED = Strategy(counts_generations=False)
