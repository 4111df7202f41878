"""Kustomize's own transformers and generators, configured by the fields of a kustomization or by objects of their kind.

Called by `build`. A configuration goes in; a `Step` that works on resources, or a list of generated resources, leaves.
Source: the builtin plugins of kustomize's API. Plugins that are programs or containers are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from trueup.kube.documents import YamlProblem, dump, parse_one
from trueup.kustomize import generators
from trueup.kustomize.fieldspecs import FieldSpec, Specs
from trueup.kustomize.filters import images, labels, names, namespaces, patches, replacements, replicas, values
from trueup.kustomize.loading import Loader
from trueup.kustomize.merge_keys import Schemas
from trueup.kustomize.origins import Origin
from trueup.kustomize.problem import KustomizeProblem, quote, within
from trueup.kustomize.reading import resources as read_resources
from trueup.kustomize.resource import Resource
from trueup.kustomize.resources import Resources, Selector
from trueup.kustomize.scalars import copy, settle

Work = Callable[[Resources], None]


@dataclass(frozen=True, slots=True)
class Step:
    """One configured transformer; ``origin`` is noted on what it changes."""

    work: Work
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class Workshop:
    """What configuring needs: the files, the schemas, and how charts are rendered."""

    loader: Loader
    schemas: Schemas
    helm: Callable[[Loader, Mapping[str, Any], Mapping[str, Any]], list[Resource]]


def refuse_other(config: Resource) -> None:
    """Everything that is no builtin plugin."""
    if config.api_version != "builtin":
        raise KustomizeProblem(
            f"external plugins disabled; unable to load external plugin '{config.kind}'",
            path=config.file, line=config.line,
        )  # fmt: skip


def generator(config: Resource, shop: Workshop) -> Callable[[], list[Resource]]:
    """A configured generator. Raises `KustomizeProblem` for what is none."""
    refuse_other(config)
    make = _GENERATORS.get(config.kind)
    if make is None:
        if config.kind in _TRANSFORMERS:
            raise KustomizeProblem(f"plugin {config.original_id} not a generator", path=config.file)
        raise KustomizeProblem(f"unable to load builtin {config.gvk}", path=config.file)
    fields: dict[str, Any] = settle(copy(config.body))
    fields.setdefault("name", config.name)
    if config.namespace:
        fields.setdefault("namespace", config.namespace)
    return lambda: make(fields, shop)


def transformer(config: Resource, shop: Workshop) -> Work:
    """A configured transformer. Raises `KustomizeProblem` for what is none."""
    refuse_other(config)
    make = _TRANSFORMERS.get(config.kind)
    if make is None:
        if config.kind in _GENERATORS:
            raise KustomizeProblem(f"plugin {config.original_id} not a transformer", path=config.file)
        raise KustomizeProblem(f"unable to load builtin {config.gvk}", path=config.file)
    with within(f"plugin {config.original_id} fails configuration"):
        return make(settle(copy(config.body)), shop)


def _low(value: Mapping[str, Any]) -> dict[str, Any]:
    """Field names of these configurations are read in any case."""
    return {key.lower(): item for key, item in value.items() if item is not None}


def _specs(fields: Mapping[str, Any]) -> Specs:
    return tuple(FieldSpec.of(spec) for spec in fields.get("fieldspecs") or ())


# --- generators ----------------------------------------------------------------------------------------------------


def _iam_policy(fields: Mapping[str, Any], shop: Workshop) -> list[Resource]:
    """A service account for workload identity on GKE."""
    low = _low(fields)
    if low.get("cloud") != "gke":
        raise KustomizeProblem(f"cloud provider {low.get('cloud') or ''} not supported yet")
    service, account = _low(low.get("kubernetesservice") or {}), _low(low.get("serviceaccount") or {})
    metadata = {
        "annotations": {
            "iam.gke.io/gcp-service-account": (
                f"{account.get('name', '')}@{account.get('projectid', '')}.iam.gserviceaccount.com"
            )
        },
        "name": service.get("name", ""),
    }
    if service.get("namespace"):
        metadata["namespace"] = service["namespace"]
    return [Resource({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})]


def _helm(fields: Mapping[str, Any], shop: Workshop) -> list[Resource]:
    homes = {key: fields[key] for key in ("chartHome", "configHome") if key in fields}
    chart = {key: value for key, value in fields.items() if key not in ("apiVersion", "kind", "metadata", *homes)}
    return shop.helm(shop.loader, chart, homes)


_GENERATORS: Mapping[str, Callable[[Mapping[str, Any], Workshop], list[Resource]]] = {
    "ConfigMapGenerator": lambda fields, shop: [
        generators.config_map(shop.loader, _sources(fields), fields.get("options"))
    ],
    "SecretGenerator": lambda fields, shop: [generators.secret(shop.loader, _sources(fields), fields.get("options"))],
    "IAMPolicyGenerator": _iam_policy,
    "HelmChartInflationGenerator": _helm,
}


def _sources(fields: Mapping[str, Any]) -> dict[str, Any]:
    out = dict(fields)
    if out.get("env"):
        out["envs"] = [*(out.get("envs") or ()), out["env"]]
    return out


# --- transformers --------------------------------------------------------------------------------------------------


def _labels(fields: Mapping[str, Any], shop: Workshop) -> Work:
    low = _low(fields)
    return lambda resources: labels.set_entries(resources, low.get("labels") or {}, _specs(low))


def _annotations(fields: Mapping[str, Any], shop: Workshop) -> Work:
    low = _low(fields)
    return lambda resources: labels.set_entries(resources, low.get("annotations") or {}, _specs(low))


def _images(fields: Mapping[str, Any], shop: Workshop) -> Work:
    low = _low(fields)
    return lambda resources: images.set_images(resources, [low.get("imagetag") or {}], _specs(low))


def _namespace(fields: Mapping[str, Any], shop: Workshop) -> Work:
    low = _low(fields)
    name = str((fields.get("metadata") or {}).get("namespace") or "")
    mode = str(low.get("setrolebindingsubjects") or "")
    if mode and mode not in namespaces.SUBJECT_MODES:
        raise KustomizeProblem(
            f'invalid value "{mode}" for setRoleBindingSubjects: '
            'must be one of "defaultOnly", "none" or "allServiceAccounts"'
        )
    return lambda resources: namespaces.set_namespace(
        resources, name, _specs(low), subjects=mode, unset_only=bool(low.get("unsetonly"))
    )


def _affix(field: str, *, before: bool) -> Callable[[Mapping[str, Any], Workshop], Work]:
    def make(fields: Mapping[str, Any], shop: Workshop) -> Work:
        low = _low(fields)
        if "fieldspecs" not in low:
            raise KustomizeProblem("fieldSpecs is not expected to be nil")
        text, specs = str(low.get(field) or ""), _specs(low)
        return lambda resources: names.add_affix(resources, text, specs, before=before)

    return make


def _both_affixes(fields: Mapping[str, Any], shop: Workshop) -> Work:
    first, second = _affix("prefix", before=True)(fields, shop), _affix("suffix", before=False)(fields, shop)

    def work(resources: Resources) -> None:
        first(resources)
        second(resources)

    return work


def _replicas(fields: Mapping[str, Any], shop: Workshop) -> Work:
    low = _low(fields)
    return lambda resources: replicas.set_replicas(resources, low.get("replica") or {}, _specs(low))


def load_replacements(entries: list[Mapping[str, Any]], loader: Loader) -> list[Mapping[str, Any]]:
    """Replacements with those that stand in files of their own read in."""
    out: list[Mapping[str, Any]] = []
    for entry in entries:
        path = entry.get("path")
        if not path:
            out.append(entry)
            continue
        if entry.get("source") is not None or entry.get("targets"):
            raise KustomizeProblem("cannot specify both path and inline replacement", field="replacements")
        try:
            value = parse_one(loader.load(path), path)
        except YamlProblem as problem:
            raise KustomizeProblem(str(problem), path=path, line=problem.line) from None
        if not isinstance(value, (dict, list)):
            raise KustomizeProblem(
                f"unsupported replacement type encountered within replacement path: {path}", path=path
            )
        out += value if isinstance(value, list) else [value]
    return out


def _replacements(fields: Mapping[str, Any], shop: Workshop) -> Work:
    entries = load_replacements(_low(fields).get("replacements") or [], shop.loader)
    return lambda resources: replacements.apply(resources, entries)


def patch(fields: Mapping[str, Any], shop: Workshop) -> Work:
    """One entry of ``patches``."""
    inline, path = str(fields.get("patch") or "").strip(), str(fields.get("path") or "")
    if not inline and not path:
        raise KustomizeProblem(f"must specify one of patch and path in\n{dump(dict(fields))}", field="patches")
    if inline and path:
        raise KustomizeProblem(f"patch and path can't be set at the same time\n{dump(dict(fields))}", field="patches")
    if path:
        with within(f"failed to get the patch file from path({path})"):
            text = shop.loader.load(path)
    else:
        text = inline.encode()
    source = f"[path: {quote(path)}]" if path else f"[patch: {quote(inline)}]"
    read = patches.read(text, source, fields.get("target"), fields.get("options"))
    return lambda resources: patches.apply(resources, read, shop.schemas)


def strategic_patches(fields: Mapping[str, Any], shop: Workshop) -> Work:
    """``patchesStrategicMerge``: each entry is a patch, or else the path of one."""
    paths, inline = list(fields.get("paths") or ()), str(fields.get("patches") or "")
    if not paths and not inline:
        raise KustomizeProblem("empty file path and empty patch content", field="patchesStrategicMerge")
    read: list[Resource] = []
    for path in paths:
        try:
            read += read_resources(str(path).encode())
        except KustomizeProblem:
            read += _patch_file(shop.loader, str(path))
    if inline:
        read += read_resources(inline.encode())
    if not read:
        raise KustomizeProblem(
            f"patch appears to be empty; files=[{' '.join(map(str, paths))}], Patch={inline}",
            field="patchesStrategicMerge",
        )

    def work(resources: Resources) -> None:
        for one in read:
            patches.apply_to(resources, [resources.only(one.original_id)], one, shop.schemas)

    return work


def _patch_file(loader: Loader, path: str) -> list[Resource]:
    data = loader.load(path)
    try:
        return read_resources(data, loader.path(path))
    except KustomizeProblem as problem:
        raise in_file(problem, path) from None


def in_file(problem: KustomizeProblem, path: str) -> KustomizeProblem:
    """A YAML error with the file that it is in, as kustomize words it."""
    if problem.malformed:
        problem.message = f"{problem.message} in File: {path}"
        problem.args = (problem.message,)
    return problem


def json_patch(fields: Mapping[str, Any], shop: Workshop) -> Work:
    """One entry of ``patchesJson6902``."""
    target, path, inline = fields.get("target") or {}, str(fields.get("path") or ""), str(fields.get("jsonOp") or "")
    if not target.get("name"):
        raise KustomizeProblem("must specify the target name", field="patchesJson6902")
    if not path and not inline:
        raise KustomizeProblem("empty file path and empty jsonOp", field="patchesJson6902")
    if path and inline:
        raise KustomizeProblem("must specify a file path or jsonOp, not both", field="patchesJson6902")
    text = shop.loader.load(path) if path else inline.encode()
    if not text:
        raise KustomizeProblem(f"patch file '{path}' empty seems to be empty", path=path, field="patchesJson6902")
    operations = patches.read_operations(text)
    if not operations:
        raise KustomizeProblem(f"patch appears to be empty; file={path}, JsonOp={inline}", field="patchesJson6902")
    selector = Selector.of(target)

    def work(resources: Resources) -> None:
        for resource in resources.select(selector):
            patches.apply_operations(resource, operations)

    return work


def _values(fields: Mapping[str, Any], shop: Workshop) -> Work:
    value = str(fields.get("value") or "").strip() or shop.loader.root.rpartition("/")[2]
    targets = list(fields.get("targets") or ())
    path = str(fields.get("targetFilePath") or "")
    if path:
        more = parse_one(shop.loader.load(path), path)
        targets += (more or {}).get("targets") or ()
    if not targets:
        raise KustomizeProblem("must specify at least one target")
    return lambda resources: values.add_value(resources, value, targets)


_TRANSFORMERS: Mapping[str, Callable[[Mapping[str, Any], Workshop], Work]] = {
    "AnnotationsTransformer": _annotations,
    "HashTransformer": lambda fields, shop: names.add_hashes,
    "ImageTagTransformer": _images,
    "LabelTransformer": _labels,
    "NamespaceTransformer": _namespace,
    "PatchJson6902Transformer": json_patch,
    "PatchStrategicMergeTransformer": strategic_patches,
    "PatchTransformer": patch,
    "PrefixSuffixTransformer": _both_affixes,
    "PrefixTransformer": _affix("prefix", before=True),
    "SuffixTransformer": _affix("suffix", before=False),
    "ReplacementTransformer": _replacements,
    "ReplicaCountTransformer": _replicas,
    "ValueAddTransformer": _values,
}
