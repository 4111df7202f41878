"""YAML inside a text: what a replacement leaves of it, recorded from kustomize 5.8.1."""

import json
from pathlib import Path

import pytest
import yaml

from tests.rooms.kustomize.trees import Memory
from trueup.kustomize import build

ROWS = yaml.load(Path(__file__).with_name("texts.yaml").read_text(), yaml.CSafeLoader)


@pytest.mark.parametrize("row", ROWS, ids=range(len(ROWS)))
def test_what_is_not_replaced_stays_as_it_is_written(row: dict[str, str]) -> None:
    """Order, comments, quotes and brackets stay; indentation and empty lines become kustomize's."""
    target = {"select": {"kind": "ConfigMap"}, "fieldPaths": ["data.file.z"]}
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"file": row["text"]}}
    files = {
        "kustomization.yaml": json.dumps(
            {"resources": ["a.yaml"], "replacements": [{"sourceValue": row["value"], "targets": [target]}]}
        ),
        "a.yaml": json.dumps(config_map),
    }
    assert row["expected"] == build(Memory(files), "").objects[0]["data"]["file"]
