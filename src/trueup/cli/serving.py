"""The options of the commands that serve an API, `up` and `apiserver`: declared here, handed on as `Settings`."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from trueup.settings import DEFAULT_LISTEN, DEFAULT_STATE, AuditSettings, Settings, parse_listen

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False, resolve_path=True)
_OPTIONS = (
    click.option(
        "--state",
        type=click.Path(path_type=Path),
        default=DEFAULT_STATE,
        show_default=True,
        help="Where everything is kept.",
    ),
    click.option("--memory", is_flag=True, help="Keep nothing on disk."),
    click.option(
        "--listen",
        default=DEFAULT_LISTEN,
        show_default=True,
        metavar="HOST:PORT",
        help="Where the API answers; port 0 takes a free one.",
    ),
    click.option("--kubernetes-version", default="", metavar="V", help="The version to be, e.g. 1.34."),
    click.option(
        "--client-ca-file",
        type=_FILE,
        default=None,
        metavar="FILE",
        help="Whose client certificates are believed; those that the cluster signed itself when not given.",
    ),
    click.option(
        "--token-auth-file",
        type=_FILE,
        default=None,
        metavar="FILE",
        help='More users, a line each: token,user,uid,"group,group".',
    ),
    click.option(
        "--audit-log-path",
        default="",
        metavar="FILE",
        help="Tell of every request there; - is standard output. Without a policy: who asked for what, and nobody's bodies.",
    ),
    click.option(
        "--audit-policy-file",
        type=_FILE,
        default=None,
        metavar="FILE",
        help="The audit.k8s.io/v1 Policy that says what is told.",
    ),
    click.option(
        "--audit-log-maxage", type=click.IntRange(0), default=0, metavar="DAYS", help="Forget older files; 0 keeps all."
    ),
    click.option(
        "--audit-log-maxbackup", type=click.IntRange(0), default=0, metavar="N", help="Keep so many files; 0 keeps all."
    ),
    click.option(
        "--audit-log-maxsize",
        type=click.IntRange(0),
        default=100,
        show_default=True,
        metavar="MB",
        help="Set the file aside when it would be larger; 0 never does.",
    ),
)


NAMES = (
    "state", "memory", "listen", "kubernetes_version", "client_ca_file", "token_auth_file", "audit_log_path",
    "audit_policy_file", "audit_log_maxage", "audit_log_maxbackup", "audit_log_maxsize",
)  # fmt: skip
"""Of the options, as parameters."""


def serving_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options, and hands them on as one value, ``settings``; what is wrong with one is a usage error."""

    @wraps(command)
    def read(*args: Any, **given: Any) -> Any:
        own = {name: given.pop(name) for name in NAMES}
        return command(*args, settings=_settings(**own), **given)

    wrapped: Callable[..., Any] = read
    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped


def _settings(
    *, state: Path, memory: bool, listen: str, kubernetes_version: str, client_ca_file: Path | None,
    token_auth_file: Path | None, audit_log_path: str, audit_policy_file: Path | None, audit_log_maxage: int,
    audit_log_maxbackup: int, audit_log_maxsize: int,
) -> Settings:  # fmt: skip
    try:
        host, port = parse_listen(listen)
    except ValueError as problem:
        raise click.UsageError(str(problem)) from None
    audit = None
    if audit_log_path:
        audit = AuditSettings(
            audit_log_path, audit_policy_file, audit_log_maxage, audit_log_maxbackup, audit_log_maxsize
        )
    elif audit_policy_file is not None:
        raise click.UsageError("--audit-policy-file without --audit-log-path tells nobody: say where to")
    return Settings(
        state=None if memory else state,
        host=host,
        port=port,
        kubernetes_version=_version(kubernetes_version),
        audit=audit,
        tokens=token_auth_file,
        client_ca=client_ca_file,
    )


def _version(given: str) -> str:
    """``1.34``, also from ``v1.34.2``; the version that is served unless told otherwise."""
    from trueup.kube.types import DEFAULT_VERSION, VERSIONS

    version = ".".join((given.removeprefix("v") or DEFAULT_VERSION).split(".")[:2])
    if version not in VERSIONS:
        raise click.UsageError(f"--kubernetes-version {version} is not known: choose one of {', '.join(VERSIONS)}")
    return version
