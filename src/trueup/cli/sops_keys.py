"""`trueup sops`: which keys open a file: shown, brought in line with the rules, added and deleted by groups. Called by `sops.py`.

No value of a file is touched: only the data key is encrypted again. Source: SOPS, ``cmd/sops/subcommand``.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import click
import pyrage

from trueup.cli.sops_files import (
    GENERIC,
    NO_CONFIG,
    NO_FILE,
    UNWRITABLE,
    File,
    SopsFailure,
    config_path,
    fail,
    file_of,
    keys_given,
    now,
    order_of,
    put,
    replaced,
    rule_of,
    services,
    told,
    versioned,
)
from trueup.sops import Keys, MasterKey, Metadata, SopsProblem, Wish, rekeyed
from trueup.sops.formats import read
from trueup.sops.keys import data_key


def show(name: str, options: Mapping[str, Any]) -> None:
    """Keys, group by group."""
    file = file_of(name, options)
    _, metadata = _read(file)
    several = len(metadata.groups) > 1
    if several:
        click.echo(f"{metadata.needed} of {len(metadata.groups)} groups open the file")
    for number, group in enumerate(metadata.groups):
        if several:
            click.echo(f"group {number}")
        for key in group:
            click.echo(f"{'  ' if several else ''}{_told(key)}")


def make(output: str | None) -> None:
    """A new age identity, in the form of age-keygen."""
    identity = pyrage.x25519.Identity.generate()
    recipient = str(identity.to_public())
    text = f"# created: {now()}\n# public key: {recipient}\n{identity}\n"
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        with os.fdopen(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
    except FileExistsError:
        fail(f"{output}: there is such a file already: an identity that is overwritten is lost", UNWRITABLE)
    except OSError as problem:
        fail(f"{output}: cannot be written: {problem.strerror}", UNWRITABLE)
    click.echo(f"Public key: {recipient}", err=True)


def status(name: str, options: Mapping[str, Any]) -> None:
    """Whether a file is encrypted."""
    file = file_of(name, options)
    with told(file.name):
        written = read(file.read(), file.input).metadata if file.input != "binary" else _binary(file)
        metadata = Metadata.parse(written) if written is not None else None
    click.echo(json.dumps({"encrypted": bool(metadata and metadata.version and metadata.mac)}, separators=(",", ":")))


def _binary(file: File) -> Any:
    try:
        return read(file.read(), "binary").metadata
    except SopsProblem:
        return None  # any file at all is a plain binary one


def update(names: Sequence[str], options: Mapping[str, Any]) -> None:
    """Files brought in line with the rules; one that fails does not stop the others."""
    if config_path(options) is None:
        fail("there is no .sops.yaml in this folder or above it: write one, or name it with --config", NO_CONFIG)
    keys, failed, code = services(), 0, GENERIC
    for name in names:
        try:
            _update(file_of(name, options), options, keys)
        except SopsFailure as problem:
            if len(names) == 1:
                raise
            failed, code = failed + 1, problem.exit_code
            click.echo(f"error: {problem.message}", err=True)
    if failed:
        fail(f"{failed} of {len(names)} files could not be updated", code if len(names) == 1 else GENERIC)


def _update(file: File, options: Mapping[str, Any], keys: Keys) -> None:
    if file.path is None or not file.path.is_file():
        fail(f"{file.name}: there is no such file", NO_FILE)
    documents, metadata = _read(file)
    rule = rule_of(file, options)
    if rule is None:
        fail(f"{config_path(options)}: it has no creation_rules", NO_CONFIG)
    wanted = versioned(rule, keys).groups
    threshold = int(options.get("shamir_secret_sharing_threshold") or metadata.threshold)
    threshold = min(threshold, len(wanted))
    if _identities(wanted) == _identities(metadata.groups) and threshold == metadata.threshold:
        click.echo(f"{file.name}: up to date", err=True)
        return
    click.echo(f"{file.name}: its keys will be changed", err=True)
    if threshold != metadata.threshold:
        click.echo(f"threshold {metadata.threshold} -> {threshold}")
    for line in _difference(metadata.groups, wanted):
        click.echo(line)
    if not options.get("yes") and not click.confirm("Is this okay?", err=True):
        click.echo(f"{file.name}: left as it is", err=True)
        return
    with told(file.name):
        key = data_key(metadata, keys, order_of(options.get("decryption_order") or ""))
        changed = rekeyed(replace(metadata, groups=wanted, threshold=threshold), keys, key, now(), secrets.token_bytes)
    replaced(file.path, replace(file, output=file.input).encrypted(documents, changed))
    click.echo(f"{file.name}: done", err=True)


def add(name: str, options: Mapping[str, Any]) -> None:
    """A further group."""
    keys = services()
    group = versioned(Wish((keys_given(options),)), keys).groups[0]
    if not group:
        fail("the group has no keys: add --age, --pgp or another kind of key")
    _regrouped(name, options, keys, lambda groups: (*groups, group))


def delete(name: str, index: int, options: Mapping[str, Any]) -> None:
    """One group less."""

    def without(groups: tuple[tuple[MasterKey, ...], ...]) -> tuple[tuple[MasterKey, ...], ...]:
        if index >= len(groups):
            fail(f"{name}: there is no group {index}: the file has {len(groups)}")
        return (*groups[:index], *groups[index + 1 :])

    _regrouped(name, options, services(), without)


def _regrouped(name: str, options: Mapping[str, Any], keys: Keys, change: Any) -> None:
    file = file_of(name, options)
    documents, metadata = _read(file)
    threshold = int(options.get("shamir_secret_sharing_threshold") or metadata.threshold)
    with told(file.name):
        key = data_key(metadata, keys)
        groups = change(metadata.groups)
        changed = rekeyed(replace(metadata, groups=groups, threshold=threshold), keys, key, now(), secrets.token_bytes)
        changed = replace(changed, threshold=changed.needed if len(groups) > 1 else 0)
    put(file, file.encrypted(documents, changed), in_place=bool(options.get("in_place")), output=None)


def _read(file: File) -> tuple[list[Any], Metadata]:
    with told(file.name):
        found = read(file.read(), file.input)
        return found.documents, Metadata.parse(found.metadata)


def _identities(groups: Sequence[Sequence[MasterKey]]) -> list[set[tuple[str, str]]]:
    return [{key.identity for key in group} for group in groups]


def _difference(had: Sequence[Sequence[MasterKey]], wanted: Sequence[Sequence[MasterKey]]) -> list[str]:
    lines: list[str] = []
    for number in range(max(len(had), len(wanted))):
        before = {key.identity: key for key in had[number]} if number < len(had) else {}
        after = {key.identity: key for key in wanted[number]} if number < len(wanted) else {}
        lines.append(f"group {number}")
        lines += [f"  {_told(key)}" for identity, key in before.items() if identity in after]
        lines += [f"+ {_told(key)}" for identity, key in after.items() if identity not in before]
        lines += [f"- {_told(key)}" for identity, key in before.items() if identity not in after]
    return lines


def _told(key: MasterKey) -> str:
    """As its kind is written on a command line."""
    fields = key.fields
    match key.service:
        case "hc_vault":
            return f"hc-vault-transit: {fields.get('vault_address')}/v1/{fields.get('engine_path')}/keys/{key.name}"
        case "azure_kv":
            return f"azure-kv: {fields.get('vault_url')}/keys/{key.name}/{fields.get('version') or ''}".rstrip("/")
        case "kms":
            return f"kms: {key.identity[1].rstrip('|')}"
    return f"{key.service.replace('_', '-')}: {key.name}"
