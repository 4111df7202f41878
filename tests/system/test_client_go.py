"""client-go, as controllers use it: a Go program of our own, `clients/goclient`, built here.

Building client-go takes minutes of a small machine the first time, so it takes ``--matrix``. The same holds for a genuine
Kubernetes, and is shown where ``--kubeconfig`` names one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from pathlib import Path

import pytest

from trueup.testing import Cluster

pytestmark = pytest.mark.system

SOURCE = Path(__file__).parent / "clients" / "goclient"


@pytest.fixture(scope="module")
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built program."""
    if not request.config.getoption("--matrix"):
        pytest.skip("building client-go takes minutes: --matrix does")
    if shutil.which("go") is None:
        pytest.skip("go is not on PATH")
    made = tmp_path_factory.mktemp("go") / "goclient"
    fetched = subprocess.run(["go", "mod", "download"], cwd=SOURCE, capture_output=True, text=True, check=False)
    if fetched.returncode:
        pytest.skip(f"client-go cannot be fetched: {fetched.stderr.strip()}")
    built = subprocess.run(
        ["go", "build", "-mod=readonly", "-o", str(made), "."], cwd=SOURCE, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    return made


def said(program: Path, config: Path, namespace: str) -> list[str]:
    """What it says of each thing that it tried."""
    environment = {**os.environ, "KUBECONFIG": str(config)}
    ran = subprocess.run(
        [str(program), namespace], env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert ran.stdout, ran.stderr
    return ran.stdout.splitlines()


def all_well(lines: list[str]) -> None:
    """Every check was met; prints how many."""
    good = [line for line in lines if line.endswith(" ok")]
    print(f"client-go: {len(good)} of {len(lines)}")
    assert [line for line in lines if line not in good] == []
    assert len(good) >= 21


def test_client_go(program: Path, shared_cluster: Cluster, namespace: str) -> None:
    """Typed, dynamic and metadata clients, informers, discovery, leader election: what controllers are made of."""
    all_well(said(program, shared_cluster.kubeconfig, namespace))


def test_client_go_on_kubernetes(program: Path, request: pytest.FixtureRequest) -> None:
    """The program expects nothing that Kubernetes does not do."""
    config = request.config.getoption("--kubeconfig")
    if not config:
        pytest.skip("--kubeconfig names no genuine Kubernetes")
    namespace = f"goclient-{uuid.uuid4().hex[:6]}"
    kubectl = ["kubectl", "--kubeconfig", config]
    subprocess.run([*kubectl, "create", "namespace", namespace], check=True)
    try:
        # Where no controller makes it, a pod could not be made without.
        subprocess.run([*kubectl, "create", "serviceaccount", "default", "-n", namespace], check=False)
        all_well(said(program, Path(config), namespace))
    finally:
        subprocess.run([*kubectl, "delete", "namespace", namespace, "--wait=false"], check=True)
