"""All values of a document opened, or sealed, and counted towards the message authentication code. Pure.

Called by `editing.py`. Documents are mappings in the file's order. Source: SOPS, ``sops.go`` (``walkBranch``, ``Decrypt``,
``Encrypt``).
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any

from trueup.sops.cipher import Cipher, Comment, told
from trueup.sops.metadata import Metadata
from trueup.sops.problems import Malformed, SopsProblem

_ONLY_ENCRYPTED = bytes.fromhex("8a3fd2ad54ce66527b1034f3d147be0b0b975b3bf44f72c6fdadec8176f27d69")
"""What is counted first where only encrypted values are, so that the two ways cannot be taken for each other."""
_VALUES, _DEPTH = 200_000, 300


class Walk(ABC):
    """One pass over a file's documents."""

    __slots__ = ("_cipher", "_comments", "_hash", "_hits", "_metadata", "_rules", "_values", "documents")

    def __init__(self, documents: Iterable[Any], metadata: Metadata, cipher: Cipher) -> None:
        self._cipher, self._metadata, self._rules, self._values = cipher, metadata, metadata.rules, 0
        self._hits: dict[str, bool] = {}
        self._comments: list[list[str]] = []
        self._hash = hashlib.sha512(_ONLY_ENCRYPTED if metadata.only_encrypted else b"")
        self.documents = [self._value(document, "", False, 0) for document in documents]

    @property
    def mac(self) -> str:
        """As SOPS writes it."""
        return self._hash.hexdigest().upper()

    def _value(self, value: Any, path: str, hit: bool, depth: int) -> Any:
        """``path``: its keys, a colon after each. ``hit``: whether the rule speaks of one of them."""
        self._values += 1  # of collections, too: aliases may name one again and again
        if self._values > _VALUES:
            raise Malformed(f"the document has more than {_VALUES} values")
        if depth > _DEPTH:
            raise Malformed("the document is nested too deep")
        if isinstance(value, dict):
            self._comments.append([])
            mapping = dict(self._items(value, path, hit, depth))
            self._comments.pop()
            return mapping
        if isinstance(value, list):
            self._comments.append([])
            listed = [self._listed(below, path, hit, depth) for below in value]
            self._comments.pop()
            return listed
        if value is None:
            return None
        return self._leaf(value, path, self._rules.encrypted(hit, self._comments))

    def _items(self, mapping: dict[Any, Any], path: str, hit: bool, depth: int) -> Iterator[tuple[Any, Any]]:
        for key, value in mapping.items():
            if isinstance(key, Comment):
                yield self._remark(key, path, hit), None
                continue
            if not isinstance(key, str):
                where = f" in {path.rstrip(':')!r}" if path else ""
                raise Malformed(f"a key{where} is not a string: only string keys are supported, put it in quotes")
            if (spoken := self._hits.get(key)) is None:
                spoken = self._hits[key] = self._rules.hit(key)
            yield key, self._value(value, f"{path}{key}:", hit or spoken, depth + 1)
            self._comments[-1] = []

    def _listed(self, value: Any, path: str, hit: bool, depth: int) -> Any:
        if isinstance(value, Comment):
            remark = self._remark(value, path, hit)
            return remark if remark is value else self._entry(remark)
        found = self._value(value, path, hit, depth + 1)
        self._comments[-1] = []
        return found

    def _remark(self, comment: Comment, path: str, hit: bool) -> Comment:
        self._comments[-1].append(comment.text)
        encrypted = self._rules.encrypted(hit, self._comments, comment=True)
        return self._comment(comment, path or ":") if encrypted else comment

    def _count(self, value: Any, encrypted: bool) -> None:
        if encrypted or not self._metadata.only_encrypted:
            self._hash.update(told(value))

    def _entry(self, remark: Comment) -> Any:
        """A comment among the entries of a list, in its other form."""
        return remark

    @abstractmethod
    def _leaf(self, value: Any, path: str, encrypted: bool) -> Any:
        """A value in its other form, counted."""

    @abstractmethod
    def _comment(self, comment: Comment, path: str) -> Comment:
        """A comment in its other form; comments are not counted."""


class Opened(Walk):
    """From what is written to what is meant."""

    __slots__ = ()

    def _comment(self, comment: Comment, path: str) -> Comment:
        try:
            found = self._cipher.open(comment.text, path)
        except SopsProblem:
            return comment  # older versions of SOPS left comments as they were
        return Comment(found.text if isinstance(found, Comment) else str(found), comment.inline)

    def _leaf(self, value: Any, path: str, encrypted: bool) -> Any:
        if encrypted:
            if not isinstance(value, str):
                raise Malformed(
                    f"the value of {path.rstrip(':')!r} is not encrypted, and the file's rules say that it is"
                )
            value = self._cipher.open(value, path)
            if isinstance(value, Comment):  # one of a list, in a format that has no comments
                return value
        self._count(value, encrypted)
        return value


class Sealed(Walk):
    """From what is meant to what is written."""

    __slots__ = ()

    def _comment(self, comment: Comment, path: str) -> Comment:
        text = self._cipher.seal(comment, path)
        if self._rules.choice == "unencrypted_comment_regex" and self._rules.found and self._rules.found.found(text):
            raise Malformed("unencrypted_comment_regex speaks of encrypted comments, too: make it narrower")
        return Comment(text, comment.inline)

    def _entry(self, remark: Comment) -> str:
        return remark.text  # SOPS writes them as entries, so that formats without comments keep them

    def _leaf(self, value: Any, path: str, encrypted: bool) -> Any:
        self._count(value, encrypted)
        return self._cipher.seal(value, path) if encrypted else value
