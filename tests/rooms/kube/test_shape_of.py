"""Shapes say what merging and server-side apply need: list types, keys, atomic maps, patch strategies."""

from typing import Any

from trueup.kube.names import Kind
from trueup.kube.shape_of import shape_of_schema
from trueup.kube.shapes import Shape
from trueup.kube.types import load

POD = Kind("", "v1", "Pod")


def at(shape: Shape, *path: str) -> Shape:
    """The shape below a path; ``*`` steps into a list."""
    for step in path:
        found = shape.items if step == "*" else shape.field(step)
        assert found is not None
        shape = found
    return shape


def test_lists_by_key_and_what_their_keys_default_to() -> None:
    """A service's ports are told apart by number and protocol, which is TCP when left out."""
    ports = at(load().shape(Kind("", "v1", "Service")), "spec", "ports")

    assert (ports.list_type, ports.map_keys, dict(ports.defaults)) == ("map", ("port", "protocol"), {"protocol": "TCP"})
    assert (ports.patch_merge_key, ports.patch_strategy) == ("port", {"merge"})


def test_sets_atomic_lists_and_atomic_maps() -> None:
    """Finalizers are a set, arguments one value, a label selector of a pod's node one value."""
    pod = load().shape(POD)

    assert at(pod, "metadata", "finalizers").list_type == "set"
    assert at(pod, "spec", "containers", "*", "args").list_type == "atomic"
    assert at(pod, "spec", "nodeSelector").map_type == "atomic"
    assert at(load().shape(Kind("apps", "v1", "Deployment")), "spec", "selector").map_type == "atomic"


def test_strategies_on_structs() -> None:
    """A deployment's strategy keeps only the keys of the patch; volumes merge and keep."""
    deployment = load().shape(Kind("apps", "v1", "Deployment"))

    assert at(deployment, "spec", "strategy").patch_strategy == {"retainKeys"}
    assert at(load().shape(POD), "spec", "volumes").patch_strategy == {"merge", "retainKeys"}


def test_recursive_definitions_end() -> None:
    """A schema of schemas is followed as far as it is asked for."""
    schema = at(
        load().shape(Kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition")),
        *("spec", "versions", "*", "schema", "openAPIV3Schema"),
    )

    assert at(schema, "properties").values is not None


SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "ports": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name", "protocol"],
                    "items": {
                        "type": "object",
                        "properties": {"name": {"type": "string"}, "protocol": {"type": "string", "default": "UDP"}},
                    },
                },
                "port": {"x-kubernetes-int-or-string": True},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                "template": {
                    "type": "object",
                    "x-kubernetes-embedded-resource": True,
                    "properties": {"data": {"type": "object", "additionalProperties": {"type": "string"}}},
                },
            },
        }
    },
}


def test_custom_lists_default_their_keys_from_the_schema() -> None:
    """A custom kind's key fields are filled from its own defaults."""
    ports = at(shape_of_schema(SCHEMA), "spec", "ports")

    assert (ports.map_keys, dict(ports.defaults)) == (("name", "protocol"), {"protocol": "UDP"})


def test_custom_values_of_two_types_and_of_none() -> None:
    """An integer or a string is one leaf; what is preserved may hold anything; additional keys have their shape."""
    spec = at(shape_of_schema(SCHEMA), "spec")

    assert (spec.field("port").of, spec.field("free").preserve_unknown) == ("scalar", True)
    assert at(spec, "template", "data").values is not None


def test_embedded_resources_know_their_own_head() -> None:
    """A resource inside a custom one has a kind, a version and metadata without its schema saying so."""
    template = at(shape_of_schema(SCHEMA), "spec", "template")

    assert [name for name in ("apiVersion", "kind", "metadata") if name not in template.fields] == []
