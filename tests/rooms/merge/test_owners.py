"""Ownership of fields as the API server's field manager keeps it."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.kube.names import Kind
from trueup.kube.problems import ApiProblem, BadRequest, Conflict
from trueup.kube.shapes import ANY, Shape
from trueup.kube.types import load
from trueup.merge.owners import apply, managers, strip, track_update

SHAPE = load().shape(Kind("apps", "v1", "Deployment"))
T1, T2, T3 = "2026-01-01T00:00:01Z", "2026-01-01T00:00:02Z", "2026-01-01T00:00:03Z"


def deployment(replicas: int | None = 1, image: str = "web:1", **meta: Any) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "selector": {"matchLabels": {"app": "web"}},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "web", "image": image, "ports": [{"containerPort": 80}]}]},
        },
    }
    if replicas is not None:
        spec["replicas"] = replicas
    metadata = {"name": "web", "namespace": "default", **meta}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def created(**kwargs: Any) -> dict[str, Any]:
    """A Deployment that kubectl created, as it is stored."""
    return track_update(None, deployment(uid="1", **kwargs), SHAPE, manager="kubectl-create", now=T1)


def entries(obj: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {entry["manager"]: entry for entry in obj["metadata"].get("managedFields") or ()}


def owned(obj: dict[str, Any], manager: str) -> Any:
    return entries(obj)[manager]["fieldsV1"]


def test_a_creator_owns_what_it_wrote_as_kubernetes_stores_it() -> None:
    """Parts that a Deployment always has are no members; maps, lists and pointers that were added are."""
    container = {
        ".": {},
        "f:image": {},
        "f:name": {},
        "f:ports": {".": {}, 'k:{"containerPort":80,"protocol":"TCP"}': {".": {}, "f:containerPort": {}}},
    }

    assert created()["metadata"]["managedFields"] == [
        {
            "manager": "kubectl-create",
            "operation": "Update",
            "apiVersion": "apps/v1",
            "time": T1,
            "fieldsType": "FieldsV1",
            "fieldsV1": {
                "f:spec": {
                    "f:replicas": {},
                    "f:selector": {},
                    "f:strategy": {"f:rollingUpdate": {".": {}, "f:maxSurge": {}}, "f:type": {}},
                    "f:template": {
                        "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
                        "f:spec": {"f:containers": {'k:{"name":"web"}': container}},
                    },
                }
            },
        }
    ]


def test_a_custom_resource_has_no_parts_of_its_own() -> None:
    """The spec of a custom resource is added by its creator, so it is a member."""
    thing = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "x"}, "spec": {"a": [1, 2]}}
    new = track_update(None, thing, ANY, manager="m", now=T1)

    assert owned(new, "m") == {"f:spec": {".": {}, "f:a": {}}}


def test_metadata_of_the_server_belongs_to_nobody() -> None:
    """Name, namespace, uid, generation, timestamps and versions are in no set."""
    obj = deployment(uid="1", resourceVersion="5", generation=3, creationTimestamp=T1, selfLink="/x", labels={"a": "b"})
    new = apply(None, obj, SHAPE, manager="a", now=T1)

    assert owned(new, "a")["f:metadata"] == {"f:labels": {"f:a": {}}}
    assert not {"f:apiVersion", "f:kind"} & owned(new, "a").keys()


def test_an_apply_owns_what_it_names() -> None:
    """Struct fields on the way are no members, items of lists are."""
    new = apply(None, deployment(), SHAPE, manager="gitops", now=T1)
    template = owned(new, "gitops")["f:spec"]["f:template"]

    assert entries(new)["gitops"]["operation"] == "Apply"
    assert template["f:metadata"] == {"f:labels": {"f:app": {}}}
    assert template["f:spec"]["f:containers"]['k:{"name":"web"}']["f:image"] == {}


def test_a_conflict_names_the_manager_and_the_field() -> None:
    """Word for word as Kubernetes says it, with a cause per field."""
    with pytest.raises(Conflict) as refused:
        apply(created(), deployment(2), SHAPE, manager="gitops", now=T2)

    text = 'Apply failed with 1 conflict: conflict with "kubectl-create" using apps/v1: .spec.replicas'
    assert refused.value.message == text
    assert [(c.reason, c.message, c.field) for c in refused.value.causes] == [
        ("FieldManagerConflict", 'conflict with "kubectl-create" using apps/v1', ".spec.replicas")
    ]


def test_several_conflicts_are_listed_by_manager() -> None:
    """One line per field under each manager."""
    with pytest.raises(Conflict) as refused:
        apply(created(), deployment(2, image="web:2"), SHAPE, manager="gitops", now=T2)

    assert refused.value.message == (
        'Apply failed with 2 conflicts: conflicts with "kubectl-create" using apps/v1:\n'
        "- .spec.replicas\n"
        '- .spec.template.spec.containers[name="web"].image'
    )


def test_a_conflict_with_a_subresource_says_so() -> None:
    """The scale subresource's writer is named with it; an applier is named without a version."""
    live = created()
    scaled = track_update(
        live, {**live, "spec": {**live["spec"], "replicas": 5}}, SHAPE, manager="hpa", subresource="scale", now=T2
    )
    with pytest.raises(Conflict, match=r'conflict with "hpa" with subresource "scale" using apps/v1: .spec.replicas'):
        apply(scaled, deployment(2), SHAPE, manager="gitops", now=T3)
    applied = apply(None, deployment(), SHAPE, manager="one", now=T1)
    with pytest.raises(Conflict, match=r'conflict with "one": .spec.replicas'):
        apply(applied, deployment(2), SHAPE, manager="two", now=T2)


def test_force_takes_fields_over() -> None:
    """The former owner keeps the rest; the value is the applier's."""
    new = apply(created(), deployment(2), SHAPE, manager="gitops", force=True, now=T2)

    assert new["spec"]["replicas"] == 2
    assert "f:replicas" in owned(new, "gitops")["f:spec"]
    assert "f:replicas" not in owned(new, "kubectl-create")["f:spec"]
    assert entries(new)["kubectl-create"]["time"] == T1


def test_equal_values_are_owned_together_without_a_conflict() -> None:
    """Two managers that want the same share the fields."""
    new = apply(created(), deployment(), SHAPE, manager="gitops", now=T2)

    assert "f:replicas" in owned(new, "gitops")["f:spec"]
    assert "f:replicas" in owned(new, "kubectl-create")["f:spec"]


def test_an_apply_that_changes_nothing_keeps_the_time() -> None:
    """A second equal apply is the very same object again."""
    first = apply(None, deployment(), SHAPE, manager="gitops", now=T1)

    assert apply(first, deployment(), SHAPE, manager="gitops", now=T2) == first


def test_a_changing_apply_has_the_time_of_the_change() -> None:
    """The entry says when its manager last changed the object."""
    first = apply(None, deployment(), SHAPE, manager="gitops", now=T1)

    assert entries(apply(first, deployment(2), SHAPE, manager="gitops", now=T2))["gitops"]["time"] == T2


def test_what_an_applier_no_longer_applies_goes() -> None:
    """A field that nobody else owns is removed; one that another manager wrote stays."""
    first = apply(None, deployment(3), SHAPE, manager="gitops", now=T1)
    gone = apply(first, deployment(None), SHAPE, manager="gitops", now=T2)
    shared = apply(created(replicas=3), deployment(3), SHAPE, manager="gitops", now=T2)
    kept = apply(shared, deployment(None), SHAPE, manager="gitops", now=T3)

    assert "replicas" not in gone["spec"]
    assert kept["spec"]["replicas"] == 3


def test_a_label_map_that_becomes_empty_goes() -> None:
    """No null stays behind where the last label was."""
    first = apply(None, deployment(labels={"a": "b"}), SHAPE, manager="gitops", now=T1)
    second = apply(first, deployment(), SHAPE, manager="gitops", now=T2)

    assert "labels" not in second["metadata"]


def test_a_container_of_another_manager_survives() -> None:
    """Items of an associative list belong to whoever applied them."""
    first = apply(None, deployment(), SHAPE, manager="gitops", now=T1)
    sidecar = copy.deepcopy(deployment(None))
    sidecar["spec"] = {"template": {"spec": {"containers": [{"name": "mesh", "image": "mesh:1"}]}}}
    both = apply(first, sidecar, SHAPE, manager="mesh", now=T2)
    after = apply(both, deployment(2), SHAPE, manager="gitops", now=T3)

    assert [c["name"] for c in after["spec"]["template"]["spec"]["containers"]] == ["web", "mesh"]


def test_an_update_takes_what_it_changes() -> None:
    """The former owner loses the field, the updater owns it, without a conflict."""
    first = apply(None, deployment(), SHAPE, manager="gitops", now=T1)
    edited = {**first, "spec": {**first["spec"], "replicas": 4}}
    new = track_update(first, edited, SHAPE, manager="kubectl-edit", now=T2)

    assert owned(new, "kubectl-edit") == {"f:spec": {"f:replicas": {}}}
    assert "f:replicas" not in owned(new, "gitops")["f:spec"]


def test_updates_of_one_manager_are_one_entry() -> None:
    """Its set grows and its time is the last change's."""
    first = created()
    second = track_update(first, {**first, "spec": {**first["spec"], "paused": True}}, SHAPE, manager="m", now=T2)
    third = track_update(second, {**second, "spec": {**second["spec"], "replicas": 9}}, SHAPE, manager="m", now=T3)

    assert owned(third, "m") == {"f:spec": {"f:paused": {}, "f:replicas": {}}}
    assert entries(third)["m"]["time"] == T3


def test_an_update_that_changes_nothing_changes_no_entry() -> None:
    """The same object again is written by nobody."""
    first = created()

    assert track_update(first, copy.deepcopy(first), SHAPE, manager="m", now=T2) == first


def test_a_removed_field_is_nobodys() -> None:
    """Whoever removes a field takes it from its owners, and owns nothing for it."""
    first = created()
    spec = {name: value for name, value in first["spec"].items() if name != "replicas"}
    new = track_update(first, {**first, "spec": spec}, SHAPE, manager="m", now=T2)

    assert list(managers(new)) == ["kubectl-create"]
    assert "f:replicas" not in owned(new, "kubectl-create")["f:spec"]


def test_a_status_write_is_an_entry_of_its_subresource() -> None:
    """The status that a Deployment always has is no member, what is in it is."""
    first = created()
    conditions = [{"type": "Available", "status": "True"}]
    new = track_update(
        first, {**first, "status": {"conditions": conditions}}, SHAPE, manager="kcm", subresource="status", now=T2
    )

    assert entries(new)["kcm"]["subresource"] == "status"
    assert owned(new, "kcm") == {
        "f:status": {"f:conditions": {".": {}, 'k:{"type":"Available"}': {".": {}, "f:status": {}, "f:type": {}}}}
    }


def test_reset_fields_are_never_owned() -> None:
    """Applying a status on the main resource owns nothing of it, neither the field nor what is below."""
    applied = {**deployment(), "status": {"replicas": 1, "conditions": [{"type": "A", "status": "True"}]}}
    new = apply(None, applied, SHAPE, manager="gitops", now=T1, reset=[{"f:status": {}}])

    assert "f:status" not in owned(new, "gitops")


def test_an_object_that_nobody_tracked_belongs_to_before_first_apply() -> None:
    """The first apply gives the fields that were there to a manager of that name."""
    live = deployment(uid="1")
    new = apply(live, deployment(), SHAPE, manager="gitops", now=T2)

    assert sorted(entries(new)) == ["before-first-apply", "gitops"]
    assert entries(new)["before-first-apply"]["operation"] == "Update"
    with pytest.raises(Conflict, match=r'"before-first-apply" using apps/v1: .spec.replicas'):
        apply(live, deployment(2), SHAPE, manager="gitops", now=T2)


def test_updates_of_an_untracked_object_stay_untracked() -> None:
    """Tracking starts at creation or with the first apply."""
    live = deployment(uid="1")

    assert "managedFields" not in track_update(live, deployment(2, uid="1"), SHAPE, manager="m", now=T2)["metadata"]


@pytest.mark.parametrize("reset", [[], [{}]])
def test_an_empty_list_gives_up_all_ownership(reset: list[Any]) -> None:
    """As Kubernetes documents clearing managed fields."""
    first = created()
    asked = {**first, "metadata": {**first["metadata"], "managedFields": reset}}

    assert "managedFields" not in track_update(first, asked, SHAPE, manager="m", now=T2)["metadata"]


def test_a_client_that_drops_managed_fields_loses_nothing() -> None:
    """Old clients that do not know the field do not delete it."""
    first = created()

    assert track_update(first, strip(first), SHAPE, manager="m", now=T2) == first


def test_entries_are_ordered() -> None:
    """Applies before updates, then by time."""
    one = created()
    two = track_update(one, {**one, "spec": {**one["spec"], "paused": True}}, SHAPE, manager="a", now=T2)
    three = apply(two, deployment(), SHAPE, manager="z", now=T3)

    assert list(managers(three)) == ["z", "kubectl-create", "a"]


def test_at_most_ten_updaters_are_kept() -> None:
    """The oldest are joined as ancient-changes and nothing they owned is lost."""
    obj = created()
    for index in range(15):
        labels = {**(obj["metadata"].get("labels") or {}), f"l{index}": "x"}
        changed = {**obj, "metadata": {**obj["metadata"], "labels": labels}}
        obj = track_update(obj, changed, SHAPE, manager=f"m{index:02}", now=f"2026-01-01T00:01:{index:02}Z")

    assert len(entries(obj)) == 10
    assert entries(obj)["ancient-changes"]["time"] == "2026-01-01T00:01:05Z"
    assert "f:l3" in owned(obj, "ancient-changes")["f:metadata"]["f:labels"]
    assert "f:replicas" in owned(obj, "ancient-changes")["f:spec"]


def test_managed_fields_cannot_be_applied() -> None:
    """They are the server's."""
    with pytest.raises(BadRequest, match="managedFields must be nil"):
        apply(None, created(), SHAPE, manager="m", now=T1)


def test_items_with_the_same_key_are_refused() -> None:
    """With the words and the path that Argo CD users know."""
    obj = deployment()
    obj["spec"]["template"]["spec"]["containers"] *= 2
    with pytest.raises(ApiProblem) as refused:
        apply(None, obj, SHAPE, manager="m", now=T1)

    assert refused.value.message == (
        "failed to create typed patch object (default/web; apps/v1, Kind=Deployment): "
        '.spec.template.spec.containers: duplicate entries for key [name="web"]'
    )


def test_sets_follow_a_custom_schema_that_made_a_field_atomic() -> None:
    """Who owned parts owns the whole, and so another's change of it is a conflict."""
    parts = Shape("map", make=lambda: ({}, ANY, None))
    atom = Shape("map", map_type="atomic", make=lambda: ({}, ANY, None))

    def schema(spec: Shape) -> Shape:
        return Shape("map", make=lambda: ({"spec": spec}, ANY, None))

    thing = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "x"}, "spec": {"a": 1}}
    live = apply(None, thing, schema(parts), manager="one", now=T1)
    with pytest.raises(Conflict, match=r'conflict with "one": \.spec'):
        apply(live, {**thing, "spec": {"b": 2}}, schema(atom), manager="two", now=T2)


LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def test_kubectl_takes_over_what_it_applied_from_the_client_side() -> None:
    """No conflict with its own last client-side apply; the annotation follows."""
    text = json.dumps(deployment(1))
    live = track_update(
        None,
        deployment(1, uid="1", annotations={LAST_APPLIED: text}),
        SHAPE,
        manager="kubectl-client-side-apply",
        now=T1,
    )
    new = apply(live, deployment(2), SHAPE, manager="kubectl", now=T2)

    assert new["spec"]["replicas"] == 2
    assert json.loads(new["metadata"]["annotations"][LAST_APPLIED])["spec"]["replicas"] == 2
    with pytest.raises(Conflict, match=r'"kubectl-client-side-apply" using apps/v1: .spec.replicas'):
        apply(live, deployment(2), SHAPE, manager="gitops", now=T2)


def test_kubectl_does_not_take_over_what_changed_since() -> None:
    """A field that another wrote after the client-side apply is still a conflict."""
    text = json.dumps(deployment(1))
    live = track_update(
        None,
        deployment(7, uid="1", annotations={LAST_APPLIED: text}),
        SHAPE,
        manager="kubectl-client-side-apply",
        now=T1,
    )
    with pytest.raises(Conflict, match=r"\.spec\.replicas"):
        apply(live, deployment(2), SHAPE, manager="kubectl", now=T2)


_leaves = st.booleans() | st.integers(-3, 3) | st.sampled_from(["a", "b"])
_specs = st.recursive(
    st.dictionaries(st.sampled_from("abcd"), _leaves, max_size=4),
    lambda inner: st.dictionaries(st.sampled_from("abcd"), inner | _leaves | st.lists(_leaves, max_size=2), max_size=4),
    max_leaves=12,
)


def _thing(spec: Any) -> dict[str, Any]:
    return {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "x"}, "spec": spec}


@given(_specs, _specs)
def test_applying_twice_is_applying_once(first: Any, second: Any) -> None:
    """The second equal apply changes not a byte; what was applied is what is there."""
    live = apply(None, _thing(first), ANY, manager="m", now=T1)
    before = copy.deepcopy(live)
    once = apply(live, _thing(second), ANY, manager="m", now=T2)

    assert apply(once, _thing(second), ANY, manager="m", now=T3) == once
    assert live == before


@given(_specs, _specs, _specs)
def test_a_forced_apply_has_its_way_and_a_sole_owner_leaves_nothing(first: Any, other: Any, last: Any) -> None:
    """Every field of a forced apply is as applied, whoever wrote before; without others nothing else remains."""
    live = apply(None, _thing(first), ANY, manager="m", now=T1)
    alone = apply(live, _thing(last), ANY, manager="m", now=T2)
    contested = apply(apply(live, _thing(other), ANY, manager="n", force=True, now=T2), _thing(last), ANY, manager="m",
                      force=True, now=T3)  # fmt: skip

    assert strip(alone) == _thing(last)
    assert _holds(contested["spec"], last)


def _holds(have: Any, want: Any) -> bool:
    if isinstance(want, dict) and want:
        return isinstance(have, dict) and all(name in have and _holds(have[name], want[name]) for name in want)
    return bool(have == want) or (want == {} and isinstance(have, dict))


@given(_specs, _specs)
def test_an_update_owns_what_it_changed_and_forgets_what_is_gone(first: Any, second: Any) -> None:
    """All members of all sets are there in the object."""
    live = track_update(None, _thing(first), ANY, manager="m", now=T1)
    new = track_update(live, {**_thing(second), "metadata": live["metadata"]}, ANY, manager="n", now=T2)

    for entry in new["metadata"].get("managedFields") or ():
        assert _exists(new, entry["fieldsV1"])


def _exists(value: Any, fields: dict[str, Any]) -> bool:
    return all(
        isinstance(value, dict) and key[2:] in value and _exists(value[key[2:]], below)
        for key, below in fields.items()
        if key != "."
    )
