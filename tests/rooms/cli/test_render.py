"""`trueup render` tells where objects come from, what was read for them, and by which limit one was refused."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from trueup.cli.render import render

MANIFEST = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: web\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A kustomization with one object."""
    (tmp_path / "kustomization.yaml").write_text("resources: [a.yaml]\n")
    (tmp_path / "a.yaml").write_text(f"# of the web\n\n{MANIFEST}")
    return tmp_path


def rendered(folder: Path, *options: str) -> Result:
    """What the command says."""
    return CliRunner().invoke(render, [str(folder), *options])


def test_what_a_render_depends_on_is_told(folder: Path) -> None:
    """Files that were read, and those that were looked for, stand as comments before the objects."""
    lines = [line for line in rendered(folder, "--files").output.splitlines() if line.startswith("#")]
    expected = ["read a.yaml", "read kustomization.yaml", "not there Kustomization", "not there kustomization.yml"]
    assert expected == [" ".join(line.removeprefix("# ").replace(f"{folder}/"[1:], "").split()) for line in lines]


def test_every_object_says_where_it_comes_from(folder: Path) -> None:
    """File, line and tool stand above it; without ``--why`` nothing does."""
    printed = rendered(folder, "--why").output
    assert printed.splitlines()[0].endswith("a.yaml:3 (kustomize)")
    assert printed.partition("\n")[2] == rendered(folder).output == MANIFEST


def test_a_limit_can_be_set(folder: Path) -> None:
    """A refusal names its limit, and the option sets it."""
    refused = rendered(folder, "--render-limit", "file=20")
    assert "more than 20 bytes (raise it by --render-limit file=" in str(refused.exception)
    assert rendered(folder, "--render-limit", "file=1M").output == MANIFEST


@pytest.mark.parametrize("text", ["files=1", "memory=", "seconds=-1", "file=lots"])
def test_a_limit_that_is_none_is_refused(folder: Path, text: str) -> None:
    """The refusal names the entry."""
    assert f"--render-limit '{text}'" in rendered(folder, "--render-limit", text).output
