"""Strategic merge patch, against the recorded cases and kind by kind."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.corpora import corpus
from trueup.kube.names import Kind
from trueup.kube.shapes import SCALAR, Shape
from trueup.kube.types import load
from trueup.merge.jsonpatch import PatchProblem
from trueup.merge.strategic import strategic_merge
from trueup.merge.strategic_diff import three_way, two_way

POD = load().shape(Kind("", "v1", "Pod"))
DEPLOYMENT = load().shape(Kind("apps", "v1", "Deployment"))


def _list(items: Shape, key: str = "", *strategy: str) -> Shape:
    return Shape("list", patch_merge_key=key, patch_strategy=frozenset(strategy), make=lambda: ({}, None, items))


def _merge_item(strategy: str = "") -> Shape:
    """The type that the recorded cases patch."""
    return Shape("map", patch_strategy=frozenset(filter(None, [strategy])), make=_fields)


def _fields() -> tuple[dict[str, Shape], Shape | None, Shape | None]:
    item = _merge_item()
    fields = {
        "name": SCALAR,
        "value": SCALAR,
        "other": SCALAR,
        "mergingList": _list(item, "name", "merge"),
        "mergeItemPtr": _list(item, "name", "merge"),
        "nonMergingList": _list(item),
        "mergingIntList": _list(SCALAR, "", "merge"),
        "nonMergingIntList": _list(SCALAR),
        "retainKeysMergingList": _list(item, "name", "merge", "retainKeys"),
        "retainKeysMap": _merge_item("retainKeys"),
        "simpleMap": Shape("map", make=lambda: ({}, SCALAR, None)),
        "replacingItem": Shape("any", patch_strategy=frozenset({"replace"})),
    }
    return fields, None, None


ITEM = _merge_item()


def _wrong(case: dict[str, Any]) -> str:
    """What comes out differently, or nothing."""
    original = case.get("original") or {}
    if "expectedError" in case:
        try:
            return f"no error but {strategic_merge(original, case['twoWay'], ITEM)}"
        except PatchProblem as problem:
            return "" if case["expectedError"] in str(problem) else str(problem)
    checks = [
        ("two-way result", strategic_merge(original, case["twoWay"], ITEM), case.get("twoWayResult", case["modified"]))
    ]
    if "threeWay" in case:
        patch = three_way(original, case["modified"], case["current"], ITEM)
        checks += [
            ("two-way patch", two_way(original, case["modified"], ITEM), case["twoWay"]),
            ("three-way patch", patch, case["threeWay"]),
            ("three-way result", strategic_merge(case["current"], patch, ITEM), case["result"]),
        ]
    return "; ".join(f"{what}: {have}, expected {want}" for what, have, want in checks if have != want)


def test_recorded_cases_hold() -> None:
    """Patches made, and objects patched, as apimachinery does."""
    every = json.loads(corpus("extracted/strategic_merge_patch_cases.json").read_text())
    cases = [case for case in every if case["table"] != "sortMergeLists"]
    others = f"{len(every) - len(cases)} sort lists for the tests' own comparison, which nothing but those tests calls"
    wrong = [f"{case['description']}: {found}" for case in cases if (found := _wrong(case))]
    print(f"strategic_merge_patch_cases: {len(cases) - len(wrong)} of {len(cases)}; {others}")

    assert wrong == []


LIVE: dict[str, Any] = {
    "metadata": {"name": "web", "finalizers": ["a", "b"], "labels": {"x": "1"}},
    "spec": {
        "containers": [{"name": "web", "image": "web:1", "args": ["-v"]}, {"name": "mesh", "image": "mesh:1"}],
        "volumes": [{"name": "data", "emptyDir": {}}],
    },
}


def test_items_of_lists_are_found_by_their_merge_key() -> None:
    """A container is changed by its name and the others stay where they are."""
    patch = {"spec": {"containers": [{"name": "mesh", "image": "mesh:2"}]}}
    containers = strategic_merge(LIVE, patch, POD)["spec"]["containers"]

    assert {c["name"]: c["image"] for c in containers} == {"web": "web:1", "mesh": "mesh:2"}
    assert next(c for c in containers if c["name"] == "web")["args"] == ["-v"]


def test_items_are_deleted_by_a_directive() -> None:
    """``$patch: delete`` with the merge key takes an item out."""
    patch = {"spec": {"containers": [{"name": "mesh", "$patch": "delete"}]}}

    assert [c["name"] for c in strategic_merge(LIVE, patch, POD)["spec"]["containers"]] == ["web"]


def test_primitives_are_deleted_by_a_parallel_list() -> None:
    """Finalizers merge, so a patch names those to go."""
    patch = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}}

    assert strategic_merge(LIVE, patch, POD)["metadata"]["finalizers"] == ["b"]


def test_retained_keys_clear_the_others() -> None:
    """A volume changes its source: the old one goes."""
    patch = {"spec": {"volumes": [{"name": "data", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/x"}}]}}

    assert strategic_merge(LIVE, patch, POD)["spec"]["volumes"] == [{"name": "data", "hostPath": {"path": "/x"}}]


def test_the_order_of_elements_can_be_set() -> None:
    """``$setElementOrder`` orders the items that it names."""
    patch = {"spec": {"$setElementOrder/containers": [{"name": "mesh"}, {"name": "web"}]}}

    assert [c["name"] for c in strategic_merge(LIVE, patch, POD)["spec"]["containers"]] == ["mesh", "web"]


def test_null_removes_and_leaves_no_null_behind() -> None:
    """Neither a removed field nor a null in something new stays."""
    patch = {"metadata": {"labels": {"x": None}}, "spec": {"securityContext": {"runAsUser": None, "fsGroup": 1}}}
    new = strategic_merge(LIVE, patch, POD)

    assert new["metadata"]["labels"] == {}
    assert new["spec"]["securityContext"] == {"fsGroup": 1}


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        ([], "invalid JSON document"),
        ({"spec": {"$patch": "explode"}}, r"unknown patch type: explode in map: map\[\$patch:explode\]"),
        ({"spec": {"containers": [{"image": "x"}]}}, r"map: map\[image:x\] does not contain declared merge key: name"),
        ({"spec": {"$retainKeys": "x"}}, "invalid patch format of retainKeys"),
        ({"spec": {"$retainKeys": ["a"], "nodeName": "x"}}, "invalid patch format of retainKeys"),
        ({"metadata": {"$deleteFromPrimitiveList": ["a"]}}, "invalid patch format of primitive list"),
        ({"spec": {"$setElementOrder/containers": "x"}}, "invalid patch format of setElementOrder list"),
        ({"metadata": {"finalizers": [["a"]]}}, "lists of lists are not supported"),
    ],
)
def test_what_makes_no_sense_is_refused(patch: Any, message: str) -> None:
    """In apimachinery's words."""
    with pytest.raises(PatchProblem, match=message):
        strategic_merge(LIVE, patch, POD)


def test_the_object_handed_in_stays() -> None:
    """A patch answers a new object; the live one is shared by others."""
    before = json.dumps(LIVE)
    strategic_merge(LIVE, {"spec": {"containers": [{"name": "web", "image": "x"}, {"name": "new", "image": "y"}]}}, POD)

    assert json.dumps(LIVE) == before


def test_a_patch_for_a_strategy_says_which_keys_stay() -> None:
    """kubectl's patch from RollingUpdate to Recreate clears the rolling update."""
    old = {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}
    new = {"spec": {"strategy": {"type": "Recreate"}}}
    patch = two_way(old, new, DEPLOYMENT)

    assert patch == {"spec": {"strategy": {"$retainKeys": ["type"], "rollingUpdate": None, "type": "Recreate"}}}
    assert strategic_merge(old, patch, DEPLOYMENT) == new


_names = st.sampled_from(["a", "b", "c", "d"])
_containers = st.dictionaries(_names, st.sampled_from(["1", "2"]), min_size=1).map(
    lambda found: [{"name": name, "image": image} for name, image in found.items()]
)
_pods = st.builds(
    lambda containers, labels, finalizers: {
        "metadata": {"labels": labels, "finalizers": finalizers},
        "spec": {"containers": containers},
    },
    _containers,
    st.dictionaries(_names, _names),
    st.lists(_names, unique=True, min_size=1),
)


@given(_pods, _pods)
def test_a_two_way_patch_makes_the_second_out_of_the_first(old: dict[str, Any], new: dict[str, Any]) -> None:
    """strategic_merge(old, two_way(old, new)) is new, order included."""
    assert strategic_merge(old, two_way(old, new, POD), POD) == new


@given(_pods, _pods, _pods)
def test_a_three_way_patch_is_settled_after_one_round(
    old: dict[str, Any], new: dict[str, Any], live: dict[str, Any]
) -> None:
    """A second three-way patch of the same configuration has nothing to do."""
    once = strategic_merge(live, three_way(old, new, live, POD), POD)

    assert strategic_merge(once, three_way(new, new, once, POD), POD) == once
