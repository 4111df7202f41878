"""Distils the field numbers of Kubernetes' protobuf messages into `src/trueup/kube/types/messages.json.xz`.

Give it folders that hold the published ``generated.proto`` files (of k8s.io/api and k8s.io/apimachinery):

    .venv/bin/python scripts/distil_protobuf.py FOLDER...

What is kept is facts alone: `{message: {number: [field, type, "" | "list" | "map"]}}`.
"""

from __future__ import annotations

import json
import lzma
import re
import sys
from pathlib import Path

OUT = Path(__file__).parents[1] / "src/trueup/kube/types/messages.json.xz"
_FIELD = re.compile(r"^\s*(optional|repeated)\s+([\w.]+)\s+(\w+)\s*=\s*(\d+);")
_MAP = re.compile(r"^\s*map<\s*\w+\s*,\s*([\w.]+)\s*>\s+(\w+)\s*=\s*(\d+);")


def main(folders: list[str]) -> None:
    """Read every file, write the table."""
    messages: dict[str, dict[str, list[str]]] = {}
    for folder in folders:
        for path in sorted(Path(folder).rglob("generated.proto")):
            read(path.read_text(), messages)
    data = json.dumps(messages, sort_keys=True, separators=(",", ":")).encode()
    OUT.write_bytes(lzma.compress(data, preset=9 | lzma.PRESET_EXTREME))
    print(f"{len(messages)} messages, {OUT.stat().st_size} bytes")


def read(text: str, messages: dict[str, dict[str, list[str]]]) -> None:
    """One file's messages."""
    package, current = "", ""
    for line in text.splitlines():
        if line.startswith("package "):
            package = line.split()[1].rstrip(";")
        elif line.startswith("message "):
            current = f"{package}.{line.split()[1]}"
            messages[current] = {}
        elif found := _FIELD.match(line):
            how, kind, name, number = found.groups()
            messages[current][number] = [name, full(kind, package), "list" if how == "repeated" else ""]
        elif found := _MAP.match(line):
            kind, name, number = found.groups()
            messages[current][number] = [name, full(kind, package), "map"]


def full(kind: str, package: str) -> str:
    """A scalar's name, or a message's with its package."""
    if kind in ("string", "bytes", "bool", "int32", "int64", "double", "uint32", "uint64", "float"):
        return kind
    return kind.lstrip(".") if "." in kind else f"{package}.{kind}"


if __name__ == "__main__":
    main(sys.argv[1:])
