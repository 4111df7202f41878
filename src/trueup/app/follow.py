"""Local folders that stand for repositories: a commit in one is news at once, without anybody asking."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from trueup.source.mapping import hides_itself, open_folder, repository_of

LOOK_EVERY = 0.5
"""Seconds between two looks at the references; each costs a few file stats."""
SHARE = 50
"""A large folder without Git is looked at less often: its looks take no more than a fiftieth of the time."""


async def follow(mapping: Mapping[str, Path], news: Callable[[str], object]) -> None:
    """Tells ``news`` the URL of each folder whose references (or, without Git, files) changed. Runs until cancelled."""
    known = {url: await asyncio.to_thread(state_of, folder) for url, folder in mapping.items()}
    took = 0.0
    while mapping:
        await asyncio.sleep(max(LOOK_EVERY, took * SHARE))
        started = time.monotonic()
        for url, folder in mapping.items():
            now = await asyncio.to_thread(state_of, folder)
            if now != known[url]:
                known[url] = now
                news(url)
        took = time.monotonic() - started


def state_of(folder: Path) -> str:
    """A digest of where all references stand; of names, sizes and times when the folder is part of no repository."""
    digest = hashlib.sha256()
    git = repository_of(folder.resolve())
    if git is None or open_folder(folder) is None:  # in a repository that does not have it, it is plain files
        for root, folders, names in os.walk(folder):
            folders[:] = sorted(name for name in folders if not hides_itself(os.path.join(root, name)))
            for name in sorted(names):
                try:
                    stat = os.stat(os.path.join(root, name), follow_symlinks=False)
                except FileNotFoundError:
                    continue  # gone since it was listed
                digest.update(f"{root}/{name} {stat.st_size} {stat.st_mtime_ns}\n".encode())
        return digest.hexdigest()
    for path in _reference_files(git):
        stat = path.stat()
        digest.update(f"{path} {stat.st_size} {stat.st_mtime_ns} {stat.st_ino}\n".encode())
    return digest.hexdigest()


def _reference_files(git: Path) -> list[Path]:
    """HEAD, packed references and loose ones; of a linked worktree, those of the repository that it belongs to."""
    common = git / "commondir"
    root = (git / common.read_text().strip()).resolve() if common.exists() else git
    files = [git / "HEAD", root / "packed-refs", *sorted((root / "refs").rglob("*"))]
    return [path for path in files if path.is_file()]
