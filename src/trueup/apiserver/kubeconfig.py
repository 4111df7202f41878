"""Writes the kubeconfig that people point kubectl at. Called by `app` once the server listens.

An address, the authority's certificate and a token in; a file with one context out, for its owner alone. A kubeconfig
that is there keeps its other clusters, users and contexts. Source: Kubernetes documentation, "Organizing Cluster Access
Using kubeconfig Files".
"""

from __future__ import annotations

import base64
import os
import secrets
from pathlib import Path
from typing import Any

from trueup.kube.documents import YamlProblem, dump, parse
from trueup.kube.names import Object


def config(url: str, ca: bytes, token: str, name: str = "trueup") -> Object:
    """A kubeconfig with one cluster, one user and one context, everything inline."""
    cluster = {"server": url, "certificate-authority-data": base64.b64encode(ca).decode()}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }


def write(path: Path, *, url: str, ca: bytes, token: str, name: str = "trueup") -> None:
    """Put the context into a file. Raises ``ValueError`` when the file is there and is something else."""
    made = config(url, ca, token, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size:
        made = _merged(_read(path), made, name)
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(dump(made))
    aside.replace(path)


def _read(path: Path) -> Object:
    try:
        found = parse(path.read_bytes(), str(path))
    except YamlProblem as problem:
        raise ValueError(f"{path} is there and cannot be read: {problem}") from problem
    value: Any = found[0].value if found else {}
    if not isinstance(value, dict) or value.get("kind", "Config") != "Config":
        raise ValueError(f"{path} is there and is no kubeconfig: name another file")
    return value


def _merged(old: Object, new: Object, name: str) -> Object:
    """The old file with our entries in the place of those of the same name."""
    out = {**old, **{key: value for key, value in new.items() if key not in old}}
    for part in ("clusters", "users", "contexts"):
        kept = [entry for entry in old.get(part) or () if entry.get("name") != name]
        out[part] = [*kept, *new[part]]
    out["current-context"] = name
    return out
