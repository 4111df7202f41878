"""JSON in the order of Go's structs, as it is after a patch."""

import json

import pytest

from trueup.kube import struct_order
from trueup.kube.names import Kind, Object

POD = Kind("", "v1", "Pod")
OBJECT: Object = {
    "kind": "Pod",
    "metadata": {"uid": "u", "labels": {"b": "1", "a": "2"}, "name": "p"},
    "spec": {
        "restartPolicy": "Always",
        "containers": [
            {"image": "i", "resources": {"requests": {"memory": "1", "cpu": "1"}, "limits": {}}, "name": "c"}
        ],
        "volumes": [{"emptyDir": {"sizeLimit": "1", "medium": ""}, "name": "v"}],
    },
    "apiVersion": "v1",
}


@pytest.mark.parametrize(
    ("opened", "path", "expected"),
    [
        ({}, [], ["apiVersion", "kind", "metadata", "spec"]),
        ({}, ["metadata"], ["name", "uid", "labels"]),
        ({}, ["metadata", "labels"], ["a", "b"]),
        ({}, ["spec"], ["volumes", "containers", "restartPolicy"]),
        ({}, ["spec", "containers", 0], ["name", "image", "resources"]),
        ({}, ["spec", "containers", 0, "resources"], ["limits", "requests"]),
        ({}, ["spec", "volumes", 0], ["name", "emptyDir"]),
        ({"spec": {"restartPolicy": 1}}, ["spec"], ["containers", "restartPolicy", "volumes"]),
        ({"spec": {"restartPolicy": 1}}, ["spec", "volumes", 0], ["name", "emptyDir"]),
        (struct_order.opened_by([{"op": "add", "path": "/spec/containers/0/x"}]), ["spec", "containers", 0],
         ["image", "name", "resources"]),
        (struct_order.opened_by([{"op": "add", "path": "/spec/containers/0"}]), ["spec", "containers", 0],
         ["image", "resources", "name"]),
    ],
)  # fmt: skip
def test_keys_stand_as_go_writes_them(opened: object, path: list[str | int], expected: list[str]) -> None:
    """Structs by their fields, maps by key, what a patch opened by key, what it brought as it came."""
    found = json.loads(struct_order.text(OBJECT, POD, opened))
    assert found == OBJECT
    for part in path:
        found = found[part]
    assert list(found) == expected


def test_what_has_no_struct_stands_by_key() -> None:
    """Custom objects are maps."""
    kind = Kind("example.com", "v1", "Lamp")
    assert struct_order.text({"b": {"d": 1, "c": [{"f": 1, "e": 2}]}, "a": 1}, kind, {}) == (
        '{"a":1,"b":{"c":[{"e":2,"f":1}],"d":1}}'
    )
