"""Distils how Kubernetes' Go types read and write into `src/trueup/kube/types/messages.json.xz`.

Give it the published Go modules k8s.io/api, k8s.io/apimachinery, k8s.io/apiextensions-apiserver and k8s.io/kube-aggregator
of one version, e.g. as `go mod download` leaves them:

    .venv/bin/python scripts/distil_messages.py FOLDER...

What is kept is facts alone: `{message: [[field number, JSON name, type, marks], ...]}`. Of the marks, `l` is a list, `m` a
map, `p` a pointer (absent is not zero), `o` omitempty, `z` omitzero, `i` fields that stand among the parent's in JSON, and
`a` the only field of a message that is in JSON what the field is. A field of a type with a name of its own, such as
`v1.DNSPolicy`, has that name behind its marks.
"""

from __future__ import annotations

import json
import lzma
import re
import sys
from pathlib import Path

OUT = Path(__file__).parents[1] / "src/trueup/kube/types/messages.json.xz"
SCALARS = frozenset({"string", "bytes", "bool", "int32", "int64", "double", "uint32", "uint64", "float"})
_FIELD = re.compile(r"^\s*(optional|repeated)\s+([\w.]+)\s+(\w+)\s*=\s*(\d+);")
_MAP = re.compile(r"^\s*map<\s*\w+\s*,\s*([\w.]+)\s*>\s+(\w+)\s*=\s*(\d+);")
_STRUCT = re.compile(r"^type (\w+) struct \{")
_MEMBER = re.compile(r"^\t(?:\w+\s+)?(\S+)\s+`(.*)`")
_JSON_TAG = re.compile(r'json:"([^"]*)"')
_NUMBER = re.compile(r'protobuf:"\w+,(\d+)')

_IMPORT = re.compile(r"^\s*(?:import )?(?:(\w+) )?\"([\w./-]+)\"$", re.MULTILINE)
_NAMED = re.compile(r"^(?:\*|\[\]|map\[[\w.]+\])*(?:(\w+)\.)?([A-Z]\w*)$")

Fields = dict[int, tuple[str, str, str]]


def main(folders: list[str]) -> None:
    """Read every package that has messages, write the table."""
    messages: dict[str, list[list[object]]] = {}
    for folder in folders:
        for path in sorted(Path(folder).rglob("generated.proto")):
            members: dict[str, Fields] = {}
            for source in sorted(path.parent.glob("*.go")):
                if not source.name.endswith(("_test.go", "generated.pb.go")):
                    read_structs(source.read_text(), members)
            read_messages(path.read_text(), members, messages)
    data = json.dumps(messages, sort_keys=True, separators=(",", ":")).encode()
    OUT.write_bytes(lzma.compress(data, preset=9 | lzma.PRESET_EXTREME))
    print(f"{len(messages)} messages, {OUT.stat().st_size} bytes")


def read_structs(text: str, members: dict[str, Fields]) -> None:
    """One Go file's structs: for each field number its JSON name and marks."""
    current = ""
    imported = {alias or path.rpartition("/")[2]: path.rpartition("/")[2] for alias, path in _IMPORT.findall(text)}
    package = re.search(r"^package (\w+)", text, re.MULTILINE)
    for line in text.splitlines():
        if found := _STRUCT.match(line):
            current = found[1]
            members.setdefault(current, {})
        elif line.startswith("}"):
            current = ""
        elif current and (found := _MEMBER.match(line)):
            tag, number = _JSON_TAG.search(found[2]), _NUMBER.search(found[2])
            if tag is None or number is None:
                continue
            name, *options = tag[1].split(",")
            marks = "p" if found[1].startswith("*") else ""
            marks += "o" if "omitempty" in options else ""
            marks += "z" if "omitzero" in options else ""
            marks += "i" if not name else ""
            named = _NAMED.match(found[1])
            own = package[1] if package else ""
            go = f"{imported.get(named[1], named[1]) if named[1] else own}.{named[2]}" if named else ""
            members[current][int(number[1])] = (name, marks, go)


def read_messages(text: str, members: dict[str, Fields], messages: dict[str, list[list[object]]]) -> None:
    """One file of messages, joined with the Go structs by field number."""
    package, current = "", ""
    for line in text.splitlines():
        if line.startswith("package "):
            package = line.split()[1].rstrip(";")
        elif line.startswith("message "):
            current = line.split()[1]
            messages[f"{package}.{current}"] = []
        elif (found := _FIELD.match(line)) or (found := _MAP.match(line)):
            *how, kind, name, number = found.groups()
            shape = ("l" if how[0] == "repeated" else "") if how else "m"
            unknown = (name, "a" if name == "items" and kind in SCALARS else "o", "")
            json_name, marks, go = members.get(current, {}).get(int(number), unknown)
            row = [int(number), json_name, full(kind, package), shape + marks]
            messages[f"{package}.{current}"].append([*row, go] if go and kind in SCALARS else row)


def full(kind: str, package: str) -> str:
    """A scalar's name, or a message's with its package."""
    if kind in SCALARS:
        return kind
    return kind.lstrip(".") if "." in kind else f"{package}.{kind}"


if __name__ == "__main__":
    main(sys.argv[1:])
