"""What `trueup render` prints of folders."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from trueup.cli.render import render
from trueup.kube.documents import dump_all

MAPS = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}} for name in ("a", "b")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two objects and a kustomization."""
    (tmp_path / "maps.yaml").write_text(dump_all(MAPS))
    (tmp_path / "kustomization.yaml").write_text("resources: [maps.yaml]\n")
    return tmp_path


@pytest.mark.parametrize("how", [[], ["--as", "kustomize"]])
def test_a_kustomization_prints_as_kustomize_build_does(folder: Path, how: list[str]) -> None:
    """The objects with a separator between two, and nothing else."""
    assert CliRunner().invoke(render, [str(folder), *how]).stdout == dump_all(MAPS)


def test_flags_are_handed_on(folder: Path) -> None:
    """A flag that there is not is told in the program's words."""
    problem = CliRunner().invoke(render, [str(folder), "--build-options", "--no-such"]).exception
    assert str(problem) == "unknown flag: --no-such"


def run(*arguments: str, **variables: str) -> tuple[int, str, str]:
    """The command as a process."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TRUEUP_")}
    done = subprocess.run(
        [sys.executable, "-m", "trueup.cli.main", *arguments],
        capture_output=True, text=True, check=False, env={**environment, **variables},
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def test_the_quick_way_prints_the_same(folder: Path) -> None:
    """With and without the command line's machinery, which a variable of its own brings in."""
    expected = (0, dump_all(MAPS), "")
    assert run("render", str(folder)) == expected
    assert run("render", str(folder), TRUEUP_RENDER_AS="kustomize") == expected


def test_the_quick_way_refuses_in_the_same_words(folder: Path) -> None:
    """On standard error, with the same exit code."""
    (folder / "kustomization.yaml").write_text("resources: [no.yaml]\n")
    code, printed, said = run("render", "--as", "kustomize", str(folder))
    assert (code, printed) == (2, "")
    assert "no.yaml" in said
    assert (code, printed, said) == run("render", str(folder), TRUEUP_RENDER_AS="kustomize")
