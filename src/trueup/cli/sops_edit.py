"""`trueup sops`: a file in an editor, or in a command's environment. Called by `sops.py`.

What is decrypted is written into a folder that nobody else can read, and gone when the editor or the command has ended.
Source: SOPS, ``cmd/sops/edit.go``, ``cmd/sops/subcommand/exec``.
"""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from trueup.cli.sops_files import (
    NO_EDITOR,
    UNCHANGED,
    File,
    fail,
    file_of,
    now,
    replaced,
    services,
    told,
    versioned,
    wish_of,
)
from trueup.sops import Keys, Metadata, Opening, SopsProblem, formats, sealed_anew
from trueup.sops.formats import env_pairs, read, read_plain, write_encrypted

_EXAMPLES: Mapping[formats.Format, str] = {
    "yaml": "# Everything here is encrypted when the editor is closed.\nkey: value\n",
    "json": '{\n\t"key": "value"\n}\n',
    "dotenv": "# Everything here is encrypted when the editor is closed.\nKEY=value\n",
    "ini": "[section]\n; Everything here is encrypted when the editor is closed.\nkey = value\n",
    "binary": "Everything here is encrypted when the editor is closed.\n",
}
_EDITORS = ("vim", "nano", "vi")


def edit(name: str, options: Mapping[str, Any]) -> None:
    """The file, edited; made when it is not there."""
    file, keys = file_of(name, options), services()
    assert file.path is not None, "the name is no '-'"
    if file.path.exists():
        opening = file.open(keys, options, again=True)
        data = _reedited(file, opening, bool(options.get("show_master_keys")))
    else:
        data = _made(file, options, keys)
    replaced(file.path, data)


def _reedited(file: File, opening: Opening, show: bool) -> bytes:
    with told(file.name):
        text = (
            write_encrypted(opening.documents, opening.metadata.dumped(), file.output, file.style)
            if show
            else formats.write(opening.documents, file.output, file.style)
        )

    def sealed(edited: bytes) -> bytes:
        metadata = opening.metadata
        if show:
            found = read(edited, file.input)
            documents, metadata = found.documents, Metadata.parse(found.metadata)
        else:
            documents = read_plain(edited, file.input)
        changed, metadata = Opening(opening.documents, metadata, opening.data_key, opening.cipher).sealed(
            documents, now()
        )
        return write_encrypted(changed, metadata.dumped(), file.output, file.style)

    return _edited(file, text, sealed)


def _made(file: File, options: Mapping[str, Any], keys: Keys) -> bytes:
    wish = versioned(wish_of(file, options), keys)

    def sealed(edited: bytes) -> bytes:
        documents = read_plain(edited, file.input)
        single = file.input == "binary"
        changed, metadata = sealed_anew(documents, wish, keys, now(), secrets.token_bytes, single=single)
        return write_encrypted(changed, metadata.dumped(), file.output, file.style)

    return _edited(file, _EXAMPLES[file.input].encode(), sealed)


def _edited(file: File, text: bytes, sealed: Callable[[bytes], bytes]) -> bytes:
    """What the user makes of a text, sealed; he comes back to the editor as long as it cannot be."""
    with _private() as folder:
        path = folder / (file.path or file.named).name
        path.write_bytes(text)
        while True:
            _run_editor(path)
            edited = path.read_bytes()
            if edited == text:
                fail(f"{file.name}: nothing was changed", UNCHANGED)
            try:
                return sealed(edited)
            except SopsProblem as problem:
                if not sys.stdin.isatty():
                    with told(file.name):
                        raise
                click.echo(f"error: {problem}", err=True)
                click.prompt("Press enter to return to the editor, or Ctrl+C to leave", default="", show_default=False)


def _run_editor(path: Path) -> None:
    given = os.environ.get("SOPS_EDITOR") or os.environ.get("EDITOR") or next(filter(shutil.which, _EDITORS), "")
    if not given:
        fail(f"there is no editor: set SOPS_EDITOR or EDITOR, or install {', '.join(_EDITORS)}", NO_EDITOR)
    try:
        done = subprocess.run([*shlex.split(given), str(path)], check=False)
    except (OSError, ValueError):
        fail(f"the editor {given!r} cannot be run", NO_EDITOR)
    if done.returncode:
        fail(f"the editor {given!r} ended with exit code {done.returncode}", NO_EDITOR)


@contextmanager
def _private() -> Iterator[Path]:
    """A folder for nobody else, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="sops-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def exec_env(name: str, command: str, options: Mapping[str, Any]) -> None:
    """A command with a file's values as variables; its exit code is ours."""
    file = file_of(name, options)
    opening = file.open(services(), options)
    with told(file.name):
        values = env_pairs(opening.documents[0])
    environment = values if options.get("pristine") else {**os.environ, **values}
    sys.exit(subprocess.run(["/bin/sh", "-c", command], env=environment, check=False).returncode)


def exec_file(name: str, command: str, options: Mapping[str, Any]) -> None:
    """A command with a decrypted file; ``{}`` in it is the file's name."""
    file = file_of(name, options)
    opening = file.open(services(), options)
    with told(file.name):
        data = formats.write(opening.documents, file.output, file.style)
    called = str(options.get("filename") or "tmp-file")
    if Path(called).name != called or called in (".", ".."):
        fail(f"--filename {called!r} is no name of a file")
    with _private() as folder:
        path = folder / called
        if options.get("no_fifo"):
            path.write_bytes(data)
        else:
            os.mkfifo(path, 0o600)
            threading.Thread(target=_fed, args=(path, data), daemon=True).start()
        line = command.replace("{}", shlex.quote(str(path)))
        code = subprocess.run(["/bin/sh", "-c", line], check=False).returncode
    sys.exit(code)


def _fed(path: Path, data: bytes) -> None:
    """Whoever opens the pipe reads all of it; a command that never does is not waited for."""
    try:
        path.write_bytes(data)
    except OSError:
        return  # it was closed before everything was read
