"""Objects with one mistake each are refused in the words in which Kubernetes refuses them."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from trueup.kube.defaults import apply_defaults
from trueup.kube.names import Kind, Object
from trueup.kube.types import load
from trueup.kube.validation import Rules, metadata

HERE = Path(__file__).parent
RIGHT: dict[str, Object] = json.loads((HERE / "right_objects.json").read_text())
"""Objects that Kubernetes takes, by the names that the rows give them."""


def put(obj: Any, path: str, *value: Any) -> None:
    """Set what a path leads to; without a value it is taken away."""
    *above, last = (part.replace("~1", "/") for part in path[1:].split("/"))
    for part in above:
        obj = obj[int(part) if isinstance(obj, list) else part]
    place = int(last) if isinstance(obj, list) else last
    if value:
        obj[place] = value[0]
    else:
        del obj[place]


def says(obj: Object) -> list[str]:
    """What the rules say of an object, after it was settled and filled in."""
    kind = Kind.of(obj)
    struct = load().struct(kind)
    assert struct is not None
    struct.settle(obj)
    apply_defaults(kind, obj)
    if kind.kind == "Pod":
        obj["spec"].setdefault("serviceAccountName", "default")
    rules = Rules(kind, load().definition_name(kind), load().definitions)
    causes = [*metadata(kind, obj), *rules.check(obj)]
    return sorted(f"{cause.field}: {cause.message}" for cause in causes)


def changed(row: dict[str, Any]) -> Object:
    obj = copy.deepcopy(RIGHT[row["of"]])
    for change in row["change"]:
        put(obj, *change)
    return obj


@pytest.mark.parametrize("name", ["core", "jobs", "pods", "volumes", "workloads"])
def test_wrong_objects(name: str) -> None:
    """Each change of a right object is refused for the very causes that Kubernetes names."""
    rows = [json.loads(line) for line in (HERE / f"wrong_{name}.jsonl").read_text().splitlines()]
    differing = [row["change"] for row in rows if says(changed(row)) != row["says"]]
    print(f"{len(rows) - len(differing)} of {len(rows)}")
    assert differing == []


@pytest.mark.parametrize("name", sorted(RIGHT))
def test_right_objects(name: str) -> None:
    """The objects that the changes start from are right."""
    assert says(copy.deepcopy(RIGHT[name])) == []
