"""What all kustomizations of one build share: options, the schema in force, warnings. Made by `build`, used by `target`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from trueup.kube.documents import YamlProblem, parse_one
from trueup.kustomize.kustomization import Kustomization
from trueup.kustomize.loading import Loader
from trueup.kustomize.merge_keys import Beside, Schemas, scope_known
from trueup.kustomize.options import Options
from trueup.kustomize.problem import KustomizeProblem, about
from trueup.kustomize.resource import Resource

_BUILT_IN = "v1.21.2"
"""The version of Kubernetes whose schema kustomize 5.8.1 carries."""


class Session:
    """One build, from its first folder on."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.schemas = Schemas()
        self.warnings: list[str] = []
        self._schema_set = False
        self._unknown_met = options.add_schemas

    def note(self, resources: Iterable[Resource]) -> None:
        """Objects were met: one of a kind that is not known by heart makes the built-in schema be read, though not yet."""
        if not self._schema_set and not self._unknown_met:
            self._unknown_met = any(not scope_known(one.api_version, one.kind) for one in resources)

    def _builtin(self) -> Beside:
        """Upstream reads its own schema late, so that definitions of a base may come before it, after it, or alone."""
        if self.options.add_schemas:
            return "last"
        return "first" if self.schemas.asked else "last" if self._unknown_met else "nothing"

    def set_schema(self, file: Kustomization, loader: Loader) -> None:
        """Takes the schema of the outermost kustomization that names one."""
        wanted = file.map("openapi")
        if self._schema_set or not wanted:
            return
        with about(file.path, "openapi"):
            if "path" in wanted:
                data = loader.load(wanted["path"])
                if "version" in wanted:
                    raise KustomizeProblem("builtin version and custom schema provided, cannot use both")
                self.schemas = Schemas(_definitions(data, wanted["path"]), builtin=self._builtin())
                self._schema_set = True
            elif wanted.get("version"):
                if wanted["version"] != _BUILT_IN:
                    raise KustomizeProblem("the specified OpenAPI version is not built in")
                self._schema_set = True


def _definitions(data: bytes, path: str) -> Mapping[str, Any]:
    try:
        value = parse_one(data, path)
    except YamlProblem as problem:
        raise KustomizeProblem(str(problem), path=path, line=problem.line) from None
    found = value.get("definitions") if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}
