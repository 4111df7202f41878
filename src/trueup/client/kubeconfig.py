"""Kubeconfig files to a `ClusterAccess`, by kubectl's own rules. Called by the `app` room, the commands, and for Secrets.

Source: client-go ``clientcmd`` (merge: the first file to name an entry wins; relative paths start at their file; a file wins
over inline data nowhere, inline data wins), Kubernetes documentation "Organizing Cluster Access Using kubeconfig Files".
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trueup.client import incluster
from trueup.client.access import AccessProblem, ClusterAccess, ExecPlugin, Impersonation
from trueup.kube.documents import YamlProblem, parse_one

__all__ = ["AccessProblem", "ClusterAccess", "contexts", "load", "parse"]

_EXEC_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")


@dataclass(slots=True)
class _Merged:
    """The entries of all files, each with the folder that its relative paths start at."""

    clusters: dict[str, tuple[Mapping[str, Any], Path]] = field(default_factory=dict)
    users: dict[str, tuple[Mapping[str, Any], Path]] = field(default_factory=dict)
    contexts: dict[str, tuple[Mapping[str, Any], Path]] = field(default_factory=dict)
    current: str = ""


def load(path: Path | None = None, context: str = "") -> ClusterAccess:
    """The access that a file (else ``$KUBECONFIG``, ``~/.kube/config``, the pod's service account) gives.

    Raises ``AccessProblem``.
    """
    files = [path] if path is not None else _standard_files()
    merged = _Merged()
    found = False
    for file in files:
        try:
            data = file.read_bytes()
        except FileNotFoundError:
            if path is not None:
                raise AccessProblem(f"{file}: there is no such kubeconfig") from None
            continue
        except OSError as problem:
            raise AccessProblem(f"{file}: {problem.strerror}") from problem
        found = True
        _merge(merged, _read(data, str(file)), file.absolute().parent)
    if not found and not context and incluster.available():
        return incluster.load()
    if not found:
        raise AccessProblem(f"no kubeconfig: {', '.join(map(str, files))} is not there; name one with --kubeconfig")
    return _access(merged, context, trusted=True)


def parse(data: bytes, context: str = "", *, name: str = "kubeconfig", trusted: bool = False) -> ClusterAccess:
    """The access that a kubeconfig out of a Secret gives: unless ``trusted`` it may start no program and read no file."""
    merged = _Merged()
    _merge(merged, _read(data, name), Path.cwd())
    return _access(merged, context, trusted=trusted)


def contexts(path: Path | None = None) -> list[str]:
    """The names of the contexts, for completion."""
    merged = _Merged()
    for file in [path] if path is not None else _standard_files():
        if file.is_file():
            _merge(merged, _read(file.read_bytes(), str(file)), file.absolute().parent)
    return sorted(merged.contexts)


def _standard_files() -> list[Path]:
    named = [Path(part) for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    return named or [Path.home() / ".kube" / "config"]


def _read(data: bytes, name: str) -> Mapping[str, Any]:
    try:
        value = parse_one(data, name)
    except YamlProblem as problem:
        raise AccessProblem(f"{problem}") from problem
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise AccessProblem(f"{name}: this is no kubeconfig")
    return value


def _merge(merged: _Merged, config: Mapping[str, Any], folder: Path) -> None:
    merged.current = merged.current or str(config.get("current-context") or "")
    for field_name, entry_name, into in (
        ("clusters", "cluster", merged.clusters),
        ("users", "user", merged.users),
        ("contexts", "context", merged.contexts),
    ):
        for entry in config.get(field_name) or ():
            if isinstance(entry, dict) and entry.get("name"):
                into.setdefault(str(entry["name"]), (entry.get(entry_name) or {}, folder))


def _access(merged: _Merged, context: str, *, trusted: bool) -> ClusterAccess:
    name = context or merged.current
    if not name:
        raise AccessProblem("the kubeconfig has no current-context: choose one with --context")
    if name not in merged.contexts:
        known = ", ".join(sorted(merged.contexts)) or "none"
        raise AccessProblem(f'context "{name}" is not in the kubeconfig; it has {known}')
    chosen, _ = merged.contexts[name]
    cluster, cluster_folder = _entry(merged.clusters, "cluster", str(chosen.get("cluster") or ""), name)
    user: Mapping[str, Any] = {}
    user_folder = cluster_folder
    if chosen.get("user"):
        user, user_folder = _entry(merged.users, "user", str(chosen["user"]), name)
    if not cluster.get("server"):
        raise AccessProblem(f'cluster "{chosen.get("cluster")}" of the kubeconfig names no server')
    if user.get("auth-provider"):
        kind = user["auth-provider"].get("name")
        raise AccessProblem(f'user "{chosen["user"]}": auth-provider {kind} is not supported; use an exec plugin')
    read = _Files(trusted, f'context "{name}"')
    token_file = user.get("tokenFile")
    if token_file and not trusted:
        raise AccessProblem(f'context "{name}": tokenFile is not allowed in a kubeconfig that comes from a Secret')
    return ClusterAccess(
        server=str(cluster["server"]).rstrip("/"),
        ca=read.either(cluster, "certificate-authority", cluster_folder),
        insecure=bool(cluster.get("insecure-skip-tls-verify")),
        tls_server_name=str(cluster.get("tls-server-name") or ""),
        proxy_url=str(cluster.get("proxy-url") or ""),
        certificate=read.either(user, "client-certificate", user_folder),
        key=read.either(user, "client-key", user_folder),
        token=str(user.get("token") or ""),
        token_file=user_folder / str(token_file) if token_file else None,
        username=str(user.get("username") or ""),
        password=str(user.get("password") or ""),
        exec=_exec(user.get("exec"), cluster, user_folder, str(chosen.get("user")), trusted),
        impersonation=_impersonation(user),
        namespace=str(chosen.get("namespace") or "default"),
        context=name,
    )


def _entry(
    entries: Mapping[str, tuple[Mapping[str, Any], Path]], what: str, name: str, context: str
) -> tuple[Mapping[str, Any], Path]:
    if name not in entries:
        raise AccessProblem(f'context "{context}" names the {what} "{name}", which is not in the kubeconfig')
    return entries[name]


@dataclass(frozen=True, slots=True)
class _Files:
    """Reads data that stands inline or in a file."""

    trusted: bool
    where: str

    def either(self, entry: Mapping[str, Any], name: str, folder: Path) -> bytes:
        inline = entry.get(f"{name}-data")
        if inline:
            try:
                return base64.b64decode(str(inline), validate=True)
            except binascii.Error as problem:
                raise AccessProblem(f"{self.where}: {name}-data is not base64") from problem
        file = entry.get(name)
        if not file:
            return b""
        if not self.trusted:
            raise AccessProblem(f"{self.where}: {name} names a file, in a kubeconfig that comes from a Secret")
        try:
            return (folder / str(file)).read_bytes()
        except OSError as problem:
            raise AccessProblem(f"{self.where}: {name} {folder / str(file)}: {problem.strerror}") from problem


def _exec(
    plugin: Mapping[str, Any] | None, cluster: Mapping[str, Any], folder: Path, user: str, trusted: bool
) -> ExecPlugin | None:
    if not plugin:
        return None
    if not trusted:
        raise AccessProblem(f'user "{user}": exec is not allowed in a kubeconfig that comes from a Secret')
    command, version = str(plugin.get("command") or ""), str(plugin.get("apiVersion") or "")
    if version not in _EXEC_VERSIONS:
        raise AccessProblem(f'user "{user}": exec has apiVersion "{version}"; {" and ".join(_EXEC_VERSIONS)} are known')
    if not command:
        raise AccessProblem(f'user "{user}": exec names no command')
    if plugin.get("interactiveMode") == "Always":
        raise AccessProblem(f'user "{user}": exec {command} wants to ask a person (interactiveMode Always)')
    if "/" in command and not command.startswith("/"):
        command = str(folder / command)
    return ExecPlugin(
        command=command,
        api_version=version,
        args=tuple(map(str, plugin.get("args") or ())),
        env=tuple((str(e.get("name")), str(e.get("value") or "")) for e in plugin.get("env") or ()),
        hint=str(plugin.get("installHint") or ""),
        cluster=_cluster_info(cluster) if plugin.get("provideClusterInfo") else None,
    )


def _cluster_info(cluster: Mapping[str, Any]) -> Mapping[str, Any]:
    config = next(
        (
            e.get("extension")
            for e in cluster.get("extensions") or ()
            if e.get("name") == "client.authentication.k8s.io/exec"
        ),
        None,
    )
    fields = ("server", "tls-server-name", "insecure-skip-tls-verify", "certificate-authority-data", "proxy-url")
    return {name: cluster[name] for name in fields if cluster.get(name)} | ({"config": config} if config else {})


def _impersonation(user: Mapping[str, Any]) -> Impersonation:
    extra = user.get("as-user-extra") or {}
    return Impersonation(
        user=str(user.get("as") or ""),
        uid=str(user.get("as-uid") or ""),
        groups=tuple(map(str, user.get("as-groups") or ())),
        extra=tuple((str(name), tuple(map(str, values or ()))) for name, values in extra.items()),
    )
