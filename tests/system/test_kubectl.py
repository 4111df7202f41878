"""Genuine kubectl against the embedded API server: everyday commands, as people type them.

The same holds for a genuine Kubernetes, and is shown where ``--kubeconfig`` names one.
"""

from __future__ import annotations

import json
import re
import shutil
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.system.cluster import Cluster, needs_kubectl, started
from trueup.apiserver import pki

pytestmark = [needs_kubectl, pytest.mark.system, pytest.mark.asyncio(loop_scope="module")]

WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: nginx:1.27
        ports: [{containerPort: 80}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 80}]}
"""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test runs against every cluster at hand."""
    if "cluster" in metafunc.fixturenames:
        genuine = ["kubernetes"] if metafunc.config.getoption("--kubeconfig") else []
        metafunc.parametrize("cluster", ["embedded", *genuine], indirect=True, scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    """One cluster for the whole file."""
    folder = tmp_path_factory.mktemp("cluster")
    if request.param == "kubernetes":
        yield Cluster(Path(request.config.getoption("--kubeconfig")), folder)
        return
    async with started(folder) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def space(cluster: Cluster, request: pytest.FixtureRequest) -> str:
    """A namespace of the test's own."""
    words = re.sub(r"\[.*|_", lambda found: "-" if found[0] == "_" else "", request.node.name.removeprefix("test_"))
    name = f"{words[:50].strip('-')}-{uuid.uuid4().hex[:6]}"
    await cluster.kubectl("create", "namespace", name)
    return name


async def applied(cluster: Cluster, space: str, text: str, *more: str) -> str:
    """`kubectl apply` of a text."""
    return await cluster.kubectl("apply", "-n", space, "-f", "-", *more, given=text)


async def read(cluster: Cluster, space: str, what: str, path: str) -> str:
    """One value of an object."""
    return await cluster.kubectl("get", "-n", space, what, "-o", f"jsonpath={{{path}}}")


async def with_token(cluster: Cluster, token: str) -> dict[str, str]:
    """The environment of somebody who shows that token instead."""
    config = cluster.home / "other.kubeconfig"
    config.write_text(cluster.config.read_text())
    env = {"KUBECONFIG": str(config)}
    user = await cluster.kubectl("config", "view", "-o", "jsonpath={.users[0].name}", env=env)
    await cluster.kubectl("config", "set-credentials", user, f"--token={token}", env=env)
    return env


async def test_apply_creates_then_leaves_alone(cluster: Cluster, space: str) -> None:
    """A second apply of the same files changes nothing."""
    first = await applied(cluster, space, WEB)
    second = await applied(cluster, space, WEB)
    assert first == "deployment.apps/web created\nservice/web created\n"
    assert second == "deployment.apps/web unchanged\nservice/web unchanged\n"


async def test_apply_changes_what_the_file_changes(cluster: Cluster, space: str) -> None:
    """A client-side apply patches by the three-way merge and keeps what others set."""
    await applied(cluster, space, WEB)
    await cluster.kubectl("annotate", "-n", space, "deploy/web", "note=kept")
    said = await applied(cluster, space, WEB.replace("nginx:1.27", "nginx:1.28"))
    assert said == "deployment.apps/web configured\nservice/web unchanged\n"
    assert await read(cluster, space, "deploy/web", ".spec.template.spec.containers[0].image") == "nginx:1.28"
    assert await read(cluster, space, "deploy/web", ".metadata.annotations.note") == "kept"


async def test_server_side_apply_reports_conflicts(cluster: Cluster, space: str) -> None:
    """Fields that another manager owns stand in the way, by name, until they are forced."""
    await applied(cluster, space, WEB, "--server-side", "--field-manager=one")
    changed = WEB.replace("replicas: 2", "replicas: 3")
    args = ("apply", "-n", space, "--server-side", "--field-manager=two", "-f", "-")
    ran = await cluster.run(*args, given=changed)
    assert ran.code == 1
    assert 'conflict with "one": .spec.replicas' in ran.err
    await cluster.kubectl(*args, "--force-conflicts", given=changed)
    assert await read(cluster, space, "deploy/web", ".spec.replicas") == "3"


async def test_diff_shows_what_apply_would_change(cluster: Cluster, space: str) -> None:
    """`kubectl diff` ends with 1 and the difference, or with 0 and nothing, and changes nothing."""
    await applied(cluster, space, WEB)
    for more in ((), ("--server-side", "--force-conflicts")):
        ran = await cluster.run("diff", "-n", space, *more, "-f", "-", given=WEB.replace("nginx:1.27", "nginx:1.28"))
        assert ran.code == 1, ran.err
        assert "+        - image: nginx:1.28".replace(" ", "") in ran.out.replace(" ", "")
    ran = await cluster.run("diff", "-n", space, "-f", "-", given=WEB)
    assert (ran.code, ran.out) == (0, "")
    assert await read(cluster, space, "deploy/web", ".spec.template.spec.containers[0].image") == "nginx:1.27"


async def test_dry_run_stores_nothing(cluster: Cluster, space: str) -> None:
    """A dry run on the server says what it would do and does not."""
    said = await applied(cluster, space, WEB, "--dry-run=server")
    assert said == "deployment.apps/web created (server dry run)\nservice/web created (server dry run)\n"
    assert await cluster.kubectl("get", "-n", space, "deploy,svc", "-o", "name") == ""


async def test_patches_of_three_types(cluster: Cluster, space: str) -> None:
    """Strategic merge, JSON merge and JSON patches each change the object."""
    await applied(cluster, space, WEB)
    strategic = '{"spec":{"template":{"spec":{"containers":[{"name":"side","image":"busybox"}]}}}}'
    await cluster.kubectl("patch", "-n", space, "deploy/web", "-p", strategic)
    await cluster.kubectl("patch", "-n", space, "deploy/web", "--type=merge", "-p", '{"metadata":{"labels":{"a":"b"}}}')
    replace = '[{"op":"replace","path":"/spec/replicas","value":7}]'
    await cluster.kubectl("patch", "-n", space, "deploy/web", "--type=json", "-p", replace)
    names = await read(cluster, space, "deploy/web", ".spec.template.spec.containers[*].name")
    assert set(names.split()) == {"web", "side"}
    assert await read(cluster, space, "deploy/web", ".metadata.labels.a") == "b"
    assert await read(cluster, space, "deploy/web", ".spec.replicas") == "7"


async def test_edit_sends_what_the_editor_changed(cluster: Cluster, space: str) -> None:
    """`kubectl edit` with a script as the editor."""
    await applied(cluster, space, WEB)
    env = {"KUBE_EDITOR": "sed -i s/nginx:1.27/nginx:1.30/"}
    said = await cluster.kubectl("edit", "-n", space, "deploy/web", env=env)
    assert said == "deployment.apps/web edited\n"
    assert await read(cluster, space, "deploy/web", ".spec.template.spec.containers[0].image") == "nginx:1.30"


async def test_scale_label_annotate_and_set_image(cluster: Cluster, space: str) -> None:
    """Small changes by their own commands."""
    await applied(cluster, space, WEB)
    await cluster.kubectl("scale", "-n", space, "deploy/web", "--replicas=5")
    await cluster.kubectl("label", "-n", space, "deploy/web", "tier=front")
    await cluster.kubectl("annotate", "-n", space, "deploy/web", "note=hi")
    await cluster.kubectl("set", "image", "-n", space, "deploy/web", "web=nginx:1.29")
    found = json.loads(await cluster.kubectl("get", "-n", space, "deploy/web", "-o", "json"))
    assert found["spec"]["replicas"] == 5
    assert found["metadata"]["labels"] == {"app": "web", "tier": "front"}
    assert found["metadata"]["annotations"]["note"] == "hi"
    assert found["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx:1.29"


async def test_get_prints_the_columns_of_the_kind(cluster: Cluster, space: str) -> None:
    """Tables come from the server, with further columns for `-o wide`."""
    await applied(cluster, space, WEB)
    plain = (await cluster.kubectl("get", "-n", space, "deploy")).split("\n")
    wide = (await cluster.kubectl("get", "-n", space, "deploy", "-o", "wide")).split("\n")
    assert plain[0].split() == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]
    assert wide[0].split() == [*plain[0].split(), "CONTAINERS", "IMAGES", "SELECTOR"]
    assert wide[1].split()[:4] == ["web", "0/2", "0", "0"]
    assert wide[1].split()[-3:] == ["web", "nginx:1.27", "app=web"]


async def test_describe_reads_an_object_and_its_events(cluster: Cluster, space: str) -> None:
    """`kubectl describe` finds what it looks for."""
    await applied(cluster, space, WEB)
    said = await cluster.kubectl("describe", "-n", space, "deploy/web", "svc/web")
    assert "Replicas:               2 desired" in said
    assert "Selector:                 app=web" in said


async def test_explain_knows_built_in_kinds(cluster: Cluster) -> None:
    """`kubectl explain` reads the published schemas."""
    said = await cluster.kubectl("explain", "deployment.spec.replicas")
    assert "FIELD: replicas <integer>" in said
    assert "Number of desired pods." in said


async def test_explain_by_the_old_schemas(cluster: Cluster) -> None:
    """The old document comes as protobuf, which is all that kubectl asks for."""
    said = await cluster.kubectl("explain", "configmap.data", "--output=plaintext-openapiv2")
    assert "FIELD:    data <map[string]string>" in said


async def test_api_resources_lists_what_is_served(cluster: Cluster) -> None:
    """Discovery, with short names and scope."""
    said = await cluster.kubectl("api-resources", "--api-group=apps", "--no-headers")
    rows = [line.split() for line in said.splitlines()]
    assert ["deployments", "deploy", "apps/v1", "true", "Deployment"] in rows


CREATED = {
    "configmap c --from-literal=a=b": "configmap/c",
    "secret generic s --from-literal=p=q": "secret/s",
    "secret tls t --cert={cert} --key={key}": "secret/t",
    "deployment d --image=nginx --replicas=2 --port=80": "deployment.apps/d",
    "job j --image=busybox -- echo hi": "job.batch/j",
    "ingress i --rule=foo.com/bar*=svc1:8080,tls=cert": "ingress.networking.k8s.io/i",
    "priorityclass pc --value=10": "priorityclass.scheduling.k8s.io/pc",
    "clusterrole cr --verb=get --resource=nodes": "clusterrole.rbac.authorization.k8s.io/cr",
    "clusterrolebinding crb --clusterrole=cr --user=bob": "clusterrolebinding.rbac.authorization.k8s.io/crb",
    "cronjob cj --image=busybox --schedule=*/5 -- echo hi": None,
    "cronjob ck --image=busybox --schedule=@daily -- echo hi": "cronjob.batch/ck",
    "serviceaccount sa": "serviceaccount/sa",
    "role r --verb=get,list --resource=pods": "role.rbac.authorization.k8s.io/r",
    "rolebinding rb --role=r --serviceaccount=default:sa": "rolebinding.rbac.authorization.k8s.io/rb",
    "service clusterip s1 --tcp=80:80": "service/s1",
    "service nodeport s2 --tcp=80:80": "service/s2",
    "service loadbalancer s3 --tcp=80:80": "service/s3",
    "service externalname s4 --external-name=example.com": "service/s4",
    "quota q --hard=pods=3": "resourcequota/q",
    "poddisruptionbudget p --selector=app=web --min-available=1": "poddisruptionbudget.policy/p",
}


@pytest.mark.parametrize("line", CREATED)
async def test_create(cluster: Cluster, line: str) -> None:
    """The imperative `create …` commands, which send protobuf, make the object that they say."""
    pki.prepare(keys := cluster.home / "pki", ["localhost"], time.time())
    words = line.format(cert=keys / "server.crt", key=keys / "server.key").split(" ")
    expected = CREATED[line]
    ran = await cluster.run("create", *words)
    if expected is None:
        assert ran.code == 1
        assert "expected exactly 5 fields" in ran.err
        return
    assert ran.out == f"{expected} created\n", ran.err
    found = json.loads(await cluster.kubectl("get", expected, "-o", "json"))
    assert found["metadata"]["name"] == expected.partition("/")[2]
    await cluster.kubectl("delete", expected)


async def test_delete_waits_until_it_is_gone(cluster: Cluster, space: str) -> None:
    """Deleted objects cannot be read any more when the command returns."""
    await applied(cluster, space, WEB)
    said = await cluster.kubectl("delete", "-n", space, "deploy/web", "svc/web")
    ran = await cluster.run("get", "-n", space, "deploy/web")
    # kubectl names the namespace too from 1.34 on
    assert [line.partition(" from ")[0] for line in said.splitlines()] == [
        'deployment.apps "web" deleted',
        'service "web" deleted',
    ]
    assert ran.err == 'Error from server (NotFound): deployments.apps "web" not found\n'


async def test_wait_for_a_value(cluster: Cluster, space: str) -> None:
    """`kubectl wait` returns when the value is there."""
    await applied(cluster, space, WEB)
    said = await cluster.kubectl("wait", "-n", space, "deploy/web", "--for=jsonpath={.spec.replicas}=2")
    assert said == "deployment.apps/web condition met\n"


async def test_kustomize_folder(cluster: Cluster, space: str, tmp_path: Path) -> None:
    """`apply -k` sends what kustomize builds."""
    (tmp_path / "web.yaml").write_text(WEB)
    (tmp_path / "kustomization.yaml").write_text("resources: [web.yaml]\nnamePrefix: my-\n")
    said = await cluster.kubectl("apply", "-n", space, "-k", str(tmp_path))
    assert said == "service/my-web created\ndeployment.apps/my-web created\n"


async def test_unknown_fields_are_refused_by_name(cluster: Cluster, space: str) -> None:
    """kubectl asks for strict validation; the server names the field."""
    ran = await cluster.run("apply", "-n", space, "-f", "-", given=WEB.replace("replicas: 2", "replicaz: 2"))
    assert ran.code == 1
    assert 'strict decoding error: unknown field "spec.replicaz"' in ran.err


async def test_watch_prints_changes(cluster: Cluster, space: str) -> None:
    """`get -w` prints what is there and then each change."""
    import asyncio

    await cluster.kubectl("create", "-n", space, "configmap", "one", "--from-literal=a=b")
    process = await asyncio.create_subprocess_exec(
        "kubectl", "get", "-n", space, "configmaps", "-w", "-o", "name", stdout=-1, env=cluster.env()
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            assert await process.stdout.readline() == b"configmap/one\n"
            await cluster.kubectl("create", "-n", space, "configmap", "two", "--from-literal=a=b")
            assert await process.stdout.readline() == b"configmap/two\n"
    finally:
        process.terminate()
        await process.wait()


TABS = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: crontabs.stable.example.com}
spec:
  group: stable.example.com
  scope: Namespaced
  names: {plural: crontabs, singular: crontab, kind: CronTab, shortNames: [ct]}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            required: [cronSpec]
            properties:
              cronSpec: {type: string, description: When it runs.}
              replicas: {type: integer, minimum: 1, maximum: 10, default: 1}
          status: {type: object, properties: {replicas: {type: integer}}}
    subresources:
      status: {}
      scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas}
    additionalPrinterColumns:
    - {name: Spec, type: string, jsonPath: .spec.cronSpec}
    - {name: Replicas, type: integer, jsonPath: .spec.replicas}
    - {name: Age, type: date, jsonPath: .metadata.creationTimestamp}
"""
TAB = """
apiVersion: stable.example.com/v1
kind: CronTab
metadata: {name: my}
spec: {cronSpec: "* * * * *"}
"""


async def test_custom_resources_from_definition_to_deletion(cluster: Cluster, space: str) -> None:
    """A definition, its objects with defaults, columns, schemas, scale and checks; and their end."""
    await applied(cluster, space, TABS)
    await cluster.kubectl("wait", "--for=condition=Established", "crd/crontabs.stable.example.com")
    assert await applied(cluster, space, TAB) == "crontab.stable.example.com/my created\n"
    assert await applied(cluster, space, TAB, "--server-side") == "crontab.stable.example.com/my serverside-applied\n"
    lines = (await cluster.kubectl("get", "-n", space, "ct")).splitlines()
    assert lines[0].split() == ["NAME", "SPEC", "REPLICAS", "AGE"]
    assert lines[1].split()[:7] == ["my", "*", "*", "*", "*", "*", "1"]
    assert "When it runs." in await cluster.kubectl("explain", "ct.spec.cronSpec")
    await cluster.kubectl("scale", "-n", space, "ct/my", "--replicas=4")
    assert await read(cluster, space, "ct/my", ".spec.replicas") == "4"
    ran = await cluster.run("patch", "-n", space, "ct/my", "--type=merge", "-p", '{"spec":{"replicas":11}}')
    assert ran.err == (
        'The CronTab "my" is invalid: spec.replicas: Invalid value: 11: spec.replicas in body should be less than or '
        "equal to 10\n"
    )
    status = ("--subresource=status", "--type=merge", "-p", '{"spec":{"replicas":9},"status":{"replicas":3}}')
    await cluster.kubectl("patch", "-n", space, "ct/my", *status)
    assert await read(cluster, space, "ct/my", ".spec.replicas") == "4"
    assert await read(cluster, space, "ct/my", ".status.replicas") == "3"
    await cluster.kubectl("delete", "crd", "crontabs.stable.example.com")
    assert (await cluster.run("get", "-n", space, "crontabs.stable.example.com")).code == 1


OTHERS = sorted(Path(shutil.which("kubectl") or "/kubectl").resolve().parent.glob("kubectl.1.*"))


@pytest.mark.skipif(not OTHERS, reason="no other versions of kubectl stand beside the one on PATH")
async def test_other_versions_of_kubectl(cluster: Cluster, space: str) -> None:
    """Older and newer ones apply, read, diff and delete alike."""
    for program in OTHERS:
        made = await cluster.kubectl("apply", "-n", space, "-f", "-", given=WEB, program=str(program))
        assert made == "deployment.apps/web created\nservice/web created\n", program.name
        changed = WEB.replace("nginx:1.27", "nginx:1.28")
        assert (await cluster.run("diff", "-n", space, "-f", "-", given=changed, program=str(program))).code == 1
        await cluster.kubectl("create", "-n", space, "configmap", "c", "--from-literal=a=b", program=str(program))
        listed = await cluster.kubectl("get", "-n", space, "deploy,svc,cm", "-o", "name", program=str(program))
        assert listed.split() == ["deployment.apps/web", "service/web", "configmap/c"], program.name
        await cluster.kubectl("delete", "-n", space, "deploy/web", "svc/web", "cm/c", program=str(program))


EVENT = """
apiVersion: v1
kind: Event
metadata: {name: scaled}
involvedObject: {kind: Deployment, name: web, apiVersion: apps/v1, namespace: SPACE}
reason: Scaled
message: up to 2
type: Normal
firstTimestamp: "2026-01-02T03:04:05Z"
lastTimestamp: "2026-01-02T03:04:05Z"
source: {component: me}
"""


async def test_events(cluster: Cluster, space: str) -> None:
    """`events`, `get events` and `describe` find what was reported about an object."""
    await applied(cluster, space, WEB)
    await cluster.kubectl("create", "-n", space, "-f", "-", given=EVENT.replace("SPACE", space))
    lines = (await cluster.kubectl("events", "-n", space, "--for", "deployment/web")).splitlines()
    assert lines[1].split()[1:] == ["Normal", "Scaled", "Deployment/web", "up", "to", "2"]
    lines = (await cluster.kubectl("get", "-n", space, "events")).splitlines()
    assert lines[0].split() == ["LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    assert lines[1].split()[1:] == ["Normal", "Scaled", "deployment/web", "up", "to", "2"]


async def test_service_account_may_do_what_its_role_says(cluster: Cluster, space: str) -> None:
    """`create token`, RBAC and `auth can-i` agree."""
    await cluster.kubectl("create", "-n", space, "serviceaccount", "reader")
    await cluster.kubectl("create", "-n", space, "role", "pods", "--verb=get,list", "--resource=pods")
    account = f"system:serviceaccount:{space}:reader"
    await cluster.kubectl(
        "create", "-n", space, "rolebinding", "pods", "--role=pods", f"--serviceaccount={space}:reader"
    )
    token = (await cluster.kubectl("create", "-n", space, "token", "reader")).strip()
    env = await with_token(cluster, token)
    assert (await cluster.kubectl("get", "-n", space, "pods", "-o", "name", env=env)) == ""
    ran = await cluster.run("get", "-n", space, "configmaps", env=env)
    assert ran.err == (
        f'Error from server (Forbidden): configmaps is forbidden: User "{account}" cannot list resource "configmaps" '
        f'in API group "" in the namespace "{space}"\n'
    )
    assert (await cluster.run("auth", "can-i", "-n", space, "list", "pods", env=env)).out == "yes\n"
    assert (await cluster.run("auth", "can-i", "-n", space, "delete", "pods", env=env)).out == "no\n"
    assert account in await cluster.kubectl("auth", "whoami", env=env)


async def test_impersonation(cluster: Cluster, space: str) -> None:
    """`--as` and every `--as-group` count."""
    await cluster.kubectl("create", "-n", space, "role", "pods", "--verb=list", "--resource=pods")
    await cluster.kubectl("create", "-n", space, "rolebinding", "ops", "--role=pods", "--group=ops", "--group=other")
    as_dev = ("--as=ann", "--as-group=devs")
    assert (await cluster.run("get", "-n", space, "pods", *as_dev)).code == 1
    assert (await cluster.run("get", "-n", space, "pods", *as_dev, "--as-group=ops", "--as-group=more")).code == 0


async def test_nobody_is_anonymous(cluster: Cluster) -> None:
    """Without a valid token there is no answer."""
    env = await with_token(cluster, "wrong")
    ran = await cluster.run("get", "pods", env=env)
    assert ran.code == 1
    assert "You must be logged in to the server (Unauthorized)" in ran.err
