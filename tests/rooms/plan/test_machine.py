"""The machine of an operation, played against a little world that carries its steps out and writes down what it did."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from trueup.health.verdict import PRESENT, Health
from trueup.kube.names import Kind, Object, Ref
from trueup.plan.machine import decide
from trueup.plan.order import FLUX
from trueup.plan.plan import Change, Plan
from trueup.plan.policy import Policy
from trueup.plan.progress import Progress, Result
from trueup.plan.steps import Do, Done, Failed, Step, Wait
from trueup.plan.tasks import result_of
from trueup.plan.wanted import Hook, Options, Phase, Wanted

GROUPS = {
    "Deployment": "apps",
    "Job": "batch",
    "CustomResourceDefinition": "apiextensions.k8s.io",
    "ClusterRole": "rbac.authorization.k8s.io",
    "Thing": "example.com",
}
HEALTHY, DEGRADED, PROGRESSING = (
    Health("Healthy", "", "t"),
    Health("Degraded", "broken", "t"),
    Health("Progressing", "", "t"),
)


def ref(name: str) -> Ref:
    """``Job/migrate`` as a reference."""
    kind, _, short = name.partition("/")
    return Ref(Kind(GROUPS.get(kind, ""), "v1", kind), "ns", short)


def obj(name: str, **meta: Any) -> Object:
    r = ref(name)
    return {
        "apiVersion": r.kind.api_version,
        "kind": r.kind.kind,
        "metadata": {"name": r.name, "namespace": "ns", **meta},
    }


def line(name: str, action: str = "create", *, wave: int = 0, phase: Phase = "Sync", **options: Any) -> Change:
    """One line of a plan."""
    orphan = action == "prune" or options.pop("orphan", False)
    delete = frozenset(options.pop("delete", ("BeforeHookCreation",)))
    hook = Hook(delete) if action == "hook" else None
    why = options.pop("why", "")
    wanted = None if orphan else Wanted(obj(name), phase=phase, wave=wave, hook=hook)
    return Change(ref(name), action, wanted, phase=phase, wave=wave, why=why, options=Options(**options))  # type: ignore[arg-type]


@dataclass
class World:
    """Carries out steps at once. ``health`` says what an object's health will be; ``refuses`` what cannot be written."""

    plan: Plan
    health: dict[str, Health] = field(default_factory=dict)
    refuses: tuple[str, ...] = ()
    live: dict[Ref, Object] = field(default_factory=dict)
    progress: Progress = Progress(started="2026-01-01T00:00:00Z", revision="abc")  # noqa: RUF009
    log: list[str] = field(default_factory=list)
    now: float = 1000.0

    def judge(self, live: Object) -> Health:
        r = Ref.of(live)
        return self.health.get(f"{r.kind.kind}/{r.name}", PRESENT)

    def carry_out(self, step: Step) -> Iterable[Result]:
        change = step.change
        name = f"{change.ref.kind.kind}/{change.ref.name}"
        self.log.append(f"{step.act} {name}")
        if name in self.refuses:
            yield result_of(change, "SyncFailed", "Failed", "no such field")
        elif step.act in ("prune", "remove-hook"):
            self.live.pop(change.ref, None)
            if step.act == "prune":
                yield result_of(change, "Pruned", "Succeeded", "pruned")
        elif step.act == "release-hook":
            self.live[change.ref] = obj(name)
        else:
            self.live[change.ref] = obj(name)
            yield result_of(change, "Synced", "Running", "")

    def run(self) -> str:
        """Ask and act until the machine waits or is over; the last word."""
        for _ in range(100):
            self.progress, verdict = decide(self.plan, self.progress, self.live, self.now, self.judge)
            if isinstance(verdict, Do):
                self.progress = self.progress.having(verdict.intents)
                for batch in verdict.batches:
                    for step in batch:
                        self.progress = self.progress.having(self.carry_out(step))
                continue
            if isinstance(verdict, Wait):
                return verdict.why
            return f"{'done' if isinstance(verdict, Done) else 'failed'}: {verdict.message}"
        raise AssertionError("the machine goes in circles: " + ", ".join(self.log))


def world(*lines: Change, policy: Policy = Policy(), **rest: Any) -> World:  # noqa: B008
    return World(Plan(tuple(lines), policy), **rest)


ALL_RUN = "done: successfully synced (all tasks run)"
NO_MORE = "done: successfully synced (no more tasks)"
"""What Argo CD says when the last thing to end was a hook."""


def test_one_wave_is_not_waited_for() -> None:
    """Without hooks and waves an operation ends when all is applied, whatever its health."""
    w = world(line("Deployment/web"), line("ConfigMap/settings"), health={"Deployment/web": DEGRADED})
    assert w.run() == ALL_RUN
    assert w.log == ["apply ConfigMap/settings", "apply Deployment/web"]


def test_kinds_go_in_order() -> None:
    """Within a wave kinds are written by rank: namespaces, settings, definitions, workloads, the unknown."""
    names = ("Namespace/n", "Secret/s", "CustomResourceDefinition/c", "Deployment/d", "Thing/t")
    w = world(*(line(name) for name in reversed(names)), health={"CustomResourceDefinition/c": HEALTHY})
    assert w.run() == ALL_RUN
    assert w.log == [f"apply {name}" for name in names]


def test_a_definition_is_awaited_before_its_objects() -> None:
    """Objects after a custom resource definition wait until it is established."""
    w = world(
        line("CustomResourceDefinition/c"),
        line("Thing/t"),
        health={"CustomResourceDefinition/c": Health("Progressing", "", "t")},
    )
    assert w.run() == "waiting for healthy state of apiextensions.k8s.io/CustomResourceDefinition/c"
    w.health["CustomResourceDefinition/c"] = HEALTHY
    assert w.run() == ALL_RUN
    assert w.log == ["apply CustomResourceDefinition/c", "apply Thing/t"]


def test_waves_wait_for_health() -> None:
    """The next wave begins when the one before is healthy."""
    w = world(line("Deployment/a", wave=-1), line("Deployment/b", wave=3), health={"Deployment/a": PROGRESSING})
    assert w.run() == "waiting for healthy state of apps/Deployment/a"
    assert w.log == ["apply Deployment/a"]
    w.health["Deployment/a"] = HEALTHY
    assert w.run() == ALL_RUN
    assert w.log == ["apply Deployment/a", "apply Deployment/b"]


def test_degraded_wave_fails() -> None:
    """An object that degrades while a later wave waits for it ends the operation."""
    w = world(line("Deployment/a"), line("Deployment/b", wave=1), health={"Deployment/a": DEGRADED})
    assert w.run() == (
        "failed: one or more synchronization tasks completed unsuccessfully, reason: Deployment.apps ns/a: broken"
    )
    assert w.log == ["apply Deployment/a"]


def test_missing_object_fails() -> None:
    """An object that a later wave waits for and that somebody deletes is not waited for forever."""
    w = world(line("Deployment/a"), line("Deployment/b", wave=1), health={"Deployment/a": PROGRESSING})
    w.run()
    w.live.clear()
    assert "is missing, it might have been deleted" in w.run()


def test_hooks_around_a_sync() -> None:
    """PreSync hooks end before the objects are written, PostSync hooks run once all is healthy."""
    w = world(
        line("Job/pre", "hook", phase="PreSync"),
        line("Deployment/web"),
        line("Job/post", "hook", phase="PostSync"),
        health={"Job/pre": PROGRESSING, "Deployment/web": PROGRESSING, "Job/post": PROGRESSING},
    )
    assert w.run() == "waiting for completion of hook batch/Job/pre"
    w.health["Job/pre"] = HEALTHY
    assert w.run() == "waiting for healthy state of apps/Deployment/web"
    w.health["Deployment/web"] = HEALTHY
    assert w.run() == "waiting for completion of hook batch/Job/post"
    w.health["Job/post"] = HEALTHY
    assert w.run() == NO_MORE
    assert w.log == ["start-hook Job/pre", "apply Deployment/web", "start-hook Job/post"]


def test_failed_hook_runs_syncfail_and_no_later_wave() -> None:
    """A hook Job that fails: the SyncFail hooks run, later waves do not."""
    w = world(
        line("Job/migrate", "hook", phase="PreSync"),
        line("Deployment/web"),
        line("Deployment/late", wave=2),
        line("Job/cry", "hook", phase="SyncFail"),
        health={"Job/migrate": DEGRADED, "Job/cry": PROGRESSING},
    )
    assert w.run() == "waiting for completion of hook batch/Job/cry"
    w.health["Job/cry"] = HEALTHY
    assert w.run() == (
        "failed: one or more synchronization tasks completed unsuccessfully, reason: Job.batch ns/migrate: broken"
    )
    assert w.log == ["start-hook Job/migrate", "start-hook Job/cry"]


def test_syncfail_does_not_run_on_success() -> None:
    """SyncFail hooks stay away from an operation that succeeds."""
    w = world(line("ConfigMap/a"), line("Job/cry", "hook", phase="SyncFail"))
    assert w.run() == ALL_RUN
    assert w.log == ["apply ConfigMap/a"]


def test_one_refused_object_does_not_stop_its_wave() -> None:
    """All objects of a wave are tried; the operation then fails and says which one and why."""
    w = world(line("ConfigMap/bad"), line("ConfigMap/good"), line("ConfigMap/late", wave=1), refuses=("ConfigMap/bad",))
    assert w.run() == "failed: one or more objects failed to apply, reason: ConfigMap ns/bad: no such field"
    assert w.log == ["apply ConfigMap/bad", "apply ConfigMap/good"]


def test_refused_by_dry_run_writes_nothing() -> None:
    """What the server refused while comparing ends the operation before anything is written."""
    w = world(line("ConfigMap/good"), line("ConfigMap/bad", "refused", why="data must be a map"))
    assert w.run() == (
        "failed: one or more objects failed to apply (dry run), reason: ConfigMap ns/bad: data must be a map"
    )
    assert w.log == []


def test_forbidden_writes_nothing() -> None:
    """What the unit may not write ends the operation before anything is written."""
    w = world(line("ConfigMap/good"), line("Secret/x", "forbidden", why="Secret is not permitted in project p"))
    assert w.run() == "failed: one or more synchronization tasks are not valid: Secret is not permitted in project p"
    assert w.log == []


def test_forbidden_fails_alone_where_all_are_tried() -> None:
    """Without the dry run first the rest is written; an encrypted Secret or a kind without a definition stops nothing else."""
    w = world(
        line("ConfigMap/good"),
        line("Secret/x", "forbidden", why="it is encrypted"),
        policy=Policy(order=FLUX, dry_run_first=False),
    )
    assert w.run() == "failed: one or more objects failed to apply, reason: Secret ns/x: it is encrypted"
    assert w.log == ["apply ConfigMap/good"]


def test_old_hook_goes_first() -> None:
    """BeforeHookCreation, the default: a hook left by an earlier operation is deleted, then created anew."""
    w = world(line("Job/migrate", "hook"), health={"Job/migrate": HEALTHY})
    w.live[ref("Job/migrate")] = obj("Job/migrate")
    assert w.run() == NO_MORE
    assert w.log == ["remove-hook Job/migrate", "start-hook Job/migrate"]


def test_old_hook_that_is_slow_to_go_is_awaited() -> None:
    """A hook of an earlier operation that still terminates is waited for."""
    w = world(line("Job/migrate", "hook"), health={"Job/migrate": HEALTHY})
    w.live[ref("Job/migrate")] = obj("Job/migrate", deletionTimestamp="2026-01-01T00:00:00Z")
    assert w.run() == "waiting for deletion of hook batch/Job/migrate"
    w.live.clear()
    assert w.run() == NO_MORE


@pytest.mark.parametrize(
    ("delete", "health", "expected"),
    [
        (("HookSucceeded",), HEALTHY, ["start-hook Job/j", "remove-hook Job/j"]),
        (("HookSucceeded",), DEGRADED, ["start-hook Job/j"]),
        (("HookFailed",), DEGRADED, ["start-hook Job/j", "remove-hook Job/j"]),
        (("HookFailed",), HEALTHY, ["start-hook Job/j"]),
        (("BeforeHookCreation",), HEALTHY, ["start-hook Job/j"]),
    ],
)
def test_delete_policies(delete: tuple[str, ...], health: Health, expected: list[str]) -> None:
    """A hook goes by its delete policy once the operation has ended so."""
    w = world(line("Job/j", "hook", delete=delete), health={"Job/j": health})
    w.run()
    assert expected == w.log


def test_hook_finalizer_is_taken_off() -> None:
    """A hook that carries the finalizer is released when it has ended."""
    w = world(
        line("Job/j", "hook", phase="PreSync"),
        line("ConfigMap/c"),
        policy=Policy(hook_finalizer="f"),
        health={"Job/j": PROGRESSING},
    )
    w.run()
    w.live[ref("Job/j")] = obj("Job/j", finalizers=["f"])
    w.health["Job/j"] = HEALTHY
    assert w.run() == ALL_RUN
    assert w.log == ["start-hook Job/j", "release-hook Job/j", "apply ConfigMap/c"]


def test_crash_after_hook_creation_does_not_run_it_twice() -> None:
    """A hook whose creation was about to happen when the program died is taken up where it is found."""
    w = world(line("Job/j", "hook"), health={"Job/j": PROGRESSING})
    _, verdict = decide(w.plan, w.progress, {}, w.now, w.judge)
    assert isinstance(verdict, Do)
    stored = Progress.from_json(w.progress.having(verdict.intents).as_json())
    w.progress, w.live = stored, {ref("Job/j"): obj("Job/j")}
    assert w.run() == "waiting for completion of hook batch/Job/j"
    assert w.log == []


def test_crash_before_hook_creation_runs_it_once() -> None:
    """A hook that was about to be created and is not there is created."""
    w = world(line("Job/j", "hook"), health={"Job/j": HEALTHY})
    _, verdict = decide(w.plan, w.progress, {}, w.now, w.judge)
    assert isinstance(verdict, Do)
    w.progress = w.progress.having(verdict.intents)
    assert w.run() == NO_MORE
    assert w.log == ["start-hook Job/j"]


def test_prunes_go_before_writes_of_their_wave() -> None:
    """Within a wave what is not wanted any more goes first."""
    w = world(line("ConfigMap/new"), line("ConfigMap/old", "prune"))
    assert w.run() == ALL_RUN
    assert w.log == ["prune ConfigMap/old", "apply ConfigMap/new"]


def test_prune_waits_for_confirmation() -> None:
    """An object that may only be pruned with a person's consent holds its wave until that is given."""
    change = replace(line("ConfigMap/old", "prune"), unconfirmed=True)
    w = world(line("ConfigMap/new"), change)
    assert w.run() == "waiting for pruning confirmation of /ConfigMap/old"
    assert w.log == []
    w.plan = replace(w.plan, policy=Policy(prune_approved=True))
    assert w.run() == ALL_RUN


def test_skipped_prune_is_noted() -> None:
    """What is left although it is not wanted is among the results, with the reason."""
    w = world(line("ConfigMap/old", "leave", orphan=True, why="ignored (requires pruning)"))
    assert w.run() == ALL_RUN
    result = w.progress.of("Sync", ref("ConfigMap/old"))
    assert result is not None
    assert (result.status, result.message) == ("PruneSkipped", "ignored (requires pruning)")


def test_in_sync_is_not_written() -> None:
    """An object in sync is among the results without a write; with ApplyOutOfSyncOnly it is not even that."""
    w = world(line("ConfigMap/a", "keep"))
    w.live[ref("ConfigMap/a")] = obj("ConfigMap/a")
    assert w.run() == ALL_RUN
    assert [r.message for r in w.progress.results.values()] == ["configmap/a unchanged"]
    w = world(line("ConfigMap/a", "keep"), policy=Policy(out_of_sync_only=True))
    assert w.run() == "done: successfully synced (no more tasks)"
    assert not w.progress.results


def test_selective_sync() -> None:
    """Only the chosen objects are written, and no hook runs."""
    w = world(
        line("ConfigMap/a"),
        line("ConfigMap/b"),
        line("Job/j", "hook"),
        policy=Policy(only=frozenset({ref("ConfigMap/b")})),
    )
    assert w.run() == ALL_RUN
    assert w.log == ["apply ConfigMap/b"]


@pytest.mark.parametrize(
    ("change", "policy", "expected"),
    [
        (line("ConfigMap/a"), Policy(), "apply"),
        (line("ConfigMap/a"), Policy(replace=True), "replace"),
        (line("ConfigMap/a", how="apply"), Policy(replace=True), "apply"),
        (line("ConfigMap/a", "update", how="replace"), Policy(), "replace"),
        (line("ConfigMap/a", "replace"), Policy(), "recreate"),
    ],
)
def test_how_it_is_written(change: Change, policy: Policy, expected: str) -> None:
    """The object's own option goes before the operation's policy."""
    w = world(change, policy=policy)
    w.run()
    assert [f"{expected} ConfigMap/a"] == w.log


def test_flux_stages() -> None:
    """Flux: definitions, then classes, then the rest, each waited for."""
    w = world(
        line("Deployment/web"),
        line("StorageClass/fast"),
        line("Namespace/n"),
        policy=Policy(order=FLUX),
        health={"Namespace/n": PROGRESSING, "StorageClass/fast": PROGRESSING},
    )
    assert w.run() == "waiting for healthy state of /Namespace/n"
    w.health["Namespace/n"] = HEALTHY
    assert w.run() == "waiting for healthy state of /StorageClass/fast"
    w.health["StorageClass/fast"] = HEALTHY
    assert w.run() == ALL_RUN
    assert w.log == ["apply Namespace/n", "apply StorageClass/fast", "apply Deployment/web"]


def test_flux_wait_and_prune() -> None:
    """Flux: pruning does not wait for health, the end does."""
    w = world(
        line("Deployment/web"),
        line("ConfigMap/old", "prune", wave=1),
        policy=Policy(order=FLUX, wait=True, eager_prune=True),
        health={"Deployment/web": PROGRESSING},
    )
    assert w.run() == "waiting for healthy state of apps/Deployment/web"
    assert w.log == ["apply Deployment/web", "prune ConfigMap/old"]
    w.health["Deployment/web"] = HEALTHY
    assert w.run() == ALL_RUN


def test_flux_prunes_backwards() -> None:
    """Flux deletes in the opposite order of creation."""
    names = ("Deployment/d", "Namespace/n", "ConfigMap/c")
    w = world(*(line(name, "prune") for name in names), policy=Policy(order=FLUX))
    assert w.run() == ALL_RUN
    assert w.log == ["prune Deployment/d", "prune ConfigMap/c", "prune Namespace/n"]


def test_waits_for_named_objects() -> None:
    """Health checks of chosen objects, whether they belong to the unit or not."""
    w = world(
        line("Deployment/web"),
        line("Deployment/other"),
        policy=Policy(wait_for=frozenset({ref("Deployment/web"), ref("Deployment/elsewhere")})),
        health=dict.fromkeys(("Deployment/web", "Deployment/other", "Deployment/elsewhere"), PROGRESSING),
    )
    assert w.run() == "waiting for healthy state of apps/Deployment/web"
    w.health["Deployment/web"] = HEALTHY
    assert w.run() == "waiting for healthy state of apps/Deployment/elsewhere"
    w.live[ref("Deployment/elsewhere")] = obj("Deployment/elsewhere")
    w.health["Deployment/elsewhere"] = HEALTHY
    assert w.run() == ALL_RUN


def test_timeout() -> None:
    """A wait that takes longer than it may fails and says what it waited for."""
    w = world(line("Deployment/web"), policy=Policy(wait=True, timeout=30), health={"Deployment/web": PROGRESSING})
    assert w.run() == "waiting for healthy state of apps/Deployment/web"
    w.now += 30
    assert w.run() == "failed: timed out after 30 s: waiting for healthy state of apps/Deployment/web"


def test_next_attempt_is_not_before_its_time() -> None:
    """After a failure the next attempt waits for its back-off."""
    w = world(line("ConfigMap/a"))
    w.progress = replace(w.progress, not_before=1005.0)
    _, verdict = decide(w.plan, w.progress, {}, w.now, w.judge)
    assert verdict == Wait("waiting for the next attempt", (), 1005.0)


def test_progress_survives_storage() -> None:
    """Progress read back from what was stored is the same."""
    result = Result(ref("Job/j"), "PreSync", "Synced", "Failed", "boom", "PreSync", ("img:1",))
    progress = Progress("2026-01-01T00:00:00Z", "abc", 2, {}, "because", 12.5, 13.5).having([result])
    assert Progress.from_json(progress.as_json()) == progress


def test_failed_is_a_verdict_with_its_objects() -> None:
    """A failure names the objects at fault."""
    seen: Mapping[Ref, Object] = {}
    plan = Plan((line("ConfigMap/a", "refused", why="no"),))
    _, verdict = decide(plan, Progress(), seen, 0.0, lambda _: PRESENT)
    assert isinstance(verdict, Failed)
    assert verdict.refs == (ref("ConfigMap/a"),)
