"""What may stand in each field of a kustomization, made up from a seed. Called by `made_overlays`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.rooms.kustomize.made_objects import (
    NAMESPACES,
    marks,
    maybe,
    name,
    text,
)
from tests.rooms.kustomize.made_patches import (
    KINDS,
    Folder,
    exactly,
    pointers,
    target,
)

Field = Callable[["Folder"], Any]


def generator(f: Folder, *, secret: bool = False) -> dict[str, Any]:
    """An entry of a generator."""
    r, kind = f.r, "Secret" if secret else "ConfigMap"
    have = [obj for obj in f.known if obj["kind"] == kind]
    taken = {obj["metadata"]["name"] for obj in have}
    fresh = [one for one in ("made", "made-too", "third", "fourth", "fifth", "sixth", "seventh") if one not in taken]
    out: dict[str, Any] = {"name": r.choice(fresh) if fresh and maybe(r, 0.98) else name(r)}
    if have and maybe(r, 0.4):
        meta = r.choice(have)["metadata"]
        out = {
            "name": meta["name"],
            "behavior": r.choice(("merge", "merge", "replace", "create" if maybe(r, 0.05) else "merge")),
        }
        if "namespace" in meta:
            out["namespace"] = meta["namespace"]
    else:
        f.known.append({"apiVersion": "v1", "kind": kind, "metadata": {"name": out["name"]}, "data": {"a": "b"}})
    if maybe(r, 0.7):
        out["literals"] = [
            r.choice(
                ("a=b", "k=v=w", "q='x'", 'd="y"', "e=", "HOST=h", "n=1", "x= y ", "é=☃", "K.E-y_=1", "bad", "=v")
                if maybe(r, 0.05)
                else ("a=b", "k=v=w", "HOST=h", "n=1", "e=")
            )
            for _ in range(r.randrange(1, 3))
        ]
        out["literals"] = sorted(set(out["literals"]))
    if maybe(r, 0.3):
        file = f.write(
            r.choice(("hello\n", "", "a\nb", "x" * 90, "with \\ back", "trailing \nspace", "é")), "data", ".txt"
        )
        out["files"] = [file if maybe(r, 0.6) else f"renamed={file}"]
    if maybe(r, 0.25):
        lines = r.sample(("A=1", "B=two words", "#c=d", "", "  C=3", "D='q'", "E=a=b", "F"), 3)
        out["envs" if maybe(r, 0.8) else "env"] = [f.write("\n".join(lines) + "\n", "vars", ".env")]
        if "env" in out:
            out["env"] = out["env"][0]
    if maybe(r, 0.02):
        out["behavior"] = r.choice(("create", "merge", "replace", "bogus"))
    if maybe(r, 0.05):
        out["namespace"] = r.choice(NAMESPACES)
    if maybe(r, 0.3):
        out["options"] = generator_options(f)
    if secret and maybe(r, 0.4):
        out["type"] = r.choice(("Opaque", "kubernetes.io/tls", "x"))
    return out


def generator_options(f: Folder) -> dict[str, Any]:
    """What is common to generated objects."""
    r = f.r
    out: dict[str, Any] = {}
    for field, value in (
        ("disableNameSuffixHash", maybe(r, 0.7)),
        ("immutable", maybe(r, 0.7)),
        ("labels", marks(r, 0)),
        ("annotations", marks(r, 0)),
    ):
        if maybe(r, 0.4):
            out[field] = value
    return out


def image(f: Folder) -> dict[str, Any]:
    """An entry of ``images``."""
    r = f.r
    named = r.choice(
        ("nginx", "redis", "registry.io:5000/team/web", "docker.io/library/db", "db", "n.*", "nosuch", "$(IMG)")
    )
    out: dict[str, Any] = {"name": named}
    for field, value in (
        ("newName", r.choice(("other", "r.io/x/y"))),
        ("newTag", r.choice(("v2", "1.2", "latest"))),
        ("digest", "sha256:" + "cd" * 32),
        ("tagSuffix", "-alpine"),
    ):
        if maybe(r, 0.4):
            out[field] = value
    return out


FIELDS = (
    "metadata.name",
    "metadata.namespace",
    "metadata.labels.app",
    "metadata.annotations.[example.com/x]",
    "spec.replicas",
    "kind",
    "spec.template.spec.containers.[name=main].image",
    "spec.template.spec.containers.0.image",
    "data.k",
    "data.HOST",
    "spec.template.spec.containers.*.image",
    "spec.template.spec.containers.[name=main].env.[name=A].value",
    "spec.deep.a.b",
    "spec.rules.0.host",
    "spec.template.metadata.labels.app",
    "spec.list",
    "spec.nosuch.x",
    "spec.list.-",
    "data.[key.txt]",
    "spec.template.spec.containers.[name=main].env.[name=NEW].value",
    "spec",
    "metadata.labels",
)


def field_of(f: Folder, obj: dict[str, Any], *, goal: bool = False) -> str:
    """A field as replacements name it; most that there is."""
    there = [path for path, one in pointers(obj) if not isinstance(one, (dict, list)) or maybe(f.r, 0.1)]
    if not there or maybe(f.r, 0.06):
        return f.r.choice(FIELDS[2:] if goal else FIELDS)
    parts = [part.replace("~1", "/").replace("~0", "~") for part in f.r.choice(there)[1:].split("/")]
    return ".".join(
        f"[{part}]" if "." in part else "*" if goal and part.isdigit() and maybe(f.r, 0.3) else part for part in parts
    )


def options(f: Folder, *, goal: bool) -> dict[str, Any]:
    """Options of a replacement."""
    r = f.r
    out: dict[str, Any] = {}
    if maybe(r, 0.6):
        out["delimiter"] = r.choice((":", "/", ".", "-"))
    if maybe(r, 0.6):
        out["index"] = r.choice((0, 0, 1, -1, 5)) if goal else r.choice((0, 0, 0, 1, -1))
    if goal and maybe(r, 0.5):
        out["create"] = maybe(r, 0.8)
    return out


def replacement(f: Folder) -> dict[str, Any]:
    """An entry of ``replacements``."""
    r, obj = f.r, f.some()
    source: dict[str, Any] = {"kind": obj["kind"], "name": obj["metadata"]["name"]}
    if maybe(r, 0.8):
        source["fieldPath"] = field_of(f, obj)
    if maybe(r, 0.15):
        source["options"] = options(f, goal=False)
    targets = []
    for _ in range(r.choice((1, 1, 2))):
        other = f.some()
        goal: dict[str, Any] = {"select": exactly(other) if maybe(r, 0.8) else target(f)}
        if maybe(r, 0.15):
            goal["reject"] = [target(f)]
        goal["fieldPaths"] = [field_of(f, other, goal=True) for _ in range(r.choice((1, 1, 2)))]
        if maybe(r, 0.3):
            goal["options"] = options(f, goal=True)
        targets.append(goal)
    entry: dict[str, Any] = {"source": source, "targets": targets}
    if maybe(r, 0.01):
        entry["sourceValue"] = "x"
    elif maybe(r, 0.1):
        del entry["source"]
        entry["sourceValue"] = r.choice(("x", "a:b", "1"))
    if maybe(r, 0.15):
        return {"path": f.write(text(r, entry if maybe(r, 0.5) else [entry]), "replacement")}
    return entry


def variable(f: Folder) -> dict[str, Any]:
    """An entry of ``vars``."""
    obj = f.some()
    out: dict[str, Any] = {
        "name": f.r.choice(("IMG", "HOST", "VAR", "A")),
        "objref": {"kind": obj["kind"], "name": obj["metadata"]["name"], "apiVersion": obj["apiVersion"]},
    }
    if maybe(f.r, 0.4):
        out["fieldref"] = {"fieldpath": f.r.choice(FIELDS)}
    return out


def scale(f: Folder) -> dict[str, Any] | None:
    """An entry of ``replicas``: of something that has them, most times."""
    have = [obj["metadata"]["name"] for obj in f.known if obj["kind"] in ("Deployment", "StatefulSet")]
    if not have and not maybe(f.r, 0.05):
        return None
    return {"name": f.r.choice(have) if have and maybe(f.r, 0.97) else name(f.r), "count": f.r.randrange(0, 9)}


def label_set(f: Folder) -> dict[str, Any]:
    """An entry of ``labels``."""
    out: dict[str, Any] = {"pairs": marks(f.r, 0.1) or {"x": "z"}}
    for field in ("includeSelectors", "includeTemplates"):
        if maybe(f.r, 0.3):
            out[field] = maybe(f.r, 0.7)
    if maybe(f.r, 0.1):
        out["fields"] = [{"path": "spec/more", "create": True, "kind": f.r.choice(KINDS)}]
    return out
