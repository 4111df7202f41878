"""Which resource serves a kind: aggregated and plain documents, ETags, misses."""

from typing import Any

import pytest

from trueup.client.discovery import Answer, Discovery, aggregated, group_versions, plain
from trueup.kube.names import Kind, Object, Resource
from trueup.kube.problems import NotFound, Unavailable

DEPLOYMENT = Kind("apps", "v1", "Deployment")
THING = Kind("example.com", "v1", "Thing")

CORE: Object = {
    "kind": "APIGroupDiscoveryList",
    "items": [{"metadata": {}, "versions": [{"version": "v1", "resources": [
        {"resource": "pods", "responseKind": {"group": "", "version": "", "kind": "Pod"}, "scope": "Namespaced",
         "singularResource": "pod", "shortNames": ["po"], "categories": ["all"], "verbs": ["get", "list"],
         "subresources": [{"subresource": "eviction", "responseKind": {"group": "policy", "kind": "Eviction"}}]},
    ]}]}],
}  # fmt: skip
APPS: Object = {
    "kind": "APIGroupDiscoveryList",
    "items": [{"metadata": {"name": "apps"}, "versions": [{"version": "v1", "resources": [
        {"resource": "deployments", "responseKind": {"group": "apps", "version": "v1", "kind": "Deployment"},
         "scope": "Namespaced", "verbs": ["get"]},
        {"resource": "nameless", "scope": "Cluster", "verbs": ["get"]},
    ]}]}],
}  # fmt: skip
PLAIN_APPS: Object = {
    "kind": "APIResourceList",
    "groupVersion": "apps/v1",
    "resources": [
        {"name": "deployments", "kind": "Deployment", "namespaced": True, "verbs": ["get"], "shortNames": ["deploy"]},
        {"name": "deployments/scale", "kind": "Scale", "group": "autoscaling", "version": "v1", "namespaced": True},
        {"name": "deployments/status", "kind": "Deployment", "namespaced": True},
    ],
}


class Server:
    """Answers discovery paths and remembers what was asked."""

    def __init__(self, **documents: Any) -> None:
        self.documents: dict[str, Any] = documents
        self.asked: list[tuple[str, str]] = []

    async def ask(self, path: str, etag: str) -> Answer:
        self.asked.append((path, etag))
        document = self.documents.get(path)
        if document is None:
            raise NotFound("the server could not find the requested resource")
        if isinstance(document, Exception):
            raise document
        return Answer(None, etag) if etag == str(id(document)) else Answer(document, str(id(document)))


def test_aggregated_documents() -> None:
    """Everything in one document; a resource without a kind is left out."""
    (pod,) = aggregated(CORE)
    assert (pod.resource, pod.kind) == (Resource("", "v1", "pods"), Kind("", "v1", "Pod"))
    assert (pod.namespaced, pod.singular, pod.short_names, pod.categories) == (True, "pod", ("po",), ("all",))
    assert (pod.verbs, pod.subresources) == (frozenset({"get", "list"}), frozenset({"eviction"}))
    assert [info.kind for info in aggregated(APPS)] == [DEPLOYMENT]


def test_plain_documents() -> None:
    """One per group and version; preferred versions come first."""
    (deployments,) = plain(PLAIN_APPS)
    assert (deployments.kind, deployments.subresources) == (DEPLOYMENT, frozenset({"scale", "status"}))
    assert group_versions({"kind": "APIVersions", "versions": ["v1"]}) == ["/api/v1"]
    versions = [{"groupVersion": "autoscaling/v1"}, {"groupVersion": "autoscaling/v2"}]
    group = {"name": "autoscaling", "versions": versions, "preferredVersion": versions[1]}
    assert group_versions({"kind": "APIGroupList", "groups": [group]}) == [
        "/apis/autoscaling/v2", "/apis/autoscaling/v1",
    ]  # fmt: skip


async def test_known_kinds_are_not_asked_for_again() -> None:
    """Two documents at first, none afterwards."""
    server = Server(**{"/api": CORE, "/apis": APPS})
    discovery = Discovery(server.ask)
    for _ in range(3):
        assert (await discovery.find(DEPLOYMENT)).resource.name == "deployments"
    assert sorted(path for path, _ in server.asked) == ["/api", "/apis"]


async def test_a_miss_asks_for_its_group_alone() -> None:
    """A kind that came later is found, one that did not is not found."""
    server = Server(**{"/api": CORE, "/apis": APPS})
    discovery = Discovery(server.ask)
    with pytest.raises(NotFound, match=r'no matches for kind "Thing" in version "example\.com/v1"'):
        await discovery.find(THING)
    thing = {"name": "things", "kind": "Thing", "namespaced": True, "verbs": ["get"]}
    server.documents["/apis/example.com/v1"] = {"groupVersion": "example.com/v1", "resources": [thing]}
    server.asked.clear()
    assert (await discovery.find(THING)).resource == Resource("example.com", "v1", "things")
    assert server.asked == [("/apis/example.com/v1", "")]


async def test_what_has_not_changed_is_not_sent_again() -> None:
    """A refresh asks with the ETags of before."""
    server = Server(**{"/api": CORE, "/apis": APPS})
    discovery = Discovery(server.ask)
    before = await discovery.resources()
    discovery.forget(DEPLOYMENT)
    assert await discovery.resources() == before
    assert sorted(server.asked[2:]) == [("/api", str(id(CORE))), ("/apis", str(id(APPS)))]


async def test_an_old_server_and_a_dead_group() -> None:
    """Plain discovery is the fallback; a group whose server is down hides no other."""
    groups = [
        {"name": "apps", "versions": [{"groupVersion": "apps/v1"}]},
        {"name": "metrics.k8s.io", "versions": [{"groupVersion": "metrics.k8s.io/v1beta1"}]},
    ]
    server = Server(**{
        "/api": {"kind": "APIVersions", "versions": []},
        "/apis": {"kind": "APIGroupList", "groups": groups},
        "/apis/apps/v1": PLAIN_APPS,
        "/apis/metrics.k8s.io/v1beta1": Unavailable("down"),
    })  # fmt: skip
    assert [info.kind for info in await Discovery(server.ask).resources()] == [DEPLOYMENT]
