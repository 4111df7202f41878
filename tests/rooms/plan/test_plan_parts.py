"""The smaller parts of the plan: ignoring, adopting, pruning, ordering, printing."""

from __future__ import annotations

from typing import Any

import pytest

from trueup.kube.names import Kind, Object, Ref
from trueup.merge.changes import FieldChange
from trueup.plan.adopt import taken_over, without_unwanted
from trueup.plan.compare import bare, compare, told, veiled
from trueup.plan.ignore import remove_owned, remove_pointer, respected
from trueup.plan.images import images_of
from trueup.plan.order import ARGOCD, FLUX
from trueup.plan.plan import Change, Plan
from trueup.plan.policy import Policy, Retry
from trueup.plan.prune import placed, prunes
from trueup.plan.show import show
from trueup.plan.wanted import Hook, Ignore, LiveMarks, Options, Wanted


def cm(name: str, **data: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "ns"}, "data": data}


def ref(name: str) -> Ref:
    return Ref.of(cm(name))


@pytest.mark.parametrize(
    ("pointer", "expected"),
    [
        ("/a/b", {"a": {}, "l": [1, 2], "x/y": 1}),
        ("/l/0", {"a": {"b": 1}, "l": [2], "x/y": 1}),
        ("/x~1y", {"a": {"b": 1}, "l": [1, 2]}),
        ("/no/where", {"a": {"b": 1}, "l": [1, 2], "x/y": 1}),
        ("/l/9", {"a": {"b": 1}, "l": [1, 2], "x/y": 1}),
    ],
)
def test_remove_pointer(pointer: str, expected: Object) -> None:
    """A JSON pointer takes out what it names and minds nothing that is not there."""
    obj: Object = {"a": {"b": 1}, "l": [1, 2], "x/y": 1}
    remove_pointer(obj, pointer)
    assert expected == obj


def test_remove_owned() -> None:
    """A field set takes out its leaves, list items by key included."""
    obj = {"spec": {"replicas": 3, "containers": [{"name": "a", "image": "x"}, {"name": "b", "image": "y"}]}}
    fields = {"f:spec": {"f:replicas": {}, "f:containers": {'k:{"name":"b"}': {".": {}, "f:image": {}}}}}
    remove_owned(obj, fields)
    assert obj == {"spec": {"containers": [{"name": "a", "image": "x"}, {"name": "b"}]}}


def test_respected_keeps_live_values() -> None:
    """Ignored fields are written with their live value, all others as wanted."""
    wanted = {"spec": {"replicas": 1, "c": [{"name": "a", "image": "new", "tag": 1}]}}
    stripped = {"spec": {"c": [{"name": "a", "image": "new"}]}}
    live = {"spec": {"replicas": 7, "c": [{"name": "z"}, {"name": "a", "image": "old", "tag": 9}]}}
    assert respected(wanted, stripped, live) == {
        "spec": {"replicas": 7, "c": [{"name": "a", "image": "new", "tag": 9}]}
    }


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (Ignore(), True),
        (Ignore(kind="ConfigMap", name="a"), True),
        (Ignore(group="apps"), False),
        (Ignore(name="b"), False),
    ],
)
def test_ignore_matches(rule: Ignore, expected: bool) -> None:
    """A rule speaks of what all its given parts match."""
    assert expected == rule.matches(ref("a"))


def test_take_over() -> None:
    """kubectl's fields become the owner's; those of subresources and of others stay theirs."""
    entries = [
        {"manager": "me", "operation": "Apply", "fieldsV1": {"f:data": {"f:x": {}}}},
        {"manager": "kubectl-edit", "operation": "Update", "fieldsV1": {"f:data": {"f:y": {}}}},
        {"manager": "kubectl", "operation": "Update", "subresource": "scale", "fieldsV1": {"f:spec": {}}},
        {"manager": "hpa", "operation": "Update", "fieldsV1": {"f:spec": {}}},
    ]
    taken = taken_over(entries, ("kubectl",), "me")
    assert taken == [
        *entries[2:],
        {"manager": "me", "operation": "Apply", "fieldsV1": {"f:data": {"f:x": {}, "f:y": {}}}},
    ]
    assert taken_over(entries[2:], ("kubectl",), "me") is None
    predicted = cm("a", x="1", y="2", z="3")
    assert without_unwanted(predicted, cm("a", x="1"), entries, ("kubectl",), "me")["data"] == {"x": "1", "z": "3"}
    assert predicted["data"] == {"x": "1", "y": "2", "z": "3"}


def test_bare_leaves_out_bookkeeping() -> None:
    """Status and what the server keeps for itself do not count."""
    live = {**cm("a"), "status": {"x": 1}}
    live["metadata"] = {**live["metadata"], "uid": "u", "resourceVersion": "7", "generation": 2, "managedFields": []}
    assert bare(live) == cm("a")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("Secret", "{Value:(hidden)}"), ("ConfigMap", "{Value:map[a:{1}]}")],
)
def test_a_refusal_does_not_tell_a_secrets_value(kind: str, expected: str) -> None:
    """The API quotes a value of the wrong type; of a Secret that is not passed on."""
    quoted = "x/y; .data.a: expected string, got &value.valueUnstructured{Value:map[a:{1}]}"
    message = told(Ref(Kind("", "v1", kind), "x", "y"), quoted)

    assert message == f"x/y; .data.a: expected string, got &value.valueUnstructured{expected}"


def test_an_object_that_was_encrypted_is_as_good_as_a_secret() -> None:
    """Whatever its kind: neither a refusal nor the differences tell its values."""
    refused = 'ConfigMap "x" is invalid: data.a: Invalid value: "hush \\"x\\"": too long'
    message = told(Ref(Kind("", "v1", "ConfigMap"), "x", "y"), refused, secret=True)
    assert message == 'ConfigMap "x" is invalid: data.a: Invalid value: (hidden): too long'
    found = veiled(compare(cm("a", p="old"), cm("a", p="new", q="more")).fields)
    assert [(f.path, f.op) for f in found] == [("data.p", "change"), ("data.q", "add")]
    assert not {"old", "new", "more"} & {str(value) for f in found for value in (f.old, f.new)}


def test_secret_values_are_hidden() -> None:
    """A Secret's differences say where, never what."""
    live = {**cm("a", p="old"), "kind": "Secret"}
    found = compare(live, {**cm("a", p="new", q="more"), "kind": "Secret"})
    assert [(f.path, f.op) for f in found.fields] == [("data.p", "change"), ("data.q", "add")]
    assert not {"old", "new", "more"} & {str(value) for f in found.fields for value in (f.old, f.new)}


@pytest.mark.parametrize(
    ("marks", "policy", "deleting", "expected"),
    [
        (LiveMarks(), Policy(prune=True), False, ("prune", "")),
        (LiveMarks(), Policy(), False, ("leave", "ignored (requires pruning)")),
        (LiveMarks(options=Options(prune="no")), Policy(prune=True), False, ("leave", "ignored (no prune)")),
        (LiveMarks(options=Options(delete="no")), Policy(), True, ("leave", "ignored (no delete)")),
        (LiveMarks(options=Options(prune="no")), Policy(), True, ("prune", "")),
        (LiveMarks(owned=False), Policy(prune=True), False, None),
    ],
)
def test_prunes(marks: LiveMarks, policy: Policy, deleting: bool, expected: tuple[str, str] | None) -> None:
    """What is owned, live and unwanted goes, unless something speaks against it."""
    wanted = [] if deleting else [ref("kept")]
    lines = prunes([ref("a")], wanted, {ref("a"): cm("a")}, lambda _: marks, policy, deleting=deleting)
    assert ([expected] if expected else []) == [(line.action, line.why) for line in lines]


@pytest.mark.parametrize(("approved", "expected"), [(False, True), (True, False)])
def test_confirmation(approved: bool, expected: bool) -> None:
    """What may go only with consent says so until the consent is given, also when the unit itself is deleted."""
    marks = LiveMarks(options=Options(delete="confirm"))
    policy = Policy(prune_approved=approved)
    (line,) = prunes([ref("a")], [], {ref("a"): cm("a")}, lambda _: marks, policy, deleting=True)
    assert (line.action, expected) == ("prune", line.unconfirmed)


def test_another_version_is_the_same_object() -> None:
    """An object that is now wanted in another version is not pruned in the old one."""
    old = Ref(Kind("apps", "v1beta1", "Deployment"), "ns", "web")
    new = Ref(Kind("apps", "v1", "Deployment"), "ns", "web")
    assert prunes([old], [new], {old: cm("web")}, lambda _: LiveMarks(), Policy(prune=True)) == []


def test_prune_waves_are_mirrored() -> None:
    """What was created last goes first."""
    lines = [Change(ref(str(wave)), "prune", wave=wave) for wave in (0, 1, 5)]
    assert [(c.ref.name, c.wave) for c in placed(lines, Policy())] == [("0", 5), ("1", 1), ("5", 0)]


def test_prune_last() -> None:
    """Pruning last happens behind the last wave of the sync."""
    lines = [Change(ref("old"), "prune"), Change(ref("new"), "create", Wanted(cm("new")), wave=3)]
    assert [c.wave for c in placed(lines, Policy(prune_last=True))] == [4, 3]


@pytest.mark.parametrize(
    ("kind", "argocd", "flux"),
    [
        (Kind("", "v1", "Namespace"), (0, -35), (0, -22)),
        (Kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition"), (0, -22), (0, -23)),
        (Kind("storage.k8s.io", "v1", "StorageClass"), (0, -25), (1, -17)),
        (Kind("apps", "v1", "Deployment"), (2, -8), (2, -4)),
        (Kind("example.com", "v1", "Thing"), (2, 0), (2, 0)),
        (Kind("admissionregistration.k8s.io", "v1", "ValidatingWebhookConfiguration"), (2, 0), (2, 2)),
    ],
    ids=lambda value: value.kind if isinstance(value, Kind) else "",
)
def test_orders(kind: Kind, argocd: tuple[int, int], flux: tuple[int, int]) -> None:
    """Each original's order of kinds."""
    assert (argocd, flux) == ((ARGOCD.stage(kind), ARGOCD.rank(kind)), (FLUX.stage(kind), FLUX.rank(kind)))


@pytest.mark.parametrize(
    ("retry", "failed", "expected"),
    [
        (Retry(), 1, None),
        (Retry(limit=2), 1, 5.0),
        (Retry(limit=2), 2, 10.0),
        (Retry(limit=2), 3, None),
        (Retry(limit=-1), 50, 180.0),
    ],
)
def test_retry(retry: Retry, failed: int, expected: float | None) -> None:
    """Back-off grows by its factor up to its longest, as often as allowed."""
    assert expected == retry.after(failed)


@pytest.mark.parametrize(
    ("kind", "spec", "expected"),
    [
        ("Pod", {"containers": [{"image": "b"}, {"image": "a"}]}, ("a", "b")),
        (
            "Deployment",
            {"template": {"spec": {"containers": [{"image": "x"}], "initContainers": [{"image": "y"}]}}},
            ("x", "y"),
        ),
        ("CronJob", {"jobTemplate": {"spec": {"template": {"spec": {"containers": [{"image": "c"}]}}}}}, ("c",)),
        ("Service", {"ports": []}, ()),
    ],
)
def test_images(kind: str, spec: dict[str, Any], expected: tuple[str, ...]) -> None:
    """The images that a workload runs."""
    assert expected == images_of({"kind": kind, "spec": spec})


def test_show() -> None:
    """A plan as people read it."""
    plan = Plan(
        (
            Change(ref("migrate"), "hook", Wanted(cm("migrate"), "hooks.yaml:3", hook=Hook()), phase="PreSync"),
            Change(ref("new"), "create", Wanted(cm("new"), "new.yaml:1")),
            Change(ref("web"), "update", Wanted(cm("web")), fields=(FieldChange("data.x", None, "1", "add"),)),
            Change(ref("same"), "keep", Wanted(cm("same"))),
            Change(ref("old"), "prune"),
            Change(ref("held"), "leave", why="ignored (no prune)"),
            Change(ref("bad"), "refused", Wanted(cm("bad")), why="bad.yaml:7: data must be a map"),
        ),
        warnings=("ConfigMap ns/new appears 2 times among the wanted objects; the last one counts",),
    )
    assert show(plan) == (
        "PreSync, wave 0:\n"
        "  > hook ConfigMap ns/migrate  (hooks.yaml:3)\n"
        "Sync, wave 0:\n"
        "  + create ConfigMap ns/new  (new.yaml:1)\n"
        "  ~ update ConfigMap ns/web\n"
        '      data.x: (none) -> "1"\n'
        "  - prune ConfigMap ns/old\n"
        "  . leave ConfigMap ns/held: ignored (no prune)\n"
        "  x refused ConfigMap ns/bad: bad.yaml:7: data must be a map\n"
        "warning: ConfigMap ns/new appears 2 times among the wanted objects; the last one counts\n"
        "1 to create, 1 to update, 1 to prune, 1 to run, 1 in sync, 1 to leave, 1 refused"
    )
