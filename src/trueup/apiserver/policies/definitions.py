"""The stored policies and bindings of one kind, and the parameters that bindings name. Used by both plugins.

Source: apiserver ``admission/plugin/policy/generic/{policy_source,policy_dispatcher}.go``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar

from trueup.apiserver.policies.asked import Asked
from trueup.apiserver.registry import Registry, Served
from trueup.kube import selectors
from trueup.kube.names import Kind, Object
from trueup.store.state import Event, Store

GROUP = "admissionregistration.k8s.io"
Compiled = TypeVar("Compiled")


class Misconfigured(Exception):
    """A binding, or a policy as a ``whole``, cannot be carried out as it is."""

    def __init__(self, why: str, *, whole: bool = False) -> None:
        super().__init__(f"failed to configure {'policy' if whole else 'binding'}: {why}")
        self.whole = whole


class Definitions(Generic[Compiled]):
    """Policies with their bindings, in the order of their names; compiled once for each content."""

    def __init__(
        self, store: Store, registry: Registry, plural: str, compile_spec: Callable[[Object], Compiled]
    ) -> None:
        self._store = store
        self._registry = registry
        self._compile = compile_spec
        self._policies = store.bucket(f"{plural}policies.{GROUP}")
        self._bindings = store.bucket(f"{plural}policybindings.{GROUP}")
        self._known: dict[str, tuple[int, Compiled]] = {}
        self._pairs: list[tuple[Object, list[Object]]] | None = None
        for bucket in (self._policies, self._bindings):
            bucket.listeners.append(self._hear)

    def _hear(self, event: Event) -> None:
        self._pairs = None

    def pairs(self) -> list[tuple[Object, list[Object]]]:
        """Each policy that has bindings, with them."""
        if self._pairs is None:
            bindings: dict[str, list[Object]] = {}
            for *_, entry in self._bindings.scan():
                bindings.setdefault(str((entry.obj.get("spec") or {}).get("policyName") or ""), []).append(entry.obj)
            policies = sorted(
                (entry.obj for *_, entry in self._policies.scan()), key=lambda obj: obj["metadata"]["name"]
            )
            self._pairs = [
                (policy, sorted(bindings[policy["metadata"]["name"]], key=lambda obj: obj["metadata"]["name"]))
                for policy in policies
                if policy["metadata"]["name"] in bindings
            ]
        return self._pairs

    def compiled(self, policy: Object) -> Compiled:
        """A policy's expressions."""
        meta = policy["metadata"]
        generation = int(meta.get("generation") or 0)
        known = self._known.get(meta["uid"])
        if known is None or known[0] != generation:
            known = self._known[meta["uid"]] = (generation, self._compile(policy["spec"]))
        return known[1]

    def params(self, policy: Object, binding: Object, asked: Asked) -> Iterator[Object | None]:
        """Each parameter object to judge by; one None where there are none to be. Raises ``Misconfigured``."""
        kind, ref = policy["spec"].get("paramKind"), binding["spec"].get("paramRef")
        if not kind or not ref:
            yield None
            return
        served = self._param_kind(kind)
        space = _param_namespace(served, ref, asked)
        bucket = self._store.bucket(served.storage)
        if ref.get("name"):
            entry = bucket.newest(space, ref["name"])
            found = [] if entry is None else [entry.obj]
        else:
            selector = selectors.label_selector(ref.get("selector") or {})
            found = [e.obj for *_, e in bucket.scan(space) if selector.matches(e.obj["metadata"].get("labels") or {})]
        if not found and ref.get("parameterNotFoundAction") != "Allow":
            raise Misconfigured("no params found for policy binding with `Deny` parameterNotFoundAction")
        for obj in found:
            yield {**obj, "apiVersion": kind["apiVersion"], "kind": kind["kind"]}

    def _param_kind(self, kind: Mapping[str, Any]) -> Served:
        group, _, version = str(kind.get("apiVersion") or "").rpartition("/")
        served = self._registry.of_kind(Kind(group, version, str(kind.get("kind") or "")))
        if served is None:
            shown = f"{kind.get('apiVersion')}, Kind={kind.get('kind')}"
            raise Misconfigured(f"failed to find resource referenced by paramKind: '{shown}'", whole=True)
        return served


def _param_namespace(served: Served, ref: Mapping[str, Any], asked: Asked) -> str:
    if not served.namespaced:
        if ref.get("namespace"):
            raise Misconfigured("paramRef.namespace must not be provided for a cluster-scoped `paramKind`")
        return ""
    space = str(ref.get("namespace") or asked.namespace)
    if not space:
        raise Misconfigured("cannot use namespaced paramRef in policy binding that matches cluster-scoped resources")
    return space
