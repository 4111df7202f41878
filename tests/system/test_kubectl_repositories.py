"""Genuine kubectl and other people's repositories: `apply -k` twice, `diff -k`, and server-side: the second time nothing changes.

A few kustomizations of each repository in the default run, all that `kubectl kustomize` builds with ``--matrix``. What they
need to be there (namespaces, and the kinds that operators bring) is made first, with schemas that take anything. Each is applied
once from its folder; what follows reads what kubectl built of it, so that nothing is built six times.
"""

from __future__ import annotations

import base64
import json
import os
import re
import ssl
import subprocess
import urllib.request
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.corpora import corpus
from tests.system.cluster import needs_kubectl
from trueup.kube.documents import parse
from trueup.kube.names import Kind, Object
from trueup.kube.types import load
from trueup.testing import Cluster

pytestmark = [pytest.mark.system, needs_kubectl]

ACCOUNT = "ServiceAccount"
CRD = "CustomResourceDefinition"
FEW = 2
"""Kustomizations of each repository in the default run."""
REPOSITORIES = (
    "bigbang",
    "bjw-s-home-ops",
    "flux2-kustomize-helm-example",
    "flux2-multi-tenancy",
    "gitops-istio",
    "onedr0p-home-ops",
    "podinfo",
    "redhat-cop-gitops-catalog",
    "xunholy-k8s-gitops",
)
MORE = ("argo-cd", "argocd-diff-preview", "flux-local", "flux2")
"""Folders of other projects that hold kustomizations too."""
RESTATED = re.compile(
    r"(clusterrolebinding.rbac.authorization.k8s.io|configmap|deployment.apps|mutatingadmissionpolicy.admissionregistration.k8s.io|"
    r"poddisruptionbudget.policy|resourceclaimtemplate.resource.k8s.io|resourcequota|rolebinding.rbac.authorization.k8s.io|"
    r"secret|statefulset.apps)/\S+ configured"
)
"""Of some files kubectl says `configured` for ever, on a genuine Kubernetes as well: they say a value otherwise than it is kept
(`2000m`, a port twice, base64 in lines, `stringData`, a subject without its group, claim templates: a list all of one piece).
Nothing changes by saying it again."""
REFUSED = (
    "error: no objects passed to apply",
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters",  # ${APP}: for Flux to fill in
    "unknown field",
    "subjects[0].namespace: Required value",
    "a valid config key must consist of alphanumeric characters",
    "quantities must match the regular expression",  # ${SIZE}
    "illegal base64 data",
    'pod rejected: RuntimeClass "kata" not found',
    "metadata.labels: Invalid value",
    "may not contain '/'",
    "ensure CRDs are installed first",  # of versions that are served no more
    "json: cannot unmarshal",  # ${REPLICAS}
)
"""What Kubernetes refuses as well, in the words of kubectl and its own."""


def built(repository: str) -> list[tuple[Path, list[Object]]]:
    """Its kustomizations and what they build to, as upstream's kustomize recorded it."""
    prefix = f"{repository}/" if repository in MORE else f"realworld/{repository}/"
    rows = (json.loads(line) for line in corpus("extracted/kustomize_realworld.jsonl").open() if prefix in line[:200])
    found = [
        (corpus(row["dir"]), [each.value for each in parse(row["yaml"].encode()) if each.value])
        for row in rows
        if row["dir"].startswith(prefix)
    ]
    return sorted(found, key=_rank)


def _rank(each: tuple[Path, list[Object]]) -> tuple[bool, int, Path]:
    """Those first that have many kinds and no names for others to fill in."""
    folder, objects = each
    return any("$" in obj["metadata"]["name"] for obj in objects), -len({obj["kind"] for obj in objects}), folder


@dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl on a cluster that is prepared for what is applied to it."""

    config: Path
    home: Path

    def __call__(self, *args: str) -> tuple[int, str]:
        """How it ended, and all that it said."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "KUBECONFIG": str(self.config),
            "HTTPS_PROXY": "http://127.0.0.1:9",  # no remote bases: these kustomizations have none
            "NO_PROXY": "127.0.0.1",
        }
        ran = subprocess.run(
            ["kubectl", *args], env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        return ran.returncode, ran.stdout + ran.stderr


def surroundings(objects: Sequence[Object]) -> Iterator[Object]:
    """The namespaces that objects are in, and the definitions of kinds that operators bring: with schemas that take all."""
    spaces = {obj["metadata"].get("namespace") for obj in objects} - {None, "default"}
    for space in sorted(spaces):
        yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}}
    known = {(crd["spec"]["group"], crd["spec"]["names"]["kind"]) for crd in definitions(objects)}
    yield from definitions(objects)
    wanted: dict[tuple[str, str], set[str]] = {}
    for obj in objects:
        group, _, version = obj["apiVersion"].rpartition("/")
        kind = Kind(group, version, obj["kind"])
        served = load().by_kind(kind) is not None or kind.kind == CRD
        if (group, kind.kind) not in known and not served:
            wanted.setdefault((group, kind.kind), set()).add(version)
    for (group, name), versions in wanted.items():
        yield definition(group, name, sorted(versions))
    yield from accounts(objects)


def accounts(objects: Sequence[Object]) -> Iterator[Object]:
    """The service accounts that operators make for Secrets of tokens: Kubernetes deletes such a Secret where there is none."""
    brought = {(obj["metadata"].get("namespace"), obj["metadata"]["name"]) for obj in objects if obj["kind"] == ACCOUNT}
    for obj in objects:
        about = obj["metadata"]
        name = (about.get("annotations") or {}).get("kubernetes.io/service-account.name")
        token = obj["kind"] == "Secret" and obj.get("type") == "kubernetes.io/service-account-token"
        if token and (about.get("namespace"), name) not in brought:
            space = about.get("namespace", "default")
            yield {"apiVersion": "v1", "kind": ACCOUNT, "metadata": {"name": name, "namespace": space}}


def definitions(objects: Sequence[Object]) -> list[Object]:
    """Those among the objects."""
    return [obj for obj in objects if (obj["apiVersion"], obj["kind"]) == ("apiextensions.k8s.io/v1", CRD)]


def definition(group: str, kind: str, versions: Sequence[str]) -> Object:
    """Of a kind of which nothing is known."""
    plural = f"{kind.lower()}s"
    anything = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}", "annotations": {"api-approved.kubernetes.io": "unapproved, a test"}},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural},
            "versions": [
                {"name": version, "served": True, "storage": not number, "schema": anything}
                for number, version in enumerate(versions)
            ],
        },
    }


def revision(kubectl: Kubectl) -> str:
    """Of the whole store: nothing was written while it stays."""
    config = yaml.safe_load(kubectl.config.read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    asked = urllib.request.Request(
        f"{cluster['server']}/api/v1/namespaces?limit=1", headers={"Authorization": f"Bearer {user['token']}"}
    )
    with urllib.request.urlopen(asked, context=ssl.create_default_context(cadata=authority)) as answer:
        return str(json.load(answer)["metadata"]["resourceVersion"])


def prepared(cluster: Cluster, objects: Sequence[Object]) -> None:
    """Make what the objects need to be there."""
    for each in surroundings(objects):
        cluster.apply(each)
        if each["kind"] == CRD:
            cluster.wait("crd", each["metadata"]["name"])


def applied(kubectl: Kubectl, folder: Path, objects: Sequence[Object]) -> Iterator[str]:
    """What goes wrong with a kustomization: applied, applied again, compared, applied by the server, and that again.

    Raises ``Refused`` for what Kubernetes refuses as well.
    """
    code, said = kubectl("apply", "-k", str(folder))
    if code and any(words in said for words in REFUSED):
        raise Refused
    built_once = kubectl.home / "built.yaml"
    shown, text = kubectl("kustomize", str(folder), "-o", str(built_once))
    assert shown == 0, text
    before = revision(kubectl)
    again, lines = kubectl("apply", "-f", str(built_once))
    told = [line for line in lines.splitlines() if line and not line.lstrip("# ").startswith("Warning: ")]
    if code or again or len(told) != len(objects):
        yield f"{len(objects)} objects; {said}; again: {lines}"
        return
    if revision(kubectl) != before:
        yield f"something was written; again: {lines}"
    yield from (line for line in told if not line.endswith(" unchanged") and not RESTATED.fullmatch(line))
    code, text = kubectl("diff", "-f", str(built_once))
    if code:
        yield f"diff ends with {code}: {text}"
    by_server = ("apply", "-f", str(built_once), "--server-side", "--force-conflicts")
    code, said = kubectl(*by_server)
    before = revision(kubectl)
    again, lines = kubectl(*by_server)
    if code or again or lines.count(" serverside-applied") != len(objects):
        yield f"by the server: {said}; again: {lines}"
    elif revision(kubectl) != before:
        yield f"something was written by the server; again: {lines}"


class Refused(Exception):
    """Kubernetes does not take it either."""


def tried(folder: Path, objects: Sequence[Object], tmp_path: Path) -> list[str] | None:
    """What goes wrong with a kustomization on a cluster of its own; None when it is refused as Kubernetes does."""
    home = tmp_path / uuid.uuid4().hex  # what kubectl keeps of a cluster is not for the next at its port
    home.mkdir()
    with Cluster(simulate=False) as cluster:
        prepared(cluster, objects)
        try:
            return list(applied(Kubectl(cluster.kubeconfig, home), folder, objects))
        except Refused:
            return None


@pytest.mark.parametrize("repository", [*REPOSITORIES, *MORE])
def test_apply_a_repository_twice(repository: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Each kustomization applies as a whole; again, every object is `unchanged`, `diff` ends with 0, nothing is written."""
    every = built(repository)
    matrix = request.config.getoption("--matrix")
    if repository in MORE and not matrix:
        pytest.skip("with --matrix")
    chosen = every if matrix else every[:FEW]
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        told = list(threads.map(lambda each: tried(*each, tmp_path), chosen))
    refused = told.count(None)
    wrong = {
        str(folder.relative_to(corpus("."))): found for (folder, _), found in zip(chosen, told, strict=True) if found
    }
    good = len(chosen) - refused - len(wrong)
    print(f"{repository}: {good} of {len(chosen) - refused}, and {refused} are refused as Kubernetes does")
    assert wrong == {}
    assert good
