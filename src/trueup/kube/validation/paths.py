"""Paths of files in volumes and containers. Source: Kubernetes ``core/validation``, validateLocalDescendingPath and its kin."""

from __future__ import annotations

from typing import Any

from trueup.kube.validation.causes import Causes, invalid

_MODE = "must be a number between 0 and 0777 (octal), both inclusive"


def no_backsteps(text: str, path: str) -> Causes:
    """A path that never goes up."""
    if ".." in text and ".." in text.split("/"):
        yield invalid(path, text, "must not contain '..'")


def descending(text: str, path: str) -> Causes:
    """A relative path that never goes up."""
    if text.startswith("/"):
        yield invalid(path, text, "must be a relative path")
    yield from no_backsteps(text, path)


def in_volume(text: str, path: str) -> Causes:
    """A path below a volume, whose names with two dots in front are the volume's own."""
    yield from descending(text, path)
    if text.startswith("..") and not text.startswith("../"):
        yield invalid(path, text, "must not start with '..'")


def mode(value: Any, path: str) -> Causes:
    """A file's permissions."""
    if value is not None and not 0 <= value <= 0o777:
        yield invalid(path, value, _MODE)
