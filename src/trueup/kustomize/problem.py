"""The one error of this room. Raised everywhere in it, shown by renderers and commands.

The message is worded as kustomize words it, from the outermost step to the cause; ``path`` and ``field`` say where to look.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager


class KustomizeProblem(Exception):
    """A kustomization that does not build. ``path`` is the file to look at, ``field`` the field in it, where known."""

    def __init__(
        self, message: str, *, path: str = "", field: str = "", line: int = 0, malformed: bool = False
    ) -> None:
        super().__init__(message)
        self.message, self.path, self.field, self.line = message, path, field, line
        self.malformed = malformed
        """The file is no YAML: then trying it as a folder says nothing."""

    def under(self, prefix: str) -> KustomizeProblem:
        """The same problem as the step around it reports it."""
        return KustomizeProblem(
            f"{prefix}: {self.message}", path=self.path, field=self.field, line=self.line, malformed=self.malformed
        )

    def at(self, path: str, field: str = "") -> None:
        """Gives the problem its place, unless a closer one is known."""
        self.path, self.field = self.path or path, self.field or field


@contextmanager
def within(prefix: str) -> Iterator[None]:
    """Reports what goes wrong inside as part of a step."""
    try:
        yield
    except KustomizeProblem as problem:
        raise problem.under(prefix) from problem


@contextmanager
def about(path: str, field: str) -> Iterator[None]:
    """Gives what goes wrong inside its place."""
    try:
        yield
    except KustomizeProblem as problem:
        problem.at(path, field)
        raise


def quote(text: str) -> str:
    """As Go's ``%q``."""
    escaped = (
        text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")
    )
    return '"' + re.sub(r"[\x00-\x1f\x7f]", lambda found: f"\\x{ord(found[0]):02x}", escaped) + '"'
