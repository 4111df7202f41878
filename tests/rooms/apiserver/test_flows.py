"""Which flow schema a request falls under: by who asks and for what, told with every answer."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.rooms.apiserver.asking import Asking
from tests.rooms.apiserver.opened import opened
from trueup.apiserver.hub import Hub
from trueup.apiserver.inprocess import InProcessClient
from trueup.apiserver.rbac import known_as
from trueup.apiserver.users import service_account_user
from trueup.kube.names import Kind, Object, Ref

GROUP = "flowcontrol.apiserver.k8s.io"
SCHEMA, LEVEL = "x-kubernetes-pf-flowschema-uid", "x-kubernetes-pf-prioritylevel-uid"


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    """A fresh cluster."""
    async with opened() as made:
        yield made


@pytest.fixture
def asking(hub: Hub) -> Asking:
    """Its administrator, somebody, a service account and a node."""
    return Asking(
        hub,
        ann=known_as("ann", ("devs",)),
        web=service_account_user("shop", "web"),
        node=known_as("system:node:one", ("system:nodes",)),
    )


async def uid(hub: Hub, kind: str, name: str) -> str:
    found = await InProcessClient(hub).get(Ref(Kind(GROUP, "v1", kind), "", name))
    return str(found["metadata"]["uid"])


async def flow(hub: Hub, asking: Asking, path: str, token: str, method: str = "GET") -> tuple[str, str]:
    """The names of the schema and of the level that a request falls under."""
    headers = (await asking.send(method, path, token=token)).headers
    names = []
    for kind, header in (("FlowSchema", SCHEMA), ("PriorityLevelConfiguration", LEVEL)):
        listed = await InProcessClient(hub).list(Kind(GROUP, "v1", kind))
        names += [each["metadata"]["name"] for each in listed.items if each["metadata"]["uid"] == headers.get(header)]
    return names[0], names[1]


@pytest.mark.parametrize(
    ("token", "path", "expected"),
    [
        ("secret", "/api/v1/pods", ("exempt", "exempt")),
        ("ann", "/api/v1/pods", ("global-default", "global-default")),
        ("ann", "/healthz", ("probes", "exempt")),
        ("ann", "/apis", ("global-default", "global-default")),
        ("web", "/api/v1/namespaces/shop/pods", ("service-accounts", "workload-low")),
        ("node", "/api/v1/nodes/one", ("system-node-high", "node-high")),
        ("node", "/api/v1/nodes/one/status", ("system-node-high", "node-high")),
        ("node", "/api/v1/pods", ("system-nodes", "system")),
    ],
)
async def test_by_user_and_by_what_is_asked(
    hub: Hub, asking: Asking, token: str, path: str, expected: tuple[str, str]
) -> None:
    """The first schema that matches counts, whether or not the request is allowed."""
    assert await flow(hub, asking, path, token) == expected


async def test_changes_count_at_once(hub: Hub, asking: Asking) -> None:
    """A schema that comes first takes the requests that it names; one whose level there is not takes none."""
    client = InProcessClient(hub)

    def schema(name: str, level: str) -> Object:
        resource = {"verbs": ["list"], "apiGroups": [""], "resources": ["pods"], "namespaces": ["shop"]}
        subject = {"kind": "User", "user": {"name": "ann"}}
        return {
            "apiVersion": f"{GROUP}/v1",
            "kind": "FlowSchema",
            "metadata": {"name": name},
            "spec": {
                "matchingPrecedence": 50,
                "priorityLevelConfiguration": {"name": level},
                "rules": [{"subjects": [subject], "resourceRules": [resource]}],
            },
        }

    await client.create(schema("dangling", "nowhere"))
    path = "/api/v1/namespaces/shop/pods"
    assert await flow(hub, asking, path, "ann") == ("global-default", "global-default")
    await client.create(schema("mine", "workload-high"))
    assert await flow(hub, asking, path, "ann") == ("mine", "workload-high")
    assert await flow(hub, asking, "/api/v1/namespaces/other/pods", "ann") == ("global-default", "global-default")


async def test_nobody_has_no_flow(asking: Asking) -> None:
    """Who is not let in hears nothing, nor does who reads a log."""
    refused = await asking.send("GET", "/api/v1/pods", token="wrong")
    log = await asking.get("/api/v1/namespaces/default/pods/none/log")
    assert (refused.status, refused.headers.get(SCHEMA)) == (401, None)
    assert (log.status, log.headers.get(SCHEMA)) == (404, None)
