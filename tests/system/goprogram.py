"""Small Go programs of our own, `clients/<name>`, that use Kubernetes' libraries as controllers do; built for the test.

Each says of every thing that it tried ``name ok`` or what went wrong. Building takes minutes of a small machine the first time,
so it takes ``--matrix``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

CLIENTS = Path(__file__).parent / "clients"


def built(name: str, request: pytest.FixtureRequest, factory: pytest.TempPathFactory) -> Path:
    """The program; skips where it cannot be built here."""
    if not request.config.getoption("--matrix"):
        pytest.skip(f"building {name} takes minutes: --matrix does")
    if shutil.which("go") is None:
        pytest.skip("go is not on PATH")
    made, source = factory.mktemp("go") / name, CLIENTS / name
    fetched = subprocess.run(["go", "mod", "download"], cwd=source, capture_output=True, text=True, check=False)
    if fetched.returncode:
        pytest.skip(f"its libraries cannot be fetched: {fetched.stderr.strip()}")
    done = subprocess.run(
        ["go", "build", "-mod=readonly", "-o", str(made), "."], cwd=source, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return made


def all_well(program: Path, config: Path, namespace: str, least: int) -> None:
    """Every check was met, and there were so many; prints how many."""
    environment = {**os.environ, "KUBECONFIG": str(config)}
    ran = subprocess.run(
        [str(program), namespace], env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert ran.stdout, ran.stderr
    lines = ran.stdout.splitlines()
    good = [line for line in lines if line.endswith(" ok")]
    print(f"{program.name}: {len(good)} of {len(lines)}")
    assert [line for line in lines if line not in good] == []
    assert len(good) >= least


@contextmanager
def genuine(request: pytest.FixtureRequest) -> Iterator[tuple[Path, str]]:
    """A genuine Kubernetes, where ``--kubeconfig`` names one, and a namespace in it."""
    config = request.config.getoption("--kubeconfig")
    if not config:
        pytest.skip("--kubeconfig names no genuine Kubernetes")
    namespace = f"go-{uuid.uuid4().hex[:6]}"
    kubectl = ["kubectl", "--kubeconfig", config]
    subprocess.run([*kubectl, "create", "namespace", namespace], check=True)
    try:
        # Where no controller makes it, a pod could not be made without.
        subprocess.run([*kubectl, "create", "serviceaccount", "default", "-n", namespace], check=False)
        yield Path(config), namespace
    finally:
        subprocess.run([*kubectl, "delete", "namespace", namespace, "--wait=false"], check=True)
