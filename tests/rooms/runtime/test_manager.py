"""Controllers at work: what wakes them, what their answers mean, how they share workers, how they end."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.rooms.runtime.small_cluster import MAP, SmallCluster, config_map
from tests.rooms.runtime.waiting import until
from trueup.family import Controller, Result, Stop, Wait, Watch
from trueup.kube.names import Key, Kind, Object, Ref
from trueup.runtime.clock import VirtualClock
from trueup.runtime.manager import Manager

SECRET = Kind("", "v1", "Secret")
THING = Kind("example.com", "v1", "Thing")
Reconcile = Callable[[Any, Key], Awaitable[Result]]


class Stage:
    """A manager over a small cluster, in virtual time."""

    def __init__(self) -> None:
        self.cluster = SmallCluster((MAP, SECRET))
        self.clock = VirtualClock(0.0)
        self.manager = Manager(self.cluster, self.clock, workers=4)
        self.runs: list[str] = []
        self._task: asyncio.Task[None] | None = None

    def add(self, reconcile: Reconcile, name: str = "maps", kind: Kind = MAP, **parts: Any) -> None:
        """A controller whose runs are remembered."""

        async def remembered(tools: Any, key: Key) -> Result:
            self.runs.append(key.name)
            return await reconcile(tools, key)

        self.manager.add(Controller(name, kind, remembered, **parts), None)

    async def start(self) -> None:
        """Runs the manager."""
        self._task = asyncio.create_task(self.manager.run())
        await self.manager.ready.wait()

    async def __aenter__(self) -> "Stage":
        return self

    async def __aexit__(self, *_: object) -> None:
        self.manager.stop()
        if self._task is not None:
            await self._task


async def done(tools: Any, key: Key) -> Result:
    """All is well."""
    return Result()


async def test_what_is_there_and_what_changes_is_reconciled() -> None:
    """Each object once at the start, and again when it changes or goes."""
    async with Stage() as stage:
        stage.add(done)
        stage.cluster.put(config_map("a"))
        stage.cluster.put(config_map("b"))
        await stage.start()
        await until(lambda: len(stage.runs) == 2)
        await stage.manager.idle()
        assert sorted(stage.runs) == ["a", "b"]
        stage.cluster.put(config_map("a", x="1"))
        stage.cluster.drop(Ref(MAP, "default", "b"))
        await until(lambda: len(stage.runs) == 4)
        assert sorted(stage.runs[2:]) == ["a", "b"]


async def test_answers_say_when_to_look_again() -> None:
    """``Result(after)`` and ``Wait`` come back in time, ``Stop`` not before a change."""
    times: dict[str, list[float]] = {"result": [], "wait": [], "stop": []}
    async with Stage() as stage:

        async def reconcile(tools: Any, key: Key) -> Result:
            times[key.name].append(stage.clock.now())
            if key.name == "result":
                return Result(after=100)
            if key.name == "wait":
                raise Wait("for something", after=250)
            raise Stop("hopeless")

        stage.add(reconcile)
        for name in times:
            stage.cluster.put(config_map(name))
        await stage.start()
        await until(lambda: len(times["result"]) >= 4 and len(times["wait"]) >= 2)
        assert times["result"][:4] == [0, 100, 200, 300]
        assert times["wait"][:2] == [0, 250]
        assert times["stop"] == [0]
        stage.cluster.put(config_map("stop", again="yes"))
        await until(lambda: len(times["stop"]) == 2)


async def test_a_failing_key_backs_off_and_stops_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """Other keys go on; the failing one comes back later and later, and one log line names it."""
    times: list[float] = []
    async with Stage() as stage:

        async def reconcile(tools: Any, key: Key) -> Result:
            if key.name == "bad":
                times.append(stage.clock.now())
                raise ZeroDivisionError("oops")
            return Result()

        stage.add(reconcile)
        stage.cluster.put(config_map("bad"))
        stage.cluster.put(config_map("good"))
        await stage.start()
        await until(lambda: len(times) >= 5)
        assert "good" in stage.runs
        gaps = [after - before for before, after in itertools.pairwise(times)]
        assert gaps == sorted(gaps)
        assert gaps[0] >= 0.1
        line = next(r for r in caplog.records if "oops" in r.getMessage())
        assert (line.unit, line.controller) == ("ConfigMap/default/bad", "maps")  # type: ignore[attr-defined]


async def test_watches_requeue_by_function_and_by_index() -> None:
    """A changed Secret wakes the objects that name it, and those that an index lists."""

    def by_name(obj: Object) -> list[Key]:
        return [Key("default", obj["metadata"]["name"])]

    def uses(obj: Object) -> list[str]:
        return [obj["data"].get("secret", "")]

    def own_name(obj: Object) -> list[str]:
        return [obj["metadata"]["name"]]

    async with Stage() as stage:
        stage.add(done, watches=(Watch(SECRET, keys=by_name, by={"uses": own_name}),), index={"uses": uses})
        stage.cluster.put(config_map("reader", secret="pass"))
        stage.cluster.put(config_map("other"))
        await stage.start()
        await until(lambda: len(stage.runs) == 2)
        await stage.manager.idle()
        stage.runs.clear()
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "pass", "namespace": "default"}}
        stage.cluster.put(secret)
        await until(lambda: len(stage.runs) == 2)
        assert sorted(stage.runs) == ["pass", "reader"]


async def test_a_change_of_a_delivered_object_wakes_its_unit() -> None:
    """Any watched kind counts, whichever controller asked for it."""

    def tracked(obj: Object) -> list[Key]:
        name = (obj["metadata"].get("labels") or {}).get("unit")
        return [Key("default", name)] if name else []

    async with Stage() as stage:
        stage.add(done, live=tracked)
        await stage.start()
        await stage.manager.live.list(SECRET)
        meta = {"name": "s", "namespace": "default", "labels": {"unit": "shop"}}
        stage.cluster.put({"apiVersion": "v1", "kind": "Secret", "metadata": meta})
        await until(lambda: stage.runs == ["shop"])


async def test_workers_are_few_and_controllers_take_turns() -> None:
    """No more runs at once than workers, none more of a controller than it allows, and nobody starves."""
    active: Counter[str] = Counter()
    most: Counter[str] = Counter()
    gate = asyncio.Event()
    async with Stage() as stage:

        def slow(name: str) -> Reconcile:
            async def reconcile(tools: Any, key: Key) -> Result:
                for who in (name, "all"):
                    active[who] += 1
                    most[who] = max(most[who], active[who])
                await gate.wait()
                for who in (name, "all"):
                    active[who] -= 1
                return Result()

            return reconcile

        stage.add(slow("busy"), "busy", workers=3)
        stage.add(slow("quiet"), "quiet", SECRET)
        for n in range(20):
            stage.cluster.put(config_map(f"m{n}"))
        stage.cluster.put({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "default"}})
        await stage.start()
        await until(lambda: active["all"] == 4)
        assert dict(active) == {"busy": 3, "quiet": 1, "all": 4}
        gate.set()
        await until(lambda: len(stage.runs) == 21)
        await stage.manager.idle()
        assert (most["busy"], most["all"]) == (3, 4)


async def test_idle_starts_nothing() -> None:
    """Without work there is no worker, and timers sleep once."""
    async with Stage() as stage:
        stage.add(done)
        stage.cluster.put(config_map("a"))
        await stage.start()
        await stage.manager.idle()
        await until(lambda: len(stage.manager._pool) == 0)
        calls = list(stage.cluster.calls)
        await stage.clock.sleep(86_400)
        assert stage.cluster.calls == calls


async def test_a_kind_that_is_not_served_holds_up_nobody() -> None:
    """Its controller waits for the definition; the others run."""
    async with Stage() as stage:
        stage.add(done, "things", THING)
        stage.add(done)
        stage.cluster.put(config_map("a"))
        await stage.start()
        await until(lambda: stage.runs == ["a"])


async def test_keys_of_other_replicas_are_left_alone() -> None:
    """Only keys of one's own share are worked on; a changed share takes the rest over."""
    share = {"a"}
    async with Stage() as stage:
        stage.manager = Manager(stage.cluster, stage.clock, mine=lambda controller, key: key.name in share)
        stage.add(done)
        for name in ("a", "b"):
            stage.cluster.put(config_map(name))
        await stage.start()
        await until(lambda: stage.runs == ["a"])
        await stage.manager.idle()
        share.add("b")
        stage.manager.enqueue_all()
        await until(lambda: sorted(stage.runs) == ["a", "a", "b"])


async def test_the_end_waits_for_runs_under_way() -> None:
    """A run that has begun may finish; no other begins."""
    finished: list[str] = []
    gate = asyncio.Event()
    stage = Stage()

    async def reconcile(tools: Any, key: Key) -> Result:
        await gate.wait()
        finished.append(key.name)
        return Result()

    stage.add(reconcile, workers=1)
    stage.cluster.put(config_map("a"))
    stage.cluster.put(config_map("b"))
    await stage.start()
    await until(lambda: stage.runs == ["a"])
    with stage.clock.held():
        stage.manager.stop()
        gate.set()
        await stage.__aexit__()
    assert finished == ["a"]
    assert stage.runs == ["a"]


async def test_the_end_cancels_what_never_ends() -> None:
    """After the grace period a stuck run is cancelled, and nothing is left behind."""
    stage = Stage()
    cancelled: list[str] = []

    async def reconcile(tools: Any, key: Key) -> Result:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(key.name)
            raise
        return Result()

    stage.add(reconcile)
    stage.cluster.put(config_map("a"))
    await stage.start()
    await until(lambda: stage.runs == ["a"])
    await stage.__aexit__()
    assert cancelled == ["a"]
    assert stage.cluster.watches == 0


async def test_metrics_tell_results_and_queues() -> None:
    """What Prometheus scrapes counts reconciles by result."""
    async with Stage() as stage:
        stage.add(done)
        stage.cluster.put(config_map("a"))
        await stage.start()
        await until(lambda: stage.runs == ["a"])
        await stage.manager.idle()
        page = stage.manager.metrics.page().decode()
        assert 'trueup_reconcile_total{controller="maps",result="done"} 1.0' in page
        assert 'trueup_queue_depth{controller="maps"} 0.0' in page
        assert "trueup_watch_restarts_total" in page


async def test_two_controllers_of_one_name_are_refused() -> None:
    """The name tells their queues and metrics apart."""
    stage = Stage()
    stage.add(done)
    with pytest.raises(ValueError, match="maps"):
        stage.add(done)


async def test_runs_that_take_long_lend_their_places() -> None:
    """Keys that hang do not keep the others waiting, however many they are; they count again once they go on."""
    gate = asyncio.Event()
    async with Stage() as stage:

        async def reconcile(tools: Any, key: Key) -> Result:
            if key.name.startswith("hangs"):
                await gate.wait()
            return Result()

        stage.add(reconcile, workers=2)
        for n in range(9):
            stage.cluster.put(config_map(f"hangs-{n}"))
        await stage.start()
        await until(lambda: len(stage.runs) == 2)
        stage.cluster.put(config_map("well"))

        await until(lambda: "well" in stage.runs)
        gate.set()
        await stage.manager.idle()

        assert len(stage.runs) == 10
        assert stage.manager._active == 0
