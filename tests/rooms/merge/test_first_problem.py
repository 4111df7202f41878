"""What server-side apply says of an object that does not fit its kind, in Kubernetes 1.36's own words."""

import pytest

from trueup.kube.names import Kind, Object
from trueup.kube.shape_of import shape_of_schema
from trueup.kube.types import load
from trueup.merge.typed import problems_text, title

DEPLOYMENT = load().shape(Kind("apps", "v1", "Deployment"))
MAP = load().shape(Kind("", "v1", "ConfigMap"))
WIDGET = shape_of_schema(
    {
        "type": "object",
        "properties": {
            "size": {"type": "integer"},
            "flag": {"type": "boolean"},
            "either": {"x-kubernetes-int-or-string": True},
            "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
            "any": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            "ports": {
                "type": "array",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["port"],
                "items": {"type": "object", "properties": {"port": {"type": "integer"}}},
            },
        },
    }
)


def deployment(spec: Object | None = None, pod: Object | None = None, container: Object | None = None) -> Object:
    """A Deployment with a mistake."""
    pods = {"containers": [{"name": "c", "image": "i", **(container or {})}], **(pod or {})}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": {"spec": pods}, **(spec or {})}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}


IN_POD = ".spec.template.spec"
IN_CONTAINER = f'{IN_POD}.containers[name="c"]'


@pytest.mark.parametrize(
    ("obj", "said"),
    [
        (deployment(), ""),
        (deployment({"bogus": 1}), ".spec.bogus: field not declared in schema"),
        (deployment({"replicas": "two"}), ".spec.replicas: expected numeric (int or float), got string"),
        (deployment({"replicas": True}), ".spec.replicas: expected numeric (int or float), got bool"),
        (
            deployment({"replicas": {"a": 1}}),
            ".spec.replicas: expected numeric (int or float), got map[string]interface {}",
        ),
        (deployment({"paused": "x"}), ".spec.paused: expected boolean, got &{x}"),
        (deployment(pod={"containers": {"a": 1}}), f"{IN_POD}.containers: expected list, got &{{map[a:1]}}"),
        (
            deployment(pod={"containers": ["x"]}),
            f"{IN_POD}.containers: element 0: associative list with keys may not have non-map elements",
        ),
        (deployment(pod={"tolerations": [{"no": 1}]}), f"{IN_POD}.tolerations[0].no: field not declared in schema"),
        (
            deployment(container={"env": [{"name": "A", "value": 5}]}),
            f'{IN_CONTAINER}.env[name="A"].value: expected string, got &value.valueUnstructured{{Value:5}}',
        ),
        (
            deployment(container={"ports": [{"containerPort": 80, "prtocol": "TCP"}]}),
            f'{IN_CONTAINER}.ports[containerPort=80,protocol="TCP"].prtocol: field not declared in schema',
        ),
        (
            deployment(container={"command": [1]}),
            f"{IN_CONTAINER}.command[0]: expected string, got &value.valueUnstructured{{Value:1}}",
        ),
        (deployment(container={"resources": {"limits": {"cpu": 1}}}), ""),
        (
            deployment(container={"resources": {"limits": {"cpu": {"a": 1}}}}),
            f"{IN_CONTAINER}.resources.limits.cpu: expected any scalar, got &{{map[a:1]}}",
        ),
        ({**deployment(), "spec": [1]}, ".spec: expected map, got &{[1]}"),
    ],
)
def test_deployments(obj: Object, said: str) -> None:
    """The path names items by their keys; numbers are quantities, too."""
    assert problems_text(obj, DEPLOYMENT) == said


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"a": None}, ""),
        ({"a": True}, ".data.a: expected string, got &value.valueUnstructured{Value:true}"),
        (
            {"a": {"b": 1}},
            '.data.a: expected string, got &value.valueUnstructured{Value:map[string]interface {}{"b":1}}',
        ),
        ([1], ".data: expected map, got &{[1]}"),
    ],
)
def test_free_maps(data: object, said: str) -> None:
    """Any key goes, values must fit; null is nothing."""
    assert problems_text({"data": data}, MAP) == said


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"any": {"x": [1]}, "either": 5, "tags": ["a"], "ports": [{"port": 1}]}, ""),
        ({"size": "x"}, ".size: expected numeric (int or float), got string"),
        ({"flag": "x"}, ".flag: expected boolean, got &{x}"),
        ({"ports": [{"port": 1, "x": 2}]}, ".ports[port=1].x: field not declared in schema"),
        ({"tags": ["a", {"a": 1}]}, ".tags: element 1: associative list without keys has an element that's a map type"),
    ],
)
def test_custom_kinds(spec: Object, said: str) -> None:
    """A structural schema says as much."""
    assert problems_text(spec, WIDGET) == said


def test_objects_are_named() -> None:
    """The core group has no name before its slash."""
    obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "b"}}
    assert title(obj) == "b/a; /v1, Kind=ConfigMap"
