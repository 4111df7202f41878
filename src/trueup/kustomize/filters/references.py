"""Follows renamed objects: every field that held an old name gets the new one.

Called by `build`, once, after all names are final. Source: kustomize's name reference transformer and ``nameref`` filter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from trueup.kube.documents import dump
from trueup.kustomize.fieldspecs import FieldSpec, NameReference
from trueup.kustomize.filters.fields import apply_one
from trueup.kustomize.ids import Gvk, Id, order_key
from trueup.kustomize.problem import KustomizeProblem
from trueup.kustomize.resource import Resource
from trueup.kustomize.resources import Resources
from trueup.kustomize.scalars import copy, is_null, settle, text_of


def fix(resources: Resources, references: Iterable[NameReference]) -> None:
    """Rewrites the references to all objects that have had another name, namespace or kind."""
    renamed: dict[str, list[Resource]] = {}
    for resource in resources:
        for name in dict.fromkeys(name for _, name, _ in resource.previous):
            renamed.setdefault(name, []).append(resource)
    by_kind: dict[str, list[tuple[FieldSpec, Gvk]]] = {}
    for reference in sorted(references, key=lambda one: order_key(one.target)):
        for spec in reference.referrers:
            by_kind.setdefault(spec.gvk.kind, []).append((spec, reference.target))
    ids = {id(resource): resource.id for resource in resources}
    for resource in resources:
        original = resource.original_id
        wanted = [*by_kind.get(original.kind, ()), *(by_kind.get("", ()) if original.kind else ())]
        fixer = _Fixer(resource, renamed, resources, ids)
        for spec, target in wanted:
            if spec.gvk.selects(original):
                fixer.check()
                fixer.fix(spec, target)


class _Fixer:
    """The references of one object."""

    def __init__(
        self, referrer: Resource, renamed: dict[str, list[Resource]], resources: Resources, ids: dict[int, Id]
    ) -> None:
        self.referrer, self.renamed, self.resources, self.ids = referrer, renamed, resources, ids
        self.id = ids[id(referrer)]
        self.gvk = referrer.gvk
        self.spec = FieldSpec("")
        self.target = Gvk()
        self._bound: set[str] | None = None

    def check(self) -> None:
        """Upstream looks at the subjects of a role binding before it knows whether anything in it was renamed."""
        if not self.id.cluster_scoped:
            self._bindings()

    def fix(self, spec: FieldSpec, target: Gvk) -> None:
        self.spec, self.target = spec, target
        try:
            apply_one(self.referrer, FieldSpec(spec.path, self.gvk), self._set)
        except KustomizeProblem as problem:
            raise problem.under(f"updating name reference in '{spec.path}' field of '{self.id}'") from None

    def _set(self, holder: Any, key: Any) -> None:
        value = holder[key]
        if is_null(value):
            return
        if isinstance(value, dict):
            self._set_map(value)
        elif isinstance(value, list):
            for at, item in enumerate(value):
                if isinstance(item, dict):
                    self._set_map(item)
                elif isinstance(item, list):
                    raise KustomizeProblem("a list is expected to be either a string or a map of string")
                elif not is_null(item):
                    self._set_text(value, at)
        else:
            self._set_text(holder, key)

    def _set_text(self, holder: Any, key: Any) -> None:
        name = text_of(holder[key])
        if name not in self.renamed:
            return
        found = self._select(name, self._could_refer(self.renamed[name]), lambda one: one.name)
        if found is not None:
            found.referred_by.append(self.id)
            if found.name != name:
                holder[key] = found.name

    def _set_map(self, value: dict[str, Any]) -> None:
        if "name" not in value:
            raise KustomizeProblem("path config error; no 'name' field in node")
        name = text_of(value["name"])
        if name not in self.renamed:
            return
        candidates = self._could_refer(self.renamed[name])
        if "namespace" in value:
            candidates = self._in_namespace(candidates, text_of(value["namespace"]))
        found = self._select(name, candidates, lambda one: (one.name, one.namespace))
        if found is None:
            return
        found.referred_by.append(self.id)
        if found.name == name and not found.namespace:
            return
        value["name"] = found.name
        if found.namespace:
            value["namespace"] = found.namespace

    def _in_namespace(self, candidates: list[Resource], namespace: str) -> list[Resource]:
        """Of all objects that could be meant, not of the candidates alone: an original namespace that exists counts."""
        reachable = self._could_refer(self.resources.items)
        if any(one.original_id.effective == namespace for one in reachable):
            return [one for one in candidates if one.original_id.effective == namespace]
        return [one for one in candidates if self.ids[id(one)].effective == namespace]

    def _could_refer(self, candidates: Iterable[Resource]) -> list[Resource]:
        """Those that this object may refer to at all: of its namespace, of none, or named by a role binding."""
        if self.id.cluster_scoped:
            return list(candidates)
        out = []
        for one in candidates:
            other = self.ids[id(one)]
            if other.cluster_scoped or other.effective == self.id.effective or one.namespace in self._bindings():
                out.append(one)
        return out

    def _bindings(self) -> set[str]:
        """Namespaces of the service accounts that a role binding names."""
        if self._bound is None:
            found: set[str] = set()
            subjects = self.referrer.body.get("subjects") if self.referrer.kind == "RoleBinding" else None
            for subject in subjects if isinstance(subjects, list) else ():
                if isinstance(subject, dict) and "namespace" in subject and subject.get("kind") == "ServiceAccount":
                    if not isinstance(subject["namespace"], str):
                        raise KustomizeProblem(f'Invalid Input: namespace is blank for resource "{self.id}"\n')
                    found.add(text_of(subject["namespace"]))
            self._bound = found
        return self._bound

    def _select(self, name: str, candidates: list[Resource], same: Callable[[Resource], Any]) -> Resource | None:
        """The object that a name means; several that would give different results are refused."""
        role = self._role_ref()
        found = [
            one
            for one in candidates
            if any(previous.name == name for previous in one.previous_ids)
            and any(self.target.selects(previous) for previous in one.previous_ids)
            and (role is None or any(role.selects(previous) for previous in one.previous_ids))
            and self._same_namespace(one)
        ]
        if len(found) == 1:
            return found[0]
        found = [one for one in found if _affixes_fit(one, self.referrer, lenient=True)]
        if len(found) > 1:
            found = [one for one in found if _affixes_fit(one, self.referrer, lenient=False)]
        if len(found) < 2:
            return found[0] if found else None
        if len({same(one) for one in found}) == 1:
            return found[0]
        raise KustomizeProblem(
            f"found multiple possible referrals: {', '.join(str(self.ids[id(one)]) for one in found)}\n"
            + _details(self.referrer, found)
        )

    def _same_namespace(self, one: Resource) -> bool:
        other = self.ids[id(one)]
        return (
            self.id.cluster_scoped
            or other.cluster_scoped
            or other.kind == "ServiceAccount"
            or other.effective == self.id.effective
        )

    def _role_ref(self) -> Gvk | None:
        """What a ``roleRef`` says its name is of."""
        if not self.spec.path.endswith("roleRef/name"):
            return None
        role = self.referrer.body.get("roleRef")
        if not isinstance(role, dict) or is_null(role.get("apiGroup")) or is_null(role.get("kind")):
            return None
        return Gvk(text_of(role["apiGroup"]), "", text_of(role["kind"]))


def _affixes_fit(one: Resource, other: Resource, *, lenient: bool) -> bool:
    return _ends_fit(one.prefixes, other.prefixes, lenient) and _ends_fit(one.suffixes, other.suffixes, lenient)


def _ends_fit(one: list[str], other: list[str], lenient: bool) -> bool:
    if lenient and (not one or not other):
        return True
    shorter = min(len(one), len(other))
    if not shorter:
        return not one and not other
    return one[-shorter:] == other[-shorter:]


def _details(referrer: Resource, found: list[Resource]) -> str:
    text = f"\n**** Too many possible referral targets to referrer:\n{dump(settle(copy(referrer.body)))}\n"
    for at, one in enumerate(found):
        text += f"--- possible referral {at}:\n{dump(settle(copy(one.body)))}\n"
    return text
