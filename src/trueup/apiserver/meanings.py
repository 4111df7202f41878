"""What a column of a built-in kind is said to mean. Called by `columns`.

Columns in, the same with their descriptions out. The sentences are Kubernetes' own, distilled by ``scripts/distil_answers.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import resources

import orjson

from trueup.apiserver.cells import Column

_MEANINGS: Mapping[str, Mapping[str, str]] = orjson.loads(
    resources.files("trueup.apiserver").joinpath("columns.json").read_bytes()
)
"""By kind and column; under ``*`` what several kinds say."""


def told(group: str, kind: str, columns: Sequence[Column]) -> tuple[Column, ...]:
    """The columns with what they mean."""
    own, often = _MEANINGS.get(f"{group}/{kind}") or {}, _MEANINGS["*"]
    return tuple(replace(each, description=own.get(each.name, often.get(each.name, ""))) for each in columns)
