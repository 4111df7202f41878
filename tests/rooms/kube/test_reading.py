"""Built-in objects are read and put in order as Kubernetes' own Go types would."""

import copy
import json

import pytest

from tests.corpora import corpus
from trueup.kube.names import Kind, Object
from trueup.kube.reading import Struct, WrongType, metadata_struct
from trueup.kube.reading import path as path_of
from trueup.kube.types import load

DEPLOYMENT = Kind("apps", "v1", "Deployment")


def struct(kind: Kind = DEPLOYMENT) -> Struct:
    found = load().struct(kind)
    assert found is not None
    return found


def settled(kind: Kind, obj: Object) -> Object:
    struct(kind).settle(obj)
    return obj


def test_published_objects_are_settled_already() -> None:
    """Kubernetes' own round-trip data of every served kind: nothing unknown in it, nothing to change."""
    types = load("1.37")
    wrong, total = [], 0
    for path in sorted((corpus("k8s-api") / "testdata/HEAD").glob("*.json")):
        obj = json.loads(path.read_text())
        found = types.struct(Kind.of(obj))
        if found is None or types.by_kind(Kind.of(obj)) is None:
            continue
        total += 1
        unknown: list[str] = []
        found.check(obj, lambda holder, name, at, unknown=unknown: unknown.append(at))
        after = copy.deepcopy(obj)
        found.settle(after)
        if unknown or after != obj:
            wrong.append((path.stem, unknown))
    print(f"k8s-api settled: {total - len(wrong)} of {total}")

    assert wrong == []


def test_what_go_leaves_out_goes() -> None:
    """Nulls, empty maps and lists, and zeros of plain fields are not stored; zeros of pointers are."""
    spec = {"replicas": 0, "paused": False, "minReadySeconds": 0, "selector": {"matchLabels": {}}, "template": None}

    found = settled(DEPLOYMENT, {"metadata": {"name": "web", "labels": {}, "annotations": None}, "spec": spec})

    assert (found["metadata"], found["spec"]) == (
        {"name": "web"},
        {
            "replicas": 0,
            "selector": {},
            "strategy": {},
            "template": {"metadata": {}, "spec": {"containers": None}},
        },
    )


def test_structs_that_are_always_shown_are_there() -> None:
    """A status, a load balancer and the counters of a disruption budget stand there from the start."""
    service = settled(Kind("", "v1", "Service"), {"metadata": {"name": "web"}})
    budget = settled(Kind("policy", "v1", "PodDisruptionBudget"), {"metadata": {"name": "web"}})

    assert [service["status"], budget["status"]] == [
        {"loadBalancer": {}},
        {"currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0},
    ]


def test_one_spelling_of_quantities_and_times() -> None:
    """Amounts and moments are stored in Kubernetes' spelling, numbers as amounts among them."""
    quota = settled(Kind("", "v1", "ResourceQuota"), {"spec": {"hard": {"cpu": 0.5, "memory": "1024Mi", "pods": 10}}})
    lease = settled(
        Kind("coordination.k8s.io", "v1", "Lease"),
        {"metadata": {"creationTimestamp": "2024-05-01T12:00:00+02:00"}, "spec": {"renewTime": "2024-05-01T10:00:00Z"}},
    )

    assert quota["spec"]["hard"] == {"cpu": "500m", "memory": "1Gi", "pods": "10"}
    assert [lease["metadata"]["creationTimestamp"], lease["spec"]["renewTime"]] == [
        "2024-05-01T10:00:00Z",
        "2024-05-01T10:00:00.000000Z",
    ]


def test_one_spelling_of_bytes() -> None:
    """Line ends within base64 go, and bits that mean nothing, for Go decodes and encodes."""
    secret = settled(Kind("", "v1", "Secret"), {"data": {"lines": "YWJj\nZGVm\n", "bits": "YR==", "as it is": "YQ=="}})

    assert secret["data"] == {"lines": "YWJjZGVm", "bits": "YQ==", "as it is": "YQ=="}


def test_unknown_fields_are_told_by_their_paths() -> None:
    """Each unknown field is named with the indices on its way."""
    found: list[str] = []
    obj = {"spec": {"replica": 1, "template": {"spec": {"containers": [{}, {"ports": [{"port": 80}]}]}}}}

    struct().check(obj, lambda holder, name, trail: found.append(path_of(trail)))

    assert found == ["spec.replica", "spec.template.spec.containers[1].ports[0].port"]


def container(**fields: object) -> Object:
    return {"spec": {"template": {"spec": {"containers": [fields]}}}}


IN_CONTAINER = "spec.template.spec.containers"


@pytest.mark.parametrize(
    ("obj", "words"),
    [
        ({"spec": {"replicas": "3"}}, "string into Go struct field DeploymentSpec.spec.replicas of type int32"),
        ({"spec": {"replicas": 1.5}}, "number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32"),
        ({"spec": []}, "array into Go struct field Deployment.spec of type v1.DeploymentSpec"),
        ({"metadata": {"labels": {"a": 1}}}, "number into Go struct field ObjectMeta.metadata.labels of type string"),
        (container(env=[{"value": True}]), f"bool into Go struct field EnvVar.{IN_CONTAINER}.env.value of type string"),
        (container(ports={}), f"object into Go struct field Container.{IN_CONTAINER}.ports of type []v1.ContainerPort"),
    ],
)
def test_wrong_types_are_worded_as_go_words_them(obj: Object, words: str) -> None:
    """A value of another type is refused with the struct, the path and the Go type."""
    with pytest.raises(WrongType) as caught:
        struct().check(obj, lambda *_: None)

    assert str(caught.value) == f"json: cannot unmarshal {words}"


def test_broken_base64_names_the_byte() -> None:
    """A secret's data must be base64."""
    with pytest.raises(WrongType, match="illegal base64 data at input byte 4"):
        struct(Kind("", "v1", "Secret")).check({"data": {"a": "abcd%"}}, lambda *_: None)


def test_fields_of_another_version_are_unknown() -> None:
    """What a later Kubernetes added is unknown to an earlier one."""
    found: list[str] = []
    old = load("1.30").struct(Kind("", "v1", "Pod"))
    assert old is not None

    old.check({"spec": {"resources": {}}}, lambda holder, name, trail: found.append(path_of(trail)))

    assert found == ["spec.resources"]


def test_metadata_of_custom_objects_is_kubernetes_own() -> None:
    """Whatever the kind, labels are text and empty lists are not stored."""
    meta = {"name": "a", "labels": None, "finalizers": [], "annotations": {"a": "b"}}
    metadata_struct().settle(meta)

    assert meta == {"name": "a", "annotations": {"a": "b"}}
    with pytest.raises(WrongType, match=r"number into Go struct field ObjectMeta\.labels of type string"):
        metadata_struct().check({"labels": {"a": 1}}, lambda *_: None)


def test_a_null_amount_is_none_of_it() -> None:
    """Go reads a null among amounts as zero."""
    quota = Kind("", "v1", "ResourceQuota")
    assert settled(quota, {"spec": {"hard": {"cpu": None, "pods": "3"}}})["spec"]["hard"] == {"cpu": "0", "pods": "3"}
