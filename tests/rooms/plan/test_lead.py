"""Namespaces and definitions go before what needs them. Cases after gitops-engine's ``sync_tasks_test.go``."""

from __future__ import annotations

from typing import Any

from trueup.kube.names import Object, Ref
from trueup.plan.lead import led
from trueup.plan.plan import Change
from trueup.plan.wanted import Phase, Wanted


def line(api: str, kind: str, name: str, wave: int = 0, phase: Phase = "Sync", **more: Any) -> Change:
    """A line that creates an object."""
    namespace = more.pop("namespace", "")
    meta = {"name": name, **({"namespace": namespace} if namespace else {})}
    obj: Object = {"apiVersion": api, "kind": kind, "metadata": meta, **more}
    return Change(Ref.of(obj), "create", Wanted(obj, phase=phase, wave=wave), phase=phase, wave=wave)


def placed(changes: list[Change]) -> dict[str, tuple[str, int]]:
    return {change.ref.name: (change.phase, change.wave) for change in led(changes)}


def test_a_namespace_takes_the_wave_of_the_first_that_lives_in_it() -> None:
    """Each namespace its own; one that nobody lives in, or that comes early enough, stays where it is."""
    found = placed(
        [
            line("v1", "Namespace", "early", -1),
            line("v1", "Pod", "a", 0, namespace="one"),
            line("v1", "Pod", "b", 0, namespace="early"),
            line("v1", "Namespace", "one", 1),
            line("v1", "Pod", "c", 1, namespace="two"),
            line("v1", "Pod", "d", 2, namespace="two"),
            line("v1", "Namespace", "two", 3),
            line("v1", "Namespace", "empty", 4),
        ]
    )

    assert found == {
        "early": ("Sync", -1), "a": ("Sync", 0), "b": ("Sync", 0), "one": ("Sync", 0),
        "c": ("Sync", 1), "d": ("Sync", 2), "two": ("Sync", 1), "empty": ("Sync", 4),
    }  # fmt: skip


def test_a_namespace_leaves_its_phase_for_a_hook() -> None:
    """A PreSync hook needs its namespace before the sync."""
    found = placed([line("batch/v1", "Job", "hook", 2, "PreSync", namespace="one"), line("v1", "Namespace", "one")])

    assert found["one"] == ("PreSync", 2)


def test_a_definition_takes_the_wave_of_the_first_of_its_kind() -> None:
    """By group and kind, whatever the version."""
    spec = {"group": "example.com", "names": {"kind": "Thing"}}
    definition = line("apiextensions.k8s.io/v1", "CustomResourceDefinition", "things.example.com", 5, spec=spec)
    found = placed(
        [
            line("other.com/v1", "Thing", "other", 0, namespace="n"),
            line("example.com/v2", "Thing", "mine", 1, namespace="n"),
            definition,
        ]
    )

    assert found["things.example.com"] == ("Sync", 1)


def test_lines_without_leaders_are_the_same_lines() -> None:
    """Nothing is sorted again."""
    lines = [line("v1", "Pod", "a", namespace="n"), line("v1", "ConfigMap", "b", namespace="n")]

    assert led(lines) is lines
