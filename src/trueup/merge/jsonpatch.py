"""JSON patch (RFC 6902) and JSON merge patch (RFC 7386). Called by the API server's patch verb, clients and dialects.

Documents in, a new document out; what is handed in stays as it is (unchanged parts are shared).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from trueup.kube.limits import MOST_COPIED, weight
from trueup.kube.objects import same

MISSING = "missing value"

_ABSENT: Any = object()


class PatchProblem(Exception):
    """A patch that cannot be read or does not fit the document."""

    operation: int | None = None
    """Which operation of a JSON patch is at fault, counted from zero."""


def merge_patch(doc: Any, patch: Any) -> Any:
    """RFC 7386: null removes, objects merge, anything else replaces.

    Of a list that comes new or in the place of something else, the objects lose their nulls too, as in evanphx/json-patch.
    """
    if not isinstance(patch, dict):
        return _without_nulls(patch) if isinstance(patch, list) and not isinstance(doc, dict) else patch
    out = dict(doc) if isinstance(doc, dict) else {}
    for name, value in patch.items():
        if value is None:
            out.pop(name, None)
        else:
            out[name] = merge_patch(out.get(name), value)
    return out


def _without_nulls(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    if isinstance(value, dict):
        return {name: _without_nulls(item) for name, item in value.items() if item is not None}
    return value


def diff_merge(old: Any, new: Any) -> Any:
    """The merge patch that turns one object into another; ``{}`` when they are equal.

    A null inside a list is kept; a null value in ``new`` cannot be told from an absent one, as RFC 7386 has it.
    """
    patch: dict[str, Any] = {}
    for name, value in new.items():
        if name not in old:
            if value is not None:
                patch[name] = value
            continue
        before = old[name]
        if before is value or (type(before) is type(value) and same(before, value)):
            continue
        if isinstance(before, dict) and isinstance(value, dict):
            inner = diff_merge(before, value)
            if inner:
                patch[name] = inner
        else:
            patch[name] = value
    for name in old:
        if name not in new:
            patch[name] = None
    return patch


def json_patch(doc: Any, operations: Any, *, strict: bool = False) -> Any:
    """The document with every operation carried out in order. Raises ``PatchProblem`` in the words of Kubernetes' library.

    As that library (evanphx/json-patch 4, in the API server and in kustomize) has it: ``replace`` adds what is not there,
    negative positions count from the end, testing for null accepts what is absent. ``strict``: as RFC 6902 has it.
    """
    if not isinstance(operations, list):
        raise PatchProblem("a JSON patch is a list of operations")
    box: dict[str, Any] = {"": doc}
    copied = 0
    for index, operation in enumerate(operations):
        try:
            copied += _Operation(operation, strict).carry_out(box)
            if copied > MOST_COPIED:  # a copy of a copy of a copy ...
                raise PatchProblem(
                    "Unable to complete the copy, the accumulated size increase of copy is"
                    f" {copied}, exceeding the limit {MOST_COPIED}"
                )
        except PatchProblem as problem:
            problem.operation = index
            raise
    return box[""]


class _Operation:
    """One operation of a patch."""

    __slots__ = ("kind", "raw", "strict")

    def __init__(self, raw: Any, strict: bool) -> None:
        if not isinstance(raw, dict):
            raise PatchProblem("an operation of a JSON patch is an object")
        self.raw, self.strict = raw, strict
        self.kind = str(raw.get("op", "unknown"))

    def carry_out(self, box: dict[str, Any]) -> int:
        """In place; containers on the way are copied, for documents are shared. The answer is how much larger it made them
        by copying."""
        match self.kind:
            case "add":
                self._add(box, self._value())
            case "remove":
                self._remove(box)
            case "replace":
                self._replace(box)
            case "test":
                self._test(box)
            case "move":
                self._move(box)
            case "copy":
                return self._copy(box)
            case _:
                raise PatchProblem(f"Unexpected kind: {self.kind}")
        return 0

    def _text(self, name: str) -> str:
        text = self.raw.get(name)
        if not isinstance(text, str) or (self.strict and text and not text.startswith("/")):
            known = "operation, missing from field" if name == "from" else "operation missing path field"
            missing = "" if self.kind in ("add", "remove") else f"{known}: "
            raise PatchProblem(f"{self.kind} operation failed to decode {name}: {missing}{MISSING}")
        return text

    def _value(self) -> Any:
        if self.strict and "value" not in self.raw:
            raise PatchProblem(f"{self.kind} operation lacks a value")
        return self.raw.get("value")

    def _parent(self, box: dict[str, Any], text: str, why: str, *, own: bool = True) -> tuple[Any, str]:
        """The container that holds what a path names, and its last step there."""
        steps = [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")]
        if not self.strict and len(steps) < 2:
            raise PatchProblem(f"{self.kind} operation does not apply: {why}: {MISSING}")
        at: Any = box
        for step in ("", *steps[1:])[:-1]:
            below = self._get(at, step, None)
            if type(below) is dict:
                below = dict(below) if own else below
            elif type(below) is list:
                below = list(below) if own else below
            else:
                raise PatchProblem(f"{self.kind} operation does not apply: {why}: {MISSING}")
            if own:
                at[step if type(at) is dict else self._index(at, step)] = below
            at = below
        return at, steps[-1] if len(steps) > 1 else ""

    def _get(self, at: Any, step: str, absent: Any) -> Any:
        if type(at) is dict:
            return at.get(step, absent)
        try:
            return at[self._index(at, step)]
        except PatchProblem:
            return absent

    def _index(self, at: list[Any], step: str, *, end: int = 0) -> int:
        """A list position; ``end`` 1 where one behind the last is meant too."""
        number = r"0|[1-9][0-9]*" if self.strict else r"[-+]?[0-9]+"
        if not re.fullmatch(number, step):
            raise PatchProblem(f'strconv.Atoi: parsing "{step}": invalid syntax')
        index, size = int(step), len(at) + end
        if index >= size or index < -size:
            raise PatchProblem(f"Unable to access invalid index: {index}: invalid index referenced")
        return index + size if index < 0 else index

    def _insert(self, at: Any, step: str, value: Any) -> None:
        if type(at) is dict:
            at[step] = value
        elif step == "-":
            at.append(value)
        else:
            at.insert(self._index(at, step, end=1), value)

    def _take(self, at: Any, step: str) -> Any:
        if type(at) is list:
            return at.pop(self._index(at, step))
        if step not in at:
            raise PatchProblem(f"Unable to remove nonexistent key: {step}: {MISSING}")
        return at.pop(step)

    def _add(self, box: dict[str, Any], value: Any) -> None:
        path = self._text("path")
        at, step = self._parent(box, path, f'doc is missing path: "{path}"')
        with _saying(f"error in add for path: '{path}'"):
            self._insert(at, step, value)

    def _remove(self, box: dict[str, Any]) -> None:
        path = self._text("path")
        at, step = self._parent(box, path, f'doc is missing path: "{path}"')
        with _saying(f"error in remove for path: '{path}'"):
            self._take(at, step)

    def _replace(self, box: dict[str, Any]) -> None:
        path, value = self._text("path"), self._value()
        if path == "":
            if not self.strict and not isinstance(value, (dict, list)):
                raise PatchProblem("replace operation value must be object or array")
            box[""] = value
            return
        at, step = self._parent(box, path, f"doc is missing path: {path}")
        if self._get(at, step, _ABSENT) is _ABSENT and (self.strict or type(at) is list):
            raise PatchProblem(f"replace operation does not apply: doc is missing key: {path}: {MISSING}")
        at[step if type(at) is dict else self._index(at, step)] = value

    def _test(self, box: dict[str, Any]) -> None:
        path, value = self._text("path"), self._value()
        at, step = (box, "") if path == "" else self._parent(box, path, f"is missing path: {path}", own=False)
        if type(at) is list:
            with _saying(f"error in test for path: '{path}'"):
                self._index(at, step)
        found = self._get(at, step, _ABSENT if self.strict else None)
        if found is _ABSENT or not equal(found, value):
            raise PatchProblem(f"testing value {path} failed: test failed")

    def _move(self, box: dict[str, Any]) -> None:
        source = self._text("from")
        if self.strict and (self._text("path") + "/").startswith(source + "/") and self._text("path") != source:
            raise PatchProblem("a value cannot be moved into itself")
        at, step = self._parent(box, source, f"doc is missing from path: {source}")
        with _saying(f"error in move for path: '{step}'"):
            value = self._take(at, step)
        path = self._text("path")
        at, step = self._parent(box, path, f"doc is missing destination path: {path}")
        with _saying(f"error in move for path: '{path}'"):
            self._insert(at, step, value)

    def _copy(self, box: dict[str, Any]) -> int:
        """The answer is the size of what was copied."""
        source, path = self._text("from"), self._text("path")
        at, step = self._parent(box, source, f"doc is missing from path: {source}", own=False)
        if type(at) is list:
            with _saying(f"error in copy for from: '{source}'"):
                self._index(at, step)
        value = self._get(at, step, _ABSENT if self.strict else None)
        if value is _ABSENT:
            raise PatchProblem(f"copy operation does not apply: doc is missing from path: {source}: {MISSING}")
        at, step = self._parent(box, path, f"doc is missing destination path: {path}")
        with _saying("error while adding value during copy"):
            self._insert(at, step, value)
        return weight(value, MOST_COPIED)


@contextmanager
def _saying(what: str) -> Iterator[None]:
    try:
        yield
    except PatchProblem as problem:
        raise PatchProblem(f"{what}: {problem}") from None


def equal(a: Any, b: Any) -> bool:
    """JSON equality: numbers by value, but never a boolean with a number."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(equal(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(equal, a, b))
    return bool(a == b)
