"""The command line finds its verbs and answers bad usage with exit code 2."""

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import trueup
from trueup.cli import serving
from trueup.cli.command import VERBS, cli
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


@pytest.mark.parametrize("verb", ["up", "apiserver"])
def test_the_page_lists_how_an_api_is_served(verb: str) -> None:
    """docs/command-line.md says of each option that both commands have what its help says."""
    page = Path(__file__).parents[3] / "docs" / "command-line.md"
    listed = dict(re.findall(r"^\| `(--[\w-]+)` \| (.+) \|$", page.read_text(), re.M))
    command = cli.get_command(click.Context(cli), verb)
    assert command is not None
    helps = {option.opts[0]: option.help for option in command.params if isinstance(option, click.Option)}

    assert listed == {name: helps[name] for name in map(_written, serving.NAMES)}


def _written(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def test_a_process_of_its_own_does_not_detach_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whatever the environment says; its log holds a link that lets people in, and is its owner's alone."""
    told: list[dict[str, str]] = []

    class Process:
        def __init__(self, command: list[str], env: dict[str, str], **_: object) -> None:
            told.append(env)
            (tmp_path / "up.json").write_text("{}")

    monkeypatch.setattr(subprocess, "Popen", Process)
    result = CliRunner().invoke(cli, ["up", "--state", str(tmp_path)], env={"TRUEUP_UP_DETACH": "1"})

    assert result.exit_code == 0, result.output
    assert [name for name in told[0] if name.startswith("TRUEUP_UP")] == []
    assert (tmp_path / "trueup.log").stat().st_mode & 0o777 == 0o600


def test_tables_align_their_columns() -> None:
    """A column is as wide as its widest cell."""
    expected = "NAME     SYNC\na        Synced\nlonger   OutOfSync"

    assert expected == click.unstyle(table(["NAME", "SYNC"], [["a", "Synced"], ["longer", "OutOfSync"]]))
