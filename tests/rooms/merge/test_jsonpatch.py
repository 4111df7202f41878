"""JSON patch and JSON merge patch, against the published tests and by properties."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.corpora import corpus
from trueup.merge.jsonpatch import PatchProblem, diff_merge, equal, json_patch, merge_patch

_values = st.recursive(
    st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.dictionaries(st.text(max_size=3), inner, max_size=4) | st.lists(inner, max_size=3),
    max_leaves=20,
)
_objects = st.dictionaries(st.text(max_size=3), _values, max_size=5)


def test_published_json_patch_cases_hold() -> None:
    """Every record of the json-patch tests: the expected document, or an error. Its authors disabled some themselves."""
    folder = corpus("json-patch-tests")
    every: list[dict[str, Any]] = []
    for name in ("tests.json", "spec_tests.json"):
        every += [r for r in json.loads((folder / name).read_text()) if "patch" in r]
    records = [record for record in every if not record.get("disabled")]
    disabled = [record.get("comment") or json.dumps(record["patch"]) for record in every if record.get("disabled")]
    wrong = []
    for record in records:
        try:
            result = json_patch(record["doc"], record["patch"], strict=True)
        except PatchProblem:
            good = "error" in record
        else:
            good = "error" not in record and ("expected" not in record or equal(result, record["expected"]))
        if not good:
            wrong.append(record.get("comment") or record["patch"])
    print(f"json-patch-tests: {len(records) - len(wrong)} of {len(records)}; disabled in the corpus: {disabled}")

    assert wrong == []


@given(_objects, _objects)
def test_a_difference_is_the_patch_that_makes_it(old: dict[str, Any], new: dict[str, Any]) -> None:
    """merge_patch(old, diff_merge(old, new)) is new, for documents without nulls."""
    assert merge_patch(old, diff_merge(old, new)) == new


@given(_objects)
def test_equal_documents_have_no_difference(doc: dict[str, Any]) -> None:
    """Nothing to patch between a document and itself."""
    assert diff_merge(doc, json.loads(json.dumps(doc))) == {}


def test_documents_handed_in_stay_as_they_are() -> None:
    """A patch answers a new document; the old one is shared by others."""
    doc = {"a": {"b": [1, {"c": 2}]}}

    json_patch(doc, [{"op": "replace", "path": "/a/b/1/c", "value": 3}])

    assert doc == {"a": {"b": [1, {"c": 2}]}}


def test_errors_tell_the_operation() -> None:
    """A failing operation is told by its position."""
    with pytest.raises(PatchProblem) as refused:
        json_patch({"a": {}}, [{"op": "add", "path": "/b", "value": 1}, {"op": "remove", "path": "/a/x"}])

    assert refused.value.operation == 1


DOC: dict[str, Any] = {"a": {"b": 1}, "list": [1, 2], "null": None}


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        ({"op": "test", "path": "/a/b", "value": 2}, "testing value /a/b failed: test failed"),
        (
            {"op": "test", "path": "/x/y", "value": 2},
            "test operation does not apply: is missing path: /x/y: missing value",
        ),
        (
            {"op": "remove", "path": "/a/x"},
            "error in remove for path: '/a/x': Unable to remove nonexistent key: x: missing value",
        ),
        (
            {"op": "remove", "path": "/x/y"},
            'remove operation does not apply: doc is missing path: "/x/y": missing value',
        ),
        (
            {"op": "add", "path": "/x/y", "value": 1},
            'add operation does not apply: doc is missing path: "/x/y": missing value',
        ),
        (
            {"op": "add", "path": "/list/7", "value": 1},
            "error in add for path: '/list/7': Unable to access invalid index: 7: invalid index referenced",
        ),
        (
            {"op": "replace", "path": "/list/2", "value": 1},
            "replace operation does not apply: doc is missing key: /list/2: missing value",
        ),
        (
            {"op": "replace", "path": "/null/x", "value": 1},
            "replace operation does not apply: doc is missing path: /null/x: missing value",
        ),
        (
            {"op": "move", "path": "/x", "from": "/a/y"},
            "error in move for path: 'y': Unable to remove nonexistent key: y: missing value",
        ),
        ({"op": "explode", "path": "/x"}, "Unexpected kind: explode"),
        ({"op": "add", "value": 1}, "add operation failed to decode path: missing value"),
    ],
)
def test_errors_are_worded_as_kubernetes_words_them(operation: dict[str, Any], message: str) -> None:
    """The library's words reach users through the API server."""
    with pytest.raises(PatchProblem) as refused:
        json_patch(DOC, [operation])

    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ({"op": "replace", "path": "/a/new", "value": 2}, {**DOC, "a": {"b": 1, "new": 2}}),
        ({"op": "remove", "path": "/list/-1"}, {**DOC, "list": [1]}),
        ({"op": "add", "path": "/list/-1", "value": 3}, {**DOC, "list": [1, 2, 3]}),
        ({"op": "test", "path": "/absent", "value": None}, DOC),
        ({"op": "copy", "from": "/a", "path": "/list/0"}, {**DOC, "list": [{"b": 1}, 1, 2]}),
    ],
)
def test_what_kubernetes_allows_is_allowed(operation: dict[str, Any], expected: dict[str, Any]) -> None:
    """Beyond the RFC: replacing what is absent, negative positions, testing for null."""
    assert json_patch(DOC, [operation]) == expected
