"""What kustomize itself printed: its own suite, and the kustomizations of real repositories."""

import json
import os
import re
from pathlib import Path
from typing import Any

import yaml

from tests.corpora import corpus
from tests.rooms.kustomize.trees import Memory
from trueup.kube.documents import dump_all, parse
from trueup.kustomize import KustomizeProblem, Options, build
from trueup.source.tree import DirTree

EXCEPTIONS = yaml.safe_load(Path(__file__).with_name("exceptions.yaml").read_text())
EVERY = 1 if os.environ.get("TRUEUP_WHOLE_CORPORA") else 4
"""Real repositories are sampled; set the variable for all of them."""


def rows(path: str) -> list[dict[str, Any]]:
    """The recorded cases of a file."""
    return [json.loads(line) for line in corpus(path).read_text().splitlines()]


def values(text: str) -> list[object]:
    """The documents of a text."""
    return [document.value for document in parse(text)]


def worded(text: str) -> str:
    """An error without the address in memory that Go prints of a generator."""
    return re.sub(r"generator (&\{0x\w+ <nil>\}|\w+ '[^']*')", "generator", text)


def outcome(case: dict[str, Any]) -> tuple[str, str]:
    """What building a recorded case gives: YAML or an error."""
    given = case["options"]
    options = Options(
        restrict=given["loadRestrictions"] == "LoadRestrictionsRootOnly",
        order=given["reorder"],
        managed_by_label=given["addManagedbyLabel"],
    )
    try:
        return "yaml", dump_all(build(Memory(case["files"]), case["path"], options).objects)
    except KustomizeProblem as problem:
        return "error", problem.message


def passes(case: dict[str, Any]) -> bool:
    """Whether a recorded case comes out as recorded."""
    kind, text = outcome(case)
    if "error" in case:
        return kind == "error" and worded(text) == worded(case["error"])
    return kind == "yaml" and values(text) == values(case["output"])


def test_kustomizes_own_suite(capsys: Any) -> None:
    """Every recorded case of kustomize's suite comes out the same, or is listed with the reason."""
    cases = rows("extracted/kustomize_krusty.jsonl")
    failing = {case["test"] for case in cases if not passes(case)}
    with capsys.disabled():
        print(f"\nkustomize's own suite: {len(cases) - len(failing)} of {len(cases)}, {len(failing)} known otherwise")
    assert failing == set(EXCEPTIONS)


def test_real_repositories(capsys: Any) -> None:
    """Kustomizations of real repositories come out byte by byte as kustomize 5.8.1 prints them."""
    cases = rows("extracted/kustomize_realworld.jsonl")[::EVERY]
    tree = DirTree(corpus("extracted").parent)
    exact, same, wrong = 0, 0, {}
    for case in cases:
        try:
            text = dump_all(build(tree, case["dir"]).objects)
        except KustomizeProblem as problem:
            wrong[case["dir"]] = problem.message
            continue
        if text == case["yaml"]:
            exact += 1
        elif values(text) == values(case["yaml"]):
            same += 1
        else:
            wrong[case["dir"]] = "differs"
    with capsys.disabled():
        print(f"\nreal kustomizations: {exact} of {len(cases)} exact, {same} the same in other words")
    assert wrong == {}
