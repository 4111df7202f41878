"""ConfigMaps and Secrets made from files, env files and literals. Called by `build` and `plugins`.

Source: kustomize's ``generators`` and ``kv`` packages.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from trueup.kustomize.loading import Loader
from trueup.kustomize.problem import KustomizeProblem, within
from trueup.kustomize.resource import Resource

_LINE = 70
"""Base64 text of a Secret is broken into lines of this length."""
_BOM = b"\xef\xbb\xbf"


def config_map(loader: Loader, args: Mapping[str, Any], options: Mapping[str, Any] | None) -> Resource:
    """One ConfigMap; what is no UTF-8 goes to ``binaryData``."""
    obj = _base("ConfigMap", args)
    for key, value in sorted(_pairs(loader, args).items()):
        try:
            obj.setdefault("data", {})[key] = value.decode()
        except UnicodeDecodeError:
            obj.setdefault("binaryData", {})[key] = _base64(value)
    return _finish(obj, args, options)


def secret(loader: Loader, args: Mapping[str, Any], options: Mapping[str, Any] | None) -> Resource:
    """One Secret, ``Opaque`` unless it says otherwise."""
    obj = _base("Secret", args)
    obj["type"] = args.get("type") or "Opaque"
    obj["data"] = {key: _base64(value) for key, value in sorted(_pairs(loader, args).items())}
    return _finish(obj, args, options)


def merge_options(local: Mapping[str, Any] | None, shared: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """``generatorOptions`` below the options of one generator."""
    if shared is None:
        return dict(local) if local is not None else None
    out = dict(local or {})
    for marks in ("labels", "annotations"):
        if out.get(marks) or shared.get(marks):
            out[marks] = {**(shared.get(marks) or {}), **(out.get(marks) or {})}
    for switch in ("disableNameSuffixHash", "immutable"):
        if shared.get(switch):
            out[switch] = True
    return out


def _base(kind: str, args: Mapping[str, Any]) -> dict[str, Any]:
    name, namespace = args.get("name") or "", args.get("namespace") or ""
    if not name:
        raise KustomizeProblem("a configmap must have a name")
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata}


def _finish(obj: dict[str, Any], args: Mapping[str, Any], options: Mapping[str, Any] | None) -> Resource:
    options = options or {}
    for marks in ("labels", "annotations"):
        if options.get(marks):
            obj["metadata"][marks] = dict(sorted(options[marks].items()))
    if options.get("immutable"):
        obj["immutable"] = True
    resource = Resource(obj)
    resource.hash_suffix = not options.get("disableNameSuffixHash")
    behavior = args.get("behavior") or ""
    resource.behavior = behavior if behavior in ("create", "merge", "replace") else ""
    return resource


def _base64(value: bytes) -> str:
    text = base64.b64encode(value).decode()
    if len(text) < _LINE:
        return text
    return "".join(f"{text[at : at + _LINE]}\n" for at in range(0, len(text), _LINE))


# --- where the data comes from -------------------------------------------------------------------------------------


def _pairs(loader: Loader, args: Mapping[str, Any]) -> dict[str, bytes]:
    envs, literals, files = (list(args.get(field) or ()) for field in ("envs", "literals", "files"))
    with within("loading KV pairs"):
        with within(f"env source files: [{' '.join(envs)}]"):
            found = [pair for path in envs for pair in _env_file(loader.load(path))]
        with within(f"literal sources [{' '.join(literals)}]"):
            found += [_literal(source) for source in literals]
        with within(f"file sources: [{' '.join(files)}]"):
            found += [(key, loader.load(path)) for key, path in map(_file_source, files)]
    out: dict[str, bytes] = {}
    for key, value in found:
        if key in out:
            raise KustomizeProblem(f"configmap {args.get('name')} illegally repeats the key `{key}`")
        out[key] = value
    return out


def _env_file(content: bytes) -> list[tuple[str, bytes]]:
    found = []
    for number, line in enumerate(content.split(b"\n")):
        line = line.removesuffix(b"\r")
        try:
            text = line.decode()
        except UnicodeDecodeError:
            raise KustomizeProblem(f"line {number + 1} has invalid utf8 bytes : {line!r}") from None
        if number == 0:
            text = text.removeprefix(_BOM.decode())
        text = text.lstrip()
        if text and not text.startswith("#"):
            key, _, value = text.partition("=")
            if key:
                found.append((key, value.encode()))
    return found


def _literal(source: str) -> tuple[str, bytes]:
    key, equals, value = source.partition("=")
    if not key or not equals:
        raise KustomizeProblem(f"invalid literal source {source}, expected key=value")
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        value = value[1:-1]
    return key, value.encode()


def _file_source(source: str) -> tuple[str, str]:
    key, equals, path = source.partition("=")
    if not equals:
        return source.rstrip("/").rpartition("/")[2], source
    if "=" in path:
        raise KustomizeProblem(f"source \"{source}\" key name or file path contains '='")
    if not key:
        raise KustomizeProblem(f'missing key name for file path "{path}" in source "{source}"')
    if not path:
        raise KustomizeProblem(f'missing file path for key name "{key}" in source "{source}"')
    return key, path
