"""The shape of a kind: what merging, server-side apply and pruning need to know of its schema, and nothing more.

Built once per kind from OpenAPI (built-in kinds) or from a CRD's structural schema; read by `merge` and `apiserver`.
Fields are filled lazily, since Kubernetes' types are recursive (JSONSchemaProps holds itself).
Sources: KEP-555 (server-side apply), "x-kubernetes-*" extensions of the OpenAPI definitions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

ListType = Literal["atomic", "set", "map"]
MapType = Literal["granular", "atomic"]


class Shape:
    """One node of a schema.

    ``of``: ``scalar``, ``map`` (an object; known ``fields``, further ``values``), ``list`` (``items``) or ``any`` (unknown:
    deduced from the data, as Kubernetes treats untyped values; with ``map_type`` ``atomic`` it is one opaque leaf).
    """

    __slots__ = (
        "_fields", "_items", "_make", "_values", "defaults", "list_type", "map_keys", "map_type", "of",
        "patch_merge_key", "patch_strategy", "preserve_unknown", "schema",
    )  # fmt: skip

    def __init__(
        self,
        of: Literal["scalar", "map", "list", "any"],
        *,
        list_type: ListType = "atomic",
        map_keys: tuple[str, ...] = (),
        map_type: MapType = "granular",
        patch_merge_key: str = "",
        patch_strategy: frozenset[str] = frozenset(),
        preserve_unknown: bool = False,
        schema: Mapping[str, Any] | None = None,
        make: Callable[[], tuple[Mapping[str, Shape], Shape | None, Shape | None]] | None = None,
    ) -> None:
        self.of = of
        self.list_type = list_type
        self.map_keys = map_keys
        """The merge keys of a ``map`` list, in schema order."""
        self.map_type = map_type
        self.patch_merge_key = patch_merge_key
        """``x-kubernetes-patch-merge-key``: strategic merge patch only."""
        self.patch_strategy = patch_strategy
        """``x-kubernetes-patch-strategy``: ``merge``, ``replace``, ``retainKeys``."""
        self.preserve_unknown = preserve_unknown
        self.schema = schema or {}
        """The schema node itself, for validation and defaults."""
        self.defaults: Mapping[str, Any] = {}
        """Defaults of key fields of a ``map`` list (e.g. a port's protocol TCP)."""
        self._make = make
        self._fields: Mapping[str, Shape] = {}
        self._values: Shape | None = None
        self._items: Shape | None = None

    def _fill(self) -> None:
        if self._make is not None:
            make, self._make = self._make, None
            self._fields, self._values, self._items = make()

    @property
    def fields(self) -> Mapping[str, Shape]:
        """Known fields of a ``map``."""
        if self._make is not None:
            self._fill()
        return self._fields

    @property
    def values(self) -> Shape | None:
        """Shape of further keys of a ``map`` (additionalProperties); None when there may be none."""
        if self._make is not None:
            self._fill()
        return self._values

    @property
    def items(self) -> Shape | None:
        """Shape of a ``list``'s elements."""
        if self._make is not None:
            self._fill()
        return self._items

    def field(self, name: str) -> Shape:
        """The shape of one field of a map; ``ANY`` when the schema does not know it."""
        found = self.fields.get(name)
        return found if found is not None else self._values or ANY


ANY = Shape("any")
SCALAR = Shape("scalar")
