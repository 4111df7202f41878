"""The options of an audit log, for the commands that serve an API."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from trueup.settings import AuditSettings

_OPTIONS = (
    click.option(
        "--audit-log-path",
        default="",
        metavar="FILE",
        help="Tell of every request there; - is standard output. Without a policy: who asked for what, and nobody's bodies.",
    ),
    click.option(
        "--audit-policy-file",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
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


def audit_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Hands the options on as one value, ``audit``: None when nothing is to be told."""

    @wraps(command)
    def read(
        *args: Any,
        audit_log_path: str,
        audit_policy_file: Path | None,
        audit_log_maxage: int,
        audit_log_maxbackup: int,
        audit_log_maxsize: int,
        **kwargs: Any,
    ) -> Any:
        audit = None
        if audit_log_path:
            audit = AuditSettings(
                audit_log_path, audit_policy_file, audit_log_maxage, audit_log_maxbackup, audit_log_maxsize
            )
        elif audit_policy_file is not None:
            raise click.UsageError("--audit-policy-file without --audit-log-path tells nobody: say where to")
        return command(*args, audit=audit, **kwargs)

    wrapped: Callable[..., Any] = read
    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped
