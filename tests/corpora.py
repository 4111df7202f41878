"""Where the corpora of other projects' test data are; a test that has none skips and says so."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


def corpus(path: str) -> Path:
    """A file or folder of the corpora beside this repository."""
    found = SHARED / "corpora" / path
    if not found.exists():
        pytest.skip(f"{path}: the corpora are not beside this repository")
    return found
