"""Keys of encrypted files for the families that decrypt. Called by `controllers.py`.

The key services are read when the first Secret with keys comes: most processes never have one.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from trueup.ports import KeyMaterial

if TYPE_CHECKING:
    from trueup.sops import Keys


class LazyKeys:
    """The port `KeyServices`, over the environment of this process."""

    def of(self, material: KeyMaterial) -> AbstractContextManager[Keys]:
        """The services, until they are let go of."""
        from trueup.keyservices import Environment, from_material

        return from_material(Environment(), material)
