"""The `trueup` command. What people run in loops is done before the machinery of all verbs is loaded; see `command` for these."""

from __future__ import annotations

import sys

from trueup.cli.quick import quick


def main() -> None:
    """Entry point."""
    if not quick(sys.argv[1:]):
        from trueup.cli.command import run

        run()


if __name__ == "__main__":
    main()
