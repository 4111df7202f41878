"""What nobody else has: uids, and endings of generated names. Called by `verbs.create` and by admission."""

from __future__ import annotations

import uuid

_SUFFIX = 5
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


def uid() -> str:
    return str(uuid.uuid4())


def suffix() -> str:
    """What is put behind ``generateName``. Source: apimachinery ``util/rand``."""
    number = uuid.uuid4().int
    out = ""
    for _ in range(_SUFFIX):
        number, index = divmod(number, len(_LETTERS))
        out += _LETTERS[index]
    return out
