"""The verbs of the `trueup` command: finds the verb's file, runs it, turns errors into exit codes. Called by `main`.

Exit codes: 0 done; 1 failed or unhealthy (`diff`: changes); 2 bad usage or input (`diff`: trouble).
"""

from __future__ import annotations

import importlib
import sys

import click

from trueup.client.access import AccessProblem
from trueup.kube.problems import ApiProblem
from trueup.ports import RenderProblem, SourceProblem

VERBS: dict[str, str] = {
    "address": "trueup.cli.address",
    "apiserver": "trueup.cli.apiserver",
    "chart": "trueup.cli.chart",
    "completion": "trueup.cli.completion",
    "diff": "trueup.cli.diff",
    "down": "trueup.cli.down",
    "get": "trueup.cli.get",
    "history": "trueup.cli.history",
    "refresh": "trueup.cli.act",
    "render": "trueup.cli.render",
    "resume": "trueup.cli.act",
    "rollback": "trueup.cli.act",
    "run": "trueup.cli.run",
    "sops": "trueup.cli.sops",
    "suspend": "trueup.cli.act",
    "sync": "trueup.cli.act",
    "tree": "trueup.cli.tree",
    "up": "trueup.cli.up",
    "version": "trueup.cli.version",
    "wait": "trueup.cli.wait",
    "why": "trueup.cli.why",
}
"""Each verb and the module that holds it, as an attribute of the verb's own name."""


class LazyGroup(click.Group):
    """Imports a verb's module only when that verb is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = VERBS.get(cmd_name)
        if module is None:
            return None
        command = getattr(importlib.import_module(module), cmd_name)
        assert isinstance(command, click.Command)
        return command


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120, "auto_envvar_prefix": "TRUEUP"},
)
def cli() -> None:
    """Keeps Kubernetes clusters true to Git.

    Start with `trueup up FOLDER`: a cluster of its own, kept true to the repository in FOLDER.
    """


def run() -> None:
    """One command line. Known failures become one line on stderr; a bug keeps its traceback."""
    try:
        code = cli.main(standalone_mode=False)  # answers the code of click's Exit
    except click.UsageError as problem:
        problem.show()
        sys.exit(2)
    except click.ClickException as problem:
        problem.show()
        sys.exit(problem.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        sys.exit(130)
    except (SourceProblem, RenderProblem, AccessProblem) as problem:
        click.echo(f"error: {problem}", err=True)
        sys.exit(2)
    except ApiProblem as problem:
        click.echo(f"error: {problem.message} ({problem.reason})", err=True)
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)
