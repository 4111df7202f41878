"""Merging, comparing, naming and removing fields against structured-merge-diff's recorded tables."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.corpora import corpus
from trueup.kube.shapes import ANY, SCALAR, Shape
from trueup.merge.combine import combine
from trueup.merge.compare import compare
from trueup.merge.fields import FieldSet, difference, without
from trueup.merge.pruning import remove
from trueup.merge.reading import as_schema_has_it, field_set

ATOMIC = Shape("any", map_type="atomic")


class Schema:
    """A structured-merge-diff schema, as shapes."""

    def __init__(self, text: str) -> None:
        self.types = {one["name"]: one for one in yaml.safe_load(text)["types"]}

    def shape(self, ref: dict[str, Any]) -> Shape:
        name = ref.get("namedType")
        if name in ("__untyped_atomic_", "__untyped_deduced_"):
            return ATOMIC if name == "__untyped_atomic_" else ANY
        atom = self.types[name] if name else ref
        if "list" in atom and "map" in atom:
            return ANY
        if "list" in atom:
            return self._list(atom["list"], ref.get("elementRelationship"))
        if "map" in atom:
            return self._map(atom["map"], ref.get("elementRelationship"))
        return SCALAR

    def _list(self, atom: dict[str, Any], relationship: str | None) -> Shape:
        keys = tuple(atom.get("keys") or ())
        associative = (relationship or atom.get("elementRelationship")) == "associative"
        kind: Any = ("map" if keys else "set") if associative else "atomic"
        element = atom["elementType"]
        made = Shape("list", list_type=kind, map_keys=keys, make=lambda: ({}, None, self.shape(element)))
        inner = self.types.get(element.get("namedType"), element).get("map") or {}
        made.defaults = {f["name"]: f["default"] for f in inner.get("fields") or () if f.get("default") is not None}
        return made

    def _map(self, atom: dict[str, Any], relationship: str | None) -> Shape:
        def make() -> tuple[dict[str, Shape], Shape | None, Shape | None]:
            fields = {field["name"]: self.shape(field["type"]) for field in atom.get("fields") or ()}
            return fields, self.shape(atom["elementType"]) if atom.get("elementType") else None, None

        atomic = (relationship or atom.get("elementRelationship")) == "atomic"
        return Shape("map", map_type="atomic" if atomic else "granular", make=make)


def _rows(test: str, inner: str = "") -> Iterator[tuple[dict[str, Any], Shape]]:
    """The rows of a table with their shape; ``inner``: the field that holds several rows of one schema."""
    for line in corpus("extracted/ssa_typed_tables.jsonl").read_text().splitlines():
        record = json.loads(line)
        if record["test"] != test:
            continue
        case = record["case"]
        if case.get("rootTypeName") == "__untyped_separable_":
            # A type that Kubernetes does not have: a scalar, a set or a map, whatever the data says.
            continue
        shape = Schema(case["schema"]).shape({"namedType": case["rootTypeName"]}) if "schema" in case else ANY
        for row in case[inner] if inner else [case]:
            yield row, shape


def _read(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        # One recorded row has a brace too many, which Go's reader does not mind.
        return json.JSONDecoder().raw_decode(text)[0]


def _normal(fields: FieldSet | None) -> Any:
    """Sets are equal whatever the order of their members."""
    return json.loads(json.dumps(fields or {}, sort_keys=True))


def _report(test: str, outcomes: list[tuple[Any, Any, Any]]) -> list[Any]:
    wrong = [(row, have, want) for row, have, want in outcomes if have != want]
    print(f"ssa_typed_tables {test}: {len(outcomes) - len(wrong)} of {len(outcomes)}")
    return wrong


@pytest.mark.parametrize(("test", "inner"), [("TestMerge", "triplets"), ("TestMergeDeduced", "")])
def test_merging(test: str, inner: str) -> None:
    """Both sides' fields, the configuration's values, items in its order."""
    outcomes = []
    for row, shape in _rows(test, inner):
        outcomes.append((row, combine(_read(row["lhs"]), _read(row["rhs"]), shape), _read(row["out"])))

    assert _report(test, outcomes) == []


@pytest.mark.parametrize(("test", "inner"), [("TestSymdiff", "quints"), ("TestSymdiffDeduced", "")])
def test_comparing(test: str, inner: str) -> None:
    """What was added, modified and removed."""
    outcomes = []
    for row, shape in _rows(test, inner):
        have = compare(_read(row["lhs"]), _read(row["rhs"]), shape)
        changed = _joined(row["added"], row["modified"])
        outcomes.append((row, (_normal(have[0]), _normal(have[1])), (_normal(changed), _normal(row["removed"]))))

    assert _report(test, outcomes) == []


def _joined(a: FieldSet, b: FieldSet) -> FieldSet:
    """Union by hand, so that the expectation does not rest on what is tested."""
    out = dict(a)
    for key, below in b.items():
        if key in out and key != ".":
            inner = _joined(out[key], below)
            if inner and (not out[key] or not below):
                inner = {".": {}, **inner}
            out[key] = inner
        else:
            out[key] = below
    return out


@pytest.mark.parametrize(("test", "inner"), [("TestToFieldSet", "pairs"), ("TestToSetDeduced", "")])
def test_naming(test: str, inner: str) -> None:
    """The fields that an object names."""
    outcomes = []
    for row, shape in _rows(test, inner):
        outcomes.append((row, _normal(field_set(_read(row["object"]), shape)), _normal(row["set"])))

    assert _report(test, outcomes) == []


def test_removing() -> None:
    """What is left of an object without the fields of a set."""
    outcomes = []
    for row, shape in _rows("TestRemove", "quadruplets"):
        if row["removeOutput"] == "unparseable":
            # Taking the keys out of an item leaves what its own schema refuses; nobody's field set asks for that.
            continue
        left = remove(_read(row["object"]), row["set"], shape)
        outcomes.append((row, left, _read(row["removeOutput"])))

    assert _report("TestRemove", outcomes) == []


def test_differences_of_sets() -> None:
    """A parent does not take its children along, unless asked to."""
    outcomes = []
    for row, _ in _rows("TestSetDifference"):
        have = (_normal(difference(row["a"], row["b"])), _normal(without(row["a"], row["b"])))
        outcomes.append((row, have, (_normal(row["expectDifference"]), _normal(row["expectRecursiveDifference"]))))

    assert _report("TestSetDifference", outcomes) == []


def test_following_a_schema_that_changed() -> None:
    """What became atomic is one member; what became granular stays as it was."""
    outcomes = []
    for row, _ in _rows("TestReconcileFieldSetWithSchema"):
        shape = Schema(row["newSchema"]).shape({"namedType": row["rootTypeName"]})
        have = as_schema_has_it(row["oldFields"] or {}, shape)
        # The recording has no fixed set where nothing is to do.
        outcomes.append((row, _normal(have), _normal(row["fixedFields"] or row["oldFields"])))

    assert _report("TestReconcileFieldSetWithSchema", outcomes) == []
