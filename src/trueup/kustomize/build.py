"""Builds a kustomization: gathers, generates, transforms, in kustomize's order.

Called through the package by renderers, commands and the Flux dialect. A tree of files and a folder go in, objects leave.
Source: ``krusty`` and ``kusttarget`` of kustomize's API, version 5.8.1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trueup.kube.names import Object
from trueup.kustomize import kustomization, origins
from trueup.kustomize.filters import labels, names, references, sorting, variables
from trueup.kustomize.kustomization import Kustomization
from trueup.kustomize.loading import Files, Loader, confirm_folder
from trueup.kustomize.options import Built, Options
from trueup.kustomize.problem import about
from trueup.kustomize.reading import check
from trueup.kustomize.resource import LOCAL_CONFIG, ORIGIN, TRANSFORMATIONS, Resource
from trueup.kustomize.resources import Resources
from trueup.kustomize.scalars import settle
from trueup.kustomize.session import Session
from trueup.kustomize.steps import OWN_LABELS
from trueup.kustomize.target import Accumulator, Target

_MANAGED_BY = {"app.kubernetes.io/managed-by": "kustomize-v5.8.1"}


def build(
    files: Files,
    path: str,
    options: Options | None = None,
    *,
    given: Mapping[str, Any] | None = None,
    given_path: str = "",
) -> Built:
    """The objects of the kustomization in a folder. ``given`` stands in for what its file holds. Raises `KustomizeProblem`."""
    options = options or Options()
    root = "/".join(part for part in path.split("/") if part not in ("", "."))
    file = None
    if given is not None:
        file = kustomization.of_value(dict(given), given_path, root, empty_allowed=options.empty_allowed)
    confirm_folder(files, root, "must build at directory")
    loader = Loader(files, root, restricted=options.restrict, remote=options.remote, fetch=options.fetch)
    if file is None and options.empty_allowed:
        place = kustomization.find(files, root)
        file = kustomization.read(loader.read(place), place, root, empty_allowed=True)
    session = Session(options)
    target = Target(session, loader, file=file)
    session.set_schema(target.file, loader)
    metadata = target.file.items("buildMetadata")
    target.origin = {} if metadata else None
    gathered = target.gather(Accumulator())
    _finish(gathered, target.file, session)
    return Built(
        [_finished(one, metadata) for one in gathered.resources],
        [(one.file, one.line) for one in gathered.resources],
        session.warnings,
    )


def _finish(gathered: Accumulator, file: Kustomization, session: Session) -> None:
    """What is done once, when everything is gathered: hashes, references, variables, order."""
    resources = gathered.resources
    names.add_hashes(resources)
    references.fix(resources, gathered.config.name_reference)
    with about(file.path, "vars"):
        unused = variables.resolve(resources, gathered.variables, gathered.config.var_reference)
    if unused:
        session.warnings.append(f"well-defined vars that were never replaced: {','.join(unused)}")
    resources.drop_empty()
    for one in resources:
        check(one)
    resources.items = [one for one in resources if one.texts("annotations").get(LOCAL_CONFIG, "false") == "false"]
    resources.check()
    _order(resources, file, session.options)
    if session.options.managed_by_label or "managedByLabel" in file.items("buildMetadata"):
        labels.set_entries(resources, _MANAGED_BY, OWN_LABELS)


def _order(resources: Resources, file: Kustomization, options: Options) -> None:
    wanted = file.fields.get("sortOptions")
    if wanted is not None:
        with about(file.path, "sortOptions"):
            sorting.sort(resources, wanted)
    elif options.order == "legacy":
        sorting.sort(resources, sorting.LEGACY)


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
    with about(resource.file, ""):
        obj: Object = settle(resource.body)
    return obj
