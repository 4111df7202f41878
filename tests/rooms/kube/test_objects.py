"""Reading objects and changing them by copying."""

from typing import Any

from trueup.kube import objects

SECRET: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {
        "name": "s",
        "uid": "1",
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": '{"data":{"a":"eA=="}}', "x": "y"},
        "ownerReferences": [{"uid": "2"}, {"uid": "3", "controller": True}, {"name": "no uid"}],
    },
    "data": {"a": "eA=="},
    "stringData": {"b": "plain"},
}


def test_metadata_of_anything() -> None:
    """An object without metadata has empty metadata, labels and annotations."""
    assert objects.meta({}) == {}
    assert objects.labels({"metadata": {"labels": None}}) == {}
    assert objects.annotations(SECRET)["x"] == "y"


def test_changing_metadata_copies() -> None:
    """Fields are set, None removes, the object handed in stays."""
    new = objects.with_meta(SECRET, name="t", uid=None)

    assert new["metadata"]["name"] == "t"
    assert "uid" not in new["metadata"]
    assert SECRET["metadata"]["name"] == "s"
    assert new["data"] is SECRET["data"]


def test_owners() -> None:
    """Uids of all owners; the controller is the marked one."""
    assert list(objects.owner_uids(SECRET)) == ["2", "3"]
    assert objects.controller_of(SECRET) == {"uid": "3", "controller": True}


def test_a_secret_shows_keys_but_no_values() -> None:
    """Values and the last applied configuration are hidden; nothing of a secret leaks through an annotation."""
    shown = objects.redact_secret(SECRET)

    assert shown["data"] == {"a": objects.REDACTED}
    assert shown["stringData"] == {"b": objects.REDACTED}
    assert "eA==" not in str(shown)
    assert SECRET["data"] == {"a": "eA=="}


def test_other_objects_are_shown_as_they_are() -> None:
    """A ConfigMap is no secret."""
    config = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "b"}}

    assert objects.redact_secret(config) is config
