"""EndpointSlices that follow Endpoints which people write."""

from typing import Any

from tests.families.builtin.stage import Stage
from trueup.families.builtin.kinds import ENDPOINT_SLICE
from trueup.families.builtin.mirroring import slices_of
from trueup.kube.names import Kind, Object, Ref

_SERVICE: Object = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "db", "namespace": "default"},
    "spec": {"ports": [{"port": 80}]},
}


def _endpoints(*subsets: Object, **about: Any) -> Object:
    meta = {"name": "db", "namespace": "default", **about}
    return {"apiVersion": "v1", "kind": "Endpoints", "metadata": meta, "subsets": [*subsets]}


def _addresses(found: Object) -> list[str]:
    return [address for one in found["endpoints"] for address in one["addresses"]]


def test_ports_at_the_same_addresses_share_a_slice() -> None:
    """However the subsets are cut; addresses of another family and those with other ports have slices of their own."""
    found = slices_of(
        _endpoints(
            {"addresses": [{"ip": "10.1.2.3"}, {"ip": "fd00::1"}], "ports": [{"name": "a", "port": 80}]},
            {"addresses": [{"ip": "10.1.2.3"}, {"ip": "fd00::1"}], "ports": [{"name": "b", "port": 81}]},
            {"notReadyAddresses": [{"ip": "10.1.2.4", "hostname": "h"}], "ports": [{"port": 82}]},
            uid="u",
        )
    )
    expected = [("IPv4", ["a", "b"], ["10.1.2.3"]), ("IPv6", ["a", "b"], ["fd00::1"]), ("IPv4", [""], ["10.1.2.4"])]
    assert expected == [(one["addressType"], [p["name"] for p in one["ports"]], _addresses(one)) for one in found]
    assert found[2]["endpoints"] == [{"addresses": ["10.1.2.4"], "conditions": {"ready": False}, "hostname": "h"}]


async def test_a_slice_follows_its_endpoints_until_they_go() -> None:
    """It has their labels, keeps its name when addresses change, and goes with them."""
    async with Stage() as stage:
        await stage.create(_SERVICE)
        made = await stage.create(
            _endpoints({"addresses": [{"ip": "10.1.2.3"}], "ports": [{"port": 80}]}, labels={"team": "a"})
        )
        first = await _slice(stage, "10.1.2.3")
        assert first["metadata"]["labels"] == {
            "team": "a",
            "kubernetes.io/service-name": "db",
            "endpointslice.kubernetes.io/managed-by": "endpointslicemirroring-controller.k8s.io",
        }
        assert first["metadata"]["ownerReferences"][0]["kind"] == "Endpoints"
        await stage.client.update({**made, "subsets": [{"addresses": [{"ip": "10.2.3.4"}], "ports": [{"port": 80}]}]})
        second = await _slice(stage, "10.2.3.4")
        assert second["metadata"]["name"] == first["metadata"]["name"]
        await stage.client.delete(Ref(Kind("", "v1", "Endpoints"), "default", "db"))
        await stage.until(ENDPOINT_SLICE, second["metadata"]["name"], lambda one: one is None)


async def test_endpoints_that_ask_not_to_be_mirrored_are_left_alone() -> None:
    """As are those of leaders; a slice made before goes."""
    async with Stage() as stage:
        await stage.create(_SERVICE)
        subset = {"addresses": [{"ip": "10.1.2.3"}], "ports": [{"port": 80}]}
        made = await stage.create(_endpoints(subset))
        before = await _slice(stage, "10.1.2.3")
        marked = {**made["metadata"], "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}}
        await stage.client.update({**made, "metadata": marked})
        await stage.until(ENDPOINT_SLICE, before["metadata"]["name"], lambda one: one is None)


async def _slice(stage: Stage, address: str) -> Object:
    for _ in range(1000):
        found = [one for one in await stage.list(ENDPOINT_SLICE) if _addresses(one) == [address]]
        if found:
            return found[0]
        await stage.pause(0.05)
    raise AssertionError(f"no slice has the address {address}")
