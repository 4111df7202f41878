"""Admission plugins: what a write gets, and what it is refused for."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rooms.apiserver.web import POD, Web, deployment, pod, ref
from trueup.apiserver.inprocess import InProcessClient
from trueup.kube.names import Kind, Object
from trueup.kube.problems import Forbidden, Invalid

PODS = "/api/v1/namespaces/default/pods"


def named(api_version: str, kind: str, name: str, space: str = "", **rest: Any) -> Object:
    """Any object."""
    meta = {"name": name, **({"namespace": space} if space else {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": meta, **rest}


def sized(name: str, requests: Object | None = None, limits: Object | None = None) -> Object:
    """A pod whose container asks for something."""
    resources = {**({"requests": requests} if requests else {}), **({"limits": limits} if limits else {})}
    return pod(name, containers=[{"name": "main", "image": "nginx:1", "resources": resources}])


async def quota(client: InProcessClient, used: Object | None = None, **spec: Any) -> None:
    """A quota whose controller has counted nothing yet."""
    await client.create(named("v1", "ResourceQuota", "q", "default", spec=spec))
    status = {"hard": spec["hard"], "used": used or dict.fromkeys(spec["hard"], "0")}
    await client.patch(ref("q", Kind("", "v1", "ResourceQuota")), {"status": status}, "merge", subresource="status")


async def used(client: InProcessClient) -> Object:
    """What the quota says is used."""
    found: Object = (await client.get(ref("q", Kind("", "v1", "ResourceQuota"))))["status"]["used"]
    return found


async def test_a_quota_counts_what_is_created(client: InProcessClient) -> None:
    """At once, in the form of its limits."""
    await quota(client, hard={"pods": "5", "requests.memory": "1Gi", "cpu": "2", "requests.example.com/gpu": "3"})
    expected = {"pods": "1", "requests.memory": "252Mi", "cpu": "500m", "requests.example.com/gpu": "2"}
    await client.create(
        sized("a", {"memory": "252Mi", "cpu": "500m", "example.com/gpu": "2"}, {"example.com/gpu": "2"})
    )

    assert expected == await used(client)


async def test_a_quota_refuses_what_does_not_fit(client: InProcessClient) -> None:
    """It says what was asked for, what is used, and what is allowed."""
    await quota(client, {"cpu": "1500m", "pods": "1"}, hard={"cpu": "2", "pods": "5"})

    with pytest.raises(Forbidden) as refused:
        await client.create(sized("a", {"cpu": "600m"}))
    assert (
        refused.value.message
        == 'pods "a" is forbidden: exceeded quota: q, requested: cpu=600m, used: cpu=1500m, limited: cpu=2'
    )


async def test_where_processors_are_limited_pods_say_what_they_ask(client: InProcessClient) -> None:
    """A container without a request is refused by name."""
    await quota(client, hard={"requests.cpu": "2"})

    with pytest.raises(Forbidden, match=r"failed quota: q: must specify requests\.cpu for: main"):
        await client.create(pod("a"))


async def test_a_quota_that_is_not_counted_yet_lets_nothing_in(client: InProcessClient) -> None:
    """Nobody knows what is used."""
    await client.create(named("v1", "ResourceQuota", "q", "default", spec={"hard": {"secrets": "2"}}))
    status = {"status": {"hard": {"secrets": "2"}}}
    await client.patch(ref("q", Kind("", "v1", "ResourceQuota")), status, "merge", subresource="status")

    with pytest.raises(Forbidden, match="status unknown for quota: q, resources: secrets"):
        await client.create(named("v1", "Secret", "s", "default"))


@pytest.mark.parametrize(
    ("scopes", "spec", "counted"),
    [
        (["BestEffort"], {}, "1"),
        (["NotBestEffort"], {}, "0"),
        (["Terminating"], {"activeDeadlineSeconds": 5}, "1"),
        (["NotTerminating"], {"activeDeadlineSeconds": 5}, "0"),
    ],
)
async def test_a_quotas_scopes_select_pods(
    client: InProcessClient, scopes: list[str], spec: Object, counted: str
) -> None:
    """Others do not count."""
    await quota(client, hard={"pods": "5"}, scopes=scopes)
    await client.create(pod("a", **spec))

    assert {"pods": counted} == await used(client)


async def test_any_kind_can_be_counted(client: InProcessClient) -> None:
    """By its name and group."""
    await quota(client, hard={"count/deployments.apps": "1"})
    await client.create(deployment("one"))

    with pytest.raises(Forbidden, match=r"exceeded quota: q, requested: count/deployments\.apps=1"):
        await client.create(deployment("two"))


async def test_a_dry_run_uses_nothing(client: InProcessClient) -> None:
    """It is refused all the same when it would not fit."""
    await quota(client, hard={"pods": "1"})
    await client.create(pod("a"), dry_run=True)

    assert await used(client) == {"pods": "0"}


async def limit_range(client: InProcessClient, **limit: Any) -> None:
    """One limit for containers."""
    limits = [{"type": "Container", **limit}]
    await client.create(named("v1", "LimitRange", "limits", "default", spec={"limits": limits}))


async def test_containers_get_a_namespaces_defaults(client: InProcessClient) -> None:
    """And a note says so."""
    await limit_range(client, default={"cpu": "500m"}, defaultRequest={"cpu": "100m"})
    made = await client.create(pod("a"))

    assert made["spec"]["containers"][0]["resources"] == {"requests": {"cpu": "100m"}, "limits": {"cpu": "500m"}}
    assert (
        (made["metadata"]["annotations"]["kubernetes.io/limit-ranger"])
        == "LimitRanger plugin set: cpu request for container main; cpu limit for container main"
    )


@pytest.mark.parametrize(
    ("limit", "resources", "why"),
    [
        ({"min": {"cpu": "200m"}}, {"cpu": "100m"}, "minimum cpu usage per Container is 200m, but request is 100m"),
        ({"max": {"cpu": "1"}}, {"cpu": "2"}, "maximum cpu usage per Container is 1, but limit is 2"),
        (
            {"maxLimitRequestRatio": {"cpu": "2"}},
            {},
            "cpu max limit to request ratio per Container is 2, but no request is specified or request is 0",
        ),
    ],
)
async def test_containers_stay_within_a_namespaces_limits(
    client: InProcessClient, limit: Object, resources: Object, why: str
) -> None:
    """Else the bound is named."""
    await limit_range(client, **limit)

    with pytest.raises(Forbidden) as refused:
        await client.create(sized("a", resources, resources))
    assert why in refused.value.message


async def test_a_pods_priority_comes_from_its_class(client: InProcessClient) -> None:
    """A number of its own must be that one."""
    await client.create(named("scheduling.k8s.io/v1", "PriorityClass", "high", value=1000))
    made = await client.create(pod("a", priorityClassName="high"))

    assert (made["spec"]["priority"], made["spec"]["preemptionPolicy"]) == (1000, "PreemptLowerPriority")
    with pytest.raises(Forbidden, match=r"the integer value of priority \(7\) must not be provided in pod spec"):
        await client.create(pod("b", priorityClassName="high", priority=7))
    with pytest.raises(Forbidden, match="no PriorityClass with name low was found"):
        await client.create(pod("c", priorityClassName="low"))


async def test_one_priority_class_is_everybodys(client: InProcessClient) -> None:
    """A second default is refused."""
    await client.create(named("scheduling.k8s.io/v1", "PriorityClass", "usual", value=5, globalDefault=True))
    made = await client.create(pod("a"))

    assert (made["spec"]["priorityClassName"], made["spec"]["priority"]) == ("usual", 5)
    with pytest.raises(Forbidden, match="PriorityClass usual is already marked as default"):
        await client.create(named("scheduling.k8s.io/v1", "PriorityClass", "other", value=6, globalDefault=True))


async def test_a_runtime_class_says_what_a_pod_costs(client: InProcessClient) -> None:
    """And where it runs; one that is not there is refused."""
    about = {"overhead": {"podFixed": {"cpu": "10m"}}, "scheduling": {"nodeSelector": {"with": "it"}}}
    await client.create(named("node.k8s.io/v1", "RuntimeClass", "boxed", handler="box", **about))
    made = await client.create(pod("a", runtimeClassName="boxed"))

    assert (made["spec"]["overhead"], made["spec"]["nodeSelector"]) == ({"cpu": "10m"}, {"with": "it"})
    with pytest.raises(Forbidden, match='pod rejected: RuntimeClass "none" not found'):
        await client.create(pod("b", runtimeClassName="none"))
    with pytest.raises(Forbidden, match="Pod Overhead set without corresponding RuntimeClass"):
        await client.create(pod("c", overhead={"cpu": "1"}))


async def test_pods_mount_their_accounts_token(client: InProcessClient) -> None:
    """Unless the account or the pod says otherwise; an account that is not there is refused."""
    await client.create(named("v1", "ServiceAccount", "app", "default", imagePullSecrets=[{"name": "pull"}]))
    made = (await client.create(pod("a", serviceAccountName="app")))["spec"]
    bare = (await client.create(pod("b", serviceAccountName="app", automountServiceAccountToken=False)))["spec"]

    volume = made["volumes"][0]
    assert volume["name"].startswith("kube-api-access-")
    assert [volume["name"]] == [one["name"] for one in made["containers"][0]["volumeMounts"]]
    assert made["imagePullSecrets"] == [{"name": "pull"}]
    assert "volumes" not in bare
    with pytest.raises(Forbidden, match='error looking up service account default/x: serviceaccount "x" not found'):
        await client.create(pod("c", serviceAccountName="x"))


async def test_pods_bear_a_lost_node_for_a_while(client: InProcessClient) -> None:
    """Tolerations of their own stay."""
    own = {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 1}
    made = await client.create(pod("a", tolerations=[own]))

    assert [one["tolerationSeconds"] for one in made["spec"]["tolerations"]] == [1, 300]


async def test_claims_get_the_default_class(client: InProcessClient) -> None:
    """Where they name none."""
    default = named("storage.k8s.io/v1", "StorageClass", "fast", provisioner="x")
    default["metadata"]["annotations"] = {"storageclass.kubernetes.io/is-default-class": "true"}
    await client.create(default)
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    made = await client.create(named("v1", "PersistentVolumeClaim", "data", "default", spec=spec))
    other = await client.create(
        named("v1", "PersistentVolumeClaim", "own", "default", spec={**spec, "storageClassName": ""})
    )

    assert (made["spec"]["storageClassName"], other["spec"]["storageClassName"]) == ("fast", "")


async def secured(client: InProcessClient, name: str = "safe", **labels: str) -> None:
    """A namespace with pod security labels."""
    obj = named("v1", "Namespace", name)
    obj["metadata"]["labels"] = {
        f"pod-security.kubernetes.io/{mode.replace('_', '-')}": v for mode, v in labels.items()
    }
    await client.create(obj)


async def test_a_restricted_namespace_takes_careful_pods_only(client: InProcessClient) -> None:
    """The refusal says everything that is wrong, in Kubernetes' words."""
    await secured(client, enforce="restricted")
    careless = pod("a")
    careless["metadata"]["namespace"] = "safe"
    context = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    careful = pod("b", containers=[{"name": "main", "image": "nginx:1", "securityContext": context}])
    careful["metadata"]["namespace"] = "safe"
    await client.create(careful)

    with pytest.raises(Forbidden) as refused:
        await client.create(careless)
    assert refused.value.message == (
        'pods "a" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false (container "main" '
        'must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container "main" must set '
        'securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or container "main" must set '
        'securityContext.runAsNonRoot=true), seccompProfile (pod or container "main" must set '
        'securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")'
    )


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"hostNetwork": True, "hostPID": True}, "host namespaces (hostNetwork=true, hostPID=true)"),
        ({"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}, 'hostPath volumes (volume "v")'),
        (
            {"containers": [{"name": "c", "image": "i", "securityContext": {"privileged": True}}]},
            'privileged (container "c" must not set securityContext.privileged=true)',
        ),
        (
            {"containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 80, "hostPort": 80}]}]},
            'hostPort (container "c" uses hostPort 80)',
        ),
        ({"securityContext": {"sysctls": [{"name": "kernel.x", "value": "1"}]}}, "forbidden sysctls (kernel.x)"),
    ],
)
async def test_the_baseline_forbids_the_hosts_own(client: InProcessClient, spec: Object, why: str) -> None:
    """Each by its own words."""
    await secured(client, enforce="baseline")
    obj = pod("a", **spec)
    obj["metadata"]["namespace"] = "safe"

    with pytest.raises(Forbidden) as refused:
        await client.create(obj)
    assert why in refused.value.message


async def test_templates_are_warned_of(web: Web, client: InProcessClient) -> None:
    """A Deployment is let in; its pods would not be."""
    await secured(client, enforce="baseline")
    obj = deployment("web")
    obj["metadata"]["namespace"] = "safe"
    obj["spec"]["template"]["spec"]["hostNetwork"] = True
    answer = await web.ask("POST", "/apis/apps/v1/namespaces/safe/deployments", obj)

    assert answer.status == 201
    assert any("would violate PodSecurity" in warning for warning in answer.warnings)


async def test_levels_that_there_are_not_are_refused(client: InProcessClient) -> None:
    """With the label's name."""
    with pytest.raises(Invalid, match='"strict": must be one of privileged, baseline, restricted'):
        await secured(client, enforce="strict")


async def test_the_first_range_and_priorities_are_there(client: InProcessClient) -> None:
    """Every cluster has the system's priority classes."""
    found = await client.list(Kind("scheduling.k8s.io", "v1", "PriorityClass"))

    assert {one["metadata"]["name"]: one["value"] for one in found.items} == {
        "system-cluster-critical": 2000000000,
        "system-node-critical": 2000001000,
    }


async def test_a_namespaces_pods_are_told_of_when_it_gets_stricter(web: Web, client: InProcessClient) -> None:
    """By name and reason."""
    await secured(client, enforce="privileged")
    obj = pod("bold", hostNetwork=True)
    obj["metadata"]["namespace"] = "safe"
    await client.create(obj)
    patch = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "baseline"}}}
    headers = {"content-type": "application/merge-patch+json"}
    answer = await web.ask("PATCH", "/api/v1/namespaces/safe", patch, headers)

    assert answer.status == 200
    assert any("bold: host namespaces" in warning for warning in answer.warnings)
    assert (await client.get(ref("bold", POD, "safe")))["spec"]["hostNetwork"]
