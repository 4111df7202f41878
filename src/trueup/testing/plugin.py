"""pytest fixtures: a Kubernetes API for a test or for all of them. Found by pytest through its entry point."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from trueup.testing.cluster import Cluster


_READ_AT_IMPORT = ("kubernetes.config.kube_config", "kubernetes_asyncio.config.kube_config")
"""Python clients that read ``$KUBECONFIG`` once, when they are imported."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """``trueup_kubernetes_version`` in the configuration: the version that the clusters are."""
    parser.addini("trueup_kubernetes_version", "Kubernetes version of the fixture `cluster`, e.g. 1.34", default="")


@pytest.fixture
def cluster(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A Kubernetes API of the test's own, in memory; ``$KUBECONFIG`` points to it."""
    with _new(request) as made:
        monkeypatch.setenv("KUBECONFIG", str(made.kubeconfig))
        for name in _READ_AT_IMPORT:
            if name in sys.modules:
                monkeypatch.setattr(sys.modules[name], "KUBE_CONFIG_DEFAULT_LOCATION", str(made.kubeconfig))
        yield made


@pytest.fixture(scope="session")
def shared_cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """One Kubernetes API for all tests of a run; give each test a namespace of its own."""
    with _new(request) as made:
        yield made


def _new(request: pytest.FixtureRequest) -> Cluster:
    from trueup.kube.types import DEFAULT_VERSION
    from trueup.testing.cluster import Cluster  # only for tests that use one: pytest starts with every entry point

    return Cluster(kubernetes_version=request.config.getini("trueup_kubernetes_version") or DEFAULT_VERSION)
