"""The command line finds its verbs and answers bad usage with exit code 2."""

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import trueup
from trueup.cli.main import VERBS, cli
from trueup.cli.output import table


def test_version_prints_the_version() -> None:
    """`trueup version` names the installed version."""
    result = CliRunner().invoke(cli, ["version"])

    assert result.exit_code == 0
    assert f"trueup {trueup.__version__}" in result.output


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(shell: str) -> None:
    """`trueup completion SHELL` prints a script that asks trueup itself."""
    result = CliRunner().invoke(cli, ["completion", shell])

    assert result.exit_code == 0
    assert "_TRUEUP_COMPLETE" in result.output


def test_unknown_verbs_exit_with_2() -> None:
    """Bad usage is told apart from failure by its exit code."""
    done = subprocess.run([sys.executable, "-m", "trueup.cli.main", "frobnicate"], capture_output=True, text=True)

    assert done.returncode == 2
    assert "No such command 'frobnicate'" in done.stderr


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_has_help(verb: str) -> None:
    """Each listed verb exists and says what it does."""
    result = CliRunner().invoke(cli, [verb, "--help"])

    assert result.exit_code == 0, result.output
    assert "Usage:" in result.output


def test_the_page_lists_every_verb() -> None:
    """docs/command-line.md says of each verb what its help says first."""
    page = Path(__file__).parents[3] / "docs" / "command-line.md"
    listed = dict(re.findall(r"^\| `trueup (\w+)` \| (.+) \|$", page.read_text(), re.M))

    said = {}
    for verb in VERBS:
        command = cli.get_command(click.Context(cli), verb)
        assert command is not None
        said[verb] = (command.help or "").partition("\n")[0]

    assert listed == said


def test_tables_align_their_columns() -> None:
    """A column is as wide as its widest cell."""
    expected = "NAME     SYNC\na        Synced\nlonger   OutOfSync"

    assert expected == click.unstyle(table(["NAME", "SYNC"], [["a", "Synced"], ["longer", "OutOfSync"]]))
