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
    start = f"{path}/" if path else ""
    if any(tree.kind(start + name) == "file" for name in KUSTOMIZATIONS):
        return "kustomize"
    # By its name first: what lists a folder depends on every file that comes into it.
    if tree.kind(f"{start}Chart.yaml") == "file":
        return "helm"
    charts = (name for name in tree.list(path) if name.endswith("Chart.yaml"))
    return "helm" if any(tree.kind(start + name) == "file" for name in charts) else "directory"
