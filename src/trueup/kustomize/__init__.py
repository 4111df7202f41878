"""Kustomize, natively: documents in, documents out, as kustomize 5.8.1 makes them.

Called by the kustomize renderer, the commands and the Flux dialect. Pure: files come through `Files`, charts and remote
bases through callables; nothing is fetched and no program is run.
"""

from trueup.kustomize.build import build
from trueup.kustomize.loading import Files
from trueup.kustomize.options import Built, HelmChart, Options
from trueup.kustomize.problem import KustomizeProblem

__all__ = ["Built", "Files", "HelmChart", "KustomizeProblem", "Options", "build"]
