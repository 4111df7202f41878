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
    """Every enabled record of the json-patch tests: the expected document, or an error."""
    folder = corpus("json-patch-tests")
    records: list[dict[str, Any]] = []
    for name in ("tests.json", "spec_tests.json"):
        records += [r for r in json.loads((folder / name).read_text()) if "patch" in r and not r.get("disabled")]
    wrong = []
    for record in records:
        try:
            result = json_patch(record["doc"], record["patch"])
        except PatchProblem:
            good = "error" in record
        else:
            good = "error" not in record and ("expected" not in record or equal(result, record["expected"]))
        if not good:
            wrong.append(record.get("comment") or record["patch"])
    print(f"json-patch-tests: {len(records) - len(wrong)} of {len(records)}")

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


def test_errors_name_the_operation() -> None:
    """A failing operation is named by its position."""
    with pytest.raises(PatchProblem, match="operation 1: missing path: /a/x"):
        json_patch({"a": {}}, [{"op": "add", "path": "/b", "value": 1}, {"op": "remove", "path": "/a/x"}])
