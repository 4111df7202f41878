"""Distils the published OpenAPI definitions of Kubernetes into `src/trueup/kube/types/definitions.json.xz`.

Run after raising `kubernetes-validate` in the development dependencies:

    .venv/bin/python scripts/distil_types.py

Every definition is stored once per change: `{name: [[first minor version, definition or null], ...]}`.
"""

from __future__ import annotations

import json
import lzma
from pathlib import Path
from typing import Any

import kubernetes_validate

MINORS = range(30, 38)
OUT = Path(__file__).parents[1] / "src/trueup/kube/types/definitions.json.xz"
_INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"


def main() -> None:
    """Read each version, undo what the package adds for JSON schema, write the changes."""
    folder = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
    changes: dict[str, list[list[Any]]] = {}
    for minor in MINORS:
        document = json.loads((folder / f"v1.{minor}.0-local" / "_definitions.json").read_text())
        definitions = {name: plain(value) for name, value in document["$defs"].items()}
        definitions[_INT_OR_STRING] = {"type": "string", "format": "int-or-string"}
        definitions[_QUANTITY] = {"type": "string"}
        for name in definitions.keys() | changes.keys():
            now = definitions.get(name)
            history = changes.setdefault(name, [])
            if (history[-1][1] if history else None) != now:
                history.append([minor, now])
    data = json.dumps(changes, sort_keys=True, separators=(",", ":")).encode()
    OUT.write_bytes(lzma.compress(data, preset=9 | lzma.PRESET_EXTREME))
    print(f"{len(changes)} definitions, {OUT.stat().st_size} bytes")


def plain(value: Any) -> Any:
    """The definition as Kubernetes publishes it: one type, references among definitions, no enums of type names."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    out = {key: plain(item) for key, item in value.items()}
    if isinstance(out.get("type"), list):
        out["type"] = next(kind for kind in out["type"] if kind != "null")
    if isinstance(out.get("$ref"), str):
        out["$ref"] = out["$ref"].replace("#/$defs/", "#/definitions/")
    kinds = out.get("x-kubernetes-group-version-kind")
    if isinstance(kinds, list) and isinstance(out.get("properties"), dict):
        for name in ("apiVersion", "kind"):
            out["properties"].get(name, {}).pop("enum", None)
    return out


if __name__ == "__main__":
    main()
