"""What the store keeps is for its owner's eyes alone."""

from __future__ import annotations

import os
from pathlib import Path

from trueup.store.files import connect


def test_only_the_owner_may_read(tmp_path: Path) -> None:
    """The file and what SQLite puts beside it, also in a folder that everybody may enter; a file of before is mended."""
    tmp_path.chmod(0o755)
    old = tmp_path / "old.sqlite"
    old.touch(0o644)
    before = os.umask(0)
    try:
        for path in (old, tmp_path / "new.sqlite"):
            db = connect(path)
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("CREATE TABLE a (b)")
            modes = {each.name: each.stat().st_mode & 0o777 for each in tmp_path.glob(f"{path.stem}*")}
            db.close()
            assert set(modes.values()) == {0o600}, modes
    finally:
        os.umask(before)
