"""Which files an artifact holds: ignore patterns, selected, mounted and sparse trees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import pytest

from trueup.families.flux import artifact
from trueup.families.flux.sourceignore import DEFAULT, Pattern, read_lines, rules


class Files:
    """A tree in memory. Submodules are folders whose digest is a commit."""

    def __init__(self, files: dict[str, str], links: dict[str, str] | None = None) -> None:
        self._files, self._links = files, links or {}

    def read(self, path: str) -> bytes:
        return self._files[artifact.clean(path)].encode()

    def kind(self, path: str) -> Literal["file", "folder", "none"]:
        whole = artifact.clean(path)
        if whole in self._files:
            return "file"
        found = not whole or whole in self._links or any(name.startswith(f"{whole}/") for name in self._files)
        return "folder" if found else "none"

    def list(self, path: str) -> Sequence[str]:
        start = f"{artifact.clean(path)}/".removeprefix("/")
        names = [name for name in (*self._files, *self._links) if name.startswith(start)]
        return sorted({name[len(start) :].split("/")[0] for name in names})

    def digest(self, path: str) -> str:
        whole = artifact.clean(path)
        return self._links.get(whole) or str(sorted(i for i in self._files.items() if i[0].startswith(whole)))


@pytest.mark.parametrize(
    ("line", "path", "is_folder", "expected"),
    [
        ("*.png", "a/b.png", False, True),
        ("*.png", "a/b.yaml", False, False),
        ("docs", "docs/a.yaml", False, True),
        ("docs/", "docs", False, False),
        ("docs/", "docs", True, True),
        ("docs/", "docs/a.yaml", False, True),
        ("docs/", "a/docs/b.yaml", False, True),
        ("/docs", "docs/a.yaml", False, True),
        ("/docs", "a/docs", True, False),
        ("a/b", "a/b/c.yaml", False, True),
        ("a/b", "x/a/b", False, False),
        ("**/b", "x/y/b", False, True),
        ("**/b", "b", False, True),
        ("a/**/b", "a/x/y/b", False, True),
        ("a/**", "a/x", False, True),
        ("a**/b", "ax/b", False, False),
        ("/*", "a", True, True),
        ("/*", "a/b/c", False, True),
        ("[ab].yaml", "b.yaml", False, True),
        ("[^ab].yaml", "b.yaml", False, False),
        ("[ab.yaml", "a.yaml", False, False),
        ("a?.yaml", "ab.yaml", False, True),
        ("\\*.yaml", "a.yaml", False, False),
        ("trailing   ", "trailing", False, True),
    ],
)
def test_a_pattern_speaks_of_a_path_as_go_gits_does(line: str, path: str, is_folder: bool, expected: bool) -> None:
    """Names anywhere below, paths from the folder of their file, ``**`` for any folders."""
    assert Pattern.parse(line).matches(path.split("/"), is_folder) == expected


def test_the_last_pattern_that_speaks_decides() -> None:
    """A later one brings back what an earlier one left out, below what is left out, too."""
    said = rules(read_lines("# only this\n/*\n!/deploy\n*.md\n\n!deploy/readme.md\n"))

    kept = [p for p in ("app.py", "deploy/a.yaml", "deploy/b.md", "deploy/readme.md") if not said.leaves_out(p, False)]
    assert kept == ["deploy/a.yaml", "deploy/readme.md"]


def test_patterns_of_a_folder_speak_of_that_folder() -> None:
    """An ignore file below the root says nothing of its neighbours."""
    said = rules(read_lines("*.txt\n", "a/b"))

    assert [said.leaves_out(path, False) for path in ("a/b/x.txt", "a/b/c/x.txt", "a/x.txt", "x.txt")] == [
        True,
        True,
        False,
        False,
    ]


def test_pictures_and_what_belongs_to_ci_are_left_out_unless_something_is_said() -> None:
    """Flux's defaults; what belongs to Git is left out always."""
    paths = ("logo.png", ".github/a.yaml", "x/.sops.yaml", "a.tar.gz", ".gitignore")

    assert [DEFAULT.leaves_out(path, False) for path in paths] == [True] * 5
    assert [rules(read_lines("none")).leaves_out(path, False) for path in paths] == [False] * 4 + [True]


def test_a_selected_tree_shows_only_what_is_kept() -> None:
    """In kinds, lists, reads, digests and walks; folders of which nothing is left are gone."""
    tree = Files({"a/b.yaml": "1", "a/c.txt": "22", "d/e.txt": "3", "a/.sourceignore": "*.txt\n", "f.md": "4"})
    kept = artifact.selected(tree, "d/\n")

    assert kept.list(".") == ["a", "f.md"]
    assert kept.list("a") == [".sourceignore", "b.yaml"]
    assert [kept.kind(path) for path in ("a", "a/b.yaml", "a/c.txt", "d", "d/e.txt")] == [
        "folder",
        "file",
        "none",
        "none",
        "none",
    ]
    with pytest.raises(FileNotFoundError):
        kept.read("a/c.txt")
    assert sorted(path for path, _ in kept.files()) == ["a/.sourceignore", "a/b.yaml", "f.md"]
    assert artifact.size(kept) == len("*.txt\n") + 2
    assert kept.digest("a") != tree.digest("a")
    assert kept.digest("a/b.yaml") == tree.digest("a/b.yaml")


def test_a_sparse_tree_holds_only_its_folders() -> None:
    """By the beginning of the path, as go-git checks them out."""
    kept = artifact.selected(Files({"a/x": "", "ab/y": "", "b/z": "", "top": ""}), None, ["./a"])

    assert sorted(path for path, _ in kept.files()) == ["a/x", "ab/y"]
    assert kept.list(".") == ["a", "ab"]


def test_trees_are_mounted_in_the_place_of_folders() -> None:
    """What stood there is hidden; folders on the way appear; nothing leaves the tree."""
    inner = Files({"m.yaml": "m", "deep/n.yaml": "n"})
    tree = artifact.Mounted(Files({"a.yaml": "a", "sub/old.yaml": "o"}), {"sub": inner, "far/away": inner})

    assert tree.list(".") == ["a.yaml", "far", "sub"]
    assert tree.list("far") == ["away"]
    assert tree.list("sub") == ["deep", "m.yaml"]
    assert [tree.kind(path) for path in ("far", "sub/old.yaml", "far/away/deep/n.yaml")] == ["folder", "none", "file"]
    assert tree.read("far/away/deep/n.yaml") == b"n"
    assert sorted(path for path, _ in tree.files()) == [
        "a.yaml",
        "far/away/deep/n.yaml",
        "far/away/m.yaml",
        "sub/deep/n.yaml",
        "sub/m.yaml",
    ]
    with pytest.raises(PermissionError):
        tree.read("../x")


def test_a_part_is_a_folder_as_a_tree() -> None:
    """It cannot be left upwards."""
    part = artifact.Part(Files({"a/b/c.yaml": "c", "a/d.yaml": "d"}), "./a/")

    assert part.list(".") == ["b", "d.yaml"]
    assert part.read("b/c.yaml") == b"c"
    assert sorted(part.files()) == [("b/c.yaml", 0), ("d.yaml", 0)]
    with pytest.raises(PermissionError):
        part.kind("../secret")


def test_equal_trees_with_equal_rules_are_the_same_artifact() -> None:
    """And different rules make another one."""
    files = {"a.yaml": "1", "b.txt": "2"}
    one, same = artifact.selected(Files(files), "*.txt"), artifact.selected(Files(dict(files)), "*.txt")

    assert artifact.digest(one) == artifact.digest(same)
    assert artifact.digest(one) != artifact.digest(artifact.selected(Files(files)))


def test_submodules_are_read_from_gitmodules() -> None:
    """Those whose folder is there, with the commit that the tree names."""
    text = '[submodule "a"]\n\tpath = libs/a\n\turl = ../a.git\n[submodule "b"]\n\turl = https://x/b\n\tpath = gone\n'
    tree = Files({".gitmodules": text, "c": ""}, {"libs/a": "f" * 40})

    assert artifact.submodules(tree) == {"libs/a": ("../a.git", "f" * 40)}
    assert artifact.submodules(Files({})) == {}


@pytest.mark.parametrize(
    ("parent", "written", "expected"),
    [
        ("https://git.example.com/team/app.git", "../lib.git", "https://git.example.com/team/lib.git"),
        ("https://git.example.com/team/app.git", "../../other/lib", "https://git.example.com/other/lib"),
        ("ssh://git@git.example.com/app", "https://else.example.com/lib", "https://else.example.com/lib"),
        ("https://git.example.com/app", "./below", "https://git.example.com/app/below"),
    ],
)
def test_a_submodules_url_may_be_relative(parent: str, written: str, expected: str) -> None:
    """To the URL of its parent."""
    assert artifact.submodule_url(parent, written) == expected
