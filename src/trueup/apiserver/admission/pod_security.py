"""PodSecurity: a namespace's labels say what its pods may do; templates of pods are warned of.

Source: ``pod-security-admission/admission``. The rules themselves stand in `kube.pod_security`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trueup.apiserver.admission.plugin import forbidden
from trueup.apiserver.registry import Served
from trueup.apiserver.request import Write
from trueup.kube import pod_security
from trueup.kube.names import Object
from trueup.kube.pod_security import LEVELS, Policy
from trueup.kube.problems import Cause, Invalid
from trueup.store.state import Store

_TEMPLATES: Mapping[str, tuple[str, ...]] = {
    "cronjobs.batch": ("spec", "jobTemplate", "spec", "template"),
    "daemonsets.apps": ("spec", "template"),
    "deployments.apps": ("spec", "template"),
    "jobs.batch": ("spec", "template"),
    "podtemplates": ("template",),
    "replicasets.apps": ("spec", "template"),
    "replicationcontrollers": ("spec", "template"),
    "statefulsets.apps": ("spec", "template"),
}
_IGNORED = frozenset({"attach", "binding", "eviction", "exec", "log", "portforward", "proxy", "status"})


class PodSecurity:
    """Reads the stored namespaces and, when one gets stricter, its pods."""

    def __init__(self, store: Store) -> None:
        self._namespaces, self._pods = store.bucket("namespaces"), store.bucket("pods")

    async def admit(self, served: Served, operation: str, obj: Object, old: Object | None, write: Write) -> None:
        """Raises ``Forbidden`` for a pod, ``Invalid`` for a namespace; adds warnings."""
        if operation == "DELETE":
            return
        if served.storage == "namespaces":
            if not write.subresource:
                self._namespace(obj, old, write)
        elif served.storage == "pods":
            if write.subresource not in _IGNORED and (old is None or _differs(obj, old)):
                self._pod(served, obj, obj["metadata"], obj["spec"], write, enforce=True)
        elif served.storage in _TEMPLATES and not write.subresource:
            template: Any = obj
            for part in _TEMPLATES[served.storage]:
                template = (template or {}).get(part)
            if template and template.get("spec"):
                self._pod(served, obj, template.get("metadata") or {}, template["spec"], write, enforce=False)

    def _pod(self, served: Served, obj: Object, metadata: Object, spec: Object, write: Write, *, enforce: bool) -> None:
        entry = self._namespaces.newest("", obj["metadata"].get("namespace") or "")
        labels = (entry.obj["metadata"].get("labels") if entry is not None else None) or {}
        wanted, _ = pod_security.policies(labels)
        if enforce:
            found = pod_security.violations(wanted["enforce"], metadata, spec)
            if found:
                raise forbidden(served, obj, f'violates PodSecurity "{wanted["enforce"]}": {found}')
        found = pod_security.violations(wanted["warn"], metadata, spec)
        if found:
            write.warnings.append(f'would violate PodSecurity "{wanted["warn"]}": {found}')

    def _namespace(self, obj: Object, old: Object | None, write: Write) -> None:
        meta = obj["metadata"]
        wanted, wrong = pod_security.policies(meta.get("labels") or {})
        before, wrong_before = pod_security.policies((old or {"metadata": {}})["metadata"].get("labels") or {})
        if wrong and (old is None or wrong != wrong_before):
            causes = [
                Cause("FieldValueInvalid", f'Invalid value: "{value}": {why}', f"metadata.labels[{label}]")
                for label, value, why in wrong
            ]
            texts = [f"{cause.field}: {cause.message}" for cause in causes]
            text = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
            details = {"name": meta.get("name"), "kind": "Namespace"}
            raise Invalid(f'Namespace "{meta.get("name")}" is invalid: {text}', causes=causes, details=details)
        new, had = wanted["enforce"], before["enforce"]
        laxer = new.version == had.version and LEVELS.index(new.level) <= LEVELS.index(had.level)
        if old is not None and new != had and not laxer:
            write.warnings.extend(self._there_already(str(meta["name"]), new))

    def _there_already(self, namespace: str, wanted: Policy) -> list[str]:
        """What pods of the namespace would not be let in any more."""
        by_reason: dict[str, list[str]] = {}
        for _, name, entry in self._pods.scan(namespace):
            reason = pod_security.reasons(wanted, entry.obj["metadata"], entry.obj["spec"])
            if reason:
                by_reason.setdefault(reason, []).append(name)
        if not by_reason:
            return []
        lines = []
        for reason, names in by_reason.items():
            more = len(names) - 1
            beside = f" (and {more} other pod{'s' if more > 1 else ''})" if more else ""
            lines.append(f"{names[0]}{beside}: {reason}")
        lead = f'existing pods in namespace "{namespace}" violate the new PodSecurity enforce level "{wanted}"'
        return [lead, *sorted(lines)]


def _differs(new: Object, old: Object) -> bool:
    """Whether an update can matter: containers come or get another image, all else of a pod's security stands fast."""
    return any(
        _images(new, part) != _images(old, part) for part in ("containers", "initContainers", "ephemeralContainers")
    )


def _images(pod: Object, part: str) -> list[tuple[str, str | None]]:
    return [(one["name"], one.get("image")) for one in pod["spec"].get(part) or ()]
