"""Services: cluster addresses and node ports are given once, held, and free again when their holder is gone."""

import json
from pathlib import Path

import pytest

from tests.rooms.apiserver.web import SERVICE, Clock, ref, service
from trueup.apiserver.hub import Hub
from trueup.apiserver.inprocess import InProcessClient
from trueup.apiserver.opening import open_hub
from trueup.kube.names import Kind, Object, Ref
from trueup.kube.problems import AlreadyExists, Invalid
from trueup.kube.types import load


def ports(obj: Object) -> list[int | None]:
    return [port.get("nodePort") for port in obj["spec"]["ports"]]


async def test_each_service_has_an_address_of_its_own(client: InProcessClient) -> None:
    """In the cluster's network, as address and as list."""
    one, other = [(await client.create(service(name)))["spec"] for name in ("one", "other")]

    assert (one["clusterIP"], one["clusterIPs"]) == ("10.96.1.0", ["10.96.1.0"])
    assert other["clusterIP"] == "10.96.1.1"
    assert (one["ipFamilies"], one["ipFamilyPolicy"], one["type"]) == (["IPv4"], "SingleStack", "ClusterIP")


@pytest.mark.parametrize(
    ("spec", "address"),
    [({"clusterIP": "None"}, "None"), ({"clusterIP": "10.96.0.10"}, "10.96.0.10"),
     ({"type": "ExternalName", "externalName": "example.com"}, None)],
)  # fmt: skip
async def test_addresses_that_are_asked_for(client: InProcessClient, spec: Object, address: str | None) -> None:
    """Headless, by number, and none for a name outside."""
    made = await client.create(service("a", **spec))

    assert made["spec"].get("clusterIP") == address


async def test_an_address_stays_through_updates(client: InProcessClient) -> None:
    """Whether the update knows of it or not; it cannot be changed."""
    made = await client.create(service("a"))

    updated = await client.update(service("a", ports=[{"port": 81}]))
    with pytest.raises(Invalid, match="may not change once set"):
        await client.update(service("a", clusterIP="10.96.7.7"))

    assert updated["spec"]["clusterIP"] == made["spec"]["clusterIP"]


async def test_an_address_is_held_by_one(client: InProcessClient) -> None:
    """A second is refused, and the refusal does not free it."""
    await client.create(service("a", clusterIP="10.96.0.10"))

    for name in ("b", "c"):
        with pytest.raises(Invalid, match="provided IP is already allocated"):
            await client.create(service(name, clusterIP="10.96.0.10"))


async def test_an_address_is_free_when_its_holder_is_gone(client: InProcessClient) -> None:
    """By deletion, or because it never came to be."""
    await client.create(service("a", clusterIP="10.96.0.10"))
    await client.delete(ref("a", SERVICE))
    with pytest.raises(Invalid):
        await client.create(service("Not A Name", clusterIP="10.96.0.10"))
    await client.create(service("b"))
    with pytest.raises(AlreadyExists):
        await client.create(service("b", clusterIP="10.96.0.10"))
    await client.create(service("c", clusterIP="10.96.0.10"), dry_run=True)

    assert (await client.create(service("d", clusterIP="10.96.0.10")))["spec"]["clusterIP"] == "10.96.0.10"


async def test_node_ports_are_given_kept_and_freed(client: InProcessClient) -> None:
    """As the type asks for them; a port keeps its node port by name, number and protocol."""
    both = [{"name": "a", "port": 80}, {"name": "b", "port": 81}]
    made = await client.create(service("web", type="NodePort", ports=both))
    fewer = await client.update(service("web", type="NodePort", ports=both[1:]))
    taken = await client.create(service("other", type="NodePort", ports=[{"port": 1, "nodePort": ports(made)[0]}]))
    none = await client.update(service("web", ports=both))

    first, second = ports(made)
    assert first != second
    assert (ports(fewer), ports(taken), ports(none)) == ([second], [first], [None, None])


async def test_a_node_port_is_held_by_one(client: InProcessClient) -> None:
    """The refusal names the port's place."""
    await client.create(service("a", type="NodePort", ports=[{"port": 1, "nodePort": 30500}]))

    with pytest.raises(Invalid, match="provided port is already allocated") as refused:
        await client.create(service("b", type="NodePort", ports=[{"port": 1, "nodePort": 30500}]))

    assert [cause.field for cause in refused.value.causes] == ["spec.ports[0].nodePort"]


async def test_a_load_balancer_may_do_without_node_ports(client: InProcessClient) -> None:
    """And gets a port for its health checks where traffic stays local."""
    without = await client.create(service("a", type="LoadBalancer", allocateLoadBalancerNodePorts=False))
    local = await client.create(service("b", type="LoadBalancer", externalTrafficPolicy="Local"))

    assert ports(without) == [None]
    assert local["spec"]["healthCheckNodePort"] not in (None, *ports(local))


async def test_what_is_held_is_known_after_a_restart(client: InProcessClient, hub: Hub, clock: Clock) -> None:
    """It is read from the stored Services."""
    await client.create(service("a", type="NodePort", clusterIP="10.96.0.10", ports=[{"port": 1, "nodePort": 30500}]))
    other = await open_hub(hub.store, load(), clock)
    again = InProcessClient(other)

    with pytest.raises(Invalid, match="provided IP is already allocated"):
        await again.create(service("b", clusterIP="10.96.0.10"))
    with pytest.raises(Invalid, match="provided port is already allocated"):
        await again.create(service("b", type="NodePort", ports=[{"port": 1, "nodePort": 30500}]))
    await other.close()


async def test_what_belongs_to_a_type_goes_with_it(client: InProcessClient) -> None:
    """Where nobody asked for anything else."""
    await client.create(service("web", type="NodePort"))
    stored = await client.get(ref("web", SERVICE))
    spec = {**stored["spec"], "type": "ExternalName", "externalName": "example.com"}
    changed = (await client.update({**stored, "spec": spec}))["spec"]

    assert "externalTrafficPolicy" not in changed
    assert "clusterIP" not in changed
    assert "nodePort" not in changed["ports"][0]


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"clusterIP": "10.0.0.1000"}, "must be a valid IP address"),
        ({"clusterIP": "192.168.77.1"}, "the provided network does not match the current range"),
        ({"clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.8"]}, "first value must match `clusterIP`"),
        ({"clusterIPs": ["10.96.0.8"]}, "must be empty when `clusterIP` is not specified"),
        ({"clusterIP": "10.96.0.8", "ipFamilies": ["IPv6"]}, "expected an IPv6 value as indicated"),
        ({"ipFamilies": ["IPv5"]}, 'supported values: "IPv4", "IPv6"'),
    ],
)
async def test_addresses_that_cannot_be(client: InProcessClient, spec: Object, why: str) -> None:
    """No address at all, one of another network, and addresses and families that contradict each other."""
    with pytest.raises(Invalid, match=why):
        await client.create(service("a", **spec))


async def test_what_a_dry_run_says_of_ranges(client: InProcessClient) -> None:
    """Another sentence about addresses than when it is meant, and nothing about ports: as kube-apiserver answers."""
    ports = [{"port": 80, "nodePort": 80}]
    made = await client.create(service("a", type="NodePort", ports=ports), dry_run=True)
    assert made["spec"]["ports"][0]["nodePort"] == 80
    with pytest.raises(Invalid, match=r"the provided IP \(1\.2\.3\.4\) is not in the valid range"):
        await client.create(service("a", clusterIP="1.2.3.4"), dry_run=True)


@pytest.mark.parametrize("port", [80, 29999, 32768])
async def test_a_node_port_is_in_its_range(client: InProcessClient, port: int) -> None:
    """From 30000 to 32767, for new Services and for changed ones."""
    wanted = [{"port": 80, "nodePort": port}]
    text = f"{port}: provided port is not in the valid range. The range of valid ports is 30000-32767"
    with pytest.raises(Invalid, match=text):
        await client.create(service("a", type="NodePort", ports=wanted))
    made = await client.create(service("b", type="NodePort", ports=[{"port": 80}]))
    with pytest.raises(Invalid, match=text):
        await client.update({**made, "spec": {**made["spec"], "ports": wanted}})


async def test_what_is_wrong_is_said_as_by_kubernetes(client: InProcessClient) -> None:
    """Each Service that Kubernetes refuses is refused in its words."""
    rows = [json.loads(line) for line in (Path(__file__).parent / "wrong_services.jsonl").read_text().splitlines()]
    differing = []
    for row in rows:
        obj = service("a", **row["spec"])
        obj["metadata"]["annotations"] = row.get("annotations", {})
        with pytest.raises(Invalid) as refused:
            await client.create(obj)
        told = str(refused.value).partition(" is invalid: ")[2]
        if told != row["says"]:
            differing.append((row["says"], told))

    print(f"{len(rows) - len(differing)} of {len(rows)}")
    assert differing == []


async def test_addresses_of_ranges_that_were_added(client: InProcessClient, hub: Hub) -> None:
    """They can be asked for once the range is ready, and not when it is on its way out."""
    more = Kind("networking.k8s.io", "v1", "ServiceCIDR")
    await client.create(
        {
            "apiVersion": more.api_version,
            "kind": more.kind,
            "metadata": {"name": "more", "finalizers": ["a.b/c"]},
            "spec": {"cidrs": ["10.200.0.0/24"]},
        }
    )
    with pytest.raises(Invalid, match="does not match the current range"):
        await client.create(service("early", clusterIP="10.200.0.7"))
    ready = {"type": "Ready", "status": "True", "reason": "", "message": "", "lastTransitionTime": hub.now()}
    await client.patch(Ref(more, "", "more"), {"status": {"conditions": [ready]}}, "merge", subresource="status")
    made = await client.create(service("a", clusterIP="10.200.0.7"))
    await client.delete(Ref(more, "", "more"))
    with pytest.raises(Invalid, match="does not match the current range"):
        await client.create(service("late", clusterIP="10.200.0.8"))

    assert made["spec"]["clusterIPs"] == ["10.200.0.7"]
