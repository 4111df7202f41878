"""Admission policies in CEL: what they refuse, warn of and change."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from tests.rooms.apiserver.opened import opened
from tests.rooms.runtime.waiting import until
from trueup.apiserver.hub import Hub
from trueup.apiserver.inprocess import InProcessClient
from trueup.apiserver.request import Write
from trueup.apiserver.verbs.create import create
from trueup.kube.names import Kind, Object, Ref
from trueup.kube.problems import Forbidden, Invalid

GROUP = "admissionregistration.k8s.io"
MAPS = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["CREATE", "UPDATE"]}


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    """A fresh cluster."""
    async with opened() as made:
        yield made


@pytest.fixture
def client(hub: Hub) -> InProcessClient:
    """Its administrator."""
    return InProcessClient(hub)


def policy(kind: str, spec: Object, name: str = "p") -> Object:
    """A policy for ConfigMaps."""
    whole = {"matchConstraints": {"resourceRules": [MAPS]}, **spec}
    return {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": {"name": name}, "spec": whole}


def binding(kind: str, spec: Object | None = None, name: str = "p") -> Object:
    """Its binding."""
    actions = {"validationActions": ["Deny"]} if kind.startswith("Validating") else {}
    whole = {"policyName": name, **actions, **(spec or {})}
    return {"apiVersion": f"{GROUP}/v1", "kind": f"{kind}Binding", "metadata": {"name": name}, "spec": whole}


async def put(client: InProcessClient, kind: str, spec: Object, bound: Object | None = None, name: str = "p") -> None:
    """Create a policy and its binding."""
    await client.create(policy(kind, spec, name))
    await client.create(binding(kind, bound, name))


def config(name: str = "c", **data: str) -> Object:
    """A ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}, "data": data}


async def test_denial(client: InProcessClient) -> None:
    """What breaks a validation is refused with the policy's words, and its reason says how."""
    validations = [{"expression": "object.data.size() < 2", "messageExpression": "'has ' + string(object.data.size())"}]
    await put(client, "ValidatingAdmissionPolicy", {"validations": validations})
    await client.create(config(a="1"))
    wanted = "ValidatingAdmissionPolicy 'p' with binding 'p' denied request: has 2"
    with pytest.raises(Invalid) as caught:
        await client.create(config("d", a="1", b="2"))
    assert caught.value.message == f'configmaps "d" is forbidden: {wanted}'
    assert [cause.message for cause in caught.value.causes] == [wanted]


async def test_variables_conditions_and_requests(client: InProcessClient) -> None:
    """Variables build on each other, conditions exempt, the request and the namespace are known."""
    spec = {
        "variables": [
            {"name": "keys", "expression": "object.data.map(k, k)"},
            {"name": "count", "expression": "variables.keys.size()"},
        ],
        "matchConditions": [{"name": "few", "expression": "request.name != 'free'"}],
        "validations": [
            {
                "expression": "variables.count == 1 && request.operation == 'CREATE' && request.resource.resource == "
                "'configmaps' && namespaceObject.metadata.name == 'default' && oldObject == null",
                "reason": "Forbidden",
            }
        ],
    }
    await put(client, "ValidatingAdmissionPolicy", spec)
    await client.create(config("one", a="1"))
    await client.create(config("free", a="1", b="2"))
    with pytest.raises(Forbidden, match=r"failed expression: variables.count == 1"):
        await client.create(config("two", a="1", b="2"))


async def test_authorizer(client: InProcessClient) -> None:
    """A policy may ask whether somebody may do something."""
    mine = "authorizer.requestResource.check('custom').allowed()"
    other = "authorizer.serviceAccount('default', 'x').group('').resource('pods').namespace('default').check('get')"
    rule = f"{mine} && !{other}.allowed()"
    await put(client, "ValidatingAdmissionPolicy", {"validations": [{"expression": rule}]})
    await client.create(config())


async def test_params(client: InProcessClient) -> None:
    """A binding hands the policy parameters by name; without them it denies or lets pass, as it says."""
    spec = {
        "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
        "matchConstraints": {"resourceRules": [{**MAPS, "resources": ["secrets"]}]},
        "validations": [{"expression": "object.metadata.name.startsWith(params.data.prefix)"}],
    }
    ref = {"name": "limits", "namespace": "default", "parameterNotFoundAction": "Deny"}
    await put(client, "ValidatingAdmissionPolicy", spec, {"paramRef": ref})

    def secret(name: str) -> Object:
        return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "default"}}

    with pytest.raises(Invalid, match="failed to configure binding: no params found for policy binding with `Deny`"):
        await client.create(secret("ab"))
    await client.create(config("limits", prefix="a"))
    await client.create(secret("ab"))
    with pytest.raises(Invalid, match=r"failed expression: object.metadata.name.startsWith"):
        await client.create(secret("ba"))


@pytest.mark.parametrize("failure", ["Fail", "Ignore"])
async def test_failure_policy(client: InProcessClient, failure: str) -> None:
    """An expression that fails refuses the write, or is ignored."""
    validations = [{"expression": "object.data.missing == 'x'"}]
    await put(client, "ValidatingAdmissionPolicy", {"failurePolicy": failure, "validations": validations})
    if failure == "Ignore":
        await client.create(config(a="1"))
        return
    with pytest.raises(
        Invalid, match=r"expression 'object.data.missing == 'x'' resulted in error: no such key: missing"
    ):
        await client.create(config(a="1"))


async def test_selectors_and_bindings(client: InProcessClient) -> None:
    """Namespaces, labels and the binding's own constraints say what a policy is for."""
    selector = {"matchLabels": {"strict": "yes"}}
    constraints = {"resourceRules": [MAPS], "objectSelector": selector}
    spec = {"matchConstraints": constraints, "validations": [{"expression": "false"}]}
    resources = {"matchResources": {"resourceRules": [{**MAPS, "resourceNames": ["named"]}]}}
    await put(client, "ValidatingAdmissionPolicy", spec, resources)
    labelled: Any = config("named")
    labelled["metadata"]["labels"] = {"strict": "yes"}
    await client.create(config("other"))
    with pytest.raises(Invalid):
        await client.create(labelled)


async def test_deletion_is_judged(client: InProcessClient) -> None:
    """A policy for deletions sees the old object."""
    rule = {**MAPS, "operations": ["DELETE"]}
    constraints = {"matchConstraints": {"resourceRules": [rule]}}
    validations = [{"expression": "object == null && oldObject.data.keep != 'yes'"}]
    await put(client, "ValidatingAdmissionPolicy", {**constraints, "validations": validations})
    for name, keep in (("a", "no"), ("b", "yes")):
        await client.create(config(name, keep=keep))
    await client.delete(Ref(Kind("", "v1", "ConfigMap"), "default", "a"))
    with pytest.raises(Invalid):
        await client.delete(Ref(Kind("", "v1", "ConfigMap"), "default", "b"))


APPLY = "Object{metadata: Object.metadata{annotations: {'by': request.userInfo.username}}, data: Object.data{x: 'y'}}"
PATCH = "[JSONPatch{op: 'add', path: '/data/' + jsonpatch.escapeKey('b'), value: 'c'}]"


@pytest.mark.parametrize(
    ("mutation", "data"),
    [
        ({"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": APPLY}}, {"a": "1", "x": "y"}),
        ({"patchType": "JSONPatch", "jsonPatch": {"expression": PATCH}}, {"a": "1", "b": "c"}),
    ],
)
async def test_mutation(client: InProcessClient, mutation: Object, data: Object) -> None:
    """A mutation is laid over the object before it is checked and stored."""
    await put(client, "MutatingAdmissionPolicy", {"reinvocationPolicy": "Never", "mutations": [mutation]})
    made = await client.create(config(a="1"))
    assert made["data"] == data


async def test_mutation_of_workloads(client: InProcessClient) -> None:
    """Items of keyed lists are added to by their keys; atomic lists may not be touched."""
    expression = (
        "Object{spec: Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{initContainers: ["
        "Object.spec.template.spec.initContainers.item{name: 'mesh', image: 'mesh:1', restartPolicy: 'Always'}]}}}}"
    )
    mutation = {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}
    rule = {"apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"], "operations": ["CREATE"]}
    spec = {"matchConstraints": {"resourceRules": [rule]}, "reinvocationPolicy": "Never", "mutations": [mutation]}
    await put(client, "MutatingAdmissionPolicy", spec)
    pod = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d", "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": pod},
    }
    made = await client.create(deployment)
    assert [each["name"] for each in made["spec"]["template"]["spec"]["initContainers"]] == ["mesh"]


async def test_mutation_that_cannot_be(client: InProcessClient) -> None:
    """A mutation that fails refuses the write and says which policy it was."""
    expression = "Object{metadata: Object.wrong{labels: {'a': 'b'}}}"
    mutation = {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}
    await put(client, "MutatingAdmissionPolicy", {"reinvocationPolicy": "Never", "mutations": [mutation]})
    with pytest.raises(
        Forbidden, match="policy 'p' with binding 'p' denied request: type mismatch: unexpected type name"
    ):
        await client.create(config())


async def test_type_checks(hub: Hub, client: InProcessClient) -> None:
    """A policy's status says which of its expressions cannot fit the kinds that it is for."""
    rule = {"apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"], "operations": ["CREATE"]}
    validations = [
        {"expression": "object.spec.replicas > '1'", "messageExpression": "'got ' + object.spec.replicas"},
        {"expression": "object.spec.template.spec.containers.all(c, c.image.startsWith('a'))"},
    ]
    spec = {"matchConstraints": {"resourceRules": [rule]}, "validations": validations}
    await client.create(policy("ValidatingAdmissionPolicy", spec))

    def status() -> Object:
        entry = hub.store.bucket(f"validatingadmissionpolicies.{GROUP}").newest("", "p")
        assert entry is not None
        return entry.obj.get("status") or {}

    await until(lambda: "observedGeneration" in status())
    warnings = status()["typeChecking"]["expressionWarnings"]
    assert [each["fieldRef"] for each in warnings] == [
        "spec.validations[0].expression",
        "spec.validations[0].messageExpression",
    ]
    wanted = "found no matching overload for '_>_' applied to '(int, string)'"
    assert warnings[0]["warning"].startswith(f"apps/v1, Kind=Deployment: ERROR: <input>:1:22: {wanted}")


async def test_variables_that_do_not_compile(client: InProcessClient) -> None:
    """They are told of once, where they stand; what reads them may be right."""
    bad = {"name": "bad", "expression": "nope.x"}
    spec = {
        "variables": [bad],
        "validations": [{"expression": "variables.bad == 'x'"}, {"expression": "variables.bad + 1"}],
    }
    with pytest.raises(Invalid) as caught:
        await client.create(policy("ValidatingAdmissionPolicy", spec))
    assert [(cause.field, cause.message.partition(": must ")[2]) for cause in caught.value.causes] == [
        ("spec.variables[0].expression", ""),
        ("spec.validations[1].expression", "evaluate to bool but got int"),
    ]


async def test_optional_steps_into_labels(client: InProcessClient) -> None:
    """A label that may not be there, in labels that may not be there."""
    text = (
        "object.metadata.?labels['x'].hasValue() ? Object{} : Object{metadata: Object.metadata{labels: {'x': 'made'}}}"
    )
    change = {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": text}}
    spec = {"reinvocationPolicy": "Never", "mutations": [change]}
    await put(client, "MutatingAdmissionPolicy", spec)
    for labels in ({}, {"y": "z"}, {"x": "own"}):
        made = config(f"c{len(str(labels))}")
        made["metadata"]["labels"] = labels
        found = await client.create(made, dry_run=True)
        assert found["metadata"]["labels"] == {"x": "made", **labels}


async def test_what_the_audit_log_is_told(hub: Hub, client: InProcessClient) -> None:
    """Annotations of a policy, and what a binding that audits would have denied, go to the audit log."""
    spec = {
        "validations": [{"expression": "true"}, {"expression": "has(object.data.z)", "message": "no z"}],
        "auditAnnotations": [
            {"key": "k", "valueExpression": "' data: ' + object.data.a + ' '"},
            {"key": "n", "valueExpression": "null"},
        ],
    }
    await put(client, "ValidatingAdmissionPolicy", spec, {"validationActions": ["Audit", "Warn"]})
    write = Write()
    await create(hub, hub.serves(Kind("", "v1", "ConfigMap")), "default", config(a="v"), write)
    failure = {
        "message": "no z",
        "policy": "p",
        "binding": "p",
        "expressionIndex": 1,
        "validationActions": ["Audit", "Warn"],
    }
    assert write.annotations.pop("p/k") == "data: v"
    told = write.annotations.pop("validation.policy.admission.k8s.io/validation_failure")
    assert orjson.loads(told) == [failure]
    assert write.annotations == {}
    assert write.warnings == ["Validation failed for ValidatingAdmissionPolicy 'p' with binding 'p': no z"]
