"""All values of a document opened, and counted towards the message authentication code. Pure.

Called by `opening.py`. Documents are mappings in the file's order. Source: SOPS, ``sops.go`` (``walkBranch``, ``Decrypt``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from trueup.sops.cipher import Cipher, told
from trueup.sops.metadata import Metadata
from trueup.sops.problems import Malformed, SopsProblem

_ONLY_ENCRYPTED = bytes.fromhex("8a3fd2ad54ce66527b1034f3d147be0b0b975b3bf44f72c6fdadec8176f27d69")
"""What is counted first where only encrypted values are, so that the two ways cannot be taken for each other."""
_VALUES, _DEPTH = 200_000, 300


class Comment:
    """A comment, in the place of a key: by itself, for two may say the same."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


class Opened:
    """One pass over a file's documents."""

    __slots__ = ("_cipher", "_hash", "_metadata", "_values", "documents")

    def __init__(self, documents: Iterable[Any], metadata: Metadata, cipher: Cipher) -> None:
        self._cipher, self._metadata, self._values = cipher, metadata, 0
        self._hash = hashlib.sha512(_ONLY_ENCRYPTED if metadata.only_encrypted else b"")
        self.documents = [self._value(document, []) for document in documents]

    @property
    def mac(self) -> str:
        """As SOPS writes it."""
        return self._hash.hexdigest().upper()

    def _value(self, value: Any, path: list[str], depth: int = 0) -> Any:
        self._values += 1  # of collections, too: aliases may name one again and again
        if self._values > _VALUES:
            raise Malformed(f"the document has more than {_VALUES} values")
        if depth > _DEPTH:
            raise Malformed("the document is nested too deep")
        if isinstance(value, dict):
            return dict(self._item(key, below, path, depth) for key, below in value.items())
        if isinstance(value, list):
            return [self._value(below, path, depth + 1) for below in value]
        if value is None:
            return None
        return self._leaf(value, path)

    def _item(self, key: Any, value: Any, path: list[str], depth: int) -> tuple[Any, Any]:
        if isinstance(key, Comment):
            return self._comment(key, path), None
        if not isinstance(key, str):
            raise Malformed("a key is not a string: only string keys are supported")
        return key, self._value(value, [*path, key], depth + 1)

    def _comment(self, comment: Comment, path: list[str]) -> Comment:
        if not self._metadata.rules.encrypted(path):
            return comment
        try:
            return Comment(self._cipher.open(comment.text, ":".join(path) + ":"))
        except SopsProblem:
            return comment  # older versions of SOPS left comments as they were

    def _leaf(self, value: Any, path: list[str]) -> Any:
        encrypted = self._metadata.rules.encrypted(path)
        if encrypted:
            where = ":".join(path) + ":"
            if not isinstance(value, str):
                raise Malformed(
                    f"the value of {where.rstrip(':')!r} is not encrypted, and the file's rules say that it is"
                )
            value = self._cipher.open(value, where)
        if encrypted or not self._metadata.only_encrypted:
            self._hash.update(told(value))
        return value
