"""Version ranges as Masterminds/semver reads them."""

import pytest

from trueup.kube.semver import RangeProblem, Version, allows, newest

ROWS = [
    ("*", "1.2.3", True), ("*", "1.2.3-rc.1", False), (">=1.0.0-0", "1.2.3-rc.1", True), ("1", "1.9.9", True),
    ("1", "2.0.0", False), ("1.2", "1.2.9", True), ("1.2", "1.3.0", False), ("1.x", "1.7.0", True), ("1.2.x", "1.3.0", False),
    ("=1.2.3", "1.2.3", True), ("1.2.3", "1.2.4", False), ("!=1.2.3", "1.2.4", True), ("!=1.2", "1.2.4", False),
    (">1.2", "1.2.5", False), (">1.2", "1.3.0", True), (">11", "11.1.0", False), (">11", "12.0.0", True),
    (">=1.2", "1.2.0", True), ("<1.2", "1.1.9", True), ("<1.2", "1.2.0", False), ("<=1.2", "1.2.9", True),
    ("<=1", "1.9.0", True), ("<=1", "2.0.0", False), ("~1.2.3", "1.2.9", True), ("~1.2.3", "1.3.0", False), ("~1", "1.9.0", True),
    ("~>1.2", "1.2.9", True), ("^1.2.3", "1.9.0", True), ("^1.2.3", "2.0.0", False), ("^0.2.3", "0.2.9", True),
    ("^0.2.3", "0.3.0", False), ("^0.0.3", "0.0.4", False), ("^0.0", "0.0.9", True), ("^0", "0.9.0", True),
    (">=1.0.0 <2.0.0", "1.5.0", True), (">=1.0, <2.0", "2.0.0", False), ("1.2 - 1.4.5", "1.4.5", True),
    ("1.2 - 1.4.5", "1.4.6", False), ("<1 || >=2", "2.1.0", True), ("<1 || >=2", "1.1.0", False), ("v1.x", "v1.2.0", True),
    ("1.2.3+build", "1.2.3", True), ("~0.0.0", "9.9.9", True),
]  # fmt: skip


@pytest.mark.parametrize(("text", "version", "expected"), ROWS)
def test_ranges(text: str, version: str, expected: bool) -> None:
    """A range takes a version or does not."""
    parsed = Version.parse(version)
    assert parsed is not None
    assert expected == allows(text, parsed)


def test_versions_have_an_order() -> None:
    """Pre-releases come before their release, numbers in them count as numbers."""
    texts = ["1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.0.1", "v1.1"]
    versions = [Version.parse(text) for text in texts]
    assert versions == sorted(version for version in reversed(versions) if version)


def test_the_newest_tag_is_taken() -> None:
    """Tags that are no versions are passed over."""
    assert newest("~1.4", ["latest", "v1.4.2", "1.4.10", "v1.5.0", "1.4.11-rc.1"]) == "1.4.10"
    assert newest("2.x", ["v1.4.2"]) is None


@pytest.mark.parametrize("text", ["", "main", ">=", "1.2.3.4.5", "1 || "])
def test_what_is_no_range_is_refused(text: str) -> None:
    """A range that cannot be read says so."""
    with pytest.raises(RangeProblem):
        newest(text, ["1.0.0"])
