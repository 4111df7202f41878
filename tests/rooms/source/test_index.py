"""What an index says of one chart: however it is written, and however large it is."""

import json

import pytest
import yaml

from trueup.ports import SourceProblem
from trueup.source import index
from trueup.source.index import entries, picked, resolved

ENTRIES = {
    "web": [
        {
            "version": "1.0.0",
            "urls": ["web-1.0.0.tgz"],
            "digest": "sha256:AB",
            "description": "entries:\n  api:\n  - x",
        },
        {"version": "1.10.0", "urls": ["web-1.10.0.tgz"]},
        {"version": "1.9.0", "urls": []},
        {"version": "latest", "urls": ["web.tgz"]},
    ],
    "api": [{"version": "v2.0.0", "urls": ["api.tgz"], "maintainers": [{"name": "Ada", "email": "ada@example.com"}]}],
}
INDEX = {"apiVersion": "v1", "entries": ENTRIES, "generated": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    "text",
    [
        yaml.safe_dump(INDEX),
        yaml.safe_dump(INDEX, sort_keys=False),
        yaml.safe_dump(INDEX, default_flow_style=True),
        yaml.safe_dump(INDEX, indent=6),
        yaml.safe_dump(INDEX).replace("\n", "\r\n"),
        json.dumps(INDEX),
    ],
    ids=["as Helm writes it", "in another order", "in one line", "wider", "with CRLF", "JSON"],
)
def test_an_index_may_be_written_in_any_form(text: str) -> None:
    """Newest first, without what is no version or has no archive; what stands in a text is no chart."""
    found = entries(text.encode(), "web")
    assert [(entry.version, entry.urls, entry.digest) for entry in found] == [
        ("1.10.0", ("web-1.10.0.tgz",), ""),
        ("1.0.0", ("web-1.0.0.tgz",), "ab"),
    ]
    assert entries(text.encode(), "api")[0].maintainers == "Ada <ada@example.com>"
    with pytest.raises(SourceProblem, match="chart 'x' is not in the repository's index"):
        entries(text.encode(), "x")


def test_only_one_charts_lines_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that an index may be large; one that has to be read as a whole may not."""
    monkeypatch.setattr(index, "_MOST_READ", 700)
    many = {f"chart-{number}": ENTRIES["api"] for number in range(100)}
    large = {**INDEX, "entries": {**ENTRIES, **many}}
    assert [entry.version for entry in entries(yaml.safe_dump(large).encode(), "web")] == ["1.10.0", "1.0.0"]
    with pytest.raises(SourceProblem, match="allowed are 700"):
        entries(yaml.safe_dump(large, default_flow_style=True).encode(), "web")


def test_a_version_is_picked_as_it_is_written_or_by_its_range() -> None:
    """The very one goes before the highest; what is no range may be the name of one."""
    known = ["1.2.3", "v1.2", "1.2", "nightly"]
    assert [picked(wanted, known) for wanted in ("1.2", "~1.2", "nightly")] == ["1.2", "1.2.3", "nightly"]
    assert resolved("nightly", known) == "nightly"
    with pytest.raises(SourceProblem, match="invalid revision"):
        resolved("weekly", known)
