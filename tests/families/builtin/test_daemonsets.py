"""DaemonSets: where their pods go, how they follow the template, how one goes back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.families.builtin.stage import Stage, template
from trueup.families.builtin import daemon_rules as rules
from trueup.families.builtin.kinds import DAEMON_SET, NODE, POD, REVISION
from trueup.families.builtin.revisions import HASH
from trueup.kube.names import Object, Ref

_ON = rules.Place(True, True)


def daemon_set(**spec: Any) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "agent", "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": template(), **spec},
    }


def rolling(**bounds: Any) -> Object:
    return daemon_set(updateStrategy={"type": "RollingUpdate", "rollingUpdate": bounds})


def pod(name: str, node: str, revision: str = "old", *, ready: bool = True, going: bool = False) -> Object:
    about: Object = {"name": name, "namespace": "default", "labels": {HASH: revision}}
    if going:
        about["deletionTimestamp"] = "2023-11-14T22:13:20Z"
    held = [{"type": "Ready", "status": str(ready), "lastTransitionTime": "2023-11-14T22:00:00Z"}]
    return {
        "metadata": about,
        "spec": {"nodeName": node},
        "status": {"phase": "Running", "conditions": held},
    }


def did(
    given: Object, found: list[Object], nodes: str = "abc", place: rules.Place = _ON
) -> tuple[list[str], list[str]]:
    """(nodes to make a pod for, pods to delete)."""
    out = rules.step(given, dict.fromkeys(nodes, place), rules.by_node(found), "new", 1_700_000_000.0)
    return out.create, [one["metadata"]["name"] for one in out.delete]


_OLD = [pod("pa", "a"), pod("pb", "b"), pod("pc", "c")]
_STEPS: dict[str, tuple[Object, list[Object], tuple[list[str], list[str]]]] = {
    "missing": (daemon_set(), _OLD[:2], (["c"], [])),
    "one at a time": (daemon_set(), _OLD, ([], ["pa"])),
    "two at a time": (rolling(maxUnavailable=2), _OLD, ([], ["pa", "pb"])),
    "one is away": (daemon_set(), [pod("na", "a", "new", ready=False), *_OLD[1:]], ([], [])),
    "a broken one goes at once": (daemon_set(), [*_OLD[:2], pod("pc", "c", ready=False)], ([], ["pc"])),
    "by hand": (daemon_set(updateStrategy={"type": "OnDelete"}), _OLD, ([], [])),
    "one beside the old": (rolling(maxSurge=1, maxUnavailable=0), _OLD, (["a"], [])),
    "a third beside the old": (rolling(maxSurge="34%", maxUnavailable=0), _OLD, (["a", "b"], [])),
    "the new one is not up": (
        rolling(maxSurge=1, maxUnavailable=0),
        [*_OLD, pod("na", "a", "new", ready=False)],
        ([], []),
    ),
    "the old one goes": (rolling(maxSurge=1, maxUnavailable=0), [*_OLD, pod("na", "a", "new")], ([], ["pa"])),
    "one too many": (daemon_set(), [*_OLD, pod("again", "a")], ([], ["again"])),
    "a node is gone": (daemon_set(), [*_OLD, pod("px", "x")], ([], ["px"])),
}


@pytest.mark.parametrize(("given", "found", "expected"), _STEPS.values(), ids=_STEPS)
def test_the_next_step_of_a_daemon_set(
    given: Object, found: list[Object], expected: tuple[list[str], list[str]]
) -> None:
    """Each node has its pod; old ones go as far as enough stay, or when a new one stands beside."""
    assert expected == did(given, found)


def test_which_nodes_take_its_pods() -> None:
    """A taint keeps new ones off, one that executes drives them away; being cordoned or not ready does neither."""

    def node(*taints: tuple[str, str], **more: Any) -> Object:
        made = [{"key": key, "effect": effect} for key, effect in taints]
        return {"metadata": {"name": "n", "labels": {}}, "spec": {"taints": made, **more}}

    assert rules.place(daemon_set(), node()) == _ON
    assert rules.place(daemon_set(), node(("gpu", "NoSchedule"))) == rules.Place(False, True)
    assert rules.place(daemon_set(), node(("gpu", "NoExecute"))) == rules.Place(False, False)
    cordoned = node(("node.kubernetes.io/unschedulable", "NoSchedule"), unschedulable=True)
    assert rules.place(daemon_set(), cordoned) == _ON
    assert rules.place(daemon_set(), node(("node.kubernetes.io/unreachable", "NoExecute"))) == _ON
    elsewhere = daemon_set(template=template(nodeSelector={"a": "b"}))
    assert rules.place(elsewhere, node()) == rules.Place(False, False)


async def test_it_rolls_forward_and_back() -> None:
    """Each template is a ControllerRevision; going back takes the old one up again, with a new number."""
    async with Stage() as stage:
        for name in ("one", "two"):
            marks = {"simulate.trueup.dev/simulated": "true"}
            await stage.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "annotations": marks}})
        await stage.create(daemon_set())
        await stage.until(DAEMON_SET, "agent", lambda one: (one.get("status") or {}).get("numberAvailable") == 3)
        first = {one["metadata"]["name"] for one in await stage.list(REVISION)}
        for image, count in (("web:2", 2), ("web:1", 2)):
            patch = {"spec": {"template": template(image=image)}}
            await stage.client.patch(Ref(DAEMON_SET, "default", "agent"), patch, "merge")
            await stage.until(
                DAEMON_SET,
                "agent",
                lambda one: (
                    one["status"].get("observedGeneration") == one["metadata"]["generation"]
                    and one["status"].get("updatedNumberScheduled") == one["status"].get("numberAvailable") == 3
                ),
            )
            assert len(await stage.list(REVISION)) == count
        numbers = {one["metadata"]["name"]: one["revision"] for one in await stage.list(REVISION)}

    assert numbers[first.pop()] == 3


async def test_its_pods_stay_on_a_cordoned_node() -> None:
    """And come to one."""
    async with Stage() as stage:
        await stage.client.patch(Ref(NODE, "", "simulated-0"), {"spec": {"unschedulable": True}}, "merge")
        await stage.create(daemon_set())
        await stage.until(DAEMON_SET, "agent", lambda one: (one.get("status") or {}).get("numberReady") == 1)
        (found,) = await stage.list(POD)
    assert found["metadata"]["labels"]["pod-template-generation"] == "1"
