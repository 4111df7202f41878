"""Replicas share the work: every unit has one owner, never two, and finds another when its owner goes."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.rooms.runtime.small_cluster import SmallCluster
from tests.rooms.runtime.waiting import until
from trueup.kube.names import Kind
from trueup.kube.problems import Unavailable
from trueup.runtime.clock import VirtualClock
from trueup.runtime.lease import LEASE, Replicas, owner

UNITS = [f"application/argocd/app-{n}" for n in range(200)]


class Guarded(SmallCluster):
    """A cluster that looks at every call whether two replicas own one unit."""

    def __init__(self, crew: "Crew") -> None:
        super().__init__((LEASE,))
        self.crew = crew

    def _enter(self, verb: str, kind: Kind) -> None:
        super()._enter(verb, kind)
        self.crew.whole()


class Crew:
    """Replicas over one cluster, in virtual time."""

    def __init__(self) -> None:
        self.cluster = Guarded(self)
        self.clock = VirtualClock(1_000_000.0)
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.replicas: dict[str, Replicas] = {}
        self.twice = 0

    def join(self, name: str) -> Replicas:
        """A replica starts."""
        replica = Replicas(self.cluster, self.clock, namespace="trueup", identity=name)
        self.replicas[name] = replica
        self.tasks[name] = asyncio.create_task(replica.run())
        return replica

    async def leave(self, name: str) -> None:
        """A replica ends gracefully."""
        self.tasks[name].cancel()
        await asyncio.wait((self.tasks[name],))

    def owners(self, unit: str) -> list[str]:
        """Who works on a unit now."""
        return [name for name, replica in self.replicas.items() if replica.owns(unit)]

    def whole(self) -> bool:
        """Every unit has its owner; never two, whenever one looks."""
        found = [self.owners(unit) for unit in UNITS]
        self.twice += sum(len(owners) > 1 for owners in found)
        assert self.twice == 0
        return all(found)


@pytest.fixture
async def crew() -> AsyncIterator[Crew]:
    """An empty crew."""
    crew = Crew()
    yield crew
    assert crew.twice == 0
    for name in list(crew.tasks):
        await crew.leave(name)


async def test_one_replica_does_all(crew: Crew) -> None:
    """As soon as it has its Lease."""
    alone = crew.join("a")
    assert not alone.owns(UNITS[0])
    await until(crew.whole)
    assert alone.leads


async def test_replicas_share_evenly(crew: Crew) -> None:
    """Each has a good part, one leads, and a newcomer takes only what falls to it."""
    for name in "ab":
        crew.join(name)
    await until(lambda: crew.whole() and all(len(r.members) == 2 for r in crew.replicas.values()))
    before = {unit: crew.owners(unit) for unit in UNITS}
    crew.join("c")
    await until(lambda: crew.whole() and any("c" in crew.owners(unit) for unit in UNITS))
    after = {unit: crew.owners(unit) for unit in UNITS}
    moved = [unit for unit in UNITS if before[unit] != after[unit]]
    assert {after[unit][0] for unit in moved} == {"c"}
    assert 30 < len(moved) < 110
    assert sum(replica.leads for replica in crew.replicas.values()) == 1


async def test_who_leaves_is_replaced_at_once(crew: Crew) -> None:
    """A graceful end needs no expiry."""
    crew.join("a")
    crew.join("b")
    await until(lambda: crew.whole() and len(crew.replicas["a"].members) == 2)
    told: list[float] = []
    crew.replicas["b"].changed = lambda: told.append(crew.clock.now())
    began = crew.clock.now()
    await crew.leave("a")
    await until(lambda: told)
    assert told[0] - began < 10
    assert crew.whole()
    assert crew.owners(UNITS[0]) == ["b"]


async def test_who_cannot_renew_stops_before_others_take_over(crew: Crew) -> None:
    """The cut-off replica lets go by itself; its units find their new owner after the expiry."""
    cut = crew.join("a")
    crew.join("b")
    await until(lambda: crew.whole() and len(cut.members) == 2)
    theirs = [unit for unit in UNITS if cut.owns(unit)]
    dead = SmallCluster((LEASE,))
    dead.problems["list"] = [Unavailable("cut off")] * 1000
    cut._client = dead
    await until(lambda: not any(cut.owns(unit) for unit in theirs))
    await until(lambda: crew.whole() and crew.owners(theirs[0]) == ["b"])


async def test_what_is_under_way_is_finished_first(crew: Crew) -> None:
    """A newcomer gets no unit while its old owner still works on it."""
    old = crew.join("a")
    await until(crew.whole)
    at_work = [True]
    old.strays = lambda: 1 if at_work[0] else 0
    crew.join("b")
    await until(lambda: old.members == {"a", "b"})
    began = crew.clock.now()
    await until(lambda: crew.clock.now() > began + 60)
    assert not any(crew.replicas["b"].owns(unit) for unit in UNITS)
    at_work[0] = False
    await until(crew.whole)
    assert any(crew.replicas["b"].owns(unit) for unit in UNITS)


async def test_a_gained_share_is_told(crew: Crew) -> None:
    """Once per change, so that the manager looks at what is now its own."""
    told: list[float] = []
    crew.join("a").changed = lambda: told.append(crew.clock.now())
    await until(crew.whole)
    assert len(told) == 1
    crew.join("b")
    await until(lambda: crew.whole() and len(crew.replicas["a"].members) == 2)
    await crew.leave("b")
    await until(lambda: crew.replicas["a"].members == {"a"} and crew.whole())
    began = crew.clock.now()
    count = len(told)
    assert count >= 2
    await until(lambda: crew.clock.now() > began + 60)
    assert len(told) == count


async def test_the_lease_reads_like_any_other(crew: Crew) -> None:
    """Holder, duration and times as Kubernetes has them."""
    crew.join("a")
    await until(crew.whole)
    (lease,) = crew.cluster.objects.values()
    assert (lease["spec"]["holderIdentity"], lease["spec"]["leaseDurationSeconds"]) == ("a", 15)
    assert lease["spec"]["renewTime"].startswith("1970-01-12T13:46:4")


def test_an_empty_view_owns_nothing() -> None:
    """Before the first look there is nobody."""
    assert owner(frozenset(), "x") == ""
