"""The suites of Go's Jsonnet, which Argo CD has in it, and of the original in C++."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.corpora import corpus
from trueup.render.jobs import WorkerProblem
from trueup.render.workers import Workers

GIVEN = {
    "ext_vars": {"stringVar": "2 + 2", "var1": "test"},
    "ext_codes": {
        "codeVar": "3 + 3",
        "errorVar": "error 'xxx'",
        "staticErrorVar": ")",
        "UndeclaredX": "x",
        "selfRecursiveVar": "[42, std.extVar('selfRecursiveVar')[0] + 1]",
        "mutuallyRecursiveVar1": "[42, std.extVar('mutuallyRecursiveVar2')[0] + 1]",
        "mutuallyRecursiveVar2": "[42, std.extVar('mutuallyRecursiveVar1')[0] + 1]",
        "var2": "{x: 1, y: 2}",
    },
}
NATIVE = "calls a native function that the suite's own runner brings along; Argo CD has none"
NAME = "holds how the suite's own runner names the file"
NEWER = "the engine's next version"
GO = "Go's engine, which Argo CD has in it, is more patient"
EXCEPTIONS = {
    "bitwise_or9.jsonnet": NEWER,
    **{f"native{number}.jsonnet": NATIVE for number in (1, 2, 3, 6)},
    **dict.fromkeys(("std.thisFile.jsonnet", "std.thisFile2.jsonnet", "stdlib_smoke_test.jsonnet"), NAME),
    "stdlib.jsonnet": NAME,
    "error.array_fractional_index.jsonnet": GO,
    "error.integer_left_shift_runtime.jsonnet": GO,
    "error.std_makeArray_negative.jsonnet": GO,
}


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    """One worker process."""
    made = Workers(1)
    yield made
    made.close()


def evaluated(workers: Workers, root: Path, file: Path) -> tuple[str, Any]:
    """The value of a file, or the first line of its error."""

    def answer(question: dict[str, Any]) -> dict[str, Any]:
        found = file if "main" in question else root / question["base"] / question["path"]
        if not found.is_file():
            return {"error": f"couldn't open import {question['path']!r}"}
        return {"path": str(found.resolve().relative_to(root.resolve())), "content": found.read_bytes()}

    arguments = {"var1": "test"} if file.name.startswith("tla.") else {}
    codes = {"var2": "{x: 1, y: 2}"} if arguments else {}
    job = {"file": str(file.relative_to(root)), **GIVEN, "tla_vars": arguments, "tla_codes": codes}
    try:
        return "value", json.loads(workers.run("jsonnet", job, answer))
    except WorkerProblem as problem:
        return "error", str(problem).partition("\n")[0]


def differs(golden: str, outcome: tuple[str, Any]) -> bool:
    """Whether a golden file says otherwise: another value, or an error where there is none."""
    try:
        return outcome != ("value", json.loads(golden))
    except ValueError:
        return outcome[0] != "error"


def report(name: str, count: int, wrong: dict[str, Any]) -> None:
    """Print how many came out as recorded; whatever did not is one of the exceptions."""
    print(f"{name}: {count - len(wrong)} of {count}, {len(wrong)} on purpose otherwise")
    assert {file: why for file, why in wrong.items() if file not in EXCEPTIONS} == {}


def test_the_suite_of_go_jsonnet(workers: Workers) -> None:
    """The same values, and errors where it has errors."""
    root = corpus("go-jsonnet")
    files = sorted(file for file in (root / "testdata").glob("*.jsonnet") if file.with_suffix(".golden").is_file())
    wrong = {}
    for file in files:
        have = evaluated(workers, root, file)
        if differs(file.with_suffix(".golden").read_text(), have):
            wrong[file.name] = have
    report("Go's Jsonnet suite", len(files), wrong)


def test_the_suite_of_jsonnet(workers: Workers) -> None:
    """The same values, and errors where the original has errors."""
    root = corpus("jsonnet")
    files = sorted((root / "test_suite").glob("*.jsonnet"))
    wrong = {}
    for file in files:
        golden = file.with_name(f"{file.name}.golden")
        said = golden.read_bytes().decode() if golden.is_file() else "true"
        have = evaluated(workers, root, file)
        if differs("true" if said.startswith("TRACE") else said, have):
            wrong[file.name] = have
    report("Jsonnet's suite", len(files), wrong)
