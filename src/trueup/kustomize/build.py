"""Builds a kustomization: gathers, generates, transforms, in kustomize's order.

Called through the package by renderers, commands and the Flux dialect. A tree of files and a folder go in, objects leave.
Source: ``kusttarget`` and the accumulator of kustomize's API, version 5.8.1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trueup.kube.documents import YamlProblem, dump, parse_one
from trueup.kube.names import Object
from trueup.kustomize import generators, kustomization, origins, plugins
from trueup.kustomize.crds import config_from
from trueup.kustomize.fieldspecs import DEFAULTS, EMPTY, Config, FieldSpec, Specs, config_of, merge_specs
from trueup.kustomize.filters import images, labels, names, namespaces, references, replacements, replicas, sorting
from trueup.kustomize.filters import variables as vars_filter
from trueup.kustomize.filters.variables import Variable
from trueup.kustomize.kustomization import Kustomization
from trueup.kustomize.loading import Files, Loader, confirm_folder, is_remote
from trueup.kustomize.merge_keys import Schemas
from trueup.kustomize.options import Built, HelmChart, Options
from trueup.kustomize.origins import Origin
from trueup.kustomize.plugins import Step, Work, Workshop
from trueup.kustomize.problem import KustomizeProblem, about, within
from trueup.kustomize.reading import resources as read_resources
from trueup.kustomize.resource import LOCAL_CONFIG, ORIGIN, TRANSFORMATIONS, Resource
from trueup.kustomize.resources import Resources
from trueup.kustomize.scalars import copy, is_empty, settle, text_of

_MANAGED_BY = "app.kubernetes.io/managed-by"
_VERSION = "kustomize-v5.8.1"
_OWN_LABELS: Specs = (FieldSpec("metadata/labels", create=True),)


def build(
    files: Files,
    path: str,
    options: Options | None = None,
    *,
    given: Mapping[str, Any] | None = None,
    given_path: str = "",
) -> Built:
    """The objects of the kustomization in a folder. ``given`` stands in for what its file holds. Raises `KustomizeProblem`."""
    root = "/".join(part for part in path.split("/") if part not in ("", "."))
    file = kustomization.of_value(dict(given), given_path, root) if given is not None else None
    return _Build(files, root, options or Options(), file).run()


class _Accumulator:
    """Objects and the rules for changing them, gathered so far."""

    __slots__ = ("config", "resources", "variables")

    def __init__(self) -> None:
        self.resources = Resources()
        self.config: Config = EMPTY
        self.variables: dict[str, Variable] = {}

    def merge(self, other: _Accumulator) -> None:
        self.resources.append_all(other.resources)
        self.config = self.config.merged(other.config)
        vars_filter.add(self.variables, other.variables.values())


class _Build:
    """One build from its first folder on: what all its targets share."""

    def __init__(self, files: Files, root: str, options: Options, file: Kustomization | None) -> None:
        self.options, self.file = options, file
        confirm_folder(files, root, "must build at directory")
        self.loader = Loader(files, root, restricted=options.restrict, remote=options.remote)
        self.schemas = Schemas()
        self.schema_set = False
        self.warnings: list[str] = []

    def run(self) -> Built:
        target = _Target(self, self.loader, file=self.file)
        self.set_schema(target)
        metadata = target.file.items("buildMetadata")
        target.origin = {} if metadata else None
        gathered = target.gather(_Accumulator())
        resources = gathered.resources
        names.add_hashes(resources)
        references.fix(resources, gathered.config.name_reference)
        unused = vars_filter.resolve(resources, gathered.variables, gathered.config.var_reference)
        if unused:
            self.warnings.append(f"well-defined vars that were never replaced: {','.join(unused)}")
        resources.items = [one for one in resources if one.texts("annotations").get(LOCAL_CONFIG, "false") == "false"]
        self._order(resources, target.file)
        if self.options.managed_by_label or "managedByLabel" in metadata:
            labels.set_entries(resources, {_MANAGED_BY: _VERSION}, _OWN_LABELS)
        return Built(
            [_finished(one, metadata) for one in resources],
            [(one.file, one.line) for one in resources],
            self.warnings,
        )

    def _order(self, resources: Resources, file: Kustomization) -> None:
        options = file.fields.get("sortOptions")
        if options is not None:
            with about(file.path, "sortOptions"):
                sorting.sort(resources, options)
        elif self.options.order == "legacy":
            sorting.sort(resources, sorting.LEGACY)

    def set_schema(self, target: _Target) -> None:
        """Takes the schema of the outermost kustomization that names one."""
        wanted = target.file.map("openapi")
        if self.schema_set or not wanted:
            return
        with about(target.file.path, "openapi"):
            if "path" in wanted:
                data = target.loader.load(wanted["path"])
                if "version" in wanted:
                    raise KustomizeProblem("builtin version and custom schema provided, cannot use both")
                self.schemas = Schemas(_definitions(data, wanted["path"]), alone=target.loader is self.loader)
                self.schema_set = True
            elif wanted.get("version"):
                if wanted["version"] != "v1.21.2":
                    raise KustomizeProblem("the specified OpenAPI version is not built in")
                self.schema_set = True


def _definitions(data: bytes, path: str) -> Mapping[str, Any]:
    try:
        value = parse_one(data, path)
    except YamlProblem as problem:
        raise KustomizeProblem(str(problem), path=path, line=problem.line) from None
    found = value.get("definitions") if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def _finished(resource: Resource, metadata: Sequence[str]) -> Object:
    """The object as JSON, without notes but those that ``buildMetadata`` asks for."""
    resource.finish_annotations()
    extra = {}
    if "originAnnotations" in metadata and resource.origin is not None:
        extra[ORIGIN] = origins.text(resource.origin)
    if "transformerAnnotations" in metadata and resource.transformations:
        extra[TRANSFORMATIONS] = origins.texts(resource.transformations)
    if extra:
        resource.set_texts("annotations", {**resource.texts("annotations"), **extra})
    obj: Object = settle(resource.body)
    return obj


class _Target:
    """One kustomization of a build."""

    def __init__(
        self, build: _Build, loader: Loader, *, origin: Origin | None = None, file: Kustomization | None = None
    ) -> None:
        self.build, self.loader, self.origin = build, loader, origin
        self.helm_namespace = ""
        if file is None:
            path = kustomization.find(loader.files, loader.root)
            file = kustomization.read(loader.read(path), path, loader.root)
        self.file = file
        build.warnings += self.file.warnings
        self.shop = Workshop(loader, build.schemas, self._render_chart)

    @property
    def file_name(self) -> str:
        return self.file.path.rpartition("/")[2]

    # --- gathering -------------------------------------------------------------------------------------------------

    def gather(self, into: _Accumulator) -> _Accumulator:
        """Everything of this kustomization, changed as it says. Components work on what their parent has so far."""
        with about(self.file.path, "resources"), within("accumulating resources"):
            self._resources(into, self.file.items("resources"), "resources")
        into.config = into.config.merged(self._configurations())
        with about(self.file.path, "crds"):
            into.config = into.config.merged(self._crds())
        self._generate(into)
        with about(self.file.path, "components"), within("accumulating components"):
            into = self._components(into)
        self.shop = Workshop(self.loader, self.build.schemas, self._render_chart)
        steps = [*self._builtin_steps(into.config), *self._steps("transformers")]
        into.resources.forget_ids()
        for step in steps:
            step.work(into.resources)
            origins.mark_transformed(into.resources, step.origin)
            into.resources.drop_empty()
        self._validate(into)
        with about(self.file.path, "vars"):
            self._variables(into)
        return into

    def _resources(self, into: _Accumulator, paths: Sequence[str], field: str) -> None:
        for path in paths:
            try:
                self._file(into, path)
            except KustomizeProblem as file_problem:
                try:
                    loader = self.loader.enter(path)
                except KustomizeProblem as problem:
                    if file_problem.malformed:
                        raise file_problem from None
                    place = file_problem if file_problem.line else problem
                    wrapped = problem.under(f"accumulation err='{file_problem.message}'")
                    wrapped.path, wrapped.line = (place.path, place.line) if place.line else ("", 0)
                    raise wrapped from None
                with within(f"accumulation err='{file_problem.message}'"):
                    self._directory(into, loader, path, component=False)

    def _file(self, into: _Accumulator, path: str) -> None:
        if is_remote(path) and self.loader.remote is not None:
            found = self._remote_file(path)
        else:
            with within(f"accumulating resources from '{path}'"):
                found = self._read(path)
        if self.origin is not None:
            for resource in found:
                resource.origin = origins.appended(self.origin, path)
        with within(f"merging resources from '{path}'"):
            into.resources.append_all(found)

    def _read(self, path: str) -> list[Resource]:
        full = self.loader.path(path)
        cache = self.build.options.documents
        digest = self.loader.digest(full) if cache is not None else ""
        try:
            found = read_resources(self.loader.read(full), full, digest=digest, cache=cache)
        except KustomizeProblem as problem:
            raise plugins.in_file(problem, path) from None
        for resource in found:
            _forget_notes(resource)
        _unique(found)
        return found

    def _remote_file(self, path: str) -> list[Resource]:
        assert self.loader.remote is not None
        files, inside = self.loader.remote(path)
        if files.kind(inside) != "file":
            raise KustomizeProblem(f"accumulating resources from '{path}': URL is a git repository", path=path)
        return read_resources(files.read(inside), path)

    def _directory(self, into: _Accumulator, loader: Loader, path: str, *, component: bool) -> None:
        origin = origins.appended(self.origin, path) if self.origin is not None else None
        with within(f"couldn't make target for path '{loader.shown}'"):
            target = _Target(self.build, loader, origin=origin)
        target.helm_namespace = self.file.text("namespace") or self.helm_namespace
        if self.origin is not None:
            target.file = Kustomization(
                {**target.file.fields, "buildMetadata": self.file.items("buildMetadata")}, target.file.path
            )
        self.build.set_schema(target)
        target.shop = Workshop(loader, self.build.schemas, target._render_chart)
        if component and not target.file.is_component:
            raise KustomizeProblem(
                f"expected kind 'Component' for path '{loader.shown}' but got '{target.file.text('kind')}'",
                path=target.file.path, field="kind",
            )  # fmt: skip
        if not component and target.file.is_component:
            raise KustomizeProblem(
                f"expected kind != 'Component' for path '{loader.shown}'", path=target.file.path, field="kind"
            )
        with within(f"recursed accumulation of path '{loader.shown}'"):
            if component:
                target.gather(into)
                return
            found = target.gather(_Accumulator())
        with within(f"recursed merging from path '{loader.shown}'"):
            into.merge(found)

    def _components(self, into: _Accumulator) -> _Accumulator:
        for path in self.file.items("components"):
            try:
                loader = self.loader.enter(path)
            except KustomizeProblem as problem:
                raise _quoted("loader.New ", problem) from None
            try:
                self._directory(into, loader, path, component=True)
            except KustomizeProblem as problem:
                raise _quoted("accumulateDirectory: ", problem) from None
        return into

    def _configurations(self) -> Config:
        config = EMPTY
        for path in self.file.items("configurations"):
            with about(self.file.path, "configurations"):
                try:
                    value = parse_one(self.loader.load(path), path)
                    config = config.merged(config_of(value or {}))
                except YamlProblem as problem:
                    raise KustomizeProblem(str(problem), path=path, line=problem.line) from None
        return DEFAULTS.merged(config)

    def _crds(self) -> Config:
        config = EMPTY
        for path in self.file.items("crds"):
            with within(f"loading CRDs [{' '.join(self.file.items('crds'))}]"):
                config = config.merged(config_from(self.loader.load(path), path))
        return config

    # --- generating ------------------------------------------------------------------------------------------------

    def _generate(self, into: _Accumulator) -> None:
        shared = self.file.fields.get("generatorOptions")
        kinds = (("configMapGenerator", generators.config_map), ("secretGenerator", generators.secret))
        for field, make in kinds:
            kind = field[0].upper() + field[1:]
            for args in self.file.items(field):
                with about(self.file.path, field):
                    options = generators.merge_options(args.get("options"), shared)
                    self._absorb(into, [make(self.loader, args, options)], kind, self._builtin_origin(kind))
        for chart in self.file.items("helmCharts"):
            with about(self.file.path, "helmCharts"):
                kind = "HelmChartInflationGenerator"
                namespace = chart.get("namespace") or self.file.text("namespace") or self.helm_namespace
                chart = {**chart, **({"namespace": namespace} if namespace else {})}
                found = self._render_chart(self.loader, chart, self.file.map("helmGlobals"))
                self._absorb(into, found, kind, self._builtin_origin(kind))
        with about(self.file.path, "generators"), within("loading generator plugins"):
            configured = [(config, self._configured_generator(config)) for config in self._plugin_configs("generators")]
        for config, generate in configured:
            with about(self.file.path, "generators"):
                self._absorb(into, generate(), config.kind, origins.of_plugin(config))

    def _configured_generator(self, config: Resource) -> Any:
        with within("failed to load generator"):
            return plugins.generator(config, self.shop)

    def _absorb(self, into: _Accumulator, found: list[Resource], kind: str, origin: Origin | None) -> None:
        for resource in found:
            resource.file = resource.file or self.file.path
            origins.mark_generated(resource, origin)
            with within(f"merging from generator {kind} '{resource.name}'"):
                into.resources.absorb(resource)

    def _render_chart(self, loader: Loader, chart: Mapping[str, Any], homes: Mapping[str, Any]) -> list[Resource]:
        render = self.build.options.helm
        if render is None:
            raise KustomizeProblem(
                f"the chart '{chart.get('name') or ''}' cannot be rendered: helm is not enabled for this kustomization",
                path=self.file.path, field="helmCharts",
            )  # fmt: skip
        found = read_resources(render(HelmChart(loader.files, loader.root, chart, homes)), self.file.path)
        for resource in found:
            resource.helm = True
        return found

    def _builtin_origin(self, kind: str) -> Origin | None:
        return None if self.origin is None else origins.of_builtin(self.origin, self.file_name, kind)

    # --- transforming ----------------------------------------------------------------------------------------------

    def _builtin_steps(self, config: Config) -> list[Step]:
        """The fields of the kustomization as steps, in the order that kustomize carries them out."""
        file, shop = self.file, self.shop
        steps: list[Step] = []

        def add(kind: str, field: str, work: Work) -> None:
            steps.append(Step(_placed(work, file.path, field), self._builtin_origin(kind)))

        if file.items("patchesStrategicMerge"):
            add(
                "PatchStrategicMergeTransformer", "patchesStrategicMerge",
                self._configure(
                    "PatchStrategicMergeTransformer", "patchesStrategicMerge", plugins.strategic_patches,
                    {"paths": file.items("patchesStrategicMerge")},
                ),
            )  # fmt: skip
        for entry in file.items("patches"):
            add("PatchTransformer", "patches", self._configure("PatchTransformer", "patches", plugins.patch, entry))
        namespace = file.text("namespace")
        if namespace:
            add("NamespaceTransformer", "namespace", lambda r: namespaces.set_namespace(r, namespace, config.namespace))
        prefix, suffix = file.text("namePrefix"), file.text("nameSuffix")
        if prefix:
            add(
                "PrefixTransformer", "namePrefix", lambda r: names.add_affix(r, prefix, config.name_prefix, before=True)
            )
        if suffix:
            add(
                "SuffixTransformer",
                "nameSuffix",
                lambda r: names.add_affix(r, suffix, config.name_suffix, before=False),
            )
        for pairs, specs in self._label_sets(config):
            add("LabelTransformer", "labels", _entries(pairs, specs))
        annotations = file.map("commonAnnotations")
        if annotations:
            work = _entries(annotations, config.common_annotations)
            add("AnnotationsTransformer", "commonAnnotations", work)
        for entry in file.items("patchesJson6902"):
            fields = {"target": entry.get("target"), "path": entry.get("path"), "jsonOp": entry.get("patch")}
            work = self._configure("PatchJson6902Transformer", "patchesJson6902", plugins.json_patch, fields)
            add("PatchJson6902Transformer", "patchesJson6902", work)
        for entry in file.items("replicas"):
            add("ReplicaCountTransformer", "replicas", _replica(entry, config.replicas))
        changed = file.items("images")
        for at, _ in enumerate(changed if self.origin is not None else changed[:1]):
            some = changed[at : at + 1] if self.origin is not None else changed
            add("ImageTagTransformer", "images", _images(some, config.images))
        if file.items("replacements"):
            with about(file.path, "replacements"):
                entries = plugins.load_replacements(file.items("replacements"), shop.loader)
            add("ReplacementTransformer", "replacements", lambda r: replacements.apply(r, entries))
        return steps

    def _configure(self, kind: str, field: str, make: Any, fields: Mapping[str, Any]) -> Work:
        with about(self.file.path, field):
            try:
                work: Work = make(fields, self.shop)
            except KustomizeProblem as problem:
                shown = _shown(fields)
                raise problem.under(f"trouble configuring builtin {kind} with config: `\n{shown}`") from None
        return work

    def _label_sets(self, config: Config) -> list[tuple[Mapping[str, str], Specs]]:
        sets: list[tuple[Mapping[str, str], Specs]] = []
        entries, common = self.file.items("labels"), self.file.map("commonLabels")
        with about(self.file.path, "labels"), within("failed to merge labels"):
            for entry in entries:
                specs = merge_specs(tuple(FieldSpec.of(spec) for spec in entry.get("fields") or ()), config.labels)
                if entry.get("includeSelectors"):
                    specs = merge_specs(specs, config.common_labels)
                else:
                    if entry.get("includeTemplates"):
                        with within("failed to merge template fieldSpec"):
                            specs = merge_specs(specs, config.template_labels)
                    specs = merge_specs(specs, _OWN_LABELS)
                sets.append((entry.get("pairs") or {}, specs))
        if entries or common:
            sets.append((common, config.common_labels))
        return sets

    def _steps(self, field: str) -> list[Step]:
        """Transformers that are configured by objects in files, or in the field itself."""
        with about(self.file.path, field):
            return [
                Step(_placed(plugins.transformer(config, self.shop), self.file.path, field), origins.of_plugin(config))
                for config in self._plugin_configs(field)
            ]

    def _plugin_configs(self, field: str) -> Resources:
        inline, paths = _Accumulator(), []
        for entry in self.file.items(field):
            try:
                found = read_resources(entry.encode(), self.file.path)
                _unique(found)
            except KustomizeProblem:
                paths.append(entry)
                continue
            if self.origin is not None:
                for resource in found:
                    resource.origin = origins.appended(self.origin, self.file_name)
            inline.resources.append_all(found)
        self._resources(inline, paths, field)
        return inline.resources

    def _validate(self, into: _Accumulator) -> None:
        for step in self._steps("validators"):
            before = [settle(copy(one.body)) for one in into.resources]
            step.work(into.resources)
            after = [_without_validated_by(settle(copy(one.body))) for one in into.resources]
            if before != after:
                raise KustomizeProblem(
                    "validator shouldn't modify the resource map", path=self.file.path, field="validators"
                )

    def _variables(self, into: _Accumulator) -> None:
        variables = [Variable.of(entry) for entry in self.file.items("vars")]
        if variables:
            with within(f"merging vars [{' '.join(one.shown for one in variables)}]"):
                vars_filter.add(into.variables, variables, into.resources)


def _entries(pairs: Mapping[str, str], specs: Specs) -> Work:
    return lambda resources: labels.set_entries(resources, pairs, specs)


def _replica(entry: Mapping[str, Any], specs: Specs) -> Work:
    return lambda resources: replicas.set_replicas(resources, entry, specs)


def _images(entries: list[Any], specs: Specs) -> Work:
    return lambda resources: images.set_images(resources, entries, specs)


def _placed(work: Work, path: str, field: str) -> Work:
    def placed(resources: Resources) -> None:
        with about(path, field):
            work(resources)

    return placed


def _quoted(prefix: str, problem: KustomizeProblem) -> KustomizeProblem:
    """Components report what went wrong in quotes."""
    text = problem.message.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return KustomizeProblem(f'{prefix}"{text}"', path=problem.path, field=problem.field, line=problem.line)


def _unique(found: list[Resource]) -> None:
    Resources(found)


def _forget_notes(resource: Resource) -> None:
    """An object may carry the origin of an earlier build."""
    annotations = resource.body.get("metadata", {}).get("annotations")
    if isinstance(annotations, dict) and ORIGIN in annotations:
        try:
            value = parse_one(text_of(annotations[ORIGIN]))
        except YamlProblem:
            value = None
        resource.origin = value if isinstance(value, dict) and not is_empty(value) else None


def _without_validated_by(obj: Object) -> Object:
    marks = obj.get("metadata", {}).get("labels")
    if isinstance(marks, dict):
        marks.pop("validated-by", None)
        if not marks:
            del obj["metadata"]["labels"]
    return obj


def _shown(fields: Mapping[str, Any]) -> str:
    """A configuration as kustomize prints it in errors."""
    return dump({key: value for key, value in fields.items() if value})
