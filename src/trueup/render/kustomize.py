"""A kustomization -> objects: the adapter between the ports and the pure room `trueup.kustomize`.

Called by `render`. Options: ``{"edits": {fields to lay over the kustomization}, "generate": bool, "substitute":
{name: value}, "substituteStrict": bool}``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trueup.ports import RenderProblem, Target, Tree
from trueup.render.objects import Found
from trueup.render.workers import Workers


def render(
    tree: Tree, path: str, options: Mapping[str, Any], target: Target, workers: Workers
) -> tuple[list[Found], list[str]]:
    """The objects of a kustomization, and what it warns of."""
    raise RenderProblem("kustomizations cannot be built by this version yet", path=path)
