"""What controllers remember of one cluster between two runs: of that cluster alone, and gone with it.

Called by controllers whose memory may be lost at any time. A process may have several clusters, as tests do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from trueup.family import Tools

Memory = TypeVar("Memory")


class PerCluster(Generic[Memory]):
    """One memory for each cluster, made by ``make`` when it is first asked for."""

    def __init__(self, make: Callable[[Tools], Memory]) -> None:
        self._make = make

    def of(self, tools: Tools) -> Memory:
        """The memory of the cluster that these tools are for."""
        found: Memory | None = tools.memory.get(self)
        if found is None:
            found = tools.memory[self] = self._make(tools)
        return found
