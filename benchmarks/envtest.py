"""A Kubernetes API for tests: the fixture's cluster against kube-apiserver with etcd, started as envtest starts them.

    python -m benchmarks.envtest [--kube-apiserver PATH] [--etcd PATH] [--tests 100] [--starts 5]

Without paths the binaries are looked for in ``$KUBEBUILDER_ASSETS``, where envtest keeps them; where there are none, only our own
figures are printed, and that. Each contender has a process of its own, from which the same tests ask over TLS: each makes a
namespace and a dozen objects in it, reads, changes, lists and deletes. envtest runs no controllers, so ours run none either;
what they add is a row of its own. Memory and CPU are those of the test's process with all that it started.
Source: envtest's ``APIServer`` and ``Etcd`` (flags, `/readyz` asked until it answers).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from benchmarks import fleet
from benchmarks.genuine import Asking, Binaries, Running, arguments, genuine
from benchmarks.report import Row, show

MAPS = 8
"""ConfigMaps of a test."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What one contender's process measured of itself."""

    first: float
    """Seconds until its first cluster answers."""
    start: float
    """Seconds of a further one, the median."""
    test: float
    """Seconds a test."""
    cpu: float
    """CPU seconds a test, of everything."""
    memory: float
    """Resident MB of everything after the tests."""


# --- the contenders ---


@contextmanager
def own(*, simulate: bool) -> Iterator[Running]:
    """The cluster of the fixture, in this process."""
    from trueup.client.kubeconfig import load
    from trueup.testing import Cluster

    with Cluster(simulate=simulate) as cluster:
        yield Running(load(cluster.kubeconfig))


# --- the work ---


def one_test(asking: Asking, name: str) -> None:
    """What a test of an operator does with the API, more or less."""
    asking.good("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    maps = f"/api/v1/namespaces/{name}/configmaps"
    for number in range(MAPS):
        asking.good("POST", maps, {"metadata": {"name": f"map-{number}"}, "data": {"key": "value " * 20}})
    deployments = f"/apis/apps/v1/namespaces/{name}/deployments"
    deployment = {**fleet.objects_of("app")[0], "metadata": {"name": "web"}}
    asking.good("POST", f"/api/v1/namespaces/{name}/secrets", {"metadata": {"name": "one"}, "stringData": {"a": "b"}})
    asking.good("PATCH", f"{deployments}/web?fieldManager=test", deployment, "application/apply-patch+yaml")
    service = {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}}
    asking.good("POST", f"/api/v1/namespaces/{name}/services", service)
    asking.good("PATCH", f"{deployments}/web", {"spec": {"replicas": 2}}, "application/merge-patch+json")
    found = orjson.loads(asking.good("GET", f"{deployments}/web"))
    assert found["spec"]["replicas"] == 2
    listed = {item["metadata"]["name"] for item in orjson.loads(asking.good("GET", maps))["items"]}
    assert listed >= {f"map-{number}" for number in range(MAPS)}
    asking.good("DELETE", f"{maps}/map-0")
    asking.good("DELETE", f"/api/v1/namespaces/{name}")


def measure(new: Callable[[], AbstractContextManager[Running]], tests: int, starts: int) -> Figures:
    """Start clusters one after the other, then run the tests in one more."""
    times = []
    for _ in range(1 + starts):
        began = time.monotonic()
        with new() as running:
            Asking(running.access).good("GET", "/api/v1/namespaces/default")
            times.append(time.monotonic() - began)
    with new() as running:
        asking = Asking(running.access)
        one_test(asking, "warm-up")
        used, began = _cpu(running), time.monotonic()
        for number in range(tests):
            one_test(asking, f"test-{number}")
        took, used = time.monotonic() - began, _cpu(running) - used
        return Figures(times[0], statistics.median(times[1:]), took / tests, used / tests, _memory(running))


def _cpu(running: Running) -> float:
    """CPU seconds of this process and the cluster's."""
    ticks = 0
    for pid in (os.getpid(), *running.pids):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _memory(running: Running) -> float:
    """Resident MB of this process and the cluster's."""
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in (os.getpid(), *running.pids))
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


# --- printing ---


def rows(ours: Figures, simulating: Figures, theirs: Figures | None) -> Iterator[Row]:
    """Our figures, those of a cluster with controllers, and how many times as much envtest takes."""

    def row(what: str, unit: str, scale: float, of: Callable[[Figures], float]) -> Row:
        with_controllers = f"with controllers {scale * of(simulating):.{0 if unit == 'MB' else 1}f} {unit}"
        figure = f"{scale * of(ours):.1f} {unit}"
        if theirs is None:
            return Row(what, figure, None, with_controllers)
        return Row(
            what, figure, of(theirs) / of(ours), f"is envtest: {scale * of(theirs):.1f} {unit}; {with_controllers}"
        )

    yield row("first cluster, imports too", "ms", 1e3, lambda one: one.first)
    yield row("a further cluster", "ms", 1e3, lambda one: one.start)
    yield row("a test of 17 requests", "ms", 1e3, lambda one: one.test)
    yield row("CPU a test, everything", "ms", 1e3, lambda one: one.cpu)
    yield row("memory after the tests", "MB", 1, lambda one: one.memory)


def main(wanted: argparse.Namespace) -> None:
    """Measure each contender in a process of its own, and print."""
    binaries = Binaries(wanted.kube_apiserver, wanted.etcd)
    contenders: dict[str, Callable[[], AbstractContextManager[Running]]] = {
        "own": lambda: own(simulate=False),
        "simulating": lambda: own(simulate=True),
        "envtest": lambda: genuine(binaries),
    }
    if wanted.one:
        print(json.dumps(asdict(measure(contenders[wanted.one], wanted.tests, wanted.starts))))
        return
    missing = binaries.missing()
    found = {name: _apart(name, wanted) for name in contenders if name != "envtest" or not missing}
    show("envtest", list(rows(found["own"], found["simulating"], found.get("envtest"))))
    if missing:
        print(
            f"  not against envtest: {missing}; --kube-apiserver and --etcd say where they are, or $KUBEBUILDER_ASSETS"
        )


def _apart(name: str, wanted: argparse.Namespace) -> Figures:
    command = [sys.executable, "-m", "benchmarks.envtest", "--one", name, "--tests", str(wanted.tests)]
    command += ["--starts", str(wanted.starts), "--kube-apiserver", wanted.kube_apiserver, "--etcd", wanted.etcd]
    return Figures(**json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout))


def _arguments() -> argparse.Namespace:
    parser = arguments(__doc__ or "")
    parser.add_argument("--tests", type=int, default=100)
    parser.add_argument("--starts", type=int, default=5, help="clusters that the median start is of")
    parser.add_argument("--one", default="", choices=("", "own", "simulating", "envtest"), help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main(_arguments())
