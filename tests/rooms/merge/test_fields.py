"""Sets of field paths, against plain sets of paths."""

import copy
from collections.abc import Set
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.merge.fields import FieldSet, difference, element_text, intersection, members, ordered, union, without

Path = tuple[str, ...]

_paths = st.frozensets(st.lists(st.sampled_from(["f:a", "f:b", "f:c"]), min_size=1, max_size=3).map(tuple), max_size=6)


def _tree(paths: Set[Path]) -> dict[str, Any]:
    """As managed fields store a set: a member with something below it is marked by a dot."""
    heads = sorted({path[0] for path in paths})
    out: dict[str, Any] = {}
    for head in heads:
        below = {path[1:] for path in paths if path[0] == head}
        inner = _tree({path for path in below if path})
        out[head] = {".": {}, **inner} if () in below and inner else inner
    return out


def _plain(tree: dict[str, Any]) -> set[Path]:
    found: set[Path] = set()
    for key, below in tree.items():
        if key == ".":
            continue
        if not below or "." in below:
            found.add((key,))
        found |= {(key, *rest) for rest in _plain(below)}
    return found


@given(_paths, _paths)
def test_sets_behave_as_sets(a: frozenset[Path], b: frozenset[Path]) -> None:
    """Union, difference and intersection are those of the members; what is handed in stays."""
    left, right = _tree(a), _tree(b)
    before = copy.deepcopy((left, right))

    assert union(left, right) == _tree(a | b)
    assert difference(left, right) == _tree(a - b)
    assert intersection(left, right) == _tree(a & b)
    assert (left, right) == before
    assert _plain(left) == a


@given(_paths, _paths)
def test_taking_members_with_all_below(a: frozenset[Path], b: frozenset[Path]) -> None:
    """No member of the one set, and nothing under it, is left."""
    left = {path for path in a if not any(path[: len(gone)] == gone for gone in b)}

    assert without(_tree(a), _tree(b)) == _tree(left)


@given(_paths)
def test_operations_that_change_nothing_copy_nothing(a: frozenset[Path]) -> None:
    """The very same set comes back, so that callers see at once that nothing changed."""
    tree = _tree(a)

    assert union(tree, _tree(a)) is tree
    assert difference(tree, {"f:z": {}}) is tree
    assert without(tree, {"f:z": {}}) is tree


@pytest.mark.parametrize(
    ("element", "expected"),
    [
        ("f:replicas", ".replicas"),
        ('k:{"name":"web"}', '[name="web"]'),
        ('k:{"protocol":"TCP","containerPort":80}', '[containerPort=80,protocol="TCP"]'),
        ('v:"a"', '[="a"]'),
        ("i:3", "[3]"),
    ],
)
def test_elements_are_printed_as_in_conflicts(element: str, expected: str) -> None:
    """Names, keys in their order, values and positions."""
    assert element_text(element) == expected


def test_members_are_listed_level_by_level() -> None:
    """Members of a level first, then what is below each; items by the value of their keys, numbers as numbers."""
    ports = {'k:{"port":8080}': {"f:name": {}}, 'k:{"port":443}': {".": {}, "f:name": {}}}
    fields = {"f:spec": {"f:b": {"f:x": {}}, "f:a": {"f:ports": ports}, "f:z": {}}}

    assert members(fields) == [
        ".spec.z",
        ".spec.a.ports[port=443]",
        ".spec.a.ports[port=443].name",
        ".spec.a.ports[port=8080].name",
        ".spec.b.x",
    ]


def test_members_are_written_in_one_order() -> None:
    """``.`` first, names by their letters, numbers by their size: clients compare the bytes."""
    given: FieldSet = {
        "f:spec": {"f:ports": {'k:{"port":443}': {}, 'k:{"port":80}': {"f:port": {}, ".": {}}, ".": {}}, "f:a": {}},
        "f:metadata": {"f:finalizers": {'v:"b"': {}, ".": {}, 'v:"a"': {}}, "f:x": {"i:10": {}, "i:9": {}}},
    }
    expected = (
        '{"f:metadata":{"f:finalizers":{".":{},"v:\\"a\\"":{},"v:\\"b\\"":{}},"f:x":{"i:9":{},"i:10":{}}},'
        '"f:spec":{"f:a":{},"f:ports":{".":{},"k:{\\"port\\":80}":{".":{},"f:port":{}},"k:{\\"port\\":443}":{}}}}'
    )
    assert expected == orjson.dumps(ordered(given)).decode()


def test_equal_sets_are_kept_once() -> None:
    """However they were put together; one that differs is another, and a long one is as right as a short one."""
    one: FieldSet = {"f:data": {".": {}, "f:a": {}}}
    long: FieldSet = {"f:data": {f"f:{n:04}": {} for n in reversed(range(2000))}}

    assert ordered(one) is ordered({"f:data": {".": {}, "f:a": {}}})
    assert [*ordered({"f:data": {"f:b": {}, ".": {}}})["f:data"]] == [".", "f:b"]
    assert [f"f:{n:04}" for n in range(2000)] == list(ordered(long)["f:data"])
