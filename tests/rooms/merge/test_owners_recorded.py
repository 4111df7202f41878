"""Server-side apply against the sequences recorded from structured-merge-diff's own tests."""

import json
import re
from typing import Any

import yaml

from tests.corpora import corpus
from tests.rooms.merge.recorded_shapes import BEFORE, LATER, SHAPES
from trueup.kube.problems import ApiProblem, BadRequest, Conflict
from trueup.kube.shapes import ANY, Shape
from trueup.merge.combine import combine
from trueup.merge.fields import FieldSet
from trueup.merge.owners import Versions, apply, track_update
from trueup.merge.reading import is_leaf, key_of

NOW = "2026-01-01T00:00:00Z"


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


def _repeat(obj: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    """As the other recorded converter does: below its fields, names are one letter, as often as the version says."""

    def renamed(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {name[0] * int(new[1:]): renamed(below) for name, below in value.items()}

    whole = {name: below if name in ("apiVersion", "metadata") else renamed(below) for name, below in obj.items()}
    return {**whole, "apiVersion": new}


def _extract(value: Any, leaves: FieldSet, shape: Shape) -> Any:
    """What a set owns of an object, as a client takes it out to apply it again with something more."""
    if not isinstance(value, (dict, list)) or is_leaf(shape, value):
        return value
    if isinstance(value, dict):
        known, values = shape.fields, shape.values or ANY
        return {
            name: _extract(below, leaves[f"f:{name}"], known.get(name) or values)
            for name, below in value.items()
            if f"f:{name}" in leaves
        }
    items = shape.items or ANY
    keyed = ((item, key_of(item, shape)) for item in value)
    return [_extract(item, leaves[key], items) for item, key in keyed if key is not None and key in leaves]


def _leaves(fields: FieldSet) -> FieldSet:
    return {key: _leaves(below) for key, below in fields.items() if key != "."}


def _same(have: Any, want: Any) -> bool:
    """Equal, but that a recorded null stands for a field of which nothing is left: here it is empty, or gone."""
    if want is None:
        return not have and have is not False and have != 0
    if isinstance(want, dict):
        return isinstance(have, dict) and all(
            _same(have.get(name), want.get(name)) for name in have.keys() | want.keys()
        )
    return bool(have == want)


CONVERTERS = {"renamingConverter": _convert, "repeatingConverter": _repeat}
EXCLUDED: dict[str, dict[str, FieldSet]] = {
    "apply": {f"v{n}": {"f:mapOfMapsRecursive": {f"f:{'c' * n}": {}}} for n in (1, 2, 3, 4)},
    "update": {"v2": {"f:mapOfMapsRecursive": {"f:c": {}}}},
}
"""The fields that two recorded filters leave out, by version; the recording does not say them."""


class Replay:
    """One recorded sequence."""

    def __init__(self, case: dict[str, Any]) -> None:
        self.case = case
        self.test = case["test"].partition(".")[0]
        types = case["types"].items()
        self.shapes = {version: BEFORE.get(self.test) or SHAPES[(t["schema"], t["type"])] for version, t in types}
        self.convert = CONVERTERS.get(case["converter"].rpartition(".")[2])
        self.versions = Versions(self.convert, self._shape, self._reset) if self.convert else None
        changing = any(step["op"] == "ChangeParser" for step in case["steps"])
        self.group = "example.com/" if changing else ""  # the schemas of custom kinds alone change
        self.live: dict[str, Any] | None = None

    def _shape(self, version: str) -> Shape:
        return self.shapes[version]

    def _reset(self, version: str) -> list[FieldSet]:
        return [fields for at, fields in (self.case.get("ignoredFields") or {}).items() if at == version]

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
        if step["op"] == "ChangeParser":
            self.shapes = dict.fromkeys(self.shapes, LATER[self.test])
            return
        version = step["APIVersion"]
        obj = {"apiVersion": self.group + version, **_read(step.get("Object"))}
        live = self.live
        if live is not None and self.convert is not None:
            live = self.convert(live, live["apiVersion"], version)
        common: dict[str, Any] = {
            "manager": step["Manager"],
            "now": NOW,
            "reset": self._reset(version),
            "versions": self.versions,
        }
        if step["op"] == "Update":
            if live is not None:
                obj["metadata"] = live["metadata"]
            self.live = track_update(live, obj, self._shape(version), **common)
        else:
            force = step["op"] != "Apply"
            if step["op"] == "ExtractApply" and live is not None:
                obj = self._extracted(live, obj, version, step["Manager"])
            self.live = apply(live, obj, self._shape(version), force=force, **common)

    def _extracted(self, live: dict[str, Any], obj: dict[str, Any], version: str, manager: str) -> dict[str, Any]:
        """What the manager applied before, with ``obj`` on top."""
        entries = (live.get("metadata") or {}).get("managedFields") or ()
        mine = next((entry for entry in entries if entry["manager"] == manager), None)
        if mine is None:
            return obj
        if mine["apiVersion"] != obj["apiVersion"]:
            raise BadRequest("what was applied in another version cannot be taken out in this one")
        bare = {name: below for name, below in live.items() if name != "metadata"}
        before = _extract(bare, _leaves(mine["fieldsV1"]), self.shapes[version])
        whole: dict[str, Any] = combine(before, obj, self.shapes[version])
        return whole

    def _state(self, step: dict[str, Any]) -> str:
        live = self.live or {}
        bare = {k: v for k, v in live.items() if k not in ("metadata", "apiVersion")}
        if not _same(bare, step.get("liveAfter") or {}):
            return f"live is {bare}, expected {step.get('liveAfter')}"
        entries = (live.get("metadata") or {}).get("managedFields") or ()
        have = {
            e["manager"]: (e["apiVersion"].removeprefix(self.group), e["operation"] == "Apply", e["fieldsV1"])
            for e in entries
        }
        want = {
            name: (e["apiVersion"], e["applied"], e["fields"]) for name, e in (step.get("managersAfter") or {}).items()
        }
        return "" if have == want else f"managers are {have}, expected {want}"


def _filtered(case: dict[str, Any]) -> dict[str, Any]:
    """The case with the fields that its filter leaves out."""
    if not case["ignoreFilter"]:
        return case
    if "Versions" in case["test"]:
        return {**case, "ignoredFields": EXCLUDED["apply" if case["steps"][0]["op"] == "Apply" else "update"]}
    # The two recorded filters that exclude in one version: the field that nobody owns at the end.
    object_fields = set(_read(case["object"]))
    owned = {key[2:] for entry in case["expectedManaged"].values() for key in entry["fields"]}
    return {**case, "ignoredFields": {"v1": {f"f:{name}": {} for name in object_fields - owned}}}


def test_recorded_sequences_end_as_in_structured_merge_diff() -> None:
    """Live object, owners and conflicts after every step of every sequence."""
    lines = [json.loads(line) for line in corpus("extracted/ssa_merge.jsonl").read_text().splitlines()]
    cases = [_filtered(line) for line in lines if "steps" in line]
    wrong = [f"{case['test']}: {found}" for case in cases if (found := Replay(case).run())]
    print(
        f"ssa_merge: {len(cases) - len(wrong)} of {len(cases)} sequences, {sum(len(c['steps']) for c in cases)} steps"
    )

    assert wrong == []
