"""What every ``ports.Client`` must do: one suite for the in-process client, for HTTP, and for a genuine Kubernetes."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path

import pytest

from trueup.app.embedded import embedded
from trueup.client.http import HttpClient
from trueup.client.kubeconfig import load
from trueup.kube.names import Key, Kind, Object, Ref
from trueup.kube.problems import AlreadyExists, BadRequest, Conflict, Forbidden, Invalid, NotFound
from trueup.ports import Client, WatchEvent
from trueup.runtime.clock import SystemClock
from trueup.settings import Settings

MAP = Kind("", "v1", "ConfigMap")
NAMESPACE = Kind("", "v1", "Namespace")
DEPLOYMENT = Kind("apps", "v1", "Deployment")
CRD = Kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition")
ME = "conformance"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test runs against every implementation at hand."""
    if "client" in metafunc.fixturenames:
        genuine = ["kubernetes"] if metafunc.config.getoption("--kubeconfig") else []
        metafunc.parametrize("client", ["in-process", "http", *genuine], indirect=True)


@pytest.fixture
async def client(request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    """Each implementation over a fresh cluster; a genuine one where ``--kubeconfig`` names it."""
    async with AsyncExitStack() as stack:
        if request.param == "kubernetes":
            genuine = await HttpClient.connect(load(Path(request.config.getoption("--kubeconfig"))))
            stack.push_async_callback(genuine.close)
            yield genuine
            return
        cluster = await stack.enter_async_context(embedded(Settings(state=None, port=0), SystemClock()))
        if request.param == "in-process":
            yield cluster.client
            return
        http = await HttpClient.connect(load(cluster.kubeconfig))
        stack.push_async_callback(http.close)
        yield http


@pytest.fixture
async def space(client: Client) -> AsyncIterator[str]:
    """A namespace of one's own."""
    name = f"conformance-{uuid.uuid4().hex[:8]}"
    await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    await client.delete(Ref(NAMESPACE, "", name), propagation="Background")


def config_map(space: str, name: str, labels: dict[str, str] | None = None, **data: str) -> Object:
    """A ConfigMap."""
    meta: Object = {"name": name, "namespace": space}
    if labels:
        meta["labels"] = labels
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


def deployment(space: str, name: str) -> Object:
    """A Deployment of no pods."""
    labels = {"app": name}
    pod = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "main", "image": "registry.invalid/app:1"}]},
    }
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": pod}
    meta = {"name": name, "namespace": space}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}


def ref(space: str, name: str, kind: Kind = MAP) -> Ref:
    """Where an object is."""
    return Ref(kind, space, name)


# --- create and get ---


async def test_what_is_created_can_be_read(client: Client, space: str) -> None:
    """With uid, resource version, time of birth and the manager of its fields."""
    created = await client.create(config_map(space, "a", hello="world"), manager=ME)
    assert Ref.of(created) == ref(space, "a")
    assert created["metadata"]["uid"]
    assert created["metadata"]["creationTimestamp"]
    assert [f["manager"] for f in created["metadata"]["managedFields"]] == [ME]
    assert await client.get(ref(space, "a")) == created


async def test_objects_handed_in_are_not_kept(client: Client, space: str) -> None:
    """What the caller does to its object afterwards changes nothing."""
    mine = config_map(space, "a", x="1")
    await client.create(mine)
    assert "uid" not in mine["metadata"]
    mine["data"]["x"] = "changed"
    assert (await client.get(ref(space, "a")))["data"] == {"x": "1"}


async def test_names_are_made_up_on_request(client: Client, space: str) -> None:
    """``generateName`` gets five further characters."""
    obj = config_map(space, "")
    obj["metadata"] = {"generateName": "run-", "namespace": space}
    created = await client.create(obj)
    assert created["metadata"]["name"].startswith("run-")
    assert len(created["metadata"]["name"]) == len("run-") + 5


async def test_a_second_create_is_refused(client: Client, space: str) -> None:
    """The object that is there stays."""
    await client.create(config_map(space, "a", x="1"))
    with pytest.raises(AlreadyExists, match=r'configmaps "a" already exists'):
        await client.create(config_map(space, "a", x="2"))


async def test_what_is_not_there_is_not_found(client: Client, space: str) -> None:
    """Objects by name, and kinds that nobody serves."""
    with pytest.raises(NotFound, match=r'configmaps "nobody" not found') as found:
        await client.get(ref(space, "nobody"))
    assert found.value.details["name"] == "nobody"
    with pytest.raises(NotFound):
        await client.delete(ref(space, "nobody"))
    with pytest.raises(NotFound):
        await client.patch(ref(space, "nobody"), {"data": {"x": "1"}}, "merge")
    unknown = Kind("nobody.example.com", "v1", "Nothing")
    with pytest.raises(NotFound):
        await client.get(ref(space, "x", unknown))
    with pytest.raises(NotFound):
        await client.list(unknown)
    with pytest.raises(NotFound):
        await client.create({"apiVersion": "nobody.example.com/v1", "kind": "Nothing", "metadata": {"name": "x"}})


async def test_an_invalid_object_names_its_fields(client: Client, space: str) -> None:
    """``causes`` say where."""
    with pytest.raises(Invalid) as refused:
        await client.create(config_map(space, "Not_A_Name"))
    assert [cause.field for cause in refused.value.causes] == ["metadata.name"]
    bad = deployment(space, "bad")
    bad["spec"]["template"]["spec"]["containers"] = []
    with pytest.raises(Invalid) as refused:
        await client.create(bad)
    assert "spec.template.spec.containers" in [cause.field for cause in refused.value.causes]


async def test_a_namespace_that_is_not_there_is_not_found(client: Client) -> None:
    """Nothing is created in it."""
    with pytest.raises(NotFound, match="nowhere"):
        await client.create(config_map("nowhere", "a"))


async def test_a_dry_run_leaves_nothing(client: Client, space: str) -> None:
    """The answer shows what would be; nothing is kept."""
    would = await client.create(config_map(space, "a"), dry_run=True)
    assert would["metadata"]["name"] == "a"
    with pytest.raises(NotFound):
        await client.get(ref(space, "a"))
    await client.create(config_map(space, "a", x="1"))
    would = await client.apply(config_map(space, "a", x="2"), manager=ME, dry_run=True)
    assert would["data"] == {"x": "2"}
    await client.delete(ref(space, "a"), dry_run=True)
    assert (await client.get(ref(space, "a")))["data"] == {"x": "1"}


# --- update and patch ---


async def test_a_stale_update_is_a_conflict(client: Client, space: str) -> None:
    """Who read before another wrote must read again; without a version the last one wins."""
    first = await client.create(config_map(space, "a", x="1"))
    second = await client.update({**first, "data": {"x": "2"}})
    assert second["metadata"]["resourceVersion"] != first["metadata"]["resourceVersion"]
    with pytest.raises(Conflict):
        await client.update({**first, "data": {"x": "3"}})
    blind = {k: v for k, v in first["metadata"].items() if k in ("name", "namespace")}
    assert (await client.update({**first, "metadata": blind, "data": {"x": "4"}}))["data"] == {"x": "4"}


async def test_a_change_of_nothing_is_no_change(client: Client, space: str) -> None:
    """The resource version stays, and no watcher is woken."""
    first = await client.create(config_map(space, "a", x="1"), manager=ME)
    again = await client.patch(ref(space, "a"), {"data": {"x": "1"}}, "merge", manager=ME)
    assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


async def test_all_kinds_of_patches(client: Client, space: str) -> None:
    """JSON patch, merge patch, strategic merge patch."""
    await client.create(config_map(space, "a", x="1", y="2"))
    where = ref(space, "a")
    patched = await client.patch(where, [{"op": "replace", "path": "/data/x", "value": "json"}], "json")
    assert patched["data"] == {"x": "json", "y": "2"}
    patched = await client.patch(where, {"data": {"y": None, "z": "merge"}}, "merge")
    assert patched["data"] == {"x": "json", "z": "merge"}
    await client.create(deployment(space, "web"))
    more = {"spec": {"template": {"spec": {"containers": [{"name": "side", "image": "registry.invalid/side:1"}]}}}}
    merged = await client.patch(ref(space, "web", DEPLOYMENT), more, "strategic")
    names = [container["name"] for container in merged["spec"]["template"]["spec"]["containers"]]
    assert sorted(names) == ["main", "side"]
    with pytest.raises((Invalid, BadRequest)):
        await client.patch(where, [{"op": "test", "path": "/data/x", "value": "other"}], "json")


async def test_apply_creates_changes_and_removes(client: Client, space: str) -> None:
    """Fields that one's apply no longer names go."""
    created = await client.apply(config_map(space, "a", x="1", y="2"), manager=ME)
    assert created["metadata"]["managedFields"][0]["operation"] == "Apply"
    changed = await client.apply(config_map(space, "a", x="3"), manager=ME)
    assert changed["data"] == {"x": "3"}


async def test_apply_conflicts_unless_forced(client: Client, space: str) -> None:
    """A field of another manager's is named in the causes; force takes it over."""
    await client.apply(config_map(space, "a", x="1"), manager="first")
    with pytest.raises(Conflict) as refused:
        await client.apply(config_map(space, "a", x="2"), manager="second", force=False)
    assert [(c.reason, c.field) for c in refused.value.causes] == [("FieldManagerConflict", ".data.x")]
    taken = await client.apply(config_map(space, "a", x="2"), manager="second", force=True)
    assert taken["data"] == {"x": "2"}


async def test_status_is_apart(client: Client, space: str) -> None:
    """An update leaves status alone; the subresource leaves all else alone."""
    await client.create(deployment(space, "web"))
    where = ref(space, "web", DEPLOYMENT)
    told = {"type": "Tested", "status": "True", "reason": "Test", "message": "by a test"}
    await client.patch(
        where, {"status": {"conditions": [told]}, "spec": {"paused": True}}, "merge", subresource="status"
    )
    found = await client.get(where)
    assert "paused" not in found["spec"]
    assert "Tested" in [condition["type"] for condition in found["status"]["conditions"]]
    await client.patch(where, {"spec": {"paused": True}, "status": {"conditions": []}}, "merge")
    found = await client.get(where)
    assert found["spec"]["paused"] is True
    assert "Tested" in [condition["type"] for condition in found["status"]["conditions"]]


# --- delete ---


async def test_delete_minds_its_conditions(client: Client, space: str) -> None:
    """Another uid or version is a conflict and deletes nothing."""
    created = await client.create(config_map(space, "a"))
    with pytest.raises(Conflict):
        await client.delete(ref(space, "a"), uid="00000000-0000-0000-0000-000000000000")
    with pytest.raises(Conflict):
        await client.delete(ref(space, "a"), revision="1")
    meta = created["metadata"]
    await client.delete(ref(space, "a"), uid=meta["uid"], revision=meta["resourceVersion"])
    with pytest.raises(NotFound):
        await client.get(ref(space, "a"))


async def test_finalizers_hold_an_object(client: Client, space: str) -> None:
    """It is marked, and goes when the last finalizer does."""
    obj = config_map(space, "a")
    obj["metadata"]["finalizers"] = ["example.com/hold"]
    await client.create(obj)
    await client.delete(ref(space, "a"))
    held = await client.get(ref(space, "a"))
    assert held["metadata"]["deletionTimestamp"]
    await client.patch(ref(space, "a"), {"metadata": {"finalizers": None}}, "merge")
    with pytest.raises(NotFound):
        await client.get(ref(space, "a"))


# --- list and watch ---


async def test_lists_come_in_pages(client: Client, space: str) -> None:
    """Every object once, over all pages; each says what it is."""
    for n in range(5):
        await client.create(config_map(space, f"m{n}"))
    names, page, pages = [], "", 0
    while True:
        listing = await client.list(MAP, space, limit=2, page=page)
        names += [obj["metadata"]["name"] for obj in listing.items]
        assert {Kind.of(obj) for obj in listing.items} <= {MAP}
        page, pages = listing.next_page, pages + 1
        if not page:
            break
    assert [name for name in names if name.startswith("m")] == [f"m{n}" for n in range(5)]
    assert pages >= 3


async def test_lists_are_narrowed(client: Client, space: str) -> None:
    """By labels, by fields, by namespace."""
    await client.create(config_map(space, "red", {"colour": "red"}))
    await client.create(config_map(space, "blue", {"colour": "blue"}))

    async def names(**selectors: str) -> list[str]:
        return [obj["metadata"]["name"] for obj in (await client.list(MAP, space, **selectors)).items]  # type: ignore[arg-type]

    assert await names(labels="colour=red") == ["red"]
    assert sorted(await names(labels="colour in (red,blue)")) == ["blue", "red"]
    assert await names(labels="colour,colour!=red") == ["blue"]
    assert await names(fields="metadata.name=blue") == ["blue"]
    everywhere = {Key.of(obj) for obj in (await client.list(MAP)).items}
    assert {Key(space, "red"), Key(space, "blue")} <= everywhere
    assert await client.list(NAMESPACE, fields=f"metadata.name={space}")
    with pytest.raises(BadRequest):
        await names(labels="a b c")


async def test_a_watch_tells_what_came_after(client: Client, space: str) -> None:
    """Every change after the revision, in order, and none before it."""
    await client.create(config_map(space, "old"))
    revision = (await client.list(MAP, space)).revision
    await client.create(config_map(space, "a", x="1"))
    heard: list[str] = []
    async with _watching(client.watch(MAP, space, revision=revision)) as events:
        async for event in events:
            if event.type == "BOOKMARK":
                continue
            if event.object["metadata"]["name"] == "kube-root-ca.crt":
                continue  # a genuine one's controllers put it into every namespace
            heard.append(f"{event.type} {event.object['metadata']['name']} {event.object.get('data')}")
            assert Kind.of(event.object) == MAP
            if len(heard) == 1:  # the rest happens while it is being watched
                await client.patch(ref(space, "a"), {"data": {"x": "2"}}, "merge")
                await client.delete(ref(space, "a"))
            if len(heard) == 3:
                break
    assert heard == ["ADDED a {'x': '1'}", "MODIFIED a {'x': '2'}", "DELETED a {'x': '2'}"]


async def test_a_narrow_watch_tells_what_enters_and_leaves(client: Client, space: str) -> None:
    """An object that comes to match is added; one that no longer does is deleted, though it lives."""
    revision = (await client.list(MAP, space)).revision
    await client.create(config_map(space, "a", {"colour": "blue"}))
    await client.create(config_map(space, "b", {"colour": "red"}))
    await client.patch(ref(space, "a"), {"metadata": {"labels": {"colour": "red"}}}, "merge")
    await client.patch(ref(space, "b"), {"metadata": {"labels": {"colour": "blue"}}}, "merge")
    heard: list[str] = []
    async with _watching(client.watch(MAP, space, revision=revision, labels="colour=red")) as events:
        async for event in events:
            if event.type != "BOOKMARK":
                heard.append(f"{event.type} {event.object['metadata']['name']}")
            if len(heard) == 3:
                break
    assert heard == ["ADDED b", "ADDED a", "DELETED b"]


async def test_a_watch_of_nothing_served_is_not_found(client: Client) -> None:
    """As a list of it is."""
    with pytest.raises(NotFound):
        async for _ in client.watch(Kind("nobody.example.com", "v1", "Nothing"), revision="1"):
            pass


# --- discovery, identity ---


async def test_resources_are_told(client: Client) -> None:
    """Names, scope, verbs, subresources."""
    served = {info.kind: info for info in await client.resources()}
    deployments = served[DEPLOYMENT]
    assert deployments.resource.group_resource == "deployments.apps"
    assert (deployments.namespaced, deployments.short_names, deployments.singular) == (True, ("deploy",), "deployment")
    assert {"status", "scale"} <= deployments.subresources
    assert {"get", "list", "watch", "create", "update", "patch", "delete"} <= deployments.verbs
    assert not served[NAMESPACE].namespaced
    assert (await client.version()).startswith("v1.")


async def test_a_new_kind_is_served_at_once(client: Client, space: str) -> None:
    """From its definition on it can be created, applied, listed; afterwards it is not found any more."""
    group = f"g{uuid.uuid4().hex[:8]}.example.com"
    thing = Kind(group, "v1", "Thing")
    with pytest.raises(NotFound):
        await client.list(thing)
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"things.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }
    created = await client.create(definition)
    await _established(client, created)
    obj = {"apiVersion": thing.api_version, "kind": "Thing", "metadata": {"name": "t", "namespace": space}}
    await _eventually(client.apply, {**obj, "spec": {"size": 3}}, manager=ME)
    with pytest.raises(Invalid):
        await client.patch(Ref(thing, space, "t"), {"spec": {"size": "large"}}, "merge")
    assert [o["spec"] for o in (await client.list(thing, space)).items] == [{"size": 3}]
    assert thing in {info.kind for info in await client.resources()}
    await client.delete(Ref(CRD, "", f"things.{group}"))
    await _gone(client, thing)


async def test_another_identity_has_its_own_rights(client: Client, space: str) -> None:
    """Nobody may do nothing; a member of the masters may do all; a role binding gives what it says."""
    nobody = client.acting_as("nobody@example.com")
    with pytest.raises(Forbidden):
        await nobody.get(ref(space, "a"))
    with pytest.raises(Forbidden):
        await nobody.create(config_map(space, "a"))
    with pytest.raises(Forbidden):
        await nobody.list(MAP, space)
    await client.acting_as("somebody@example.com", ("dev", "system:masters")).create(config_map(space, "a"))
    rbac = "rbac.authorization.k8s.io"
    role = {  # of the test's own: what is in view comes from a controller, which a genuine API server may lack
        "apiVersion": f"{rbac}/v1",
        "kind": "Role",
        "metadata": {"name": "read", "namespace": space},
        "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "watch"]}],
    }
    await client.create(role)
    binding = {
        "apiVersion": f"{rbac}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "read", "namespace": space},
        "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "read"},
        "subjects": [{"apiGroup": rbac, "kind": "Group", "name": "readers"}],
    }
    await client.create(binding)
    reader = client.acting_as("reader@example.com", ("readers", "others"))
    assert Ref.of(await _eventually(reader.get, ref(space, "a"))) == ref(space, "a")
    with pytest.raises(Forbidden):
        await reader.delete(ref(space, "a"))


# --- waiting ---


@asynccontextmanager
async def _watching(events: AsyncIterator[WatchEvent]) -> AsyncIterator[AsyncIterator[WatchEvent]]:
    """A watch that is closed at the end, and takes no longer than a test may."""
    async with asyncio.timeout(30), aclosing(events):  # type: ignore[type-var]
        yield events


async def _eventually(call, *args, **kwargs):  # type: ignore[no-untyped-def]
    """A genuine Kubernetes takes a moment to know a new kind or a new binding."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await call(*args, **kwargs)
            except (NotFound, Forbidden):
                await asyncio.sleep(0.05)


async def _established(client: Client, definition: Object) -> None:
    name, version = definition["metadata"]["name"], definition["metadata"]["resourceVersion"]
    where = f"metadata.name={name}"
    current = await client.get(Ref(CRD, "", name))
    if _is_established(current):
        return
    async with _watching(client.watch(CRD, revision=version, fields=where)) as events:
        async for event in events:
            if _is_established(event.object):
                return


def _is_established(definition: Object) -> bool:
    conditions = (definition.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)


async def _gone(client: Client, kind: Kind) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                await client.list(kind)
            except NotFound:
                return
            await asyncio.sleep(0.05)
