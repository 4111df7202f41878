"""A Helm chart: rendered for this cluster, applied, and looked at when it is healthy."""

from pathlib import Path

import pytest

from trueup.kube.problems import ApiProblem
from trueup.testing import Cluster

CHART = Path(__file__).parents[1] / "shop" / "charts" / "storefront"


def test_the_chart_becomes_healthy(cluster: Cluster) -> None:
    """With as many pods as its values say."""
    cluster.apply(cluster.render(CHART, values={"replicas": 2}))
    deployment = cluster.wait("deployment", "storefront")

    assert deployment["status"]["readyReplicas"] == 2
    assert cluster.get("service", "storefront")["spec"]["selector"] == deployment["spec"]["selector"]["matchLabels"]


def test_a_value_that_the_api_refuses(cluster: Cluster) -> None:
    """The API's own words tell what is wrong with it."""
    with pytest.raises(ApiProblem, match=r"spec\.replicas: Invalid value: -1"):
        cluster.apply(cluster.render(CHART, values={"replicas": -1}))
