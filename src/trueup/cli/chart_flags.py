"""The flags of `trueup render` for a chart: those of ``helm template``, by Helm's names.

Used by `render`, and by `chart` for values. They come as one `ChartFlags`; nothing of what renders is loaded before a chart
is asked for.
"""

from __future__ import annotations

import functools
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from trueup.app.chart import ChartFlags
    from trueup.render.helm_flags import ValueFlags

_MANY: dict[str, Any] = {"multiple": True}
_FLAGS: dict[str, Callable[[Callable[..., Any]], Callable[..., Any]]] = {
    "values": click.option("-f", "--values", **_MANY, metavar="FILE|URL", help="Values files of a chart; - is standard input."),
    "set_value": click.option("--set", "set_value", **_MANY, metavar="KEY=VALUE", help="Values of a chart."),
    "set_string": click.option("--set-string", **_MANY, metavar="KEY=VALUE", help="Values that stay texts."),
    "set_json": click.option("--set-json", **_MANY, metavar="KEY=JSON", help="Values as JSON."),
    "set_file": click.option("--set-file", **_MANY, metavar="KEY=FILE", help="Values that are what a file holds."),
    "set_literal": click.option("--set-literal", **_MANY, metavar="KEY=VALUE", help="Values as they stand."),
    "release_name": click.option("--release-name", default="", metavar="NAME", help="What the release is called."),
    "kube_version": click.option("--kube-version", default="", metavar="VERSION", help="As --kubernetes-version, in full."),
    "api_versions": click.option("-a", "--api-versions", **_MANY, metavar="G/V[/K]", help="What the cluster has, for a chart."),
    "include_crds": click.option("--include-crds", is_flag=True, help="With --as helm: the files of crds/, too."),
    "skip_crds": click.option("--skip-crds", is_flag=True, help="Without the files of crds/."),
    "skip_tests": click.option("--skip-tests", is_flag=True, help="Without hooks that are tests."),
    "no_hooks": click.option("--no-hooks", is_flag=True, help="Without any hooks."),
    "skip_schema_validation": click.option("--skip-schema-validation", is_flag=True, help="Without values.schema.json."),
    "is_upgrade": click.option("--is-upgrade", is_flag=True, help="Render as for an upgrade."),
    "show_only": click.option("-s", "--show-only", **_MANY, metavar="TEMPLATE", help="Only the objects of these templates."),
    "post_renderer": click.option(
        "--post-renderer", default="", metavar="COMMAND", help="A program that changes the manifests; needs --allow-exec."
    ),
    "allow_exec": click.option("--allow-exec", is_flag=True, help="Let a post-renderer run."),
    "repo": click.option("--repo", default="", metavar="URL", help="The Helm repository that has the chart."),
    "version": click.option("--version", default="", metavar="VERSION", help="Exact or a range, of a chart in a repository."),
    "username": click.option("--username", default="", help="Opens the repository."),
    "password": click.option("--password", default="", help="Opens the repository; better in TRUEUP_RENDER_PASSWORD."),
    "ca_file": click.option("--ca-file", type=click.Path(path_type=Path), default=None, help="Authorities to trust."),
    "insecure": click.option("--insecure-skip-tls-verify", "insecure", is_flag=True, help="Trust any certificate."),
    "plain_http": click.option("--plain-http", is_flag=True, help="Speak to registries without TLS."),
    "pass_credentials": click.option("--pass-credentials", is_flag=True, help="Show them to other hosts, too."),
    "verify": click.option("--verify", is_flag=True, help="Only a chart that is signed by a key of --keyring."),
    "keyring": click.option("--keyring", type=click.Path(path_type=Path), default=None, help="Public PGP keys."),
}  # fmt: skip


_OF_VALUES = ("values", "set_value", "set_string", "set_json", "set_file", "set_literal")


def value_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds those for values alone; the command is handed ``values``."""

    @functools.wraps(command)
    def gathered(**given: Any) -> Any:
        return command(values={name: given.pop(name) for name in _OF_VALUES}, **given)

    wrapped: Callable[..., Any] = gathered
    for name in reversed(_OF_VALUES):
        wrapped = _FLAGS[name](wrapped)
    return wrapped


def value_flags(said: dict[str, Any]) -> ValueFlags:
    """The flags for values as one value."""
    from trueup.render.helm_flags import ValueFlags

    return ValueFlags(
        files=said.get("values") or (),
        json=said.get("set_json") or (),
        value=said.get("set_value") or (),
        string=said.get("set_string") or (),
        file=said.get("set_file") or (),
        literal=said.get("set_literal") or (),
    )


def chart_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the flags; the command is handed ``chart``: what was said, by name, without what was not."""

    @functools.wraps(command)
    def gathered(**given: Any) -> Any:
        said = {name: value for name in _FLAGS if (value := given.pop(name)) not in ("", (), None, False)}
        return command(chart=said, **given)

    wrapped: Callable[..., Any] = gathered
    for option in reversed(_FLAGS.values()):
        wrapped = option(wrapped)
    return wrapped


def flags_of(said: dict[str, Any], tool: str | None, mapping: dict[str, Path]) -> ChartFlags:
    """The flags as one value. Raises ``UsageError`` for those that do not go together."""
    from trueup.app.chart import ChartFlags, Remote

    if said.get("post_renderer") and not said.get("allow_exec"):
        raise click.UsageError("--post-renderer runs a program of others; say --allow-exec as well")
    if said.get("verify") and not said.get("keyring"):
        raise click.UsageError("--verify needs --keyring")
    as_helm = tool == "helm"
    options: dict[str, Any] = {
        "skipCrds": bool(said.get("skip_crds") or (as_helm and not said.get("include_crds"))),
        "skipTests": bool(said.get("skip_tests")),
        "skipSchemaValidation": bool(said.get("skip_schema_validation")),
        "isUpgrade": bool(said.get("is_upgrade")),
        "apiVersions": [one for text in said.get("api_versions") or () for one in text.split(",")],
    }
    name = said.get("release_name") or ("release-name" if as_helm else "")
    if name:
        options["releaseName"] = name
    return ChartFlags(
        options=options,
        values=value_flags(said),
        remote=Remote(
            repository=said.get("repo") or "",
            version=said.get("version") or "",
            secret=_secret(said),
            pass_credentials=bool(said.get("pass_credentials")),
            keyring=said["keyring"].read_bytes() if said.get("verify") else b"",
            mapping=mapping,
        ),
        shown=said.get("show_only") or (),
        no_hooks=bool(said.get("no_hooks")),
        post_renderer=shlex.split(said.get("post_renderer") or ""),
    )  # fmt: skip


def _secret(said: dict[str, Any]) -> dict[str, bytes]:
    fields = {
        "username": str(said.get("username") or "").encode(),
        "password": str(said.get("password") or "").encode(),
        "ca.crt": said["ca_file"].read_bytes() if said.get("ca_file") else b"",
        "insecure": b"true" if said.get("insecure") else b"",
        "plainHTTP": b"true" if said.get("plain_http") else b"",
    }
    return {name: value for name, value in fields.items() if value}
