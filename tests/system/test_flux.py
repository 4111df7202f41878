"""GitRepository and Kustomization end to end: the running program, a Git repository, genuine kubectl and (where it is) flux."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import secrets
import shutil
import subprocess
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyrage
import pytest

from tests.githost import GitHost
from tests.system.cluster import needs_kubectl
from tests.system.program import Program, Repository, eventually, program
from trueup.sops import encrypt_object

pytestmark = [pytest.mark.system, needs_kubectl]
needs_flux = pytest.mark.skipif(shutil.which("flux") is None, reason="flux is not on PATH")

URL = "https://git.example.com/fleet.git"
MODULE = "https://git.example.com/module.git"
OUTER = "https://git.example.com/outer.git"
NAMESPACE = "fleet"
READY = "dep.status.conditions.exists(c, c.type == 'Healthy' && c.status == 'True')"
LABELS = {"kustomize.toolkit.fluxcd.io/name": "shop", "kustomize.toolkit.fluxcd.io/namespace": NAMESPACE}


def text(body: str) -> str:
    return textwrap.dedent(body).lstrip()


def config_map(name: str, **data: str) -> str:
    lines = "".join(f"  {key}: {value!r}\n" for key, value in data.items())
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n{lines}"


def deployment(name: str, image: str = "registry.example.com/web:1", note: str = "") -> str:
    annotations = f"\n      annotations: {{{note}}}" if note else ""
    return text(f"""
        apiVersion: apps/v1
        kind: Deployment
        metadata:
          name: {name}
        spec:
          replicas: 1
          selector: {{matchLabels: {{app: {name}}}}}
          template:
            metadata:
              labels: {{app: {name}}}ANNOTATIONS
            spec:
              containers:
                - {{name: main, image: "{image}"}}
        """).replace("ANNOTATIONS", annotations)


def unit(name: str, path: str, **spec: Any) -> dict[str, Any]:
    """A Kustomization of the fleet."""
    return {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "interval": "10m",
            "path": path,
            "prune": True,
            "targetNamespace": NAMESPACE,
            "sourceRef": {"kind": "GitRepository", "name": "fleet"},
            **spec,
        },
    }


def source(name: str, **spec: Any) -> dict[str, Any]:
    """A GitRepository."""
    return {
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "GitRepository",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"interval": "10m", "url": URL, "ref": {"branch": "main"}, **spec},
    }


AGE_IDENTITY = str(pyrage.x25519.Identity.generate())


def encrypted(name: str, data: dict[str, str]) -> str:
    """A Secret as SOPS writes it into Git, for the identity above."""
    identity = pyrage.x25519.Identity.from_str(AGE_IDENTITY)
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}
    return json.dumps(
        encrypt_object(
            secret,
            recipients=[str(identity.to_public())],
            rules={"encrypted_regex": "^(data|stringData)$"},
            now="2026-01-01T00:00:00Z",
            entropy=secrets.token_bytes,
        )
    )


class Fleet:
    """The program, its repository, and short words for what the tests do."""

    def __init__(self, running: Program, repository: Repository, module: Repository) -> None:
        self.running, self.repository, self.module = running, repository, module

    def apply(self, *objects: dict[str, Any]) -> None:
        given = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        self.running.kubectl("apply", "--server-side", "-f", "-", given=given)

    def kubectl(self, *args: str, check: bool = True) -> str:
        return self.running.kubectl("-n", NAMESPACE, *args, check=check)

    def get(self, kind: str, name: str) -> Any:
        return self.running.get(kind, name, "-n", NAMESPACE)

    def status(self, kind: str, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.get(kind, name).get("status") or {}
        return found

    def condition(self, kind: str, name: str, type: str = "Ready") -> dict[str, Any]:
        return next((c for c in self.status(kind, name).get("conditions") or () if c["type"] == type), {})

    def wait(self, what: str, *conditions: str) -> None:
        for condition in conditions or ("condition=Ready",):
            self.kubectl("wait", what, f"--for={condition}", "--timeout=50s")

    def says(self, name: str, *words: str, kind: str = "ks") -> dict[str, Any]:
        """The Ready condition once it is false and says all of this."""

        def said() -> dict[str, Any]:
            ready = self.condition(kind, name)
            return ready if ready.get("status") == "False" and all(w in ready["message"] for w in words) else {}

        found: dict[str, Any] = eventually(said)
        return found

    def commit(self, files: dict[str, str | None], message: str = "change") -> str:
        """Write (or remove) files and commit; the revision as Flux writes it."""
        for path, body in files.items():
            if body is None:
                (self.repository.folder / path).unlink()
            else:
                self.repository.write(path, body)
        return f"main@sha1:{self.repository.commit(message)}"

    def applied(self, name: str, revision: str) -> None:
        self.wait(f"ks/{name}", f"jsonpath={{.status.lastAppliedRevision}}={revision}", "condition=Ready")

    def messages(self, name: str, kind: str = "Kustomization") -> list[tuple[str, str, str]]:
        """(type, reason, message) of the events about an object."""
        found = self.running.get("events", "-n", NAMESPACE, "--field-selector", f"involvedObject.kind={kind}")
        return [(e["type"], e["reason"], e["message"]) for e in found["items"] if e["involvedObject"]["name"] == name]

    def flux(self, *args: str) -> str:
        """Genuine flux."""
        environment = {
            **os.environ,
            "KUBECONFIG": str(self.running.state / "kubeconfig"),
            "HOME": str(self.running.home),
        }
        done = subprocess.run(["flux", *args], capture_output=True, text=True, env=environment, timeout=60, check=False)
        assert done.returncode == 0, f"flux {args}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr


@contextmanager
def served(folder: Path, user: str, password: str) -> Iterator[str]:
    """A folder's repositories over HTTP, behind a password; the server's URL."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    host = GitHost(folder)
    host.allowed = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    try:
        yield asyncio.run_coroutine_threadsafe(host.start(), loop).result(20)
    finally:
        asyncio.run_coroutine_threadsafe(host.stop(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(20)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """An empty cluster that follows a repository."""
    home = tmp_path_factory.mktemp("flux")
    module = Repository.of(home / "module")
    module.write("shared/module.yaml", config_map("from-module", a="1"))
    module.write("readme.md", "not for clusters")
    module.commit("a module")
    outer = Repository.of(home / "outer")
    outer.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(module.folder), "sub")
    outer.write(".gitmodules", (outer.folder / ".gitmodules").read_text().replace(str(module.folder), MODULE))
    outer.commit("a submodule")
    repository = Repository.of(home / "fleet")
    repository.write("begin/kustomization.yaml", "resources: [namespace.yaml]\n")
    repository.write("begin/namespace.yaml", f"apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {NAMESPACE}\n")
    repository.write("shop/deployment.yaml", deployment("web"))
    repository.write("shop/config.yaml", config_map("web", greeting="hello"))
    repository.write("picture.png", "no picture")
    repository.commit("begin")
    arguments = [str(repository.folder), "--path", "begin"]
    for url, folder in ((URL, repository), (MODULE, module), (OUTER, outer)):
        arguments += ["--map", f"{url}={folder.folder}"]
    with program(home / "run", *arguments) as running:
        eventually(lambda: running.get("namespace", NAMESPACE))
        made = Fleet(running, repository, module)
        made.apply(source("fleet"), unit("shop", "./shop", wait=True, timeout="1m"))
        made.wait("ks/shop")
        yield made


def test_a_source_says_what_it_stored(fleet: Fleet) -> None:
    """Conditions, revision, digest, size and time, as Flux's clients read them."""
    status = fleet.status("gitrepository", "fleet")
    artifact = status["artifact"]
    commit = fleet.repository.git("rev-parse", "HEAD")
    message = f"stored artifact for revision 'main@sha1:{commit}'"

    assert {(c["type"], c["status"], c["reason"], c["message"]) for c in status["conditions"]} == {
        ("Ready", "True", "Succeeded", message),
        ("ArtifactInStorage", "True", "Succeeded", message),
    }
    assert artifact["revision"] == f"main@sha1:{commit}"
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", artifact["digest"])
    assert artifact["size"] == sum(
        len((fleet.repository.folder / path).read_bytes())
        for path in ("begin/kustomization.yaml", "begin/namespace.yaml", "shop/deployment.yaml", "shop/config.yaml")
    )
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", artifact["lastUpdateTime"])
    assert status["observedGeneration"] == 1
    assert ("Normal", "NewArtifact", "stored artifact for commit 'begin'") in fleet.messages("fleet", "GitRepository")


def test_a_kustomization_says_what_it_applied(fleet: Fleet) -> None:
    """Inventory, revisions, conditions, history, the owner's labels and the finalizer."""
    obj = fleet.get("ks", "shop")
    status, commit = obj["status"], fleet.repository.git("rev-parse", "HEAD")

    assert status["inventory"] == {
        "entries": [
            {"id": "fleet_web__ConfigMap", "v": "v1"},
            {"id": "fleet_web_apps_Deployment", "v": "v1"},
        ]
    }
    assert status["lastAppliedRevision"] == status["lastAttemptedRevision"] == f"main@sha1:{commit}"
    conditions = {c["type"]: c for c in status["conditions"]}
    assert set(conditions) == {"Ready", "Healthy"}
    assert conditions["Ready"]["reason"] == "ReconciliationSucceeded"
    assert conditions["Ready"]["message"] == f"Applied revision: main@sha1:{commit}"
    assert conditions["Healthy"]["reason"] == "Succeeded"
    assert conditions["Healthy"]["message"].startswith("Health check passed in ")
    assert [c["observedGeneration"] for c in status["conditions"]] == [1, 1]
    entry = status["history"][0]
    assert (entry["lastReconciledStatus"], entry["totalReconciliations"]) == ("ReconciliationSucceeded", 1)
    assert entry["metadata"] == {"revision": f"main@sha1:{commit}"}
    assert obj["metadata"]["finalizers"] == ["finalizers.fluxcd.io"]
    assert LABELS.items() <= fleet.get("deployment", "web")["metadata"]["labels"].items()


def test_its_events_are_those_of_flux(fleet: Fleet) -> None:
    """What was written, that it is healthy, and that the run is over."""

    def told() -> list[tuple[str, str, str]]:
        found = fleet.messages("shop")
        return found if any("Reconciliation finished" in message for _, _, message in found) else []

    found = eventually(told)
    assert ("Normal", "Progressing", "ConfigMap/fleet/web created\nDeployment/fleet/web created") in found
    assert any(message.startswith("Health check passed in ") for _, _, message in found)
    finished = next(m for _, r, m in found if r == "ReconciliationSucceeded")
    assert re.fullmatch(r"Reconciliation finished in [\d.]+m?s, next run in 10m0s", finished)
    assert not [event for event in found if event[0] == "Warning"]


def test_a_request_is_answered(fleet: Fleet) -> None:
    """reconcile.fluxcd.io/requestedAt comes back as lastHandledReconcileAt, of sources and of Kustomizations."""
    for kind, name in (("gitrepository", "fleet"), ("ks", "shop")):
        fleet.kubectl("annotate", "--overwrite", kind, name, "reconcile.fluxcd.io/requestedAt=now-please")
        fleet.wait(f"{kind}/{name}", "jsonpath={.status.lastHandledReconcileAt}=now-please", "condition=Ready")

    assert fleet.status("ks", "shop")["history"][0]["totalReconciliations"] >= 2


def test_drift_is_healed_and_what_is_deleted_comes_back(fleet: Fleet) -> None:
    """By the watch, not at the interval; what another manager added beside stays."""
    drift = '{"data": {"greeting": "bye", "mine": "x"}}'
    fleet.kubectl("patch", "configmap", "web", "--type=merge", "--field-manager=me", "-p", drift)
    started = time.monotonic()
    fleet.wait("configmap/web", "jsonpath={.data.greeting}=hello")
    assert time.monotonic() - started < 5  # it takes milliseconds; the machine may be loaded
    assert fleet.get("configmap", "web")["data"] == {"greeting": "hello", "mine": "x"}
    uid = fleet.get("deployment", "web")["metadata"]["uid"]
    fleet.kubectl("delete", "deployment", "web", "--wait=false")

    eventually(lambda: (obj := fleet.get("deployment", "web")) and obj["metadata"]["uid"] != uid)
    fleet.wait("ks/shop")


def test_what_kubectl_applied_is_undone(fleet: Fleet) -> None:
    """Fields that kubectl apply added go, as Flux takes them over first."""
    given = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"web","namespace":"fleet"},"data":{"added":"1"}}'
    fleet.running.kubectl("apply", "--server-side", "-f", "-", given=given)

    eventually(lambda: "added" not in fleet.get("configmap", "web")["data"])


def test_two_that_wish_for_one_object_do_not_take_turns(fleet: Fleet) -> None:
    """The later one has it; when it goes, it is the other's again."""
    fleet.commit({"one/both.yaml": config_map("both", by="one"), "two/both.yaml": config_map("both", by="two")})
    fleet.apply(unit("one", "./one"))
    fleet.wait("ks/one")
    fleet.apply(unit("two", "./two"))
    fleet.wait("ks/two")
    eventually(lambda: fleet.get("configmap", "both")["data"] == {"by": "two"})
    fleet.kubectl("annotate", "configmap", "both", "look=again", "--field-manager=me")

    assert fleet.get("configmap", "both")["data"] == {"by": "two"}
    assert [fleet.status("ks", name)["history"][0]["totalReconciliations"] for name in ("one", "two")] == [1, 1]
    fleet.kubectl("delete", "ks", "two")
    eventually(lambda: (fleet.get("configmap", "both") or {}).get("data") == {"by": "one"})
    fleet.kubectl("delete", "ks", "one")


def test_a_commit_arrives_and_what_is_removed_is_pruned(fleet: Fleet) -> None:
    """Except what says that it is to stay."""
    keep = config_map("keep", a="1").replace(
        "metadata:", "metadata:\n  annotations: {kustomize.toolkit.fluxcd.io/prune: disabled}"
    )
    fleet.applied("shop", fleet.commit({"shop/gone.yaml": config_map("gone", a="1"), "shop/keep.yaml": keep}))
    assert fleet.get("configmap", "gone")
    fleet.applied("shop", fleet.commit({"shop/gone.yaml": None, "shop/keep.yaml": None}))

    eventually(lambda: fleet.get("configmap", "gone") is None)
    assert fleet.get("configmap", "keep")
    ids = [entry["id"] for entry in fleet.status("ks", "shop")["inventory"]["entries"]]
    assert ids == ["fleet_web__ConfigMap", "fleet_web_apps_Deployment"]
    assert ("Normal", "Progressing", "ConfigMap/fleet/gone deleted") in fleet.messages("shop")


def test_an_object_may_say_how_it_is_applied(fleet: Fleet) -> None:
    """reconcile: disabled, ssa: IfNotPresent, Merge and Ignore, force: enabled; labels or annotations, any case."""

    def said(name: str, note: str) -> str:
        return config_map(name, a="1").replace("metadata:", f"metadata:\n  annotations: {{{note}}}")

    prefix = "kustomize.toolkit.fluxcd.io"
    fleet.commit(
        {
            "marks/once.yaml": said("once", f"{prefix}/ssa: IfNotPresent"),
            "marks/never.yaml": said("never", f"{prefix}/ssa: Ignore"),
            "marks/off.yaml": said("off", f"{prefix}/reconcile: Disabled"),
            "marks/paused.yaml": config_map("paused", a="1"),
            "marks/forced.yaml": said("forced", f"{prefix}/force: enabled") + "immutable: true\n",
        }
    )
    fleet.apply(unit("marks", "./marks"))
    fleet.wait("ks/marks")
    assert fleet.get("configmap", "never") is None
    assert fleet.get("configmap", "off") is None
    fleet.kubectl("annotate", "configmap", "paused", f"{prefix}/reconcile=disabled")
    for name in ("once", "paused"):
        fleet.kubectl("patch", "configmap", name, "--type=merge", "-p", '{"data": {"a": "mine"}}')
    uid = fleet.get("configmap", "forced")["metadata"]["uid"]
    forced = said("forced", f"{prefix}/force: enabled").replace("'1'", "'2'") + "immutable: true\n"
    fleet.applied("marks", fleet.commit({"marks/forced.yaml": forced}))

    assert fleet.get("configmap", "once")["data"] == {"a": "mine"}
    assert fleet.get("configmap", "paused")["data"] == {"a": "mine"}
    assert fleet.get("configmap", "forced")["data"] == {"a": "2"}
    assert fleet.get("configmap", "forced")["metadata"]["uid"] != uid
    fleet.kubectl("annotate", "configmap", "paused", f"{prefix}/reconcile-")
    eventually(lambda: fleet.get("configmap", "paused")["data"] == {"a": "1"})


def test_dependencies_go_first(fleet: Fleet) -> None:
    """One that is not there, and not ready, holds back its dependents, and they go on at once when it is."""
    fleet.commit({"late/a.yaml": config_map("late", a="1"), "early/a.yaml": config_map("early", a="1")})
    fleet.apply(unit("late", "./late", dependsOn=[{"name": "early"}]))
    ready = fleet.says("late", "dependency 'fleet/early'", "not found")
    assert ready["reason"] == "DependencyNotReady"
    assert fleet.get("configmap", "late") is None
    fleet.apply(unit("early", "./early"))
    fleet.wait("ks/late")

    assert fleet.get("configmap", "late")
    told = ("Normal", "DependencyNotReady", "Dependencies do not meet ready condition, retrying in 30s")
    assert told in fleet.messages("late")


def test_the_build_honours_the_spec(fleet: Fleet) -> None:
    """Prefix, suffix, patches, images, components, common metadata, variables inline and from elsewhere, optional ones."""
    fleet.commit(
        {
            "build/app/deployment.yaml": deployment("api", "registry.example.com/api:v1"),
            "build/app/config.yaml": config_map("api", who="${who:=nobody}", secret="${token}", town="${town}"),
            "build/extra/kustomization.yaml": (
                "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nresources: [extra.yaml]\n"
            ),
            "build/extra/extra.yaml": config_map("extra", a="1"),
        }
    )
    fleet.kubectl("create", "configmap", "vars", "--from-literal=town=Oslo", "--from-literal=who=ada")
    fleet.kubectl("create", "secret", "generic", "vars", "--from-literal=token=t0p")
    fleet.apply(
        unit(
            "build",
            "./build/app",
            namePrefix="p-",
            nameSuffix="-s",
            components=["../extra", "../missing"],
            ignoreMissingComponents=True,
            images=[{"name": "registry.example.com/api", "newName": "mirror.example.com/api", "newTag": "v7"}],
            patches=[{"patch": "- {op: replace, path: /spec/replicas, value: 2}", "target": {"kind": "Deployment"}}],
            commonMetadata={"labels": {"team": "blue"}, "annotations": {"note": "hi"}},
            postBuild={
                "substitute": {"who": "grace"},
                "substituteFrom": [
                    {"kind": "ConfigMap", "name": "vars"},
                    {"kind": "Secret", "name": "vars"},
                    {"kind": "ConfigMap", "name": "absent", "optional": True},
                ],
            },
        )
    )
    fleet.wait("ks/build")
    made = fleet.get("deployment", "p-api-s")

    assert made["spec"]["replicas"] == 2
    assert made["spec"]["template"]["spec"]["containers"][0]["image"] == "mirror.example.com/api:v7"
    assert made["metadata"]["labels"]["team"] == "blue"
    assert made["metadata"]["annotations"]["note"] == "hi"
    assert fleet.get("configmap", "p-api-s")["data"] == {"who": "grace", "secret": "t0p", "town": "Oslo"}
    assert fleet.get("configmap", "p-extra-s")


def test_variables_are_followed_as_they_change(fleet: Fleet) -> None:
    """A ConfigMap that a Kustomization substitutes from: when it comes, and when it changes."""
    fleet.commit({"follows/a.yaml": config_map("follows", town="${place}")})
    fleet.apply(unit("follows", "./follows", postBuild={"substituteFrom": [{"kind": "ConfigMap", "name": "places"}]}))
    fleet.says("follows", "substitute from 'ConfigMap/places' error")
    fleet.kubectl("create", "configmap", "places", "--from-literal=place=Rome")
    fleet.wait("ks/follows")
    assert fleet.get("configmap", "follows")["data"] == {"town": "Rome"}
    fleet.kubectl("patch", "configmap", "places", "--type=merge", "-p", '{"data": {"place": "Oslo"}}')

    fleet.wait("configmap/follows", "jsonpath={.data.town}=Oslo")


def test_what_cannot_be_built_says_where_and_stops_nobody_else(fleet: Fleet) -> None:
    """File and line of a bad manifest, a path or a variable's source that is missing; the others go on."""
    broken = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: [\n"
    secret = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: wrong\ndata:\n  pin: 123456789\n"
    fleet.commit({"broken/a.yaml": broken, "refused/a.yaml": config_map("Not A Name", a="1"), "refused/b.yaml": secret})
    fleet.apply(
        unit("broken", "./broken"),
        unit("refused", "./refused"),
        unit("nowhere", "./nowhere"),
        unit("unset", "./shop", postBuild={"substituteFrom": [{"kind": "Secret", "name": "absent"}]}),
    )
    ready = fleet.says("broken", "kustomize build failed", "broken/a.yaml:")
    assert ready["reason"] == "BuildFailed"
    assert re.search(r"broken/a\.yaml:[45]\b", ready["message"])
    again = fleet.condition("ks", "broken", "Reconciling")
    assert (again["status"], again["reason"]) == ("True", "ProgressingWithRetry")
    assert again["message"].startswith("Building manifests for revision main@sha1:")
    assert fleet.says("nowhere", "kustomization path not found")["reason"] == "ArtifactFailed"
    assert fleet.says("unset", "substitute from 'Secret/absent' error")["reason"] == "BuildFailed"
    ready = fleet.says("refused", "ConfigMap/fleet/Not A Name dry-run failed (Invalid): ", "refused/a.yaml:1")
    assert ready["reason"] == "ReconciliationFailed"
    assert "Secret/fleet/wrong dry-run failed" in ready["message"]
    assert "123456789" not in fleet.kubectl("get", "ks,events", "-o", "yaml")
    assert fleet.status("ks", "broken")["observedGeneration"] == -1
    fleet.applied("broken", fleet.commit({"broken/a.yaml": config_map("mended", a="1")}))
    fleet.kubectl("delete", "ks", "broken", "refused", "nowhere", "unset")


def test_a_stuck_revision_is_preempted_by_a_newer_one(fleet: Fleet) -> None:
    """While health is waited for the status says so, with what it waits for; a fix does not wait for the timeout."""
    stuck = deployment("slow", note='simulate.trueup.dev/pending: "true"')
    revision = fleet.commit({"slow/a.yaml": stuck})
    fleet.apply(unit("slow", "./slow", wait=True, timeout="10m"))

    def waiting() -> dict[str, Any]:
        found = fleet.condition("ks", "slow", "Reconciling")
        return found if "Deployment/fleet/slow" in str(found.get("message")) else {}

    found = eventually(waiting)
    assert found["message"].startswith(f"Running health checks for revision {revision} with a timeout of 10m0s")
    ready = fleet.condition("ks", "slow")
    assert (ready["status"], ready["reason"], ready["message"]) == (
        "Unknown",
        "Progressing",
        "Reconciliation in progress",
    )
    assert fleet.condition("ks", "slow", "Healthy")["status"] == "Unknown"

    fleet.applied("slow", fleet.commit({"slow/a.yaml": deployment("slow")}))
    fleet.kubectl("delete", "ks", "slow")


def test_what_can_never_be_healthy_fails_at_once(fleet: Fleet) -> None:
    """A Job that fails ends the health check before its timeout, named with its status."""
    job = text("""
        apiVersion: batch/v1
        kind: Job
        metadata:
          name: fails
        spec:
          backoffLimit: 0
          template:
            metadata:
              annotations: {simulate.trueup.dev/exit-code: "1"}
            spec:
              restartPolicy: Never
              containers: [{name: main, image: registry.example.com/job}]
        """)
    fleet.commit({"fails/a.yaml": job})
    check = {"apiVersion": "batch/v1", "kind": "Job", "name": "fails", "namespace": NAMESPACE}
    fleet.apply(unit("fails", "./fails", healthChecks=[check], timeout="10m"))
    ready = fleet.says("fails", "failed early due to stalled resources: [Job/fleet/fails status: 'Failed']")

    assert ready["reason"] == "HealthCheckFailed"
    assert ready["message"].startswith("health check failed after ")
    healthy = fleet.condition("ks", "fails", "Healthy")
    assert (healthy["status"], healthy["reason"]) == ("False", "HealthCheckFailed")
    assert ("Warning", "HealthCheckFailed", ready["message"]) in fleet.messages("fails")
    version = fleet.get("ks", "fails")["metadata"]["resourceVersion"]
    fleet.kubectl("annotate", "job", "fails", "look=again", "--field-manager=me")
    fleet.wait("job/fails", "jsonpath={.metadata.annotations.look}=again")
    assert fleet.get("ks", "fails")["metadata"]["resourceVersion"] == version
    fleet.kubectl("delete", "ks", "fails")


def test_expressions_say_what_is_ready(fleet: Fleet) -> None:
    """Of custom health checks and of dependencies; one that cannot be read stalls the Kustomization."""
    fleet.commit({"said/a.yaml": config_map("said", phase="wait")})
    custom = {"apiVersion": "v1", "kind": "ConfigMap", "current": "data.phase == 'done'"}
    fleet.apply(
        unit("said", "./said", wait=True, timeout="10m", healthCheckExprs=[custom]),
        unit("after", "./shop", nameSuffix="-after", dependsOn=[{"name": "said", "readyExpr": READY}]),
        unit("wrong", "./said", healthCheckExprs=[{**custom, "current": "data.phase =="}]),
    )
    eventually(lambda: "ConfigMap/fleet/said" in str(fleet.condition("ks", "said", "Reconciling").get("message")))
    ready = fleet.says("after", "dependency 'fleet/said' is not ready according to readyExpr eval")
    assert ready["reason"] == "DependencyNotReady"
    ready = fleet.says("wrong", "Reconciliation failed terminally due to configuration error")
    assert ready["reason"] == fleet.condition("ks", "wrong", "Stalled")["reason"] == "InvalidCELExpression"
    fleet.applied("said", fleet.commit({"said/a.yaml": config_map("said", phase="done")}))
    fleet.wait("ks/after")
    fleet.kubectl("delete", "ks", "after", "said", "wrong")


def test_suspended_it_does_nothing_until_resumed(fleet: Fleet) -> None:
    """Neither commits nor drift; then both."""
    fleet.commit({"still/a.yaml": config_map("still", a="1")})
    fleet.apply(unit("still", "./still"))
    fleet.wait("ks/still")
    fleet.kubectl("patch", "ks", "still", "--type=merge", "-p", '{"spec": {"suspend": true}}')
    fleet.kubectl("patch", "configmap", "still", "--type=merge", "-p", '{"data": {"a": "mine"}}')
    revision = fleet.commit({"still/b.yaml": config_map("still-b", a="1")})
    fleet.applied("shop", revision)
    assert fleet.get("configmap", "still-b") is None
    assert fleet.get("configmap", "still")["data"] == {"a": "mine"}
    fleet.kubectl("patch", "ks", "still", "--type=merge", "-p", '{"spec": {"suspend": false}}')

    fleet.applied("still", revision)
    assert fleet.get("configmap", "still")["data"] == {"a": "1"}


def test_tenants_act_as_their_service_account(fleet: Fleet) -> None:
    """What it may not do is refused by name; what it may is done; without it, deletion leaves the objects and goes on."""
    fleet.commit({"tenant/a.yaml": config_map("tenant", a="1")})
    fleet.kubectl("create", "serviceaccount", "tenant")
    fleet.apply(unit("tenant", "./tenant", serviceAccountName="tenant"))
    ready = fleet.says("tenant", "system:serviceaccount:fleet:tenant")
    assert "forbidden" in ready["message"]
    fleet.kubectl("create", "rolebinding", "tenant", "--clusterrole=admin", "--serviceaccount=fleet:tenant")
    fleet.kubectl("annotate", "ks", "tenant", "reconcile.fluxcd.io/requestedAt=again")
    fleet.wait("ks/tenant")
    assert fleet.get("configmap", "tenant")
    fleet.kubectl("delete", "serviceaccount", "tenant")
    fleet.kubectl("delete", "ks", "tenant", "--timeout=20s")

    assert fleet.get("configmap", "tenant")


@pytest.mark.parametrize(
    ("spec", "stays"),
    [
        ({}, False),
        ({"prune": False}, True),
        ({"deletionPolicy": "Orphan"}, True),
        ({"prune": False, "deletionPolicy": "Delete"}, False),
        ({"deletionPolicy": "WaitForTermination"}, False),
        ({"suspend": True}, True),
    ],
    ids=["prune", "no-prune", "orphan", "delete", "wait", "suspended"],
)
def test_deleted_it_takes_its_objects_along(fleet: Fleet, spec: dict[str, Any], stays: bool) -> None:
    """As its deletion policy says."""
    if not (fleet.repository.folder / "end/a.yaml").exists():
        fleet.commit({"end/a.yaml": config_map("end", a="1")})
    fleet.apply(unit("end", "./end"))
    fleet.wait("ks/end")
    if spec:
        fleet.apply(unit("end", "./end", **spec))
    fleet.kubectl("delete", "ks", "end", "--timeout=20s")

    assert (fleet.get("configmap", "end") is not None) == stays
    fleet.kubectl("delete", "configmap", "end", "--ignore-not-found")


def test_sources_name_revisions_in_every_way(fleet: Fleet) -> None:
    """Branch, tag, semver range, commit and full name; what is not there is said."""
    commit = fleet.repository.git("rev-parse", "HEAD")
    for tag in ("v1.0.0", "v1.2.0", "v2.0.0"):
        fleet.repository.git("tag", tag)
    fleet.repository.git("branch", "other")
    refs = {
        "branch": ({"branch": "other"}, f"other@sha1:{commit}"),
        "tag": ({"tag": "v1.0.0"}, f"v1.0.0@sha1:{commit}"),
        "semver": ({"semver": "^1.0.0"}, f"v1.2.0@sha1:{commit}"),
        "commit": ({"commit": commit}, f"sha1:{commit}"),
        "branch-commit": ({"branch": "main", "commit": commit}, f"main@sha1:{commit}"),
        "name": ({"name": "refs/heads/main"}, f"refs/heads/main@sha1:{commit}"),
    }
    fleet.apply(*(source(f"by-{name}", ref=ref) for name, (ref, _) in refs.items()), source("lost", ref={"tag": "no"}))
    for name in refs:
        fleet.wait(f"gitrepository/by-{name}")

    found = {name: fleet.status("gitrepository", f"by-{name}")["artifact"]["revision"] for name in refs}
    assert found == {name: revision for name, (_, revision) in refs.items()}
    fleet.says("lost", "failed to checkout and determine revision", kind="gitrepository")
    failed = fleet.condition("gitrepository", "lost", "FetchFailed")
    assert failed["status"] == "True"
    again = fleet.condition("gitrepository", "lost", "Reconciling")
    assert (again["reason"], again["message"]) == ("ProgressingWithRetry", "building artifact")


def test_a_private_repository_is_read_with_its_secret(fleet: Fleet) -> None:
    """Refused without, read with, and the password is in no status."""
    with served(fleet.repository.folder.parent, "ada", "s3cret-word") as host:
        secret = {"secretRef": {"name": "login"}}
        fleet.kubectl(
            "create", "secret", "generic", "login", "--from-literal=username=ada", "--from-literal=password=wr0ng"
        )
        fleet.apply(
            source("guarded", url=f"{host}/fleet/.git", **secret), unit("guarded", "./shop", nameSuffix="-guarded")
        )
        ready = fleet.says("guarded", "failed to checkout", kind="gitrepository")
        assert ready["reason"] == "AuthenticationFailed"
        assert "wr0ng" not in ready["message"]
        right = '{"stringData": {"password": "s3cret-word"}}'
        fleet.kubectl("patch", "secret", "login", "--type=merge", "-p", right)
        fleet.kubectl("annotate", "gitrepository", "guarded", "reconcile.fluxcd.io/requestedAt=now")
        fleet.wait("gitrepository/guarded")

    commit = fleet.repository.git("rev-parse", "HEAD")
    assert fleet.status("gitrepository", "guarded")["artifact"]["revision"] == f"main@sha1:{commit}"
    assert "s3cret-word" not in fleet.kubectl("get", "gitrepository,ks,events", "-o", "yaml")
    fleet.kubectl("delete", "ks,gitrepository", "guarded")


def test_another_cluster_by_its_kubeconfig(fleet: Fleet) -> None:
    """What a Secret's kubeconfig leads to is applied to, and pruned from; a Secret without one is said to be so."""
    config = (fleet.running.state / "kubeconfig").read_text()
    fleet.kubectl("create", "secret", "generic", "remote", f"--from-literal=value={config}")
    fleet.kubectl("create", "secret", "generic", "empty", "--from-literal=other=x")
    fleet.commit({"remote/a.yaml": config_map("remote", a="1")})
    fleet.apply(
        unit("remote", "./remote", kubeConfig={"secretRef": {"name": "remote"}}, wait=True),
        unit("nowhere-to", "./remote", kubeConfig={"secretRef": {"name": "empty"}}),
    )
    fleet.wait("ks/remote")
    assert fleet.get("configmap", "remote")["data"] == {"a": "1"}
    fleet.says("nowhere-to", "KubeConfig secret 'fleet/empty' does not contain a 'value' or 'value.yaml' key")
    fleet.kubectl("patch", "configmap", "remote", "--type=merge", "-p", '{"data": {"a": "mine"}}')
    fleet.wait("configmap/remote", "jsonpath={.data.a}=1")
    fleet.kubectl("delete", "ks", "remote", "nowhere-to", "--timeout=20s")

    eventually(lambda: fleet.get("configmap", "remote") is None)


def test_a_missing_secret_and_what_is_not_supported_are_said(fleet: Fleet) -> None:
    """Nothing is fetched without the credentials or the verification that was asked for."""
    fleet.apply(
        source("private", url="https://git.invalid/private.git", secretRef={"name": "absent"}),
        source("verified", verify={"mode": "HEAD", "secretRef": {"name": "keys"}}),
    )
    ready = fleet.says("private", "failed to get secret 'fleet/absent'", kind="gitrepository")
    assert ready["reason"] == "AuthenticationFailed"
    ready = fleet.says("verified", "spec.verify is not supported yet", kind="gitrepository")
    assert ready["reason"] == "NotSupported"
    assert fleet.condition("gitrepository", "verified", "Stalled")["status"] == "True"


def test_what_sops_encrypted_is_opened_with_the_keys_of_a_secret(fleet: Fleet) -> None:
    """Variables are replaced in what was opened; without the keys that object alone is refused, until they come."""
    hush = encrypted("sealed", {"password": "hush-${WHO}", "port": "5432"})
    fleet.commit({"sealed/secret.yaml": hush, "sealed/open.yaml": config_map("open", a="1")})
    decryption = {"provider": "sops", "secretRef": {"name": "sops-age"}}
    fleet.apply(unit("sealed", "./sealed", decryption=decryption, postBuild={"substitute": {"WHO": "ada"}}))
    fleet.says(
        "sealed", "Secret/fleet/sealed is SOPS encrypted, and cannot be decrypted", 'secrets "sops-age" not found'
    )
    assert fleet.get("configmap", "open")["data"] == {"a": "1"}

    fleet.kubectl("create", "secret", "generic", "sops-age", f"--from-literal=age.agekey={AGE_IDENTITY}")
    fleet.wait("ks/sealed")
    live = fleet.get("secret", "sealed")
    plain = {key: base64.b64decode(value).decode() for key, value in live["data"].items()}
    assert (plain, live.get("sops")) == ({"password": "hush-ada", "port": "5432"}, None)
    told = json.dumps(fleet.get("ks", "sealed")) + fleet.kubectl("get", "events", "-o", "json")
    kept = [
        path.read_bytes() for path in fleet.running.state.rglob("*") if path.is_file()
    ]  # store, ledger, renders, log
    assert not [text for text in (told.encode(), *kept) if b"hush-" in text or AGE_IDENTITY.encode() in text]
    fleet.kubectl("delete", "ks", "sealed", "--timeout=20s")


def test_submodules_come_along_where_asked(fleet: Fleet) -> None:
    """At the commit that the outer repository names; without being asked for, their folder is empty."""
    inner = {"kind": "GitRepository", "name": "outer"}
    fleet.apply(
        source("outer", url=OUTER, recurseSubmodules=True),
        source("shallow", url=OUTER),
        unit("outer", "./sub/shared", sourceRef=inner, nameSuffix="-outer"),
        unit("shallow", "./sub/shared", sourceRef={**inner, "name": "shallow"}),
    )
    fleet.wait("ks/outer")
    assert fleet.get("configmap", "from-module-outer")["data"] == {"a": "1"}
    fleet.says("shallow", "kustomization path not found: stat sub/shared")
    fleet.kubectl("delete", "ks", "outer", "shallow")


def test_an_artifact_holds_what_its_spec_selects(fleet: Fleet) -> None:
    """Ignore rules, ignore files, sparse folders and included repositories, followed as they change."""
    fleet.module.write("shared/.sourceignore", "secret.yaml\n")
    fleet.module.write("shared/secret.yaml", config_map("secret", a="1"))
    fleet.module.commit("more")
    fleet.commit(
        {
            "pick/yes.yaml": config_map("picked", a="1"),
            "pick/no.yaml": config_map("not-picked", a="1"),
            "mixed/own.yaml": config_map("own", a="1"),
        }
    )
    picked = {"kind": "GitRepository", "name": "picked"}
    fleet.apply(
        source("module", url=MODULE),
        source("picked", ignore="/*\n!/pick\nno.yaml\n"),
        source("sparse", sparseCheckout=["./pick"]),
        source("mixed", include=[{"repository": {"name": "module"}, "fromPath": "shared", "toPath": "mixed/in"}]),
        unit("picked", "./pick", sourceRef=picked),
        unit("outside", "./shop", sourceRef={**picked, "name": "sparse"}),
        unit("mixed", "./mixed", sourceRef={**picked, "name": "mixed"}),
    )
    fleet.wait("ks/picked")
    assert fleet.get("configmap", "picked")
    assert fleet.get("configmap", "not-picked") is None
    fleet.says("outside", "kustomization path not found: stat shop")
    fleet.wait("ks/mixed")
    assert fleet.get("configmap", "from-module")
    assert fleet.get("configmap", "secret") is None
    status = fleet.status("gitrepository", "mixed")
    assert status["observedInclude"] == [{"repository": {"name": "module"}, "fromPath": "shared", "toPath": "mixed/in"}]
    commit = fleet.module.git("rev-parse", "HEAD")
    assert [a["revision"] for a in status["includedArtifacts"]] == [f"main@sha1:{commit}"]
    fleet.module.write("shared/module.yaml", config_map("from-module", a="2"))
    fleet.module.commit("newer")
    fleet.wait("configmap/from-module", "jsonpath={.data.a}=2")
    fleet.kubectl("delete", "ks", "picked", "outside", "mixed")


@needs_flux
def test_flux_reads_and_asks(fleet: Fleet) -> None:
    """get, reconcile with source, suspend, resume, tree, trace, events and export of the genuine client."""
    listed = fleet.flux("get", "all", "-A")
    assert "gitrepository/fleet" in listed
    assert re.search(r"kustomization/shop\s+main@sha1:[0-9a-f]{8}\s+False\s+True", listed)
    said = fleet.flux("reconcile", "ks", "shop", "--with-source", "-n", NAMESPACE)
    assert "fetched revision main@sha1:" in said
    assert "applied revision main@sha1:" in said
    fleet.flux("suspend", "ks", "shop", "-n", NAMESPACE)
    assert re.search(r"shop\s+\S+\s+True\s+True", fleet.flux("get", "ks", "shop", "-n", NAMESPACE))
    assert "applied revision" in fleet.flux("resume", "ks", "shop", "-n", NAMESPACE)
    assert "Deployment/fleet/web" in fleet.flux("tree", "ks", "shop", "-n", NAMESPACE)
    assert "Managed by Flux" in fleet.flux("trace", "deployment", "web", "-n", NAMESPACE)
    assert "Reconciliation finished" in fleet.flux("events", "-n", NAMESPACE, "--for", "Kustomization/shop")
    assert "path: ./shop" in fleet.flux("export", "ks", "shop", "-n", NAMESPACE)
