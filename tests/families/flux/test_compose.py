"""An ArtifactGenerator's copies: which file of which source comes to stand where."""

from __future__ import annotations

from pathlib import Path

import pytest

from trueup.families.flux.artifact import digest
from trueup.families.flux.compose import Composed, Copy, CopyProblem, compose
from trueup.ports import Tree
from trueup.source.tree import DirTree

FILES = {
    "apps/base/web/a.yaml": "a",
    "apps/base/readme.md": "read",
    "apps/staging/b.yaml": "b",
    "values.yaml": "image: {tag: one, pull: Always}\nports: [1, 2]\n",
    "prod.yaml": "image: {tag: two}\nports: [3]\n",
}


@pytest.fixture
def sources(tmp_path: Path) -> dict[str, Tree]:
    for path, text in FILES.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return {"repo": DirTree(tmp_path)}


def paths(tree: Composed) -> list[str]:
    return sorted(path for path, _ in tree.files())


@pytest.mark.parametrize(
    ("copy", "expected"),
    [
        (Copy("@repo/apps/base/**", "@artifact/base/"), ["base/readme.md", "base/web/a.yaml"]),
        (Copy("@repo/apps/base", "@artifact/x"), ["x/base/readme.md", "x/base/web/a.yaml"]),
        (Copy("@repo/apps/*/*.yaml", "@artifact/"), ["apps/staging/b.yaml"]),
        (Copy("@repo/values.yaml", "@artifact/chart/"), ["chart/values.yaml"]),
        (Copy("@repo/values.yaml", "@artifact/chart/v.yaml"), ["chart/v.yaml"]),
        (Copy("@repo/apps/**", "@artifact/", ("*.md",)), ["base/web/a.yaml", "staging/b.yaml"]),
        (Copy("@repo/apps/**", "@artifact/", ("base/**",)), ["staging/b.yaml"]),
        (Copy("@repo/apps/**", "@artifact/", ("apps/staging",)), ["base/readme.md", "base/web/a.yaml"]),
    ],
    ids=["contents", "folder", "pattern", "into", "as", "by-name", "by-selected-path", "by-whole-path"],
)
def test_files_are_copied_as_cp_would(sources: dict[str, Tree], copy: Copy, expected: list[str]) -> None:
    """A folder goes into its destination, ``folder/**`` its contents; a file is renamed unless a slash ends the destination."""
    assert paths(compose([copy], sources)) == expected


def test_later_copies_overwrite(sources: dict[str, Tree]) -> None:
    """In the order in which they are listed."""
    made = compose([Copy("@repo/values.yaml", "@artifact/v"), Copy("@repo/prod.yaml", "@artifact/v")], sources)

    assert made.read("v") == FILES["prod.yaml"].encode()


def test_merged_files_are_merged_as_helm_merges_values(sources: dict[str, Tree]) -> None:
    """Maps deeply, lists replaced."""
    copies = [
        Copy("@repo/values.yaml", "@artifact/values.yaml"),
        Copy("@repo/prod.yaml", "@artifact/values.yaml", strategy="Merge"),
    ]

    assert compose(copies, sources).read("values.yaml") == b"image:\n  pull: Always\n  tag: two\nports:\n- 3\n"


@pytest.mark.parametrize(
    ("copy", "expected"),
    [
        (Copy("@other/a", "@artifact/"), "source alias 'other' not found"),
        (Copy("@repo/nowhere", "@artifact/"), "source 'nowhere' does not exist"),
        (Copy("@repo/nowhere/**", "@artifact/"), "no files match pattern 'nowhere/**' in source 'repo'"),
        (Copy("@repo/apps/base/*.md", "@artifact/", ("*.md",)), "in source 'repo' were excluded"),
        (Copy("@repo/../secret", "@artifact/"), "leaves the source"),
        (Copy("@repo/values.yaml", "@artifact/../v"), "leaves the source"),
    ],
)
def test_copies_that_cannot_be_carried_out_say_which_and_why(
    sources: dict[str, Tree], copy: Copy, expected: str
) -> None:
    """Nothing is read or written outside of what it is given."""
    with pytest.raises(CopyProblem, match="failed to apply copy operation from") as caught:
        compose([copy], sources)

    assert expected in str(caught.value)


def test_a_composed_tree_is_a_tree(sources: dict[str, Tree]) -> None:
    """It lists, tells files from folders, and its digest changes with its files and their names alone."""
    copy = Copy("@repo/apps/base/**", "@artifact/base/")
    made = compose([copy], sources)

    assert (made.list(""), made.list("./base"), made.kind("base/web"), made.kind("other")) == (
        ["base"], ["readme.md", "web"], "folder", "none",
    )  # fmt: skip
    assert digest(made) == digest(compose([copy], sources))
    assert digest(made) != digest(compose([Copy("@repo/apps/base/**", "@artifact/elsewhere/")], sources))
    assert made.digest("base") != made.digest("base/web")
