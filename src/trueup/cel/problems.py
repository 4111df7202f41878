"""What goes wrong with an expression: before it runs, and while it runs. Raised by the whole room.

Source: cel-go's ``common/error.go`` for how a problem is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Issue(NamedTuple):
    """One thing that is wrong with an expression's text, at an offset of it."""

    offset: int
    message: str


class CelProblem(Exception):
    """The expression cannot be compiled. ``line`` counts from one, ``column`` too; ``str`` shows every issue."""

    def __init__(self, text: str, issues: Sequence[Issue]) -> None:
        placed = [(*_place(text, issue.offset), issue.message) for issue in issues]
        placed.sort(key=lambda each: each[:2])
        self.line, column, self.message = placed[0]
        self.column = column + 1
        self.issues = [(line, column + 1, message) for line, column, message in placed]
        super().__init__("\n".join(_shown(text, *each) for each in placed))


class CelError(Exception):
    """A value that could not be computed: CEL's error value."""

    @property
    def message(self) -> str:
        """What went wrong."""
        return str(self)


class BudgetExceeded(CelError):
    """The evaluation cost more than it may. Never absorbed by ``&&``, ``||`` or a macro."""


def _place(text: str, offset: int) -> tuple[int, int]:
    if offset < 0:
        return -1, 0  # known for the whole expression only
    before = text[:offset]
    line = before.count("\n")
    return line + 1, offset - (before.rfind("\n") + 1)


def _shown(text: str, line: int, column: int, message: str) -> str:
    if not text:
        return f"ERROR: <input>:1:0: {message}"
    shown = f"ERROR: <input>:{line}:{column + 1}: {message}"
    lines = text.split("\n")
    if not 0 < line <= len(lines):
        return shown
    snippet = lines[line - 1].replace("\t", " ")
    before = "".join("\uff0e" if ord(char) > 127 else "." for char in snippet[:column])
    at = snippet[column : column + 1]
    mark = "\uff3e" if at and ord(at) > 127 else "^"
    return f"{shown}\n | {snippet}\n | {before}{mark}"
