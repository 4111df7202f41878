"""Kustomizations made up from a seed: every field of the grammar, over objects of many kinds; some with a mistake.

Called by `test_made_overlays`.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from tests.rooms.kustomize.made_fields import (
    generator,
    generator_options,
    image,
    label_set,
    replacement,
    scale,
    variable,
)
from tests.rooms.kustomize.made_objects import ODD, marks, maybe, objects, stream, text
from tests.rooms.kustomize.made_patches import Folder, aimed, patch, strategic
from tests.rooms.kustomize.made_plugins import configuration, generator_plugin, openapi, plugin, schema
from tests.rooms.kustomize.trees import Memory
from trueup.kustomize import KustomizeProblem, build

Field = Callable[[Folder], Any]


def several(make: Field, most: int = 2) -> Field:
    """A list of entries."""
    return lambda f: [make(f) for _ in range(f.r.randrange(1, most + 1))]


FIELDS_OF: Mapping[str, tuple[float, Field]] = {
    "namespace": (0.3, lambda f: f.r.choice(("prod", "apps", "default"))),
    "namePrefix": (0.3, lambda f: f.r.choice(("dev-", "a.", "x"))),
    "nameSuffix": (0.2, lambda f: f.r.choice(("-v1", "-2", "x"))),
    "commonLabels": (0.15, lambda f: marks(f.r)),
    "labels": (0.25, several(label_set)),
    "commonAnnotations": (0.2, lambda f: marks(f.r, 0.2)),
    "images": (0.3, several(image)),
    "imageTags": (0.03, several(image, 1)),
    "replicas": (0.2, several(scale, 1)),
    "patches": (0.5, several(patch, 3)),
    "patchesStrategicMerge": (
        0.15,
        several(
            lambda f: text(f.r, strategic(f)) if maybe(f.r, 0.4) else f.write(stream(f.r, [strategic(f)]), "patch")
        ),
    ),
    "patchesJson6902": (0.1, several(lambda f: {**aimed(f)})),
    "configMapGenerator": (0.35, several(generator)),
    "secretGenerator": (0.2, several(lambda f: generator(f, secret=True))),
    "generatorOptions": (0.15, generator_options),
    "replacements": (0.25, several(replacement)),
    "vars": (0.12, several(variable)),
    "transformers": (0.12, several(plugin)),
    "generators": (0.06, several(generator_plugin, 1)),
    "validators": (0.02, several(plugin, 1)),
    "configurations": (0.08, several(configuration, 1)),
    "crds": (0.04, several(schema, 1)),
    "openapi": (0.04, openapi),
    "sortOptions": (
        0.1,
        lambda f: f.r.choice(
            (
                {"order": "fifo"},
                {"order": "legacy"},
                {
                    "order": "legacy",
                    "legacySortOptions": {"orderFirst": ["Secret", "Service"], "orderLast": ["Deployment"]},
                },
            )
        ),
    ),
    "buildMetadata": (
        0.1,
        lambda f: f.r.sample(["originAnnotations", "transformerAnnotations", "managedByLabel"], f.r.randrange(1, 4)),
    ),
}


def folder(
    r: Random, place: str, files: dict[str, str], bases: list[tuple[str, Folder]], *, component: bool = False
) -> Folder:
    """A kustomization over others."""
    made = Folder(r, place, files)
    fields: dict[str, Any] = {}
    if component or maybe(r, 0.6):
        kind = "Component" if component else "Kustomization"
        fields |= {"apiVersion": f"kustomize.config.k8s.io/{'v1alpha1' if component else 'v1beta1'}", "kind": kind}
    resources, components = [], []
    for base, inner in bases:
        up = "../" * len(place.split("/"))
        (components if base.startswith("part") else resources).append(f"{up}{base}")
        made.known += copy.deepcopy(inner.known)
    if not bases or maybe(r, 0.4):
        for _ in range(r.choice((1, 1, 2))):
            found = objects(r, r.randrange(1, 5))
            if component and maybe(r, 0.5):
                continue
            made.known += found
            if len(found) > 1 and maybe(r, 0.1):
                found = [{"apiVersion": "v1", "kind": "List", "items": found}]
            resources.append(made.write(stream(r, found), "objects"))
    r.shuffle(resources)
    if resources:
        fields["bases" if all(one.startswith("..") for one in resources) and maybe(r, 0.1) else "resources"] = resources
    if components:
        fields["components"] = components
    weight = r.choice((0.4, 0.8, 1.2))
    for field, (chance, make) in FIELDS_OF.items():
        if maybe(r, chance * weight):
            found = make(made)
            if found != [None]:
                fields[field] = found
    if maybe(r, 0.8):
        mend(r, fields, {**files, **TRIAL} if component else files, place)
    if maybe(r, 0.06):
        spoil(r, fields)
    names = list(fields)
    if maybe(r, 0.3):
        r.shuffle(names)
    content = text(r, {field: fields[field] for field in names})
    files[f"{place}/{r.choice(('kustomization.yaml',) * 8 + ('kustomization.yml', 'Kustomization'))}"] = content
    return made


TRIAL = {"trial/kustomization.yaml": "resources: [../base]\ncomponents: [../part]\n"}
"""What shows whether a component builds."""


def mend(r: Random, fields: dict[str, Any], files: Mapping[str, str], place: str) -> None:
    """Leaves fields out until the kustomization builds: most of what is made up contradicts itself somewhere."""
    droppable = [field for field in fields if field not in ("apiVersion", "kind", "resources", "bases", "components")]
    r.shuffle(droppable)
    while droppable and not builds({**files, f"{place}/kustomization.yaml": json.dumps(fields)}, place):
        del fields[droppable.pop()]


def builds(files: Mapping[str, str], place: str) -> bool:
    """Whether it does here; whether it does there, too, is the question of the test."""
    try:
        build(Memory(files), "trial" if TRIAL.keys() <= files.keys() else place)
    except KustomizeProblem:
        return False
    return True


def spoil(r: Random, fields: dict[str, Any]) -> None:
    """A mistake."""
    field = r.choice(list(fields) or ["x"])
    wrong = r.choice(("rename", "type", "drop", "add", "inner"))
    if wrong == "rename":
        fields[field + "s"] = fields.pop(field, None)
    elif wrong == "type":
        fields[field] = r.choice((1, "x", [1], {"a": "b"}, None, [None], ["nosuch.yaml"], [{"bad": 1}], True))
    elif wrong == "drop":
        fields.pop(field, None)
    elif wrong == "add":
        fields["resources"] = [
            *(fields.get("resources") or []),
            r.choice(("nosuch.yaml", "../nosuch", ".", "..", "", "/etc/hosts", "a/../b")),
        ]
    elif isinstance(fields.get(field), list) and fields[field] and isinstance(fields[field][0], dict):
        entry = fields[field][0]
        key = r.choice(list(entry))
        entry[key] = r.choice((None, 1, [1], {"x": 1}, "", ODD[r.randrange(len(ODD))]))


def overlay(seed: int) -> tuple[dict[str, str], str]:
    """The files of a repository, and the folder to build."""
    r = Random(seed)
    files: dict[str, str] = {}
    base = folder(r, "base", files, [])
    under = [("base", base)]
    if maybe(r, 0.25):
        under.append(("other", folder(r, "other", files, [])))
    if maybe(r, 0.25):
        under.append(("part", folder(r, "part", files, [], component=True)))
    if maybe(r, 0.15):
        return files, "base"
    top = folder(r, "top", files, under)
    if maybe(r, 0.25):
        folder(r, "more/up", files, [("top", top)])
        return files, "more/up"
    return files, "top"


def shown(files: Mapping[str, str]) -> str:
    """A tree as text, for people."""
    return "".join(f"--- {path}\n{content}" for path, content in files.items())
