"""Delivery from a request to live objects, over a small API in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.rooms.delivery.small_api import (
    KINDS,
    ListLedger,
    SmallApi,
    SmallLive,
    VirtualTime,
    configmap,
    fixed_spec,
    info,
    job,
    ref,
    unknown_field,
)
from trueup.delivery.outcome import Outcome
from trueup.delivery.pipeline import Delivery
from trueup.delivery.request import Request
from trueup.kube.names import Kind, Object, Ref
from trueup.plan.plan import Plan
from trueup.plan.policy import Policy, Retry
from trueup.plan.progress import Progress
from trueup.plan.show import show
from trueup.plan.wanted import Hook, Ignore, LiveMarks, Options, Wanted
from trueup.ports import Cluster

UNIT = Ref(Kind("argoproj.io", "v1alpha1", "Application"), "argocd", "shop")
MARK = "example.com/unit"


def mark(obj: Object) -> Object:
    """Says whose object it is."""
    meta = obj["metadata"]
    return {**obj, "metadata": {**meta, "annotations": {**meta.get("annotations", {}), MARK: "shop"}}}


def read_live(obj: Object) -> LiveMarks:
    """Reads what ``mark`` wrote."""
    annotations = obj["metadata"].get("annotations") or {}
    return LiveMarks(
        owned=annotations.get(MARK) == "shop",
        options=Options(prune="no") if annotations.get("keep") else Options(),
        shared_with=annotations.get(MARK, "") if annotations.get(MARK, "shop") != "shop" else "",
    )


class Harness:
    """One unit in one cluster, and what a reconciler would keep of it."""

    def __init__(self) -> None:
        self.api, self.clock, self.ledger = SmallApi(), VirtualTime(), ListLedger()
        self.cluster = Cluster("in-cluster", self.api, SmallLive(self.api))
        self.delivery = Delivery(None, None, None, self.ledger, None, self.clock)  # type: ignore[arg-type]
        self.inventory: tuple[Ref, ...] = ()
        self.progress = Progress(started="2026-01-01T00:00:00Z")
        self.saved: list[Progress] = []
        self.last: Outcome | None = None

    def request(self, *wanted: Wanted | Object, policy: Policy = Policy(prune=True), **rest: Any) -> Request:  # noqa: B008
        wishes = tuple(w if isinstance(w, Wanted) else Wanted(w, f"{w['metadata']['name']}.yaml:1") for w in wanted)
        rest = {"revision": "a" * 40, **rest}
        return Request(
            UNIT, self.cluster, "trueup", wishes, namespace="shop", inventory=self.inventory, mark=mark,
            read_live=read_live, policy=policy, actor="jane", **rest,
        )  # fmt: skip

    async def plan(self, *wanted: Wanted | Object, **rest: Any) -> Plan:
        return await self.delivery.plan(self.request(*wanted, **rest))

    async def sync(self, *wanted: Wanted | Object, **rest: Any) -> Outcome:
        request = self.request(*wanted, **rest)

        async def save(progress: Progress) -> None:
            self.saved.append(Progress.from_json(progress.as_json()))

        plan = await self.delivery.plan(request)
        outcome = await self.delivery.advance(request, plan, self.progress, save)
        self.progress = Progress(started="2026-01-01T00:00:00Z") if outcome.final else outcome.progress
        self.inventory = outcome.inventory
        self.last = outcome
        return outcome


@pytest.fixture
def h() -> Harness:
    return Harness()


async def test_creates_what_is_absent_with_one_call_each(h: Harness) -> None:
    """An absent object costs one server-side apply and no dry run; it is marked and in the default namespace."""
    outcome = await h.sync(configmap("a", x="1"), configmap("b"))
    assert outcome.phase == "Succeeded"
    assert h.api.calls == ["apply ConfigMap/a", "apply ConfigMap/b"]
    live = h.api.objects[ref("ConfigMap", "a")]
    assert live["metadata"]["annotations"] == {MARK: "shop"}
    assert [r.message for r in outcome.results] == ["configmap/a created", "configmap/b created"]
    assert set(outcome.inventory) == {ref("ConfigMap", "a"), ref("ConfigMap", "b")}


async def test_in_sync_costs_no_call(h: Harness) -> None:
    """What was just written is known to be in sync, however its status moves."""
    await h.sync(configmap("a", x="1"))
    h.api.set_status(ref("ConfigMap", "a"), {"seen": True})
    h.api.calls.clear()
    plan = await h.plan(configmap("a", x="1"))
    assert plan.in_sync
    assert h.api.calls == []


async def test_unknown_pair_is_compared_by_dry_run_once(h: Harness) -> None:
    """After a restart each object costs one dry run, and only the first time."""
    await h.sync(configmap("a", x="1"))
    h.delivery = Delivery(None, None, None, h.ledger, None, h.clock)  # type: ignore[arg-type]
    h.api.calls.clear()
    assert (await h.plan(configmap("a", x="1"))).in_sync
    assert (await h.plan(configmap("a", x="1"))).in_sync
    assert h.api.calls == ["dry-run apply ConfigMap/a"]


async def test_change_by_hand_is_seen_and_mended(h: Harness) -> None:
    """A field edited by hand differs from Git; applying takes it back."""
    await h.sync(configmap("a", x="1"))
    h.api.edit(ref("ConfigMap", "a"), {"data": {"x": "2"}})
    plan = await h.plan(configmap("a", x="1"))
    assert show(plan) == '  ~ update ConfigMap shop/a  (a.yaml:1)\n      data.x: "2" -> "1"\n1 to update'
    outcome = await h.sync(configmap("a", x="1"))
    assert outcome.results[0].message == "configmap/a configured"
    assert h.api.objects[ref("ConfigMap", "a")]["data"] == {"x": "1"}


async def test_field_removed_in_git_goes(h: Harness) -> None:
    """What Git does not say any more is removed from the live object."""
    await h.sync(configmap("a", x="1", y="2"))
    await h.sync(configmap("a", x="1"))
    assert h.api.objects[ref("ConfigMap", "a")]["data"] == {"x": "1"}


async def test_prunes_what_is_owned_and_unwanted(h: Harness) -> None:
    """An object that left Git is deleted and leaves the inventory."""
    await h.sync(configmap("a"), configmap("b"))
    outcome = await h.sync(configmap("a"))
    assert list(h.api.objects) == [ref("ConfigMap", "a")]
    assert outcome.inventory == (ref("ConfigMap", "a"),)
    assert {r.status for r in outcome.results} == {"Synced", "Pruned"}


@pytest.mark.parametrize(
    ("annotations", "policy", "expected"),
    [
        ({MARK: "shop"}, Policy(), "ignored (requires pruning)"),
        ({MARK: "shop", "keep": "yes"}, Policy(prune=True), "ignored (no prune)"),
    ],
)
async def test_leaves_what_may_not_be_pruned(
    h: Harness, annotations: dict[str, str], policy: Policy, expected: str
) -> None:
    """Pruning is asked for, and an object may refuse it."""
    await h.sync(configmap("a"), configmap("b"))
    h.api.edit(ref("ConfigMap", "b"), {"metadata": {"annotations": annotations}})
    outcome = await h.sync(configmap("a"), policy=policy)
    assert ref("ConfigMap", "b") in h.api.objects
    assert expected in [r.message for r in outcome.results]
    assert ref("ConfigMap", "b") in outcome.inventory


async def test_never_prunes_what_is_not_its_own(h: Harness) -> None:
    """An object in the inventory that carries another's mark stays, and leaves the inventory."""
    await h.sync(configmap("a"), configmap("b"))
    h.api.edit(ref("ConfigMap", "b"), {"metadata": {"annotations": {MARK: "other"}}})
    outcome = await h.sync(configmap("a"))
    assert ref("ConfigMap", "b") in h.api.objects
    assert outcome.inventory == (ref("ConfigMap", "a"),)


async def test_an_empty_render_prunes_nothing(h: Harness) -> None:
    """Nothing wanted at all prunes nothing, unless that is allowed."""
    await h.sync(configmap("a"))
    plan = await h.plan()
    assert plan.warnings
    await h.sync()
    assert list(h.api.objects) == [ref("ConfigMap", "a")]
    await h.sync(policy=Policy(prune=True, allow_empty=True))
    assert not h.api.objects


async def test_deleting_the_unit_takes_its_objects_along(h: Harness) -> None:
    """Deleting is delivering with nothing wanted."""
    await h.sync(configmap("a"), configmap("b"))
    outcome = await h.sync(deleting=True, policy=Policy())
    assert outcome.phase == "Succeeded"
    assert not h.api.objects
    assert outcome.inventory == ()


async def test_foreground_deletion_is_awaited(h: Harness) -> None:
    """A pruned object that finalizers hold is waited for."""
    await h.sync(configmap("a"), configmap("b"))
    h.api.edit(ref("ConfigMap", "b"), {"metadata": {"finalizers": ["x"]}})
    outcome = await h.sync(configmap("a"))
    assert (outcome.phase, outcome.message) == ("Running", "waiting for deletion of /ConfigMap/b")
    assert outcome.waiting_for == (ref("ConfigMap", "b"),)
    del h.api.objects[ref("ConfigMap", "b")]
    assert (await h.sync(configmap("a"))).phase == "Succeeded"


async def test_a_bad_object_names_file_and_line(h: Harness) -> None:
    """One bad manifest fails with file and line; the others of its wave are applied."""
    h.api.refuse = unknown_field
    outcome = await h.sync(configmap("good"), {**configmap("bad"), "bad": 1})
    assert outcome.phase == "Failed"
    assert 'bad.yaml:1: ConfigMap "bad" is invalid: unknown field "bad"' in outcome.message
    assert ref("ConfigMap", "good") in h.api.objects


async def test_dry_run_first(h: Harness) -> None:
    """A change that the server refuses is known before anything is written."""
    await h.sync(configmap("a"), configmap("b"))
    h.api.refuse = unknown_field
    h.api.calls.clear()
    outcome = await h.sync(configmap("a", x="1"), {**configmap("b"), "bad": 1})
    assert outcome.phase == "Failed"
    assert h.api.writes() == []
    assert outcome.message.startswith("one or more objects failed to apply (dry run)")


@pytest.mark.parametrize("force", [False, True])
async def test_immutable_field(h: Harness, force: bool) -> None:
    """What cannot be changed is deleted and created anew, where that is allowed."""
    await h.sync(job("j"))
    h.api.refuse = fixed_spec
    changed = {**job("j"), "spec": {"backoffLimit": 5}}
    outcome = await h.sync(changed, policy=Policy(force=force))
    assert outcome.phase == ("Succeeded" if force else "Failed")
    assert h.api.objects[ref("Job", "j")]["spec"]["backoffLimit"] == (5 if force else 0)


async def test_unserved_kind(h: Harness) -> None:
    """An object of a kind that nobody serves is refused with the remedy; the rest of the plan stands."""
    plan = await h.plan(configmap("a"), {"apiVersion": "x.io/v1", "kind": "Thing", "metadata": {"name": "t"}})
    thing = plan.changes[-1]
    assert (thing.action, [c.action for c in plan]) == ("forbidden", ["create", "forbidden"])
    assert 'Make sure the "Thing" CRD is installed' in thing.why


async def test_definition_and_its_object_in_one_go(h: Harness) -> None:
    """A custom kind and its object come in one operation, in order, in the scope that the definition says."""
    definitions = info(
        "apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False
    )
    h.api = SmallApi([*KINDS, definitions])
    h.cluster = Cluster("in-cluster", h.api, SmallLive(h.api))
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.x.io"},
        "spec": {"group": "x.io", "names": {"kind": "Thing"}, "scope": "Cluster"},
    }
    thing = {"apiVersion": "x.io/v1", "kind": "Thing", "metadata": {"name": "t"}}
    outcome = await h.sync(thing, crd)
    assert outcome.message == ("waiting for healthy state of apiextensions.k8s.io/CustomResourceDefinition/things.x.io")
    h.api.kinds.append(info("x.io/v1", "Thing", "things", namespaced=False))
    crd_ref = next(iter(h.api.objects))
    h.api.set_status(crd_ref, {"conditions": [{"type": "Established", "status": "True"}]})
    assert (await h.sync(thing, crd)).phase == "Succeeded"
    assert h.api.writes() == ["apply CustomResourceDefinition/things.x.io", "apply Thing/t"]
    assert Ref(Kind("x.io", "v1", "Thing"), "", "t") in h.api.objects


async def test_namespaces_are_settled(h: Harness) -> None:
    """A cluster-scoped object loses its namespace, a namespaced one gets the default, its own stays."""
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "r", "namespace": "oops"},
    }
    await h.sync(role, configmap("a"), configmap("b", "elsewhere"))
    assert set(h.api.objects) == {
        ref("ClusterRole", "r"),
        ref("ConfigMap", "a"),
        ref("ConfigMap", "b", "elsewhere"),
    }


async def test_create_namespace(h: Harness) -> None:
    """The default namespace is made first where the policy says so; it is not the unit's to prune."""
    outcome = await h.sync(configmap("a"), policy=Policy(create_namespace=True))
    assert h.api.writes() == ["apply Namespace/shop", "apply ConfigMap/a"]
    assert outcome.inventory == (ref("ConfigMap", "a"),)
    h.api.calls.clear()
    plan = await h.plan(configmap("a"), policy=Policy(create_namespace=True))
    assert [c.ref.kind.kind for c in plan] == ["ConfigMap"]


async def test_the_same_object_twice(h: Harness) -> None:
    """Of an object that is wanted twice the last one counts, and people are told."""
    plan = await h.plan(configmap("a", x="1"), configmap("a", x="2"))
    assert [c.wanted.object["data"] for c in plan if c.wanted] == [{"x": "2"}]
    assert [(str(ref), count) for ref, count in plan.repeated] == [("ConfigMap shop/a", 2)]


async def test_secrets_are_hidden(h: Harness) -> None:
    """Where a Secret differs is told, its values are not: in plan, text and ledger."""
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"password": "c2VjcmV0"}}
    await h.sync(secret)
    changed = {**secret, "data": {"password": "bmV3", "more": "bW9yZQ=="}}
    plan = await h.plan(changed)
    assert [f.path for f in plan.changes[0].fields] == ["data.more", "data.password"]
    await h.sync(changed)
    told = show(plan) + str(h.ledger.entries) + str(plan.changes[0].fields)
    assert not any(value in told for value in ("c2VjcmV0", "bmV3", "bW9yZQ=="))


@pytest.mark.parametrize(
    "ignore",
    [Ignore(kind="ConfigMap", pointers=("/data/x",)), Ignore(jq=(".data.x",)), Ignore(managers=("scaler",))],
    ids=["pointer", "jq", "manager"],
)
async def test_ignored_differences(h: Harness, ignore: Ignore) -> None:
    """Ignored fields do not count; with RespectIgnoreDifferences they also survive a write for another reason."""
    a = ref("ConfigMap", "a")
    await h.sync(configmap("a", x="1", y="1"))
    h.api.edit(a, {"data": {"x": "9"}}, manager="scaler")
    assert (await h.plan(configmap("a", x="1", y="1"), ignore=(ignore,))).in_sync
    if not ignore.managers:
        policy = Policy(respect_ignored=True)
        await h.sync(configmap("a", x="1", y="2"), ignore=(ignore,), policy=policy)
        assert h.api.objects[a]["data"] == {"x": "9", "y": "2"}


async def test_additions_by_hand_stay_unless_adopted(h: Harness) -> None:
    """Server-side apply leaves alone what somebody added; where their manager is adopted, it goes."""
    await h.sync(configmap("a", x="1"))
    h.api.edit(ref("ConfigMap", "a"), {"data": {"added": "by hand"}})
    assert (await h.plan(configmap("a", x="1"))).in_sync
    policy = Policy(adopt=("kubectl",))
    plan = await h.plan(configmap("a", x="1"), policy=policy)
    assert [(f.path, f.op) for f in plan.changes[0].fields] == [("data.added", "remove")]
    await h.sync(configmap("a", x="1"), policy=policy)
    assert h.api.objects[ref("ConfigMap", "a")]["data"] == {"x": "1"}
    assert (await h.plan(configmap("a", x="1"), policy=policy)).in_sync


async def test_bad_jq_is_told(h: Harness) -> None:
    """An ignore rule that is no jq is a warning, not the end."""
    plan = await h.plan(configmap("a"), ignore=(Ignore(jq=(".data[",)),))
    assert "the jq path expression '.data[' cannot be read" in plan.warnings[0]


async def test_forbidden_by_the_unit(h: Harness) -> None:
    """What the unit may not write is said in the plan and fails the operation before any write."""
    outcome = await h.sync(configmap("a"), permits=lambda r, _: f"{r.kind.kind} is not permitted in project p")
    assert outcome.message == (
        "one or more synchronization tasks are not valid: ConfigMap is not permitted in project p"
    )
    assert h.api.writes() == []


async def test_shared_with_another_unit(h: Harness) -> None:
    """An object that another unit claims is taken over and said so, or refused where asked."""
    await h.sync(configmap("a"))
    h.api.edit(ref("ConfigMap", "a"), {"metadata": {"annotations": {MARK: "other"}}})
    plan = await h.plan(configmap("a"))
    assert (plan.changes[0].action, plan.changes[0].shared_with) == ("update", "other")
    plan = await h.plan(configmap("a"), policy=Policy(fail_on_shared=True))
    assert plan.changes[0].action == "forbidden"


async def test_only_created(h: Harness) -> None:
    """An object that is written only when absent is left alone afterwards."""
    once = Wanted(configmap("a", x="1"), options=Options(how="create-only"))
    await h.sync(once)
    h.api.edit(ref("ConfigMap", "a"), {"data": {"x": "2"}})
    outcome = await h.sync(once)
    assert outcome.phase == "Succeeded"
    assert h.api.objects[ref("ConfigMap", "a")]["data"] == {"x": "2"}


async def test_replace(h: Harness) -> None:
    """A replaced object is updated as a whole: what others added goes."""
    await h.sync(configmap("a", x="1"))
    h.api.edit(ref("ConfigMap", "a"), {"data": {"x": "2", "added": "by hand"}})
    await h.sync(configmap("a", x="1"), policy=Policy(replace=True))
    assert h.api.writes()[-1] == "update ConfigMap/a"
    assert h.api.objects[ref("ConfigMap", "a")]["data"] == {"x": "1"}


HOOK = Wanted(job("migrate"), phase="PreSync", hook=Hook(frozenset({"HookSucceeded"})))
FAILED = {"conditions": [{"type": "Failed", "status": "True", "message": "no database"}]}
COMPLETE = {"conditions": [{"type": "Complete", "status": "True"}]}


async def test_hook_runs_and_goes(h: Harness) -> None:
    """A PreSync hook runs to its end before the objects are written, and goes by its policy; it is never owned."""
    outcome = await h.sync(HOOK, configmap("a"))
    assert outcome.message == "waiting for completion of hook batch/Job/migrate"
    assert outcome.waiting_for == (ref("Job", "migrate"),)
    h.api.set_status(ref("Job", "migrate"), COMPLETE)
    outcome = await h.sync(HOOK, configmap("a"))
    assert outcome.phase == "Succeeded"
    assert h.api.writes() == ["create Job/migrate", "apply ConfigMap/a", "delete Job/migrate"]
    assert outcome.inventory == (ref("ConfigMap", "a"),)


async def test_progress_is_stored_before_a_hook_is_created(h: Harness) -> None:
    """A process that dies right after the creation finds the hook noted, and does not run it again."""
    await h.sync(HOOK, configmap("a"))
    stored = h.saved[0]
    assert [(r.status, r.running) for r in stored.results.values()] == [("", "Running")]
    h.progress = stored
    outcome = await h.sync(HOOK, configmap("a"))
    assert outcome.message == "waiting for completion of hook batch/Job/migrate"
    assert h.api.writes() == ["create Job/migrate"]


async def test_failed_hook(h: Harness) -> None:
    """A hook Job that fails: SyncFail hooks run, the objects are not written, the ledger says why."""
    cry = Wanted(job("cry"), phase="SyncFail", hook=Hook())
    await h.sync(HOOK, configmap("a"), cry)
    h.api.set_status(ref("Job", "migrate"), FAILED)
    await h.sync(HOOK, configmap("a"), cry)
    h.api.set_status(ref("Job", "cry"), COMPLETE)
    outcome = await h.sync(HOOK, configmap("a"), cry)
    assert outcome.phase == "Failed"
    assert "Job.batch shop/migrate: no database" in outcome.message
    assert h.api.writes() == ["create Job/migrate", "create Job/cry"]
    assert [(e.outcome, e.actor, e.unit) for e in h.ledger.entries] == [("Failed", "jane", "Application/argocd/shop")]


async def test_generated_hook_name(h: Harness) -> None:
    """A hook with a generateName is named after revision, phase and start, so that one operation makes one."""
    obj = job("x")
    obj["metadata"] = {"generateName": "migrate-"}
    await h.sync(Wanted(obj, phase="PreSync", hook=Hook()), configmap("a"))
    assert ref("Job", "migrate-aaaaaaa-presync-1767225600") in h.api.objects


async def test_hook_finalizer(h: Harness) -> None:
    """A hook keeps its finalizer until it has been seen to end, even when something deletes it."""
    policy = Policy(hook_finalizer="example.com/hook")
    hook = replace(HOOK, hook=Hook())
    await h.sync(hook, configmap("a"), policy=policy)
    migrate = ref("Job", "migrate")
    assert h.api.objects[migrate]["metadata"]["finalizers"] == ["example.com/hook"]
    h.api.set_status(migrate, COMPLETE)
    assert (await h.sync(hook, configmap("a"), policy=policy)).phase == "Succeeded"
    assert not h.api.objects[migrate]["metadata"].get("finalizers")


async def test_newer_revision_preempts(h: Harness) -> None:
    """A sync that is stuck on an older revision gives way: its running hook goes, the new one starts over."""
    await h.sync(HOOK, configmap("a"))
    outcome = await h.sync(HOOK, configmap("a", x="2"), revision="b" * 40)
    assert h.api.writes() == ["create Job/migrate", "delete Job/migrate", "create Job/migrate"]
    assert outcome.progress.revision == "b" * 40


async def test_terminate(h: Harness) -> None:
    """A terminated operation removes its running hooks and says so."""
    request = h.request(HOOK, configmap("a"))
    await h.sync(HOOK, configmap("a"))

    async def save(_: Progress) -> None:
        return None

    outcome = await h.delivery.terminate(request, await h.delivery.plan(request), h.progress, save)
    assert (outcome.phase, outcome.message) == ("Failed", "Operation terminated")
    assert not h.api.objects


async def test_retry(h: Harness) -> None:
    """A failed attempt is repeated after its back-off, as often as the policy says."""
    h.api.refuse = unknown_field
    bad = {**configmap("a"), "bad": 1}
    policy = Policy(retry=Retry(limit=1, first=5))
    outcome = await h.sync(bad, policy=policy)
    assert (outcome.phase, outcome.next_after, outcome.attempts) == ("Running", 5.0, 1)
    assert "Retrying attempt #1" in outcome.message
    outcome = await h.sync(bad, policy=policy)
    assert (outcome.message, outcome.next_after) == ("waiting for the next attempt", 5.0)
    h.clock.seconds += 5
    assert (await h.sync(bad, policy=policy)).phase == "Failed"


async def test_dry_run_writes_nothing(h: Harness) -> None:
    """A dry run says what it would do and does none of it."""
    outcome = await h.sync(HOOK, configmap("a"), policy=Policy(dry_run=True))
    assert outcome.phase == "Succeeded"
    assert not h.api.objects
    assert h.api.writes() == []
    assert "configmap/a created (dry run)" in [r.message for r in outcome.results]


async def test_ledger_tells_what_changed_once(h: Harness) -> None:
    """An operation that changes something has an entry; one that changes nothing has none."""
    await h.sync(configmap("a", x="1"))
    await h.sync(configmap("a", x="1"))
    (entry,) = h.ledger.entries
    assert (entry.action, entry.outcome, entry.revision) == ("sync", "Succeeded", "a" * 40)
    assert entry.changes == [{"object": "ConfigMap shop/a", "status": "Synced", "message": "configmap/a created"}]


async def test_impersonation(h: Harness) -> None:
    """What is written for a tenant is written as the tenant."""
    await h.sync(configmap("a"), identity="system:serviceaccount:team:deployer")
    assert h.api.user == "system:serviceaccount:team:deployer"


async def test_health_of_each_object(h: Harness) -> None:
    """An outcome carries the health of every object, absent ones included."""
    outcome = await h.sync(configmap("a"), Wanted(configmap("late"), wave=1), Wanted({**job("j")}, wave=0))
    assert outcome.phase == "Running"
    assert {str(r): health.status for r, health in outcome.health.items()} == {
        "ConfigMap shop/a": "Healthy",
        "Job.batch shop/j": "Progressing",
        "ConfigMap shop/late": "Missing",
    }


async def test_what_was_pruned_is_gone_before_the_watch_tells_of_it(h: Harness) -> None:
    """A cache that lags behind brings nothing back; an object of the same name that comes later is seen."""
    await h.sync(configmap("a"), configmap("b"), policy=Policy(prune=True, propagation="Background"))
    old = h.api.objects[ref("ConfigMap", "b")]
    late = LateLive(h.api)
    late.late[ref("ConfigMap", "b")] = old
    h.cluster = Cluster("in-cluster", h.api, late)
    await h.sync(configmap("a"), policy=Policy(prune=True, propagation="Background"))
    h.inventory = (ref("ConfigMap", "a"), ref("ConfigMap", "b"))

    assert [change.ref.name for change in await h.plan(configmap("a"))] == ["a"]
    late.late[ref("ConfigMap", "b")] = {**old, "metadata": {**old["metadata"], "uid": "another"}}
    assert [change.ref.name for change in await h.plan(configmap("a"))] == ["b", "a"]


class LateLive(SmallLive):
    """A cache that still tells of some objects."""

    def __init__(self, api: SmallApi) -> None:
        super().__init__(api)
        self.late: dict[Ref, Object] = {}

    async def get(self, ref: Ref) -> Object | None:
        return self.late.get(ref) or await super().get(ref)
