"""Definitions become served kinds, and go with all that was made of them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.rooms.apiserver.opened import custom, definition, opened
from tests.rooms.runtime.waiting import until
from trueup.apiserver.hub import Hub
from trueup.apiserver.inprocess import InProcessClient
from trueup.kube.names import Kind, Object, Ref
from trueup.kube.problems import Invalid, MethodNotAllowed, NotFound

CRD = Kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition")
TAB = Kind("stable.example.com", "v1", "CronTab")
NAME = Ref(CRD, "", "crontabs.stable.example.com")


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    """A fresh cluster."""
    async with opened() as made:
        yield made


@pytest.fixture
def client(hub: Hub) -> InProcessClient:
    """Its administrator."""
    return InProcessClient(hub)


def conditions(obj: Object) -> dict[str, str]:
    """Type to status."""
    return {c["type"]: c["status"] for c in obj["status"]["conditions"]}


async def test_definition_is_served_at_once(client: InProcessClient) -> None:
    """The kind can be used as soon as its definition is stored, which says that it is established."""
    made = await client.create(definition())
    stored = await client.create(custom())
    assert conditions(made) == {"NamesAccepted": "True", "Established": "True"}
    assert made["status"]["storedVersions"] == ["v1"]
    assert stored["metadata"]["generation"] == 1


async def test_names_of_another_definition_are_refused(client: InProcessClient) -> None:
    """Two definitions of a group never share a kind: the second is stored, says why, and is not served."""
    await client.create(definition())
    second = await client.create(definition("cronies", "CronTab"))
    assert conditions(second) == {"NamesAccepted": "False", "Established": "False"}
    assert second["status"]["conditions"][0]["message"] == '"crontab" is already in use'


async def test_name_must_be_plural_and_group(client: InProcessClient) -> None:
    """``metadata.name`` follows from the names."""
    wrong = definition()
    wrong["metadata"]["name"] = "tabs.stable.example.com"
    with pytest.raises(Invalid, match=r"must be spec.names.plural"):
        await client.create(wrong)


MISTAKES = {
    "group": (
        ("spec", "group", "example"),
        'spec.group: Invalid value: "example": should be a domain with at least one dot',
    ),
    "protected group": (("spec", "group", "things.k8s.io"), "protected groups must have approval annotation"),
    "scope": (
        ("spec", "scope", "Odd"),
        'spec.scope: Unsupported value: "Odd": supported values: "Cluster", "Namespaced"',
    ),
    "plural": (
        ("spec", "names", {"plural": "Tabs", "kind": "Tab"}),
        'spec.names.plural: Invalid value: "Tabs": a DNS-1035 label',
    ),
    "kind": (
        ("spec", "names", {"plural": "tabs", "kind": "my_tab"}),
        "may have mixed case, but should otherwise match",
    ),
    "versions": (("spec", "versions", []), "must have exactly one version marked as storage version"),
}


@pytest.mark.parametrize("case", MISTAKES)
async def test_mistakes_are_named(client: InProcessClient, case: str) -> None:
    """A definition that cannot be served is refused, by field."""
    (part, field, value), expected = MISTAKES[case]
    wrong = definition()
    wrong[part][field] = value
    with pytest.raises(Invalid) as caught:
        await client.create(wrong)
    assert expected in caught.value.message


async def test_schema_prunes_fills_and_checks(client: InProcessClient) -> None:
    """Unknown fields go, defaults come, wrong values are refused in Kubernetes' words."""
    spec = {
        "type": "object",
        "properties": {"replicas": {"type": "integer", "default": 1, "maximum": 5}, "name": {"type": "string"}},
    }
    await client.create(definition(spec=spec))
    made = await client.create(custom(name="a", unknown=True))
    assert made["spec"] == {"replicas": 1}
    with pytest.raises(Invalid) as caught:
        await client.create(custom("two", replicas="x"))
    expected = (
        'CronTab.stable.example.com "two" is invalid: spec.replicas: Invalid value: "string": '
        'spec.replicas in body must be of type integer: "string"'
    )
    assert expected == caught.value.message


async def test_deleting_a_definition_deletes_its_objects(hub: Hub, client: InProcessClient) -> None:
    """The definition stays until the last object is gone, takes no new ones, and then the kind is unknown."""
    await client.create(definition())
    held = custom("held")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    await client.create(held)
    await client.create(custom("free"))
    await client.delete(NAME)
    bucket = hub.store.bucket("crontabs.stable.example.com")
    await until(lambda: [name for _, name, _ in bucket.scan()] == ["held"])
    assert conditions(await client.get(NAME))["Terminating"] == "True"
    with pytest.raises(MethodNotAllowed, match="while custom resource definition is terminating"):
        await client.create(custom("late"))
    await client.patch(Ref(TAB, "default", "held"), {"metadata": {"finalizers": None}}, "merge")
    await until(lambda: hub.registry.of_kind(TAB) is None)
    with pytest.raises(NotFound):
        await client.get(NAME)


async def test_versions_differ_in_name_alone(client: InProcessClient) -> None:
    """Without conversion, every served version shows every object."""
    made = definition()
    made["spec"]["versions"].append({**made["spec"]["versions"][0], "name": "v2", "storage": False})
    await client.create(made)
    await client.create(custom())
    read = await client.get(Ref(Kind("stable.example.com", "v2", "CronTab"), "default", "one"))
    assert read["apiVersion"] == "stable.example.com/v2"


async def test_update_keeps_what_the_status_said(client: InProcessClient) -> None:
    """Applying a definition again does not make it new: its conditions keep their times."""
    first = await client.create(definition())
    changed = definition()
    changed["spec"]["names"]["shortNames"] = ["ct"]
    changed["status"] = {"conditions": [], "storedVersions": [], "acceptedNames": {"kind": "", "plural": ""}}
    second = await client.apply(changed, manager="helm")
    assert second["status"]["conditions"] == first["status"]["conditions"]
    assert second["status"]["acceptedNames"]["shortNames"] == ["ct"]


async def test_what_is_stored_gets_defaults_that_come_later(client: InProcessClient) -> None:
    """On reading, in lists too; a default that is taken away leaves what was written with it."""
    schema = {"type": "object", "properties": {"size": {"type": "string"}}}
    await client.create(definition(spec=schema))
    await client.create(custom("old"))
    made = {"type": "object", "properties": {"size": {"type": "string", "default": "big"}}, "default": {}}
    changed = {"spec": {"versions": definition(spec=made)["spec"]["versions"]}}
    await client.patch(NAME, changed, "merge")

    assert (await client.get(Ref(TAB, "default", "old")))["spec"] == {"size": "big"}
    assert [one["spec"] for one in (await client.list(TAB, "default")).items] == [{"size": "big"}]
