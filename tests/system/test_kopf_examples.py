"""The examples that kopf publishes, unchanged: each operator sees an object come and go, without a failure of its own.

They are not here: ``--kopf-examples FOLDER`` names the folder `examples` of a checkout of github.com/nolar/kopf. An example says
itself (``E2E_*``) what its log holds when it is done and whether it means to fail.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.system.program import eventually
from trueup.testing import Cluster

pytestmark = pytest.mark.system


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test for each example of the folder."""
    folder = metafunc.config.getoption("--kopf-examples")
    found = sorted(Path(folder).absolute().glob("*/example.py")) if folder else []
    none = pytest.param(None, marks=pytest.mark.skip(reason="--kopf-examples names no folder of kopf's examples"))
    metafunc.parametrize("example", found or [none], ids=[path.parent.name for path in found] or ["none"])


def told(tree: ast.Module) -> dict[str, Any]:
    """What an example says of itself."""
    out: dict[str, Any] = {}
    for node in tree.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if (
            isinstance(target, ast.Name)
            and target.id.startswith("E2E_")
            and isinstance(node, (ast.Assign, ast.AnnAssign))
        ):
            assert node.value is not None
            out[target.id.removeprefix("E2E_").lower()] = ast.literal_eval(node.value)
    return out


def missing(tree: ast.Module) -> list[str]:
    """Libraries that an example wants and nobody installed."""
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    return sorted(name for name in {name.partition(".")[0] for name in names} if importlib.util.find_spec(name) is None)


def test_an_example_of_kopf(example: Path, cluster: Cluster, tmp_path: Path) -> None:
    """It starts, handles its object from the first to the last, and ends cleanly."""
    tree = ast.parse(example.read_text())
    if missing(tree):
        pytest.skip(f"not installed: {', '.join(missing(tree))}")
    own, log = told(tree), tmp_path / "log"
    spec = {"containers": [{"name": "main", "image": "busybox"}]}
    cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bystander"}, "spec": spec})
    cluster.apply(example.parent.parent / "crd.yaml")
    cluster.wait("crd", "kopfexamples.kopf.dev")
    command = [sys.executable, "-m", "kopf", "run", "--all-namespaces", "--standalone", "--verbose", str(example)]
    environment = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig)}
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=environment)

    def says(patterns: list[str]) -> None:
        eventually(lambda: process.poll() is not None or any(re.search(p, log.read_text()) for p in patterns))
        lacks = re.search(r"requires an extra dependency: run `(.+?)`", log.read_text())
        if lacks:
            pytest.skip(f"not installed: {lacks[1]} would")
        assert process.poll() is None, log.read_text()

    try:
        says(own.get("startup_stop_words") or ["Client is configured", "Initial authentication has finished"])
        [made] = cluster.apply(example.parent.parent / "obj.yaml")
        says(
            own.get("creation_stop_words") or [re.escape(f"/{made['metadata']['name']}]"), "Starting the watch-stream"]
        )
        cluster.delete("kopfexample", made["metadata"]["name"])
        cluster.wait_gone("kopfexample", made["metadata"]["name"])
    finally:
        process.send_signal(signal.SIGINT)
        code = process.wait(30)
    said = log.read_text()
    assert code == 0, said
    assert own.get("allow_tracebacks") or "Traceback" not in said, said
    assert re.findall(r"'(.+?)' failed permanently", said) == [] or "failure_counts" in own, said
