"""Names parse and print as Kubernetes writes them."""

import pytest

from trueup.kube.names import Key, Kind, Ref
from trueup.kube.problems import ApiProblem, Conflict, NotFound, from_status, not_found


@pytest.mark.parametrize(
    ("api_version", "kind", "expected"),
    [
        pytest.param("v1", "Pod", Kind("", "v1", "Pod"), id="core"),
        pytest.param("apps/v1", "Deployment", Kind("apps", "v1", "Deployment"), id="grouped"),
    ],
)
def test_kind_parses_and_prints(api_version: str, kind: str, expected: Kind) -> None:
    """A kind survives the way from apiVersion and kind and back."""
    parsed = Kind.parse(api_version, kind)

    assert expected == parsed
    assert api_version == parsed.api_version


def test_ref_and_key_come_from_metadata() -> None:
    """An object is named by its own metadata."""
    obj = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"namespace": "shop", "name": "web"}}

    assert Ref(Kind("apps", "v1", "Deployment"), "shop", "web") == Ref.of(obj)
    assert Key("shop", "web") == Key.of(obj)


def test_status_survives_the_wire() -> None:
    """A problem read back from its own Status is the same problem."""
    sent = not_found("deployments.apps", "web")

    received = from_status(404, sent.as_status())

    assert type(received) is NotFound
    assert sent.as_status() == received.as_status()


def test_conflict_without_a_reason_is_told_by_its_code() -> None:
    """A proxy that drops the body still yields the right class."""
    assert type(from_status(409, {})) is Conflict
    assert type(from_status(418, {})) is ApiProblem
