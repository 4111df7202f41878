"""Objects and files that configure a build, made up from a seed: plugins, field specs, schemas. Called by `made_overlays`."""

from __future__ import annotations

import json
from typing import Any

from tests.rooms.kustomize.made_fields import image, replacement
from tests.rooms.kustomize.made_objects import marks, maybe, name, text
from tests.rooms.kustomize.made_patches import KINDS, Folder, aimed, strategic


def plugin(f: Folder) -> str:
    """A builtin transformer as an object, in the field or in a file."""
    r = f.r
    specs = [
        {
            "path": r.choice(
                (
                    "metadata/labels",
                    "spec/template/metadata/labels",
                    "metadata/name",
                    "metadata/namespace",
                    "spec/replicas",
                )
            ),
            "create": maybe(r, 0.5),
        }
    ]
    config: dict[str, Any] = {"apiVersion": "builtin", "metadata": {"name": "plugin"}} | r.choice(
        (
            {"kind": "LabelTransformer", "labels": marks(r, 0) or {"l": "m"}, "fieldSpecs": specs},
            {
                "kind": "AnnotationsTransformer",
                "annotations": {"p": "q"},
                "fieldSpecs": [{"path": "metadata/annotations", "create": True}],
            },
            {"kind": "PrefixTransformer", "prefix": "pre-", "fieldSpecs": [{"path": "metadata/name"}]},
            {"kind": "SuffixTransformer", "suffix": "-suf", "fieldSpecs": [{"path": "metadata/name"}]},
            {
                "kind": "PrefixSuffixTransformer",
                "prefix": "p-",
                "suffix": "-s",
                "fieldSpecs": [{"path": "metadata/name"}],
            },
            {
                "kind": "NamespaceTransformer",
                "metadata": {"name": "n", "namespace": "moved"},
                "unsetOnly": maybe(r, 0.5),
                "setRoleBindingSubjects": r.choice(("allServiceAccounts", "defaultOnly", "none")),
                "fieldSpecs": [{"path": "metadata/namespace", "create": True}],
            },
            {"kind": "PatchTransformer", **aimed(f)},
            {
                "kind": "ReplicaCountTransformer",
                "replica": {"name": name(r), "count": 4},
                "fieldSpecs": [{"path": "spec/replicas", "create": True, "kind": "Deployment"}],
            },
            {
                "kind": "ImageTagTransformer",
                "imageTag": image(f),
                "fieldSpecs": [{"path": "spec/template/spec/containers[]/image"}],
            },
            {"kind": "ReplacementTransformer", "replacements": [replacement(f)]},
            {"kind": "PatchJson6902Transformer", "jsonOp": aimed(f)["patch"], "target": aimed(f)["target"]},
            {"kind": "PatchStrategicMergeTransformer", "patches": text(r, strategic(f))},
            {"kind": "HashTransformer"},
            {
                "kind": "ValueAddTransformer",
                "value": r.choice(("added", "")),
                "targets": [
                    {
                        "selector": {"kind": r.choice(KINDS)},
                        "notSelector": {"name": name(r)},
                        "fieldPath": r.choice(("metadata/namespace", "spec/path", "metadata/name")),
                        "filePathPosition": r.choice((0, 0, 1, 2)),
                    }
                ],
            },
            {"kind": "Unknown"}
            if maybe(r, 0.2)
            else {"kind": "PrefixTransformer", "prefix": "q", "fieldSpecs": [{"path": "metadata/name"}]},
        )
    )
    if maybe(r, 0.7):
        config["metadata"] = {"name": "plugin", **config["metadata"]}
    content = text(r, config)
    return content if maybe(r, 0.4) else f.write(content, "plugin")


def generator_plugin(f: Folder) -> str:
    """A builtin generator as an object."""
    config: dict[str, Any] = {
        "apiVersion": "builtin",
        "kind": f.r.choice(("ConfigMapGenerator", "SecretGenerator")),
        "metadata": {"name": name(f.r)},
        "literals": ["a=b"],
    }
    if maybe(f.r, 0.2):
        config = {
            "apiVersion": "builtin",
            "kind": "IAMPolicyGenerator",
            "metadata": {"name": "iam"},
            "cloud": f.r.choice(("gke", "gke", "other")),
            "kubernetesService": {"namespace": "k8s", "name": name(f.r)},
            "serviceAccount": {"name": "gsa", "projectId": "project"},
        }
    return f.write(text(f.r, config), "generator")


def configuration(f: Folder) -> str:
    """More field specs."""
    r = f.r
    found: dict[str, Any] = {}
    for field, value in (
        (
            "nameReference",
            [
                {
                    "kind": r.choice(("Secret", "ConfigMap", "Service")),
                    "version": "v1",
                    "fieldSpecs": [{"path": "spec/secretRef/name", "kind": "Widget"}],
                }
            ],
        ),
        ("images", [{"path": "spec/image", "kind": "Widget"}]),
        ("commonLabels", [{"path": "spec/more/labels", "create": True, "kind": "Widget"}]),
        ("namePrefix", [{"path": "metadata/name"}]),
        ("namespace", [{"path": "spec/ns", "kind": "Widget", "create": True}]),
        ("replicas", [{"path": "spec/replicas", "kind": "Gadget"}]),
        ("varReference", [{"path": "spec/deep/a/b", "kind": "Widget"}]),
    ):
        if maybe(r, 0.3):
            found[field] = value
    return f.write(text(r, found), "config")


def schema(f: Folder) -> str:
    """A CRD's OpenAPI definitions."""
    prop = {
        "x-kubernetes-object-ref-api-version": "v1",
        "x-kubernetes-object-ref-kind": "Secret",
        "x-kubernetes-object-ref-name-key": "name",
    }
    found = {
        "example.com/v1.Widget": {
            "Schema": {
                "properties": {
                    "apiVersion": {"type": "string"},
                    "kind": {"type": "string"},
                    "metadata": {"type": "object"},
                    "spec": {"$ref": "example.com/v1.Spec"},
                }
            },
            "Dependencies": [],
        },
        "example.com/v1.Spec": {"Schema": {"properties": {"secretRef": {"type": "object", **prop}}}},
    }
    return f.write(json.dumps(found), "crd", ".json")


def openapi(f: Folder) -> dict[str, Any]:
    """A schema by which the lists of one kind merge, or the version that is built in."""
    if maybe(f.r, 0.2):
        return {"version": f.r.choice(("v1.21.2", "v1.20.4"))}
    items = {"type": "array", "items": {"$ref": "#/definitions/v1.Item"}, "x-kubernetes-patch-merge-key": "name",
             "x-kubernetes-patch-strategy": "merge"}  # fmt: skip
    kind = {"group": "example.com", "kind": "Gadget", "version": "v1"}
    found = {
        "v1.Gadget": {
            "properties": {"spec": {"properties": {"items": items}, "type": "object"}},
            "type": "object",
            "x-kubernetes-group-version-kind": [kind],
        },
        "v1.Item": {"properties": {"name": {"type": "string"}}, "type": "object"},
    }
    return {"path": f.write(json.dumps({"definitions": found}), "openapi", ".json")}
