"""Every command in README and docs is run, page by page, in a copy of the repository."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    str(page.relative_to(ROOT))
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md"))
)
RUN_BY_CI = {
    "make test": "the suite that this test is part of",
    "make setup": "has run before any test",
    "make check": "runs before the tests",
}

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not on PATH"),
]


def commands(page: str) -> str:
    """The page's shell blocks as one script, without what only CI may run."""
    blocks = re.findall(r"^```sh\n(.*?)^```", (ROOT / page).read_text(), re.M | re.S)
    lines = [line for block in blocks for line in block.splitlines() if line not in RUN_BY_CI]
    return "\n".join(lines).strip()


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)])
def test_commands_of_a_page(page: str, tmp_path: Path) -> None:
    """The page's commands, in order, each of them successful."""
    copy = tmp_path / "trueup"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(copy)], check=True)
    binaries = Path(sys.executable).parent
    (copy / ".venv").symlink_to(binaries.parent)
    os.utime(copy / "pyproject.toml", (0, 0))  # older than the set-up, which need not be made again
    (binaries.parent / ".set-up").touch()
    environment = {
        **os.environ,
        "PATH": f"{binaries}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "TRUEUP_UP_LISTEN": "127.0.0.1:0",
    }
    environment.pop("KUBECONFIG", None)
    script = (
        f"set -eu\ntrap 'trueup down >/dev/null 2>&1; kill $(jobs -p) 2>/dev/null || true' EXIT\n{commands(page)}\n"
    )
    done = subprocess.run(
        ["bash", "-c", script], cwd=copy, env=environment, capture_output=True, text=True, timeout=240, check=False
    )

    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
