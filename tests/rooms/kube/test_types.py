"""The built-in kinds: what each version of Kubernetes serves, and how the definitions describe it."""

import pytest

from trueup.kube.names import Kind, Resource
from trueup.kube.shapes import ANY
from trueup.kube.types import VERSIONS, BuiltIn, load

POD = Kind("", "v1", "Pod")


def row(plural: str, group: str = "", version: str = "v1", kubernetes: str = "1.36") -> BuiltIn:
    return next(r for r in load(kubernetes).resources if r.resource == Resource(group, version, plural))


@pytest.mark.parametrize("version", VERSIONS)
def test_every_served_kind_has_a_definition_and_a_struct(version: str) -> None:
    """Whatever a version serves can be described, read and settled."""
    types = load(version)
    bare = [str(r.kind) for r in types.resources if types.shape(r.kind) is ANY or types.struct(r.kind) is None]

    assert bare == []
    assert types.git_version == f"v{version}.0"


def test_no_name_is_given_twice() -> None:
    """Within a group no plural, singular or short name stands for two resources."""
    seen: set[tuple[str, str, str]] = set()
    for r in load().resources:
        for name in {r.resource.name, r.singular, *r.short_names}:
            key = (r.resource.group, r.resource.version, name)
            assert key not in seen
            seen.add(key)


def test_versions_serve_what_was_general_then() -> None:
    """Kinds come and go with the versions: admission policies by mutation, claims for devices, old flow control."""
    served = {
        name: [version for version in VERSIONS if load(version).by_kind(kind)]
        for name, kind in {
            "mutating": Kind("admissionregistration.k8s.io", "v1", "MutatingAdmissionPolicy"),
            "claims": Kind("resource.k8s.io", "v1", "ResourceClaim"),
            "addresses": Kind("networking.k8s.io", "v1", "IPAddress"),
            "flow": Kind("flowcontrol.apiserver.k8s.io", "v1beta3", "FlowSchema"),
        }.items()
    }

    assert served == {
        "mutating": ["1.36", "1.37"],
        "claims": ["1.34", "1.35", "1.36", "1.37"],
        "addresses": ["1.33", "1.34", "1.35", "1.36", "1.37"],
        "flow": ["1.30", "1.31"],
    }


def test_a_deployment_in_discovery() -> None:
    """Names, categories, verbs and subresources are those that kubectl lists."""
    deployment = row("deployments", "apps")

    assert (deployment.singular, deployment.short_names, deployment.categories, deployment.namespaced) == (
        "deployment",
        ("deploy",),
        ("all",),
        True,
    )
    assert deployment.subresources["scale"].kind == Kind("autoscaling", "v1", "Scale")
    assert deployment.subresources["status"].kind == deployment.kind


def test_verbs_that_are_not_the_usual_ones() -> None:
    """Reviews are only created; namespaces are not deleted by the collection."""
    assert row("tokenreviews", "authentication.k8s.io").verbs == {"create"}
    assert "deletecollection" not in row("namespaces").verbs


def test_subresources_have_kinds_of_their_own_and_a_first_version() -> None:
    """Exec and proxy take options; resizing a pod came with 1.33."""
    assert row("pods").subresources["exec"].kind == Kind("", "v1", "PodExecOptions")
    assert row("nodes").subresources["proxy"].kind == Kind("", "v1", "NodeProxyOptions")
    assert "resize" in row("pods").subresources
    assert "resize" not in row("pods", kubernetes="1.32").subresources


def test_versions_of_a_resource_share_their_storage() -> None:
    """Autoscalers of both versions are the same objects, and so are events of both groups."""
    assert row("horizontalpodautoscalers", "autoscaling", "v1").storage == Resource(
        "autoscaling", "v2", "horizontalpodautoscalers"
    )
    assert row("events", "events.k8s.io").storage == Resource("", "v1", "events")


def test_an_unknown_kind_has_any_shape() -> None:
    """What is not built in is not described; an unknown version is refused by name."""
    assert load().shape(Kind("example.com", "v1", "Widget")) is ANY
    assert load().by_kind(POD) is not None
    with pytest.raises(ValueError, match=r"Kubernetes 1\.12 is not known: choose one of 1\.30"):
        load("1.12")
