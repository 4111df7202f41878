"""Fields that another manager owns, and how the API server words the refusal. Called by ``owners``.

Source: apimachinery ``util/managedfields/internal/conflict.go``.
"""

from __future__ import annotations

from collections.abc import Sequence

from trueup.kube.problems import Cause, Conflict
from trueup.merge.fields import FieldSet, difference, members
from trueup.merge.managed import Entry


class Contested(Exception):
    """An apply would change what others own."""

    def __init__(self, sets: Sequence[tuple[Entry, FieldSet]]) -> None:
        super().__init__("the fields have other owners")
        self.sets = list(sets)
        """Each other owner with the fields that would change."""

    def allow(self, fields: FieldSet) -> None:
        """These may change in spite of their owner."""
        rest = [(entry, difference(contested, fields)) for entry, contested in self.sets]
        self.sets = [(entry, contested) for entry, contested in rest if contested]


def refusal(contested: Contested) -> Conflict:
    """``Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using apps/v1: .spec.replicas``."""
    found = sorted(contested.sets, key=lambda one: one[0].key)
    by_manager = [(_title(entry), members(fields)) for entry, fields in found]
    causes = [
        Cause("FieldManagerConflict", f"conflict with {who}", path) for who, paths in by_manager for path in paths
    ]
    if len(causes) == 1:
        text = f"Apply failed with 1 conflict: {causes[0].message}: {causes[0].field}"
    else:
        lines = [line for who, paths in by_manager for line in (f"conflicts with {who}:", *(f"- {p}" for p in paths))]
        text = f"Apply failed with {len(causes)} conflicts: " + "\n".join(lines)
    return Conflict(text, causes=causes)


def _title(entry: Entry) -> str:
    text = f'"{entry.manager}"'
    if entry.subresource:
        text += f' with subresource "{entry.subresource}"'
    return f"{text} using {entry.api_version}" if entry.operation == "Update" else text
