"""Genuine kubectl on the embedded cluster and on a genuine Kubernetes, side by side: it says the same.

The scripts are in `clients/kubectl`, a command a line. Each runs in a namespace of its own on both clusters at once; what kubectl
prints and how it ends are compared, after what no two runs have alike (times, ages, uids, addresses, drawn names) is replaced.
It takes ``--kubeconfig``: a kube-apiserver with kube-controller-manager and no nodes. Ours has its nodes cordoned, so that no pod
starts on either.
"""

from __future__ import annotations

import difflib
import os
import re
import shlex
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from trueup.testing import Cluster

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not on PATH"),
]

SCRIPTS = Path(__file__).parent / "clients" / "kubectl"
SAME: tuple[tuple[str, str], ...] = (
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<uid>"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "<time>"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ [+-]\d{4}", "<time>"),
    (r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+-]\d{4}", "<time>"),
    (r"(Resource Version: +)\d+", r"\1<version>"),
    (r" \(x\d+ over \S+\)", ""),
    (r"(pod-template-hash[=:] ?)\w+", r"\1<hash>"),
    (r"\b(web|db|agent|kept)-[0-9a-z]{8,10}\b", r"\1-<hash>"),
    (r"(resourceVersion\"?: )\"?\d+\"?", r"\1<version>"),
    (r'(resourceVersion\\":\\")\d+', r"\1<version>"),
    (r"https://(127\.0\.0\.1|localhost):\d+", "<server>"),
    (r"\b10\.\d+\.\d+\.\d+\b", "<address>"),
    (r"\b(3[012]\d{3})\b", "<node port>"),
    (r"\b\d+(s|m\d+s|m|h|h\d+m|d|d\d+h)\b(?! timeout)", "<age>"),
    (r"/tmp/[^\s\"']+", "<file>"),
    (r"-(?=\w*\d)[0-9a-z]{5}\b|-[bcdfghjklmnpqrstvwxz2456789]{5}\b", "-<drawn>"),
    (r" {2,}", "  "),
    (r"-{3,}", "---"),
    (r"(?s)(previously negative\)\n).*?(?=<ended)", r"\1"),
    (r"(Created on:).*", r"\1 <time>"),
    (r"\s+\n", "\n"),
)
"""What no two runs have alike, and what stands for it."""


@dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl on one cluster, in one namespace and folder."""

    config: Path
    namespace: str
    folder: Path

    def __call__(self, *words: str, **more: str) -> str:
        """All that it says and how it ends."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "KUBECONFIG": str(self.config),
            "KUBE_EDITOR": "sed -i s/size:.4/size:.5/",
            **more,
        }
        command = ["kubectl", *(() if "-n" in words else ("-n", self.namespace)), *words]
        try:
            ran = subprocess.run(
                command, env=environment, capture_output=True, text=True, timeout=40, check=False, cwd=self.folder,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except subprocess.TimeoutExpired as ended:
            return f"{(ended.stdout or b'').decode()}{(ended.stderr or b'').decode()}<not ended>\n"
        return f"{ran.stdout}{ran.stderr}<ended with {ran.returncode}>\n"


def plain(text: str, namespace: str) -> str:
    """The text without what no two runs have alike."""
    text = text.replace(namespace, "<namespace>")
    for pattern, instead in SAME:
        text = re.sub(pattern, instead, text)
    return text


@pytest.fixture(scope="module")
def embedded() -> Iterator[Cluster]:
    """Ours, with no node that takes pods."""
    with Cluster() as made:
        for node in made.list("nodes"):
            made.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node["metadata"]["name"]},
                        "spec": {"unschedulable": True}})  # fmt: skip
        yield made


def ran(script: list[str], config: Path, namespace: str, folder: Path) -> list[str]:
    """What each line of the script led to, in words that can be compared."""
    folder.mkdir()
    for file in (SCRIPTS / "files").iterdir():
        shutil.copy(file, folder)
    kubectl = Kubectl(config, namespace, folder)
    made = kubectl("create", "namespace", namespace)
    assert made.endswith("<ended with 0>\n"), made
    kubectl("wait", "--for=create", "serviceaccount/default", "configmap/kube-root-ca.crt", "--timeout=20s")
    more = {"KUBECTL_APPLYSET": "true"}
    try:
        return [plain(kubectl(*words(line), **more), namespace) for line in script]
    finally:
        kubectl("delete", "namespace", namespace, "--wait=false")


def words(line: str) -> list[str]:
    """The words of a command; JSON and Go's templates are one each, quotes and all."""
    if '"' not in line:
        return shlex.split(line) if "\\" not in line else line.split()
    return line.split(" ")


def difference(line: str, genuine: str, ours: str) -> str:
    """Where the two part, as a diff from Kubernetes to ours."""
    lines = difflib.unified_diff(genuine.splitlines(), ours.splitlines(), n=1, lineterm="")
    return "\n".join((f"$ kubectl {line}", *list(lines)[2:]))


@pytest.mark.parametrize("name", sorted(path.stem for path in SCRIPTS.glob("*.txt")))
def test_kubectl_says_the_same(name: str, embedded: Cluster, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Every command of the script prints the same on both and ends the same."""
    config = request.config.getoption("--kubeconfig")
    if not config:
        pytest.skip("--kubeconfig names no genuine Kubernetes")
    script = [line for line in (SCRIPTS / f"{name}.txt").read_text().splitlines() if line and not line.startswith("#")]
    namespace = f"side-by-side-{uuid.uuid4().hex[:6]}"
    with ThreadPoolExecutor(2) as threads:
        genuine = threads.submit(ran, script, Path(config).absolute(), namespace, tmp_path / "genuine")
        ours = threads.submit(ran, script, embedded.kubeconfig, namespace, tmp_path / "ours")
        told = list(zip(script, genuine.result(), ours.result(), strict=True))
    differing = [difference(line, genuine, ours) for line, genuine, ours in told if genuine != ours]
    print(f"{name}: {len(told) - len(differing)} of {len(told)}")
    assert not differing, "\n\n".join(differing)
