"""What a render costs: N applications of 20 objects each as plain manifests, Jsonnet, Helm charts and kustomizations.

    python -m benchmarks.render [N]

Every figure stands beside the original's program run on the same folder, where that is installed (Argo CD starts it for
every render, too), and beside a floor: reading the YAML that comes out; both by CPU seconds. Renders and programs run one
at a time. Then the same N again: of the same commit, after a commit that touches none of them, and after one that touches
one of them.
"""

from __future__ import annotations

import asyncio
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pygit2

from benchmarks import fleet, sops
from benchmarks.report import Row, show
from trueup.kube.documents import dump, dump_all, parse
from trueup.kube.names import Object
from trueup.ports import Rendered, RenderRequest, Target
from trueup.render.render import Render
from trueup.source.tree import GitTree

TARGET = Target("v1.34.0", ("apps/v1", "apps/v1/Deployment"), "apps")
SAMPLE = 10
"""Runs of a program of others."""


@dataclass(frozen=True)
class Tool:
    """``write`` makes the folder of one app; ``peers`` are commands that print the same objects, by their program."""

    name: str
    write: Callable[[Path, str], None]
    peers: dict[str, Callable[[Path], list[str]]] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)


async def main(count: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        repository = root / "repo"
        for tool in TOOLS:
            for name in ("warm-up", *(f"app-{index:04d}" for index in range(count))):
                tool.write(repository / tool.name / name, name)
        fleet.commit(repository, "begin")
        for tool in TOOLS:
            show(f"render {tool.name}", await measured(tool, root, count))
        show("trueup render as a command", commands(root))
    show("sops", sops.rows(count))


async def measured(tool: Tool, root: Path, count: int) -> list[Row]:
    """The figures of one tool; the renderer is its own, so that nothing is remembered."""
    repository = root / "repo"
    folders = [f"{tool.name}/app-{index:04d}" for index in range(count)]
    idle = await spent(root, tool, repository, [])
    used = (await spent(root, tool, repository, folders) - idle) / count
    renderer = await started(root, tool, repository)
    try:
        each, rendered = await rendering(renderer, tool, repository, folders)
        again, _ = await rendering(renderer, tool, repository, folders)
        (repository / "README").write_text(f"a commit beside {tool.name}")
        fleet.commit(repository, "beside")
        beside, _ = await rendering(renderer, tool, repository, folders)
        (repository / folders[-1] / "unread.txt").write_text(tool.name)
        fleet.commit(repository, "one")
        one, _ = await rendering(renderer, tool, repository, folders)
    finally:
        renderer.close()
    floor = reading(rendered)
    ours = f"rendering {1000 * each:.1f} ms"
    return [
        Row("renders", f"{1 / each:.0f}/s"),
        Row("CPU of a render", f"{1000 * used:.1f} ms", used / floor, f"reading what comes out {1000 * floor:.1f} ms"),
        *peers(tool, repository, folders, used, rendered),
        Row("same commit again", f"{1 / again:.0f}/s", again / each, ours),
        Row("after a commit elsewhere", f"{1 / beside:.0f}/s", beside / each, ours),
        Row(f"after one in 1 of {count}", f"{1 / one:.0f}/s", one / each, ours),
    ]


async def started(root: Path, tool: Tool, repository: Path) -> Render:
    """A renderer that remembers nothing of use, with its worker processes and tables loaded."""
    renderer = Render(root / "render", workers=2)
    await renderer.render(request(tool, head(repository), f"{tool.name}/warm-up"))
    return renderer


async def spent(root: Path, tool: Tool, repository: Path, folders: list[str]) -> float:
    """CPU seconds from a renderer's start to its end: those of its worker processes are known when they have ended."""
    before = cpu()
    renderer = await started(root, tool, repository)
    try:
        if folders:
            await rendering(renderer, tool, repository, folders)
    finally:
        renderer.close()
    return cpu() - before


async def rendering(renderer: Render, tool: Tool, repository: Path, folders: list[str]) -> tuple[float, list[Rendered]]:
    """Seconds for each folder at the head of the repository, and what came out."""
    tree = head(repository)
    begun = time.monotonic()
    found = [await renderer.render(request(tool, tree, folder)) for folder in folders]
    return (time.monotonic() - begun) / len(folders), found


def request(tool: Tool, tree: GitTree, folder: str) -> RenderRequest:
    """What delivery would ask for."""
    return RenderRequest(tree, folder, TARGET, "", tool.options)


def head(repository: Path) -> GitTree:
    """The tree of the last commit."""
    opened = pygit2.Repository(str(repository))
    return GitTree(opened, opened.head.peel(pygit2.Commit).tree_id)


def reading(rendered: list[Rendered]) -> float:
    """The floor: CPU seconds to read the YAML of one render."""
    printed = [dump_all(one.objects).encode() for one in rendered]
    before = cpu()
    for text in printed:
        parse(text)
    return (cpu() - before) / len(printed)


def peers(tool: Tool, repository: Path, folders: list[str], used: float, rendered: list[Rendered]) -> list[Row]:
    """The programs of others on some of the same folders; what they print has to be the same objects."""
    rows = []
    for program, command in tool.peers.items():
        if shutil.which(program) is None:
            rows.append(Row(f"renders of {program}", "not installed"))
            continue
        printed = []
        before, begun = cpu(), time.monotonic()
        for folder in folders[:SAMPLE]:
            done = subprocess.run(command(repository / folder), capture_output=True, check=True)
            printed.append(done.stdout)
        theirs, seconds = (cpu() - before) / len(printed), (time.monotonic() - begun) / len(printed)
        same = all(texts(parsed(text)) == texts(one.objects) for text, one in zip(printed, rendered, strict=False))
        what = "of the same objects" if same else "of OTHER OBJECTS"
        rows += [
            Row(f"renders of {program}", f"{1 / seconds:.0f}/s"),
            Row("CPU of a render", f"{1000 * used:.1f} ms", used / theirs, f"{program} {1000 * theirs:.0f} ms, {what}"),
        ]
    return rows


def commands(root: Path) -> list[Row]:
    """Whole processes, each from its start to its end: a small overlay, and 200 objects with 100 patches."""
    small, large = root / "small", root / "large"
    kustomization(small / "app", "app")
    patched(large)
    rows = []
    for what, folder in (("20 objects", small / "app"), ("200 objects, 100 patches", large / "top")):
        run = [sys.executable, "-m", "trueup.cli.main", "render", "--as", "kustomize", str(folder)]
        ours, printed = process(run)
        if shutil.which("kustomize") is None:
            rows.append(Row(f"CPU, {what}", f"{1000 * ours:.0f} ms"))
            continue
        theirs, same = process(["kustomize", "build", str(folder)])
        beside = f"kustomize {1000 * theirs:.0f} ms, {'the same bytes' if same == printed else 'OTHER BYTES'}"
        rows.append(Row(f"CPU, {what}", f"{1000 * ours:.0f} ms", ours / theirs, beside))
    return rows


def process(command: list[str]) -> tuple[float, bytes]:
    """CPU seconds of the quickest of some runs, and what they print."""
    taken, printed = [], b""
    for _ in range(SAMPLE):
        before = cpu()
        printed = subprocess.run(command, capture_output=True, check=True).stdout
        taken.append(cpu() - before)
    return min(taken), printed


def parsed(text: bytes) -> list[Object]:
    """The objects that a program printed, as a stream of YAML or a list in JSON."""
    documents = [document.value for document in parse(text)]
    return documents[0] if documents and isinstance(documents[0], list) else documents


def texts(objects: list[Object]) -> list[str]:
    """Comparable whatever the order."""
    return sorted(json.dumps(obj, sort_keys=True) for obj in objects)


def cpu() -> float:
    """CPU seconds of this process and of the children that ended."""
    own, below = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + below.ru_utime + below.ru_stime


# --- the same twenty objects, four times ----------------------------------------------------------------------------


def plain(folder: Path, app: str) -> None:
    """One file with everything."""
    put(folder / "all.yaml", dump_all(fleet.objects_of(app)))


def jsonnet(folder: Path, app: str) -> None:
    """Objects of a library, named by the app."""
    put(folder.parent / "lib" / "objects.libsonnet", f"function(app) {json.dumps(fleet.objects_of('APP'))}")
    put(folder / "main.jsonnet", MAIN.replace("APP_NAME", app))


def chart(folder: Path, app: str) -> None:
    """A chart with a template for each kind, and its values."""
    deployment, service, account, *config_maps = fleet.objects_of("APP")
    metadata = {"apiVersion": "v2", "name": app, "version": "1.0.0"}
    put(folder / "Chart.yaml", dump(metadata))
    put(folder / "values.yaml", dump({"app": app, "settings": len(config_maps)}))
    for name, obj in (("deployment", deployment), ("service", service), ("account", account)):
        put(folder / "templates" / f"{name}.yaml", dump(obj).replace("APP", "{{ .Values.app }}"))
    body = dump(config_maps[0]).replace("APP", "{{ $.Values.app }}").replace("settings-0", "settings-{{ . }}")
    put(
        folder / "templates" / "settings.yaml",
        "{{- range until (int .Values.settings) }}\n---\n" + body + "{{- end }}\n",
    )


def kustomization(folder: Path, app: str) -> None:
    """A base for all, and what people lay over it."""
    base = folder.parent / "base"
    put(base / "all.yaml", dump_all(fleet.objects_of("APP")))
    put(base / "kustomization.yaml", dump({"resources": ["all.yaml"]}))
    put(folder / "kustomization.yaml", OVERLAY.replace("APP_NAME", app))


def patched(folder: Path) -> None:
    """200 objects under 100 patches, half of them of each kind."""
    files, patches = [], []
    for part in range(10):
        objects = [renamed(obj, part) for obj in fleet.objects_of(f"app-{part}")]
        put(folder / "base" / f"objects-{part}.yaml", dump_all(objects))
        files.append(f"objects-{part}.yaml")
        for place, obj in enumerate(objects[::2]):
            name, head = obj["metadata"]["name"], {key: obj[key] for key in ("apiVersion", "kind")}
            if place % 2:
                operation = {"op": "add", "path": "/metadata/annotations", "value": {"part": str(part)}}
                patches.append({"target": {"kind": obj["kind"], "name": name}, "patch": dump_all([[operation]])})
            else:
                metadata = {**obj["metadata"], "labels": {"part": str(part)}}
                patches.append({"patch": dump({**head, "metadata": metadata})})
    put(folder / "base" / "kustomization.yaml", dump({"resources": files}))
    put(folder / "top" / "kustomization.yaml", dump({"resources": ["../base"], "namePrefix": "a-", "patches": patches}))


def renamed(obj: Object, part: int) -> Object:
    """An object of which there may be several."""
    return {**obj, "metadata": {**obj["metadata"], "name": f"{obj['metadata']['name']}-{part}"}}


def put(file: Path, text: str) -> None:
    """Write a file if it is not there yet."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


MAIN = """local objects = import '../lib/objects.libsonnet';
[object + { metadata+: { labels+: { app: 'APP_NAME' } } } for object in objects('APP_NAME')]
"""
OVERLAY = """resources: [../base]
namespace: APP_NAME
namePrefix: APP_NAME-
labels:
- pairs: {app.kubernetes.io/instance: APP_NAME}
  includeSelectors: true
images:
- name: registry.example.com/web
  newTag: 1.5.0
replicas:
- {name: web, count: 3}
configMapGenerator:
- name: extra
  literals: [app=APP_NAME, mode=production]
patches:
- target: {kind: Deployment}
  patch: |-
    - {op: add, path: /spec/template/spec/priorityClassName, value: high}
- patch: |-
    {apiVersion: v1, kind: Service, metadata: {name: web}, spec: {type: NodePort}}
"""
TOOLS = (
    Tool("plain", plain),
    Tool("jsonnet", jsonnet, {"jsonnet": lambda folder: ["jsonnet", str(folder / "main.jsonnet")]}),
    Tool("helm", chart, {
        "helm": lambda folder: ["helm", "template", "release-name", str(folder), "--namespace", TARGET.namespace],
    }),
    Tool("kustomize", kustomization, {
        "kustomize": lambda folder: ["kustomize", "build", str(folder)],
        "kubectl": lambda folder: ["kubectl", "kustomize", str(folder)],
    }),
)  # fmt: skip


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 50))
