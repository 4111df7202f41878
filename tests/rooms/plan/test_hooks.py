"""What hooks with generated names are called."""

import pytest

from trueup.plan.hooks import named
from trueup.plan.wanted import Hook, Wanted


@pytest.mark.parametrize(
    ("revision", "expected"),
    [
        ("0123456789abcdef0123456789abcdef01234567", "migrate-0123456-presync-5"),
        ("1.4.0", "migrate-1.4.0-presync-5"),
        ("1.3.0+build.7", "migrate-1.3.0-b-presync-5"),
        ("1.4.0,0123456789abcdef0123456789abcdef01234567", "migrate-1.4.0-0-presync-5"),
        ("sha256:fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210", "migrate-fedcba9-presync-5"),
    ],
)
def test_a_generated_name_has_the_revision_in_it(revision: str, expected: str) -> None:
    """Seven signs of a commit, a version or a digest, and none that a name may not have."""
    hook = Wanted({"kind": "Job", "metadata": {"generateName": "migrate-"}}, phase="PreSync", hook=Hook())
    assert named(hook, revision, 5).object["metadata"]["name"] == expected
