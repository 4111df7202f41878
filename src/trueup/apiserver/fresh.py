"""What nobody else has: uids, and endings of generated names. Called by `verbs.create` and by admission."""

from __future__ import annotations

import os
import uuid

_SUFFIX = 5
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


def uid() -> str:
    """A random UUID, as ``uuid.uuid4`` makes it in a third of the time: every request has one, and every new object."""
    text = os.urandom(16).hex()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{'89ab'[int(text[16], 16) & 3]}{text[17:20]}-{text[20:]}"


def suffix() -> str:
    """What is put behind ``generateName``. Source: apimachinery ``util/rand``."""
    number = uuid.uuid4().int
    out = ""
    for _ in range(_SUFFIX):
        number, index = divmod(number, len(_LETTERS))
        out += _LETTERS[index]
    return out
