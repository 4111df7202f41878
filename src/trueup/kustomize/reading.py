"""Files into resources: documents parsed, lists opened, what is no Kubernetes object refused.

Called by `build`, `plugins` and the patch filters. Bytes come in, `Resource` values leave. Source: kyaml's ``kio`` reader
and the resource factory of kustomize's API.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import yaml
from yaml._yaml import CParser
from yaml.events import StreamEndEvent

from trueup.kube.documents import Document, YamlProblem, parse
from trueup.kustomize.problem import KustomizeProblem
from trueup.kustomize.resource import Resource
from trueup.kustomize.scalars import DIALECT, copy, is_empty, is_null, text_of

_SEPARATOR = re.compile(r"\n---.*\n")


class Cache(Protocol):
    """Documents by the digest of their file; never changed once they are in."""

    def get(self, digest: str) -> Sequence[Document] | None: ...

    def keep(self, digest: str, documents: Sequence[Document], size: int) -> None: ...


def resources(data: bytes, path: str = "") -> list[Resource]:
    """The objects of a file. Raises `KustomizeProblem` when it is no YAML or holds something else."""
    return resources_of(documents(data, path), path)


def resources_of(documents: Sequence[Document], path: str, *, shared: bool = False) -> list[Resource]:
    """The objects in the documents of a file; copies, if others have the documents too."""
    found = [
        Resource(copy(value) if shared else value, path, document.line)
        for value, document in _unwrapped(documents)
        if not is_empty(value)
    ]
    for resource in found:
        check(resource)
    return _without_lists(found)


def documents(data: bytes, path: str) -> list[Document]:
    """The documents of a file."""
    if b"\r\n" in data:
        data = data.replace(b"\r\n", b"\n")
    _check_separators(data, path)
    try:
        found = parse(data, path, dialect=DIALECT)
    except YamlProblem as problem:
        raise _malformed(data, path, problem) from None
    for document in found:
        for twice in document.duplicates:
            raise KustomizeProblem(
                f"yaml: line {twice.line}: mapping key {_quoted(twice.key)} already defined",
                path=path,
                line=twice.line,
                malformed=True,
            )
    return found


def _check_separators(data: bytes, path: str) -> None:
    """Behind the dashes of a separator only a comment may stand."""
    if b"\n---" not in data:
        return
    for found in _SEPARATOR.finditer(data.decode("utf-8", "replace")):
        rest = found[0][4:].strip()
        if rest and not rest.startswith("#"):
            raise KustomizeProblem(f"invalid document separator: {found[0].strip()}", path=path)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _malformed(data: bytes, path: str, problem: YamlProblem) -> KustomizeProblem:
    """With the line that go-yaml would name: within its document, and where the trouble began."""
    for part in _SEPARATOR.split(data.decode("utf-8", "replace")):
        text = go_yaml_error(part, context_first=True)
        if text:
            return KustomizeProblem(f"MalformedYAMLError: {text}", path=path, line=problem.line, malformed=True)
    message = f"MalformedYAMLError: yaml: line {problem.line}: {problem.message}"
    return KustomizeProblem(message, path=path, line=problem.line, malformed=True)


def go_yaml_error(data: bytes | str, *, context_first: bool = False) -> str:
    """A syntax error as go-yaml words it, with its idea of the line; empty when there is none."""
    try:
        parser = CParser(data)
        while type(parser.get_event()) is not StreamEndEvent:
            pass
    except yaml.YAMLError as error:
        marks = [getattr(error, "problem_mark", None), getattr(error, "context_mark", None)]
        lines = [mark.line for mark in (reversed(marks) if context_first else marks) if mark and mark.line]
        line = lines[0] if lines else 0
        if isinstance(error, yaml.scanner.ScannerError) and line:
            line += 1
        text = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
        return f"yaml: line {line}: {text}" if line else f"yaml: {text}"
    return ""


def _unwrapped(documents: Sequence[Document]) -> list[tuple[Any, Document]]:
    """A stream of one ``List`` stands for its items."""
    if len(documents) == 1 and isinstance(documents[0].value, dict):
        value = documents[0].value
        if text_of(value.get("kind")) in ("List", "ResourceList") and ("items" in value or "functionConfig" in value):
            items = value.get("items")
            return [(item, documents[0]) for item in items] if isinstance(items, list) else []
    return [(document.value, document) for document in documents]


def check(resource: Resource) -> None:
    """Refuses what has no kind or no name."""
    obj = resource.obj
    if not isinstance(obj, dict):
        raise KustomizeProblem("missing Resource metadata", path=resource.file, line=resource.line)
    metadata = obj.get("metadata")
    if not isinstance(metadata, dict):
        metadata = {}
    if is_empty(obj.get("apiVersion")) and is_empty(obj.get("kind")) and not metadata:
        raise KustomizeProblem("missing Resource metadata", path=resource.file, line=resource.line)
    kind = text_of(obj.get("kind"))
    if not kind:
        raise KustomizeProblem(
            f"missing kind in object {_go_meta(obj, metadata)}", path=resource.file, line=resource.line
        )
    name = metadata.get("name")
    if not kind.endswith("List") and (is_null(name) or not text_of(name)):
        raise KustomizeProblem(
            f"missing metadata.name in object {_go_meta(obj, metadata)}", path=resource.file, line=resource.line
        )


def _go_meta(obj: Mapping[str, Any], metadata: Mapping[str, Any]) -> str:
    """The metadata as Go prints its struct."""

    def marks(field: str) -> str:
        found = metadata.get(field)
        pairs = sorted((key, text_of(value)) for key, value in found.items()) if isinstance(found, dict) else []
        return "map[" + " ".join(f"{key}:{value}" for key, value in pairs) + "]"

    texts = [text_of(obj.get("apiVersion")), text_of(obj.get("kind"))]
    found = metadata.get("name"), metadata.get("namespace")
    names = ["" if is_null(value) else text_of(value) for value in found]
    return f"{{{{{' '.join(texts)}}} {{{{{' '.join(names)}}} {marks('labels')} {marks('annotations')}}}}}"


def _without_lists(found: list[Resource]) -> list[Resource]:
    """Objects of a kind ``…List`` stand for their items, which go to the end of the queue."""
    if not any(resource.kind.endswith("List") for resource in found):
        return found
    queue, out = list(found), []
    while queue:
        resource = queue.pop(0)
        kind = resource.kind
        if not kind.endswith("List") or "items" not in resource.body:
            out.append(resource)
            continue
        items = resource.body["items"]
        if not items:
            continue
        if not isinstance(items, list):
            raise KustomizeProblem(
                f"expected array in {kind}/items, but found {type(items).__name__}", path=resource.file
            )
        for item in items:
            if not is_empty(item):
                inner = Resource(item, resource.file, resource.line)
                check(inner)
                queue.append(inner)
    return out
