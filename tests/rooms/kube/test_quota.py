"""What counts for a ResourceQuota where no admission test asks: devices of resource claims, classes of volumes."""

from fractions import Fraction
from typing import Any

import pytest

from trueup.kube import quota
from trueup.kube.names import Object

_CLAIMS = "resourceclaims.resource.k8s.io"
_GOLD, _SILVER = (f"{name}.deviceclass.resource.k8s.io/devices" for name in ("gold", "silver"))


@pytest.mark.parametrize(
    ("requests", "expected"),
    [
        ([{"name": "a", "exactly": {"deviceClassName": "gold", "count": 2}}], {_GOLD: 2}),
        ([{"name": "a", "deviceClassName": "gold", "allocationMode": "All"}], {_GOLD: 32}),
        (
            [
                {
                    "name": "a",
                    "firstAvailable": [
                        {"deviceClassName": "gold", "count": 1},
                        {"deviceClassName": "gold", "count": 3},
                        {"deviceClassName": "silver", "count": 2},
                    ],
                },
                {"name": "b", "exactly": {"deviceClassName": "gold", "count": 1}},
            ],
            {_GOLD: 4, _SILVER: 2},
        ),
        ([], {}),
    ],
)
def test_devices_count_by_their_class(requests: list[Object], expected: dict[str, int]) -> None:
    """Of those that would do the most of each class, and as many as there may be where all are asked for."""
    claim = {"metadata": {"name": "c"}, "spec": {"devices": {"requests": requests}}}
    assert quota.covered(_CLAIMS, [_GOLD, f"count/{_CLAIMS}", "pods"]) == [_GOLD, f"count/{_CLAIMS}"]
    wanted = {f"count/{_CLAIMS}": Fraction(1), **{name: Fraction(many) for name, many in expected.items()}}
    assert quota.usage(_CLAIMS, claim, 0.0) == wanted


@pytest.mark.parametrize(
    ("spec", "status", "expected"),
    [
        ("gold", {}, ["gold"]),
        ("silver", {"currentVolumeAttributesClassName": "gold"}, ["gold", "silver"]),
        ("", {"modifyVolumeStatus": {"targetVolumeAttributesClassName": "silver"}}, ["silver"]),
        ("", {}, []),
    ],
)
def test_a_claim_counts_for_every_class_that_it_names(spec: str, status: Any, expected: list[str]) -> None:
    """The one that it wants, the one that it has, the one that it is being given."""
    claim: Object = {"metadata": {}, "spec": {"volumeAttributesClassName": spec}, "status": status}
    found = []
    for name in ("gold", "silver"):
        selector = {"scopeName": "VolumeAttributesClass", "operator": "In", "values": [name]}
        held = {"spec": {"scopeSelector": {"matchExpressions": [selector]}}}
        if quota.in_scope(held, "persistentvolumeclaims", claim):
            found.append(name)
    assert found == expected
