"""What differs between two documents."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.kube import paths
from trueup.kube.names import Kind
from trueup.kube.shapes import ANY
from trueup.kube.types import load
from trueup.merge.changes import changes

POD = load().shape(Kind("", "v1", "Pod"))


def _pod(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"metadata": {"annotations": {"a.b/c": "1"}}, "spec": {"containers": list(containers), **spec}}


def _shown(old: Any, new: Any, shape: Any = POD) -> list[tuple[str, str, Any, Any]]:
    return [(change.op, change.path, change.old, change.new) for change in changes(old, new, shape)]


def test_equal_documents_have_no_changes() -> None:
    """Nothing differs, whoever owns the parts."""
    assert _shown(_pod({"name": "web"}), _pod({"name": "web"})) == []


def test_fields_are_added_removed_and_changed_in_order() -> None:
    """Sorted by field, each with its old and new value."""
    old = _pod({"name": "web", "image": "1"}, hostname="a", dnsPolicy="Default")
    new = _pod({"name": "web", "image": "2"}, hostname="b", nodeName="n")

    assert _shown(old, new) == [
        ("change", "spec.containers[name=web].image", "1", "2"),
        ("remove", "spec.dnsPolicy", "Default", None),
        ("change", "spec.hostname", "a", "b"),
        ("add", "spec.nodeName", None, "n"),
    ]


def test_items_are_told_apart_by_all_their_keys() -> None:
    """Ports by number and protocol, defaults included."""
    old = _pod({"name": "web", "ports": [{"containerPort": 80}]})
    new = _pod({"name": "web", "ports": [{"containerPort": 80, "name": "http"}]})

    assert _shown(old, new) == [
        ("add", "spec.containers[name=web].ports[containerPort=80,protocol=TCP].name", None, "http")
    ]


def test_a_new_item_is_one_change() -> None:
    """A container that was not there is shown as a whole."""
    assert _shown(_pod({"name": "web"}), _pod({"name": "web"}, {"name": "mesh"})) == [
        ("add", "spec.containers[name=mesh]", None, {"name": "mesh"})
    ]


def test_another_order_alone_is_a_change() -> None:
    """The same items in another order differ, for order can matter."""
    assert _shown(_pod({"name": "a"}, {"name": "b"}), _pod({"name": "b"}, {"name": "a"})) == [
        ("change", "spec.containers", ["name=a", "name=b"], ["name=b", "name=a"])
    ]


def test_items_of_sets_are_told_apart_by_value() -> None:
    """A finalizer that comes is one change."""
    old, new = {"metadata": {"finalizers": ["a"]}}, {"metadata": {"finalizers": ["b", "a"]}}

    assert _shown(old, new) == [("add", "metadata.finalizers[b]", None, "b")]


def test_names_tell_items_apart_where_the_schema_is_unknown() -> None:
    """A custom resource's list of named objects reads like a keyed one; other lists go by position."""
    old = {"a": [{"name": "x", "v": 1}], "b": [1, 2]}
    new = {"a": [{"name": "y"}, {"name": "x", "v": 2}], "b": [1, 3, 4]}

    assert _shown(old, new, ANY) == [
        ("change", "a[name=x].v", 1, 2),
        ("add", "a[name=y]", None, {"name": "y"}),
        ("change", "b[1]", 2, 3),
        ("add", "b[2]", None, 4),
    ]


def test_names_with_signs_are_quoted() -> None:
    """A path can be read back, whatever the annotation is called."""
    new = _pod()
    new["metadata"]["annotations"] = {"a.b/c": "2"}

    assert _shown(_pod(), new) == [("change", "metadata.annotations['a.b/c']", "1", "2")]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [(1, 1.0, []), (1, True, [("change", "a", 1, True)]), (None, {}, [("change", "a", None, {})])],
)
def test_values_are_compared_as_json_has_them(old: Any, new: Any, expected: list[Any]) -> None:
    """Numbers by value; a boolean is no number; null is no empty map."""
    assert _shown({"a": old}, {"a": new}, ANY) == expected


_values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.text("ab.", max_size=2),
    lambda inner: st.dictionaries(st.text("ab.'", max_size=2), inner, max_size=3),
    max_leaves=10,
)
_docs = st.dictionaries(st.text("ab.'", min_size=1, max_size=2), _values, max_size=3)


@given(_docs, _docs)
def test_carrying_out_all_changes_makes_the_new_document(old: dict[str, Any], new: dict[str, Any]) -> None:
    """The list is complete, and its paths can be read."""
    doc: Any = old
    for change in changes(old, new):
        path = paths.dotted(change.path)
        doc = paths.remove(doc, path) if change.op == "remove" else paths.put(doc, path, change.new)

    assert doc == new
