"""The fields of a kustomization that change objects, as steps in the order that kustomize carries them out.

Called by `target`. A kustomization and the field specs in force go in, `Step` values leave.
Source: ``kusttarget_configplugin`` of kustomize's API.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from trueup.kube.documents import dump
from trueup.kustomize import plugins
from trueup.kustomize.fieldspecs import Config, FieldSpec, Specs, merge_specs
from trueup.kustomize.filters import images, labels, names, namespaces, replacements, replicas
from trueup.kustomize.kustomization import Kustomization
from trueup.kustomize.origins import Origin, of_builtin
from trueup.kustomize.plugins import Step, Work, Workshop
from trueup.kustomize.problem import KustomizeProblem, about, within
from trueup.kustomize.resources import Resources

OWN_LABELS: Specs = (FieldSpec("metadata/labels", create=True),)
"""The labels of an object itself."""


@dataclass(frozen=True, slots=True)
class Steps:
    """Makes the steps of one kustomization."""

    file: Kustomization
    shop: Workshop
    config: Config
    origin: Origin | None

    def all(self) -> list[Step]:
        """Every field as configured steps."""
        found = [*self._patches(), *self._names(), *self._marks(), *self._json_patches(), *self._values()]
        return [
            Step(placed(work, self.file.path, field), builtin_origin(self.origin, self.file, kind))
            for kind, field, work in found
        ]

    def _patches(self) -> Iterator[tuple[str, str, Work]]:
        kind, field, paths = "PatchStrategicMergeTransformer", "patchesStrategicMerge", "patchesStrategicMerge"
        if self.file.items(paths):
            yield (
                kind,
                field,
                self._configured(kind, field, plugins.strategic_patches, {"paths": self.file.items(paths)}),
            )
        for entry in self.file.items("patches"):
            yield "PatchTransformer", "patches", self._configured("PatchTransformer", "patches", plugins.patch, entry)

    def _names(self) -> Iterator[tuple[str, str, Work]]:
        config = self.config
        namespace, prefix, suffix = (self.file.text(field) for field in ("namespace", "namePrefix", "nameSuffix"))
        if namespace:
            yield (
                "NamespaceTransformer",
                "namespace",
                lambda found: namespaces.set_namespace(found, namespace, config.namespace),
            )
        if prefix:
            yield (
                "PrefixTransformer",
                "namePrefix",
                lambda found: names.add_affix(found, prefix, config.name_prefix, before=True),
            )
        if suffix:
            yield (
                "SuffixTransformer",
                "nameSuffix",
                lambda found: names.add_affix(found, suffix, config.name_suffix, before=False),
            )

    def _marks(self) -> Iterator[tuple[str, str, Work]]:
        for pairs, specs in self._label_sets():
            yield "LabelTransformer", "labels", _entries(pairs, specs)
        annotations = self.file.map("commonAnnotations")
        if annotations:
            yield "AnnotationsTransformer", "commonAnnotations", _entries(annotations, self.config.common_annotations)

    def _label_sets(self) -> list[tuple[Mapping[str, str], Specs]]:
        sets: list[tuple[Mapping[str, str], Specs]] = []
        entries, common = self.file.items("labels"), self.file.map("commonLabels")
        with about(self.file.path, "labels"), within("failed to merge labels"):
            for entry in entries:
                sets.append((entry.get("pairs") or {}, self._label_specs(entry)))
        if entries or common:
            sets.append((common, self.config.common_labels))
        return sets

    def _label_specs(self, entry: Mapping[str, Any]) -> Specs:
        """Where the pairs of an entry go. ``includeVolumeClaimTemplates`` came after 5.8.1, where templates of claims are
        templates like others: an entry that says something of it is read as later versions read it."""
        config = self.config
        specs = merge_specs(tuple(FieldSpec.of(spec) for spec in entry.get("fields") or ()), config.labels)
        if entry.get("includeSelectors"):
            return merge_specs(specs, config.common_labels)
        claims = entry.get("includeVolumeClaimTemplates")
        if entry.get("includeTemplates"):
            templates = config.template_labels
            if claims is not None:
                templates = tuple(spec for spec in templates if spec not in config.volume_claim_template_labels)
            with within("failed to merge template fieldSpec"):
                specs = merge_specs(specs, templates)
        if claims:
            with within("failed to merge volumeClaimTemplate fieldSpec"):
                specs = merge_specs(specs, config.volume_claim_template_labels)
        return merge_specs(specs, OWN_LABELS)

    def _json_patches(self) -> Iterator[tuple[str, str, Work]]:
        kind, field = "PatchJson6902Transformer", "patchesJson6902"
        for entry in self.file.items(field):
            fields = {"target": entry.get("target"), "path": entry.get("path"), "jsonOp": entry.get("patch")}
            yield kind, field, self._configured(kind, field, plugins.json_patch, fields)

    def _values(self) -> Iterator[tuple[str, str, Work]]:
        for entry in self.file.items("replicas"):
            yield "ReplicaCountTransformer", "replicas", _replica(entry, self.config.replicas)
        changed = self.file.items("images")
        groups = [changed] if self.origin is None else [[entry] for entry in changed]
        for group in groups if changed else ():
            yield "ImageTagTransformer", "images", _images(group, self.config.images)
        if self.file.items("replacements"):
            with about(self.file.path, "replacements"):
                entries = plugins.load_replacements(self.file.items("replacements"), self.shop.loader)
            yield "ReplacementTransformer", "replacements", lambda found: replacements.apply(found, entries)

    def _configured(
        self, kind: str, field: str, make: Callable[[Mapping[str, Any], Workshop], Work], fields: Mapping[str, Any]
    ) -> Work:
        with about(self.file.path, field):
            try:
                return make(fields, self.shop)
            except KustomizeProblem as problem:
                shown = dump(_without_empty(fields))
                raise problem.under(f"trouble configuring builtin {kind} with config: `\n{shown}`") from None


def _without_empty(fields: Mapping[str, Any]) -> dict[str, Any]:
    """As Go prints a struct whose fields say ``omitempty``."""
    inner = {key: _without_empty(value) if isinstance(value, dict) else value for key, value in fields.items()}
    return {key: value for key, value in inner.items() if value or isinstance(value, dict)}


def placed(work: Work, path: str, field: str) -> Work:
    """A step whose problems know the file and field that it comes from."""

    def doing(resources: Resources) -> None:
        with about(path, field):
            work(resources)

    return doing


def builtin_origin(origin: Origin | None, file: Kustomization, kind: str) -> Origin | None:
    """What a field of a kustomization notes on the objects that it makes or changes."""
    return None if origin is None else of_builtin(origin, file.path.rpartition("/")[2], kind)


def _entries(pairs: Mapping[str, str], specs: Specs) -> Work:
    return lambda resources: labels.set_entries(resources, pairs, specs)


def _replica(entry: Mapping[str, Any], specs: Specs) -> Work:
    return lambda resources: replicas.set_replicas(resources, entry, specs)


def _images(entries: list[Any], specs: Specs) -> Work:
    return lambda resources: images.set_images(resources, entries, specs)
