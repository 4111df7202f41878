"""Folders made on the spot, and requests over them. Small real trees: the rooms of sources and renders are strangers."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Literal

from trueup.ports import RenderRequest, Target, Tree

TARGET = Target("v1.34.0", ("apps/v1", "apps/v1/Deployment", "batch/v1"), "default")


class Files:
    """A tree in memory that counts what is read. ``-> `` marks a link that leads out."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self.files = dict(files)
        self.reads: list[str] = []

    def read(self, path: str) -> bytes:
        """The content of a file."""
        if self.kind(path) != "file":
            raise FileNotFoundError(path)
        self.reads.append(path)
        return self.files[path].encode()

    def kind(self, path: str) -> Literal["file", "folder", "none"]:
        """What stands at a path."""
        if path.startswith(("..", "/")):
            raise PermissionError(f"{path}: leaves the source")
        if path in self.files:
            if self.files[path].startswith("-> "):
                raise PermissionError(f"{path}: leaves the source")
            return "file"
        return "folder" if not path or any(name.startswith(f"{path}/") for name in self.files) else "none"

    def size_of(self, path: str) -> int:
        """How large a file is."""
        return len(self.files[path].encode())

    def list(self, path: str) -> Sequence[str]:
        """The names in a folder."""
        if self.kind(path) != "folder":
            raise FileNotFoundError(path)
        start = f"{path}/" if path else ""
        return sorted({name[len(start) :].partition("/")[0] for name in self.files if name.startswith(start)})

    def digest(self, path: str) -> str:
        """Of a file its text, of a folder all in it."""
        if self.kind(path) == "none":
            raise FileNotFoundError(path)
        inside = {
            name: text for name, text in self.files.items() if name == path or not path or name.startswith(f"{path}/")
        }
        return hashlib.sha256(repr(sorted(inside.items())).encode()).hexdigest()


def request(tree: Tree | Mapping[str, str], path: str = "", tool: str = "", **options: object) -> RenderRequest:
    """What delivery would ask."""
    made = Files(tree) if isinstance(tree, Mapping) else tree
    return RenderRequest(made, path, TARGET, tool, options)


def config_map(name: str, **data: str) -> str:
    """A small manifest."""
    lines = [f"  {key}: {value}" for key, value in data.items()]
    return (
        "\n".join(
            ["apiVersion: v1", "kind: ConfigMap", "metadata:", f"  name: {name}", *(["data:", *lines] if lines else [])]
        )
        + "\n"
    )
