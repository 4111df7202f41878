"""Distils which fields of Kubernetes' kinds hold one word of a few into `src/trueup/kube/types/enums.json`.

Give it the published Go modules k8s.io/api, k8s.io/apimachinery, k8s.io/apiextensions-apiserver and k8s.io/kube-aggregator
of one version, as for `distil_messages`:

    .venv/bin/python scripts/distil_enums.py FOLDER...

A type that is marked ``+enum`` lists its constants: `{definition: {property: [words]}}`, a property's name with `[]` where it
is a list of such words. The published definitions of OpenAPI v3 have these, those of v2 do not.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

OUT = Path(__file__).parents[1] / "src/trueup/kube/types/enums.json"
_TYPE = re.compile(r"((?:^//[^\n]*\n)*)^type (\w+) string$", re.MULTILINE)
_CONSTANT = re.compile(r"^\s*(\w+)(?:\s+(\w+))?\s*=\s*(?:(\w+)\()?(?:\"([^\"]*)\"|(?:\w+\.)?(\w+))\)?$", re.MULTILINE)
_EMBEDDED = re.compile(r"^\t(\w+)\s+`[^`]*json:\",inline", re.MULTILINE)
_STRUCT = re.compile(r"^type (\w+) struct \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
_FIELD = re.compile(r"^\t\w+\s+\*?(\[\])?\*?(?:(\w+)\.)?(\w+)\s+`[^`]*json:\"([\w-]+)", re.MULTILINE)
_IMPORT = re.compile(r"^\s*(?:import )?(\w+) \"(k8s\.io/[\w./-]+)\"|^\s*\"(k8s\.io/[\w./-]+)\"", re.MULTILINE)

Words = dict[str, list[str]]
Names = dict[str, str]


def main(folders: list[str]) -> None:
    """Read every package, write the table."""
    packages = dict(read(folders))
    values = {found[0]: found[3] for text in packages.values() for found in _CONSTANT.findall(text) if found[3]}
    words = {name: enums(text, values) for name, text in packages.items()}
    found: dict[str, Words] = {}
    for name, text in packages.items():
        imported = {
            alias or path.rpartition("/")[2]: alias_path or path for alias, alias_path, path in _IMPORT.findall(text)
        }
        structs = dict(_STRUCT.findall(text))

        def fields(
            struct: str, name: str = name, imported: dict[str, str] = imported, structs: dict[str, str] = structs
        ) -> Words:
            body = structs.get(struct, "")
            out: Words = {}
            for many, package, kind, field in _FIELD.findall(body):
                known = words.get(imported.get(package, "") if package else name, {}).get(kind)
                if known:
                    out[field + ("[]" if many else "")] = known
            for embedded in _EMBEDDED.findall(body):
                out |= fields(embedded)
            return out

        found |= {definition(name, struct): held for struct in structs if (held := fields(struct))}
    OUT.write_text(json.dumps(found, sort_keys=True, indent=0, separators=(",", ":")) + "\n")
    print(f"{sum(map(len, found.values()))} fields, {OUT.stat().st_size} bytes")


def read(folders: list[str]) -> Iterator[tuple[str, str]]:
    """Packages by their paths, with their text."""
    for folder in folders:
        root = Path(folder)
        module = "k8s.io/" + root.name.partition("@")[0]
        for path in sorted({source.parent for source in root.rglob("*.go")}):
            sources = (
                source for source in sorted(path.glob("*.go")) if not re.search("_test|generated|zz_", source.name)
            )
            yield "/".join((module, *path.relative_to(root).parts)), "\n".join(each.read_text() for each in sources)


def enums(text: str, values: dict[str, str]) -> Words:
    """A package's types that are marked, with their words; ``values``: those of all constants, by name."""
    marked = {name for comment, name in _TYPE.findall(text) if re.search(r"^// ?\+enum\b", comment, re.MULTILINE)}
    out: Words = {name: [] for name in marked}
    for _, kind, converted, word, other in _CONSTANT.findall(text):
        if (kind or converted) in marked:
            out[kind or converted].append(word or values.get(other, ""))
    return {name: sorted(set(words)) for name, words in out.items()}


def definition(package: str, struct: str) -> str:
    """``k8s.io/api/core/v1`` and ``PodSpec`` as OpenAPI names them."""
    host, *rest = package.split("/")
    return ".".join((*reversed(host.split(".")), *rest, struct))


if __name__ == "__main__":
    main(sys.argv[1:])
