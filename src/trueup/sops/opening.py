"""An encrypted file or object in, the plain one out. Pure but for the key services that are handed in.

Called by the families that decrypt. Source: SOPS, ``decrypt/decrypt.go``.
"""

from __future__ import annotations

import hmac
from typing import Any

from trueup.kube.names import Object
from trueup.sops.cipher import Cipher
from trueup.sops.formats import Encrypted, Format, read, write
from trueup.sops.keys import Keys, data_key
from trueup.sops.metadata import Metadata
from trueup.sops.problems import MacMismatch, Malformed
from trueup.sops.walk import Opened

LARGEST = 5 << 20
"""The largest file that is decrypted, as in Flux."""


def decrypt(data: bytes, form: Format, keys: Keys, *, into: Format | None = None, verify: bool = True) -> bytes:
    """A file's plain text, in the same format or another one."""
    if len(data) > LARGEST:
        raise Malformed(f"the file has {len(data)} bytes: no more than {LARGEST} are decrypted")
    return write(_opened(read(data, form), keys, verify), into or form)


def decrypt_object(obj: Object, keys: Keys, *, verify: bool = True) -> Object:
    """A Kubernetes object with ``sops`` in it. What others have added to it since changes the authentication code: whoever
    decrypts after a build cannot verify."""
    plain = {key: value for key, value in obj.items() if key != "sops"}
    found: Object = _opened(Encrypted([plain], obj.get("sops")), keys, verify)[0]
    return found


def _opened(file: Encrypted, keys: Keys, verify: bool) -> list[Any]:
    metadata = Metadata.parse(file.metadata)
    cipher = Cipher(data_key(metadata, keys))
    opened = Opened(file.documents, metadata, cipher)
    if verify:
        written = cipher.open(metadata.mac, metadata.last_modified) if metadata.mac else ""
        if not hmac.compare_digest(str(written), opened.mac):
            raise MacMismatch("the file was changed after it was encrypted: " + _which(written))
    return opened.documents


def _which(written: str) -> str:
    return "its authentication code does not match" if written else "it has no authentication code"
