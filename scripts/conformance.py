"""Kubernetes' own conformance specs against the embedded API server, or against any cluster. Run by `make conformance`.

    python scripts/conformance.py E2E_TEST [NAMES...] [--kubeconfig FILE] [--names FILE] [--without TEXT] [--procs N]

``E2E_TEST`` is Kubernetes' `e2e.test` program; `ginkgo` is found beside it or on the PATH, `kubectl` on the PATH. Without a
kubeconfig a cluster in memory is started. Prints each spec that did not pass with its reason, then ``passed of named``;
exits with 1 unless all passed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

NAMES = Path(__file__).parents[2] / "shared" / "conformance" / "no-kubelet.txt"
_START = 60.0
"""Seconds that a cluster may take to come up."""
_SUITE = (
    "--provider=skeleton", "--num-nodes=0", "--allowed-not-ready-nodes=-1", "--system-pods-startup-timeout=1s",
    "--system-daemonsets-startup-timeout=1s", "--node-schedulable-timeout=5s", "--dump-logs-on-failure=false",
    "--disable-log-dump=true",
)  # fmt: skip
"""With these the suite starts on a cluster without nodes of its own."""


def main() -> int:
    """Run what was asked for; the exit code."""
    options = _options()
    wanted = options.spec or _listed(options.names)
    wanted = [name for name in wanted if not any(text in name for text in options.without)]
    if not wanted:
        sys.exit("no specs are named")
    with _cluster(options.kubeconfig) as kubeconfig, tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        started = time.monotonic()
        code = _run(options, wanted, kubeconfig, report)
        if not report.exists():
            sys.exit(f"the suite wrote no report (it exited with {code})")
        results = outcomes(json.loads(report.read_text()))
    lines, passed = summary(wanted, results)
    print("\n".join(lines))
    print(f"conformance: {passed} of {len(wanted)} specs pass ({time.monotonic() - started:.0f} s)")
    return 0 if passed == len(wanted) else 1


def outcomes(report: Sequence[Mapping[str, object]]) -> dict[str, tuple[str, str]]:
    """A ginkgo report: by spec, its state and why."""
    out: dict[str, tuple[str, str]] = {}
    for suite in report:
        specs = suite.get("SpecReports")
        for one in specs if isinstance(specs, list) else ():
            if one.get("LeafNodeType") != "It" or one.get("State") == "skipped":
                continue
            name = " ".join([*(one.get("ContainerHierarchyTexts") or ()), one.get("LeafNodeText") or ""])
            out[name] = (str(one.get("State")), str((one.get("Failure") or {}).get("Message") or ""))
    return out


def summary(wanted: Sequence[str], results: Mapping[str, tuple[str, str]]) -> tuple[list[str], int]:
    """What to say of specs that did not pass, and how many did."""
    lines, passed = [], 0
    for name in wanted:
        state, why = results.get(name, ("not run", "the suite has no such spec, or skipped it"))
        if state == "passed":
            passed += 1
        else:
            lines += [f"{state.upper()} {name}", *(f"    {line}" for line in why.strip().splitlines()[:12])]
    return lines, passed


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("e2e_test", type=Path, help="Kubernetes' e2e.test program")
    parser.add_argument("spec", nargs="*", help="names of specs; all of the list where none is given")
    parser.add_argument("--names", type=Path, default=NAMES, help="a list of specs, one on each line")
    parser.add_argument("--kubeconfig", type=Path, default=None, help="another cluster to ask")
    parser.add_argument("--without", action="append", default=[], metavar="TEXT", help="leave out specs with this text")
    parser.add_argument("--procs", type=int, default=4, help="specs at one time")
    parser.add_argument("--timeout", default="30m", help="for the whole suite")
    parser.add_argument("--json", action="store_true", help="let the suite speak JSON instead of protobuf")
    parser.add_argument("--verbose", action="store_true", help="show what the suite prints")
    return parser.parse_intermixed_args()


def _listed(path: Path) -> list[str]:
    if not path.exists():
        sys.exit(f"{path} is not there: name a list of specs with --names")
    return [line for line in path.read_text().splitlines() if line.strip()]


@contextmanager
def _cluster(given: Path | None) -> Iterator[Path]:
    """The kubeconfig of the cluster to ask; one of our own lives as long as it is asked."""
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kubeconfig"
        command = [sys.executable, "-m", "trueup.cli.main", "apiserver", "--memory", "--listen", "127.0.0.1:0"]
        server = subprocess.Popen([*command, "--kubeconfig-out", str(path)], stdout=subprocess.DEVNULL)
        try:
            end = time.monotonic() + _START
            while not path.exists():
                if server.poll() is not None or time.monotonic() > end:
                    sys.exit("the API server did not start")
                time.sleep(0.05)
            _second_node(path)
            yield path
        finally:
            server.terminate()
            server.wait()


def _second_node(kubeconfig: Path) -> None:
    """The suite wants two nodes to be there; a node that is marked is simulated like the first."""
    meta = {"name": "simulated-1", "annotations": {"simulate.trueup.dev/simulated": "true"}}
    meta["labels"] = {
        "kubernetes.io/hostname": "simulated-1",
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
    }
    node = json.dumps({"apiVersion": "v1", "kind": "Node", "metadata": meta})
    command = ["kubectl", f"--kubeconfig={kubeconfig}", "create", "-f", "-"]
    subprocess.run(command, input=node, text=True, check=True, stdout=subprocess.DEVNULL)


def _run(options: argparse.Namespace, wanted: Sequence[str], kubeconfig: Path, report: Path) -> int:
    beside = options.e2e_test.resolve().parent
    ginkgo = shutil.which("ginkgo", path=f"{beside}{os.pathsep}{os.environ.get('PATH', '')}")
    kubectl = shutil.which("kubectl")
    if ginkgo is None or kubectl is None:
        sys.exit("ginkgo (beside e2e.test or on the PATH) and kubectl (on the PATH) are needed")
    focus = "|".join(re.sub(r"([\\.+*?()|\[\]{}^$])", r"\\\1", name) for name in wanted)
    command = [
        ginkgo,
        f"--procs={options.procs}",
        f"--timeout={options.timeout}",
        "--no-color",
        f"--output-dir={report.parent}",
        f"--json-report={report.name}",
        f"--focus=^(?:.*\\s)?(?:{focus})$",
        str(options.e2e_test.resolve()),
        "--",
        f"--kubeconfig={kubeconfig.resolve()}",
        f"--kubectl-path={kubectl}",
        *_SUITE,
        *(["--kube-api-content-type=application/json"] if options.json else []),
    ]
    quiet = None if options.verbose else subprocess.DEVNULL
    return subprocess.run(command, stdout=quiet, stderr=quiet, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
