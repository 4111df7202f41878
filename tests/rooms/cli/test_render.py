"""What `trueup render` prints of folders."""

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
