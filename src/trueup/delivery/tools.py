"""What the dialects' reconcilers are handed besides the common tools. Wired by the `app` room."""

from __future__ import annotations

from dataclasses import dataclass, field

from trueup.delivery.pipeline import Delivery
from trueup.family import Tools
from trueup.kube.names import Object, Ref
from trueup.plan.progress import Progress
from trueup.ports import Clusters, Fetcher, KeyServices


class OwnWrites:
    """The answers to one's own writes, until the cache has caught up with them.

    A reconciler that reads a cache older than its own last write would do its last step again.
    Resource versions of one object are compared as numbers (KEP-5504 makes that lawful).
    """

    def __init__(self) -> None:
        self._written: dict[Ref, Object] = {}

    def note(self, ref: Ref, answer: Object) -> None:
        """Remember what the API answered to a write."""
        self._written[ref] = answer

    def latest(self, ref: Ref, cached: Object | None) -> Object | None:
        """The newer of the cached object and the last own write; a deleted or recreated object is as the cache has it."""
        written = self._written.get(ref)
        if written is None:
            return cached
        if cached is None or _uid(cached) != _uid(written) or _version(cached) >= _version(written):
            del self._written[ref]
            return cached
        return written


def _uid(obj: Object) -> str:
    return str(obj["metadata"].get("uid"))


def _version(obj: Object) -> int:
    return int(obj["metadata"].get("resourceVersion") or 0)


@dataclass(frozen=True, slots=True)
class DeliveryTools(Tools):
    """The line from sources to live objects, and its parts that a reconciler asks itself."""

    delivery: Delivery
    fetcher: Fetcher
    clusters: Clusters
    writes: OwnWrites = field(default_factory=OwnWrites)
    progress: dict[Ref, Progress] = field(default_factory=dict)
    """Operations under way of dialects whose status has no place for them; a restart begins those anew."""
    keys: KeyServices | None = None
    """What opens encrypted files by programs and servers."""
