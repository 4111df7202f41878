"""Kustomize, natively: documents in, documents out, as kustomize 5.8.1 makes them.

Called by the kustomize renderer, the commands and the Flux dialect. Pure: files come through `Files`, charts and remote
bases through callables; nothing is fetched and no program is run.
"""

from trueup.kustomize.build import build
from trueup.kustomize.edits import build_with, generate_kustomization
from trueup.kustomize.hashing import hash_of
from trueup.kustomize.loading import Files
from trueup.kustomize.options import Built, HelmChart, Options
from trueup.kustomize.problem import KustomizeProblem
from trueup.kustomize.remote import place_of
from trueup.kustomize.substitute import substitute

__all__ = [
    "Built", "Files", "HelmChart", "KustomizeProblem", "Options", "build", "build_with", "generate_kustomization",
    "hash_of", "place_of", "substitute",
]  # fmt: skip
