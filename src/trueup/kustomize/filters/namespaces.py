"""The namespace of objects and of what refers to them. Called by `build` and `plugins`.

Source: kustomize's ``namespace`` filter and its transformer.
"""

from __future__ import annotations

from typing import Any

from trueup.kustomize.fieldspecs import Specs
from trueup.kustomize.filters.fields import apply
from trueup.kustomize.merge import wrong_kind
from trueup.kustomize.problem import KustomizeProblem
from trueup.kustomize.resource import Resource
from trueup.kustomize.resources import Resources
from trueup.kustomize.scalars import is_null, text_of

SUBJECT_MODES = ("defaultOnly", "none", "allServiceAccounts")
_BINDINGS = ("RoleBinding", "ClusterRoleBinding")


def set_namespace(
    resources: Resources, namespace: str, specs: Specs, *, subjects: str = "", unset_only: bool = False
) -> None:
    """Puts every object into a namespace; two that become the same are refused."""
    if not namespace:
        return
    subjects = subjects or "defaultOnly"
    if subjects not in SUBJECT_MODES:
        raise KustomizeProblem(
            f'invalid value "{subjects}" for setRoleBindingSubjects: '
            'must be one of "defaultOnly", "none" or "allServiceAccounts"'
        )
    present: dict[tuple[str, ...], int] = {}
    for resource in resources:
        key = resource.id.key
        present[key] = present.get(key, 0) + 1
    for resource in resources:
        if resource.helm or resource.gone:
            continue
        before = resource.id.key
        resource.remember_id()
        move(resource, namespace, specs, subjects=subjects, unset_only=unset_only)
        after = resource.id.key
        present[before] -= 1
        present[after] = present.get(after, 0) + 1
        if present[after] != 1:
            ids = [item for item in resources if item.id.key == after]
            raise KustomizeProblem(
                f"namespace transformation produces ID conflict: [{' '.join(str(i.id) for i in ids)}]"
            )


def move(
    resource: Resource, namespace: str, specs: Specs = (), *, subjects: str = "defaultOnly", unset_only: bool = False
) -> None:
    """Sets the namespace in one object and in what it holds of others."""

    def setter(holder: Any, key: Any) -> None:
        value = holder.get(key) if isinstance(holder, dict) else holder[key]
        if isinstance(value, (dict, list)):
            raise wrong_kind(value, "ScalarNode")
        if not unset_only or text_of(value) == "" or is_null(value):
            holder[key] = namespace

    current = resource.id
    if not current.cluster_scoped:
        setter(resource.metadata(), "namespace")
    binding = current.kind in _BINDINGS
    if binding and subjects != "none":
        _move_subjects(resource, setter, subjects)
    wanted = tuple(
        spec
        for spec in specs
        if spec.path != "metadata/namespace"
        and not (spec.path == "metadata/name" and resource.api_version != "v1")
        and not (binding and spec.gvk.kind in _BINDINGS and spec.path == "subjects/namespace")
    )
    try:
        apply(resource, wanted, setter, "scalar")
    except KustomizeProblem as problem:
        scalar = "wrong node kind: expected ScalarNode" in problem.message
        prefix = "namespace field specs must target scalar nodes" if scalar else "namespace transformation failed"
        raise problem.under(prefix) from None


def _move_subjects(resource: Resource, setter: Any, subjects: str) -> None:
    found = resource.body.get("subjects")
    if is_null(found):
        return
    if not isinstance(found, list):
        raise wrong_kind(found, "SequenceNode").under("setting namespace on (cluster)role binding subjects")
    field, wanted = ("kind", "ServiceAccount") if subjects == "allServiceAccounts" else ("name", "default")
    for subject in found:
        if not isinstance(subject, dict):
            what = "setting namespace on (cluster)role binding subjects: looking up"
            raise wrong_kind(subject, "MappingNode").under(f"{what} {field} on (cluster)role binding subject")
        value = subject.get(field)
        if isinstance(value, (dict, list)):
            what = "setting namespace on (cluster)role binding subjects: looking up"
            raise wrong_kind(value, "ScalarNode").under(f"{what} {field} on (cluster)role binding subject")
        if text_of(value) == wanted:
            setter(subject, "namespace")
