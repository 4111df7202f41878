"""The example repository of this repository renders."""

from pathlib import Path

import pytest

from trueup.ports import RenderRequest, Target
from trueup.render.render import Render
from trueup.source.tree import DirTree

SHOP = Path(__file__).resolve().parents[3] / "examples" / "shop"
PAYMENTS = {"generate": True, "edits": {"namespace": "payments"}, "substitute": {"currency": "EUR", "replicas": "2"}}
SEASON = {"jsonnet": {"tlas": [{"name": "season", "value": "winter"}]}}
CATALOG = ["Deployment catalog", "Service catalog", "StatefulSet catalog-db", "Job catalog-migrate"]
STOREFRONT = ["ConfigMap storefront", "Deployment storefront", "Service storefront", "Ingress storefront"]
UNITS: dict[str, tuple[str, dict[str, object], list[str]]] = {
    "clusters/local": ("", {}, ["Namespace argocd", "Application banner", "Kustomization payments"]),
    "charts/storefront": ("", {"releaseName": "storefront"}, STOREFRONT),
    "apps/banner": ("directory", SEASON, ["ConfigMap banner"]),
    "./apps/catalog/overlays/local": ("", {}, CATALOG),
    "./infrastructure": ("kustomize", {"generate": True}, ["Namespace payments", "Deployment cache", "Service cache"]),
    "./payments": ("kustomize", PAYMENTS, ["Deployment payments", "CronJob settle"]),
}


@pytest.mark.parametrize("path", UNITS)
async def test_a_unit_of_the_shop_renders(shared_renderer: Render, path: str) -> None:
    """What the unit is made of is there, each object knows its file."""
    tool, options, names = UNITS[path]
    target = Target("v1.36.0", (), "shop")
    rendered = await shared_renderer.render(RenderRequest(DirTree(SHOP), path, target, tool, options))
    found = [f"{obj['kind']} {obj['metadata']['name']}" for obj in rendered.objects]
    assert set(names) <= set(found)
    assert [origin for origin in rendered.origins if not (SHOP / origin.path).exists()] == []
    assert rendered.files


async def test_variables_are_put_in(shared_renderer: Render) -> None:
    """Substitution keeps types: a number in a variable is a number in the object."""
    tool, options, _ = UNITS["./payments"]
    rendered = await shared_renderer.render(
        RenderRequest(DirTree(SHOP), "./payments", Target("v1.36.0"), tool, options)
    )
    deployment = rendered.objects[0]
    assert (deployment["spec"]["replicas"], deployment["metadata"]["namespace"]) == (2, "payments")
    assert deployment["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"] == "EUR"
