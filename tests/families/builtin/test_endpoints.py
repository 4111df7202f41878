"""Who stands behind a Service, under which name, and for whom."""

from __future__ import annotations

from typing import Any

import pytest

from trueup.families.builtin import endpoints
from trueup.kube.names import Object


def service(**spec: Any) -> Object:
    about = {"name": "web", "namespace": "default", "uid": "12345678"}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": about,
        "spec": {"clusterIP": "10.0.0.1", "selector": {"app": "web"}, "ports": [{"port": 80}], **spec},
    }


def pod(name: str = "p", *, ready: bool = True, going: bool = False, **spec: Any) -> Object:
    about: Object = {"name": name, "namespace": "default", "uid": name}
    if going:
        about["deletionTimestamp"] = "2023-11-14T22:13:20Z"
    held = [{"type": "Ready", "status": str(ready)}]
    return {
        "metadata": about,
        "spec": {"nodeName": "n", "containers": [], **spec},
        "status": {"phase": "Running", "podIP": "10.64.0.1", "conditions": held},
    }


def _endpoint(of: Object, one: Object) -> Object:
    (made,) = endpoints.slices_of(of, [one], {"n": "a"})
    (found,) = made["endpoints"]
    result: Object = found
    return result


_PUBLISHES = {"publishNotReadyAddresses": True}


@pytest.mark.parametrize(
    ("spec", "ready", "going", "expected", "listed"),
    [
        ({}, True, False, (True, True, False), "addresses"),
        ({}, False, False, (False, False, False), "notReadyAddresses"),
        ({}, True, True, (False, True, True), ""),
        (_PUBLISHES, False, False, (True, False, False), "addresses"),
        (_PUBLISHES, True, True, (True, True, True), "addresses"),
    ],
    ids=["ready", "not ready", "terminating", "published", "published, terminating"],
)
def test_the_conditions_of_an_endpoint(
    spec: Object, ready: bool, going: bool, expected: tuple[bool, bool, bool], listed: str
) -> None:
    """Ready, serving, terminating; and where the older Endpoints list it, if they do."""
    of, one = service(**spec), pod(ready=ready, going=going)
    held = _endpoint(of, one)["conditions"]
    assert expected == (held["ready"], held["serving"], held["terminating"])
    subsets = endpoints.endpoints_of(of, [one]).get("subsets") or [{}]
    assert ({listed} - {""}) == subsets[0].keys() & {"addresses", "notReadyAddresses"}


def test_a_pod_of_a_stateful_set_has_a_name() -> None:
    """Its hostname, where its subdomain is the Service's name."""
    assert _endpoint(service(clusterIP="None"), pod(hostname="db-0", subdomain="web"))["hostname"] == "db-0"
    assert "hostname" not in _endpoint(service(), pod(hostname="db-0", subdomain="other"))


@pytest.mark.parametrize(
    ("near", "expected"),
    [
        (None, None),
        ("PreferClose", {"forZones": [{"name": "a"}]}),
        ("PreferSameZone", {"forZones": [{"name": "a"}]}),
        ("PreferSameNode", {"forZones": [{"name": "a"}], "forNodes": [{"name": "n"}]}),
    ],
)
def test_hints_say_from_where_an_endpoint_is_used(near: str | None, expected: Object | None) -> None:
    """By the Service's traffic distribution; the zone is the node's."""
    found = _endpoint(service(**({"trafficDistribution": near} if near else {})), pod())
    assert expected == found.get("hints")
    assert found["zone"] == "a"


def _many(*numbers: int) -> list[Object]:
    """Pods by their numbers."""
    made = [pod(f"p{number:04}") for number in numbers]
    for number, one in zip(numbers, made, strict=True):
        one["status"]["podIP"] = f"10.64.{number // 250}.{number % 250}"
    return made


def _sizes(found: list[Object]) -> dict[str, int]:
    return {str(one["metadata"]["name"]): len(one["endpoints"]) for one in found}


def test_a_slice_holds_a_hundred() -> None:
    """As many slices as it takes, each under a name of its own; one that is empty where nothing is behind a Service."""
    made = endpoints.slices_of(service(), _many(*range(250)))
    (empty,) = endpoints.slices_of(service(), [])
    assert sorted(_sizes(made).values()) == [50, 100, 100]
    assert empty["endpoints"] == []


def test_an_endpoint_stays_where_it_is() -> None:
    """What comes fills what changed, then what has room for all; what is empty goes, and nothing else is touched."""
    of = service()
    first = endpoints.slices_of(of, _many(*range(250)))
    fewer = endpoints.slices_of(of, _many(*range(1, 250)), there=first)
    more = endpoints.slices_of(of, _many(*range(1, 300)), there=fewer)
    none = endpoints.slices_of(of, [], there=more)
    assert _sizes(fewer) == {
        name: 99 if name == first[0]["metadata"]["name"] else n for name, n in _sizes(first).items()
    }
    assert fewer[1:] == first[1:]
    assert more[:2] == fewer[:2]
    assert _sizes(more)[more[2]["metadata"]["name"]] == 100
    assert [len(more), len(none)] == [3, 1]
    assert none[0]["metadata"]["name"] in _sizes(more)


def test_a_slice_serves_again_when_ports_change() -> None:
    """The name of a slice whose ports nobody has any more is taken for the new ones."""
    first = endpoints.slices_of(service(), _many(1, 2))
    other = service(ports=[{"port": 81, "targetPort": 81}])
    second = endpoints.slices_of(other, _many(1, 2), there=first)
    assert _sizes(second) == _sizes(first)
    assert second[0]["ports"] != first[0]["ports"]
