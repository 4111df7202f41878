"""Names of generated Secrets that end in a hash: it is that of what was opened, as Flux decrypts before it builds. Pure.

Called by `inputs.py` for objects that SOPS encrypted. Source: kustomize-controller, ``internal/decryptor`` (``DecryptSources``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trueup.kube.names import Object
from trueup.kustomize import hash_of


def named_by_content(closed: Object, plain: Object) -> Object:
    """What was opened, under the name that kustomize would have given it. Only a name that ends in the hash of the encrypted
    object is another one: whatever has changed the object since keeps it as it is."""
    if closed.get("kind") != "Secret" or "sops" in closed:
        return plain
    name = str(closed["metadata"].get("name") or "")
    first, found, last = name.rpartition(f"-{hash_of(closed)}")
    if not found or not first:
        return plain
    return {**plain, "metadata": {**plain["metadata"], "name": f"{first}-{hash_of(plain)}{last}"}}


def referring(objects: list[Object], names: Mapping[str, str]) -> list[Object]:
    """The objects with new names in place of old ones, wherever one of them is a whole text: nobody writes such names himself."""
    return [_replaced(obj, names) for obj in objects] if names else objects


def _replaced(value: Any, names: Mapping[str, str]) -> Any:
    """Only what changes is made anew."""
    if isinstance(value, str):
        return names.get(value, value)
    if isinstance(value, dict):
        changed = {key: _replaced(below, names) for key, below in value.items()}
        return changed if any(changed[key] is not below for key, below in value.items()) else value
    if isinstance(value, list):
        entries = [_replaced(below, names) for below in value]
        return entries if any(new is not old for new, old in zip(entries, value, strict=True)) else value
    return value
