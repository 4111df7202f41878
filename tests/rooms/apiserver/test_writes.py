"""Create, update, patch and apply: what is filled in, kept, counted, refused and owned."""

import asyncio
import json
import re
from typing import Any

import pytest

from tests.rooms.apiserver.web import (
    DEPLOYMENT,
    DEPLOYMENTS,
    MAP,
    MAPS,
    NAMESPACE,
    Clock,
    Web,
    config_map,
    deployment,
    ref,
)
from trueup.apiserver.hub import Hub
from trueup.apiserver.inprocess import InProcessClient
from trueup.kube.names import Object
from trueup.kube.problems import AlreadyExists, BadRequest, Conflict, Forbidden, Invalid, NotFound
from trueup.ports import PatchType


def owners(obj: Object) -> list[tuple[str, str, str]]:
    """Who owns anything of an object, and how."""
    return [(e["manager"], e["operation"], e.get("subresource", "")) for e in obj["metadata"]["managedFields"]]


# --- create ---


async def test_a_new_object_gets_its_identity(client: InProcessClient) -> None:
    """Uid, time of birth, version and generation are the server's."""
    given = deployment("web")
    given["metadata"] |= {"uid": "mine", "creationTimestamp": "1999-01-01T00:00:00Z", "generation": 7}

    made = await client.create(given)

    meta = made["metadata"]
    assert meta["uid"] != "mine"
    assert (meta["creationTimestamp"], meta["generation"]) == ("2027-01-15T08:00:00Z", 1)
    assert meta["resourceVersion"].isdigit()


async def test_objects_that_are_made_alike_are_owned_apart(client: InProcessClient) -> None:
    """They share what their managed fields say until one of them changes."""
    one, two = config_map("one", a="1"), config_map("two", a="1")
    first, second = await client.apply(one, manager="m"), await client.apply(two, manager="m")

    changed = await client.apply({**one, "data": {"b": "2"}}, manager="m")

    sets = [made["metadata"]["managedFields"][0]["fieldsV1"] for made in (first, second, changed)]
    assert sets[0] is sets[1]
    assert [[*fields["f:data"]] for fields in sets] == [["f:a"], ["f:a"], ["f:b"]]


async def test_status_is_not_the_creators(client: InProcessClient) -> None:
    """Where status is a subresource, a creator's is dropped."""
    made = await client.create({**deployment("web"), "status": {"replicas": 5}})

    assert made.get("status", {}).get("replicas") is None


async def test_the_created_object_comes_back_over_the_wire(web: Web) -> None:
    """201 and the object; the manager is the client's program."""
    made = await web.post(DEPLOYMENTS, deployment("web"))

    assert (made["kind"], made["apiVersion"], made["metadata"]["name"]) == ("Deployment", "apps/v1", "web")
    assert owners(made) == [("tester", "Update", "")]


async def test_generated_names(client: InProcessClient) -> None:
    """Five characters behind the given start, which is cut where the whole would be too long."""
    made = [await client.create({"apiVersion": "v1", "kind": "ConfigMap",
                                 "metadata": {"generateName": start, "namespace": "default"}})
            for start in ("run-", "x" * 80)]  # fmt: skip

    assert [len(obj["metadata"]["name"]) for obj in made] == [9, 63]
    assert made[0]["metadata"]["generateName"] == "run-"


@pytest.mark.parametrize(
    ("meta", "problem", "message"),
    [
        ({}, Invalid, "name or generateName is required"),
        ({"name": "Big"}, Invalid, "a lowercase RFC 1123 subdomain must consist of"),
        ({"name": "a", "namespace": "nowhere"}, NotFound, 'namespaces "nowhere" not found'),
        (
            {"name": "a", "resourceVersion": "1"},
            BadRequest,
            "resourceVersion should not be set on objects to be created",
        ),
        ({"name": "a", "labels": {"a b": "c"}}, Invalid, "metadata.labels"),
    ],
)
async def test_bad_metadata_is_refused(
    client: InProcessClient, meta: dict[str, Any], problem: type[Exception], message: str
) -> None:
    """In Kubernetes' words."""
    with pytest.raises(problem, match=message):
        await client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "default", **meta}})


async def test_path_and_object_must_agree(web: Web) -> None:
    """Kind, version, namespace and name of the body against those of the request."""
    wrong_kind = await web.ask("POST", MAPS, deployment("a"))
    wrong_space = await web.ask("POST", MAPS, config_map("a", space="kube-system"))
    await web.post(MAPS, config_map("a"))
    wrong_name = await web.ask("PUT", f"{MAPS}/b", config_map("a"))

    assert [answer.status for answer in (wrong_kind, wrong_space, wrong_name)] == [400, 400, 400]
    assert wrong_space.json["message"] == (
        "the namespace of the provided object does not match the namespace sent on the request"
    )
    assert wrong_name.json["message"] == "the name of the object (a) does not match the name on the URL (b)"


async def test_a_terminating_namespace_takes_nothing_new(client: InProcessClient) -> None:
    """With the cause that controllers look for."""
    await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "gone"}})
    await client.delete(ref("gone", kind=NAMESPACE, space=""))

    with pytest.raises(Forbidden, match="because it is being terminated") as refused:
        await client.create(config_map("a", space="gone"))

    assert [cause.reason for cause in refused.value.causes] == ["NamespaceTerminating"]


async def test_a_dry_run_stores_nothing(client: InProcessClient, hub: Hub) -> None:
    """It answers what would be, for every verb, and neither versions nor watches move."""
    await client.create(config_map("a", x="1"))
    before = hub.store.revision

    made = await client.create(config_map("b"), dry_run=True)
    changed = await client.patch(ref("a"), {"data": {"x": "2"}}, "merge", dry_run=True)
    applied = await client.apply(config_map("c"), manager="me", dry_run=True)
    await client.delete(ref("a"), dry_run=True)
    with pytest.raises(AlreadyExists):
        await client.create(config_map("a"), dry_run=True)

    assert (made["metadata"]["name"], changed["data"], applied["metadata"]["name"]) == ("b", {"x": "2"}, "c")
    assert hub.store.revision == before


# --- update ---


async def test_an_update_of_an_old_version_conflicts(client: InProcessClient) -> None:
    """And changes nothing."""
    old = await client.create(config_map("a", x="1"))
    await client.patch(ref("a"), {"data": {"x": "2"}}, "merge")

    with pytest.raises(
        Conflict, match=r'Operation cannot be fulfilled on configmaps "a": the object has been modified'
    ):
        await client.update({**old, "data": {"x": "3"}})

    assert (await client.get(ref("a")))["data"] == {"x": "2"}


async def test_an_update_without_a_version_wins(client: InProcessClient) -> None:
    """Whatever the version is now."""
    await client.create(config_map("a", x="1"))

    assert (await client.update(config_map("a", y="2")))["data"] == {"y": "2"}


async def test_an_update_of_another_object_of_that_name_conflicts(client: InProcessClient) -> None:
    """The uid says that it is not the one that was meant."""
    old = await client.create(config_map("a"))
    await client.delete(ref("a"))
    await client.create(config_map("a"))

    del old["metadata"]["resourceVersion"]
    with pytest.raises(Conflict, match="UID in precondition"):
        await client.update(old)


async def test_what_changes_nothing_makes_no_version(client: InProcessClient, hub: Hub) -> None:
    """For an update, each kind of patch and a repeated apply."""
    made = await client.create(config_map("a", x="1"), manager="me")
    applied = await client.apply(deployment("web"), manager="me")
    before = hub.store.revision

    await client.update(made, manager="other")
    await client.patch(ref("a"), {"data": {"x": "1"}}, "merge")
    await client.patch(ref("a"), [{"op": "replace", "path": "/data/x", "value": "1"}], "json")
    await client.patch(ref("web", DEPLOYMENT), {"spec": {"replicas": 1}}, "strategic")
    again = await client.apply(deployment("web"), manager="me")

    assert hub.store.revision == before
    assert again == applied


async def test_the_generation_counts_changes_of_the_spec(client: InProcessClient) -> None:
    """Not those of metadata or status."""
    made = await client.create(deployment("web"))
    where = ref("web", DEPLOYMENT)

    labelled = await client.patch(where, {"metadata": {"labels": {"a": "b"}}}, "merge")
    reported = await client.patch(where, {"status": {"replicas": 1}}, "merge", subresource="status")
    scaled = await client.patch(where, {"spec": {"replicas": 3}}, "merge")

    counted = [obj["metadata"]["generation"] for obj in (made, labelled, reported, scaled)]
    assert counted == [1, 1, 1, 2]


async def test_spec_and_status_are_written_apart(client: InProcessClient) -> None:
    """A write of one leaves the other as it is."""
    await client.create(deployment("web"))
    where = ref("web", DEPLOYMENT)
    body = {"spec": {"replicas": 3}, "status": {"replicas": 2}}

    main = await client.patch(where, body, "merge")
    status = await client.patch(where, {**body, "spec": {"replicas": 9}}, "merge", subresource="status")

    assert (main["spec"]["replicas"], main.get("status", {}).get("replicas")) == (3, None)
    assert (status["spec"]["replicas"], status["status"]["replicas"]) == (3, 2)


async def test_what_the_server_wrote_cannot_be_changed(client: InProcessClient) -> None:
    """The time of birth stays what it is; another uid and a deletion that is only said are refused."""
    made = await client.create(config_map("a"))
    changes = {"creationTimestamp": "1999-01-01T00:00:00Z", "generation": 9}
    refused = []

    after = await client.patch(ref("a"), {"metadata": changes, "data": {"x": "1"}}, "merge")
    for wrong in ({"uid": "x"}, {"deletionTimestamp": "1999-01-01T00:00:00Z"}):
        with pytest.raises(Invalid, match="field is immutable") as problem:
            await client.patch(ref("a"), {"metadata": wrong}, "merge")
        refused += [cause.field for cause in problem.value.causes]

    assert after["metadata"]["creationTimestamp"] == made["metadata"]["creationTimestamp"]
    assert "generation" not in after["metadata"]
    assert refused == ["metadata.uid", "metadata.deletionTimestamp"]


async def test_immutable_fields_are_named(client: InProcessClient) -> None:
    """The cause says which field."""
    await client.create(deployment("web"))

    with pytest.raises(Invalid, match=r"spec\.selector: Invalid value: .*field is immutable") as refused:
        await client.patch(
            ref("web", DEPLOYMENT),
            {"spec": {"selector": {"matchLabels": {"app": "x"}}, "template": {"metadata": {"labels": {"app": "x"}}}}},
            "merge",
        )

    assert [cause.field for cause in refused.value.causes] == ["spec.selector"]


async def test_shared_objects_are_never_changed(client: InProcessClient) -> None:
    """What a reader holds stays as it was, whatever is written later."""
    await client.apply(deployment("web"), manager="me")
    held = await client.get(ref("web", DEPLOYMENT))
    before = repr(held)

    await client.patch(ref("web", DEPLOYMENT), {"status": {"replicas": 1}}, "merge", subresource="status")
    await client.patch(ref("web", DEPLOYMENT), {"spec": {"replicas": 7}}, "strategic")
    await client.apply(deployment("web", image="nginx:2"), manager="me", force=True)
    await client.delete(ref("web", DEPLOYMENT), propagation="Foreground")

    assert repr(held) == before


# --- patches ---


async def test_patches_that_meet_all_arrive(client: InProcessClient) -> None:
    """A patch without a version is made again on the newest object until it fits."""
    await client.create(config_map("a"))

    await asyncio.gather(*(client.patch(ref("a"), {"data": {f"k{n}": "1"}}, "merge") for n in range(5)))

    assert sorted((await client.get(ref("a")))["data"]) == ["k0", "k1", "k2", "k3", "k4"]


async def test_a_patch_of_a_version_conflicts_when_it_is_old(client: InProcessClient) -> None:
    """As an update does."""
    old = await client.create(config_map("a"))
    await client.patch(ref("a"), {"data": {"x": "1"}}, "merge")
    version = {"resourceVersion": old["metadata"]["resourceVersion"]}

    with pytest.raises(Conflict):
        await client.patch(ref("a"), {"metadata": version, "data": {"x": "2"}}, "merge")


@pytest.mark.parametrize(
    ("media", "body", "expected"),
    [
        ("application/merge-patch+json", {"spec": {"replicas": 2}}, 2),
        ("application/strategic-merge-patch+json", {"spec": {"replicas": 3}}, 3),
        ("application/json-patch+json", [{"op": "replace", "path": "/spec/replicas", "value": 4}], 4),
    ],
)
async def test_each_kind_of_patch_over_the_wire(web: Web, media: str, body: Any, expected: int) -> None:
    """By its media type."""
    await web.post(DEPLOYMENTS, deployment("web"))

    answer = await web.ask("PATCH", f"{DEPLOYMENTS}/web", body, {"content-type": media})

    assert (answer.status, answer.json["spec"]["replicas"]) == (200, expected)


async def test_a_patch_of_unknown_kind_is_refused(web: Web) -> None:
    """In the words of Kubernetes' router."""
    await web.post(MAPS, config_map("a"))

    answer = await web.ask("PATCH", f"{MAPS}/a", {}, {"content-type": "application/json"})

    assert (answer.status, answer.json["message"]) == (415, "415: Unsupported Media Type")


async def test_a_json_patch_that_does_not_fit_is_refused(client: InProcessClient) -> None:
    """It is the request's mistake."""
    await client.create(config_map("a"))

    with pytest.raises(Invalid, match="the server rejected our request due to an error in our request"):
        await client.patch(ref("a"), [{"op": "test", "path": "/data/x", "value": "1"}], "json")


# --- apply ---


async def test_an_apply_creates_and_then_changes(web: Web) -> None:
    """201 the first time, 200 from then on; YAML and JSON alike."""
    headers = {"content-type": "application/apply-patch+yaml"}
    text = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: '%d'}\n"

    answers = [await web.ask("PATCH", f"{MAPS}/a", text % n, headers, fieldManager="me") for n in (1, 2)]

    assert [answer.status for answer in answers] == [201, 200]
    assert answers[1].json["data"] == {"x": "2"}
    assert owners(answers[1].json) == [("me", "Apply", "")]


async def test_an_apply_has_to_name_its_manager(web: Web) -> None:
    """Nothing else can stand for it."""
    answer = await web.ask(
        "PATCH", f"{MAPS}/a", config_map("a"), {"content-type": "application/apply-patch+yaml", "user-agent": "x/1"}
    )

    assert answer.status == 422
    assert "fieldManager: Required value: is required for apply patch" in answer.json["message"]


async def test_an_apply_conflicts_with_another_manager(client: InProcessClient) -> None:
    """Each field is a cause; force takes it over."""
    await client.apply(config_map("a", x="1"), manager="one")

    with pytest.raises(Conflict, match=r'conflict with "one": \.data\.x') as refused:
        await client.apply(config_map("a", x="2"), manager="other", force=False)
    taken = await client.apply(config_map("a", x="2"), manager="other", force=True)

    assert [(c.reason, c.field) for c in refused.value.causes] == [("FieldManagerConflict", ".data.x")]
    assert owners(taken) == [("other", "Apply", "")]


async def test_what_an_applier_leaves_out_goes(client: InProcessClient) -> None:
    """Unless somebody else owns it too."""
    await client.apply(config_map("a", x="1", y="1"), manager="one")
    await client.apply(config_map("a", y="1"), manager="other")

    after = await client.apply(config_map("a", z="1"), manager="one")

    assert after["data"] == {"y": "1", "z": "1"}


async def test_status_has_owners_of_its_own(client: InProcessClient, clock: Clock) -> None:
    """The subresource stands in the entry; an apply of the object does not touch it."""
    await client.apply(deployment("web"), manager="git")
    await client.patch(
        ref("web", DEPLOYMENT), {"status": {"replicas": 1}}, "merge", subresource="status", manager="controller"
    )
    clock.seconds += 60

    after = await client.apply({**deployment("web", replicas=2), "status": {"replicas": 9}}, manager="git")

    assert owners(after) == [("git", "Apply", ""), ("controller", "Update", "status")]
    assert after["status"]["replicas"] == 1


async def test_appliers_that_meet_all_arrive(client: InProcessClient) -> None:
    """One creates, the others change what it made."""
    await asyncio.gather(*(client.apply(config_map("a", **{f"k{n}": "1"}), manager=f"m{n}") for n in range(4)))

    assert sorted((await client.get(ref("a")))["data"]) == ["k0", "k1", "k2", "k3"]


# --- field validation ---


def misspelt() -> Object:
    obj = deployment("web")
    obj["spec"]["replica"] = 3
    return obj


async def test_unknown_fields_are_refused_named_or_dropped(web: Web) -> None:
    """As ``fieldValidation`` asks: Strict, Warn (which is the rule) or Ignore."""
    strict = await web.ask("POST", DEPLOYMENTS, misspelt(), fieldValidation="Strict", dryRun="All")
    warned = await web.ask("POST", DEPLOYMENTS, misspelt(), dryRun="All")
    ignored = await web.ask("POST", DEPLOYMENTS, misspelt(), fieldValidation="Ignore", dryRun="All")

    lead = 'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error:'
    assert (strict.status, strict.json["message"]) == (400, f'{lead} unknown field "spec.replica"')
    assert (warned.status, warned.warnings) == (201, ['299 - "unknown field \\"spec.replica\\""'])
    assert (ignored.status, ignored.warnings) == (201, [])
    assert "replica" not in warned.json["spec"]


@pytest.mark.parametrize(
    ("media", "value"),
    [
        ("application/strategic-merge-patch+json", "map[spec:map[replica:3]]"),
        ("application/merge-patch+json", '"replica\\":3'),
    ],
)
async def test_unknown_fields_of_a_patch_are_an_invalid_patch(web: Web, media: str, value: str) -> None:
    """Kubernetes calls the patch invalid: a strategic one as it is, others by what they make of the object."""
    await web.post(DEPLOYMENTS, deployment("web"))

    strict = await web.ask(
        "PATCH",
        f"{DEPLOYMENTS}/web",
        {"spec": {"replica": 3}},
        headers={"content-type": media},
        fieldValidation="Strict",
    )

    [cause] = strict.json["details"]["causes"]
    assert (strict.status, strict.json["reason"], cause["field"]) == (422, "Invalid", "patch")
    assert value in cause["message"]
    assert cause["message"].endswith(': strict decoding error: unknown field "spec.replica"')


async def test_fields_given_twice_are_refused_or_named(web: Web) -> None:
    """The last one counts where they are let through."""
    body = b'{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": "1", "x": "2"}}'

    strict = await web.ask("POST", MAPS, body, fieldValidation="Strict")
    warned = await web.ask("POST", MAPS, body)

    lead = 'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error:'
    assert (strict.status, strict.json["message"]) == (400, f'{lead} duplicate field "data.x"')
    assert (warned.status, warned.warnings) == (201, ['299 - "duplicate field \\"data.x\\""'])
    assert warned.json["data"] == {"x": "2"}


async def test_a_value_of_the_wrong_type_is_refused(client: InProcessClient) -> None:
    """Before anything else is looked at."""
    obj = deployment("web")
    obj["spec"]["replicas"] = "three"

    with pytest.raises(BadRequest, match=r'Deployment in version "v1" cannot be handled as a Deployment'):
        await client.create(obj)


async def test_yaml_bodies_are_read(web: Web) -> None:
    """Of several documents the first is read."""
    headers = {"content-type": "application/yaml"}
    one = await web.ask("POST", MAPS, b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n", headers)
    two = await web.ask("POST", MAPS, b"metadata: {name: b}\n---\nmetadata: 1\n", headers)

    assert (one.status, two.status, two.json["metadata"]["name"]) == (201, 201, "b")


@pytest.mark.parametrize(
    ("body", "media", "status"),
    [(b"{", "application/json", 400), (b"[]", "application/json", 400), (b"x", "text/plain", 415),
     (b" " * (3 * 1024 * 1024 + 1), "application/json", 413)],
)  # fmt: skip
async def test_bodies_that_are_no_objects_are_refused(web: Web, body: bytes, media: str, status: int) -> None:
    """With the status that says what is wrong."""
    answer = await web.ask("POST", MAPS, body, {"content-type": media})

    assert (answer.status, answer.json["kind"]) == (status, "Status")


@pytest.mark.parametrize(
    ("query", "status"), [({"dryRun": "Some"}, 422), ({"fieldValidation": "Maybe"}, 422), ({"fieldManager": "x" * 129}, 422)]
)  # fmt: skip
async def test_options_that_mean_nothing_are_refused(web: Web, query: dict[str, str], status: int) -> None:
    """Before the object is looked at."""
    answer = await web.ask("POST", MAPS, config_map("a"), **query)

    assert (answer.status, answer.json["reason"]) == (status, "Invalid")


async def test_what_is_handed_in_is_not_kept(client: InProcessClient) -> None:
    """The caller's object stays the caller's."""
    mine = config_map("a", x="1")
    await client.create(mine)
    mine["data"]["x"] = "2"

    assert (await client.get(ref("a")))["data"] == {"x": "1"}
    assert set(mine["metadata"]) == {"name", "namespace"}


async def test_an_unserved_kind_is_not_found(client: InProcessClient, web: Web) -> None:
    """By kind in process, by path on the wire."""
    with pytest.raises(NotFound, match=r'no matches for kind "Thing" in version "x\.example\.com/v1"'):
        await client.create({"apiVersion": "x.example.com/v1", "kind": "Thing", "metadata": {"name": "a"}})
    answer = await web.ask("GET", "/apis/x.example.com/v1/things")

    assert (answer.status, answer.body) == (404, b"404 page not found\n")


async def test_a_map_kept_by_nobody_is_not_found(client: InProcessClient) -> None:
    """With the details that clients look at."""
    with pytest.raises(NotFound, match=r'configmaps "a" not found') as refused:
        await client.get(ref("a", MAP))

    assert refused.value.details == {"name": "a", "kind": "configmaps"}


TYPED = [
    ({"spec": {"replicas": "x"}}, "map[spec:map[replicas:x]]", "unrecognized type: int32"),
    ({"spec": {"replicas": 1.5}}, "map[spec:map[replicas:1.5]]", "cannot convert float64 to int32"),
    ({"metadata": {"labels": {"a": 1}}}, "map[metadata:map[labels:map[a:1]]]", "cannot convert int64 to string"),
    ({"metadata": {"labels": "x"}}, "map[metadata:map[labels:x]]", "cannot restore map from string"),
    ({"spec": {"template": "x"}}, "map[spec:map[template:x]]", "cannot restore struct from: string"),
]


@pytest.mark.parametrize(("patch", "shown", "text"), TYPED)
async def test_strategic_patches_of_wrong_types(client: InProcessClient, patch: Object, shown: str, text: str) -> None:
    """The patch is shown as Go prints it, and what Go could not convert is said in its words."""
    await client.create(deployment("web"))

    with pytest.raises(Invalid, match=re.escape(f'patch: Invalid value: "{shown}": {text}')):
        await client.patch(ref("web", DEPLOYMENT), patch, "strategic")


@pytest.mark.parametrize(
    ("body", "how", "text"),
    [
        (
            {"op": "add"},
            "json",
            "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp",
        ),
        ("text", "strategic", "json: cannot unmarshal string into Go value of type map[string]interface {}"),
        ([], "strategic", "json: cannot unmarshal array into Go value of type map[string]interface {}"),
    ],
)
async def test_patches_of_no_such_form(client: InProcessClient, body: Any, how: PatchType, text: str) -> None:
    """What is no patch of its type is told from what does not fit."""
    await client.create(deployment("web"))

    with pytest.raises(BadRequest, match=f"^{re.escape(text)}$"):
        await client.patch(ref("web", DEPLOYMENT), body, how)


@pytest.mark.parametrize("number", ["1.0", "1e2", "100e-1", "123456789012345678901234567890"])
async def test_whole_numbers_are_written_as_such(web: Web, number: str) -> None:
    """``1.0`` and ``1e2`` are no whole numbers to Go; the refusal has the number as it came. YAML's are."""
    body = '{"apiVersion":"v1","kind":"Service","metadata":{"name":"a"},"spec":{"ports":[{"port":NUMBER}]}}'
    path, yaml = "/api/v1/namespaces/default/services", {"content-type": "application/yaml"}

    refused = await web.ask("POST", path, body.replace("NUMBER", number).encode())
    taken = await web.ask("POST", path, body.replace("NUMBER", "8e1").encode(), yaml)

    told = f"cannot unmarshal number {number} into Go struct field ServicePort.spec.ports.port of type int32"
    assert (refused.status, refused.json["message"]) == (
        400,
        f'Service in version "v1" cannot be handled as a Service: json: {told}',
    )
    assert (taken.status, taken.json["spec"]["ports"][0]["port"]) == (201, 80)


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("type", 5, "number into Go struct field ServiceSpec.spec.type of type v1.ServiceType"),
        ("ipFamilies", "IPv4", "string into Go struct field ServiceSpec.spec.ipFamilies of type []v1.IPFamily"),
        ("ipFamilies", [4], "number into Go struct field ServiceSpec.spec.ipFamilies of type v1.IPFamily"),
    ],
)
async def test_types_have_their_names(web: Web, field: str, value: object, told: str) -> None:
    """Go's errors name the types that Kubernetes gives its words."""
    obj = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {field: value}}

    refused = await web.ask("POST", "/api/v1/namespaces/default/services", json.dumps(obj).encode())

    assert refused.json["message"].endswith(f"json: cannot unmarshal {told}")
