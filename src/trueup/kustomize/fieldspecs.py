"""Which field of which kind a transformer touches: the tables that kustomize comes with, and how others are laid over.

Called by `build` (configurations), `plugins` and the filters. Source: ``builtinpluginconsts`` and ``builtinconfig`` of
kustomize's API, in our own arrangement.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from typing import Any, NamedTuple

from trueup.kustomize.ids import Gvk, order_of
from trueup.kustomize.problem import KustomizeProblem


class FieldSpec(NamedTuple):
    """A path (``/`` between its parts) in the objects that ``gvk`` selects; ``create``: made where it is missing."""

    path: str
    gvk: Gvk = Gvk()
    create: bool = False

    @property
    def parts(self) -> tuple[str, ...]:
        """The path, split."""
        return split_path(self.path)

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> FieldSpec:
        """From a configuration."""
        low = {key.lower(): item for key, item in value.items()}
        gvk = Gvk(*(str(low.get(part) or "") for part in ("group", "version", "kind")))
        return cls(str(low.get("path") or ""), gvk, bool(low.get("create")))


@lru_cache(maxsize=4096)
def split_path(path: str, separator: str = "/") -> tuple[str, ...]:
    """The parts of a path; a backslash takes the separator behind it for a part of the name."""
    pieces = path.split(separator)
    if len(pieces) > 1 and not pieces[0]:
        pieces = pieces[1:]
    out = [pieces[0]]
    for piece in pieces[1:]:
        if out[-1].endswith("\\"):
            out[-1] = out[-1][:-1] + separator + piece
        else:
            out.append(piece)
    return tuple(out)


Specs = tuple[FieldSpec, ...]


def merge_specs(base: Specs, more: Iterable[FieldSpec]) -> Specs:
    """``base`` and what it lacks; one that is there under a broader or the same kind must agree about creation."""
    out = list(base)
    for spec in more:
        found = next((have for have in out if have.path == spec.path and spec.gvk.selects(have.gvk)), None)
        if found is None:
            out.append(spec)
        elif found.create != spec.create:
            raise KustomizeProblem("conflicting fieldspecs")
    return tuple(out)


class NameReference(NamedTuple):
    """Fields that hold the name of an object of a kind."""

    target: Gvk
    referrers: Specs


@dataclass(frozen=True)
class Config:
    """The field specs of every transformer."""

    name_prefix: Specs = ()
    name_suffix: Specs = ()
    namespace: Specs = ()
    common_labels: Specs = ()
    labels: Specs = ()
    template_labels: Specs = ()
    volume_claim_template_labels: Specs = ()
    common_annotations: Specs = ()
    name_reference: tuple[NameReference, ...] = ()
    var_reference: Specs = ()
    images: Specs = ()
    replicas: Specs = ()
    with_defaults: bool = field(default=False, compare=False)

    def merged(self, other: Config) -> Config:
        """This and what the other adds."""
        if other is self or other is EMPTY:
            return self
        if self is EMPTY and other is DEFAULTS:
            return other
        if other is DEFAULTS and self.with_defaults:
            return self
        changes: dict[str, Any] = {"with_defaults": self.with_defaults or other.with_defaults}
        for item in fields(self):
            mine, theirs = getattr(self, item.name), getattr(other, item.name)
            if item.name == "name_reference":
                changes[item.name] = _merge_references(mine, theirs)
            elif item.name != "with_defaults":
                try:
                    changes[item.name] = _sorted(merge_specs(mine, theirs))
                except KustomizeProblem as problem:
                    words = "".join(part.capitalize() for part in item.name.split("_"))
                    raise problem.under(f"failed to merge {words} fieldSpec") from None
        return Config(**changes)


def _sorted(specs: Specs) -> Specs:
    """By kind, those for every kind last: what is merged next finds the narrow ones first."""
    return tuple(sorted(specs, key=lambda spec: _rank(spec.gvk)))


def _all_sorted(config: Config) -> Config:
    changes: dict[str, Any] = {
        item.name: _sorted(getattr(config, item.name))
        for item in fields(config)
        if item.name not in ("name_reference", "with_defaults")
    }
    return replace(config, **changes)


def _rank(gvk: Gvk) -> tuple[int, str]:
    return order_of(gvk.kind), f"{gvk.group or '~G'}_{gvk.version or '~V'}_{gvk.kind or '~K'}"


def _merge_references(base: tuple[NameReference, ...], more: tuple[NameReference, ...]) -> tuple[NameReference, ...]:
    out = list(base)
    for reference in more:
        at = next((at for at, have in enumerate(out) if have.target == reference.target), None)
        if at is None:
            out.append(reference)
        else:
            out[at] = NameReference(reference.target, merge_specs(out[at].referrers, reference.referrers))
    return tuple(sorted(out, key=lambda reference: _rank(reference.target)))


_NAMES = {
    "namePrefix": "name_prefix",
    "nameSuffix": "name_suffix",
    "namespace": "namespace",
    "commonLabels": "common_labels",
    "labels": "labels",
    "templateLabels": "template_labels",
    "volumeClaimTemplateLabels": "volume_claim_template_labels",
    "commonAnnotations": "common_annotations",
    "varReference": "var_reference",
    "images": "images",
    "replicas": "replicas",
}


def config_of(value: Mapping[str, Any]) -> Config:
    """From a file of a kustomization's ``configurations``."""
    found: dict[str, Any] = {}
    for key, rows in value.items():
        rows = rows or ()
        if not isinstance(rows, (list, tuple)) or not all(isinstance(row, dict) for row in rows):
            raise KustomizeProblem(f"error unmarshaling JSON: while decoding JSON: {key} must be a list of field specs")
        if key == "nameReference":
            found["name_reference"] = tuple(
                NameReference(
                    Gvk(*(str(row.get(part) or "") for part in ("group", "version", "kind"))),
                    tuple(FieldSpec.of(spec) for spec in row.get("fieldSpecs") or ()),
                )
                for row in rows
            )
        elif key in _NAMES:
            found[_NAMES[key]] = tuple(FieldSpec.of(row) for row in rows)
        else:
            raise KustomizeProblem(
                f'error unmarshaling JSON: while decoding JSON: json: unknown field "{key}"', field=key
            )
    return EMPTY.merged(Config(**found))


# --- what kustomize comes with ---------------------------------------------------------------------------------------

_POD_SPECS = {
    "Pod": "spec",
    "PodTemplate": "template/spec",
    "Deployment": "spec/template/spec",
    "ReplicaSet": "spec/template/spec",
    "DaemonSet": "spec/template/spec",
    "StatefulSet": "spec/template/spec",
    "Job": "spec/template/spec",
    "CronJob": "spec/jobTemplate/spec/template/spec",
    "ReplicationController": "spec/template/spec",
}
_RUNNERS = ("Pod", "StatefulSet", "Deployment", "ReplicationController", "CronJob", "Job", "DaemonSet")
_MOUNTERS = ("Pod", "PodTemplate", "Deployment", "ReplicaSet", "DaemonSet", "StatefulSet", "Job", "CronJob")
_RBAC, _ADMISSION = "rbac.authorization.k8s.io", "admissionregistration.k8s.io"


def _at(path: str, kind: str = "", group: str = "", version: str = "", *, create: bool = False) -> FieldSpec:
    return FieldSpec(path, Gvk(group, version, kind), create)


def _in_pods(kinds: Iterable[str], *paths: str, pod_version: str = "") -> Specs:
    return tuple(
        _at(f"{_POD_SPECS[kind]}/{path}", kind, version=pod_version if kind == "Pod" else "")
        for kind in kinds
        for path in paths
    )


_CLAIM_LABELS = _at("spec/volumeClaimTemplates[]/metadata/labels", "StatefulSet", "apps", create=True)


def _metadata(field: str) -> Specs:
    """Where labels or annotations of an object and of its templates stand."""
    stateful = _at(f"spec/template/metadata/{field}", "StatefulSet", "apps" if field == "labels" else "", create=True)
    found = [
        _at(f"metadata/{field}", create=True),
        _at(f"spec/template/metadata/{field}", "ReplicationController", version="v1", create=True),
        _at(f"spec/template/metadata/{field}", "Deployment", create=True),
        _at(f"spec/template/metadata/{field}", "ReplicaSet", create=True),
        _at(f"spec/template/metadata/{field}", "DaemonSet", create=True),
        stateful,
        _at(f"spec/template/metadata/{field}", "Job", "batch", create=True),
        _at(f"spec/jobTemplate/metadata/{field}", "CronJob", "batch", create=True),
        _at(f"spec/jobTemplate/spec/template/metadata/{field}", "CronJob", "batch", create=True),
    ]
    if field == "labels":
        found.insert(6, _CLAIM_LABELS)
    return tuple(found)


def _selectors() -> Specs:
    found = [
        _at("spec/selector", "Service", version="v1", create=True),
        _at("spec/selector", "ReplicationController", version="v1", create=True),
        _at("spec/selector/matchLabels", "Deployment", create=True),
        _at("spec/selector/matchLabels", "ReplicaSet", create=True),
        _at("spec/selector/matchLabels", "DaemonSet", create=True),
        _at("spec/selector/matchLabels", "StatefulSet", "apps", create=True),
        _at("spec/selector/matchLabels", "Job", "batch"),
        _at("spec/jobTemplate/spec/selector/matchLabels", "CronJob", "batch"),
        _at("spec/selector/matchLabels", "PodDisruptionBudget", "policy"),
        _at("spec/podSelector/matchLabels", "NetworkPolicy", "networking.k8s.io"),
        _at("spec/ingress/from/podSelector/matchLabels", "NetworkPolicy", "networking.k8s.io"),
        _at("spec/egress/to/podSelector/matchLabels", "NetworkPolicy", "networking.k8s.io"),
    ]
    spread = [f"affinity/{one}/{two}/labelSelector/matchLabels" for one in ("podAffinity", "podAntiAffinity") for two in (
        "preferredDuringSchedulingIgnoredDuringExecution/podAffinityTerm",
        "requiredDuringSchedulingIgnoredDuringExecution",
    )]  # fmt: skip
    spread.append("topologySpreadConstraints/labelSelector/matchLabels")
    found += [
        _at(f"spec/template/spec/{path}", kind, "apps") for kind in ("Deployment", "StatefulSet") for path in spread
    ]
    return tuple(found)


def _from_env(ref: str, volume: str, projected: str) -> tuple[str, ...]:
    both = ("containers", "initContainers")
    return (
        volume,
        *(f"{where}/env/valueFrom/{ref}KeyRef/name" for where in both),
        *(f"{where}/envFrom/{ref}Ref/name" for where in both),
        f"volumes/projected/sources/{projected}/name",
    )


def _name_references() -> tuple[NameReference, ...]:
    scale = [NameReference(Gvk(kind=kind), (_at("spec/scaleTargetRef/name", "HorizontalPodAutoscaler"),))
             for kind in ("Deployment", "ReplicationController", "ReplicaSet", "StatefulSet")]  # fmt: skip
    roles = (_at("rules/resourceNames", "Role"), _at("rules/resourceNames", "ClusterRole"))
    nginx = "metadata/annotations/nginx.ingress.kubernetes.io\\/"
    config_maps = (
        *_in_pods(_MOUNTERS, *_from_env("configMap", "volumes/configMap/name", "configMap"), pod_version="v1"),
        _at("spec/configSource/configMap", "Node"),
        *roles,
        _at(f"{nginx}fastcgi-params-configmap", "Ingress"),
    )
    secrets = (
        *_in_pods(_MOUNTERS, *_from_env("secret", "volumes/secret/secretName", "secret"), "imagePullSecrets/name",
                  pod_version="v1"),
        _at("spec/tls/secretName", "Ingress"),
        _at("metadata/annotations/ingress.kubernetes.io\\/auth-secret", "Ingress"),
        _at(f"{nginx}auth-secret", "Ingress"),
        _at(f"{nginx}auth-tls-secret", "Ingress"),
        _at("imagePullSecrets/name", "ServiceAccount"),
        *(_at(f"parameters/{name}", "StorageClass")
          for name in ("secretName", "adminSecretName", "userSecretName", "secretRef")),
        *roles,
        _at("spec/template/spec/containers/env/valueFrom/secretKeyRef/name", "Service", "serving.knative.dev", "v1"),
        _at("spec/azureFile/secretName", "PersistentVolume"),
    )  # fmt: skip
    services = (
        _at("spec/serviceName", "StatefulSet", "apps"),
        *(_at(path, "Ingress") for path in (
            "spec/rules/http/paths/backend/serviceName", "spec/backend/serviceName",
            "spec/rules/http/paths/backend/service/name", "spec/defaultBackend/service/name",
        )),
        _at("spec/service/name", "APIService", "apiregistration.k8s.io"),
        _at("webhooks/clientConfig/service", "ValidatingWebhookConfiguration", _ADMISSION),
        _at("webhooks/clientConfig/service", "MutatingWebhookConfiguration", _ADMISSION),
    )  # fmt: skip
    bindings = (_at("roleRef/name", "RoleBinding", _RBAC), _at("roleRef/name", "ClusterRoleBinding", _RBAC))
    storage = (
        _at("spec/storageClassName", "PersistentVolume"),
        _at("spec/storageClassName", "PersistentVolumeClaim"),
        _at("spec/volumeClaimTemplates/spec/storageClassName", "StatefulSet"),
    )
    return (
        *scale,
        NameReference(Gvk("", "v1", "ConfigMap"), config_maps),
        NameReference(Gvk("", "v1", "Secret"), secrets),
        NameReference(Gvk("", "v1", "Service"), services),
        NameReference(Gvk(_RBAC, "", "Role"), bindings[:1]),
        NameReference(Gvk(_RBAC, "", "ClusterRole"), bindings),
        NameReference(Gvk("", "v1", "ServiceAccount"), (
            _at("subjects", "RoleBinding", _RBAC),
            _at("subjects", "ClusterRoleBinding", _RBAC),
            *_in_pods(_RUNNERS, "serviceAccountName"),
        )),
        NameReference(
            Gvk("", "v1", "PersistentVolumeClaim"), _in_pods(_RUNNERS, "volumes/persistentVolumeClaim/claimName")
        ),
        NameReference(Gvk("", "v1", "PersistentVolume"), (
            _at("spec/volumeName", "PersistentVolumeClaim"), _at("rules/resourceNames", "ClusterRole"),
        )),
        NameReference(Gvk("storage.k8s.io", "v1", "StorageClass"), storage),
        NameReference(Gvk("scheduling.k8s.io", "v1", "PriorityClass"), _in_pods(_RUNNERS, "priorityClassName")),
        NameReference(
            Gvk("networking.k8s.io/v1", "v1", "IngressClass"), (_at("spec/ingressClassName", "Ingress"),)
        ),  # the group is misspelt upstream, so nothing is ever found; kept for the same result
        NameReference(Gvk(_ADMISSION, "", "ValidatingAdmissionPolicy"), (
            _at("spec/policyName", "ValidatingAdmissionPolicyBinding", _ADMISSION),
        )),
    )  # fmt: skip


def _var_references() -> Specs:
    kinds = ("CronJob", "DaemonSet", "Deployment", "Job", "Pod", "ReplicaSet", "StatefulSet")
    paths = [f"{where}/{path}" for where in ("containers", "initContainers")
             for path in ("args", "command", "env/value", "volumeMounts/mountPath")]  # fmt: skip
    return (
        *_in_pods(kinds, *paths),
        *_in_pods(("DaemonSet", "Deployment", "Job", "Pod", "ReplicaSet"), "volumes/nfs/server"),
        _at("spec/jobTemplate/spec/template/volumes/nfs/server", "CronJob"),
        _at("spec/volumeClaimTemplates/spec/nfs/server", "StatefulSet"),
        _at("spec/nfs/server", "PersistentVolume"),
        _at("spec/template/metadata/annotations", "Deployment"),
        *(_at(path, "Ingress") for path in ("spec/rules/host", "spec/tls/hosts", "spec/tls/secretName")),
        _at("spec/ports/port", "Service"),
        _at("spec/ports/targetPort", "Service"),
        _at("metadata/labels"),
        _at("metadata/annotations"),
    )


EMPTY = Config()
DEFAULTS = _all_sorted(
    Config(
        name_prefix=(_at("metadata/name"),),
        name_suffix=(_at("metadata/name"),),
        namespace=(
            _at("metadata/name", "Namespace", create=True),
            _at("spec/service/namespace", "APIService", "apiregistration.k8s.io", create=True),
            _at(
                "spec/conversion/webhook/clientConfig/service/namespace",
                "CustomResourceDefinition",
                "apiextensions.k8s.io",
            ),
        ),
        common_labels=(*_selectors(), *_metadata("labels")),
        template_labels=_metadata("labels"),
        volume_claim_template_labels=(_CLAIM_LABELS,),
        common_annotations=_metadata("annotations"),
        name_reference=_name_references(),
        var_reference=_var_references(),
        images=tuple(
            _at(f"{where}/{path}", create=True)
            for where in ("spec", "spec/template/spec")
            for path in ("containers[]/image", "initContainers[]/image", "volumes[]/image/reference")
        ),
        replicas=tuple(
            _at("spec/replicas", kind, create=True)
            for kind in ("Deployment", "ReplicationController", "ReplicaSet", "StatefulSet")
        ),
        with_defaults=True,
    )
)
