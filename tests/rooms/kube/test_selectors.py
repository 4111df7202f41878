"""Label and field selectors."""

import pytest

from trueup.kube import selectors
from trueup.kube.problems import BadRequest

LABELS = {"app": "web", "tier": "front", "count": "3", "empty": ""}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ("app=web", True),
        ("app==web", True),
        ("app!=web", False),
        ("other!=web", True),
        ("app in (web, api)", True),
        ("app in (api)", False),
        ("app notin (api,db)", True),
        ("other notin (api)", True),
        ("app", True),
        ("other", False),
        ("!other", True),
        ("! app", False),
        ("count>2", True),
        ("count < 3", False),
        ("app=web,tier=front,!old", True),
        ("app = web , tier in ( back )", False),
        ("empty=", True),
        ("empty in (,x)", True),
        ("in=x", False),
        ("example.com/app=web", False),
    ],
)
def test_label_selectors(text: str, expected: bool) -> None:
    """Every operator, alone and joined."""
    assert expected == selectors.labels(text).matches(LABELS)


@pytest.mark.parametrize(
    "text",
    ["app=web,", ",app", "app in", "app in web", "app in (web", "=web", "app web", "a>x", "-a=b", "a=b/c", "a=-b", "!"],
)
def test_bad_label_selectors_are_refused(text: str) -> None:
    """What Kubernetes cannot parse, nobody guesses at."""
    with pytest.raises(BadRequest):
        selectors.labels(text)


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        (None, False),
        ({}, True),
        ({"matchLabels": {"app": "web"}}, True),
        ({"matchLabels": {"app": "api"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}, False),
        ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, True),
        ({"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, False),
    ],
)
def test_selectors_of_objects(selector: dict[str, object] | None, expected: bool) -> None:
    """Null selects nothing, empty everything, else all requirements hold."""
    assert expected == selectors.label_selector(selector).matches(LABELS)


def test_an_unknown_operator_is_named() -> None:
    """The message says which word is at fault."""
    with pytest.raises(BadRequest, match='"Near" is not a valid label selector operator'):
        selectors.label_selector({"matchExpressions": [{"key": "a", "operator": "Near"}]})


POD = {"metadata": {"name": "web", "namespace": "a,b"}, "spec": {"hostNetwork": True}, "status": {"phase": "Running"}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ("metadata.name=web", True),
        ("metadata.name==web,status.phase!=Failed", True),
        ("metadata.name!=web", False),
        ("spec.nodeName=", True),
        (r"metadata.namespace=a\,b", True),
        ("spec.hostNetwork=true", True),
    ],
)
def test_field_selectors(text: str, expected: bool) -> None:
    """Absent is empty, booleans are words, commas can be escaped."""
    assert expected == selectors.fields(text).matches(POD)


def test_a_field_selector_tells_an_exact_value() -> None:
    """A list by name can look the object up instead of reading all."""
    selector = selectors.fields("metadata.name=web,status.phase!=Failed")

    assert selector.exact("metadata.name") == "web"
    assert selector.exact("status.phase") is None


def test_a_field_selector_without_operator_is_refused() -> None:
    """A bare path asks for nothing."""
    with pytest.raises(BadRequest):
        selectors.fields("metadata.name")
