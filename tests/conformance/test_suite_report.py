"""What `make conformance` reads out of the suite's report."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "conformance.py"


@pytest.fixture
def script() -> ModuleType:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("conformance", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def spec(text: str, state: str, message: str = "") -> dict[str, object]:
    failure = {"Failure": {"Message": message}} if message else {}
    return {
        "LeafNodeType": "It",
        "ContainerHierarchyTexts": ["[sig-x] Things"],
        "LeafNodeText": text,
        "State": state,
        **failure,
    }


def test_specs_are_named_as_the_list_names_them(script: ModuleType) -> None:
    """By all containers and the leaf; what was skipped is no outcome."""
    report = [{"SpecReports": [spec("work", "passed"), spec("rest", "skipped"), {"LeafNodeType": "BeforeSuite"}]}]

    assert script.outcomes(report) == {"[sig-x] Things work": ("passed", "")}


def test_what_did_not_pass_is_told_with_its_reason(script: ModuleType) -> None:
    """Specs that were not run count as not passed."""
    results = {"a": ("passed", ""), "b": ("failed", "it broke\nhere")}

    assert script.summary(["a", "b", "c"], results) == (
        [
            "FAILED b",
            "    it broke",
            "    here",
            "NOT RUN c",
            "    the suite has no such spec, or skipped it",
        ],
        1,
    )


def test_the_page_counts_what_the_list_names() -> None:
    """The further specs are listed once each, and as many as the page on conformance says."""
    listed = (Path(__file__).parent / "further.txt").read_text().splitlines()
    page = (SCRIPT.parents[1] / "docs" / "conformance.md").read_text()

    assert len(listed) == len({*listed})
    assert all("[Conformance]" in name for name in listed)
    assert f"The other {len(listed)} (`tests/conformance/further.txt`)" in page
