"""Finding the repository that a mapped folder is, is in, or is not part of."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pygit2

from trueup.app.follow import state_of
from trueup.ports import GitSpec
from trueup.source.mapping import Snapshot, open_folder, repository_of


def git(folder: Path, *args: str) -> None:
    who = ("-c", "user.name=t", "-c", "user.email=t@example.com")
    subprocess.run(["git", *who, *args], cwd=folder, check=True, capture_output=True)


def repository(folder: Path) -> Path:
    (folder / "kept").mkdir(parents=True)
    (folder / "kept/a.yaml").write_text("a: 1\n")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "begin")
    return folder


def test_a_folder_inside_a_working_tree_belongs_to_its_repository(tmp_path: Path) -> None:
    """Whatever its depth."""
    top = repository(tmp_path / "top")

    assert repository_of(top / "kept") == top / ".git"


def test_bare_repositories_and_linked_worktrees_are_repositories(tmp_path: Path) -> None:
    """A bare one is its own Git folder; a worktree's is among its repository's."""
    top = repository(tmp_path / "top")
    git(top, "clone", "-q", "--bare", str(top), str(tmp_path / "bare.git"))
    git(top, "worktree", "add", "-q", str(tmp_path / "linked"))

    assert repository_of(tmp_path / "bare.git") == tmp_path / "bare.git"
    assert repository_of(tmp_path / "linked") == top / ".git/worktrees/linked"


def test_an_empty_git_folder_makes_no_repository(tmp_path: Path) -> None:
    """As for Git itself."""
    (tmp_path / ".git").mkdir()

    assert repository_of(tmp_path) is None


def test_asking_about_plain_folders_costs_the_interpreter_nothing(tmp_path: Path) -> None:
    """A binding that answers a None it does not own ends it after some ten thousand questions."""
    before = sys.getrefcount(None)
    for _ in range(2000):
        open_folder(tmp_path)

    assert sys.getrefcount(None) > before - 1000


def test_a_folder_that_hides_itself_is_no_part_of_a_plain_one(tmp_path: Path) -> None:
    """trueup's own state, above all: it changes all the time, and holds keys."""
    state = tmp_path / "plain/.trueup"
    state.mkdir(parents=True)
    (state / ".gitignore").write_text("*\n")
    (state / "key.pem").write_text("secret")
    (tmp_path / "plain/a.yaml").write_text("a: 1\n")
    snapshot = Snapshot(pygit2.init_repository(str(tmp_path / "snapshots.git"), bare=True), tmp_path / "plain")
    before = snapshot.named(GitSpec("https://git.example.com/a.git")), state_of(tmp_path / "plain")
    (state / "key.pem").write_text("another secret")

    tree = snapshot.repository[snapshot.tree(before[0].commit)]
    assert isinstance(tree, pygit2.Tree)
    assert [entry.name for entry in tree] == ["a.yaml"]
    assert (snapshot.named(GitSpec("https://git.example.com/a.git")), state_of(tmp_path / "plain")) == before


def test_files_that_their_repository_does_not_have_are_followed_as_files(tmp_path: Path) -> None:
    """An ignored or uncommitted folder plays a repository by its files, so its files are what is looked at."""
    top = repository(tmp_path / "top")
    loose = top / "loose"
    loose.mkdir()
    (loose / "a.yaml").write_text("a: 1\n")
    before = state_of(loose), state_of(top / "kept")
    (loose / "a.yaml").write_text("a: 22\n")

    assert state_of(loose) != before[0]
    assert state_of(top / "kept") == before[1]
