"""`python -m benchmarks [NAME...]`: every benchmark, or those named, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

NAMES = sorted(
    path.stem
    for path in Path(__file__).parent.glob("*.py")
    if path.stem not in ("__init__", "__main__", "fleet", "floor", "genuine", "report", "serving", "wire")
)


def main(wanted: list[str]) -> int:
    """Exit code 0 when all ran to their end."""
    unknown = [name for name in wanted if name not in NAMES]
    if unknown:
        print(f"there is no benchmark {', '.join(unknown)}; there are: {', '.join(NAMES)}", file=sys.stderr)
        return 2
    codes = [
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode for name in wanted or NAMES
    ]
    return max(codes, default=0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
