"""How engines that are not Python are asked: `workers` run jobs in other processes, `here` in this one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

Answer = Callable[[dict[str, Any]], dict[str, Any]]
"""What a job asks for while it works, and what it is told."""


class WorkerProblem(Exception):
    """The engine refused, crashed or took too long."""


class Jobs(Protocol):
    """Does a job and waits for it. Raises `WorkerProblem`."""

    def run(self, job: str, value: Any, answer: Answer | None = None) -> Any: ...


def nobody(question: dict[str, Any]) -> dict[str, Any]:
    """The answer where there is nobody to ask."""
    return {"error": f"nobody answers {question}"}
