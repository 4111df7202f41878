"""Which tool a folder is for, when nobody said.

Called by `renderer`. Source: Argo CD's "Tool Detection": a chart, a kustomization, else a directory. A folder that is
both is a kustomization, for Argo CD looks at the files in the order of their names.
"""

from __future__ import annotations

from typing import Literal

from trueup.ports import Tree

Tool = Literal["helm", "kustomize", "directory"]
KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")


def choose(tree: Tree, path: str) -> Tool:
    """The tool for a folder."""
    names = [name for name in tree.list(path) if tree.kind(f"{path}/{name}" if path else name) == "file"]
    if any(name in KUSTOMIZATIONS for name in names):
        return "kustomize"
    return "helm" if any(name.endswith("Chart.yaml") for name in names) else "directory"
