"""Trees: what can be read, and what cannot be reached."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.rooms.source.repositories import Repository
from trueup.ports import Tree
from trueup.source.tree import DirTree, GitTree

FILES = {
    "a.txt": "a",
    "sub/b.txt": "b",
    "sub/deep/c.txt": "c",
    "link.txt": "-> sub/b.txt",
    "folder": "-> sub/deep",
    "sub/up": "-> ..",
    "out": "-> ../outside",
    "absolute": "-> /etc/passwd",
    "loop": "-> loop",
    "sly": "-> sub/../../outside",
}


def git_tree(path: Path) -> Tree:
    """The files as a commit."""
    repository = Repository(path / "repository")
    commit = repository.commit(FILES)
    return GitTree(repository.git, repository.git[commit].tree_id)


def dir_tree(path: Path) -> Tree:
    """The files as a folder."""
    (path / "outside").write_text("secret")
    for name, text in FILES.items():
        file = path / "folder" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if text.startswith("-> "):
            file.symlink_to(text[3:])
        else:
            file.write_text(text)
    return DirTree(path / "folder")


@pytest.fixture(params=[git_tree, dir_tree], ids=["git", "folder"])
def tree(request: pytest.FixtureRequest, tmp_path: Path) -> Tree:
    """Both trees pass one suite."""
    make: Callable[[Path], Tree] = request.param
    return make(tmp_path)


def test_files_are_read(tree: Tree) -> None:
    """Paths are relative to the root, however they are written."""
    assert [tree.read(path) for path in ("a.txt", "./sub//b.txt", "sub/deep/../b.txt")] == [b"a", b"b", b"b"]


def test_folders_are_listed(tree: Tree) -> None:
    """Names come sorted."""
    assert list(tree.list("sub")) == ["b.txt", "deep", "up"]
    assert list(tree.list("")) == sorted({name.partition("/")[0] for name in FILES})


def test_links_inside_are_followed(tree: Tree) -> None:
    """A link to a file or folder of the tree is that file or folder."""
    assert [tree.read(path) for path in ("link.txt", "folder/c.txt", "sub/up/a.txt")] == [b"b", b"c", b"a"]
    assert tree.kind("folder") == "folder"


@pytest.mark.parametrize(
    "path", ["..", "../outside", "sub/../../outside", "/etc/passwd", "out", "absolute", "loop", "sly"]
)
def test_nothing_outside_is_reached(tree: Tree, path: str) -> None:
    """Whatever leads out of the tree is refused, by path or by link."""
    with pytest.raises(PermissionError):
        tree.read(path)
    with pytest.raises(PermissionError):
        tree.kind(path)


def test_what_is_missing_is_not_found(tree: Tree) -> None:
    """A missing path, also one under a file, is no file."""
    assert tree.kind("nope") == "none"
    assert tree.kind("a.txt/nope") == "none"
    with pytest.raises(FileNotFoundError):
        tree.read("nope")
    with pytest.raises(IsADirectoryError):
        tree.read("sub")
    with pytest.raises(NotADirectoryError):
        tree.list("a.txt")


def test_digests_tell_contents_apart(tree: Tree) -> None:
    """Equal content, equal digest; a link has the digest of what it leads to."""
    assert tree.digest("link.txt") == tree.digest("sub/b.txt")
    assert tree.digest("a.txt") != tree.digest("sub/b.txt")
    assert tree.digest("") != tree.digest("sub")
