"""Field paths: reading, getting, setting, removing."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.kube import paths

DOC: dict[str, Any] = {
    "spec": {"containers": [{"name": "web", "image": "a"}]},
    "metadata": {"annotations": {"a.b/c": "1"}},
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("spec.containers[0].image", ("spec", "containers", 0, "image")),
        (".spec.replicas", ("spec", "replicas")),
        ("metadata.annotations['a.b/c']", ("metadata", "annotations", "a.b/c")),
        (r"metadata.annotations.a\.b/c", ("metadata", "annotations", "a.b/c")),
        ('data["x y"]', ("data", "x y")),
        ("", ()),
    ],
)
def test_dotted_paths_are_read(text: str, expected: paths.Path) -> None:
    """Names, positions, quoted names and escaped dots."""
    assert expected == paths.dotted(text)


@pytest.mark.parametrize("text", ["a..b", "a[", "a[x]", "a]", "a.", "a[0]b"])
def test_what_is_no_path_is_refused(text: str) -> None:
    """A path that cannot be read says so and is not half understood."""
    with pytest.raises(ValueError, match="is no field path"):
        paths.dotted(text)


def test_pointers_unescape_slash_and_tilde() -> None:
    """RFC 6901: ~1 is a slash, ~0 a tilde."""
    assert paths.pointer("/metadata/annotations/a.b~1c/~0") == ("metadata", "annotations", "a.b/c", "~")


@pytest.mark.parametrize(
    "path", [paths.dotted("metadata.annotations['a.b/c']"), paths.pointer("/metadata/annotations/a.b~1c")]
)
def test_both_writings_name_the_same(path: paths.Path) -> None:
    """A value is found by either writing."""
    assert paths.get(DOC, path) == "1"


def test_pointer_digits_are_positions_in_lists() -> None:
    """Only the document says whether 0 is a position or a name."""
    assert paths.get(DOC, paths.pointer("/spec/containers/0/name")) == "web"
    assert paths.get({"0": "x"}, paths.pointer("/0")) == "x"


def test_absent_answers_the_default() -> None:
    """Nothing there, or a scalar in between, is the default."""
    assert paths.get(DOC, paths.dotted("spec.containers[1].name"), "none") == "none"
    assert paths.get(DOC, paths.dotted("spec.containers[0].image.tag"), "none") == "none"


def test_setting_copies_only_the_way() -> None:
    """The document handed in stays, and untouched parts are shared."""
    new = paths.put(DOC, paths.dotted("spec.containers[0].image"), "b")

    assert DOC["spec"]["containers"][0]["image"] == "a"
    assert new["spec"]["containers"] == [{"name": "web", "image": "b"}]
    assert new["metadata"] is DOC["metadata"]


def test_setting_makes_maps_and_appends() -> None:
    """Missing maps on the way are made; - is a list's end."""
    assert paths.put({}, ("a", "b"), 1) == {"a": {"b": 1}}
    assert paths.put({"a": [1]}, paths.pointer("/a/-"), 2) == {"a": [1, 2]}


def test_setting_through_a_scalar_is_refused() -> None:
    """A scalar in the way is not silently replaced."""
    with pytest.raises(ValueError, match="cannot be set"):
        paths.put({"a": 1}, ("a", "b"), 2)


def test_removing() -> None:
    """Map fields and list items go; what is absent changes nothing."""
    assert paths.remove(DOC, paths.dotted("spec.containers[0].image"))["spec"] == {"containers": [{"name": "web"}]}
    assert paths.remove(DOC, paths.pointer("/spec/containers/0"))["spec"] == {"containers": []}
    assert paths.remove(DOC, ("x", "y")) is DOC


@given(st.lists(st.text(min_size=1, max_size=6) | st.integers(min_value=0, max_value=9), max_size=5))
def test_a_path_written_dotted_is_read_back(steps: list[str | int]) -> None:
    """dotted(as_dotted(path)) is the path."""
    assert paths.dotted(paths.as_dotted(tuple(steps))) == tuple(steps)


@given(st.lists(st.text(max_size=6), max_size=5))
def test_what_was_put_is_found_and_can_be_removed(steps: list[str]) -> None:
    """get(put(path)) is the value; after remove it is gone."""
    path = paths.pointer(paths.as_pointer(tuple(steps)))
    new = paths.put({}, path, 7)

    assert paths.get(new, path) == 7
    assert not path or not paths.has(paths.remove(new, path), path)
