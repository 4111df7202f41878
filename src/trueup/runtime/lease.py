"""Several replicas share the work by unit, over Leases alone. Called by the `app` room for `trueup run`; asked by `manager.py`.

Each replica renews one Lease of its own, and writes into it the view that it acts on: which replicas are alive. A unit
belongs to one member of a view (rendezvous hashing: a replica that comes or goes moves only its own share). A replica works
on a unit only while it is its owner in *every* live replica's view, and publishes a new view only when it no longer works on
what that view takes away: so no two ever work on one unit. One that cannot renew stops before the others take over.

Source of times and of telling a dead holder (its record does not change, by one's own clock): client-go ``leaderelection``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import blake2b

from trueup.family import Controller
from trueup.kube.names import Key, Kind, Object, Ref
from trueup.kube.problems import ApiProblem, NotFound
from trueup.ports import Client, Clock
from trueup.timing.rfc3339 import format_micro

log = logging.getLogger("trueup.runtime.lease")

LEASE = Kind("coordination.k8s.io", "v1", "Lease")
GROUP_LABEL, VIEW = "trueup.dev/replicas", "trueup.dev/view"
LASTS = 15.0
"""Seconds after which a silent replica is held for dead: client-go's."""
_DEADLINE, _EVERY = 2 / 3, 1 / 5
"""Of those: after how many one stops by itself (client-go: 10 s), and renews (client-go: 2 s)."""
_LEADER = "leader"

View = frozenset[str]


@dataclass(frozen=True, slots=True)
class _Seen:
    """Another replica's Lease: what it says, and when, by one's own clock, it last said something new."""

    renewed: str
    at: float
    view: View
    since: str


class Replicas:
    """This replica among its peers. ``mine`` goes to the `Manager`; ``changed`` is called when the share has changed."""

    def __init__(
        self,
        client: Client,
        clock: Clock,
        *,
        namespace: str,
        identity: str,
        group: str = "trueup",
        most: int | None = None,
        lasts: float = LASTS,
    ) -> None:
        """``most``: so many replicas share the work, those that came first; the others stand by."""
        self.identity = identity
        self._client, self._clock, self._namespace, self._group = client, clock, namespace, group
        self._most, self._lasts, self._deadline, self._every = most, lasts, _DEADLINE * lasts, _EVERY * lasts
        self._ref = Ref(LEASE, namespace, f"{group}-{identity}")
        self._seen: dict[str, _Seen] = {}
        self._wanted: View = frozenset()
        self._published: View = frozenset()
        self._views: frozenset[View] = frozenset()
        self._renewed = float("-inf")
        self._since = ""
        self._known: dict[str, bool] = {}
        self._held = False
        self.changed: Callable[[], None] = lambda: None
        self.strays: Callable[[], int] = lambda: 0
        """How many units are being worked on that are this replica's no more; see `Manager.strays`."""

    # --- asking ---

    def mine(self, controller: Controller, key: Key) -> bool:
        """Whether this replica works on that unit now."""
        return self.owns(f"{controller.name}/{key}")

    @property
    def leads(self) -> bool:
        """Whether this replica does what only one may do."""
        return self.owns(_LEADER)

    @property
    def members(self) -> View:
        """The replicas that share the work, as far as this one sees."""
        return self._wanted

    @property
    def held(self) -> bool:
        """Whether its Lease was renewed lately: without, nothing is worked on."""
        return self._clock.now() - self._renewed <= self._deadline

    def owns(self, unit: str) -> bool:
        """By name; nothing is owned without a Lease that was renewed lately."""
        if not self.held:
            return False
        known = self._known.get(unit)
        if known is None:
            known = self._known[unit] = all(owner(view, unit) == self.identity for view in self._views)
        return known

    # --- taking part ---

    async def run(self) -> None:
        """Takes part until cancelled; then leaves, so that the others need not wait."""
        try:
            while True:
                try:
                    await self._beat()
                except ApiProblem as problem:
                    log.warning("the lease %s cannot be renewed: %s", self._ref.name, problem)
                self._tell()
                await self._clock.sleep(self._every)
        finally:
            self._renewed = float("-inf")
            await self._leave()

    async def _beat(self) -> None:
        started = self._clock.now()
        others = await self._look(started)
        wanted = self._at_work(others, started)
        if wanted != self._wanted:
            log.info("replicas: %s", ", ".join(sorted(wanted)))
            self._wanted = wanted
        self._act_on(others)
        # What the new view takes away must have come to rest before others may read that view.
        published = self._wanted if not self.strays() else self._published
        await self._client.apply(self._lease(published), manager="trueup", force=True)
        self._renewed = started
        if published != self._published:
            # First write, then read, and only then act: of two that change their views at once, one sees the other's.
            others = await self._look(self._clock.now())
            self._published = published
            self._act_on(others)

    def _act_on(self, others: dict[str, View]) -> None:
        """A unit must be one's own in all of these; before the first publication in none."""
        views = frozenset({self._wanted, self._published, *others.values()})
        if views != self._views:
            self._views = views
            self._known.clear()
            self._held = False  # the share may differ: tell

    async def _look(self, now: float) -> dict[str, View]:
        """The views of the other replicas that are alive."""
        listing = await self._client.list(LEASE, self._namespace, labels=f"{GROUP_LABEL}={self._group}")
        present: set[str] = set()
        for lease in listing.items:
            spec, meta = lease.get("spec") or {}, lease["metadata"]
            name = str(spec.get("holderIdentity") or "")
            if not name or name == self.identity:
                continue
            present.add(name)
            renewed = str(spec.get("renewTime") or "")
            before = self._seen.get(name)
            if before is None or before.renewed != renewed:
                view = frozenset(filter(None, ((meta.get("annotations") or {}).get(VIEW) or "").split(",")))
                self._seen[name] = _Seen(renewed, now, view, str(spec.get("acquireTime") or ""))
        for name in set(self._seen) - present:  # left by itself
            del self._seen[name]
        return {name: seen.view for name, seen in self._seen.items() if now - seen.at < self._lasts}

    def _at_work(self, others: Iterable[str], now: float) -> View:
        """Those of the living that share the work: all, or the first that came."""
        self._since = self._since or format_micro(now)
        born = {name: self._seen[name].since for name in others} | {self.identity: self._since}
        return frozenset(sorted(born, key=lambda name: (born[name], name))[: self._most])

    def _tell(self) -> None:
        """A share that was gained is worked on from now; what was lost is refused by ``mine``."""
        held = self.held
        if held and not self._held:
            self.changed()
        self._held = held

    def _lease(self, view: View) -> Object:
        now = format_micro(self._clock.now())
        return {
            "apiVersion": LEASE.api_version,
            "kind": LEASE.kind,
            "metadata": {
                "name": self._ref.name,
                "namespace": self._namespace,
                "labels": {GROUP_LABEL: self._group},
                "annotations": {VIEW: ",".join(sorted(view))},
            },
            "spec": {
                "holderIdentity": self.identity,
                "leaseDurationSeconds": max(1, round(self._lasts)),
                "acquireTime": self._since,
                "renewTime": now,
            },
        }

    async def _leave(self) -> None:
        try:
            async with asyncio.timeout(self._every):
                await self._client.delete(self._ref)
        except NotFound:
            return
        except (ApiProblem, TimeoutError) as problem:
            log.warning("the lease %s stays until it expires: %s", self._ref.name, problem or "no answer")


def owner(view: View, unit: str) -> str:
    """The member that a unit falls to; empty for an empty view."""
    return max(view, key=lambda member: blake2b(f"{member}\0{unit}".encode(), digest_size=8).digest(), default="")
