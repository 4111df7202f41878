"""What can be wrong with a file that SOPS has encrypted. No message ever carries a decrypted value or a key."""

from __future__ import annotations


class SopsProblem(Exception):
    """The file cannot be opened."""


class Malformed(SopsProblem):
    """It is not what SOPS writes."""


class NoKey(SopsProblem):
    """None of the keys at hand opens it."""


class MacMismatch(SopsProblem):
    """It was changed after SOPS wrote it."""
