"""What every cluster has from the start: roles, bindings, flow control, API services."""

from __future__ import annotations

import pytest

from tests.rooms.apiserver.web import Clock, service, until
from trueup.apiserver.bootstrap import roles
from trueup.apiserver.hub import Hub
from trueup.apiserver.inprocess import InProcessClient
from trueup.apiserver.itself import Identity
from trueup.apiserver.opening import open_hub
from trueup.kube.names import Kind, Object, Ref
from trueup.kube.types import VERSIONS, load
from trueup.store.log import MemoryLog
from trueup.store.state import Store

RBAC = "rbac.authorization.k8s.io"
ROLE = Kind(RBAC, "v1", "ClusterRole")
BINDING = Kind(RBAC, "v1", "ClusterRoleBinding")
SERVICE = Kind("apiregistration.k8s.io", "v1", "APIService")
COUNTS = {30: 123, 31: 123, 32: 123, 33: 127, 34: 131, 35: 131, 36: 133, 37: 141}
"""Roles and bindings of each version, as its kube-apiserver makes them."""


async def names(client: InProcessClient, kind: Kind) -> set[str]:
    return {str(obj["metadata"]["name"]) for obj in (await client.list(kind)).items}


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_has_its_roles(version: str) -> None:
    """As many as its kube-apiserver makes; every role that a binding names is there, gathered rules come from labels."""
    minor = int(version.removeprefix("1."))
    made, bound = roles.roles(minor), roles.bindings(minor)
    known = {(role["kind"], role["metadata"].get("namespace"), role["metadata"]["name"]) for role in made}
    assert len(made) + len(bound) == COUNTS[minor]
    for binding in bound:
        ref = binding["roleRef"]
        space = binding["metadata"].get("namespace") if ref["kind"] == "Role" else None
        assert (ref["kind"], space, ref["name"]) in known
    view = next(role for role in made if role["metadata"]["name"] == "view")
    assert ("resource.k8s.io" in str(view["rules"])) == (minor >= 34)


async def test_rules_are_gathered_when_a_role_appears(hub: Hub, client: InProcessClient) -> None:
    """And let go with it; ``admin`` has what ``edit`` has."""
    made: Object = {
        "apiVersion": ROLE.api_version,
        "kind": "ClusterRole",
        "metadata": {"name": "crontab-editor", "labels": {f"{RBAC}/aggregate-to-edit": "true"}},
        "rules": [{"apiGroups": ["stable.example.com"], "resources": ["crontabs"], "verbs": ["get"]}],
    }

    def rules(name: str) -> list[Object]:
        entry = hub.store.bucket(f"clusterroles.{RBAC}").get("", name)
        assert entry is not None
        return list(entry.obj["rules"])

    await client.create(made)
    await until(lambda: made["rules"][0] in rules("edit") and made["rules"][0] in rules("admin"))
    assert made["rules"][0] not in rules("view")
    managers = [entry["manager"] for entry in (await client.get(Ref(ROLE, "", "edit")))["metadata"]["managedFields"]]
    assert "clusterrole-aggregation-controller" in managers
    await client.delete(Ref(ROLE, "", "crontab-editor"))
    await until(lambda: made["rules"][0] not in rules("edit") and made["rules"][0] not in rules("admin"))


async def test_a_start_gives_back_what_is_missing(clock: Clock) -> None:
    """Rules and subjects, whole objects too; what was added stays, and what must not be updated is left alone."""
    log = MemoryLog()
    hub = await open_hub(Store(log), load(), clock)
    client = InProcessClient(hub)
    extra = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}
    await client.patch(Ref(ROLE, "", "system:discovery"), {"rules": [extra]}, "merge")
    mine = {"metadata": {"annotations": {roles.AUTOUPDATE: "false"}}, "rules": []}
    await client.patch(Ref(ROLE, "", "system:basic-user"), mine, "merge")
    await client.patch(Ref(BINDING, "", "system:discovery"), {"subjects": None}, "merge")
    await client.delete(Ref(ROLE, "", "system:node"))
    from trueup.apiserver.bootstrap.seed import seed

    await seed(hub)
    role = await client.get(Ref(ROLE, "", "system:discovery"))
    assert (role["rules"][0], len(role["rules"])) == (extra, 2)
    assert not (await client.get(Ref(ROLE, "", "system:basic-user"))).get("rules")
    subjects = (await client.get(Ref(BINDING, "", "system:discovery")))["subjects"]
    assert [subject["name"] for subject in subjects] == ["system:authenticated"]
    assert "system:node" in await names(client, ROLE)
    await hub.close()


async def test_custom_groups_have_api_services(hub: Hub, client: InProcessClient) -> None:
    """For as long as their definition is there."""
    from tests.rooms.apiserver.opened import definition

    assert {"v1.", "v1.apps", "v2.autoscaling"} <= await names(client, SERVICE)
    await client.create(definition())
    services = hub.store.bucket("apiservices.apiregistration.k8s.io")
    await until(lambda: services.get("", "v1.stable.example.com") is not None)
    service = await client.get(Ref(SERVICE, "", "v1.stable.example.com"))
    assert service["spec"] == {
        "group": "stable.example.com",
        "groupPriorityMinimum": 1000,
        "version": "v1",
        "versionPriority": 100,
    }
    crd = Kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition")
    await client.delete(Ref(crd, "", "crontabs.stable.example.com"))
    await until(lambda: services.get("", "v1.stable.example.com") is None)


async def test_flow_control_is_there(client: InProcessClient) -> None:
    """Its schemas name levels that exist."""
    group = "flowcontrol.apiserver.k8s.io"
    levels = await names(client, Kind(group, "v1", "PriorityLevelConfiguration"))
    schemas = (await client.list(Kind(group, "v1", "FlowSchema"))).items
    assert (len(levels), len(schemas)) == (8, 11)
    assert {schema["spec"]["priorityLevelConfiguration"]["name"] for schema in schemas} <= levels
    assert {schema["status"]["conditions"][0]["status"] for schema in schemas} == {"False"}


async def test_addresses_of_services_are_objects(hub: Hub, client: InProcessClient) -> None:
    """For as long as a Service holds them."""
    made = await client.create(service("web"))
    address = made["spec"]["clusterIP"]
    stored = hub.store.bucket("ipaddresses.networking.k8s.io")
    await until(lambda: stored.get("", address) is not None)
    found = await client.get(Ref(Kind("networking.k8s.io", "v1", "IPAddress"), "", address))
    assert found["spec"] == {"parentRef": {"name": "web", "namespace": "default", "resource": "services"}}
    await client.delete(Ref.of(made))
    await until(lambda: stored.get("", address) is None)


async def test_the_server_holds_a_lease(hub: Hub, clock: Clock) -> None:
    """By which others know that it is there; renewed, it stays the same one."""
    identity, leases = Identity(hub, "vm"), hub.store.bucket("leases.coordination.k8s.io")
    times = []
    for _ in range(2):
        await identity.renew()
        clock.seconds += 1200
        entry = leases.get("kube-system", "apiserver-lphjr5z7h3imqn7sokpnsue3ha")
        assert entry is not None
        assert entry.obj["spec"]["leaseDurationSeconds"] == 3600
        times.append((entry.obj["metadata"]["uid"], entry.obj["spec"]["renewTime"]))
    assert times[0][0] == times[1][0]
    assert [time for _, time in times] == ["2027-01-15T08:00:00.000000Z", "2027-01-15T08:20:00.000000Z"]
