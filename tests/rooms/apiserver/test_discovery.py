"""What is served, as clients discover it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.rooms.apiserver.asking import Asking
from tests.rooms.apiserver.opened import definition, opened
from trueup.apiserver.hub import Hub
from trueup.apiserver.inprocess import InProcessClient
from trueup.kube.names import Kind, Ref, version_rank
from trueup.kube.types import load

AGGREGATED = (
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"
)
OLDER = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    """A fresh cluster."""
    async with opened() as made:
        yield made


@pytest.fixture
def asking(hub: Hub) -> Asking:
    """Its client."""
    return Asking(hub)


async def test_groups(asking: Asking) -> None:
    """The plain list names groups, their versions and the preferred one."""
    groups = {group["name"]: group for group in (await asking.get("/apis")).json["groups"]}
    assert groups["autoscaling"]["preferredVersion"] == {"groupVersion": "autoscaling/v2", "version": "v2"}
    assert [each["version"] for each in groups["autoscaling"]["versions"]] == ["v2", "v1"]


async def test_resources_of_a_group(asking: Asking) -> None:
    """Every resource and subresource with its kind and verbs."""
    resources = {each["name"]: each for each in (await asking.get("/apis/apps/v1")).json["resources"]}
    deployments = resources["deployments"]
    assert (deployments["kind"], deployments["shortNames"], deployments["categories"]) == (
        "Deployment",
        ["deploy"],
        ["all"],
    )
    scale = resources["deployments/scale"]
    assert (scale["group"], scale["version"], scale["kind"]) == ("autoscaling", "v1", "Scale")


async def test_the_beta_of_aggregated_discovery_is_gone(asking: Asking) -> None:
    """A client that knows it alone gets the plain form, as from Kubernetes 1.33 on."""
    assert (await asking.get("/apis", accept=OLDER)).json["kind"] == "APIGroupList"


async def test_aggregated_discovery_that_is_known_is_not_sent_again(asking: Asking) -> None:
    """Its tag is answered with 304."""
    tag = (await asking.get("/apis", accept=AGGREGATED)).headers["etag"]
    assert (await asking.get("/apis", accept=AGGREGATED, if_none_match=tag)).status == 304


async def test_aggregated(asking: Asking) -> None:
    """One answer tells all."""
    answer = await asking.get("/apis", accept=AGGREGATED)
    assert answer.json["apiVersion"] == "apidiscovery.k8s.io/v2"
    assert answer.headers["content-type"].startswith("application/json;g=apidiscovery.k8s.io;v=v2")
    apps = next(item for item in answer.json["items"] if item["metadata"]["name"] == "apps")
    found = {each["resource"]: each for each in apps["versions"][0]["resources"]}
    assert found["deployments"]["scope"] == "Namespaced"
    assert "status" in {sub["subresource"] for sub in found["deployments"]["subresources"]}


async def test_plain_for_who_asks_for_plain(asking: Asking) -> None:
    """A client that knows nothing of the aggregated form gets the old one."""
    assert (await asking.get("/apis")).json["kind"] == "APIGroupList"
    assert (await asking.get("/api")).json["versions"] == ["v1"]


async def test_custom_kinds_come_and_go(hub: Hub, asking: Asking) -> None:
    """Discovery follows definitions at once."""
    client = InProcessClient(hub)
    path = "/apis/stable.example.com/v1"
    seen = [(await asking.get(path)).status]
    await client.create(definition())
    seen.append((await asking.get(path)).status)
    await client.patch(
        Ref(Kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition"), "", "crontabs.stable.example.com"),
        [{"op": "replace", "path": "/spec/versions/0/served", "value": False}],
        "json",
    )
    seen.append((await asking.get(path)).status)
    assert seen == [404, 200, 404]


async def test_version(asking: Asking) -> None:
    """The Kubernetes version that is served, as ``kubectl version`` reads it."""
    found = (await asking.get("/version")).json
    assert (found["major"], found["minor"], found["gitVersion"]) == ("1", "36", "v1.36.0")


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz"])
async def test_health(asking: Asking, path: str) -> None:
    """Probes answer ok."""
    answer = await asking.get(path)
    assert (answer.status, answer.body) == (200, b"ok")


async def test_unknown_paths_are_not_found(asking: Asking) -> None:
    """A group that nobody serves is a page that does not exist, a resource that a group lacks a Status."""
    for path in ("/apis/none.example.com/v1", "/apis/none.example.com/v1/things", "/nothing"):
        answer = await asking.get(path)
        assert (answer.status, answer.body) == (404, b"404 page not found\n")
    answer = await asking.get("/apis/apps/v1/things")
    assert (answer.status, answer.json["reason"]) == (404, "NotFound")


async def test_nobody_is_anonymous(asking: Asking) -> None:
    """Without a token, or with a wrong one, nothing is told."""
    statuses = [(await asking.send("GET", "/apis", token=token)).status for token in ("", "wrong")]
    assert statuses == [401, 401]


def test_versions_are_ranked_as_kubernetes_ranks_them() -> None:
    """Stable before beta before alpha, newer before older, anything else last."""
    given = ["v1alpha1", "foo1", "v1", "v2beta2", "v2", "v1beta1", "v11beta2", "v10"]
    assert sorted(given, key=version_rank) == ["v10", "v2", "v1", "v11beta2", "v2beta2", "v1beta1", "v1alpha1", "foo1"]


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz"])
async def test_each_check_of_the_health_can_be_asked_for(asking: Asking, path: str) -> None:
    """By its Kubernetes name; left out where asked, and told which cannot be."""
    every = (await asking.get(f"{path}?verbose")).body.decode().splitlines()
    some = (await asking.get(f"{path}?verbose&exclude=etcd")).body.decode().splitlines()
    none = (await asking.get(f"{path}?verbose&exclude=x")).body.decode().splitlines()

    assert every[0] == "[+]ping ok"
    assert every[-1] == f"{path[1:]} check passed"
    assert {"[+]etcd ok", "[+]poststarthook/bootstrap-controller ok", "[+]autoregister-completion ok"} <= {*every}
    assert "[+]etcd excluded: ok" in some
    assert none[-2] == 'warn: some health checks cannot be excluded: no matches for "x"'
    assert (await asking.get(f"{path}/etcd")).body == b"ok"
    assert (await asking.get(f"{path}/nothing")).status == 404


@pytest.mark.parametrize(
    ("timeout", "problem"),
    [
        ("invalid", 'time: invalid duration "invalid"'),
        ("30", 'time: missing unit in duration "30"'),
        ("3days", 'time: unknown unit "days" in duration "3days"'),
        ("3m", ""),
        ("0s", ""),
    ],
)
async def test_a_timeout_is_a_duration(asking: Asking, timeout: str, problem: str) -> None:
    """In Go's words; a watch has none."""
    answer = await asking.get(f"/version?timeout={timeout}")
    if problem:
        assert answer.status == 400
        assert answer.json["message"] == f"invalid timeout specified in the request URL - {problem}"
    else:
        assert answer.status == 200


async def test_the_components_of_the_cluster_are_well(asking: Asking) -> None:
    """One by one, as a list and as kubectl shows it; with a warning, for the kind is deprecated."""
    every = await asking.get("/api/v1/componentstatuses")
    assert [one["metadata"]["name"] for one in every.json["items"]] == ["scheduler", "controller-manager", "etcd-0"]
    one = await asking.get("/api/v1/componentstatuses/etcd-0")
    assert one.json["conditions"] == [{"type": "Healthy", "status": "True", "message": "ok"}]
    shown = await asking.get("/api/v1/componentstatuses", "application/json;as=Table;v=v1;g=meta.k8s.io")
    assert shown.json["rows"][0]["cells"] == ["scheduler", "Healthy", "ok", ""]
    assert (await asking.get("/api/v1/componentstatuses/none")).status == 404


SERVED = {30: 105, 31: 105, 32: 101, 33: 105, 34: 111, 35: 111, 36: 113, 37: 121}
"""Resources and subresources in the groups and versions that each Kubernetes serves without being told to."""


@pytest.mark.parametrize("minor", SERVED)
def test_each_version_serves_what_it_serves(minor: int) -> None:
    """As many as its published discovery names; betas and alphas are off, but for flow control's until 1.31."""
    rows = load(f"1.{minor}").resources
    count = sum(1 + len(row.subresources) for row in rows)
    print(f"1.{minor}: {count} of {SERVED[minor]}")
    assert count == SERVED[minor]
    early = {row.resource.version for row in rows if "alpha" in row.resource.version or "beta" in row.resource.version}
    assert early == ({"v1beta3"} if minor <= 31 else set())


async def test_a_version_says_what_it_stands_for(asking: Asking) -> None:
    """Which version it behaves as, and down to which it would."""
    said = (await asking.get("/version")).json
    parts = ("major", "minor", "emulationMajor", "emulationMinor", "minCompatibilityMajor", "minCompatibilityMinor")
    assert [said[part] for part in parts] == ["1", "36", "1", "36", "1", "35"]
