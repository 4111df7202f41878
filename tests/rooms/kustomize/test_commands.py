"""What `kustomize edit` makes of a kustomization, as Argo CD runs it."""

from typing import Any

import pytest

from tests.rooms.kustomize.trees import Memory
from trueup.kustomize import KustomizeProblem
from trueup.kustomize.commands import edited, read_image

FILES = Memory(dict.fromkeys(("app/kustomization.yaml", "app/parts/a/x", "app/parts/b/x", "app/.parts/x"), ""))


def after(written: dict[str, Any], **edits: Any) -> dict[str, Any]:
    """The kustomization after the commands."""
    return edited(FILES, "app", written, edits)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nginx:1.25", {"name": "nginx", "newTag": "1.25", "digest": ""}),
        ("nginx=registry:5000/web", {"name": "nginx", "newName": "registry:5000/web", "newTag": "", "digest": ""}),
        ("nginx=my/web:2@sha256:ab", {"name": "nginx", "newName": "my/web", "newTag": "2", "digest": "sha256:ab"}),
        ("ghcr.io/a/b@sha256:cd", {"name": "ghcr.io/a/b", "newTag": "", "digest": "sha256:cd"}),
    ],
)
def test_images_are_read(text: str, expected: dict[str, str]) -> None:
    """``[old=]new[:tag][@digest]``; the port of a registry is no tag."""
    assert read_image(text) == expected


def test_an_image_without_anything_to_set_is_refused() -> None:
    """A name alone says nothing."""
    with pytest.raises(KustomizeProblem, match="invalid format of image"):
        read_image("registry:5000/web")


@pytest.mark.parametrize(
    ("have", "image", "expected"),
    [
        ({"name": "web", "newName": "x", "newTag": "1"}, "web:2", [{"name": "web", "newTag": "2"}]),
        ({"name": "web", "newName": "x", "newTag": "1"}, "web=*:2", [{"name": "web", "newName": "x", "newTag": "2"}]),
        ({"name": "web", "newTag": "1"}, "web=y:*", [{"name": "web", "newName": "y", "newTag": "1"}]),
        ({"name": "web", "newTag": "1"}, "app:2", [{"name": "app", "newTag": "2"}, {"name": "web", "newTag": "1"}]),
        ({"name": "app"}, "web=*:2", [{"name": "app"}, {"name": "web", "newTag": "2"}]),
    ],
)
def test_an_image_takes_the_place_of_the_one_of_its_name(
    have: dict[str, str], image: str, expected: list[dict[str, str]]
) -> None:
    """Nothing of the old entry stays but what a star keeps; all are sorted by name."""
    assert after({"images": [have]}, images=[image])["images"] == expected


def test_replicas_take_the_place_of_those_of_their_name() -> None:
    """Sorted by name, too."""
    written = {"replicas": [{"name": "web", "count": 1}, {"name": "app", "count": 1}]}
    expected = [{"name": "app", "count": 1}, {"name": "db", "count": 2}, {"name": "web", "count": 3}]
    assert after(written, replicas=[{"name": "web", "count": 3}, {"name": "db", "count": 2}])["replicas"] == expected


@pytest.mark.parametrize(
    ("written", "flags", "expected"),
    [
        ({}, {}, {"commonLabels": {"a": "b"}}),
        ({"commonLabels": {"a": "x", "c": "d"}}, {"forceCommonLabels": True}, {"commonLabels": {"a": "b", "c": "d"}}),
        ({}, {"labelWithoutSelector": True}, {"labels": [{"pairs": {"a": "b"}, "includeTemplates": False}]}),
        (
            {"labels": [{"pairs": {"c": "d"}, "includeTemplates": True}, {"pairs": {"e": "f"}}]},
            {"labelWithoutSelector": True},
            {"labels": [{"pairs": {"c": "d"}, "includeTemplates": True}, {"pairs": {"e": "f", "a": "b"}}]},
        ),
        (
            {"labels": [{"pairs": {"c": "d"}, "includeTemplates": True}]},
            {"labelWithoutSelector": True, "labelIncludeTemplates": True},
            {"labels": [{"pairs": {"c": "d", "a": "b"}, "includeTemplates": True}]},
        ),
    ],
)
def test_labels_are_added(written: dict[str, Any], flags: dict[str, bool], expected: dict[str, Any]) -> None:
    """To the common ones, or to the first entry that reaches as far."""
    assert after(written, commonLabels={"a": "b"}, **flags) == expected


@pytest.mark.parametrize(
    ("written", "edits", "words"),
    [
        ({"commonLabels": {"a": "b"}}, {"commonLabels": {"a": "b"}}, "label a already in kustomization file"),
        ({"commonAnnotations": {"a": "b"}}, {"commonAnnotations": {"a": "c"}}, "annotation a already in"),
        ({}, {"commonLabels": {"a": "b"}, "labelIncludeTemplates": True}, "--without-selector flag must be specified"),
        (
            {"labels": [{"pairs": {"a": "c"}}]},
            {"commonLabels": {"a": "b"}, "labelWithoutSelector": True},
            "label a already in kustomization file",
        ),
    ],
)
def test_what_is_there_already_is_not_overwritten(written: dict[str, Any], edits: dict[str, Any], words: str) -> None:
    """Unless it is forced, which the message says."""
    with pytest.raises(KustomizeProblem, match=words):
        after(written, **edits)


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["parts/a"], ["parts/a"]),
        (["parts/*"], ["parts/a", "parts/b"]),
        (["*/a", "parts/a"], ["parts/a"]),
        (["../app/parts/?"], ["../app/parts/a", "../app/parts/b"]),
        (["missing"], ["missing"]),
    ],
)
def test_components_may_be_patterns(paths: list[str], expected: list[str]) -> None:
    """A star stays within a name; what is missing is refused by the build."""
    assert after({}, components=paths)["components"] == expected


def test_patches_are_added_at_the_end() -> None:
    """Those of the kustomization come first."""
    expected = {"patches": [{"path": "a.yaml"}, {"path": "b.yaml"}], "namespace": "n"}
    assert after({"patches": [{"path": "a.yaml"}]}, patches=[{"path": "b.yaml"}], namespace="n") == expected
