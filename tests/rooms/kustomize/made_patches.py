"""A kustomization in the making, and patches of its objects, made up from a seed. Called by `made_fields`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random
from typing import Any

from tests.rooms.kustomize.made_objects import IMAGES, NAMES, NAMESPACES, data, marks, maybe, name, scalar, stream, text

KINDS = ("Deployment", "StatefulSet", "Service", "ConfigMap", "Secret", "Ingress", "Widget", "Job")
PATTERNS = (*NAMES, "w.*", "web|db", ".*", "^web$", "[", "nosuch")


class Folder:
    """One kustomization in the making: its files, and the objects that it is known to hold."""

    def __init__(self, r: Random, place: str, files: dict[str, str]) -> None:
        self.r, self.place, self.files = r, place, files
        self.known: list[dict[str, Any]] = []
        self.count = 0

    def write(self, content: str, stem: str = "file", end: str = ".yaml") -> str:
        """A file beside the kustomization."""
        self.count += 1
        named = f"{stem}{self.count}{end}"
        self.files[f"{self.place}/{named}"] = content
        return named

    def some(self) -> dict[str, Any]:
        """One of its objects, or one that it may not have."""
        if self.known and not maybe(self.r, 0.02):
            return self.r.choice(self.known)
        return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name(self.r)}}


# --- what may stand in each field ----------------------------------------------------------------------------------


def target(f: Folder) -> dict[str, Any]:
    """A selector of a patch or a replacement."""
    r, obj = f.r, f.some()
    out: dict[str, Any] = {}
    if maybe(r, 0.7):
        out["kind"] = obj["kind"] if maybe(r, 0.8) else r.choice((*KINDS, "Deploy.*", "Deployment|StatefulSet"))
    if maybe(r, 0.5):
        out["name"] = obj["metadata"]["name"] if maybe(r, 0.6) else r.choice(PATTERNS)
    if maybe(r, 0.15):
        group, _, version = obj["apiVersion"].rpartition("/")
        out |= {"group": group, "version": version}
    if maybe(r, 0.1):
        out["namespace"] = r.choice((*NAMESPACES, ".*"))
    if maybe(r, 0.1):
        out[r.choice(("labelSelector", "annotationSelector"))] = r.choice(
            ("app=web", "app", "app in (web, db)", "!tier", "app==", "a=b=c")
        )
    return out


def exactly(obj: dict[str, Any]) -> dict[str, Any]:
    """The selector of one object, or of few more."""
    return {"kind": f"^{obj['kind']}$", "name": f"^{obj['metadata']['name'].replace('.', '[.]')}$"}


def strategic(f: Folder) -> dict[str, Any]:
    """A strategic merge patch of one of the objects."""
    r, obj = f.r, f.some()
    meta = {key: value for key, value in obj["metadata"].items() if key in ("name", "namespace")}
    out: dict[str, Any] = {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": meta}
    if maybe(r, 0.1):
        return {**out, "$patch": r.choice(("delete", "replace", "merge"))}
    if maybe(r, 0.4):
        meta[r.choice(("labels", "annotations"))] = {**marks(r), **({"app": None} if maybe(r, 0.2) else {})}
    spec = obj.get("spec") or {}
    if "template" in spec and maybe(r, 0.7):
        change: dict[str, Any] = {"name": r.choice(("main", "side", "new"))}
        for key, value in (
            ("image", r.choice(IMAGES)),
            ("env", [{"name": "A", "value": "patched"}, {"name": "B", "$patch": "delete"}]),
            ("ports", [{"containerPort": 80, "name": "http"}]),
            ("args", ["--x"]),
            ("resources", {"limits": {"cpu": 1}}),
            ("$patch", r.choice(("delete", "replace"))),
            ("command", None),
            ("volumeMounts", [{"mountPath": "/v", "readOnly": True}]),
            ("envFrom", []),
        ):
            if maybe(r, 0.2):
                change[key] = value
        podspec: dict[str, Any] = {"containers": [change]}
        if maybe(r, 0.1):
            podspec["containers"].append({"$patch": "replace"})
        if maybe(r, 0.2):
            podspec["$setElementOrder/containers"] = [{"name": "side"}, {"name": "main"}]
        if maybe(r, 0.2):
            podspec["volumes"] = r.choice(([{"name": "v", "emptyDir": {}}], [{"name": "v", "$patch": "delete"}], None))
        if maybe(r, 0.2):
            podspec["nodeSelector"] = {"x": scalar(r)}
        out["spec"] = {"template": {"spec": podspec}}
    elif "data" in obj or "stringData" in obj:
        out["data" if "data" in obj else "stringData"] = {**data(r), **({"k": None} if maybe(r, 0.3) else {})}
    elif maybe(r, 0.6):
        out["spec"] = r.choice(
            (
                {"replicas": 3},
                {"ports": [{"port": 80, "name": "http"}]},
                {"list": ["z"]},
                {"deep": {"a": {"c": scalar(r)}}},
                {"items": [{"name": "a", "v": 2}]},
                {"deep": None},
                {"selector": {"$patch": "replace", "x": "y"}},
                {},
                None,
                {"deep": {"a": {"$patch": "delete"}}},
                {"replicas": None},
                {"list": {"not": "a list"}},
            )
        )
    return out


PATHS = (
    "/metadata/labels",
    "/metadata/labels/app",
    "/metadata/annotations/example.com~1x",
    "/spec/replicas",
    "/spec",
    "/spec/template/spec/containers/0/image",
    "/spec/template/spec/containers/-",
    "/spec/template/spec/containers/1",
    "/data/k",
    "/metadata/name",
    "/metadata/namespace",
    "/spec/ports/0",
    "/spec/list/-",
    "/spec/list/0",
    "",
    "/spec/deep/a/b",
    "/spec/rules/0/host",
    "/subjects/0/name",
    "/nosuch/x",
    "/spec/template/metadata/labels/app",
)


def pointers(value: Any, start: str = "") -> Iterator[tuple[str, Any]]:
    """Every field of an object below its kind and name, and what it is."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in parts:
        path = f"{start}/{str(key).replace('~', '~0').replace('/', '~1')}"
        if path not in ("/apiVersion", "/kind", "/metadata", "/metadata/name", "/metadata/annotations"):
            yield path, inner
        yield from pointers(inner, path)


def operation(f: Folder, obj: dict[str, Any]) -> dict[str, Any]:
    """One operation of a JSON patch."""
    r = f.r
    there = list(pointers(obj)) or [("/spec", {})]
    path, now = r.choice(there)
    kind = r.choice(("add", "add", "replace", "replace", "remove", "test", "copy", "move"))
    if maybe(r, 0.06):
        return {"op": kind, "path": r.choice(PATHS), "value": scalar(r), "from": r.choice(PATHS)}
    if maybe(r, 0.04):
        return {"op": r.choice(("add", "replace", "remove")), "path": "/metadata/annotations", "value": {"all": "new"}}
    if kind == "add" and maybe(r, 0.6):
        holders = [("", obj), *((place, one) for place, one in there if isinstance(one, (dict, list)))]
        holder, one = r.choice(holders)
        path = f"{holder}/{r.choice(('-', '0') if isinstance(one, list) else ('added', 'x~1y'))}"
    out: dict[str, Any] = {"op": kind, "path": path}
    if kind in ("copy", "move"):
        out["path"], out["from"] = "/copied", path
    elif kind == "test":
        out["value"] = now
    elif kind != "remove":
        out["value"] = r.choice((scalar(r), {"a": "b"}, ["x"], {"name": "new", "image": "new"}, {}))
    return out


def json_patch(f: Folder, obj: dict[str, Any] | None = None) -> str:
    """A JSON patch as JSON or YAML."""
    operations = [operation(f, obj or f.some()) for _ in range(f.r.choice((1, 1, 1, 2, 3)))]
    return json.dumps(operations) if maybe(f.r, 0.3) else text(f.r, operations)


def aimed(f: Folder) -> dict[str, Any]:
    """An entry of ``patchesJson6902``."""
    obj = f.some()
    group, _, version = obj["apiVersion"].rpartition("/")
    goal = {
        "version": version,
        "kind": obj["kind"],
        "name": obj["metadata"]["name"],
        **({"group": group} if group else {}),
    }
    return {"target": goal, "patch": json_patch(f, obj)}


def patch(f: Folder) -> dict[str, Any]:
    """An entry of ``patches``."""
    r = f.r
    if maybe(r, 0.5):
        obj = f.some()
        out: dict[str, Any] = {"target": exactly(obj) if maybe(r, 0.8) else target(f)}
        content = json_patch(f, obj)
    else:
        out = {"target": target(f)} if maybe(r, 0.3) else {}
        count = 1 if out and maybe(r, 0.95) else r.choice((1, 1, 2))
        content = stream(r, [strategic(f) for _ in range(count)])
    out.update({"path": f.write(content, "patch")} if maybe(r, 0.3) else {"patch": content})
    if maybe(r, 0.1):
        kind = "allowNameChange" if "target" in out else r.choice(("allowNameChange", "allowKindChange"))
        out["options"] = {kind: maybe(r, 0.7)}
    return out
