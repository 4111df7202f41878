"""Health of Argo CD's own kinds."""

from __future__ import annotations

import pytest

from trueup.families.argocd.health import application_set


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({}, "Progressing"),
        ({"ErrorOccurred": "True", "ResourcesUpToDate": "True"}, "Degraded"),
        ({"ErrorOccurred": "False", "ResourcesUpToDate": "False"}, "Degraded"),
        ({"RolloutProgressing": "True", "ResourcesUpToDate": "True"}, "Progressing"),
        ({"ErrorOccurred": "False", "ResourcesUpToDate": "True"}, "Healthy"),
    ],
    ids=["silent", "error", "behind", "rolling-out", "up-to-date"],
)
def test_an_application_set_is_as_its_conditions_say(conditions: dict[str, str], expected: str) -> None:
    """Errors first; what has said nothing is waited for."""
    said = [{"type": type_, "status": status, "message": type_} for type_, status in conditions.items()]

    assert application_set({"status": {"conditions": said}}).status == expected
