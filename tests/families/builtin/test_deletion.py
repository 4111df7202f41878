"""What goes when something is deleted: dependents, contents of namespaces, pods."""

from tests.families.builtin.stage import START, Stage, conditions, deployment
from trueup.families.builtin.kinds import CONFIG_MAP, DEPLOYMENT, NAMESPACE, POD, REPLICA_SET
from trueup.kube.names import Object, Ref


def _config(name: str, *owners: Object) -> Object:
    references = [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": o["metadata"]["name"], "uid": o["metadata"]["uid"]}
        for o in owners
    ]
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "default", "ownerReferences": references},
    }


async def test_a_deployment_takes_its_pods_along() -> None:
    """Background deletion: ReplicaSet and pods follow."""
    async with Stage() as stage:
        await stage.create(deployment())
        await stage.until(DEPLOYMENT, "web", lambda one: conditions(one).get("Available") == "True")
        await stage.client.delete(Ref(DEPLOYMENT, "default", "web"), propagation="Background")
        await stage.pause(5)
        assert await stage.list(REPLICA_SET) + await stage.list(POD) == []


async def test_a_foreground_deletion_waits_for_the_pods() -> None:
    """The Deployment goes last."""
    async with Stage() as stage:
        await stage.create(deployment())
        await stage.until(DEPLOYMENT, "web", lambda one: conditions(one).get("Available") == "True")
        await stage.client.delete(Ref(DEPLOYMENT, "default", "web"), propagation="Foreground")
        assert await stage.get(DEPLOYMENT, "web") is not None
        await stage.until(DEPLOYMENT, "web", lambda one: one is None)
        assert await stage.list(REPLICA_SET) + await stage.list(POD) == []


async def test_an_orphaning_deletion_leaves_the_pods() -> None:
    """The ReplicaSet stays, without an owner; a new Deployment of that template takes it over."""
    async with Stage() as stage:
        await stage.create(deployment())
        await stage.until(DEPLOYMENT, "web", lambda one: conditions(one).get("Available") == "True")
        before = {pod["metadata"]["name"] for pod in await stage.list(POD)}
        await stage.client.delete(Ref(DEPLOYMENT, "default", "web"), propagation="Orphan")
        await stage.until(DEPLOYMENT, "web", lambda one: one is None)
        (replica_set,) = await stage.list(REPLICA_SET)
        assert not replica_set["metadata"].get("ownerReferences")
        await stage.create(deployment())
        await stage.until(DEPLOYMENT, "web", lambda one: conditions(one).get("Available") == "True")
        assert before == {pod["metadata"]["name"] for pod in await stage.list(POD)}


async def test_a_dependent_with_one_owner_left_stays() -> None:
    """Only the reference to the lost owner goes."""
    async with Stage() as stage:
        a, b = await stage.create(_config("a")), await stage.create(_config("b"))
        await stage.create(_config("both", a, b))
        await stage.create(_config("one", a))
        await stage.client.delete(Ref(CONFIG_MAP, "default", "a"))
        await stage.until(CONFIG_MAP, "one", lambda one: one is None)
        kept = await stage.until(CONFIG_MAP, "both", lambda one: len(one["metadata"]["ownerReferences"]) == 1)
    assert kept["metadata"]["ownerReferences"][0]["name"] == "b"


async def test_a_namespace_goes_with_its_contents() -> None:
    """Pods and all are gone before the namespace is."""
    async with Stage() as stage:
        await stage.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        web = deployment()
        web["metadata"]["namespace"] = "shop"
        await stage.create(web)
        await stage.until(DEPLOYMENT, "web", lambda one: conditions(one).get("Available") == "True", "shop")
        await stage.client.delete(Ref(NAMESPACE, "", "shop"))
        await stage.until(NAMESPACE, "shop", lambda one: one is None, "")
        assert await stage.list(POD, "shop") == []
        assert stage.clock.now() < START + 60
