"""One kustomization of a build: what it gathers, generates and changes.

Called by `build` for the first one, and by itself for those that it builds on. Source: ``kusttarget`` and the accumulator
of kustomize's API, version 5.8.1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trueup.kube.documents import YamlProblem, parse_one
from trueup.kube.names import Object
from trueup.kustomize import generators, kustomization, origins, plugins
from trueup.kustomize.crds import config_from
from trueup.kustomize.fieldspecs import DEFAULTS, EMPTY, Config, config_of
from trueup.kustomize.filters import variables as vars_filter
from trueup.kustomize.filters.variables import Variable
from trueup.kustomize.kustomization import Kustomization
from trueup.kustomize.loading import Loader, is_remote, is_remote_file
from trueup.kustomize.options import HelmChart
from trueup.kustomize.origins import Origin
from trueup.kustomize.plugins import Step, Workshop
from trueup.kustomize.problem import KustomizeProblem, about, within
from trueup.kustomize.reading import documents, resources_of
from trueup.kustomize.reading import resources as read_resources
from trueup.kustomize.remote import is_document, is_raw
from trueup.kustomize.resource import ORIGIN, Resource
from trueup.kustomize.resources import Resources
from trueup.kustomize.scalars import copy, is_empty, settle, text_of
from trueup.kustomize.session import Session
from trueup.kustomize.steps import Steps, builtin_origin, placed


class Accumulator:
    """Objects and the rules for changing them, gathered so far."""

    __slots__ = ("config", "resources", "variables")

    def __init__(self) -> None:
        self.resources = Resources()
        self.config: Config = EMPTY
        self.variables: dict[str, Variable] = {}

    def merge(self, other: Accumulator) -> None:
        """Takes in what was gathered elsewhere."""
        self.resources.append_all(other.resources)
        self.config = self.config.merged(other.config)
        vars_filter.add(self.variables, other.variables.values())


class Target:
    """One kustomization of a build."""

    def __init__(
        self, session: Session, loader: Loader, *, origin: Origin | None = None, file: Kustomization | None = None
    ) -> None:
        self.session, self.loader, self.origin = session, loader, origin
        self.helm_namespace = ""
        if file is None:
            path = kustomization.find(loader.files, loader.root)
            file = kustomization.read(loader.read(path), path, loader.root)
        self.file = file
        session.warnings += self.file.warnings
        self.shop = Workshop(loader, session.schemas, self._render_chart)

    @property
    def file_name(self) -> str:
        """The name of the kustomization file."""
        return self.file.path.rpartition("/")[2]

    # --- gathering -------------------------------------------------------------------------------------------------

    def gather(self, into: Accumulator) -> Accumulator:
        """Everything of this kustomization, changed as it says. Components work on what their parent has so far."""
        with about(self.file.path, "resources"), within("accumulating resources"):
            self._resources(into, self.file.items("resources"), "resources")
        into.config = into.config.merged(self._configurations())
        with about(self.file.path, "crds"):
            into.config = into.config.merged(self._crds())
        self._generate(into)
        with about(self.file.path, "components"), within("accumulating components"):
            into = self._components(into)
        self.shop = Workshop(self.loader, self.session.schemas, self._render_chart)
        steps = [
            *Steps(self.file, self.shop, into.config, self.origin).all(),
            *self._steps("transformers"),
        ]
        into.resources.forget_ids()
        for step in steps:
            step.work(into.resources)
            origins.mark_transformed(into.resources, step.origin)
            into.resources.drop_empty()
        self.session.note(into.resources)
        self._validate(into)
        with about(self.file.path, "vars"):
            self._variables(into)
        return into

    def _resources(self, into: Accumulator, paths: Sequence[str], field: str) -> None:
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

    def _file(self, into: Accumulator, path: str) -> None:
        if is_remote(path) and (self.loader.remote is not None or self.loader.fetch is not None):
            found = self._remote_file(path)
        else:
            with within(f"accumulating resources from '{path}'"):
                found = self._read(path)
        if self.origin is not None:
            for resource in found:
                resource.origin = origins.appended(self.origin, path)
        self.session.note(found)
        with within(f"merging resources from '{path}'"):
            into.resources.append_all(found)

    def _read(self, path: str) -> list[Resource]:
        full = self.loader.path(path)
        try:
            found = self._objects(full)
        except KustomizeProblem as problem:
            raise plugins.in_file(problem, path) from None
        for resource in found:
            _forget_notes(resource)
        _unique(found)
        return found

    def _objects(self, full: str) -> list[Resource]:
        """The objects of a file, which another build may have parsed already."""
        cache = self.session.options.documents
        if cache is None:
            return read_resources(self.loader.read(full), full)
        digest = self.loader.digest(full)
        known = cache.get(digest)
        if known is None:
            data = self.loader.read(full)
            known = documents(data, full)
            cache.keep(digest, known, len(data))
        return resources_of(known, full, shared=True)

    def _remote_file(self, path: str) -> list[Resource]:
        if is_remote_file(path) and is_document(path) and not is_raw(path):
            with within(f"accumulating resources from '{path}'"):
                return read_resources(self.loader.fetched(path), path)
        if self.loader.remote is None:
            raise KustomizeProblem(
                f"the remote base '{path}' cannot be had: remote bases are not fetched here", path=path
            )
        files, inside = self.loader.remote(path)
        if files.kind(inside) != "file":
            raise KustomizeProblem(f"accumulating resources from '{path}': URL is a git repository", path=path)
        return read_resources(files.read(inside), path)

    def _directory(self, into: Accumulator, loader: Loader, path: str, *, component: bool) -> None:
        origin = origins.appended(self.origin, path) if self.origin is not None else None
        with within(f"couldn't make target for path '{loader.shown}'"):
            target = Target(self.session, loader, origin=origin)
        target.helm_namespace = self.file.text("namespace") or self.helm_namespace
        if self.origin is not None:
            target.file = Kustomization(
                {**target.file.fields, "buildMetadata": self.file.items("buildMetadata")}, target.file.path
            )
        self.session.set_schema(target.file, loader)
        target.shop = Workshop(loader, self.session.schemas, target._render_chart)
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
            found = target.gather(into if component else Accumulator())
        with within(f"recursed merging from path '{loader.shown}'"):
            if component:
                Resources(into.resources)  # upstream moves them to a new accumulator, which refuses doubles
            else:
                into.merge(found)

    def _components(self, into: Accumulator) -> Accumulator:
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

    def _generate(self, into: Accumulator) -> None:
        shared = self.file.fields.get("generatorOptions")
        kinds = (("configMapGenerator", generators.config_map), ("secretGenerator", generators.secret))
        for field, make in kinds:
            kind = field[0].upper() + field[1:]
            for args in self.file.items(field):
                with about(self.file.path, field):
                    options = generators.merge_options(args.get("options"), shared)
                    self._absorb(
                        into, [make(self.loader, args, options)], kind, builtin_origin(self.origin, self.file, kind)
                    )
        for chart in self.file.items("helmCharts"):
            with about(self.file.path, "helmCharts"):
                kind = "HelmChartInflationGenerator"
                namespace = chart.get("namespace") or self.file.text("namespace") or self.helm_namespace
                chart = {**chart, **({"namespace": namespace} if namespace else {})}
                found = self._render_chart(self.loader, chart, self.file.map("helmGlobals"))
                self._absorb(into, found, kind, builtin_origin(self.origin, self.file, kind))
        with about(self.file.path, "generators"), within("loading generator plugins"):
            configured = [(config, self._configured_generator(config)) for config in self._plugin_configs("generators")]
        for config, generate in configured:
            with about(self.file.path, "generators"):
                self._absorb(into, generate(), config.kind, origins.of_plugin(config))

    def _configured_generator(self, config: Resource) -> Any:
        with within("failed to load generator"):
            return plugins.generator(config, self.shop)

    def _absorb(self, into: Accumulator, found: list[Resource], kind: str, origin: Origin | None) -> None:
        for resource in found:
            resource.file = resource.file or self.file.path
            origins.mark_generated(resource, origin)
            with within(f"merging from generator {kind} '{resource.name}'"):
                into.resources.absorb(resource)

    def _render_chart(self, loader: Loader, chart: Mapping[str, Any], homes: Mapping[str, Any]) -> list[Resource]:
        render = self.session.options.helm
        if render is None:
            raise KustomizeProblem(
                f"the chart '{chart.get('name') or ''}' cannot be rendered: helm is not enabled for this kustomization",
                path=self.file.path, field="helmCharts",
            )  # fmt: skip
        found = read_resources(render(HelmChart(loader.files, loader.root, chart, homes)), self.file.path)
        for resource in found:
            resource.helm = True
        return found

    # --- configured by objects ------------------------------------------------------------------------------------

    def _steps(self, field: str) -> list[Step]:
        """Transformers that are configured by objects in files, or in the field itself."""
        with about(self.file.path, field):
            return [
                Step(placed(plugins.transformer(config, self.shop), self.file.path, field), origins.of_plugin(config))
                for config in self._plugin_configs(field)
            ]

    def _plugin_configs(self, field: str) -> Resources:
        inline, paths = Accumulator(), []
        for entry in self.file.items(field):
            try:
                found = read_resources(entry.encode(), self.file.path)
                _unique(found)
            except KustomizeProblem:
                paths.append(entry)
                continue
            self.session.note(found)
            if self.origin is not None:
                for resource in found:
                    resource.origin = origins.appended(self.origin, self.file_name)
            with within(f"configuring external {'generator' if field == 'generators' else 'transformer'}"):
                inline.resources.append_all(found)
        self._resources(inline, paths, field)
        return inline.resources

    def _validate(self, into: Accumulator) -> None:
        for step in self._steps("validators"):
            before = [(settle(copy(one.body)), one.notes) for one in into.resources]
            step.work(into.resources)
            after = [(_without_validated_by(settle(copy(one.body))), one.notes) for one in into.resources]
            if before != after:
                raise KustomizeProblem(
                    "validator shouldn't modify the resource map", path=self.file.path, field="validators"
                )

    def _variables(self, into: Accumulator) -> None:
        variables = [Variable.of(entry) for entry in self.file.items("vars")]
        if variables:
            with within(f"merging vars [{' '.join(one.shown for one in variables)}]"):
                vars_filter.add(into.variables, variables, into.resources)


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
