"""What `flux build kustomization` prints for the folders of its own suite."""

import json
from typing import Any

import pytest

from tests.corpora import corpus
from trueup.kube.documents import parse
from trueup.kube.names import Object
from trueup.ports import RenderRequest, Target
from trueup.render.render import Render
from trueup.source.tree import DirTree

SUITE = "flux2/cmd/flux/testdata/build-kustomization"
MASKED = ("**SOPS**", "KipTT1BTKio=", "eyJtYXNrIjoiKipTT1BTKioifQ==")
"""What the command prints in the place of encrypted values."""
GIVEN = {
    "edits": {"namespace": "default"},
    "generate": True,
    "substitute": {"cluster_env": "prod", "cluster_region": "eu-central-1"},
}
OWNER = {"kustomize.toolkit.fluxcd.io/name": "podinfo", "kustomize.toolkit.fluxcd.io/namespace": "NAMESPACE"}


def compared(obj: Object, hidden: set[str]) -> str:
    """An object without its values, if they are hidden in what the command prints."""
    shown = {key: value for key, value in obj.items() if key != "sops"}
    if name(obj) in hidden:
        shown = {key: sorted(value) if key in ("data", "stringData") else value for key, value in shown.items()}
    return json.dumps(shown, sort_keys=True)


def name(obj: Object) -> str:
    """Kind and name."""
    return f"{obj['kind']}/{obj['metadata']['name']}"


def owned(obj: Object) -> Object:
    """With the labels that the controller puts on everything that it applies."""
    metadata: dict[str, Any] = obj["metadata"]
    return {**obj, "metadata": {**metadata, "labels": {**(metadata.get("labels") or {}), **OWNER}}}


@pytest.mark.parametrize(
    ("folder", "golden"),
    [
        ("podinfo", "podinfo-result.yaml"),
        ("delete-service", "podinfo-without-service-result.yaml"),
        ("var-substitution", "podinfo-with-var-substitution-result.yaml"),
    ],
)
async def test_builds_of_flux(shared_renderer: Render, folder: str, golden: str) -> None:
    """The same objects in the same order, but for the values of encrypted Secrets."""
    root = corpus(SUITE)
    text = (root / golden).read_text().replace("{{ .fluxns }}", "NAMESPACE")
    expected = [document.value for document in parse(text)]
    asked = RenderRequest(DirTree(root), folder, Target("v1.34.0", (), "default"), "kustomize", GIVEN)
    rendered = await shared_renderer.render(asked)
    hidden = {name(obj) for obj in expected if any(mask in json.dumps(obj) for mask in MASKED)}
    assert [compared(obj, hidden) for obj in expected] == [compared(owned(obj), hidden) for obj in rendered.objects]
