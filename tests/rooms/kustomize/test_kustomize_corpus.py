"""What kustomize itself printed: its own suite, and the kustomizations of real repositories."""

import json
import re
from difflib import unified_diff
from typing import Any

from tests.corpora import corpus
from tests.rooms.kustomize.trees import Memory
from trueup.kube.documents import dump_all
from trueup.kustomize import KustomizeProblem, Options, build
from trueup.source.tree import DirTree

PROGRAMS = {"TestFnContainerMountsLoadRestrictions_root": "CockroachDB", "TestPluginEnvironment": "PrintPluginEnv"}
"""Cases with a plugin that is a program, and its kind: programs are refused before anything else is looked at."""

DROPPED = {"TestGeneratorOverlaysBinaryData": {"/base/data.bin": b"\xffhello" * 30}}
"""The recording kept text files only; this is the binary one that the recorded output was made of."""


def rows(path: str) -> list[dict[str, Any]]:
    """The recorded cases of a file."""
    return [json.loads(line) for line in corpus(path).read_text().splitlines()]


def worded(text: str) -> str:
    """An error without the address in memory that Go prints of a generator."""
    return re.sub(r"generator (&\{0x\w+ <nil>\}|\w+ '[^']*')", "generator", text)


def outcome(case: dict[str, Any]) -> tuple[str, str]:
    """What building a recorded case gives: YAML or an error."""
    given, files = case["options"], case["files"] | DROPPED.get(case["test"], {})
    options = Options(
        restrict=given["loadRestrictions"] == "LoadRestrictionsRootOnly",
        order=given["reorder"],
        managed_by_label=given["addManagedbyLabel"],
    )
    try:
        return "yaml", dump_all(build(Memory(files), case["path"], options).objects)
    except KustomizeProblem as problem:
        return "error", problem.message


def passes(case: dict[str, Any]) -> bool:
    """Whether a recorded case comes out as recorded, byte by byte."""
    kind, text = outcome(case)
    if "error" in case:
        return kind == "error" and worded(text) == worded(case["error"])
    return kind == "yaml" and text == case["output"]


def test_kustomizes_own_suite() -> None:
    """Every recorded case of kustomize's suite comes out the same, be it objects or an error."""
    cases = rows("extracted/kustomize_krusty.jsonl")
    failing = {case["test"] for case in cases if not passes(case)}
    print(f"kustomize's own suite: {len(cases) - len(failing)} of {len(cases)}, {len(failing)} run a program: refused")
    assert set(PROGRAMS) == failing


def test_programs_are_refused() -> None:
    """The cases of kustomize's suite that run a program as a plugin are refused, and the refusal names the plugin."""
    cases = {case["test"]: case for case in rows("extracted/kustomize_krusty.jsonl") if case["test"] in PROGRAMS}
    refusal = (
        "loading generator plugins: failed to load generator: external plugins disabled; unable to load external plugin"
    )
    expected = {test: ("error", f"{refusal} '{kind}'") for test, kind in PROGRAMS.items()}
    assert expected == {test: outcome(case) for test, case in cases.items()}


def test_real_repositories() -> None:
    """Kustomizations of real repositories come out byte by byte as kustomize 5.8.1 prints them."""
    cases = rows("extracted/kustomize_realworld.jsonl")
    tree = DirTree(corpus("extracted").parent)
    wrong = {case["dir"]: why for case in cases if (why := difference(tree, case))}
    print(f"real kustomizations: {len(cases) - len(wrong)} of {len(cases)}")
    assert wrong == {}


def difference(tree: DirTree, case: dict[str, Any]) -> str:
    """Why a folder is not built as recorded; empty if it is."""
    try:
        text = dump_all(build(tree, case["dir"]).objects)
    except KustomizeProblem as problem:
        return problem.message
    return "" if text == case["yaml"] else "\n".join(unified_diff(case["yaml"].splitlines(), text.splitlines(), n=1))
