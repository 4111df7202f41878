"""Files that were parsed once: most of a render is reading YAML, and most files of a repository stay as they are.

Made by `render`, asked by `plain`, `helm` and `kustomize`. Documents are shared between renders, and nobody changes them.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence

from trueup.kube.documents import Document

_MOST_BYTES = 2 * 1024 * 1024
"""Of YAML; what it is parsed to takes some ten times as much."""


class Parsed:
    """Documents by the digest of their text, for one way of reading. Bounded; the longest unused goes."""

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._kept: OrderedDict[str, tuple[Sequence[Document], int]] = OrderedDict()
        self._bytes, self._most = 0, most_bytes
        self._guard = threading.Lock()

    def get(self, digest: str) -> Sequence[Document] | None:
        """The documents of a text; None if it has to be parsed."""
        with self._guard:
            found = self._kept.get(digest)
            if found is None:
                return None
            self._kept.move_to_end(digest)
            return found[0]

    def keep(self, digest: str, documents: Sequence[Document], size: int) -> None:
        """Remember them, unless they would push out too much else."""
        if size > self._most // 8:
            return
        with self._guard:
            if digest in self._kept:
                return
            self._kept[digest] = documents, size
            self._bytes += size
            while self._bytes > self._most:
                self._bytes -= self._kept.popitem(last=False)[1][1]

    def read(self, digest: str, size: int, parse: Callable[[], Sequence[Document]]) -> Sequence[Document]:
        """The documents, parsed if they are not known."""
        found = self.get(digest)
        if found is None:
            found = parse()
            self.keep(digest, found, size)
        return found
