"""client-go and controller-runtime, as controllers use them: Go programs of our own, `clients/goclient` and `clients/manager`.

The same holds for a genuine Kubernetes, and is shown where ``--kubeconfig`` names one.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.system.goprogram import all_well, built, genuine
from trueup.testing import Cluster

pytestmark = pytest.mark.system

LEAST = {"goclient": 21, "manager": 13}
"""Programs, and how many things each tries."""


@pytest.fixture(scope="module", params=LEAST)
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built program."""
    return built(request.param, request, tmp_path_factory)


def test_go_program(program: Path, shared_cluster: Cluster, namespace: str) -> None:
    """Typed, dynamic and metadata clients, informers, caches, leader election, reconcilers: what controllers are made of."""
    all_well(program, shared_cluster.kubeconfig, namespace, LEAST[program.name])


def test_go_program_on_kubernetes(program: Path, request: pytest.FixtureRequest) -> None:
    """The programs expect nothing that Kubernetes does not do."""
    with genuine(request) as (config, namespace):
        all_well(program, config, namespace, LEAST[program.name])
