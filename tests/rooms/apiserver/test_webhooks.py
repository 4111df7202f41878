"""Admission webhooks over the wire: what they are asked, what their answers do, and the words when they fail.

The words are those that kube-apiserver 1.36 has for the same webhooks.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.hookserver import HookServer, Review, patching, verdict
from tests.rooms.apiserver.web import DEPLOYMENTS, MAPS, Answer, Web, config_map, deployment, pod

HOOKS = "/apis/admissionregistration.k8s.io/v1"
CALLING = 'Internal error occurred: failed calling webhook "a.b.c": '


@pytest.fixture
def server(tmp_path: Path) -> Iterator[HookServer]:
    """A webhook server, trusted by its own authority."""
    with HookServer(tmp_path) as made:
        yield made


def hook(client: Review, name: str = "a.b.c", **spec: Any) -> Review:
    """A webhook that is asked about ConfigMaps."""
    rule = {"operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}
    made = {"name": name, "clientConfig": client, "rules": [rule], "sideEffects": "None"}
    return {**made, "admissionReviewVersions": ["v1"], **spec}


async def configure(web: Web, kind: str, *hooks: Review, name: str = "hooks") -> None:
    """Store a configuration of some webhooks; ``kind``: Validating or Mutating."""
    obj = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": f"{kind}WebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": list(hooks),
    }
    await web.post(f"{HOOKS}/{kind.lower()}webhookconfigurations", obj)


async def written(web: Web, **query: str) -> Answer:
    """The answer to a new ConfigMap."""
    return await web.ask("POST", MAPS, config_map("one", k="v"), **query)


DENIALS: list[tuple[Review, tuple[int, str | None, str]]] = [
    ({}, (400, None, " without explanation")),
    ({"status": {"message": "no"}}, (400, None, ": no")),
    ({"status": {"reason": "Because"}}, (400, "Because", ": Because")),
    ({"status": {"code": 418, "reason": "Teapot", "message": "tea"}}, (418, "Teapot", ": tea")),
    ({"status": {"code": 200, "status": "Success", "message": "hm"}}, (400, None, ": hm")),
    ({"status": {"code": 403, "reason": "Forbidden", "message": "x"}}, (403, "Forbidden", ": x")),
]


@pytest.mark.parametrize(("said", "want"), DENIALS, ids=lambda value: str(value)[:40])
async def test_denials(web: Web, server: HookServer, said: Review, want: tuple[int, str | None, str]) -> None:
    """A refusal comes with the webhook's code and reason, and its message behind its name."""
    server.answers["/v"] = lambda review: verdict(review, False, **said)
    await configure(web, "Validating", hook(server.client("/v")))
    answer = await written(web)
    status = answer.json
    code, reason, words = want
    assert (code, reason) == (answer.status, status.get("reason"))
    assert f'admission webhook "a.b.c" denied the request{words}' == status["message"]


def _said(**response: Any) -> Any:
    return lambda review: verdict(review, **response)


def _body(text: str) -> Any:
    return lambda review: text.encode()


_HEAD = 'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'
_REVIEW = '{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1"'
UNUSABLE: list[tuple[Any, str]] = [
    (_body(""), "failed to call webhook: 0-length response with status code: 200 and content type: text/plain"),
    (
        _body("hello"),
        f"failed to call webhook: couldn't get version/kind; json parse error: json: cannot unmarshal string into Go "
        f"value of type {_HEAD}",
    ),
    (
        _body("[]"),
        f"failed to call webhook: couldn't get version/kind; json parse error: json: cannot unmarshal array into Go "
        f"value of type {_HEAD}",
    ),
    (
        _body('{"kind":"AdmissionReview"'),
        "failed to call webhook: couldn't get version/kind; json parse error: unexpected end of JSON input",
    ),
    (_body("{}"), "received invalid webhook response: webhook response was absent"),
    (_body(_REVIEW + "}"), "received invalid webhook response: webhook response was absent"),
    (
        _body('{"kind":"Review","apiVersion":"admission.k8s.io/v1"}'),
        'failed to call webhook: no kind "Review" is registered for version "admission.k8s.io/v1" in scheme '
        '"pkg/runtime/scheme.go:111"',
    ),
    (
        _body('{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1beta1","response":{}}'),
        "failed to call webhook: converting (v1beta1.AdmissionReview) to (v1.AdmissionReview): unknown conversion",
    ),
    (
        _body(_REVIEW + ',"response":{"uid":"x","allowed":"yes"}}'),
        "failed to call webhook: json: cannot unmarshal string into Go struct field AdmissionResponse.response.allowed "
        "of type bool",
    ),
    (
        lambda review: (301, b"text"),
        "failed to call webhook: the server responded with the status code 301 but did not return more information",
    ),
    (lambda review: (400, b"text"), "failed to call webhook: the server rejected our request for an unknown reason"),
    (lambda review: (403, b"some text\n"), "failed to call webhook: some text"),
    (lambda review: (404, b"text"), "failed to call webhook: the server could not find the requested resource"),
    (
        lambda review: (500, b"some text\n"),
        'failed to call webhook: an error on the server ("some text") has prevented the request from succeeding',
    ),
    (
        lambda review: (500, b'{"a":"b"}'),
        'failed to call webhook: an error on the server ("unknown") has prevented the request from succeeding',
    ),
    (
        lambda review: (500, b'{"kind":"Status","apiVersion":"v1","status":"Failure","message":"bad"}'),
        "failed to call webhook: bad",
    ),
    (
        _said(patch="W10="),
        "received invalid webhook response: webhook returned response.patch but not response.patchType",
    ),
    (
        _said(patchType="JSONPatch"),
        "received invalid webhook response: webhook returned response.patchType but not response.patch",
    ),
    (
        _said(patchType="", patch="W10="),
        'received invalid webhook response: webhook returned invalid response.patchType of ""',
    ),
    (_said(patchType="Merge", patch="W3t9XQ=="), 'unsupported patch type "Merge"'),
    (
        _said(allowed=False, status={"details": {"causes": "x"}}),
        "failed to call webhook: json: cannot unmarshal string into Go struct field "
        "StatusDetails.response.status.details.causes of type []v1.StatusCause",
    ),
    (_said(patchType="JSONPatch", patch="!!"), "failed to call webhook: illegal base64 data at input byte 0"),
    (
        _said(patchType="JSONPatch", patch="e30="),
        "received undecodable patch in webhook response: json: cannot unmarshal object into Go value of type "
        "jsonpatch.Patch",
    ),
]


@pytest.mark.parametrize(("answer", "want"), UNUSABLE, ids=range(len(UNUSABLE)))
async def test_unusable_answers(web: Web, server: HookServer, answer: Any, want: str) -> None:
    """An answer that makes no sense fails the write in Kubernetes' words, or is passed over as the policy says."""
    server.answers["/m"] = answer
    await configure(web, "Mutating", hook(server.client("/m")))
    failed = await written(web)
    assert (500, CALLING + want) == (failed.status, failed.json["message"])
    assert [{"message": failed.json["message"].removeprefix("Internal error occurred: ")}] == failed.json["details"][
        "causes"
    ]
    await web.ask("DELETE", f"{HOOKS}/mutatingwebhookconfigurations/hooks")
    await configure(web, "Mutating", hook(server.client("/m"), failurePolicy="Ignore"))
    assert (await written(web)).status == 201


PATCHES: list[tuple[list[Review], int, str]] = [
    ([{"op": "test", "path": "/data/k", "value": "z"}], 500, "testing value /data/k failed: test failed"),
    (
        [{"op": "remove", "path": "/data/nope"}],
        500,
        "error in remove for path: '/data/nope': Unable to remove nonexistent key: nope: missing value",
    ),
    (
        [{"op": "replace", "path": "/data", "value": ["x"]}],
        500,
        "json: cannot unmarshal array into Go struct field ConfigMap.data of type map[string]string",
    ),
    (
        [{"op": "replace", "path": "/metadata/namespace", "value": "other"}],
        400,
        "the namespace of the provided object does not match the namespace sent on the request",
    ),
    (
        [{"op": "replace", "path": "/kind", "value": "Pod"}],
        500,
        "converting (v1.Pod) to (core.ConfigMap): unknown conversion",
    ),
]


@pytest.mark.parametrize(("operations", "code", "want"), PATCHES, ids=range(len(PATCHES)))
async def test_patches_that_do_not_fit(
    web: Web, server: HookServer, operations: list[Review], code: int, want: str
) -> None:
    """A patch that cannot be carried out fails the write, whatever the failure policy."""
    server.answers["/m"] = lambda review: patching(review, *operations)
    await configure(web, "Mutating", hook(server.client("/m"), failurePolicy="Ignore"))
    answer = await written(web)
    assert (code, want) == (answer.status, answer.json["message"].removeprefix("Internal error occurred: "))


async def test_what_is_asked(web: Web, server: HookServer) -> None:
    """A mutating webhook sees a new object before it has its identity, a validating one sees what will be stored."""
    server.answers["/m"] = lambda review: patching(review, {"op": "add", "path": "/data/added", "value": "x"})
    server.answers["/v"] = lambda review: verdict(review, warnings=["careful"])
    await configure(web, "Mutating", hook(server.client("/m")))
    await configure(web, "Validating", hook(server.client("/v")))
    new = {"metadata": {"generateName": "one-"}, "data": {"k": "v"}}
    made = await web.ask("POST", MAPS, new, fieldManager="me")
    (first, asked), (second, checked) = server.seen
    assert (first, second) == ("/m?timeout=10s", "/v?timeout=10s")
    request = asked["request"]
    assert {"generateName", "namespace", "managedFields"} == set(request["object"]["metadata"])
    assert "name" not in request
    assert request["options"] == {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1", "fieldManager": "me"}
    assert request["requestResource"] == {"group": "", "version": "v1", "resource": "configmaps"}
    assert (request["oldObject"], request["dryRun"], request["operation"]) == (None, False, "CREATE")
    will = checked["request"]["object"]
    assert {**will["metadata"], "resourceVersion": made.json["metadata"]["resourceVersion"]} == made.json["metadata"]
    assert {"k": "v", "added": "x"} == will["data"] == made.json["data"]
    assert made.warnings == ['299 - "careful"']
    [managed] = made.json["metadata"]["managedFields"]
    assert managed["fieldsV1"]["f:data"] == {".": {}, "f:k": {}}
    assert (
        server.headers[0]["User-Agent"],
        server.headers[0]["Content-Type"],
    ) == ("kube-apiserver-admission", "application/json")


async def test_every_operation(web: Web, server: HookServer) -> None:
    """Updates that change nothing are asked about, and deletions with the object that is to go."""
    server.answers["/v"] = lambda review: verdict(review)
    await configure(web, "Validating", hook(server.client("/v")))
    await written(web)
    stored = await web.get(f"{MAPS}/one")
    assert (await web.ask("PUT", f"{MAPS}/one", stored)).json == stored
    await web.ask("DELETE", f"{MAPS}/one", {"propagationPolicy": "Background"})
    seen = [review["request"] for _, review in server.seen]
    assert [request["operation"] for request in seen] == ["CREATE", "UPDATE", "DELETE"]
    assert (None, stored) == (seen[2]["object"], seen[2]["oldObject"])
    assert seen[2]["options"]["propagationPolicy"] == "Background"


async def test_reinvocation(web: Web, server: HookServer) -> None:
    """A webhook that asks for it is called again after a later one's change, and the others are not."""

    def count(review: Review) -> Review:
        data = review["request"]["object"]["data"]
        return patching(review, {"op": "add", "path": "/data/seen", "value": ",".join(sorted(data))})

    server.answers["/a"] = count
    server.answers["/b"] = lambda review: patching(review, {"op": "add", "path": "/data/b", "value": "x"})
    again = hook(server.client("/a"), "a.b.c", reinvocationPolicy="IfNeeded")
    await configure(web, "Mutating", again, hook(server.client("/b"), "b.b.c"))
    made = await written(web)
    assert [path.partition("?")[0] for path, _ in server.seen] == ["/a", "/b", "/a"]
    assert made.json["data"] == {"k": "v", "b": "x", "seen": "b,k,seen"}


async def test_dry_runs(web: Web, server: HookServer) -> None:
    """A webhook is told of a dry run."""
    server.answers["/v"] = lambda review: verdict(review, False, status={"message": str(review["request"]["dryRun"])})
    await configure(web, "Validating", hook(server.client("/v"), sideEffects="NoneOnDryRun"))
    answer = await written(web, dryRun="All")
    assert answer.json["message"] == 'admission webhook "a.b.c" denied the request: True'


async def test_v1beta1(web: Web, server: HookServer) -> None:
    """An old webhook is asked in its own version, and may leave out what v1 insists on."""
    patch = base64.b64encode(b'[{"op":"add","path":"/data/x","value":"y"}]').decode()
    server.answers["/m"] = lambda review: {"response": {"allowed": True, "patch": patch}}
    await configure(web, "Mutating", hook(server.client("/m"), admissionReviewVersions=["v9", "v1beta1", "v1"]))
    assert (await written(web)).json["data"] == {"k": "v", "x": "y"}
    assert server.seen[0][1]["apiVersion"] == "admission.k8s.io/v1beta1"


CONDITIONS: list[tuple[str, int, str]] = [
    ("object.data.k == 'no'", 201, ""),
    ("object.data.k == 'v'", 400, 'admission webhook "a.b.c" denied the request without explanation'),
    ("authorizer.group('').resource('pods').check('get').allowed() && namespaceObject == null", 400, ""),
    (
        "object.data.nope == 'no'",
        403,
        "configmaps \"one\" is forbidden: expression 'object.data.nope == 'no'' resulted in error: no such key: nope",
    ),
]


@pytest.mark.parametrize(("expression", "code", "want"), CONDITIONS, ids=range(len(CONDITIONS)))
async def test_match_conditions(web: Web, server: HookServer, expression: str, code: int, want: str) -> None:
    """A webhook is asked where its conditions hold; where that cannot be said, its failure policy decides."""
    server.answers["/v"] = lambda review: verdict(review, False)
    conditions = [{"name": "c", "expression": expression}]
    await configure(web, "Validating", hook(server.client("/v"), matchConditions=conditions))
    answer = await written(web)
    assert code == answer.status
    assert want in (answer.json.get("message") or "")


async def test_selectors_and_rules(web: Web, server: HookServer) -> None:
    """Namespace and object selectors, operations and subresources choose what a webhook is asked about."""
    server.answers["/v"] = lambda review: verdict(review, False)
    client = server.client("/v")
    elsewhere = {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}
    rule = {"operations": ["UPDATE"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["deployments/scale"]}
    await configure(
        web,
        "Validating",
        hook(client, "space.b.c", namespaceSelector=elsewhere),
        hook(client, "labels.b.c", objectSelector={"matchLabels": {"strict": "yes"}}),
        hook(client, "scale.b.c", rules=[rule]),
    )
    assert (await written(web)).status == 201
    labelled = await web.ask("POST", MAPS, config_map("two", {"strict": "yes"}))
    assert labelled.json["message"] == 'admission webhook "labels.b.c" denied the request without explanation'
    await web.post(DEPLOYMENTS, deployment("web"))
    scaled = await web.ask(
        "PATCH", f"{DEPLOYMENTS}/web/scale", {"spec": {"replicas": 3}}, {"content-type": "application/merge-patch+json"}
    )
    assert scaled.json["message"] == 'admission webhook "scale.b.c" denied the request without explanation'
    asked = server.seen[-1][1]["request"]
    assert (
        asked["kind"]["kind"],
        *(asked[name]["spec"]["replicas"] for name in ("object", "oldObject")),
    ) == ("Scale", 3, 1)


async def test_equivalent_versions(web: Web, server: HookServer) -> None:
    """A webhook for another version is asked about that version's object, unless it wants its own exactly."""
    server.answers["/m"] = lambda review: patching(review, {"op": "add", "path": "/spec/maxReplicas", "value": 7})
    rule = {"operations": ["CREATE"], "apiGroups": ["autoscaling"], "apiVersions": ["v1"], "resources": ["*"]}
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    scaler = {"metadata": {"name": "web"}, "spec": {"scaleTargetRef": target, "maxReplicas": 3}}
    place = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers"
    await configure(web, "Mutating", hook(server.client("/m"), rules=[rule], matchPolicy="Exact"))
    assert (await web.post(place, scaler, dryRun="All"))["spec"]["maxReplicas"] == 3
    await web.ask("DELETE", f"{HOOKS}/mutatingwebhookconfigurations/hooks")
    await configure(web, "Mutating", hook(server.client("/m"), rules=[rule]))
    made = await web.post(place, scaler)
    assert (made["apiVersion"], made["spec"]["maxReplicas"]) == ("autoscaling/v2", 7)
    request = server.seen[0][1]["request"]
    assert (
        request["kind"]["version"],
        request["requestKind"]["version"],
        request["object"]["apiVersion"],
    ) == ("v1", "v2", "autoscaling/v1")


async def test_configurations_are_exempt(web: Web, server: HookServer) -> None:
    """No webhook can keep its own configuration from being mended."""
    rule = {"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"]}
    server.answers["/v"] = lambda review: verdict(review, False)
    await configure(web, "Validating", hook(server.client("/v"), rules=[rule]))
    assert (await written(web)).status == 400
    assert (await web.ask("DELETE", f"{HOOKS}/validatingwebhookconfigurations/hooks")).status == 200
    assert (await written(web)).status == 201


async def test_spoilt_managed_fields(web: Web, server: HookServer) -> None:
    """Managed fields that a webhook spoils are put back, with a warning."""
    spoilt = {"op": "replace", "path": "/metadata/managedFields", "value": [{"manager": "x"}]}
    server.answers["/m"] = lambda review: patching(review, spoilt)
    await configure(web, "Mutating", hook(server.client("/m")))
    made = await written(web)
    assert [entry["manager"] for entry in made.json["metadata"]["managedFields"]] == ["tester"]
    assert ".metadata.managedFields was in an invalid state after admission" in made.warnings[0]


async def test_parts_of_objects(web: Web, server: HookServer) -> None:
    """Bindings and evictions are asked about as what they are, and nothing is asked about what follows of them."""
    server.answers["/v"] = lambda review: verdict(review, review["request"]["object"]["metadata"]["name"] != "no")
    rule = {
        "operations": ["*"],
        "apiGroups": ["*"],
        "apiVersions": ["*"],
        "resources": ["pods/binding", "pods/eviction"],
    }
    await configure(web, "Validating", hook(server.client("/v"), rules=[rule]))
    await web.post("/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "default"}})
    pods = "/api/v1/namespaces/default/pods"
    for name in ("yes", "no"):
        await web.post(pods, {**pod(name), "metadata": {"name": name}})
        bound = await web.ask("POST", f"{pods}/{name}/binding", {"target": {"kind": "Node", "name": "n1"}})
        gone = await web.ask("POST", f"{pods}/{name}/eviction", {"apiVersion": "policy/v1", "kind": "Eviction"})
        assert (bound.status, gone.status) == ((201, 201) if name == "yes" else (400, 400))
    seen = [review["request"] for _, review in server.seen]
    assert [(one["operation"], one["kind"]["kind"], one["subResource"], one["name"]) for one in seen] == [
        ("CREATE", "Binding", "binding", "yes"),
        ("CREATE", "Eviction", "eviction", "yes"),
        ("CREATE", "Binding", "binding", "no"),
        ("CREATE", "Eviction", "eviction", "no"),
    ]


async def test_deletions_that_a_webhook_would_change(web: Web, server: HookServer) -> None:
    """There is nothing to patch in a deletion; mutating webhooks are asked about it all the same."""
    server.answers["/m"] = lambda review: patching(review, {"op": "add", "path": "/data", "value": {}})
    await written(web)
    await configure(web, "Mutating", hook(server.client("/m")))
    refused = await web.ask("DELETE", f"{MAPS}/one")
    what = "attempted to modify the object, which is not supported for this operation"
    assert refused.json["message"] == f'Internal error occurred: admission webhook "a.b.c" {what}'


async def test_what_is_never_stored(web: Web, server: HookServer) -> None:
    """Reviews of who may what, and bindings by themselves, are asked about like all that is made."""
    rule = {"operations": ["CREATE"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"]}
    await web.post("/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "default"}})
    await web.post("/api/v1/namespaces/default/pods", {**pod("a"), "metadata": {"name": "a"}})
    await configure(web, "Validating", hook(server.client("/v"), rules=[rule]))
    server.answers["/v"] = lambda review: verdict(review, review["request"]["kind"]["kind"] != "TokenReview")
    access = {"spec": {"nonResourceAttributes": {"path": "/", "verb": "get"}}}
    first = await web.ask("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", access)
    token = await web.ask("POST", "/apis/authentication.k8s.io/v1/tokenreviews", {"spec": {"token": "x"}})
    binding = {"metadata": {"name": "a"}, "target": {"kind": "Node", "name": "n1"}}
    bound = await web.ask("POST", "/api/v1/namespaces/default/bindings", binding)
    again = await web.ask("POST", "/api/v1/namespaces/default/bindings", binding)

    assert (first.status, token.status, bound.status, again.status) == (201, 400, 201, 409)
    assert (await web.get("/api/v1/namespaces/default/pods/a"))["spec"]["nodeName"] == "n1"
    seen = [(one["kind"]["kind"], one["object"].get("spec")) for one in (found["request"] for _, found in server.seen)]
    assert seen == [
        ("SelfSubjectAccessReview", access["spec"]),
        ("TokenReview", {"token": "x"}),
        ("Binding", None),
        ("Binding", None),
    ]


@pytest.mark.parametrize(
    ("path", "query", "asked"),
    [
        (
            "exec",
            {"command": ["ls", "-l"], "stdout": "true", "tty": "false"},
            {"command": ["ls", "-l"], "stdout": True},
        ),
        ("attach", {"container": "main", "stdin": "1"}, {"container": "main", "stdin": True}),
        ("portforward", {"ports": ["80", "81"]}, {"ports": [80, 81]}),
        ("proxy/a/b", {"c": "d"}, {"path": "/a/b"}),
    ],
)
async def test_connections(
    web: Web, server: HookServer, path: str, query: dict[str, Any], asked: dict[str, Any]
) -> None:
    """Before a pod is connected to, webhooks are asked, with what is asked of the connection."""
    rule = {"operations": ["CONNECT"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods/*"]}
    await configure(web, "Validating", hook(server.client("/v"), rules=[rule]))
    server.answers["/v"] = lambda review: verdict(review, False)
    refused = await web.ask("GET", f"/api/v1/namespaces/default/pods/a/{path}", **query)

    request = server.seen[0][1]["request"]
    kind = {"exec": "PodExecOptions", "attach": "PodAttachOptions", "portforward": "PodPortForwardOptions"}
    assert (refused.status, request["operation"], request["name"], request["options"]) == (400, "CONNECT", "a", None)
    assert request["kind"]["kind"] == kind.get(request["subResource"], "PodProxyOptions")
    assert {
        key: value for key, value in request["object"].items() if key not in ("kind", "apiVersion", "metadata")
    } == asked
