"""A tree of files in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal


class Memory:
    """Files by their path."""

    def __init__(self, files: Mapping[str, str | bytes]) -> None:
        self.files = {path.strip("/"): text.encode() if isinstance(text, str) else text for path, text in files.items()}
        self.folders = {""}
        for path in self.files:
            parts = path.split("/")
            self.folders |= {"/".join(parts[:depth]) for depth in range(1, len(parts))}

    def read(self, path: str) -> bytes:
        return self.files[path.strip("/")]

    def kind(self, path: str) -> Literal["file", "folder", "none"]:
        path = path.strip("/")
        return "file" if path in self.files else "folder" if path in self.folders else "none"

    def list(self, path: str) -> Sequence[str]:
        prefix = f"{path.strip('/')}/" if path.strip("/") else ""
        return sorted({name[len(prefix) :].split("/")[0] for name in self.files if name.startswith(prefix)})

    def digest(self, path: str) -> str:
        return path
