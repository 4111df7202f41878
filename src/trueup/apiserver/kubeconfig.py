"""The kubeconfig of an embedded cluster: what kubectl needs, nothing else. Called by `app.py`."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import orjson


def write(path: Path, *, url: str, ca: bytes, token: str, name: str = "trueup") -> None:
    """A kubeconfig with one cluster, one user and one context, for the owner alone."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": name, "cluster": {"server": url, "certificate-authority-data": base64.b64encode(ca).decode()}}
        ],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")
    part.replace(path)
