"""What Kustomizations build to, beside what flux-local recorded of the same repositories."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from tests.corpora import corpus
from trueup.families.flux import rules
from trueup.families.flux.types import OWNER_NAME, OWNER_NAMESPACE, Kustomization
from trueup.kube import documents
from trueup.kube.names import Object, Ref
from trueup.ports import RenderProblem, RenderRequest, Target
from trueup.render.render import Render
from trueup.source.tree import DirTree

SNAPSHOTS = ("test_build_ks.ambr", "test_build_all.ambr")
_NAME = re.compile(r"^# name: (\S+)\n  '''\n(.*?)^  '''$", re.MULTILINE | re.DOTALL)
_INDEX = ("config.kubernetes.io/index", "internal.config.kubernetes.io/index", "config.kubernetes.io/path")
OTHERWISE = {
    "test_build_ks[build-ks-cluster11-external-artifact] flux-system/apps": "its source is no Git repository",
}
"""Kustomizations that build to something else here, and why that is right."""


@dataclass
class Cluster:
    """One recorded repository: its Kustomizations, and the variables that its ConfigMaps and Secrets hold."""

    units: dict[tuple[str, str], Object] = field(default_factory=dict)
    data: dict[tuple[str, str, str], dict[str, str]] = field(default_factory=dict)


def snapshots() -> Iterator[tuple[str, dict[tuple[str, str], list[Object]]]]:
    """Each recording: name, and its objects by the Kustomization that owns them."""
    for file in SNAPSHOTS:
        text = (corpus("flux-local/tests/tool/__snapshots__") / file).read_text()
        for name, body in _NAME.findall(text):
            if "helm" in name or "-hr" in name or "new" in name:
                continue
            owned: dict[tuple[str, str], list[Object]] = {}
            for document in documents.parse(re.sub(r"^  ", "", body, flags=re.MULTILINE).encode()):
                labels = ((document.value or {}).get("metadata") or {}).get("labels") or {}
                owner = (labels.get(OWNER_NAMESPACE, ""), labels.get(OWNER_NAME, ""))
                owned.setdefault(owner, []).append(document.value)
            yield name, owned


def cluster(folder: Path) -> Cluster:
    """All that a folder's YAML files hold."""
    found = Cluster()
    for file in sorted(folder.rglob("*.yaml")):
        try:
            parsed = documents.parse(file.read_bytes())
        except documents.YamlProblem:
            continue  # templates
        for document in parsed:
            obj = document.value
            if not isinstance(obj, dict) or not isinstance(obj.get("metadata"), dict) or "name" not in obj["metadata"]:
                continue
            name, namespace = str(obj["metadata"]["name"]), str(obj["metadata"].get("namespace") or "")
            if str(obj.get("apiVersion")).startswith("kustomize.toolkit.fluxcd.io/"):
                found.units[namespace, name] = obj
            elif obj.get("kind") in ("ConfigMap", "Secret"):
                values = {k: str(v) for k, v in {**(obj.get("data") or {}), **(obj.get("stringData") or {})}.items()}
                if obj["kind"] == "Secret":  # whose values the recorder hides
                    values = {key: f"..PLACEHOLDER_{key}.." for key in values}
                found.data[str(obj["kind"]), namespace, name] = values
    return found


def plain(obj: Object) -> bytes:
    """An object to compare: without the recorder's bookkeeping."""
    meta: dict[str, Any] = dict(obj.get("metadata") or {})
    annotations = {k: v for k, v in (meta.get("annotations") or {}).items() if k not in _INDEX}
    meta.pop("annotations", None)
    if annotations:
        meta["annotations"] = annotations
    return orjson.dumps({**obj, "metadata": meta}, option=orjson.OPT_SORT_KEYS)


async def built(render: Render, tree: DirTree, known: Cluster, unit: Object) -> list[Object]:
    """What a Kustomization builds to."""
    wish = Kustomization.parse(unit)
    post = wish.spec.get("postBuild") or {}
    variables: dict[str, str] = {}
    for entry in post.get("substituteFrom") or ():
        variables |= known.data.get((entry["kind"], wish.key.namespace, entry["name"]), {})
    values, wrong = rules.variables(post.get("substitute") or {}, variables, "WithVariables")
    assert not wrong
    options = rules.render_options(wish, values if post else None, lambda path: True)
    done = await render.render(RenderRequest(tree, wish.path or ".", Target("v1.34.0"), "kustomize", options))
    return [rules.mark(obj, wish) for obj in done.objects if obj.get("kind") != "Secret"]  # they are not recorded


async def score(tmp_path: Path) -> tuple[list[str], int, int]:
    """(what differs, how many agree, how many there are), a Kustomization of a recording each."""
    root = corpus("flux-local")
    render, tree = Render(tmp_path, workers=1), DirTree(root)
    wrong, agreed, count = [], 0, 0
    folders = sorted(path for path in (root / "tests/testdata").glob("cluster*") if path.is_dir())
    clusters = [cluster(folder) for folder in folders]
    for name, owned in snapshots():
        for owner, objects in owned.items():
            candidates = [known for known in clusters if owner in known.units]
            if not candidates:
                continue
            count += 1
            expected = Counter(map(plain, objects))
            differences = []
            for known in candidates:
                try:
                    actual = Counter(map(plain, await built(render, tree, known, known.units[owner])))
                except RenderProblem as problem:
                    differences.append(str(problem))
                    continue
                if actual == expected:
                    break
                lacking = [Ref.of(orjson.loads(one)) for one in expected - actual]
                more = [Ref.of(orjson.loads(one)) for one in actual - expected]
                differences.append(f"lacks {list(map(str, lacking))}, has {list(map(str, more))}")
            else:
                wrong.append(f"{name} {'/'.join(owner)}: {min(differences, key=len)}")
                continue
            agreed += 1
    return wrong, agreed, count


def test_kustomizations_build_to_what_was_recorded(tmp_path: Path) -> None:
    """Every Kustomization of every recording, but those that are listed with their reasons."""
    wrong, agreed, count = asyncio.run(score(tmp_path))
    print(f"{agreed} of {count} Kustomizations")

    assert [line for line in wrong if not any(line.startswith(name) for name in OTHERWISE)] == []
    assert count > 0
