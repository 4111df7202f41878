"""The shell of `trueup sops`: files read and written, the rules file found, keys chosen, problems told. Called by its verbs.

A problem names the file, the field and the remedy, and ends with the exit code that SOPS has for it. Source: SOPS, ``cmd/sops``.
"""

from __future__ import annotations

import os
import secrets
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn, cast

import click

from trueup.keyservices import Environment, Later, from_environment
from trueup.sops import (
    Format,
    Keys,
    MacMismatch,
    Malformed,
    MasterKey,
    NoKey,
    Opening,
    Rules,
    SopsProblem,
    Style,
    Wish,
    creation,
    format_of,
    naming,
    opened,
)
from trueup.sops.formats import write_encrypted
from trueup.sops.keys import DECRYPTION_ORDER
from trueup.sops.metadata import Metadata

GENERIC, UNREADABLE, UNWRITABLE, BAD_CONFIG, CONFLICT, MISMATCH, NO_CONFIG, BAD_PATH = 1, 2, 3, 5, 8, 51, 61, 91
NO_FILE, NO_KEY, UNCHANGED, NO_EDITOR, ENCRYPTED_ALREADY = 100, 128, 200, 201, 203
"""Exit codes, as SOPS has them."""
_DEEPEST = 100
_LARGEST = 1 << 30
"""The user's own files are no repository's: memory is the limit."""


class SopsFailure(click.ClickException):
    """One line on stderr, and an exit code of SOPS."""

    def __init__(self, message: str, code: int = GENERIC) -> None:
        super().__init__(message)
        self.exit_code = code  # type: ignore[misc]  # click reads it of the instance


def fail(message: str, code: int = GENERIC) -> NoReturn:
    """Ends the command."""
    raise SopsFailure(message, code)


@contextmanager
def told(name: str) -> Iterator[None]:
    """Problems in a file, told with its name and what can be done."""
    try:
        yield
    except MacMismatch as problem:
        fail(f"{name}: {problem}; to read it nevertheless: --ignore-mac", MISMATCH)
    except NoKey as problem:
        fail(f"{name}: {problem}", NO_KEY)
    except Malformed as problem:
        fail(f"{name}: {problem}", UNREADABLE)
    except SopsProblem as problem:
        fail(f"{name}: {problem}", ENCRYPTED_ALREADY if "encrypted already" in str(problem) else GENERIC)


@dataclass(frozen=True, slots=True)
class File:
    """A file, or the standard input, with the formats that were chosen for it."""

    path: Path | None
    named: Path
    """By which its formats and its rule are found."""
    input: Format
    output: Format
    style: Style

    @property
    def name(self) -> str:
        return str(self.path) if self.path is not None else "<stdin>"

    def read(self) -> bytes:
        """What is in it."""
        if self.path is None:
            return sys.stdin.buffer.read()
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            fail(f"{self.path}: there is no such file", NO_FILE)
        except OSError as problem:
            fail(f"{self.path}: {problem.strerror}", UNREADABLE)

    def open(self, keys: Keys, options: Mapping[str, Any], *, again: bool = False) -> Opening:
        """What is meant by it. ``again``: it will be sealed once more."""
        with told(self.name):
            return opened(
                self.read(),
                self.input,
                keys,
                verify=not options.get("ignore_mac"),
                order=order_of(options.get("decryption_order") or ""),
                entropy=secrets.token_bytes if again else None,
                largest=_LARGEST,
            )

    def encrypted(self, documents: list[Any], metadata: Metadata) -> bytes:
        """Its new content."""
        with told(self.name):
            return write_encrypted(documents, metadata.dumped(), self.output, self.style)


def file_of(name: str | None, options: Mapping[str, Any]) -> File:
    """By ``--input-type``, ``--output-type``, ``--filename-override``, and the name's ending."""
    path = Path(name) if name and name != "-" else None
    override = options.get("filename_override") or ""
    named = Path(override) if override else path or Path("stdin")
    style = stores(options)
    if (indent := options.get("indent")) is not None:
        style = Style(indent, indent)
    given = options.get("input_type"), options.get("output_type")
    forms = [cast("Format", form) if form else format_of(str(named)) for form in given]
    return File(path, named, forms[0], forms[1], style)


def put(file: File, data: bytes, *, in_place: bool, output: str | None) -> None:
    """Where the result goes."""
    if in_place and output:
        fail("--output and --in-place cannot be used together", CONFLICT)
    if in_place and file.path is None:
        fail("--in-place needs a file", CONFLICT)
    target = file.path if in_place else Path(output) if output else None
    if target is None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    else:
        replaced(target, data)


def replaced(path: Path, data: bytes) -> None:
    """The whole content at once, or nothing: a crash leaves the file as it was, with its mode."""
    path = path.resolve()
    temporary = None
    try:
        mode = path.stat().st_mode & 0o7777 if path.exists() else None
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as temporary:
            temporary.write(data)
            temporary.flush()
            os.fsync(temporary.fileno())
        os.chmod(temporary.name, mode if mode is not None else 0o600)
        os.replace(temporary.name, path)
    except OSError as problem:
        if temporary is not None:
            Path(temporary.name).unlink(missing_ok=True)
        fail(f"{path}: cannot be written: {problem.strerror}", UNWRITABLE)


def now() -> str:
    """The time, as SOPS writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")  # noqa: TID251  # this is the shell


def services() -> Keys:
    """The user's own."""
    with told("the environment"):
        return from_environment(Environment(), _passphrase if sys.stdin.isatty() else None)


def _passphrase(question: str) -> str:
    return str(click.prompt(question, hide_input=True, err=True))


def order_of(text: str) -> Sequence[str]:
    """``--decryption-order``."""
    order = [one.strip() for one in text.split(",") if one.strip()] or list(DECRYPTION_ORDER)
    if len(set(order)) != len(order):
        fail(f"--decryption-order names a kind of key twice: {text}", 112)
    return order


# --- the rules file ----------------------------------------------------------------------------------------------


def config_path(options: Mapping[str, Any]) -> Path | None:
    """``--config``, or the nearest ``.sops.yaml`` from the current folder upwards."""
    if given := options.get("config"):
        return Path(given)
    folder = Path.cwd()
    right, other = creation.NAMES
    for parent in [folder, *folder.parents][:_DEEPEST]:
        if (parent / right).exists():
            return parent / right
        if (parent / other).exists():
            click.echo(f"warning: {parent / other} is not read: a rules file is called {right}", err=True)
    return None


def config_of(options: Mapping[str, Any]) -> tuple[Path, creation.Config] | None:
    """The rules file, read."""
    path = config_path(options)
    if path is None:
        return None
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as problem:
        fail(f"{path}: cannot be read: {getattr(problem, 'strerror', 'it is not UTF-8')}", BAD_CONFIG)
    try:
        return path, creation.read(text)
    except SopsProblem as problem:
        fail(f"{path}: {problem}", BAD_CONFIG)


def stores(options: Mapping[str, Any]) -> Style:
    """How far lines are indented."""
    found = config_of(options)
    return found[1].style if found else Style()


def rule_of(file: File, options: Mapping[str, Any]) -> Wish | None:
    """The creation rule for a file."""
    found = config_of(options)
    if found is None:
        return None
    path, config = found
    try:
        told_path = str(file.named.absolute().relative_to(path.absolute().parent))
    except ValueError:
        told_path = str(file.named.absolute())
    try:
        return config.wish(os.path.normpath(told_path), naming.context_of(options.get("encryption_context") or ""))
    except SopsProblem as problem:
        fail(f"{path}: {problem}", BAD_CONFIG)


KEY_OPTIONS = ("kms", "gcp_kms", "hckms", "azure_kv", "pgp", "hc_vault", "age")
"""By the name of the service; on the command line Vault is ``--hc-vault-transit``."""


def keys_given(options: Mapping[str, Any], prefix: str = "") -> tuple[MasterKey, ...]:
    """The keys that were named on the command line."""
    with told("the command line"):
        context = naming.context_of(options.get("encryption_context") or "")
        found: list[MasterKey] = []
        for service in KEY_OPTIONS:
            given = options.get(prefix + ("hc_vault_transit" if service == "hc_vault" else service))
            text = ",".join(given) if isinstance(given, (tuple, list)) else given or ""
            if service == "kms":
                profile = options.get("aws_profile") or ""
                found += [naming.kms(one, context, profile) for one in text.split(",") if one.strip()]
            else:
                found += naming.listed(service, text)
        return tuple(found)


def wish_of(file: File, options: Mapping[str, Any]) -> Wish:
    """What is asked on the command line, and the creation rule for all that is not."""
    given = keys_given(options)
    rule = rule_of(file, options)
    if not given and rule is None:
        fail(
            f"{file.name}: no key is named: add --age, --pgp, --kms, --gcp-kms, --azure-kv or --hc-vault-transit, "
            "or a rule for the file in .sops.yaml",
            NO_CONFIG,
        )
    chosen = {name: options[name] for name in _CHOICES if options.get(name)}
    with told("the command line"):
        rules = Rules.parse(chosen) if chosen else rule.rules if rule else None
    return Wish(
        (given,) if given or rule is None else rule.groups,
        int(options.get("shamir_secret_sharing_threshold") or (rule.threshold if rule and not given else 0)),
        rules,
        bool(options.get("mac_only_encrypted") or (rule and rule.only_encrypted)),
    )


_CHOICES = (
    "unencrypted_suffix", "encrypted_suffix", "unencrypted_regex", "encrypted_regex",
    "unencrypted_comment_regex", "encrypted_comment_regex",
)  # fmt: skip


def versioned(wish: Wish, keys: Keys) -> Wish:
    """Azure's keys that were named without a version, with their newest."""
    return replace(wish, groups=tuple(tuple(_versioned(key, keys) for key in group) for group in wish.groups))


def _versioned(key: MasterKey, keys: Keys) -> MasterKey:
    if key.service != "azure_kv" or key.fields.get("version"):
        return key
    from trueup.keyservices.azure import Azure

    later = keys["azure_kv"]
    service = later.service() if isinstance(later, Later) else later
    assert isinstance(service, Azure), "there is one kind of service for it"
    with told(str(key)):
        version = service.version(str(key.fields.get("vault_url") or ""), key.name)
    return replace(key, fields={**key.fields, "version": version})
