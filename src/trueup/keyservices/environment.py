"""Where a process looks for its credentials. Called by everything in this room."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Environment:
    """Variables, and the home folder."""

    variables: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    home: Path = field(default_factory=Path.home)

    def get(self, name: str) -> str:
        """A variable's value; empty: it is not set."""
        return self.variables.get(name) or ""
