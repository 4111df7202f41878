"""Every feature of kustomize, one case each: the expectation is what kustomize 5.8.1 prints for the same files."""

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.rooms.kustomize.trees import Memory
from trueup.kube.documents import dump
from trueup.kube.names import Object
from trueup.kustomize import KustomizeProblem, build

HERE = Path(__file__).parent
CASES = yaml.load((HERE / "cases.yaml").read_text(), yaml.CSafeLoader)
BASE = {path.name: path.read_text() for path in (HERE / "base").iterdir()}
ALL = "resources: [dep.yaml, svc.yaml, cm.yaml, cr.yaml, rbac.yaml]\n"


def built(kustomization: str, files: dict[str, str]) -> list[Object]:
    """The objects of a kustomization over the base files."""
    return build(Memory({**BASE, **files, "kustomization.yaml": kustomization}), "").objects


@lru_cache(maxsize=1)
def unchanged() -> frozenset[str]:
    """The objects of the base files as they are."""
    return frozenset(dump(obj) for obj in built(ALL, {}))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_feature(case: dict[str, Any]) -> None:
    """The build gives the recorded objects in the recorded order, or is refused in the recorded words."""
    expected = {key: case[key] for key in ("order", "changed", "error") if key in case}
    try:
        objects = built(case["kustomization"], case.get("files") or {})
    except KustomizeProblem as problem:
        words = re.sub(r"generator \w+ '[^']*'", "generator", problem.message.strip())
        assert expected == {"error": words}
        return
    texts = [dump(obj) for obj in objects]
    actual = {
        "order": " ".join(f"{obj['kind']}/{obj['metadata']['name']}" for obj in objects),
        "changed": "---\n".join(text for text in texts if text not in unchanged()),
    }
    assert expected == actual
