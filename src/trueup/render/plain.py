"""A folder of plain manifests: YAML, JSON and Jsonnet files.

Called by `renderer`. Options: ``{"recurse": bool, "include": glob, "exclude": glob, "jsonnet": {...}}``.
Source: Argo CD's directory applications, among them: files in the order of their paths, a marker that keeps a file out,
YAML that holds nothing like an object is passed over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from trueup.ports import Origin, RenderProblem, Tree
from trueup.render import globs, jsonnet
from trueup.render.objects import Found, objects, read_manifests, what_is_missing
from trueup.render.parsed import Parsed
from trueup.render.workers import Workers

_MANIFESTS = (".yaml", ".yml", ".json", ".jsonnet")
_SKIP_MARKER = b"+argocd:skip-file-rendering"
_LARGEST = 10 * 1024 * 1024
"""All YAML and JSON of a folder together: Argo CD's default, against memory bombs."""


def render(tree: Tree, path: str, options: Mapping[str, Any], workers: Workers, parsed: Parsed) -> list[Found]:
    """The objects of a folder."""
    out: list[Found] = []
    total = 0
    for file in manifests(tree, path, options):
        digest, data = tree.digest(file), tree.read(file)
        if _SKIP_MARKER in data:
            continue
        if file.endswith(".jsonnet"):
            out += jsonnet.render(tree, file, path, options.get("jsonnet") or {}, workers)
            continue
        total += len(data)
        if total > _LARGEST:
            raise RenderProblem(
                f"the manifests under {path or 'the root'} are larger than {_LARGEST} bytes together", path=file
            )
        out += _file(data, file, digest, parsed)
    return out


def manifests(tree: Tree, path: str, options: Mapping[str, Any]) -> Iterator[str]:
    """The files that count, in the order that a walk meets them."""
    include, exclude = str(options.get("include") or ""), str(options.get("exclude") or "")
    try:
        for pattern in (include, exclude):
            globs.compiled(pattern)
    except globs.GlobProblem as problem:
        raise RenderProblem(str(problem), field="source.directory") from None
    start = f"{path}/" if path else ""
    for file in _walk(tree, path, bool(options.get("recurse"))):
        relative = file[len(start) :]
        if exclude and globs.matches(exclude, relative):
            continue
        if not include or globs.matches(include, relative):
            yield file


def _walk(tree: Tree, path: str, recurse: bool) -> Iterator[str]:
    for name in tree.list(path):
        inside = f"{path}/{name}" if path else name
        if name.endswith(_MANIFESTS):
            try:
                kind = tree.kind(inside)
            except PermissionError:
                raise RenderProblem("a symbolic link leads out of the repository", path=inside) from None
            if kind == "file":
                yield inside
                continue
        if recurse and _is_folder(tree, inside):
            yield from _walk(tree, inside, recurse)


def _is_folder(tree: Tree, path: str) -> bool:
    """Links to folders are not walked into by the original; a loop would never end."""
    is_link = getattr(tree, "is_link", None)
    try:
        return tree.kind(path) == "folder" and not (is_link is not None and is_link(path))
    except PermissionError:
        return False


def _file(data: bytes, path: str, digest: str, parsed: Parsed) -> list[Found]:
    try:
        documents = parsed.read(digest, len(data), lambda: read_manifests(data, path))
        if path.endswith(".json") and len(documents) > 1:
            raise RenderProblem("only one object is allowed in a JSON file", path=path, line=documents[1].line)
        if documents and what_is_missing(documents[0].value) and not _looks_like_objects(data):
            return []
        return [
            found
            for document in documents
            for found in objects(document.value, Origin(path, document.line, "directory"))
        ]
    except RenderProblem:
        if path.endswith(".json") or _looks_like_objects(data):
            raise
        return []


def _looks_like_objects(data: bytes) -> bool:
    return b"apiVersion:" in data and b"kind:" in data and b"metadata:" in data
