"""`trueup sops`: files encrypted by SOPS are read, written and edited, with the commands and flags of its own program.

Exit codes are those of SOPS, too: 51 for a file that was changed, 128 for one that no key opens, 200 when nothing was edited.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])
_TYPES = click.Choice(["yaml", "json", "dotenv", "ini", "binary"])
_KINDS = (
    ("kms", "k", "SOPS_KMS_ARN", "ARNs of AWS KMS keys"),
    ("gcp-kms", "", "SOPS_GCP_KMS_IDS", "resource IDs of Google Cloud KMS keys"),
    ("hckms", "", "SOPS_HUAWEICLOUD_KMS_IDS", "Huawei Cloud KMS keys (REGION:ID)"),
    ("azure-kv", "", "SOPS_AZURE_KEYVAULT_URLS", "addresses of Azure Key Vault keys"),
    ("hc-vault-transit", "", "SOPS_VAULT_URIS", "addresses of keys of Vault's transit engine"),
    ("pgp", "p", "SOPS_PGP_FP", "fingerprints of PGP keys"),
    ("age", "a", "SOPS_AGE_RECIPIENTS", "age recipients"),
)


def options(*listed: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Several options at once, in the order in which they are shown."""

    def add(command: Command) -> Command:
        for option in reversed(listed):
            command = option(command)
        return command

    return add


TYPES = options(
    click.option("--input-type", type=_TYPES, help="The file's format.  [default: by its ending]"),
    click.option("--output-type", type=_TYPES, help="The result's format.  [default: the file's]"),
)
OUTPUT = options(
    click.option("-i", "--in-place", is_flag=True, help="Write back to the file."),
    click.option("--output", metavar="FILE", help="Write to a file.  [default: standard output]"),
)
OVERRIDE = click.option("--filename-override", metavar="NAME", help="Take formats and rules by this name.")
DECRYPTING = options(
    click.option("--ignore-mac", is_flag=True, help="Do not check whether the file was changed."),
    click.option(
        "--decryption-order",
        envvar="SOPS_DECRYPTION_ORDER",
        metavar="KINDS",
        help="Kinds of keys to try first: age,pgp.",
    ),
)
THRESHOLD = click.option(
    "--shamir-secret-sharing-threshold", type=click.IntRange(0, 255), default=0, metavar="N",
    help="How many key groups open the file.",
)  # fmt: skip
CONTEXT = options(
    click.option("--encryption-context", default="", metavar="PAIRS", help="AWS KMS's context: name:value,…"),
    click.option("--aws-profile", default="", help="The profile for AWS KMS."),
)
KEYS = options(
    *(
        click.option(
            *([f"-{short}"] if short else []), f"--{name}", envvar=variable, metavar="KEYS", help=f"Encrypt to {what}."
        )
        for name, short, variable, what in _KINDS
    ),
    CONTEXT,
)
CHOICE = options(
    click.option("--unencrypted-suffix", metavar="TEXT", help="Keys that end so stay open."),
    click.option("--encrypted-suffix", metavar="TEXT", help="Only keys that end so are encrypted."),
    click.option("--unencrypted-regex", metavar="RE", help="Keys that match stay open."),
    click.option("--encrypted-regex", metavar="RE", help="Only keys that match are encrypted."),
    click.option("--unencrypted-comment-regex", metavar="RE", help="What has such a comment stays open."),
    click.option("--encrypted-comment-regex", metavar="RE", help="Only what has such a comment is encrypted."),
    click.option(
        "--mac-only-encrypted", is_flag=True, help="Let the authentication code cover encrypted values alone."
    ),
)
CONFIG = options(
    click.option(
        "--config", envvar="SOPS_CONFIG", metavar="FILE", help="The rules file.  [default: the nearest .sops.yaml]"
    ),
    click.option(
        "--indent", type=click.IntRange(1, 16), default=None, help="Spaces by which YAML and JSON are indented."
    ),
    click.option("--verbose", is_flag=True, hidden=True),
    click.option("--enable-local-keyservice", type=bool, default=True, hidden=True),
    click.option("--keyservice", multiple=True, hidden=True),
)
ADD_AND_REMOVE = options(
    *(
        click.option(f"--{verb}-{name}", metavar="KEYS", help=f"{word} {what}.")
        for verb, word in (("add", "Add"), ("rm", "Remove"))
        for name, _, _, what in _KINDS
    )
)


class FileFirst(click.Group):
    """``sops -d FILE``: where no verb is named, the flags say what to do with the file, and without flags it is edited."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        found = self._first(args)
        if found is not None and found not in self.commands:
            args = ["file", *args]
        return super().parse_args(ctx, args)

    def _first(self, args: Sequence[str]) -> str | None:
        """The first argument that is no flag, nor a flag's value; None: help is asked for, or nothing is given."""
        takes = {
            name
            for option in file.params
            if isinstance(option, click.Option) and not option.is_flag
            for name in option.opts
        }
        at = 0
        while at < len(args):
            if args[at] in ("-h", "--help"):
                return None
            if args[at] == "-" or not args[at].startswith("-"):
                return args[at]
            at += 2 if args[at] in takes else 1
        return "" if args else None


@click.group(cls=FileFirst, subcommand_metavar="[FILE] | COMMAND [ARGS]...")
@CONFIG
def sops(**given: Any) -> None:
    """Read, write and edit files that are encrypted by SOPS.

    `trueup sops decrypt FILE` and `trueup sops -d FILE` print what is in it, `trueup sops FILE` edits it.
    """
    click.get_current_context().obj = given


def _merged(given: dict[str, Any]) -> dict[str, Any]:
    """A verb's options over those of the group."""
    found = dict(click.get_current_context().obj or {})
    found |= {name: value for name, value in given.items() if value not in (None, (), False)}
    if found.get("keyservice"):
        from trueup.cli.sops_files import fail

        fail("--keyservice is not supported: keys are asked for by this process")
    return found


@sops.command()
@click.argument("name", metavar="[FILE]", required=False)
@OUTPUT
@click.option("--extract", default="", metavar="PLACE", help="Only a value: '[\"key\"][0]'.")
@TYPES
@OVERRIDE
@DECRYPTING
def decrypt(name: str | None, **given: Any) -> None:
    """Print what is in a file; without one, of the standard input."""
    from trueup.cli import sops_verbs

    sops_verbs.decrypt(name, _merged(given))


@sops.command()
@click.argument("name", metavar="FILE")
@click.argument("place")
@TYPES
@DECRYPTING
def extract(name: str, place: str, **given: Any) -> None:
    """Print one value of a file: `extract FILE '["key"][0]'`."""
    from trueup.cli import sops_verbs

    sops_verbs.decrypt(name, {**_merged(given), "extract": place})


@sops.command()
@click.argument("name", metavar="[FILE]", required=False)
@OUTPUT
@KEYS
@CHOICE
@THRESHOLD
@TYPES
@OVERRIDE
def encrypt(name: str | None, **given: Any) -> None:
    """Encrypt a file, by keys or by the rules in .sops.yaml."""
    from trueup.cli import sops_verbs

    sops_verbs.encrypt(name, _merged(given))


@sops.command()
@click.argument("name", metavar="FILE")
@KEYS
@CHOICE
@THRESHOLD
@TYPES
@click.option("-s", "--show-master-keys", is_flag=True, help="Show the file's keys in the editor, too.")
@DECRYPTING
def edit(name: str, **given: Any) -> None:
    """Edit a file with $SOPS_EDITOR or $EDITOR; a new file is made."""
    from trueup.cli import sops_edit

    sops_edit.edit(name, _merged(given))


@sops.command()
@click.argument("name", metavar="FILE")
@OUTPUT
@ADD_AND_REMOVE
@CONTEXT
@TYPES
@OVERRIDE
@DECRYPTING
def rotate(name: str, **given: Any) -> None:
    """Encrypt a file anew under a new data key; add keys and remove them."""
    from trueup.cli import sops_verbs

    sops_verbs.rotate(name, _merged(given))


@sops.command()
@click.argument("names", metavar="FILE...", nargs=-1, required=True)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@THRESHOLD
@click.option("--input-type", type=_TYPES, help="The files' format.  [default: by their endings]")
def updatekeys(names: tuple[str, ...], **given: Any) -> None:
    """Bring the keys of files in line with .sops.yaml."""
    from trueup.cli import sops_keys

    sops_keys.update(names, _merged(given))


@sops.command("set")
@click.argument("name", metavar="FILE")
@click.argument("place")
@click.argument("value", required=False)
@click.option("--value-file", is_flag=True, help="VALUE is a file that holds the value.")
@click.option("--value-stdin", is_flag=True, help="Read the value from the standard input.")
@click.option("--idempotent", is_flag=True, help="Write nothing when the value is there already.")
@THRESHOLD
@TYPES
@DECRYPTING
def set_(name: str, place: str, value: str | None, **given: Any) -> None:
    """Set one value, given as JSON: `set FILE '["key"][0]' '"text"'`."""
    from trueup.cli import sops_verbs

    sops_verbs.set_value(name, place, value, _merged(given))


@sops.command()
@click.argument("name", metavar="FILE")
@click.argument("place")
@click.option("--idempotent", is_flag=True, help="Do nothing when there is no such value.")
@THRESHOLD
@TYPES
@DECRYPTING
def unset(name: str, place: str, **given: Any) -> None:
    """Remove one value."""
    from trueup.cli import sops_verbs

    sops_verbs.unset(name, place, _merged(given))


@sops.command()
@click.argument("name", metavar="FILE")
@click.option("--input-type", type=_TYPES, help="The file's format.  [default: by its ending]")
def keys(name: str, **given: Any) -> None:
    """Print the keys that open a file, group by group."""
    from trueup.cli import sops_keys

    sops_keys.show(name, _merged(given))


@sops.command()
@click.argument("name", metavar="FILE")
@click.option("--input-type", type=_TYPES, help="The file's format.  [default: by its ending]")
def filestatus(name: str, **given: Any) -> None:
    """Print whether a file is encrypted, as JSON."""
    from trueup.cli import sops_keys

    sops_keys.status(name, _merged(given))


@sops.command()
@click.option("-o", "--output", metavar="FILE", help="A new file for it.  [default: standard output]")
def keygen(output: str | None) -> None:
    """Make an age identity, and print the recipient that files are encrypted to."""
    from trueup.cli import sops_keys

    sops_keys.make(output)


@sops.group()
def groups() -> None:
    """Add key groups to a file, and delete them."""


_GROUP_FILE = click.option("-f", "--file", "name", required=True, metavar="FILE", help="The file.")
_GROUP_IN_PLACE = click.option("-i", "--in-place", is_flag=True, help="Write back to the file.")


@groups.command()
@_GROUP_FILE
@_GROUP_IN_PLACE
@options(
    *(
        click.option(f"--{name}", multiple=True, metavar="KEYS", help=f"The group's {what}.")
        for name, _, _, what in _KINDS
    )
)
@CONTEXT
@THRESHOLD
@TYPES
def add(name: str, **given: Any) -> None:
    """Add a group."""
    from trueup.cli import sops_keys

    sops_keys.add(name, _merged(given))


@groups.command()
@click.argument("index", type=click.IntRange(0))
@_GROUP_FILE
@_GROUP_IN_PLACE
@THRESHOLD
@TYPES
def delete(index: int, name: str, **given: Any) -> None:
    """Delete a group, by its number from 0 on."""
    from trueup.cli import sops_keys

    sops_keys.delete(name, index, _merged(given))


@sops.command("exec-env")
@click.argument("name", metavar="FILE")
@click.argument("command")
@click.option("--pristine", is_flag=True, help="Give the command nothing else of the environment.")
@click.option("--input-type", type=_TYPES, help="The file's format.  [default: by its ending]")
@DECRYPTING
def exec_env(name: str, command: str, **given: Any) -> None:
    """Run a command of the shell with a file's values as environment variables."""
    from trueup.cli import sops_edit

    sops_edit.exec_env(name, command, _merged(given))


@sops.command("exec-file")
@click.argument("name", metavar="FILE")
@click.argument("command")
@click.option("--no-fifo", is_flag=True, help="Use a file instead of a named pipe.")
@click.option("--filename", default="tmp-file", show_default=True, help="What the file is called.")
@TYPES
@DECRYPTING
def exec_file(name: str, command: str, **given: Any) -> None:
    """Run a command of the shell with what is in a file, as a file: {} in the command is its name."""
    from trueup.cli import sops_edit

    sops_edit.exec_file(name, command, _merged(given))


def _not_here(name: str, why: str) -> None:
    """A verb of SOPS that is not offered says so, instead of being taken for a file."""

    @sops.command(name, hidden=True, context_settings={"ignore_unknown_options": True}, help=why)
    @click.argument("rest", nargs=-1, type=click.UNPROCESSED)
    def refuse(rest: tuple[str, ...]) -> None:
        raise click.ClickException(f"trueup sops has no {name}: {why}")


_not_here("publish", "decrypt or encrypt the file, and send it with the destination's own client")
_not_here("keyservice", "keys are asked for by the process that needs them")
_not_here("completion", "trueup completion SHELL prints a script for all verbs")


@sops.command(hidden=True)
@click.argument("name", metavar="FILE")
@click.option("-d", "--decrypt", "decrypting", is_flag=True, help="Print what is in the file.")
@click.option("-e", "--encrypt", "encrypting", is_flag=True, help="Encrypt it.")
@click.option("-r", "--rotate", "rotating", is_flag=True, help="Encrypt it anew under a new data key.")
@click.option("--set", "setting", default="", metavar="PLACE VALUE", help="Set one value.")
@click.option("--extract", default="", metavar="PLACE", help="With -d: only a value.")
@click.option("-s", "--show-master-keys", is_flag=True, help="Show the file's keys in the editor, too.")
@OUTPUT
@KEYS
@CHOICE
@THRESHOLD
@ADD_AND_REMOVE
@TYPES
@OVERRIDE
@DECRYPTING
@CONFIG
def file(name: str, decrypting: bool, encrypting: bool, rotating: bool, setting: str, **given: Any) -> None:
    """Decrypt, encrypt, rotate or edit a file, by flags."""
    from trueup.cli import sops_edit, sops_verbs
    from trueup.cli.sops_files import CONFLICT, fail

    merged = _merged(given)
    if decrypting + encrypting + rotating + bool(setting) > 1:
        fail("only one of --decrypt, --encrypt, --rotate and --set may be used", CONFLICT)
    if decrypting:
        sops_verbs.decrypt(name, merged)
    elif encrypting:
        sops_verbs.encrypt(name, merged)
    elif rotating:
        sops_verbs.rotate(name, merged)
    elif setting:
        place, bracket, value = setting.partition("] ")
        sops_verbs.set_value(name, place + bracket.strip(), value, merged)
    else:
        sops_edit.edit(name, merged)
